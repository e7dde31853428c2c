#include "bdev/crypt/crypt_bdev.h"

#include <utility>

#include "bdev/crypt/crypt_channel.h"
#include "bdev/crypt/crypt_device.h"
#include "bdev/crypt/xts_cipher.h"

namespace ballast::bdev {
namespace {

class CryptBdev final : public Bdev {
 public:
  CryptBdev(std::shared_ptr<Bdev> below, CryptKey key)
      : device_{std::move(below), std::move(key), RangeLock::create()} {}
  const Geometry& geometry() const override { return device_.below->geometry(); }
  const Capabilities& capabilities() const override { return device_.below->capabilities(); }
  const char* kind() const override { return "crypt"; }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    return std::make_unique<CryptChannel>(reactor, device_);
  }

 private:
  CryptDevice device_;
};

}  // namespace

Result<std::shared_ptr<Bdev>> make_crypt_bdev(std::shared_ptr<Bdev> below, CryptKey key) {
  BALLAST_ASSERT(below != nullptr);
  // A trial: channels are opened where nothing can be refused any more.
  if (XtsCipher::create(key, below->geometry().block_size_bytes) == nullptr) {
    return Error{Errc::unsupported, "OpenSSL has no AES-256-XTS"};
  }
  return std::shared_ptr<Bdev>(new CryptBdev(std::move(below), std::move(key)));
}

}  // namespace ballast::bdev
