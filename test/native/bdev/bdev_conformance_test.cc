// The suite of conformance.h over memory, files, and encryption over both.
#include <utility>

#include "bdev/crypt/crypt_bdev.h"
#include "bdev/file/file_bdev.h"
#include "bdev/memory/memory_bdev.h"
#include "native/bdev/conformance.h"

namespace ballast::bdev::test {
namespace {

enum class Kind { memory, file, file_volatile, crypt_memory, crypt_file };

Result<std::shared_ptr<Bdev>> make_plain(Kind kind, uint32_t block_size_bytes, Stage& stage) {
  if (kind == Kind::memory || kind == Kind::crypt_memory) {
    return make_memory_bdev({k_conformance_bytes, block_size_bytes});
  }
  return make_file_bdev(stage.files(), {.path = stage.path(),
                                        .size_bytes = k_conformance_bytes,
                                        .block_size_bytes = block_size_bytes,
                                        .volatile_write_cache = kind == Kind::file_volatile});
}

Result<std::shared_ptr<Bdev>> make(Kind kind, uint32_t block_size_bytes, Stage& stage) {
  Result<std::shared_ptr<Bdev>> plain = make_plain(kind, block_size_bytes, stage);
  if (!plain.ok() || (kind != Kind::crypt_memory && kind != Kind::crypt_file)) return plain;
  std::vector<uint8_t> key(CryptKey::k_size_bytes, 0x21);
  key.back() = 0x22;
  return make_crypt_bdev(std::move(*plain), std::move(*CryptKey::create(key)));
}

ConformanceCase tested(const char* name, Kind kind, uint32_t block_size_bytes, uint32_t reactors_count,
                       bool real) {
  return {name, block_size_bytes, reactors_count, real,
          [=](Stage& stage) { return make(kind, block_size_bytes, stage); }};
}

INSTANTIATE_TEST_SUITE_P(
    Devices, BdevConformance,
    testing::Values(tested("memory_4096", Kind::memory, 4096, 1, false),
                    tested("memory_512", Kind::memory, 512, 1, false),
                    tested("memory_4096_on_3_reactors", Kind::memory, 4096, 3, false),
                    tested("memory_512_on_2_threads", Kind::memory, 512, 2, true),
                    tested("file_4096", Kind::file, 4096, 1, false),
                    tested("file_512_on_3_reactors", Kind::file, 512, 3, false),
                    tested("file_volatile_4096", Kind::file_volatile, 4096, 1, false),
                    tested("file_4096_of_the_kernel", Kind::file, 4096, 1, true),
                    tested("file_512_of_the_kernel_on_2_threads", Kind::file, 512, 2, true),
                    tested("file_volatile_4096_of_the_kernel", Kind::file_volatile, 4096, 1, true),
                    tested("crypt_over_memory_4096", Kind::crypt_memory, 4096, 1, false),
                    tested("crypt_over_memory_512_on_2_threads", Kind::crypt_memory, 512, 2, true),
                    tested("crypt_over_file_4096", Kind::crypt_file, 4096, 1, false),
                    tested("crypt_over_file_512_on_3_reactors", Kind::crypt_file, 512, 3, false),
                    tested("crypt_over_file_4096_of_the_kernel_on_2_threads", Kind::crypt_file, 4096, 2,
                           true)),
    name_of);

}  // namespace
}  // namespace ballast::bdev::test
