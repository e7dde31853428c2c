// AES-256-XTS over blocks of a device: one block is one data unit, its number on the device the tweak, as 128
// bits little endian (IEEE 1619-2018, "Data units and tweaks"). One per channel: the contexts are made once
// and nothing is allocated afterwards.
//
// A block of zeroes is stored as zeroes, both ways. So a block that was never written, or was unmapped, reads
// zeroes above as it does below, and equal blocks above are equal below: a comparison of ciphertexts is
// exact. What that shows to who has the disk: which blocks hold nothing but zeroes. (That a block that is not
// zeroes encrypts to zeroes has a chance of 2^-4096, for 512 bytes.)
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <span>

#include "base/segment.h"
#include "bdev/crypt/crypt_key.h"

namespace ballast::bdev {

class XtsCipher {
 public:
  // Null: this OpenSSL cannot do AES-256-XTS, or has no memory. `block_size_bytes` is 512 or 4096.
  static std::unique_ptr<XtsCipher> create(const CryptKey& key, uint32_t block_size_bytes);
  ~XtsCipher();
  XtsCipher(const XtsCipher&) = delete;
  XtsCipher& operator=(const XtsCipher&) = delete;

  // Blocks [lba, lba + blocks_count) of `data`, from `skip_bytes` on, to `out`. `data` is not changed.
  void encrypt(std::span<const Segment> data, uint64_t skip_bytes, uint8_t* out, uint64_t lba,
               uint64_t blocks_count);
  // In place, wherever the segments are cut.
  void decrypt(std::span<const Segment> data, uint64_t lba, uint64_t blocks_count);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const;
  };
  using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

  XtsCipher(uint32_t block_size_bytes, Context encrypting, Context decrypting);
  void encrypt_block(const uint8_t* from, uint8_t* to, uint64_t lba);
  void decrypt_block(uint8_t* block, uint64_t lba);

  uint32_t block_size_bytes_;
  Context encrypting_;
  Context decrypting_;
  // For a block that lies in several segments.
  alignas(64) uint8_t gathered_[4096];
};

}  // namespace ballast::bdev
