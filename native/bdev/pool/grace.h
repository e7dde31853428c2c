// Extents that have become free but may still be read by I/O that began before: they are given out again when
// all of that has ended. Belongs to the owner reactor.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/pool/format.h"
#include "bdev/pool/planted.h"

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

  // One that is here already begins anew: it was used again in between.
  void add(std::vector<Extent> freed) {
    for (Freed& earlier : freed_) {
      std::erase_if(earlier.extents, [&](Extent extent) {
        return std::find(freed.begin(), freed.end(), extent) != freed.end();
      });
    }
    freed_.push_back({std::move(freed), next_sequence_});
  }
  bool is_empty() const { return freed_.empty(); }
  // Extents that nobody can be at any more, added to `free`. False if nothing has changed.
  bool take(std::vector<Extent>& free) {
    const Entry* const oldest = entries_.front();
    const size_t before = freed_.size();
    while (!freed_.empty() && (oldest == nullptr || planted(Planted::freed_at_once) ||
                               oldest->sequence >= freed_.front().before)) {
      free.insert(free.end(), freed_.front().extents.begin(), freed_.front().extents.end());
      freed_.pop_front();
    }
    return freed_.size() < before;
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
