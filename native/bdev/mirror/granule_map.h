// A map of a replica in memory: a bit for each granule (or region), how many are set, and which blocks of it
// on the metadata device differ from what is here. All memory is taken when it is made.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "bdev/mirror/replica_format.h"

namespace ballast::bdev::mirror {

class GranuleMap {
 public:
  struct Run {
    uint64_t first = 0;
    uint64_t count = 0;
    bool operator==(const Run&) const = default;
  };

  explicit GranuleMap(uint64_t bits_count);

  uint64_t bits_count() const { return bits_count_; }
  uint64_t blocks_count() const { return blocks_count_; }
  uint64_t count() const { return count_; }  // of those that are set
  bool has(uint64_t bit) const;
  bool has_all(uint64_t first, uint64_t count) const;

  // Ranges end at bits_count() at the latest. True: something changed; its blocks are dirty now.
  bool set(uint64_t first, uint64_t count);
  bool clear(uint64_t first, uint64_t count);
  void set_all() { set(0, bits_count_); }
  // The new ones are not set, and nothing is dirty by it.
  void grow(uint64_t bits_count);

  // The first bits that are set, at `from` or behind it.
  std::optional<Run> next_run(uint64_t from) const;
  // Bits from `first` on, packed; those behind the end are zero.
  void read(uint64_t first, MutableByteSpan out) const;

  // --- blocks of the device ---
  static uint64_t block_of(uint64_t bit) { return bit / k_map_bits_per_block; }
  Run bits_of(uint64_t block) const;
  bool is_dirty(uint64_t block) const;
  void set_dirty(uint64_t block);
  void clear_dirty(uint64_t block);
  std::optional<uint64_t> next_dirty(uint64_t from) const;
  // The body of a block, k_map_bytes_per_block long.
  void copy_block(uint64_t block, MutableByteSpan body) const;
  // Adds the bits of a body that was read; bits behind the end are ignored. What is dirty stays as it was.
  void add_block(uint64_t block, ByteSpan body);
  // Adds those bits of a body that are set in `also`, too.
  void add_block_where(uint64_t block, ByteSpan body, const GranuleMap& also);

 private:
  static constexpr uint64_t k_words_per_block = k_map_bits_per_block / 64;
  static_assert(k_words_per_block * 64 == k_map_bits_per_block);

  template <typename Change>
  bool change(uint64_t first, uint64_t count, Change change_word);
  uint64_t valid_bits(uint64_t word) const;

  uint64_t bits_count_;
  uint64_t blocks_count_;
  uint64_t count_ = 0;
  std::vector<uint64_t> words_;  // whole blocks
  std::vector<uint64_t> dirty_;
};

}  // namespace ballast::bdev::mirror
