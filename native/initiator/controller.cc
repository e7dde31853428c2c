#include "initiator/controller.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "initiator/multipath_controller.h"
#include "nvme/limits.h"
#include "nvme/nqn.h"

namespace ballast::initiator {

namespace {
constexpr char k_room[] = "initiator";

nvme::Completion completion_of(nvme::Status status) {
  nvme::Completion completion;
  completion.set_status(status);
  return completion;
}

Outcome check_options(const ControllerOptions& options) {
  if (options.other_addresses.size() >= k_paths_max) {
    return Error{Errc::invalid_argument, "at most " + std::to_string(k_paths_max) + " paths"};
  }
  if (!nvme::is_valid_nqn(options.subsystem_nqn)) {
    return Error{Errc::invalid_argument, "the subsystem NQN is not valid"};
  }
  if (!nvme::is_valid_nqn(options.host_nqn))
    return Error{Errc::invalid_argument, "the host NQN is not valid"};
  if (options.host_id.is_nil()) return Error{Errc::invalid_argument, "the host identifier is nil"};
  if (options.io_queues_count > nvme::k_io_queues_max) {
    return Error{Errc::invalid_argument, "at most " + std::to_string(nvme::k_io_queues_max) + " I/O queues"};
  }
  if (options.queue_entries < 2 || options.queue_entries > nvme::k_queue_entries_max) {
    return Error{Errc::invalid_argument,
                 "queue size must be 2 to " + std::to_string(nvme::k_queue_entries_max)};
  }
  return Unit{};
}
}  // namespace

const char* controller_state_text(ControllerState state) {
  switch (state) {
    case ControllerState::connecting: return "connecting";
    case ControllerState::live: return "live";
    case ControllerState::reconnecting: return "reconnecting";
    case ControllerState::dead: return "dead";
    case ControllerState::closed: return "closed";
  }
  return "unknown";
}

std::weak_ptr<Controller> Controller::connect(
    std::vector<Reactor*> reactors, const ControllerOptions& options, StateObserver observer,
    std::function<void(Result<std::shared_ptr<Controller>>)> connected) {
  BALLAST_ASSERT(!reactors.empty());
  Reactor& home = *reactors[0];
  const Outcome checked = check_options(options);
  if (!checked.ok()) {
    send_task(home, [connected = std::move(connected), error = checked.error()] { connected(error); });
    return {};
  }
  if (!options.other_addresses.empty() || options.fast_io_fail_timeout_ns != k_never_gives_up) {
    return connect_multipath(std::move(reactors), options, std::move(observer), std::move(connected));
  }
  auto controller = std::make_shared<ControllerImpl>(std::move(reactors), options, std::move(observer),
                                                     std::move(connected));
  send_task(home, [controller] { controller->start(); });
  return controller;
}

ControllerImpl::ControllerImpl(std::vector<Reactor*> reactors, const ControllerOptions& options,
                               StateObserver observer, Connected connected, PathObserver* path)
    : reactors_(std::move(reactors)),
      options_(options),
      path_(path),
      observer_(std::move(observer)),
      connected_(std::move(connected)),
      backoff_(options.reconnect_delay_first_ns, options.reconnect_delay_max_ns),
      reconnect_timer_([](Timer&, void* context) { static_cast<ControllerImpl*>(context)->attempt(); }, this),
      loss_timer_(
          [](Timer&, void* context) {
            auto* const self = static_cast<ControllerImpl*>(context);
            self->give_up("not back within the controller loss time-out");
          },
          this) {}

ControllerImpl::~ControllerImpl() { BALLAST_ASSERT(association_ == nullptr); }

void ControllerImpl::start() {
  self_ = shared_from_this();
  attempt();
}

void ControllerImpl::set_state(ControllerState state, const std::string& text) {
  state_.store(state, std::memory_order_relaxed);
  if (observer_) observer_(state, text);
}

void ControllerImpl::attempt() {
  BALLAST_ASSERT(association_ == nullptr);
  association_ = std::make_unique<Association>(home(), options_, *this, path_ != nullptr);
  association_->start();
}

Result<std::vector<IoQueueImpl*>> ControllerImpl::on_identified(const ControllerInfo& identified) {
  ControllerInfo info = identified;
  if (path_ != nullptr) {
    const Outcome wanted = path_->on_path_identified(info);
    if (!wanted.ok()) return wanted.error();
  }
  if (!info_known_) {
    info_ = info;
    info_known_ = true;
    make_queues(info);
  } else {
    const Outcome same = check_namespaces(info.namespaces);
    if (!same.ok()) return same.error();
    if (namespace_observer_) namespace_observer_(info.namespaces);
    if (info.io_queues_count < info_.io_queues_count || info.queue_entries < info_.queue_entries) {
      return Error{Errc::too_many, "the target grants fewer or smaller I/O queues than before"};
    }
  }
  std::vector<IoQueueImpl*> queues;
  for (const auto& queue : queues_) queues.push_back(queue.get());
  return queues;
}

// A volume that was replaced by another one under the same number must never get our writes.
Outcome ControllerImpl::check_namespaces(const std::vector<NamespaceInfo>& namespaces) {
  for (const NamespaceInfo& before : info_.namespaces) {
    const auto now = std::find_if(namespaces.begin(), namespaces.end(),
                                  [&before](const auto& ns) { return ns.nsid == before.nsid; });
    if (now == namespaces.end()) continue;  // gone: the target refuses its I/O
    const Outcome same = check_same_namespace(before, *now);
    if (!same.ok()) {
      permanent_text_ = same.error().text;
      return same.error();
    }
  }
  return Unit{};
}

void ControllerImpl::make_queues(const ControllerInfo& info) {
  for (uint16_t i = 0; i < info.io_queues_count; ++i) {
    queues_.push_back(std::make_unique<IoQueueImpl>(*reactors_[i % reactors_.size()], options_,
                                                    static_cast<uint16_t>(i + 1), info.queue_entries,
                                                    path_ != nullptr ? &path_->queue_above(i) : nullptr));
  }
  if (path_ != nullptr) path_->on_path_queues(queues_);
}

void ControllerImpl::on_association_live() {
  home().cancel(loss_timer_);
  backoff_.reset();
  set_state(ControllerState::live, options_.address.text());
  if (!connected_) return;
  const Connected connected = std::move(connected_);
  connected_ = nullptr;
  connected(std::shared_ptr<Controller>(self_));
}

Outcome ControllerImpl::on_namespaces_reread(const std::vector<NamespaceInfo>& namespaces) {
  const Outcome same = check_namespaces(namespaces);
  if (same.ok() && namespace_observer_) namespace_observer_(namespaces);
  return same;
}

void ControllerImpl::observe_namespaces(NamespaceObserver observer) {
  send_task(home(), [this, self = shared_from_this(), observer = std::move(observer)]() mutable {
    namespace_observer_ = std::move(observer);
  });
}

void ControllerImpl::on_ana_read(const std::vector<AnaEntry>& entries) {
  if (path_ != nullptr) path_->on_path_ana(entries);
}

void ControllerImpl::reread_ana_soon() {
  if (association_ != nullptr) association_->reread_ana_soon();
}

void ControllerImpl::list_paths(std::function<void(std::vector<PathInfo>)> done) {
  send_task(home(), [this, self = shared_from_this(), done = std::move(done)] {
    done({{options_.address, state(), info_.controller_id, {}}});
  });
}

void ControllerImpl::on_association_ended(const Error& error) {
  const Error ended = error;  // dies with the association
  association_.reset();
  refuse_waiting_admin();
  if (path_ != nullptr) path_->on_path_lost(ended);
  if (connected_) {
    fail_first_connect(ended);
  } else if (closing_) {
    finish_close();
  } else if (!permanent_text_.empty()) {
    die();
  } else {
    reconnect_later(ended);
  }
}

void ControllerImpl::fail_first_connect(const Error& error) {
  const std::shared_ptr<ControllerImpl> self = self_;
  const Connected connected = std::move(connected_);
  connected_ = nullptr;
  closing_ = true;  // a close() that comes now waits for this one
  end_queues([this, self, connected, error] {
    set_state(ControllerState::closed, error.text);
    self_.reset();
    connected(error);
    for (const auto& call : std::exchange(closed_, {})) call();
  });
}

void ControllerImpl::reconnect_later(const Error& error) {
  const bool first = state() == ControllerState::live || state() == ControllerState::connecting;
  log(first ? LogLevel::warning : LogLevel::debug, k_room, "%s: %s", options_.subsystem_nqn.c_str(),
      error.text.c_str());
  if (first && options_.ctrl_loss_timeout_ns != k_never_gives_up) {
    home().arm(loss_timer_, options_.ctrl_loss_timeout_ns);
  }
  home().arm(reconnect_timer_, backoff_.next_ns(home().prng()));
  set_state(ControllerState::reconnecting, error.text);
}

void ControllerImpl::give_up(const std::string& text) {
  if (closing_ || state() == ControllerState::dead) return;
  permanent_text_ = text;
  home().cancel(loss_timer_);
  home().cancel(reconnect_timer_);
  if (association_ != nullptr) {
    association_->fail({Errc::timed_out, text});  // on_association_ended() goes on
  } else {
    die();
  }
}

void ControllerImpl::die() {
  log(LogLevel::error, k_room, "%s: %s", options_.subsystem_nqn.c_str(), permanent_text_.c_str());
  home().cancel(loss_timer_);
  set_state(ControllerState::dead, permanent_text_);
  end_queues([] {});
}

// Ends every queue on its reactor; `done` runs on home.
void ControllerImpl::end_queues(std::function<void()> done) {
  auto remaining = std::make_shared<size_t>(queues_.size());  // touched on home only
  if (queues_.empty()) {
    done();
    return;
  }
  auto one_ended = [remaining, done = std::move(done)] {
    if (--*remaining == 0) done();
  };
  for (const auto& queue : queues_) {
    IoQueueImpl* const at = queue.get();
    send_task(at->reactor(),
              [this, at, one_ended] { at->end([this, one_ended] { send_task(home(), one_ended); }); });
  }
}

void ControllerImpl::submit_admin(const nvme::Command& command, Segment data,
                                  std::function<void(nvme::Completion)> done) {
  send_task(home(), [this, self = shared_from_this(), command, data, done = std::move(done)]() mutable {
    submit_admin_here(command, data, std::move(done));
  });
}

void ControllerImpl::submit_admin_here(const nvme::Command& command, Segment data,
                                       std::function<void(nvme::Completion)> done) {
  if (association_ == nullptr || !association_->live()) {
    done(completion_of(nvme::status::host_pathing_error));
    return;
  }
  if (admin_waiting_.size() == k_admin_waiting_max) {
    done(completion_of(nvme::status::command_aborted_by_host));
    return;
  }
  admin_waiting_.push_back({command, data, std::move(done)});
  pump_admin();
}

void ControllerImpl::pump_admin() {
  while (!admin_waiting_.empty() && association_ != nullptr && association_->live() &&
         association_->admin().in_flight() + k_admin_slots_reserved < AdminQueue::k_entries) {
    WaitingAdmin next = std::move(admin_waiting_.front());
    admin_waiting_.pop_front();
    const bool taken =
        association_->admin().submit(next.command, next.data, options_.command_timeout_ns,
                                     [this, done = std::move(next.done)](nvme::Completion completion) {
                                       done(completion);
                                       pump_admin();
                                     });
    BALLAST_ASSERT(taken);
  }
}

void ControllerImpl::refuse_waiting_admin() {
  while (!admin_waiting_.empty()) {
    const WaitingAdmin next = std::move(admin_waiting_.front());
    admin_waiting_.pop_front();
    next.done(completion_of(nvme::status::host_pathing_error));
  }
}

void ControllerImpl::end(bool properly, std::function<void()> closed) {
  send_task(home(), [this, self = shared_from_this(), properly, closed = std::move(closed)] {
    if (state() == ControllerState::closed) {
      closed();
      return;
    }
    closed_.push_back(closed);
    if (closing_) return;
    closing_ = true;
    home().cancel(loss_timer_);
    home().cancel(reconnect_timer_);
    if (association_ == nullptr) {
      finish_close();
    } else if (properly) {
      association_->shut_down();
    } else {
      association_->fail({Errc::aborted, "given up"});
    }
  });
}

void ControllerImpl::finish_close() {
  end_queues([this] {
    const std::shared_ptr<ControllerImpl> self =
        std::move(self_);  // dies at the end, if nobody else holds it
    set_state(ControllerState::closed, "closed");
    for (const auto& call : std::exchange(closed_, {})) call();
  });
}

}  // namespace ballast::initiator
