// Keys for tests of encryption.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bdev/crypt/crypt_key.h"

namespace ballast::bdev::test {

inline std::vector<uint8_t> bytes_of_hex(const std::string& hex) {
  std::vector<uint8_t> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

// Of vectors 10 to 14 of IEEE 1619: the digits of e, then those of pi.
inline std::vector<uint8_t> key_of_the_standard() {
  return bytes_of_hex(
      "2718281828459045235360287471352662497757247093699959574966967627"
      "3141592653589793238462643383279502884197169399375105820974944592");
}

inline std::vector<uint8_t> key_bytes(uint8_t salt) {
  std::vector<uint8_t> bytes(CryptKey::k_size_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(salt + 3 * i);
  return bytes;
}

inline CryptKey make_key(uint8_t salt) {
  Result<CryptKey> key = CryptKey::create(key_bytes(salt));
  BALLAST_ASSERT(key.ok());
  return std::move(*key);
}

}  // namespace ballast::bdev::test
