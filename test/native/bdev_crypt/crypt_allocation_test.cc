// No I/O allocates memory, here or in OpenSSL: counted at malloc where a sanitizer lets us, else at operator
// new and at OpenSSL's own hook.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>

#include "bdev/crypt/crypt_bdev.h"
#include "bdev/memory/memory_bdev.h"
#include "native/bdev/stage.h"
#include "native/bdev_crypt/keys.h"

#if defined(__SANITIZE_ADDRESS__)
// GCC 12 of Debian has the function but not its header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace {

bool counting = false;
uint64_t allocations_count = 0;

void on_allocation() {
  if (counting) ++allocations_count;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
namespace {
void on_malloc(const volatile void*, size_t) { on_allocation(); }
void on_free(const volatile void*) {}
const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}  // namespace
#else
void* operator new(size_t bytes_count) {
  on_allocation();
  if (void* const memory = std::malloc(bytes_count)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {
void* openssl_malloc(size_t bytes_count, const char*, int) {
  on_allocation();
  return std::malloc(bytes_count);
}
void* openssl_realloc(void* memory, size_t bytes_count, const char*, int) {
  on_allocation();
  return std::realloc(memory, bytes_count);
}
void openssl_free(void* memory, const char*, int) { std::free(memory); }
// Before OpenSSL's first allocation, or it refuses.
const int hooks_installed = CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
}  // namespace
#endif

namespace ballast::bdev::test {
namespace {

constexpr uint32_t k_block = 4096;

TEST(CryptAllocation, the_counter_counts) {
  ASSERT_EQ(hooks_installed, 1);
  allocations_count = 0;
  counting = true;
  const std::unique_ptr<int> one(new int(1));
  void* const other = OPENSSL_malloc(100);
  counting = false;
  OPENSSL_free(other);
  EXPECT_EQ(allocations_count, 2u);
}

TEST(CryptAllocation, no_operation_allocates) {
  SimulatedStage stage(1);
  const std::shared_ptr<Bdev> memory = std::move(*make_memory_bdev({4 << 20, k_block}));
  Opened disk(stage, *make_crypt_bdev(memory, make_key(1)));
  Buffer buffer(80 * k_block, 0x5a);
  std::vector<std::unique_ptr<TestIo>> ios;
  const auto add = [&](IoType type, uint32_t blocks, uint64_t data_blocks) {
    ios.push_back(std::make_unique<TestIo>(type, 3, blocks,
                                           std::vector<Segment>{{buffer.data(), data_blocks * k_block}}));
    ios.back()->io.copy_source_lba = 200;
  };
  add(IoType::write, 2, 2), add(IoType::write, 70, 70);
  add(IoType::read, 2, 2), add(IoType::read, 70, 70);
  add(IoType::compare, 2, 2), add(IoType::compare_and_write, 2, 4), add(IoType::compare_and_write, 40, 80);
  add(IoType::copy, 70, 0), add(IoType::write_zeroes, 2, 0), add(IoType::unmap, 2, 0);
  add(IoType::flush, 0, 0), add(IoType::verify, 2, 0);
  for (int round = 0; round < 3; ++round) {
    for (const auto& one : ios) {
      one->done = false;
      allocations_count = 0;
      stage.on(0, [&] {
        counting = true;
        disk.channel().submit(one->io);
        counting = false;
      });
      // Large ones go on by messages, one a turn.
      for (int turn = 0; turn < 10 && !one->done; ++turn) {
        const Reactor::Entered entered(stage.reactor(0));
        counting = true;
        stage.reactor(0).turn();
        counting = false;
      }
      ASSERT_TRUE(one->done);
      EXPECT_EQ(allocations_count, 0u) << static_cast<int>(one->io.type) << " round " << round;
    }
  }
}

}  // namespace
}  // namespace ballast::bdev::test
