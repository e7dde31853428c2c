// One fdatasync for all writes of a disk that wait for one: those that have ended by the time it starts.
// Used by data runs on disks with a volatile cache, on the owner reactor.
#pragma once

#include <optional>

#include "base/intrusive_list.h"
#include "bdev/pool/disk.h"

namespace ballast::bdev::pool {

class SyncBatch final : private Flushable {
 public:
  struct Waiter {
    // Once. False: the sync failed, the disk is poisoned.
    void (*done)(Waiter& waiter, bool is_durable) = nullptr;
    void* context = nullptr;
    ListNode node;
  };

  explicit SyncBatch(Disk& disk) : disk_(disk) {}
  ~SyncBatch() {
    BALLAST_ASSERT(next_.empty() && current_.empty());
    disk_.reactor().cancel_flush(*this);
  }
  SyncBatch(const SyncBatch&) = delete;
  SyncBatch& operator=(const SyncBatch&) = delete;

  // What this waiter's writes have put into the disk's cache becomes durable. Starts at the end of the turn,
  // so that all writes that end in it go together.
  void wait(Waiter& waiter) {
    next_.push_back(waiter);
    if (!is_running_) disk_.reactor().queue_flush(*this);
  }

 private:
  void flush() override {
    if (is_running_ || next_.empty()) return;
    while (Waiter* const waiter = next_.pop_front()) current_.push_back(*waiter);
    is_running_ = true;
    sync_.emplace(disk_, FileOp::Kind::sync_data, 0, Segment{});
    sync_->start([](void* self, Errc errc) { static_cast<SyncBatch*>(self)->ended(errc); }, this);
  }
  void ended(Errc errc) {
    is_running_ = false;
    // Those that come while these are told wait for the next one.
    for (size_t left = current_.size(); left > 0; --left) {
      Waiter& waiter = *current_.pop_front();
      waiter.done(waiter, errc == Errc::ok);
    }
    if (!next_.empty()) disk_.reactor().queue_flush(*this);
  }

  Disk& disk_;
  IntrusiveList<Waiter, &Waiter::node> next_;
  IntrusiveList<Waiter, &Waiter::node> current_;
  std::optional<Disk::Operation> sync_;
  bool is_running_ = false;
};

}  // namespace ballast::bdev::pool
