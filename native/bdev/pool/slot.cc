#include "bdev/pool/slot.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

// The bits of word `index` that lie in [first, first + count).
uint64_t word_mask(uint32_t index, uint32_t first, uint32_t count) {
  const uint32_t begin = std::max(first, index * 64), end = std::min(first + count, index * 64 + 64);
  if (begin >= end) return 0;
  return (~uint64_t{0} >> (64 - (end - begin))) << (begin % 64);
}

struct SlotHead {
  uint8_t fragments_count = 0;
  uint8_t has_zero = 0;
  std::array<uint8_t, 6> reserved{};
};
static_assert(sizeof(SlotHead) == 8);

}  // namespace

void BlockMask::set(uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < words.size(); ++i) words[i] |= word_mask(i, first, count);
}

void BlockMask::clear(uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < words.size(); ++i) words[i] &= ~word_mask(i, first, count);
}

bool BlockMask::intersects(const BlockMask& other) const {
  for (uint32_t i = 0; i < words.size(); ++i) {
    if ((words[i] & other.words[i]) != 0) return true;
  }
  return false;
}

void BlockMask::add(const BlockMask& other) {
  for (uint32_t i = 0; i < words.size(); ++i) words[i] |= other.words[i];
}

void BlockMask::subtract(const BlockMask& other) {
  for (uint32_t i = 0; i < words.size(); ++i) words[i] &= ~other.words[i];
}

BlockMask Slot::known() const {
  BlockMask known = zero;
  for (uint32_t i = 0; i < fragments_count; ++i) known.add(fragments[i].mask);
  return known;
}

bool Slot::merge(const Slot& below, bool hides, std::vector<Extent>& freed) {
  const BlockMask ours = known();
  Slot merged = *this;
  std::vector<Extent> hidden;
  for (uint32_t i = 0; i < below.fragments_count; ++i) {
    Fragment fragment = below.fragments[i];
    fragment.mask.subtract(ours);
    if (fragment.mask.is_empty()) {
      hidden.push_back(fragment.extent);
    } else if (merged.fragments_count == k_fragments_max) {
      return false;
    } else {
      merged.fragments[merged.fragments_count++] = fragment;
    }
  }
  if (hides && !planted(Planted::merge_drops_zeroes)) {
    BlockMask zeroes = below.zero;
    zeroes.subtract(ours);
    merged.zero.add(zeroes);
  } else {
    merged.zero = {};  // nothing is left below that they could hide
  }
  *this = merged;
  if (planted(Planted::merge_keeps_hidden)) hidden.clear();
  freed.insert(freed.end(), hidden.begin(), hidden.end());
  return true;
}

const Fragment* Slot::find(uint32_t block) const {
  for (uint32_t i = 0; i < fragments_count; ++i) {
    if (fragments[i].mask.test(block)) return &fragments[i];
  }
  return nullptr;
}

bool Slot::map(uint32_t first, uint32_t count, Extent extent, std::vector<Extent>& freed) {
  const auto end = fragments.begin() + fragments_count;
  const auto known =
      std::find_if(fragments.begin(), end, [&](const Fragment& f) { return f.extent == extent; });
  if (known == end && fragments_count == k_fragments_max) {
    // Another fragment may lose its last block by this.
    Slot without = *this;
    std::vector<Extent> gone;
    without.clear_fragments(first, count, extent, gone);
    if (gone.empty()) return false;
  }
  clear_fragments(first, count, extent, freed);
  const auto new_end = fragments.begin() + fragments_count;
  auto place =
      std::find_if(fragments.begin(), new_end, [&](const Fragment& f) { return f.extent == extent; });
  if (place == new_end) {
    *place = {extent, {}};
    ++fragments_count;
  }
  place->mask.set(first, count);
  zero.clear(first, count);
  return true;
}

void Slot::unmap(uint32_t first, uint32_t count, bool hides, std::vector<Extent>& freed) {
  clear_fragments(first, count, Extent{~uint64_t{0}}, freed);
  if (hides) zero.set(first, count);
}

void Slot::clear_fragments(uint32_t first, uint32_t count, Extent except, std::vector<Extent>& freed) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < fragments_count; ++i) {
    Fragment fragment = fragments[i];
    if (fragment.extent != except) fragment.mask.clear(first, count);
    if (fragment.mask.is_empty()) {
      freed.push_back(fragment.extent);
    } else {
      fragments[kept++] = fragment;
    }
  }
  for (uint32_t i = kept; i < fragments_count; ++i) fragments[i] = {};
  fragments_count = kept;
}

uint32_t encode(const Slot& slot, std::array<uint8_t, k_slot_bytes_max>& into) {
  const bool has_zero = !slot.zero.is_empty();
  const SlotHead head{static_cast<uint8_t>(slot.fragments_count), has_zero ? uint8_t{1} : uint8_t{0}, {}};
  MutableByteSpan rest = into;
  store(rest, head);
  rest = rest.subspan(sizeof head);
  if (has_zero) {
    store(rest, slot.zero);
    rest = rest.subspan(sizeof slot.zero);
  }
  for (uint32_t i = 0; i < slot.fragments_count; ++i) {
    store(rest, slot.fragments[i]);
    rest = rest.subspan(sizeof(Fragment));
  }
  return static_cast<uint32_t>(into.size() - rest.size());
}

bool decode(ByteSpan bytes, Slot& slot) {
  slot = {};
  if (bytes.size() < sizeof(SlotHead)) return false;
  const SlotHead head = load<SlotHead>(bytes);
  if (head.fragments_count > k_fragments_max || head.has_zero > 1) return false;
  if (bytes.size() !=
      sizeof head + head.has_zero * sizeof(BlockMask) + head.fragments_count * sizeof(Fragment)) {
    return false;
  }
  bytes = bytes.subspan(sizeof head);
  if (head.has_zero != 0) {
    slot.zero = load<BlockMask>(bytes);
    bytes = bytes.subspan(sizeof(BlockMask));
  }
  BlockMask seen = slot.zero;
  for (; slot.fragments_count < head.fragments_count; ++slot.fragments_count) {
    const Fragment fragment = load<Fragment>(bytes);
    bytes = bytes.subspan(sizeof fragment);
    if (!fragment.extent.is_valid() || fragment.mask.is_empty() || fragment.mask.intersects(seen))
      return false;
    for (uint32_t i = 0; i < slot.fragments_count; ++i) {
      if (slot.fragments[i].extent == fragment.extent) return false;
    }
    seen.add(fragment.mask);
    slot.fragments[slot.fragments_count] = fragment;
  }
  return !slot.is_empty();
}

}  // namespace ballast::bdev::pool
