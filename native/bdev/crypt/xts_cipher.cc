#include "bdev/crypt/xts_cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace ballast::bdev {
namespace {

std::array<uint8_t, 16> tweak_of(uint64_t lba) {
  std::array<uint8_t, 16> tweak{};
  for (size_t i = 0; i < sizeof(lba); ++i) tweak[i] = static_cast<uint8_t>(lba >> (8 * i));
  return tweak;
}

bool is_zero(const uint8_t* block, uint32_t size_bytes) {
  // Its first bytes tell nearly always. Then: each byte equals the one before it.
  if (block[0] != 0 || block[1] != 0) return false;
  return std::memcmp(block, block + 1, size_bytes - 1) == 0;
}

// Where a walk over segments stands.
class Cursor {
 public:
  Cursor(std::span<const Segment> data, uint64_t skip_bytes) : data_(data) { skip(skip_bytes); }

  // The next `bytes` if they lie in one segment, else null.
  uint8_t* contiguous(uint64_t bytes) const {
    BALLAST_ASSERT(index_ < data_.size());
    return data_[index_].size_bytes - offset_ >= bytes ? data_[index_].base + offset_ : nullptr;
  }
  // Calls visit(piece, bytes) for the next `bytes`, cut as the segments are, and stands behind them.
  template <typename Visit>
  void take(uint64_t bytes, Visit visit) {
    while (bytes > 0) {
      BALLAST_ASSERT(index_ < data_.size());
      const uint64_t piece_bytes = std::min<uint64_t>(data_[index_].size_bytes - offset_, bytes);
      if (piece_bytes > 0) visit(data_[index_].base + offset_, piece_bytes);
      skip(piece_bytes);
      bytes -= piece_bytes;
    }
  }
  void skip(uint64_t bytes) {
    offset_ += bytes;
    while (index_ < data_.size() && offset_ >= data_[index_].size_bytes) {
      offset_ -= data_[index_].size_bytes;
      ++index_;
    }
  }

 private:
  std::span<const Segment> data_;
  size_t index_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace

void XtsCipher::Free::operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }

std::unique_ptr<XtsCipher> XtsCipher::create(const CryptKey& key, uint32_t block_size_bytes) {
  BALLAST_ASSERT(block_size_bytes == 512 || block_size_bytes == 4096);
  Context encrypting(EVP_CIPHER_CTX_new()), decrypting(EVP_CIPHER_CTX_new());
  if (encrypting == nullptr || decrypting == nullptr) return nullptr;
  const uint8_t* const bytes = key.data();
  if (EVP_EncryptInit_ex(encrypting.get(), EVP_aes_256_xts(), nullptr, bytes, nullptr) != 1) return nullptr;
  if (EVP_DecryptInit_ex(decrypting.get(), EVP_aes_256_xts(), nullptr, bytes, nullptr) != 1) return nullptr;
  return std::unique_ptr<XtsCipher>(
      new XtsCipher(block_size_bytes, std::move(encrypting), std::move(decrypting)));
}

XtsCipher::XtsCipher(uint32_t block_size_bytes, Context encrypting, Context decrypting)
    : block_size_bytes_(block_size_bytes),
      encrypting_(std::move(encrypting)),
      decrypting_(std::move(decrypting)) {}

XtsCipher::~XtsCipher() = default;

// That OpenSSL refuses a block with a context that it accepted is not a fault of the outside world; plain
// text must not pass for encrypted because of it.
void XtsCipher::encrypt_block(const uint8_t* from, uint8_t* to, uint64_t lba) {
  const std::array<uint8_t, 16> tweak = tweak_of(lba);
  int bytes = 0;
  BALLAST_ASSERT(EVP_EncryptInit_ex(encrypting_.get(), nullptr, nullptr, nullptr, tweak.data()) == 1);
  BALLAST_ASSERT(
      EVP_EncryptUpdate(encrypting_.get(), to, &bytes, from, static_cast<int>(block_size_bytes_)) == 1);
  BALLAST_ASSERT(bytes == static_cast<int>(block_size_bytes_));
}

void XtsCipher::decrypt_block(uint8_t* block, uint64_t lba) {
  const std::array<uint8_t, 16> tweak = tweak_of(lba);
  int bytes = 0;
  BALLAST_ASSERT(EVP_DecryptInit_ex(decrypting_.get(), nullptr, nullptr, nullptr, tweak.data()) == 1);
  BALLAST_ASSERT(
      EVP_DecryptUpdate(decrypting_.get(), block, &bytes, block, static_cast<int>(block_size_bytes_)) == 1);
  BALLAST_ASSERT(bytes == static_cast<int>(block_size_bytes_));
}

void XtsCipher::encrypt(std::span<const Segment> data, uint64_t skip_bytes, uint8_t* out, uint64_t lba,
                        uint64_t blocks_count) {
  Cursor cursor(data, skip_bytes);
  for (uint64_t i = 0; i < blocks_count; ++i, out += block_size_bytes_) {
    const uint8_t* from = cursor.contiguous(block_size_bytes_);
    if (from != nullptr) {
      cursor.skip(block_size_bytes_);
    } else {
      uint8_t* to = out;
      cursor.take(block_size_bytes_, [&to](const uint8_t* piece, uint64_t bytes) {
        std::memcpy(to, piece, bytes);
        to += bytes;
      });
      from = out;
    }
    if (!is_zero(from, block_size_bytes_)) {
      encrypt_block(from, out, lba + i);
    } else if (from != out) {
      std::memset(out, 0, block_size_bytes_);
    }
  }
}

void XtsCipher::decrypt(std::span<const Segment> data, uint64_t lba, uint64_t blocks_count) {
  Cursor cursor(data, 0);
  for (uint64_t i = 0; i < blocks_count; ++i) {
    if (uint8_t* const block = cursor.contiguous(block_size_bytes_); block != nullptr) {
      if (!is_zero(block, block_size_bytes_)) decrypt_block(block, lba + i);
      cursor.skip(block_size_bytes_);
      continue;
    }
    Cursor back = cursor;
    uint8_t* to = gathered_;
    cursor.take(block_size_bytes_, [&to](const uint8_t* piece, uint64_t bytes) {
      std::memcpy(to, piece, bytes);
      to += bytes;
    });
    if (is_zero(gathered_, block_size_bytes_)) continue;
    decrypt_block(gathered_, lba + i);
    const uint8_t* from = gathered_;
    back.take(block_size_bytes_, [&from](uint8_t* piece, uint64_t bytes) {
      std::memcpy(piece, from, bytes);
      from += bytes;
    });
    OPENSSL_cleanse(gathered_, block_size_bytes_);
  }
}

}  // namespace ballast::bdev
