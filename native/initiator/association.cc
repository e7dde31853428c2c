#include "initiator/association.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "initiator/commands.h"
#include "nvme/limits.h"

namespace ballast::initiator {

namespace {
constexpr char k_room[] = "initiator";
// How often CSTS is read while waiting for RDY or SHST.
constexpr uint64_t k_status_interval_ns = 10 * k_ns_per_ms;
// A shutdown that takes longer is not waited for: the target tears down when the connection goes.
constexpr uint64_t k_shutdown_limit_ns = 5 * k_ns_per_s;
constexpr uint64_t k_capabilities_timeout_unit_ns = 500 * k_ns_per_ms;

nvme::ControllerConfiguration enabled_configuration(const nvme::Capabilities& capabilities) {
  using nvme::ControllerConfiguration;
  nvme::ControllerConfiguration configuration;
  // We use the NVM command set. A controller that cannot be told that alone gets all it supports.
  const bool has_nvm = (capabilities.css() & nvme::Capabilities::k_css_nvm) != 0;
  const bool has_several = (capabilities.css() & nvme::Capabilities::k_css_several) != 0;
  configuration.set_css(!has_nvm && has_several ? ControllerConfiguration::k_css_all
                                                : ControllerConfiguration::k_css_nvm);
  configuration.set_iosqes(ControllerConfiguration::k_iosqes);
  configuration.set_iocqes(ControllerConfiguration::k_iocqes);
  configuration.set_enabled(true);
  return configuration;
}
}  // namespace

Association::Association(Reactor& reactor, const ControllerOptions& options, AssociationOwner& owner,
                         bool reports_ana)
    : reactor_(reactor),
      options_(options),
      owner_(owner),
      admin_(reactor, options, *this),
      reports_ana_(reports_ana),
      timer_([](Timer&, void* context) { static_cast<Association*>(context)->on_timer(); }, this),
      keep_alive_timer_(
          [](Timer&, void* context) { static_cast<Association*>(context)->on_keep_alive_timer(); }, this),
      ana_reread_timer_([](Timer&, void* context) { static_cast<Association*>(context)->reread_ana(); },
                        this),
      ana_transition_timer_(
          [](Timer&, void* context) {
            static_cast<Association*>(context)->fail(
                {Errc::timed_out, "a namespace is between two ANA states for longer than ANATT"});
          },
          this),
      buffer_(new uint8_t[nvme::k_identify_bytes]) {}

Association::~Association() {
  BALLAST_ASSERT(stage_ == Stage::ended || (stage_ == Stage::opening && !admin_open_));
}

Segment Association::buffer() { return {buffer_.get(), nvme::k_identify_bytes}; }

void Association::start() {
  admin_open_ = true;
  admin_.open();
}

void Association::send(const char* what, const nvme::Command& command, Segment data, Next next) {
  const bool taken = admin_.submit(
      command, data, options_.command_timeout_ns, [this, what, next](nvme::Completion completion) {
        if (stage_ >= Stage::ending) return;
        if (completion.status().ok()) {
          (this->*next)(completion);
        } else if (!completion.status().is(nvme::status::host_pathing_error)) {
          fail({Errc::refused_by_peer, options_.address.text() + ": " + describe(what, completion.status())});
        }  // else the connection is gone: on_admin_closed() knows why
      });
  if (!taken) fail({Errc::too_many, "the admin queue is full"});
}

void Association::on_admin_ready() {
  if (stage_ != Stage::opening) return;
  stage_ = Stage::connecting;
  store(MutableByteSpan(buffer_.get(), nvme::k_identify_bytes),
        connect_data(options_, nvme::k_controller_id_dynamic));
  send("Connect", connect_command(0, AdminQueue::k_entries, options_.keep_alive_ms),
       {buffer_.get(), sizeof(nvme::ConnectData)}, &Association::on_connected);
}

void Association::on_connected(const nvme::Completion& completion) {
  if ((completion.dw0 & nvme::k_connect_response_authentication_mask) != 0) {
    fail({Errc::unsupported, "the target demands authentication, and there is no key for it"});
    return;
  }
  info_.controller_id = nvme::connect_response_controller_id(completion.dw0);
  stage_ = Stage::reading;
  send("reading CAP", property_get(nvme::property::cap, true), {}, &Association::on_capabilities);
}

void Association::on_capabilities(const nvme::Completion& completion) {
  capabilities_ = {completion.result()};
  send("reading VS", property_get(nvme::property::vs, false), {}, &Association::on_version);
}

void Association::on_version(const nvme::Completion& completion) {
  info_.version = completion.dw0;
  stage_ = Stage::enabling;
  const uint64_t units = std::max<uint64_t>(capabilities_.timeout_500ms(), 1);
  stage_deadline_ns_ = reactor_.clock().now_ns() + units * k_capabilities_timeout_unit_ns;
  send("setting CC.EN", property_set(nvme::property::cc, enabled_configuration(capabilities_).value), {},
       &Association::on_configured);
}

void Association::on_configured(const nvme::Completion&) { ask_ready(); }

void Association::ask_ready() {
  send("reading CSTS", property_get(nvme::property::csts, false), {}, &Association::on_status);
}

void Association::on_status(const nvme::Completion& completion) {
  const nvme::ControllerStatus status{completion.dw0};
  const bool too_late = reactor_.clock().now_ns() >= stage_deadline_ns_;
  if (stage_ == Stage::shutting_down) {
    if (status.shutdown() == nvme::ControllerStatus::k_shutdown_complete || too_late) {
      fail({Errc::aborted, "closed"});
    } else {
      reactor_.arm(timer_, k_status_interval_ns);
    }
    return;
  }
  if (stage_ != Stage::enabling) return;
  if (status.fatal()) {
    fail({Errc::protocol_error, "the controller reports a fatal status (CSTS.CFS)"});
  } else if (status.ready()) {
    stage_ = Stage::identifying;
    send("Identify Controller", identify(nvme::Cns::controller, 0), buffer(),
         &Association::on_identify_controller);
  } else if (too_late) {
    fail({Errc::timed_out, "the controller is not ready within CAP.TO"});
  } else {
    reactor_.arm(timer_, k_status_interval_ns);
  }
}

void Association::on_timer() {
  if (stage_ == Stage::enabling || stage_ == Stage::shutting_down) ask_ready();
}

void Association::on_identify_controller(const nvme::Completion&) {
  const auto identified = load<nvme::IdentifyController>(ByteSpan(buffer_.get(), nvme::k_identify_bytes));
  const Outcome understood = interpret_controller(identified, capabilities_, options_, info_);
  if (!understood.ok()) {
    fail(understood.error());
    return;
  }
  oncs_ = identified.oncs;
  kas_ = identified.kas;
  oaes_ = identified.oaes;
  start_reading_ana(identified);
  start_keep_alive();
  if (options_.io_queues_count == 0) {  // a discovery controller has neither namespaces nor I/O queues
    on_namespaces_read();
    return;
  }
  send("Set Features Number of Queues",
       set_feature(nvme::FeatureId::number_of_queues, nvme::number_of_queues(options_.io_queues_count)), {},
       &Association::on_number_of_queues);
}

void Association::on_number_of_queues(const nvme::Completion& completion) {
  const uint32_t granted = std::min(completion.dw0 & 0xffff, completion.dw0 >> 16) + 1;
  info_.io_queues_count = static_cast<uint16_t>(std::min<uint32_t>(granted, options_.io_queues_count));
  read_namespaces();
}

void Association::connect_io_queues() {
  stage_ = Stage::connecting_io;
  io_queues_connecting_ = io_queues_connected_ = io_queues_.size();
  if (io_queues_.empty()) {
    on_live();
    return;
  }
  const IoQueueParameters parameters{info_.controller_id, info_.in_capsule_bytes};
  for (IoQueueImpl* const queue : io_queues_) {
    send_task(queue->reactor(), [this, queue, parameters] {
      // These messages and that of disconnect() arrive in this order, so this object is there for each.
      queue->connect(
          parameters,
          [this](Outcome outcome) {
            send_task(reactor_, [this, outcome = std::move(outcome)] { on_io_connected(outcome); });
          },
          [this](const Error& error) { send_task(reactor_, [this, error] { fail(error); }); });
    });
  }
}

void Association::on_io_connected(const Outcome& outcome) {
  if (stage_ != Stage::connecting_io) return;
  if (!outcome.ok()) {
    fail(outcome.error());
    return;
  }
  if (--io_queues_connecting_ == 0) on_live();
}

void Association::on_live() {
  stage_ = Stage::live;
  uint32_t events = nvme::k_event_namespace_attribute;
  if (!ana_log_.empty()) events |= nvme::k_event_ana_change;
  events &= oaes_;
  if (events != 0) {
    const nvme::Command command = set_feature(nvme::FeatureId::async_event_configuration, events);
    // Events are a convenience: a controller that refuses them is used without.
    static_cast<void>(admin_.submit(command, {}, options_.command_timeout_ns, [](nvme::Completion) {}));
    ask_for_events();
  }
  owner_.on_association_live();
  reread_ana();  // what changed before events were enabled was not told
}

// "Keep Alive": at half the time-out, so that one lost or late command does not end the association.
void Association::start_keep_alive() {
  if (options_.keep_alive_ms == 0 || kas_ == 0) return;
  arm_keep_alive();
}

// After half of its time or a little sooner: all associations of a thread have theirs together, and it sleeps
// in between.
void Association::arm_keep_alive() {
  const uint64_t timeout_ns = options_.keep_alive_ms * k_ns_per_ms;
  const uint64_t now_ns = reactor_.clock().now_ns(), grid_ns = timeout_ns / 8;
  reactor_.arm(keep_alive_timer_, (now_ns + timeout_ns / 2) / grid_ns * grid_ns - now_ns);
}

void Association::on_keep_alive_timer() {
  if (stage_ >= Stage::ending) return;
  const uint64_t timeout_ns = options_.keep_alive_ms * k_ns_per_ms;
  arm_keep_alive();
  if (keep_alive_in_flight_) return;  // its own time limit watches it
  keep_alive_in_flight_ = admin_.submit(keep_alive(), {}, timeout_ns, [this](nvme::Completion completion) {
    keep_alive_in_flight_ = false;
    const nvme::Status status = completion.status();
    if (status.ok() || stage_ >= Stage::ending || status.is(nvme::status::host_pathing_error)) return;
    fail({Errc::refused_by_peer, describe("Keep Alive", status)});
  });
}

// "Asynchronous Event Request command": one is always with the controller, without a time limit.
void Association::ask_for_events() {
  static_cast<void>(admin_.submit(async_event_request(), {}, 0,
                                  [this](nvme::Completion completion) { on_event(completion); }));
}

void Association::on_event(const nvme::Completion& completion) {
  if (stage_ != Stage::live || !completion.status().ok()) return;  // refused: no events from this controller
  ask_for_events();
  handle_event(completion.dw0);
}

void Association::handle_event(uint32_t dw0) {
  const auto type = static_cast<nvme::EventType>(dw0 & 7);
  const auto information = static_cast<uint8_t>(dw0 >> 8);
  const bool is_notice = type == nvme::EventType::notice;
  if (is_notice && information == nvme::k_notice_namespace_attribute) return on_namespaces_changed();
  if (is_notice && information == nvme::k_notice_ana_change) return reread_ana();
  log(LogLevel::info, k_room, "%s: event type %u, information %02xh", options_.address.text().c_str(),
      static_cast<unsigned>(type), information);
}

void Association::on_namespaces_changed() {
  log(LogLevel::info, k_room, "%s: namespaces changed", options_.address.text().c_str());
  if (rereading_) {
    reread_again_ = true;
    return;
  }
  rereading_ = true;
  // Reading the log page is what lets the controller send the next event of this kind.
  send("Changed Namespace List",
       get_log_page(nvme::LogPage::changed_namespaces, 0, sizeof(nvme::ChangedNamespacesLog)), buffer(),
       &Association::on_changed_namespaces);
}

void Association::on_changed_namespaces(const nvme::Completion&) { read_namespaces(); }

void Association::fail(Error error) {
  if (stage_ >= Stage::ending) return;
  stage_ = Stage::ending;
  error_ = std::move(error);
  reactor_.cancel(timer_);
  reactor_.cancel(keep_alive_timer_);
  reactor_.cancel(ana_reread_timer_);
  reactor_.cancel(ana_transition_timer_);
  admin_.close();
  disconnect_io_queues();
  end_if_nothing_left();
}

void Association::on_admin_closed(const Error& error) {
  admin_open_ = false;
  if (stage_ < Stage::ending) {
    fail(error);
  } else {
    end_if_nothing_left();
  }
}

void Association::disconnect_io_queues() {
  if (io_queues_connected_ == 0) return;
  for (IoQueueImpl* const queue : io_queues_) {
    send_task(queue->reactor(), [this, queue] {
      queue->disconnect([this] { send_task(reactor_, [this] { on_io_disconnected(); }); });
    });
  }
  io_queues_.clear();  // once
}

void Association::on_io_disconnected() {
  if (--io_queues_connected_ != 0) return;
  if (stage_ == Stage::shutting_down) {
    nvme::ControllerConfiguration configuration = enabled_configuration(capabilities_);
    configuration.set_shutdown(nvme::ControllerConfiguration::k_shutdown_normal);
    send("setting CC.SHN", property_set(nvme::property::cc, configuration.value), {},
         &Association::on_configured);
  } else {
    end_if_nothing_left();
  }
}

void Association::end_if_nothing_left() {
  if (stage_ != Stage::ending || admin_open_ || io_queues_connected_ != 0) return;
  stage_ = Stage::ended;
  owner_.on_association_ended(error_);  // may destroy this
}

// "Controller shutdown": a controller that is not live yet is simply left.
void Association::shut_down() {
  if (stage_ >= Stage::shutting_down) return;
  if (stage_ != Stage::live) {
    fail({Errc::aborted, "closed"});
    return;
  }
  stage_ = Stage::shutting_down;
  stage_deadline_ns_ = reactor_.clock().now_ns() + k_shutdown_limit_ns;
  if (io_queues_connected_ == 0) {
    io_queues_connected_ = 1;  // as if one had just gone
    on_io_disconnected();
    return;
  }
  disconnect_io_queues();
}

}  // namespace ballast::initiator
