// Reads every page of the metadata tree that a root leads to, in the order of keys, and checks each against
// its parent. What cannot be read or is wrong is left out with all that is below it. The part of a check that
// finds damaged pages; also used to look at the rest after a repair.
#pragma once

#include <atomic>
#include <vector>

#include "bdev/pool/disk.h"
#include "bdev/pool/layout.h"
#include "bdev/pool/page_cache.h"
#include "bdev/pool/tree.h"

namespace ballast::bdev::pool {

inline constexpr Key k_key_end{UINT64_MAX, UINT64_MAX};  // above every key

// A page that is not there, and with it the keys [from, to).
struct LostPage {
  PageRef ref;
  std::vector<uint32_t> path;  // pages from the root of the tree to its parent
  Key from;
  Key to;
  std::string why;
};

// How far a walk is, for who waits for it: written by the walk's reactor, read by any thread.
struct WalkProgress {
  void begin(uint64_t pages) {
    pages_read.store(0, std::memory_order_relaxed);
    pages_count.store(pages, std::memory_order_relaxed);
  }
  std::atomic<uint64_t> pages_read{0};
  std::atomic<uint64_t> pages_count{0};  // as the root says, which may be wrong; 0: not begun
};

class TreeWalk {
 public:
  class Visitor {
   public:
    virtual void on_entry(Key key, ByteSpan value) = 0;
    virtual void on_lost(const LostPage& lost) = 0;

   protected:
    ~Visitor() = default;
  };

  // The disk must outlive the walk, and so must `progress` if there is one.
  TreeWalk(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, WalkProgress* progress = nullptr);

  Task<Errc> run(TreeRoot root, Visitor& visitor);
  // After it: the pages that are in use.
  const std::vector<bool>& seen() const { return seen_; }
  uint64_t pages_count() const { return pages_count_; }
  uint64_t keys_count() const { return keys_count_; }

 private:
  struct Child {
    PageRef ref;
    Key from;
    Key to;
  };
  Task<Errc> visit(std::vector<Child> children, Visitor& visitor);
  Task<Errc> visit_batch(const std::vector<Child>& children, size_t first, size_t count, ByteSpan bytes,
                         const std::vector<Errc>& read, Visitor& visitor);
  std::string check(const Child& child, Errc read, ByteSpan bytes) const;
  void visit_leaf(ByteSpan bytes, Visitor& visitor);
  static std::vector<Child> children_of(const Child& parent, ByteSpan bytes);

  Disk& disk_;
  const MetadataLayout layout_;
  const Uuid pool_uuid_;
  WalkProgress* const progress_;
  std::vector<bool> seen_;
  std::vector<uint32_t> path_;
  uint64_t pages_count_ = 0;
  uint64_t keys_count_ = 0;
};

}  // namespace ballast::bdev::pool
