#include "bdev/pool/free_map.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {

FreeMap::FreeMap(const MetadataLayout& layout)
    : layout_(layout),
      bits_(size_t{layout.free_map_pages} * k_body_bytes, 0),
      changed_(layout.free_map_pages, true),
      hand_(layout.tree_first) {
  finish_load();
  changed_.assign(layout.free_map_pages, true);
}

void FreeMap::load(uint32_t index, ByteSpan body) {
  std::copy(body.begin(), body.begin() + k_body_bytes, bits_.begin() + size_t{index} * k_body_bytes);
}

void FreeMap::finish_load() {
  const auto pages = static_cast<uint32_t>(bits_.size() * 8);
  free_count_ = 0;
  for (uint32_t page = 0; page < pages; ++page) {
    if (!layout_.is_tree_page(page)) {
      bits_[page / 8] |= static_cast<uint8_t>(1 << (page % 8));
    } else if (!is_used(page)) {
      ++free_count_;
    }
  }
  changed_.assign(layout_.free_map_pages, false);
  pending_.clear();
  frozen_.clear();
  hand_ = layout_.tree_first;
}

void FreeMap::set(uint32_t page, bool used) {
  BALLAST_ASSERT(layout_.is_tree_page(page));
  if (is_used(page) == used) return;
  bits_[page / 8] ^= static_cast<uint8_t>(1 << (page % 8));
  free_count_ += used ? UINT32_MAX : 1;
  changed_[page / k_free_map_bits] = true;
}

uint32_t FreeMap::allocate() {
  if (free_count_ == 0) return 0;
  for (;;) {
    if (hand_ >= layout_.pages_count) hand_ = layout_.tree_first;
    if (hand_ % 8 == 0 && bits_[hand_ / 8] == 0xff) {
      hand_ += 8;
      continue;
    }
    const uint32_t page = hand_++;
    if (!layout_.is_tree_page(page) || is_used(page)) continue;
    set(page, true);
    return page;
  }
}

void FreeMap::free_now(uint32_t page) { set(page, false); }

void FreeMap::free_later(uint32_t page) {
  if (planted(Planted::pages_free_too_early)) return free_now(page);
  pending_.push_back(page);
  changed_[page / k_free_map_bits] = true;
}

void FreeMap::freeze() {
  BALLAST_ASSERT(frozen_.empty());
  frozen_.swap(pending_);
}

std::vector<uint32_t> FreeMap::take_changed() {
  std::vector<uint32_t> indexes;
  for (uint32_t i = 0; i < changed_.size(); ++i) {
    if (changed_[i]) indexes.push_back(i);
  }
  changed_.assign(changed_.size(), false);
  return indexes;
}

void FreeMap::image(uint32_t index, MutableByteSpan body) const {
  std::copy_n(bits_.begin() + size_t{index} * k_body_bytes, k_body_bytes, body.begin());
  for (const uint32_t page : frozen_) {
    if (page / k_free_map_bits != index) continue;
    const uint32_t bit = page % k_free_map_bits;
    body[bit / 8] &= static_cast<uint8_t>(~(1 << (bit % 8)));
  }
}

uint32_t FreeMap::frozen_used_count() const {
  const uint32_t tree_pages = layout_.pages_count - layout_.tree_first;
  return tree_pages - free_count_ - static_cast<uint32_t>(frozen_.size());
}

void FreeMap::settle() {
  // On the disk they are free already: this makes no map page differ from its image.
  for (const uint32_t page : frozen_) {
    const bool was_changed = changed_[page / k_free_map_bits];
    set(page, false);
    changed_[page / k_free_map_bits] = was_changed;
  }
  frozen_.clear();
}

}  // namespace ballast::bdev::pool
