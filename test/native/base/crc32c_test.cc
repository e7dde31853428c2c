#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/prng.h"

namespace ballast {
namespace {

ByteSpan bytes_of_text(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// RFC 3720, "CRC Examples", and the check value of the CRC catalogue.
TEST(Crc32c, gives_the_published_values) {
  EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0x00)), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0xff)), 0x62a8ab43u);
  std::vector<uint8_t> rising(32);
  for (size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(bytes_of_text("123456789")), 0xe3069283u);
}

TEST(Crc32c, of_nothing_is_zero) { EXPECT_EQ(crc32c({}), 0u); }

TEST(Crc32c, does_not_depend_on_how_the_bytes_are_cut) {
  Prng prng(1);
  std::vector<uint8_t> bytes(5000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next());
  const uint32_t whole = crc32c(bytes);
  for (int round = 0; round < 100; ++round) {
    uint32_t state = k_crc32c_seed;
    for (ByteSpan left = bytes; !left.empty();) {
      const size_t piece = 1 + prng.below(left.size());
      state = crc32c_update(state, left.first(piece));
      left = left.subspan(piece);
    }
    ASSERT_EQ(crc32c_finish(state), whole);
  }
}

uint32_t bit_by_bit(ByteSpan bytes) {
  uint32_t state = 0xffffffffu;
  for (const uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~state;
}

// Short and long pieces go different ways: both sides of where they part, at every alignment.
TEST(Crc32c, is_that_of_the_polynomial_at_every_length_and_alignment) {
  Prng prng(2);
  std::vector<uint8_t> bytes(600);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next());
  for (size_t start = 0; start < 8; ++start) {
    for (size_t size = 0; size + start <= bytes.size(); ++size) {
      const ByteSpan piece = ByteSpan(bytes).subspan(start, size);
      ASSERT_EQ(crc32c(piece), bit_by_bit(piece)) << "start " << start << " size " << size;
    }
  }
}

TEST(Crc32c, sees_every_flipped_bit) {
  std::vector<uint8_t> bytes(128, 0x5a);
  const uint32_t good = crc32c(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    ASSERT_NE(crc32c(bytes), good) << bit;
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
  }
}

}  // namespace
}  // namespace ballast
