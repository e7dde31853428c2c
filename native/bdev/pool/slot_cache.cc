#include "bdev/pool/slot_cache.h"

#include <algorithm>

namespace ballast::bdev::pool {

std::optional<Extent> CachedSlot::find(uint32_t block) const {
  if (const Fragment* const fragment = head.find(block)) return fragment->extent;
  if (head.zero.test(block)) return std::nullopt;
  for (const Fragment& fragment : below) {
    if (fragment.mask.test(block)) return fragment.extent;
  }
  return std::nullopt;
}

BlockSums* CachedSlot::sums_of(Extent extent) const {
  for (const BlockSumsPointer& held : sums) {
    if (held->extent == extent) return held.get();
  }
  return nullptr;
}

void CachedSlot::map(uint32_t first, uint32_t count, Extent extent) {
  std::vector<Extent> left;
  BALLAST_ASSERT(head.map(first, count, extent, left));
  hide(first, count, left);
}

void CachedSlot::unmap(uint32_t first, uint32_t count, bool hides) {
  std::vector<Extent> left;
  head.unmap(first, count, hides, left);
  hide(first, count, left);
}

// An extent that has no block of the slot any more may become free without the slot being told, and be used
// for it again: nothing of it stays.
void CachedSlot::hide(uint32_t first, uint32_t count, std::vector<Extent>& left) {
  std::erase_if(below, [&](Fragment& fragment) {
    fragment.mask.clear(first, count);
    if (fragment.mask.is_empty()) left.push_back(fragment.extent);
    return fragment.mask.is_empty();
  });
  for (const Extent gone : left) {
    std::erase_if(sums, [gone](const BlockSumsPointer& held) { return held->extent == gone; });
  }
}

void CachedSlot::freeze() {
  below.insert(below.begin(), head.fragments.begin(), head.fragments.begin() + head.fragments_count);
  std::erase_if(below, [](const Fragment& fragment) { return fragment.mask.is_empty(); });
  head = {};  // its zeroes hide nothing: `below` has only what is seen
}

bool CachedSlot::head_holds(const BlockMask& blocks) const {
  return std::any_of(head.fragments.begin(), head.fragments.begin() + head.fragments_count,
                     [&](const Fragment& fragment) { return fragment.mask.intersects(blocks); });
}

CachedSlot* SlotAges::oldest_idle() {
  constexpr uint32_t k_looks_max = 32;
  CachedSlot* slot = slots_.front();
  for (uint32_t looks = 0; slot != nullptr && looks < k_looks_max; ++looks, slot = slots_.after(*slot)) {
    if (slot->pins_count == 0 && slot->state != CachedSlot::State::loading && slot->waiters.empty()) {
      return slot;
    }
  }
  return nullptr;
}

}  // namespace ballast::bdev::pool
