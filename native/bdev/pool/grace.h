// Extents that have become free but may still be read by I/O that began before: they are given out again when
// all of that has ended. Belongs to the owner reactor.
#pragma once

#include <deque>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/pool/format.h"

namespace ballast::bdev::pool {

class Grace {
 public:
  // What touches extents, while it does. A member of the I/O.
  struct Entry {
    uint64_t sequence = 0;
    ListNode node;
  };

  void enter(Entry& entry) {
    entry.sequence = next_sequence_++;
    entries_.push_back(entry);
  }
  void leave(Entry& entry) { entries_.remove(entry); }
  size_t entries_count() const { return entries_.size(); }

  void add(std::vector<Extent> freed) { freed_.push_back({std::move(freed), next_sequence_}); }
  bool is_empty() const { return freed_.empty(); }
  // Extents that nobody can be at any more; call until it answers nothing.
  std::vector<Extent> take() {
    if (freed_.empty()) return {};
    Entry* const oldest = entries_.front();
    if (oldest != nullptr && oldest->sequence < freed_.front().before) return {};
    std::vector<Extent> free = std::move(freed_.front().extents);
    freed_.pop_front();
    return free;
  }

 private:
  struct Freed {
    std::vector<Extent> extents;
    uint64_t before = 0;  // entries of a smaller sequence were there
  };
  uint64_t next_sequence_ = 1;
  IntrusiveList<Entry, &Entry::node> entries_;  // the oldest first
  std::deque<Freed> freed_;
};

}  // namespace ballast::bdev::pool
