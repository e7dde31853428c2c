#include "target/controller.h"

#include <cstring>
#include <new>

#include "base/log.h"
#include "target/admin_commands.h"

namespace ballast::target {

using transport::Request;

namespace {

// What the controller keeps per admin command, in Request::observer_state.
struct AdminState {
  Controller::Fill fill = nullptr;
  Controller::Use use = nullptr;
  bool is_extended = false;  // a command of the subsystem's extension
};
static_assert(sizeof(AdminState) <= Request::k_observer_bytes);

AdminState& state_of(Request& request) {
  return *std::launder(reinterpret_cast<AdminState*>(request.observer_state.data()));
}

}  // namespace

Controller::Controller(TargetShard& shard, SubsystemShard& subsystem, transport::TargetQpair& admin,
                       const ConnectRequest& request, const ControllerRef& ref)
    : shard_(shard),
      subsystem_(subsystem),
      admin_(admin),
      ref_(ref),
      host_nqn_(request.host_nqn),
      host_id_(request.host_id),
      queues_(subsystem.is_discovery() ? 1 : nvme::k_io_queues_max + 1),
      keep_alive_(shard.reactor(), [this] { on_keep_alive_expired(); }),
      association_timer_([](Timer&, void* self) { static_cast<Controller*>(self)->on_association_timeout(); },
                         this),
      events_(*this) {
  keep_alive_.set_timeout_ms(granted_keep_alive_ms(request.keep_alive_ms));
  shard_.reactor().arm(association_timer_, shard_.context().options.association_timeout_ns);
  // Hosts of an extended subsystem are other processes of ours, which come to thousands of them.
  const LogLevel level = subsystem.config().extension ? LogLevel::debug : LogLevel::info;
  log(level, "target", "controller %u of %s for %s", id(), log_escape(request.subsystem_nqn).c_str(),
      log_escape(host_nqn_).c_str());
  tell_extension_of_begin();
}

Controller::~Controller() {
  BALLAST_ASSERT(queues_in_use_ == 0);
  shard_.reactor().cancel(association_timer_);
}

void Controller::on_request(Request& request) {
  ++outstanding_;
  new (request.observer_state.data()) AdminState;
  // NVMe Base Specification 2.1, "Discovery Controller Initialization": without a Keep Alive Timeout, being
  // silent for long ends the association.
  if (subsystem_.is_discovery() && keep_alive_.timeout_ms() == 0) {
    shard_.reactor().arm(association_timer_, shard_.context().options.association_timeout_ns);
  }
  if (request.command.opcode == nvme::k_opcode_fabrics) return answer_fabrics(request);
  const AdminHandler handler = find_admin_handler(request.command.opcode);
  state_of(request).is_extended = handler == nullptr && extension_for(request.command.opcode) != nullptr;
  if (handler == nullptr && !state_of(request).is_extended)
    return reply(request, nvme::status::invalid_opcode.with_dnr());
  const nvme::Status status = check_admin_command(request.command);
  if (!status.ok()) return reply(request, status);
  if (!csts_.ready() || !cc_.enabled()) {
    return reply(request, nvme::status::command_sequence_error.with_dnr());
  }
  state_of(request).is_extended ? start_extended(request) : handler(*this, request);
}

void Controller::reply(Request& request, nvme::Status status, uint32_t dw0, uint32_t dw1) {
  if (!status.ok() && !status.is(nvme::status::abort_requested)) {
    errors_.add(error_log_entry(request.command, status, 0));
  }
  nvme::Completion completion;
  completion.dw0 = dw0;
  completion.dw1 = dw1;
  completion.set_status(status);
  admin_.reply(request, completion);
}

void Controller::reply_with_data(Request& request, uint64_t bytes, Fill fill) {
  if (bytes > nvme::k_transfer_bytes_max) return reply(request, nvme::status::invalid_field.with_dnr());
  if (bytes > request.sgl_length_bytes) {
    return reply(request, nvme::status::data_sgl_length_invalid.with_dnr());
  }
  state_of(request).fill = fill;
  admin_.alloc_reply_buffer(request, static_cast<uint32_t>(bytes));
}

void Controller::on_buffer(Request& request) {
  if (request.abandoned || request.data.base == nullptr) {
    return reply(request, nvme::status::abort_requested);
  }
  if (state_of(request).is_extended) return execute_extended(request);
  const MutableByteSpan data(request.data.base, request.data.size_bytes);
  std::memset(data.data(), 0, data.size());
  const nvme::Status status = state_of(request).fill(*this, request.command, data);
  if (!status.ok()) return reply(request, status);
  nvme::Completion completion;
  admin_.reply(request, completion, {&request.data, 1});
}

void Controller::take_data(Request& request, uint32_t bytes, Use use) {
  if (bytes > request.sgl_length_bytes) {
    return reply(request, nvme::status::data_sgl_length_invalid.with_dnr());
  }
  state_of(request).use = use;
  admin_.fetch(request, bytes, transport::DataUse::until_released);
}

void Controller::on_fetched(Request& request, nvme::Status status) {
  if (status.ok() && state_of(request).is_extended) return execute_extended(request);
  if (status.ok()) {
    status = state_of(request).use(*this, request.command, {request.data.base, request.data.size_bytes});
  }
  reply(request, status);
}

void Controller::on_released(Request&) {
  BALLAST_ASSERT(outstanding_ > 0);
  --outstanding_;
  retire_if_over();
}

void Controller::on_closed(transport::TargetQpair&, transport::CloseReason reason) {
  admin_closed_ = true;
  log(LogLevel::info, "target", "controller %u: admin queue %s", id(), transport::close_reason_text(reason));
  terminate(reason);
  events_.abort_all();  // gives the requests back
  retire_if_over();
}

void Controller::terminate(transport::CloseReason reason) {
  if (terminating_) return;
  terminating_ = true;
  tell_if_lost(reason);
  keep_alive_.stop();
  shard_.reactor().cancel(association_timer_);
  close_io_queues();
  if (!admin_closed_) admin_.close(reason);
  retire_if_over();
}

// A host that goes in order shuts its controller down, or resets it, before it lets go of the connection.
void Controller::tell_if_lost(transport::CloseReason reason) const {
  const TargetContext& context = shard_.context();
  if (context.host_lost == nullptr || reason == transport::CloseReason::local_request) return;
  const bool is_in_use =
      cc_.enabled() && csts_.shutdown() == nvme::ControllerStatus::k_shutdown_normal_operation;
  if (!is_in_use || subsystem_.is_discovery() || subsystem_.config().extension != nullptr) return;
  context.host_lost({subsystem_.config().nqn, host_nqn_, keep_alive_.timeout_ms(), keep_alive_.silent_ns()});
}

void Controller::retire_if_over() {
  if (!terminating_ || !admin_closed_ || retired_) return;
  if (outstanding_ > 0 || queues_in_use_ > 0 || cache_flush_.under_way()) return;
  retired_ = true;
  if (const auto& extension = subsystem_.config().extension) extension->on_controller_ended(ref_.instance);
  shard_.release_connection(admin_);
  if (!subsystem_.is_discovery()) shard_.release_claim(subsystem_.config().nqn, host_id_);
  const std::vector<std::function<void()>> gone = std::move(when_gone_);
  shard_.retire_controller(*this);
  for (const auto& callback : gone) callback();
}

void Controller::namespace_changed(uint32_t nsid) {
  changed_namespaces_.insert(nsid);
  events_.raise(Event::namespace_attribute);
}

}  // namespace ballast::target
