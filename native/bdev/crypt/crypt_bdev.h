// A layer that encrypts: what is above it sees plain blocks, what is below it ciphertext (AES-256-XTS, see
// xts_cipher.h and docs/formats/crypt.md). Under the volume of a pool that is encrypted.
//
// Geometry and capabilities are those of the device below, asked each time: it may grow while it is open.
// There is no check of the key: with a wrong one reads give noise, not an error.
// Unmapped and zeroed blocks are so below too, and blocks of zeroes are stored as zeroes: who has the disk
// sees which blocks hold nothing.
#pragma once

#include <memory>

#include "base/result.h"
#include "bdev/bdev.h"
#include "bdev/crypt/crypt_key.h"

namespace ballast::bdev {

// Control path. `below` is this layer's alone: I/O that does not pass through here would see ciphertext, and
// compare_and_write is atomic against what passes through here. unsupported: the OpenSSL of this process
// lacks the cipher.
Result<std::shared_ptr<Bdev>> make_crypt_bdev(std::shared_ptr<Bdev> below, CryptKey key);

}  // namespace ballast::bdev
