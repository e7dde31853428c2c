// A range of a volume in which no I/O is in flight, and into which none comes, while it is held. For
// coroutines of the control path and for compare-and-write.
#pragma once

#include <coroutine>

#include "bdev/range_lock.h"

namespace ballast::bdev::pool {

// RangeHold hold(volume.gate(), lba, count); co_await hold.take(); ... co_await hold.give_back();
class RangeHold {
 public:
  RangeHold(RangeLockShard& gate, uint64_t lba, uint64_t blocks_count) : gate_(gate) {
    request_.lba = lba;
    request_.blocks_count = blocks_count;
    request_.context = this;
    request_.granted = request_.unlocked = [](RangeLockRequest& request) {
      RangeHold& self = *static_cast<RangeHold*>(request.context);
      self.is_done_ = true;
      if (self.waiter_) std::exchange(self.waiter_, nullptr).resume();
    };
  }
  RangeHold(const RangeHold&) = delete;
  RangeHold& operator=(const RangeHold&) = delete;

  struct Step {
    RangeHold& hold;
    bool is_taking;
    bool await_ready() {
      hold.is_done_ = false;
      is_taking ? hold.gate_.lock(hold.request_) : hold.gate_.unlock(hold.request_);
      return hold.is_done_;
    }
    void await_suspend(std::coroutine_handle<> waiter) { hold.waiter_ = waiter; }
    void await_resume() {}
  };
  Step take() { return {*this, true}; }
  // Before the hold is destroyed.
  Step give_back() { return {*this, false}; }

 private:
  RangeLockShard& gate_;
  RangeLockRequest request_;
  std::coroutine_handle<> waiter_;
  bool is_done_ = false;
};

}  // namespace ballast::bdev::pool
