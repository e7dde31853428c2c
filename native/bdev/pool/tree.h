// The metadata tree: a copy-on-write B+tree over the pages in memory. Every call does its work at once or
// says which page has to be read first and has changed nothing. Who calls loads it and calls again
// (Metadata).
#pragma once

#include <optional>

#include "bdev/pool/free_map.h"
#include "bdev/pool/page_cache.h"

namespace ballast::bdev::pool {

enum class TreeStep : uint8_t {
  done,
  missing,  // a page: missing() says which
  full,     // no page or frame is free: a checkpoint may help; nothing was changed
};

// Where the tree begins; levels 0: it is empty.
struct TreeRoot {
  uint32_t page = 0;
  uint32_t crc = 0;
  uint8_t levels = 0;
  uint64_t keys_count = 0;
};

// A look at an entry; valid until the next call.
struct TreeEntry {
  Key key;
  ByteSpan value;
};

class Tree {
 public:
  // Both must outlive the tree.
  Tree(PageCache& cache, FreeMap& free_map) : cache_(cache), free_map_(free_map) {}

  const TreeRoot& root() const { return root_; }
  void set_root(const TreeRoot& root) { root_ = root; }
  PageRef missing() const { return missing_; }

  // The first entry whose key is at least `key`; empty if there is none.
  TreeStep seek(const Key& key, std::optional<TreeEntry>& entry);
  // `value` is not memory of the tree.
  TreeStep put(const Key& key, ByteSpan value);
  TreeStep remove(const Key& key);  // done, too, if it is not there

  // Gives every changed page its head and CRC, children before parents; then freezes them. Calls
  // write(page number, bytes) for each.
  template <typename Write>
  void freeze(uint64_t generation, const Uuid& pool_uuid, Write write) {
    if (root_.levels > 0) root_.crc = seal_changed(root_.page, generation, pool_uuid, root_.crc);
    cache_.freeze([&](Frame& frame) { write(frame.page, ByteSpan(frame.bytes, k_page_bytes)); });
  }

 private:
  struct Path {
    Frame* frames[k_tree_levels_max];      // by level, 0: the leaf
    uint32_t children[k_tree_levels_max];  // which child was taken there
  };
  TreeStep descend(const Key& key, Path& path);
  Frame* at(PageRef ref);
  bool has_room_for_changes() const;
  void make_path_writable(Path& path);
  void make_writable(Frame& frame);
  Frame& new_page(uint8_t level);
  void retire(Frame& frame);
  bool ends_run(const Path& path, const Key& key) const;
  void split_leaf(Path& path, const Key& key, ByteSpan value);
  void insert_above(Path& path, uint8_t level, const Key& key, Frame& right);
  void shrink(Path& path);
  bool join(Path& path, uint8_t level);
  uint32_t seal_changed(uint32_t page, uint64_t generation, const Uuid& pool_uuid, uint32_t old_crc);

  PageCache& cache_;
  FreeMap& free_map_;
  TreeRoot root_;
  PageRef missing_;
};

}  // namespace ballast::bdev::pool
