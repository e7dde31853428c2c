// The key of an encrypted device: 64 bytes in a page of its own, kept out of swap where the limit on locked
// memory allows it and out of core dumps, overwritten at the end. Made on the control path, once per volume.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace ballast::bdev {

class CryptKey {
 public:
  // AES-256-XTS: 32 bytes for the data, then 32 bytes for the tweak.
  static constexpr size_t k_size_bytes = 64;

  // Copies; the caller overwrites its own. invalid_argument: another length, or two halves that are the same,
  // which XTS does not bear (IEEE 1619-2018). no_memory: no page for it.
  static Result<CryptKey> create(std::span<const uint8_t> bytes);
  CryptKey(CryptKey&& other) noexcept;
  CryptKey& operator=(CryptKey&& other) noexcept;
  CryptKey(const CryptKey&) = delete;
  CryptKey& operator=(const CryptKey&) = delete;
  ~CryptKey();

  const uint8_t* data() const;
  // It will not be written to swap.
  bool is_locked() const { return locked_; }

 private:
  CryptKey() = default;
  void forget();

  uint8_t* page_ = nullptr;  // null: moved from
  bool locked_ = false;
};

}  // namespace ballast::bdev
