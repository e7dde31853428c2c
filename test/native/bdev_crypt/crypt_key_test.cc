#include "bdev/crypt/crypt_key.h"

#include <gtest/gtest.h>

#include <utility>

#include "native/bdev_crypt/keys.h"

namespace ballast::bdev::test {
namespace {

TEST(CryptKey, refuses_every_other_length) {
  for (const size_t size : {0u, 1u, 32u, 63u, 65u, 128u}) {
    const Result<CryptKey> key = CryptKey::create(std::vector<uint8_t>(size, 7));
    EXPECT_EQ(key.errc(), Errc::invalid_argument) << size;
    EXPECT_NE(key.error().text.find("64 bytes, not " + std::to_string(size)), std::string::npos);
  }
}

TEST(CryptKey, refuses_two_halves_that_are_the_same) {
  std::vector<uint8_t> bytes(64, 9);
  EXPECT_EQ(CryptKey::create(bytes).errc(), Errc::invalid_argument);
  bytes[63] = 8;
  EXPECT_TRUE(CryptKey::create(bytes).ok());
}

TEST(CryptKey, is_a_copy_that_moves) {
  std::vector<uint8_t> bytes = key_bytes(5);
  Result<CryptKey> made = CryptKey::create(bytes);
  ASSERT_TRUE(made.ok());
  const uint8_t* const where = made->data();
  EXPECT_NE(where, bytes.data());
  CryptKey key = make_key(1);
  key = std::move(*made);
  EXPECT_EQ(key.data(), where);
  bytes[0] ^= 0xff;
  EXPECT_EQ(0, std::memcmp(key.data() + 1, bytes.data() + 1, 63));
  EXPECT_NE(key.data()[0], bytes[0]);
}

}  // namespace
}  // namespace ballast::bdev::test
