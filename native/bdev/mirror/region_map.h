// A bit for each region (or granule) of a volume, and how many are set. Memory is taken when it is made.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/assert.h"

namespace ballast::bdev::mirror {

class RegionMap {
 public:
  static constexpr uint64_t k_none = UINT64_MAX;

  explicit RegionMap(uint64_t regions_count = 0)
      : regions_count_(regions_count), words_((regions_count + 63) / 64, 0) {}

  uint64_t regions_count() const { return regions_count_; }
  uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool has(uint64_t region) const { return (words_[region / 64] >> region % 64 & 1) != 0; }
  void set(uint64_t region) {
    BALLAST_ASSERT(region < regions_count_);
    uint64_t& word = words_[region / 64];
    const uint64_t before = word;
    word |= uint64_t{1} << region % 64;
    count_ += word == before ? 0 : 1;
  }
  void clear(uint64_t region) {
    BALLAST_ASSERT(region < regions_count_);
    uint64_t& word = words_[region / 64];
    const uint64_t before = word;
    word &= ~(uint64_t{1} << region % 64);
    count_ -= word == before ? 0 : 1;
  }
  void set_all() {
    for (uint64_t region = 0; region < regions_count_; ++region) set(region);
  }
  // The new ones are not set.
  void grow(uint64_t regions_count) {
    BALLAST_ASSERT(regions_count >= regions_count_);
    regions_count_ = regions_count;
    words_.resize((regions_count + 63) / 64, 0);
  }
  void clear_all() {
    words_.assign(words_.size(), 0);
    count_ = 0;
  }
  // The bits of 64 regions from `first`, a multiple of 64, are added; those behind the end are ignored.
  void add_word(uint64_t first, uint64_t bits) {
    if (first >= regions_count_) return;
    const uint64_t valid = regions_count_ - first;
    if (valid < 64) bits &= (uint64_t{1} << valid) - 1;
    uint64_t& word = words_[first / 64];
    count_ += static_cast<uint64_t>(std::popcount(bits & ~word));
    word |= bits;
  }
  uint64_t word(uint64_t first) const { return words_[first / 64]; }
  // The first that is set, from `from` on; k_none: there is none.
  uint64_t next(uint64_t from) const {
    if (from >= regions_count_) return k_none;
    uint64_t index = from / 64;
    uint64_t word = words_[index] & ~uint64_t{0} << from % 64;
    while (word == 0) {
      if (++index == words_.size()) return k_none;
      word = words_[index];
    }
    return index * 64 + static_cast<uint64_t>(std::countr_zero(word));
  }

 private:
  uint64_t regions_count_;
  uint64_t count_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace ballast::bdev::mirror
