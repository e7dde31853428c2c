#include "initiator/multipath_queue.h"

#include <algorithm>

namespace ballast::initiator {

namespace {

// What a path says of itself, and not of the namespace: another one may do better. NVMe Base
// Specification 2.1, "Path Related Status". A queue that goes away answers what it has not begun with Aborted
// due to SQ Deletion.
bool is_of_path(nvme::Status status) {
  if (status.do_not_retry()) return false;
  return status.type() == nvme::StatusCodeType::path || status.is(nvme::status::aborted_sq_deletion);
}

std::optional<nvme::AnaState> ana_state_in(nvme::Status status) {
  if (status.is(nvme::status::ana_inaccessible)) return nvme::AnaState::inaccessible;
  if (status.is(nvme::status::ana_persistent_loss)) return nvme::AnaState::persistent_loss;
  if (status.is(nvme::status::ana_transition)) return nvme::AnaState::change;
  return std::nullopt;
}

}  // namespace

MultipathQueue::MultipathQueue(Reactor& reactor, const ControllerOptions& options, size_t paths_count,
                               uint16_t queue_entries, AnaDoubted ana_doubted)
    : reactor_(reactor),
      policy_(options.io_policy),
      fast_io_fail_timeout_ns_(options.fast_io_fail_timeout_ns),
      queue_entries_(queue_entries),
      ana_doubted_(std::move(ana_doubted)),
      paths_(paths_count),
      routes_(1),
      timer_([](Timer&, void* context) { static_cast<MultipathQueue*>(context)->on_timer(); }, this) {
  BALLAST_ASSERT(paths_count > 0 && paths_count <= k_paths_max);
}

MultipathQueue::~MultipathQueue() { BALLAST_ASSERT(in_flight_ == 0 && waiting_.empty()); }

bool MultipathQueue::submit(IoRequest& request) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (ended_) {
    finish(request, nvme::status::host_pathing_error);
    return true;
  }
  if (in_flight_ + waiting_.size() >= queue_entries_) return false;
  request.path_errors = 0;
  place(request);
  return true;
}

bool MultipathQueue::is_usable(const Route& route, uint8_t path) const {
  return paths_[path].is_open && route.ranks[path] != PathRank::unusable && paths_[path].queue->live();
}

MultipathQueue::Route& MultipathQueue::route_to(uint32_t nsid) {
  if (routes_[route_last_].nsid == nsid) return routes_[route_last_];
  Route* const found = find_route(nsid);
  Route& route = found != nullptr ? *found : routes_.front();
  route_last_ = static_cast<size_t>(&route - routes_.data());
  return route;
}

MultipathQueue::Route* MultipathQueue::find_route(uint32_t nsid) {
  const auto found = std::lower_bound(routes_.begin(), routes_.end(), nsid,
                                      [](const Route& route, uint32_t at) { return route.nsid < at; });
  return found == routes_.end() || found->nsid != nsid ? nullptr : &*found;
}

// The path that the last one took is the one to take most of the time; that, and nothing else, is looked at.
std::optional<uint8_t> MultipathQueue::select(Route& route, bool with_avoided) {
  if (policy_ == IoPolicy::numa && route.is_settled && is_usable(route, route.last)) return route.last;
  const uint64_t now_ns = reactor_.now_ns();
  std::array<PathChoice, k_paths_max> choices;
  bool all_unusable = true, some_avoided = false;
  for (uint8_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (path.avoided_until_ns <= now_ns) path.avoided_until_ns = 0;
    choices[i].rank = is_usable(route, i) ? route.ranks[i] : PathRank::unusable;
    choices[i].is_avoided = path.avoided_until_ns != 0 && !with_avoided;
    choices[i].in_flight = path.in_flight;
    all_unusable = all_unusable && choices[i].rank == PathRank::unusable;
    some_avoided = some_avoided || path.avoided_until_ns != 0;
  }
  const auto chosen = select_path(policy_, {choices.data(), paths_.size()}, route.last);
  if (chosen) route.last = *chosen;
  route.is_settled = chosen && !some_avoided;
  if (!all_unusable) {
    route.closed_since_ns = 0;
  } else if (route.closed_since_ns == 0) {
    route.closed_since_ns = now_ns;
  }
  return chosen;
}

void MultipathQueue::place(IoRequest& request, bool with_avoided) {
  if (ended_) return finish(request, nvme::status::host_pathing_error);
  Route& route = route_to(request.host.command.nsid);
  const std::optional<uint8_t> chosen = select(route, with_avoided);
  if (!chosen) {
    if (has_failed(route)) return finish(request, nvme::status::host_pathing_error);
    return keep_waiting(request, route);
  }
  Path& path = paths_[*chosen];
  request.path = *chosen;
  ++path.in_flight;
  ++in_flight_;
  if (path.queue->submit(request)) return;  // may be answered already
  --path.in_flight;
  --in_flight_;
  waits_for_room_ = true;
  waiting_.push_back(request);
  arm_by(reactor_.now_ns() + k_retry_ns);  // if no completion comes before
}

void MultipathQueue::keep_waiting(IoRequest& request, Route& route) {
  waiting_.push_back(request);
  if (route.closed_since_ns == 0) return arm_by(reactor_.now_ns() + k_retry_ns);  // the only ones are avoided
  if (fast_io_fail_timeout_ns_ != k_never_gives_up) arm_by(route.closed_since_ns + fast_io_fail_timeout_ns_);
}

bool MultipathQueue::has_failed(const Route& route) const {
  return fast_io_fail_timeout_ns_ != k_never_gives_up && route.closed_since_ns != 0 &&
         reactor_.now_ns() - route.closed_since_ns >= fast_io_fail_timeout_ns_;
}

void MultipathQueue::on_path_done(IoRequest& request, const nvme::Completion& completion) {
  Path& path = paths_[request.path];
  --path.in_flight;
  --in_flight_;
  const nvme::Status status = completion.status();
  if (!status.ok() && is_of_path(status)) [[unlikely]] {
    retry_elsewhere(request, status);
  } else {
    request.done(request, completion);
  }
  if (waits_for_room_) [[unlikely]]
    pump(false);
}

void MultipathQueue::retry_elsewhere(IoRequest& request, nvme::Status status) {
  if (ended_) return finish(request, nvme::status::host_pathing_error);
  Path& path = paths_[request.path];
  const bool is_lost = status.is(nvme::status::host_pathing_error) && !path.queue->live();
  if (const std::optional<nvme::AnaState> state = ana_state_in(status)) {
    set_rank(request.path, request.host.command.nsid, rank_of(*state));
    if (!std::exchange(path.is_ana_doubted, true)) ana_doubted_(request.path);
  } else if (!is_lost) {
    if (++request.path_errors > k_path_errors_max) return finish(request, status);
    path.avoided_until_ns = reactor_.now_ns() + k_avoided_ns;
    unsettle_routes();
  }
  place(request);
}

// Each that waits is tried once: those that find no path are in line again, in the same order.
void MultipathQueue::pump(bool with_avoided) {
  if (pumping_) return;
  pumping_ = true;
  waits_for_room_ = false;
  for (size_t left = waiting_.size(); left > 0; --left) {
    IoRequest* const request = waiting_.pop_front();
    if (request == nullptr) break;
    place(*request, with_avoided);
  }
  pumping_ = false;
}

void MultipathQueue::set_path_queue(uint8_t path, IoQueueImpl& queue) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  paths_.at(path).queue = &queue;
}

void MultipathQueue::update_path(uint8_t path, bool is_open, const std::vector<AnaEntry>& ana) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (ended_) return;
  paths_[path].is_open = is_open;
  paths_[path].is_ana_doubted = false;
  // A namespace that the page leaves out is not reached over this path, if it is known from another one.
  const PathRank others = ana.empty() ? PathRank::optimized : PathRank::unusable;
  for (size_t i = 1; i < routes_.size(); ++i) routes_[i].ranks[path] = others;
  for (const AnaEntry& entry : ana) set_rank(path, entry.nsid, rank_of(entry.state));
  unsettle_routes();
  // Since when a namespace is without a path is to be known also while nobody wants anything of it.
  for (Route& route : routes_) static_cast<void>(select(route, true));
  pump(false);
}

// Rare: a namespace is new, a state has changed.
void MultipathQueue::set_rank(uint8_t path, uint32_t nsid, PathRank rank) {
  Route* route = find_route(nsid);
  if (route == nullptr) {
    if (nsid == 0 || routes_.size() > k_ana_namespaces_max) return;
    const auto at = std::lower_bound(routes_.begin(), routes_.end(), nsid,
                                     [](const Route& one, uint32_t to) { return one.nsid < to; });
    route = &*routes_.insert(at, Route{.nsid = nsid, .ranks = {}});
    route_last_ = 0;
  }
  route->ranks[path] = rank;
  route->is_settled = false;
}

void MultipathQueue::unsettle_routes() {
  for (Route& route : routes_) route.is_settled = false;
}

void MultipathQueue::arm_by(uint64_t deadline_ns) {
  if (timer_.armed() && timer_.deadline_ns() <= deadline_ns) return;
  const uint64_t now_ns = reactor_.now_ns();
  reactor_.arm(timer_, deadline_ns > now_ns ? deadline_ns - now_ns : 1);
}

void MultipathQueue::on_timer() { pump(true); }

void MultipathQueue::end() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  ended_ = true;
  reactor_.cancel(timer_);
  pump(false);
}

void MultipathQueue::finish(IoRequest& request, nvme::Status status) {
  nvme::Completion completion;
  completion.set_status(status);
  request.done(request, completion);
}

}  // namespace ballast::initiator
