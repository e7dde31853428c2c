// The tree pages that are in memory, a bounded number, and of clean ones a smaller one: the oldest go first.
// Changed ones stay until a checkpoint has written them. Used by Tree and Metadata.
#pragma once

#include <unordered_map>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/pool/disk.h"
#include "bdev/pool/layout.h"
#include "bdev/pool/task.h"
#include "bdev/pool/tree_page.h"

namespace ballast::bdev::pool {

struct Frame {
  enum class State : uint8_t {
    empty,
    loading,
    clean,      // as on the disk
    changed,    // its number is new since the last freeze, no root names it
    unwritten,  // frozen: the checkpoint that is being written holds it
  };
  uint8_t* bytes = nullptr;
  uint32_t page = 0;
  State state = State::empty;
  ListNode node;

  TreePage view() const { return TreePage(bytes); }
};

// What a parent says of a child.
struct PageRef {
  uint32_t page = 0;
  uint32_t crc = 0;
  uint8_t level = 0;
};

class PageCache {
 public:
  PageCache(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint32_t frames_count);
  ~PageCache();

  // Beyond it the oldest clean page gives its frame to the next one; frames that were never used take no
  // memory.
  void set_clean_max(uint64_t pages_count);
  // Null if it is not in memory.
  Frame* find(uint32_t page);
  // Reads and checks a page; io_error if it is not what its parent says, no_memory if nothing can be evicted.
  // Afterwards look again: ok does not promise that it is still there.
  Task<Errc> load(PageRef ref);
  // Frames that take() could give.
  uint32_t available() const { return static_cast<uint32_t>(empty_.size() + clean_.size()); }
  // A changed frame with this number; available() must not be 0. May evict any clean page.
  Frame& take(uint32_t page);
  // The page gets this new number, and changes.
  void renumber(Frame& frame, uint32_t page);
  void drop(Frame& frame);

  uint32_t clean_count() const { return static_cast<uint32_t>(clean_.size()); }
  uint32_t changed_count() const { return static_cast<uint32_t>(changed_.size()); }
  // Calls body(frame) for every changed frame, which becomes unwritten.
  template <typename Body>
  void freeze(Body body) {
    while (Frame* const frame = changed_.front()) {
      body(*frame);
      move(*frame, Frame::State::unwritten);
    }
  }
  // The checkpoint is durable: unwritten pages are clean. Page numbers may be given out anew from here on.
  void settle();

 private:
  using FrameList = IntrusiveList<Frame, &Frame::node>;
  FrameList* list_of(Frame::State state);
  void move(Frame& frame, Frame::State state);
  Frame* take_any();
  void trim();

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  PageBuffer memory_;
  std::vector<Frame> frames_;
  std::unordered_map<uint32_t, Frame*> by_page_;
  FrameList empty_, clean_, changed_, unwritten_;
  uint64_t clean_max_;
  uint64_t epoch_ = 0;  // counts settle(): a page read across one may be another by now
};

}  // namespace ballast::bdev::pool
