#include "bdev/crypt/crypt_key.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <utility>

#include "base/assert.h"

namespace ballast::bdev {
namespace {

constexpr size_t k_page_bytes = 4096;
constexpr size_t k_half_bytes = CryptKey::k_size_bytes / 2;

}  // namespace

Result<CryptKey> CryptKey::create(std::span<const uint8_t> bytes) {
  if (bytes.size() != k_size_bytes) {
    return Error{Errc::invalid_argument, "the key of AES-256-XTS has " + std::to_string(k_size_bytes) +
                                             " bytes, not " + std::to_string(bytes.size())};
  }
  if (CRYPTO_memcmp(bytes.data(), bytes.data() + k_half_bytes, k_half_bytes) == 0) {
    return Error{Errc::invalid_argument, "the two halves of the key are the same"};
  }
  CryptKey key;
  void* const page = mmap(nullptr, k_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return Errc::no_memory;
  key.page_ = static_cast<uint8_t*>(page);
  key.locked_ = mlock(page, k_page_bytes) == 0;
  madvise(page, k_page_bytes, MADV_DONTDUMP);
  std::memcpy(key.page_, bytes.data(), k_size_bytes);
  return key;
}

CryptKey::CryptKey(CryptKey&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)), locked_(std::exchange(other.locked_, false)) {}

CryptKey& CryptKey::operator=(CryptKey&& other) noexcept {
  if (this == &other) return *this;
  forget();
  page_ = std::exchange(other.page_, nullptr);
  locked_ = std::exchange(other.locked_, false);
  return *this;
}

CryptKey::~CryptKey() { forget(); }

void CryptKey::forget() {
  if (page_ == nullptr) return;
  OPENSSL_cleanse(page_, k_size_bytes);
  munmap(page_, k_page_bytes);
  page_ = nullptr;
}

const uint8_t* CryptKey::data() const {
  BALLAST_ASSERT(page_ != nullptr);
  return page_;
}

}  // namespace ballast::bdev
