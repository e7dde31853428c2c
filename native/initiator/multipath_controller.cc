#include "initiator/multipath_controller.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace ballast::initiator {

namespace {
constexpr char k_room[] = "initiator";
}

std::weak_ptr<Controller> connect_multipath(std::vector<Reactor*> reactors, const ControllerOptions& options,
                                            Controller::StateObserver observer,
                                            MultipathController::Connected connected) {
  Reactor& home = *reactors[0];
  auto controller = std::make_shared<MultipathController>(std::move(reactors), options, std::move(observer),
                                                          std::move(connected));
  send_task(home, [controller] { controller->start(); });
  return controller;
}

MultipathController::MultipathController(std::vector<Reactor*> reactors, const ControllerOptions& options,
                                         StateObserver observer, Connected connected)
    : reactors_(std::move(reactors)),
      options_(options),
      observer_(std::move(observer)),
      connected_(std::move(connected)),
      other_paths_timer_(
          [](Timer&, void* context) {
            auto* const self = static_cast<MultipathController*>(context);
            self->others_waited_for_ = true;
            self->finish_connect_if_possible();
          },
          this) {
  std::vector<SocketAddress> addresses = options.other_addresses;
  addresses.insert(addresses.begin(), options.address);
  for (const SocketAddress& address : addresses) {
    paths_.push_back(std::make_unique<Path>(*this, static_cast<uint8_t>(paths_.size()), address));
  }
}

MultipathController::~MultipathController() { BALLAST_ASSERT(!other_paths_timer_.armed()); }

void MultipathController::start() {
  self_ = shared_from_this();
  for (const auto& owned : paths_) {
    Path* const path = owned.get();
    ControllerOptions options = options_;
    options.address = path->info.address;
    options.other_addresses.clear();
    path->controller = std::make_shared<ControllerImpl>(
        reactors_, options,
        [path](ControllerState state, const std::string& text) { path->on_state(state, text); }, nullptr,
        path);
    path->controller->observe_namespaces([this](const std::vector<NamespaceInfo>& namespaces) {
      if (namespace_observer_) namespace_observer_(namespaces);
    });
    path->controller->start();
  }
}

// --- what paths tell ---

Outcome MultipathController::Path::on_path_identified(ControllerInfo& identified) {
  if (owner_.closing_) return Error{Errc::aborted, "closed"};
  if (!owner_.info_known_) {
    owner_.info_ = identified;
    owner_.info_known_ = true;
    owner_.make_queues();
  }
  TRY(const Unit same, owner_.check_path(*this, identified));
  identified.io_queues_count = owner_.info_.io_queues_count;
  info.controller_id = identified.controller_id;
  is_identified = true;
  return same;
}

// A path that leads elsewhere must never get a write.
Outcome MultipathController::check_path(const Path& path, const ControllerInfo& identified) const {
  const std::string name = path.info.address.text();
  if (identified.serial_number != info_.serial_number || identified.subsystem_nqn != info_.subsystem_nqn) {
    return Error{Errc::not_found, name + ": is another subsystem: its serial number is " +
                                      identified.serial_number + ", not " + info_.serial_number};
  }
  for (const NamespaceInfo& known : info_.namespaces) {
    for (const NamespaceInfo& one : identified.namespaces) {
      if (one.nsid != known.nsid) continue;
      const Outcome same = check_same_namespace(known, one);
      if (!same.ok()) return Error{same.errc(), name + ": " + same.error().text};
    }
  }
  for (const auto& other : paths_) {
    const bool is_taken =
        other.get() != &path && other->is_identified && other->info.controller_id == identified.controller_id;
    if (!is_taken) continue;
    return Error{Errc::protocol_error, name + ": has controller identifier " +
                                           std::to_string(identified.controller_id) + ", as " +
                                           other->info.address.text() + ": each needs a range of its own"};
  }
  if (identified.io_queues_count < info_.io_queues_count ||
      identified.transfer_bytes_max < info_.transfer_bytes_max) {
    return Error{Errc::unsupported, name + ": offers fewer queues or smaller transfers than another path"};
  }
  return Unit{};
}

void MultipathController::make_queues() {
  for (uint16_t i = 0; i < info_.io_queues_count; ++i) {
    Reactor& reactor = *reactors_[i % reactors_.size()];
    queues_.push_back(std::make_unique<MultipathQueue>(
        reactor, options_, paths_.size(), info_.queue_entries, [this](uint8_t path) {
          send_task(home(), [self = shared_from_this(), path] {
            self->paths_.at(path)->controller->reread_ana_soon();
          });
        }));
  }
}

void MultipathController::Path::on_path_queues(const std::vector<std::unique_ptr<IoQueueImpl>>& queues) {
  for (size_t i = 0; i < queues.size(); ++i) {
    MultipathQueue* const above = owner_.queues_.at(i).get();
    send_task(above->reactor(),
              [above, at = index_, queue = queues[i].get()] { above->set_path_queue(at, *queue); });
  }
}

void MultipathController::Path::on_path_ana(const std::vector<AnaEntry>& entries) {
  info.ana = entries;
  if (info.state == ControllerState::live) owner_.tell_queues(index_);
}

void MultipathController::Path::on_path_lost(const Error& error) {
  if (!was_live && !first_error) first_error = error;
  is_identified = false;
  info.ana.clear();
}

void MultipathController::Path::on_state(ControllerState state, const std::string& text) {
  if (info.state == state) return;  // another try
  const bool was_open = info.state == ControllerState::live;
  info.state = state;
  was_live = was_live || state == ControllerState::live;
  if (!was_live && state != ControllerState::live && !first_error) first_error = Error{Errc::aborted, text};
  log(LogLevel::info, k_room, "path %s of %s: %s", info.address.text().c_str(),
      owner_.options_.subsystem_nqn.c_str(), controller_state_text(state));
  if (was_open || state == ControllerState::live) owner_.tell_queues(index_);
  owner_.on_path_changed(text);
}

// The message is behind that of the path's queue, and of whatever was told before.
void MultipathController::tell_queues(uint8_t path) {
  if (closing_) return;
  const PathInfo& info = paths_[path]->info;
  for (const auto& owned : queues_) {
    send_task(owned->reactor(), [queue = owned.get(), path, is_open = info.state == ControllerState::live,
                                 ana = info.ana] { queue->update_path(path, is_open, ana); });
  }
}

// --- what it is as a whole ---

void MultipathController::on_path_changed(const std::string& text) {
  if (closing_) return;
  if (connected_) return finish_connect_if_possible();
  const auto count = [this](ControllerState state) {
    return std::count_if(paths_.begin(), paths_.end(),
                         [state](const auto& path) { return path->info.state == state; });
  };
  ControllerState now = ControllerState::reconnecting;
  if (count(ControllerState::live) > 0) now = ControllerState::live;
  if (count(ControllerState::dead) == static_cast<long>(paths_.size())) now = ControllerState::dead;
  if (now == state()) return;
  if (now == ControllerState::dead) end_queues([] {});
  set_state(now, text);
}

void MultipathController::finish_connect_if_possible() {
  if (!connected_ || closing_) return;
  bool some_live = false, all_tried = true;
  for (const auto& path : paths_) {
    some_live = some_live || path->info.state == ControllerState::live;
    all_tried = all_tried && (path->was_live || path->first_error);
  }
  if (!some_live) {
    if (all_tried) fail_first_connect(*paths_.front()->first_error);
    return;
  }
  if (!all_tried && !others_waited_for_) {
    if (!other_paths_timer_.armed()) home().arm(other_paths_timer_, k_other_paths_ns);
    return;
  }
  home().cancel(other_paths_timer_);
  const Connected connected = std::exchange(connected_, nullptr);
  set_state(ControllerState::live, options_.subsystem_nqn);
  connected(std::shared_ptr<Controller>(self_));
}

void MultipathController::fail_first_connect(const Error& error) {
  home().cancel(other_paths_timer_);
  close_all(false, [this, error] {
    const std::shared_ptr<MultipathController> self = std::move(self_);
    const Connected connected = std::exchange(connected_, nullptr);
    set_state(ControllerState::closed, error.text);
    connected(error);
    for (const auto& call : std::exchange(closed_, {})) call();
  });
}

void MultipathController::set_state(ControllerState state, const std::string& text) {
  state_.store(state, std::memory_order_relaxed);
  if (observer_) observer_(state, text);
}

void MultipathController::observe_namespaces(NamespaceObserver observer) {
  send_task(home(), [self = shared_from_this(), observer = std::move(observer)]() mutable {
    self->namespace_observer_ = std::move(observer);
  });
}

void MultipathController::list_paths(std::function<void(std::vector<PathInfo>)> done) {
  send_task(home(), [self = shared_from_this(), done = std::move(done)] {
    std::vector<PathInfo> infos;
    for (const auto& path : self->paths_) infos.push_back(path->info);
    done(std::move(infos));
  });
}

// Over the first path that is live: what is asked is of the subsystem, or of its namespaces.
void MultipathController::submit_admin(const nvme::Command& command, Segment data,
                                       std::function<void(nvme::Completion)> done) {
  send_task(home(), [self = shared_from_this(), command, data, done = std::move(done)]() mutable {
    for (const auto& path : self->paths_) {
      if (path->info.state != ControllerState::live) continue;
      return path->controller->submit_admin(command, data, std::move(done));
    }
    nvme::Completion completion;
    completion.set_status(nvme::status::host_pathing_error);
    done(completion);
  });
}

// --- the end ---

void MultipathController::end(bool properly, std::function<void()> closed) {
  send_task(home(), [this, self = shared_from_this(), properly, closed = std::move(closed)] {
    if (state() == ControllerState::closed) return closed();
    closed_.push_back(closed);
    if (closing_) return;
    if (connected_) return fail_first_connect({Errc::aborted, "closed"});
    close_all(properly, [this] { finish_close(); });
  });
}

// What waits is answered first: nothing of it may be sent any more. A close() that comes meanwhile waits for
// this.
void MultipathController::close_all(bool properly, std::function<void()> done) {
  BALLAST_ASSERT(!closing_);
  closing_ = true;
  end_queues([this, properly, done = std::move(done)] { close_paths(properly, done); });
}

// `done` runs on home when every queue has ended.
void MultipathController::end_queues(std::function<void()> done) {
  auto remaining = std::make_shared<size_t>(queues_.size() + 1);  // touched on home only
  const auto one_ended = [remaining, done = std::move(done)] {
    if (--*remaining == 0) done();
  };
  for (const auto& owned : queues_) {
    send_task(owned->reactor(), [this, self = shared_from_this(), queue = owned.get(), one_ended] {
      queue->end();
      send_task(home(), [self, one_ended] { one_ended(); });
    });
  }
  one_ended();
}

// With the last association of each path what it had in flight has been given back.
void MultipathController::close_paths(bool properly, std::function<void()> done) {
  auto remaining = std::make_shared<size_t>(paths_.size());  // touched on home only
  const auto one_closed = [remaining, done = std::move(done)] {
    if (--*remaining == 0) done();
  };
  for (const auto& path : paths_) {
    properly ? path->controller->close(one_closed) : path->controller->abandon(one_closed);
  }
}

void MultipathController::finish_close() {
  const std::shared_ptr<MultipathController> self =
      std::move(self_);  // dies at the end, if nobody else holds it
  set_state(ControllerState::closed, "closed");
  for (const auto& call : std::exchange(closed_, {})) call();
}

}  // namespace ballast::initiator
