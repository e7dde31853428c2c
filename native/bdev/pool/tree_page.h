// One page of the metadata tree as bytes: look up, put, remove, split, join. Works on any 4 KiB of memory
// that check_tree_page has let pass or init_tree_page has made. Knows nothing of other pages, files or
// checkpoints.
#pragma once

#include "bdev/pool/format.h"
#include "bdev/pool/key.h"

namespace ballast::bdev::pool {

struct TreeHead {
  Head head;  // generation: of the checkpoint that writes it
  uint32_t page = 0;
  uint8_t level = 0;  // 0: leaf
  uint8_t reserved = 0;
  uint16_t entries_count = 0;
  uint16_t values_start = 0;  // leaf: where the lowest value begins
  std::array<uint8_t, 14> reserved_too{};
};
static_assert(sizeof(TreeHead) == k_body_offset && offsetof(TreeHead, page) == 40 &&
              offsetof(TreeHead, level) == 44 && offsetof(TreeHead, entries_count) == 46 &&
              offsetof(TreeHead, values_start) == 48);

struct LeafEntry {
  Key key;
  uint16_t value_offset = 0;
  uint16_t value_length = 0;
};
inline constexpr uint32_t k_leaf_entry_bytes = 20;

struct BranchEntry {
  Key key;  // the least key of the child; of the first child it says nothing
  uint32_t page = 0;
  uint32_t crc = 0;
};
static_assert(sizeof(BranchEntry) == 24);
inline constexpr uint32_t k_branch_entries_max = k_body_bytes / sizeof(BranchEntry);
inline constexpr uint32_t k_quarter_bytes = k_body_bytes / 4;

// Any three entries fit into a leaf, so a split always leaves two pages that fit.
static_assert(3 * (k_leaf_entry_bytes + k_value_bytes_max) <= k_body_bytes);

// The page as read is what the tree that names it (by number and CRC) expects, and everything below can work
// on it without another check.
bool check_tree_page(ByteSpan bytes, uint64_t address, const Uuid& pool_uuid, uint32_t page, uint32_t crc,
                     uint8_t level);

// A view; the bytes must outlive it and are k_page_bytes.
class TreePage {
 public:
  explicit TreePage(uint8_t* bytes) : bytes_(bytes) {}

  void init(uint32_t page, uint8_t level);
  TreeHead head() const { return load<TreeHead>({bytes_, k_page_bytes}); }
  void set_head(const TreeHead& head) { store({bytes_, k_page_bytes}, head); }
  bool is_leaf() const { return bytes_[offsetof(TreeHead, level)] == 0; }
  uint32_t entries_count() const;
  Key key(uint32_t index) const;
  // Entries and values; what a page of the same content needs at least.
  uint32_t used_bytes() const;
  // Index of the first entry whose key is not below `key`; entries_count() if there is none.
  uint32_t lower_bound(const Key& key) const;

  // --- leaf ---
  bool holds(uint32_t index, const Key& key) const {
    return index < entries_count() && this->key(index) == key;
  }
  ByteSpan value(uint32_t index) const;
  // True if put() would find room.
  bool has_room(const Key& key, size_t value_bytes) const;
  // Adds or replaces; has_room() must hold. `value` is not within this page.
  void put(const Key& key, ByteSpan value);
  void remove(uint32_t index);

  // --- branch ---
  // Which child holds `key`.
  uint32_t child_index(const Key& key) const;
  BranchEntry child(uint32_t index) const;
  void set_child(uint32_t index, const BranchEntry& entry);
  bool is_full() const { return entries_count() == k_branch_entries_max; }
  void insert_child(uint32_t index, const BranchEntry& entry);
  void remove_child(uint32_t index);

  // --- both ---
  // Moves the entries from `index` on to the empty page `right` of the same level.
  void move_tail(uint32_t index, TreePage& right);
  // Takes all entries of `right`, whose keys are above ours; they must fit. `separator` is the key that
  // `right` had in the parent: a first child's own key says nothing.
  void absorb(const TreePage& right, const Key& separator);
  // Where to cut a leaf that has no room for this entry: the index of the first entry that goes right. The
  // entry itself then goes to the side its key says, and fits there. May be entries_count() if the key is the
  // last of its run (is_same_run): the new one alone goes right, and keys that only grow fill their pages.
  uint32_t split_index(const Key& key, size_t value_bytes, bool ends_run) const;

 private:
  LeafEntry leaf_entry(uint32_t index) const;
  void set_leaf_entry(uint32_t index, const LeafEntry& entry);
  uint8_t* entry(uint32_t index) const { return bytes_ + k_body_offset + size_t{index} * entry_bytes(); }
  uint32_t entry_bytes() const { return is_leaf() ? k_leaf_entry_bytes : sizeof(BranchEntry); }
  void set_entries_count(uint32_t count);
  void open_gap(uint32_t index);
  void close_gap(uint32_t index);
  void compact();

  uint8_t* bytes_;
};

}  // namespace ballast::bdev::pool
