// An I/O queue over several paths: takes the path for each request, and another one when that fails. Lives on
// its reactor, as the queues of the paths below it; what paths there are, and how each reaches which
// namespace, comes by message from MultipathController, and this reactor's copy is all that an I/O looks at.
//
// What must stay true: a request is with one path, or waits here, or is its maker's. It goes to another path
// only when the one before has given it back, which is when no byte of its memory can be sent over it any
// more.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "initiator/io_queue.h"
#include "initiator/path_selection.h"

namespace ballast::initiator {

class MultipathQueue final : public IoQueue, public PathQueueObserver {
 public:
  // A request that paths, not the namespace, have failed so often ends with what it was answered last.
  static constexpr uint8_t k_path_errors_max = 10;
  // A path that has failed a request is not used for so long if there is another.
  static constexpr uint64_t k_avoided_ns = k_ns_per_s;
  // How soon the only path is tried again that has failed a request, or had no room for one.
  static constexpr uint64_t k_retry_ns = 100 * k_ns_per_ms;

  // A path has answered otherwise than its ANA log page said. On the queue's reactor.
  using AnaDoubted = std::function<void(uint8_t path)>;

  MultipathQueue(Reactor& reactor, const ControllerOptions& options, size_t paths_count,
                 uint16_t queue_entries, AnaDoubted ana_doubted);
  ~MultipathQueue() override;

  Reactor& reactor() override { return reactor_; }
  bool submit(IoRequest& request) override;
  uint16_t queue_entries() const override { return queue_entries_; }
  void on_path_done(IoRequest& request, const nvme::Completion& completion) override;

  // --- by message ---
  void set_path_queue(uint8_t path, IoQueueImpl& queue);  // once for each path
  // A path that is not open is not used, whatever its queue is.
  void update_path(uint8_t path, bool is_open, const std::vector<AnaEntry>& ana);
  // For good: every request, now and later, is answered 3/70h. What paths have is given back by them.
  void end();

 private:
  struct Path {
    IoQueueImpl* queue = nullptr;
    bool is_open = false;
    bool is_ana_doubted = false;  // told, and no update has come since
    uint32_t in_flight = 0;
    uint64_t avoided_until_ns = 0;
  };
  // The ways to one namespace. The first is for those that no path has told of.
  struct Route {
    uint32_t nsid = 0;
    uint8_t last = 0;
    bool is_settled = false;       // nothing has changed since `last` was chosen of all
    uint64_t closed_since_ns = 0;  // 0: some path can be used
    std::array<PathRank, k_paths_max> ranks{};
  };
  using Requests = IntrusiveList<IoRequest, &IoRequest::node>;

  bool is_usable(const Route& route, uint8_t path) const;
  Route& route_to(uint32_t nsid);
  Route* find_route(uint32_t nsid);
  void set_rank(uint8_t path, uint32_t nsid, PathRank rank);
  std::optional<uint8_t> select(Route& route, bool with_avoided);
  void place(IoRequest& request, bool with_avoided = false);
  void keep_waiting(IoRequest& request, Route& route);
  void retry_elsewhere(IoRequest& request, nvme::Status status);
  void pump(bool with_avoided);
  bool has_failed(const Route& route) const;
  void unsettle_routes();
  void arm_by(uint64_t deadline_ns);
  void on_timer();
  static void finish(IoRequest& request, nvme::Status status);

  Reactor& reactor_;
  const IoPolicy policy_;
  const uint64_t fast_io_fail_timeout_ns_;
  const uint16_t queue_entries_;
  const AnaDoubted ana_doubted_;
  std::vector<Path> paths_;
  std::vector<Route> routes_;  // by NSID
  size_t route_last_ = 0;      // where the last request went
  uint32_t in_flight_ = 0;     // with all paths together
  Requests waiting_;
  bool waits_for_room_ = false;  // some of those
  bool pumping_ = false;
  bool ended_ = false;
  Timer timer_;  // something that waits is to be tried again, or to fail
};

}  // namespace ballast::initiator
