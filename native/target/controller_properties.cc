// Fabrics commands on the admin queue, the controller properties, and what writing CC sets in motion. NVMe
// Base Specification 2.1, "Controller Properties", "Memory-Based/Message-Based Controller Initialization",
// "Controller Level Reset", "Shutdown". Rows F19 to F23, F30, F31.
#include "base/log.h"
#include "target/controller.h"

namespace ballast::target {

using nvme::ControllerConfiguration;
using nvme::ControllerStatus;
using transport::Request;

namespace {

// How long a host shall wait for CSTS.RDY, in 500 ms: a reset waits for device I/O in flight.
constexpr uint8_t k_ready_timeout_500ms = 30;

nvme::Capabilities capabilities() {
  nvme::Capabilities cap;
  cap.set_mqes(nvme::k_queue_entries_max - 1);
  cap.set_cqr();
  cap.set_timeout_500ms(k_ready_timeout_500ms);
  cap.set_css(nvme::Capabilities::k_css_nvm);
  cap.set_crwms();
  return cap;
}

}  // namespace

void Controller::answer_fabrics(Request& request) {
  switch (static_cast<nvme::FabricsType>(request.command.nsid & 0xff)) {
    case nvme::FabricsType::property_get: return get_property(request);
    case nvme::FabricsType::property_set: return set_property(request);
    case nvme::FabricsType::connect: return reply(request, nvme::status::command_sequence_error.with_dnr());
    case nvme::FabricsType::disconnect: return reply(request, nvme::status::invalid_queue_type.with_dnr());
    default: return reply(request, nvme::status::invalid_opcode.with_dnr());
  }
}

void Controller::get_property(Request& request) {
  const auto command = load<nvme::PropertyGetCommand>(bytes_of(request.command));
  uint64_t value = 0;
  uint8_t size = nvme::k_property_4_bytes;
  switch (command.offset) {
    case nvme::property::cap:
      value = capabilities().value;
      size = nvme::k_property_8_bytes;
      break;
    case nvme::property::vs: value = nvme::k_version_2_0; break;
    case nvme::property::cc: value = cc_.value; break;
    case nvme::property::csts: value = csts_.value; break;
    case nvme::property::crto: value = nvme::controller_ready_timeouts(k_ready_timeout_500ms); break;
    default: return reply(request, nvme::status::invalid_field.with_dnr());
  }
  if ((command.attributes & nvme::k_property_size_mask) != size) {
    return reply(request, nvme::status::invalid_field.with_dnr());
  }
  reply(request, nvme::status::success, static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32));
}

// CC is the only property that a host may write (no NVM Subsystem Reset: CAP.NSSRS is 0).
void Controller::set_property(Request& request) {
  const auto command = load<nvme::PropertySetCommand>(bytes_of(request.command));
  const bool is_4_bytes = (command.attributes & nvme::k_property_size_mask) == nvme::k_property_4_bytes;
  if (command.offset != nvme::property::cc || !is_4_bytes) {
    return reply(request, nvme::status::invalid_field.with_dnr());
  }
  const nvme::Status status = write_configuration({static_cast<uint32_t>(command.value)});
  reply(request, status);
}

// Changes nothing when it refuses.
nvme::Status Controller::write_configuration(ControllerConfiguration next) {
  const ControllerConfiguration before = cc_;
  if ((next.value & nvme::k_cc_reserved_mask) != 0 || next.mps() != 0 || next.ams() != 0 ||
      next.css() != ControllerConfiguration::k_css_nvm ||
      next.shutdown() == ControllerConfiguration::k_shutdown_reserved) {
    return nvme::status::invalid_field.with_dnr();
  }
  cc_ = next;
  if (before.enabled() && !next.enabled()) reset();
  if (!before.enabled() && next.enabled()) enable();
  const bool shutdown_asked = next.shutdown() != ControllerConfiguration::k_shutdown_none;
  if (shutdown_asked && before.shutdown() == ControllerConfiguration::k_shutdown_none) {
    shut_down(next.shutdown());
  }
  advance();
  return nvme::status::success;
}

void Controller::enable() {
  csts_.set_shutdown(ControllerStatus::k_shutdown_normal_operation);
  const bool discovery_activity = subsystem_.is_discovery() && keep_alive_.timeout_ms() == 0;
  if (!discovery_activity) shard_.reactor().cancel(association_timer_);
  keep_alive_.start();
}

// The admin queue lives on; everything else is as after Connect, once the I/O queues are gone.
void Controller::reset() {
  draining_ = true;
  csts_.set_shutdown(ControllerStatus::k_shutdown_normal_operation);
  keep_alive_.stop();
  shard_.reactor().arm(association_timer_, shard_.context().options.association_timeout_ns);
  features_ = Features{};
  events_.abort_all();
  events_.set_enabled(0);
  changed_namespaces_.clear();
  close_io_queues();
}

void Controller::shut_down(uint8_t) {
  draining_ = true;
  csts_.set_shutdown(ControllerStatus::k_shutdown_occurring);
  keep_alive_.stop();
  shard_.reactor().arm(association_timer_, shard_.context().options.association_timeout_ns);
  close_io_queues();
}

// Called whenever something that a reset, a shutdown or the end waits for has happened.
void Controller::advance() {
  if (queues_in_use_ > 0 || cache_flush_.under_way()) return;
  if (terminating_) return retire_if_over();
  if (csts_.shutdown() == ControllerStatus::k_shutdown_occurring) {
    if (cc_.shutdown() == ControllerConfiguration::k_shutdown_normal && !caches_flushed_) {
      return cache_flush_.start(subsystem_, [this] {
        caches_flushed_ = true;
        advance();
      });
    }
    csts_.set_shutdown(ControllerStatus::k_shutdown_complete);
  }
  const bool stopped = csts_.shutdown() == ControllerStatus::k_shutdown_complete;
  draining_ = stopped;
  caches_flushed_ = false;
  csts_.set_ready(cc_.enabled());
}

void Controller::on_keep_alive_expired() {
  shard_.context().keep_alive_timeouts.fetch_add(1, std::memory_order_relaxed);
  log(LogLevel::warning, "target", "controller %u: no keep alive for %u ms from %s", id(),
      keep_alive_.timeout_ms(), log_escape(host_nqn_).c_str());
  csts_.set_fatal();
  terminate(transport::CloseReason::timed_out);
}

void Controller::on_association_timeout() {
  log(LogLevel::info, "target", "controller %u: idle for too long", id());
  terminate(transport::CloseReason::timed_out);
}

}  // namespace ballast::target
