// The load on one I/O queue: `queue_depth` requests that follow each other until the time is over, then, with
// verify, a pass that reads back everything written. Made and driven by PerfRunner; after start() it lives on
// the queue's reactor, and only the counters marked atomic are read elsewhere.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "engine/perf.h"
#include "reactor/timer_wheel.h"

namespace ballast::engine {

struct PerfQueueLimits {  // what this queue may touch, in requests of options.block_bytes
  uint64_t unit_first = 0;
  uint64_t units_count = 0;
  uint32_t logical_block_bytes = 0;
};

class PerfQueue {
 public:
  using Finished = std::function<void()>;

  // queue and stop must outlive it.
  PerfQueue(initiator::IoQueue& queue, const PerfOptions& options, const PerfQueueLimits& limits,
            uint16_t index, const std::atomic<bool>& stop);
  ~PerfQueue();

  // On the queue's reactor. `finished` runs there once nothing of this queue is in flight.
  void start(Finished finished);
  // On the queue's reactor: ends the measured time; what is in flight finishes.
  void end_measuring();
  Reactor& reactor() { return queue_.reactor(); }

  // Results: after `finished`.
  PerfSide reads, writes;
  std::vector<PerfStatusCount> error_counts;  // at most k_statuses_max kinds
  uint64_t blocks_checked = 0;
  uint64_t mismatches = 0;
  std::string first_mismatch;
  uint64_t started_ns = 0, ended_ns = 0;
  uint64_t cpu_started_ns = 0, cpu_ended_ns = 0;

  // Written here, readable anywhere.
  std::atomic<uint64_t> ios_so_far{0};
  std::atomic<uint64_t> errors_so_far{0};
  // The run is over for everybody: a mismatch, or the controller is gone.
  std::atomic<bool> fatal{false};

 private:
  enum class Phase : uint8_t {
    measuring,  // requests are replaced as they complete
    draining,   // the time is over; what is in flight finishes
    verifying,  // written units are read back
    finished,
  };
  struct Slot {
    initiator::IoRequest io;
    Segment segment;
    PerfQueue* queue = nullptr;
    uint64_t started_ns = 0;
    uint64_t unit = 0;  // relative to limits_.unit_first
    bool is_write = false;
  };
  static constexpr size_t k_statuses_max = 16;
  static constexpr uint32_t k_sequence_unknown = UINT32_MAX;  // a write failed: either content may be there

  static void io_done(initiator::IoRequest& request, nvme::Completion completion);
  void on_done(Slot& slot, nvme::Completion completion);
  void submit_next(Slot& slot, uint64_t now_ns);
  bool choose_unit(Slot& slot);
  bool choose_unit_to_read_back(Slot& slot);
  void submit(Slot& slot, uint64_t now_ns);
  void on_retry();
  void count_error(nvme::Status status);
  void stamp(Slot& slot);
  void check(const Slot& slot);
  void advance();

  initiator::IoQueue& queue_;
  const PerfOptions options_;
  const PerfQueueLimits limits_;
  const std::atomic<bool>& stop_;
  Prng prng_;
  Phase phase_ = Phase::measuring;
  Finished finished_;
  std::unique_ptr<Slot[]> slots_;
  uint8_t* memory_ = nullptr;
  uint32_t in_flight_ = 0;  // submitted, or waiting in refused_
  bool starting_ = false;   // start() is filling the queue: a completion from inside must not end the run
  uint64_t next_sequential_ = 0;
  uint64_t next_read_back_ = 0;
  uint64_t ios_count_ = 0;
  uint64_t errors_count_ = 0;
  // verify: the turn of the last finished write of each unit (0: none), and which units are in flight.
  std::vector<uint32_t> sequences_;
  std::vector<bool> busy_;
  std::vector<uint32_t> sequence_in_flight_;  // by slot
  // Somebody else uses the queue too and it was full: tried again soon.
  std::vector<Slot*> refused_;
  Timer retry_;
  uint32_t sequence_last_ = 0;
};

}  // namespace ballast::engine
