#include "engine/perf_pattern.h"

#include <cstddef>

#include "base/crc32c.h"

namespace ballast::engine {

namespace {
uint32_t crc_without_field(ByteSpan block) {
  constexpr size_t k_field = offsetof(PerfStamp, crc);
  constexpr uint8_t k_zeroes[4] = {};
  uint32_t state = crc32c_update(k_crc32c_seed, block.first(k_field));
  state = crc32c_update(state, k_zeroes);
  return crc32c_finish(crc32c_update(state, block.subspan(k_field + 4)));
}
}  // namespace

void write_perf_block(MutableByteSpan block, uint64_t lba, uint64_t sequence, uint64_t seed) {
  BALLAST_ASSERT(block.size() >= sizeof(PerfStamp) && block.size() % 8 == 0);
  // A multiplicative sequence: different in every word, so that a shift by any amount shows in the checksum.
  uint64_t word = (lba * 0x9e3779b97f4a7c15u) ^ (sequence * 0xc2b2ae3d27d4eb4fu) ^ seed;
  for (size_t at = sizeof(PerfStamp); at < block.size(); at += 8) {
    word = word * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    std::memcpy(block.data() + at, &word, 8);
  }
  PerfStamp stamp{lba, sequence, seed, 0, k_perf_magic};
  store(block, stamp);
  stamp.crc = crc_without_field(block);
  store(block, stamp);
}

const char* perf_verdict_text(PerfVerdict verdict) {
  switch (verdict) {
    case PerfVerdict::good: return "good";
    case PerfVerdict::not_ours: return "not written by this run";
    case PerfVerdict::other_address: return "a block of another address";
    case PerfVerdict::other_sequence: return "another write of this address";
    case PerfVerdict::damaged: return "damaged bytes";
  }
  return "unknown";
}

PerfVerdict check_perf_block(ByteSpan block, uint64_t lba, uint64_t sequence, uint64_t seed) {
  const auto stamp = load<PerfStamp>(block);
  if (stamp.magic != k_perf_magic || stamp.seed != seed) return PerfVerdict::not_ours;
  if (stamp.crc != crc_without_field(block)) return PerfVerdict::damaged;
  if (stamp.lba != lba) return PerfVerdict::other_address;
  return stamp.sequence == sequence ? PerfVerdict::good : PerfVerdict::other_sequence;
}

}  // namespace ballast::engine
