// A connected controller as a foreign thread uses it: I/O enters by message, is spread over the I/O queues,
// and waits in line when a queue is full. Made and ended by HostSide, on reactor 0. In flight is bounded by
// the caller: an I/O is a member of its object.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "engine/perf.h"
#include "initiator/initiator.h"
#include "reactor/reactor.h"

namespace ballast::engine {

class HostLane;

// One I/O from outside of the reactors; not moved until done().
struct HostIo {
  nvme::Command command;  // opcode, nsid, cdw10 to cdw15
  Segment data;           // null: the command carries none
  // Exactly once, on the reactor of the queue that was chosen. `data` is the caller's again.
  void (*done)(HostIo& io, const nvme::Completion& completion) = nullptr;

  HostIo();
  ~HostIo() = default;

 private:
  friend class HostLane;
  friend class HostController;
  struct Arrival : Message {
    explicit Arrival(HostIo& owner);
    HostIo& io;
  };
  Arrival arrival_;
  initiator::IoRequest request_;
  HostLane* lane_ = nullptr;
  ListNode node_;
  using Line = IntrusiveList<HostIo, &HostIo::node_>;
};

class HostController {
 public:
  HostController(std::shared_ptr<initiator::Controller> controller, std::vector<Reactor*> reactors);
  ~HostController();
  HostController(const HostController&) = delete;
  HostController& operator=(const HostController&) = delete;

  // --- any thread, until close() was asked for ---
  const initiator::ControllerInfo& info() const { return controller_->info(); }
  const std::shared_ptr<initiator::Controller>& controller() const { return controller_; }
  // On the lane of the next I/O queue in turn. When the controller is closed meanwhile: 3/70h, Host Pathing
  // Error. The controller must have I/O queues.
  void submit(HostIo& io);
  bool has_io_queues() const { return !lanes_.empty(); }
  // As initiator::Controller::submit_admin().
  void submit_admin(const nvme::Command& command, Segment data, std::function<void(nvme::Completion)> done);

  // One load run, named by a number of the caller's for stop_perf(). Both callbacks run on reactor 0, `done`
  // once.
  void start_perf(uint64_t run_id, const PerfOptions& options,
                  std::function<void(const PerfProgress&)> progress,
                  std::function<void(Result<PerfResult>)> done);
  void stop_perf(uint64_t run_id);  // ends its measured time; nothing happens when there is no such run

  // --- reactor 0 ---
  // Every I/O submitted before ends, and every load run. `closed` runs on reactor 0; then the object may be
  // destroyed.
  void close(std::function<void()> closed);
  bool closing() const { return closing_; }

 private:
  struct Run {
    uint64_t id = 0;
    std::shared_ptr<PerfRun> run;
  };
  void pass_barrier(size_t reactor_index);
  void end_perf(uint64_t run_id);
  void end_if_closed();

  std::shared_ptr<initiator::Controller> controller_;
  std::vector<Reactor*> reactors_;
  std::vector<std::unique_ptr<HostLane>> lanes_;  // one per I/O queue
  std::atomic<uint32_t> next_lane_{0};
  // The rest belongs to reactor 0.
  std::vector<Run> runs_;
  bool closing_ = false;
  bool barrier_passed_ = false;
  std::function<void()> closed_;
};

}  // namespace ballast::engine
