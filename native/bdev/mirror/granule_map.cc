#include "bdev/mirror/granule_map.h"

#include <algorithm>
#include <bit>

namespace ballast::bdev::mirror {
namespace {

uint64_t ones(uint64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

// The first set bit of `words` at `from` or behind it; their number of bits: there is none.
uint64_t find_set(const std::vector<uint64_t>& words, uint64_t from, uint64_t flip) {
  uint64_t index = from / 64;
  if (index >= words.size()) return words.size() * 64;
  uint64_t word = (words[index] ^ flip) & ~ones(from % 64);
  while (word == 0) {
    if (++index == words.size()) return words.size() * 64;
    word = words[index] ^ flip;
  }
  return index * 64 + static_cast<uint64_t>(std::countr_zero(word));
}

}  // namespace

GranuleMap::GranuleMap(uint64_t bits_count)
    : bits_count_(bits_count),
      blocks_count_((bits_count + k_map_bits_per_block - 1) / k_map_bits_per_block),
      words_(blocks_count_ * k_words_per_block, 0),
      dirty_((blocks_count_ + 63) / 64, 0) {
  BALLAST_ASSERT(bits_count > 0);
  BALLAST_ASSERT(bits_count <= ReplicaLayout::k_size_bytes_max / ReplicaLayout::k_granule_bytes);
}

void GranuleMap::grow(uint64_t bits_count) {
  BALLAST_ASSERT(bits_count >= bits_count_);
  BALLAST_ASSERT(bits_count <= ReplicaLayout::k_size_bytes_max / ReplicaLayout::k_granule_bytes);
  bits_count_ = bits_count;
  blocks_count_ = (bits_count + k_map_bits_per_block - 1) / k_map_bits_per_block;
  words_.resize(blocks_count_ * k_words_per_block, 0);
  dirty_.resize((blocks_count_ + 63) / 64, 0);
}

bool GranuleMap::has(uint64_t bit) const {
  BALLAST_ASSERT(bit < bits_count_);
  return (words_[bit / 64] >> bit % 64 & 1) != 0;
}

bool GranuleMap::has_all(uint64_t first, uint64_t count) const {
  BALLAST_ASSERT(first <= bits_count_);
  BALLAST_ASSERT(count <= bits_count_ - first);
  return find_set(words_, first, ~uint64_t{0}) >= first + count;
}

template <typename Change>
bool GranuleMap::change(uint64_t first, uint64_t count, Change change_word) {
  BALLAST_ASSERT(first <= bits_count_);
  BALLAST_ASSERT(count <= bits_count_ - first);
  bool has_changed = false;
  const uint64_t end = first + count;
  for (uint64_t bit = first; bit < end;) {
    const uint64_t index = bit / 64;
    const uint64_t in_word = std::min(64 - bit % 64, end - bit);
    const uint64_t mask = ones(in_word) << bit % 64;
    const uint64_t before = words_[index];
    const uint64_t after = change_word(before, mask);
    if (after != before) {
      words_[index] = after;
      // Unsigned numbers that wrap: right for less as well as for more.
      count_ += static_cast<uint64_t>(std::popcount(after)) - static_cast<uint64_t>(std::popcount(before));
      set_dirty(index / k_words_per_block);
      has_changed = true;
    }
    bit += in_word;
  }
  return has_changed;
}

bool GranuleMap::set(uint64_t first, uint64_t count) {
  return change(first, count, [](uint64_t word, uint64_t mask) { return word | mask; });
}

bool GranuleMap::clear(uint64_t first, uint64_t count) {
  return change(first, count, [](uint64_t word, uint64_t mask) { return word & ~mask; });
}

std::optional<GranuleMap::Run> GranuleMap::next_run(uint64_t from) const {
  const uint64_t first = find_set(words_, from, 0);
  if (first >= bits_count_) return std::nullopt;
  const uint64_t end = std::min(find_set(words_, first, ~uint64_t{0}), bits_count_);
  return Run{first, end - first};
}

void GranuleMap::read(uint64_t first, MutableByteSpan out) const {
  const auto word_at = [this](uint64_t index) { return index < words_.size() ? words_[index] : 0; };
  for (size_t i = 0; i < out.size(); i += 8) {
    const uint64_t bit = first + i * 8;
    const uint64_t shift = bit % 64;
    uint64_t bits = word_at(bit / 64) >> shift;
    if (shift != 0) bits |= word_at(bit / 64 + 1) << (64 - shift);
    std::memcpy(out.data() + i, &bits, std::min<size_t>(8, out.size() - i));
  }
}

GranuleMap::Run GranuleMap::bits_of(uint64_t block) const {
  BALLAST_ASSERT(block < blocks_count_);
  const uint64_t first = block * k_map_bits_per_block;
  return {first, std::min<uint64_t>(k_map_bits_per_block, bits_count_ - first)};
}

bool GranuleMap::is_dirty(uint64_t block) const { return (dirty_[block / 64] >> block % 64 & 1) != 0; }
void GranuleMap::set_dirty(uint64_t block) { dirty_[block / 64] |= uint64_t{1} << block % 64; }
void GranuleMap::clear_dirty(uint64_t block) { dirty_[block / 64] &= ~(uint64_t{1} << block % 64); }

std::optional<uint64_t> GranuleMap::next_dirty(uint64_t from) const {
  const uint64_t block = find_set(dirty_, from, 0);
  if (block >= blocks_count_) return std::nullopt;
  return block;
}

void GranuleMap::copy_block(uint64_t block, MutableByteSpan body) const {
  BALLAST_ASSERT(block < blocks_count_);
  BALLAST_ASSERT(body.size() == k_map_bytes_per_block);
  std::memcpy(body.data(), words_.data() + block * k_words_per_block, body.size());
}

// Of word `word`, those bits that lie before the end.
uint64_t GranuleMap::valid_bits(uint64_t word) const {
  return word * 64 >= bits_count_ ? 0 : ones(bits_count_ - word * 64);
}

void GranuleMap::add_block(uint64_t block, ByteSpan body) {
  BALLAST_ASSERT(block < blocks_count_);
  BALLAST_ASSERT(body.size() == k_map_bytes_per_block);
  for (uint64_t i = 0; i < k_words_per_block; ++i) {
    const uint64_t word = block * k_words_per_block + i;
    const uint64_t bits = load<uint64_t>(body.subspan(i * 8)) & valid_bits(word);
    count_ += static_cast<uint64_t>(std::popcount(bits & ~words_[word]));
    words_[word] |= bits;
  }
}

void GranuleMap::add_block_where(uint64_t block, ByteSpan body, const GranuleMap& also) {
  BALLAST_ASSERT(block < blocks_count_);
  BALLAST_ASSERT(body.size() == k_map_bytes_per_block);
  BALLAST_ASSERT(also.bits_count_ == bits_count_);
  for (uint64_t i = 0; i < k_words_per_block; ++i) {
    const uint64_t word = block * k_words_per_block + i;
    const uint64_t bits = load<uint64_t>(body.subspan(i * 8)) & valid_bits(word) & also.words_[word];
    count_ += static_cast<uint64_t>(std::popcount(bits & ~words_[word]));
    words_[word] |= bits;
  }
}

}  // namespace ballast::bdev::mirror
