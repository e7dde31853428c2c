#include "bdev/pool/tree_page.h"

#include <algorithm>

namespace ballast::bdev::pool {
namespace {

bool check_leaf(const TreePage& page, const TreeHead& head) {
  const uint32_t entries_end = k_body_offset + head.entries_count * k_leaf_entry_bytes;
  if (head.values_start > k_page_bytes || entries_end > head.values_start) return false;
  uint32_t values_bytes = 0;
  for (uint32_t i = 0; i < head.entries_count; ++i)
    values_bytes += static_cast<uint32_t>(page.value(i).size());
  return entries_end + values_bytes <= k_page_bytes;
}

// Before anything of an entry is believed.
bool check_leaf_ranges(ByteSpan bytes, const TreeHead& head) {
  if (head.entries_count * k_leaf_entry_bytes > k_body_bytes) return false;
  for (uint32_t i = 0; i < head.entries_count; ++i) {
    uint16_t range[2];
    std::memcpy(range, bytes.data() + k_body_offset + i * k_leaf_entry_bytes + sizeof(Key), sizeof range);
    if (range[1] > k_value_bytes_max) return false;
    if (range[1] != 0 &&
        (range[0] < head.values_start || range[0] + range[1] > static_cast<int>(k_page_bytes)))
      return false;
  }
  return true;
}

}  // namespace

bool check_tree_page(ByteSpan bytes, uint64_t address, const Uuid& pool_uuid, uint32_t page, uint32_t crc,
                     uint8_t level) {
  if (!is_whole(bytes, k_tree_magic, address, pool_uuid)) return false;
  const TreeHead head = load<TreeHead>(bytes);
  if (head.head.crc != crc || head.page != page || head.level != level || head.entries_count == 0)
    return false;
  const TreePage view(const_cast<uint8_t*>(bytes.data()));
  if (level == 0) {
    if (!check_leaf_ranges(bytes, head) || !check_leaf(view, head)) return false;
  } else if (head.entries_count > k_branch_entries_max) {
    return false;
  }
  for (uint32_t i = level == 0 ? 1 : 2; i < head.entries_count; ++i) {
    if (view.key(i - 1) >= view.key(i)) return false;
  }
  return true;
}

void TreePage::init(uint32_t page, uint8_t level) {
  std::memset(bytes_, 0, k_page_bytes);
  TreeHead head;
  head.page = page;
  head.level = level;
  head.values_start = k_page_bytes;
  set_head(head);
}

uint32_t TreePage::entries_count() const {
  uint16_t count;
  std::memcpy(&count, bytes_ + offsetof(TreeHead, entries_count), sizeof count);
  return count;
}

void TreePage::set_entries_count(uint32_t count) {
  const auto small = static_cast<uint16_t>(count);
  std::memcpy(bytes_ + offsetof(TreeHead, entries_count), &small, sizeof small);
}

Key TreePage::key(uint32_t index) const {
  BALLAST_ASSERT(index < entries_count());
  return load<Key>({entry(index), sizeof(Key)});
}

uint32_t TreePage::used_bytes() const {
  uint32_t used = entries_count() * entry_bytes();
  if (is_leaf()) {
    for (uint32_t i = 0; i < entries_count(); ++i) used += leaf_entry(i).value_length;
  }
  return used;
}

uint32_t TreePage::lower_bound(const Key& key) const {
  uint32_t low = 0;
  for (uint32_t high = entries_count(); low < high;) {
    const uint32_t middle = (low + high) / 2;
    if (this->key(middle) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

LeafEntry TreePage::leaf_entry(uint32_t index) const {
  LeafEntry found;
  const uint8_t* const at = entry(index);
  std::memcpy(&found.key, at, sizeof(Key));
  std::memcpy(&found.value_offset, at + 16, sizeof found.value_offset);
  std::memcpy(&found.value_length, at + 18, sizeof found.value_length);
  return found;
}

void TreePage::set_leaf_entry(uint32_t index, const LeafEntry& wanted) {
  uint8_t* const at = entry(index);
  std::memcpy(at, &wanted.key, sizeof(Key));
  std::memcpy(at + 16, &wanted.value_offset, sizeof wanted.value_offset);
  std::memcpy(at + 18, &wanted.value_length, sizeof wanted.value_length);
}

ByteSpan TreePage::value(uint32_t index) const {
  BALLAST_ASSERT(is_leaf() && index < entries_count());
  const LeafEntry found = leaf_entry(index);
  if (found.value_length == 0) return {};
  return {bytes_ + found.value_offset, found.value_length};
}

bool TreePage::has_room(const Key& key, size_t value_bytes) const {
  const uint32_t index = lower_bound(key);
  uint32_t needed = used_bytes() + static_cast<uint32_t>(value_bytes);
  if (holds(index, key)) {
    needed -= leaf_entry(index).value_length;
  } else {
    needed += k_leaf_entry_bytes;
  }
  return needed <= k_body_bytes;
}

void TreePage::put(const Key& key, ByteSpan value) {
  BALLAST_ASSERT(is_leaf() && value.size() <= k_value_bytes_max);
  BALLAST_ASSERT(has_room(key, value.size()));
  const uint32_t index = lower_bound(key);
  if (holds(index, key)) {
    LeafEntry same = leaf_entry(index);
    if (same.value_length == value.size()) {
      if (!value.empty()) std::memcpy(bytes_ + same.value_offset, value.data(), value.size());
      return;
    }
    remove(index);
  }
  const uint32_t entries_end = k_body_offset + (entries_count() + 1) * k_leaf_entry_bytes;
  if (entries_end + value.size() > head().values_start) compact();
  TreeHead changed = head();
  changed.values_start = static_cast<uint16_t>(changed.values_start - value.size());
  set_head(changed);
  open_gap(index);
  set_leaf_entry(index, {key, changed.values_start, static_cast<uint16_t>(value.size())});
  if (!value.empty()) std::memcpy(bytes_ + changed.values_start, value.data(), value.size());
}

void TreePage::remove(uint32_t index) {
  BALLAST_ASSERT(is_leaf() && index < entries_count());
  close_gap(index);
}

// Brings the values to the end of the page again, so that the room between is in one piece.
void TreePage::compact() {
  std::array<uint8_t, k_page_bytes> old;
  std::memcpy(old.data(), bytes_, k_page_bytes);
  uint32_t start = k_page_bytes;
  for (uint32_t i = 0; i < entries_count(); ++i) {
    LeafEntry moved = leaf_entry(i);
    start -= moved.value_length;
    std::memcpy(bytes_ + start, old.data() + moved.value_offset, moved.value_length);
    moved.value_offset = static_cast<uint16_t>(start);
    set_leaf_entry(i, moved);
  }
  TreeHead changed = head();
  changed.values_start = static_cast<uint16_t>(start);
  set_head(changed);
  const uint32_t entries_end = k_body_offset + entries_count() * k_leaf_entry_bytes;
  std::memset(bytes_ + entries_end, 0, start - entries_end);  // what was removed does not stay readable
}

uint32_t TreePage::child_index(const Key& key) const {
  BALLAST_ASSERT(!is_leaf() && entries_count() > 0);
  uint32_t low = 1;
  for (uint32_t high = entries_count(); low < high;) {
    const uint32_t middle = (low + high) / 2;
    if (this->key(middle) <= key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

BranchEntry TreePage::child(uint32_t index) const {
  BALLAST_ASSERT(!is_leaf() && index < entries_count());
  return load<BranchEntry>({entry(index), sizeof(BranchEntry)});
}

void TreePage::set_child(uint32_t index, const BranchEntry& wanted) {
  BALLAST_ASSERT(!is_leaf() && index < entries_count());
  store({entry(index), sizeof(BranchEntry)}, wanted);
}

void TreePage::insert_child(uint32_t index, const BranchEntry& wanted) {
  BALLAST_ASSERT(!is_full());
  open_gap(index);
  set_child(index, wanted);
}

void TreePage::remove_child(uint32_t index) {
  BALLAST_ASSERT(!is_leaf());
  close_gap(index);
}

void TreePage::open_gap(uint32_t index) {
  const uint32_t count = entries_count();
  BALLAST_ASSERT(index <= count);
  std::memmove(entry(index + 1), entry(index), size_t{count - index} * entry_bytes());
  set_entries_count(count + 1);
}

void TreePage::close_gap(uint32_t index) {
  const uint32_t count = entries_count();
  BALLAST_ASSERT(index < count);
  std::memmove(entry(index), entry(index + 1), size_t{count - index - 1} * entry_bytes());
  std::memset(entry(count - 1), 0, entry_bytes());
  set_entries_count(count - 1);
}

void TreePage::move_tail(uint32_t index, TreePage& right) {
  const uint32_t count = entries_count();
  BALLAST_ASSERT(index <= count && right.entries_count() == 0);
  for (uint32_t i = index; i < count; ++i) {
    if (is_leaf()) {
      right.put(key(i), value(i));
    } else {
      right.insert_child(i - index, child(i));
    }
  }
  std::memset(entry(index), 0, size_t{count - index} * entry_bytes());
  set_entries_count(index);
  if (is_leaf()) compact();
}

void TreePage::absorb(const TreePage& right, const Key& separator) {
  BALLAST_ASSERT(is_leaf() == right.is_leaf());
  BALLAST_ASSERT(used_bytes() + right.used_bytes() <= k_body_bytes);
  for (uint32_t i = 0; i < right.entries_count(); ++i) {
    if (is_leaf()) {
      put(right.key(i), right.value(i));
    } else {
      BranchEntry moved = right.child(i);
      if (i == 0) moved.key = separator;
      insert_child(entries_count(), moved);
    }
  }
}

uint32_t TreePage::split_index(const Key& key, size_t value_bytes, bool ends_run) const {
  BALLAST_ASSERT(is_leaf());
  const uint32_t count = entries_count();
  const uint32_t at = lower_bound(key);
  if (at == count && ends_run) return count;
  const bool replaces = holds(at, key);
  const auto added_bytes = static_cast<uint32_t>(k_leaf_entry_bytes + value_bytes);
  const uint32_t replaced_bytes = replaces ? k_leaf_entry_bytes + leaf_entry(at).value_length : 0;
  const uint32_t total = used_bytes() - replaced_bytes + added_bytes;
  // The cut nearest to the middle, over all cuts; the new entry counts on the side its key says.
  uint32_t best = 0, best_distance = UINT32_MAX, left = 0;
  for (uint32_t cut = 1; cut < count; ++cut) {
    const bool was_key = replaces && cut - 1 == at;
    left += was_key ? added_bytes : k_leaf_entry_bytes + leaf_entry(cut - 1).value_length;
    // A new key goes left if it is below the first key of the right page.
    const uint32_t with_new = left + (!replaces && at <= cut ? added_bytes : 0);
    const uint32_t right = total - with_new;
    const uint32_t distance = with_new > right ? with_new - right : right - with_new;
    if (with_new <= k_body_bytes && right <= k_body_bytes && distance < best_distance) {
      best = cut;
      best_distance = distance;
    }
  }
  BALLAST_ASSERT(best > 0);
  return best;
}

}  // namespace ballast::bdev::pool
