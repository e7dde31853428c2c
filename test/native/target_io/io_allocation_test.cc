// No command allocates memory once its device is warm: counted over every operator new of this process.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "bdev/file/file_bdev.h"
#include "native/target_io/io_fixture.h"

namespace {
bool counting = false;
uint64_t allocations_count = 0;

void* allocate(std::size_t size_bytes, std::size_t alignment) {
  if (counting) ++allocations_count;
  void* const memory =
      alignment == 0 ? std::malloc(size_bytes)
                     : std::aligned_alloc(alignment, (size_bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

void* operator new(std::size_t size_bytes) { return allocate(size_bytes, 0); }
void* operator new[](std::size_t size_bytes) { return allocate(size_bytes, 0); }
void* operator new(std::size_t size_bytes, std::align_val_t alignment) {
  return allocate(size_bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace ballast::target::test {
namespace {

using nvme::NvmOpcode;

class IoAllocation : public IoFixture {
 protected:
  std::vector<FakeCommand*> commands(uint32_t nsid) {
    const std::vector<uint8_t> data = blocks(2, 0x11);
    return {&qpair().make(write_command(nsid, 0, 2), data),
            &qpair().make(read_command(nsid, 0, 2, 2 * k_block)),
            &qpair().make(compare_command(nsid, 0, 2), data),
            &qpair().make(command_of(NvmOpcode::flush, nsid)),
            &qpair().make(block_command(NvmOpcode::verify, nsid, 0, 100)),
            &qpair().make(block_command(NvmOpcode::write_zeroes, nsid, 8, 2)),
            &qpair().make(dataset_command(nsid, 2), dataset_data({{8, 1}, {10, 1}})),
            &qpair().make(copy_command(nsid, 4, 2), copy_data({{0, 1}, {1, 1}})),
            &qpair().make(fused(compare_command(nsid, 0, 1), nvme::k_fuse_first), blocks(1, 0x11)),
            &qpair().make(fused(write_command(nsid, 0, 1), nvme::k_fuse_second), blocks(1, 0x11)),
            &qpair().make(read_command(nsid, UINT64_MAX, 2, 2 * k_block))};
  }
  // The dispatch's and the device's share; what the simulated world allocates to answer is its own affair.
  uint64_t count(const std::vector<FakeCommand*>& sent, uint32_t rounds) {
    allocations_count = 0;
    for (uint32_t round = 0; round < rounds; ++round) {
      for (FakeCommand* const command : sent) {
        counting = true;
        qpair().send(*command);
        counting = false;
        world_.settle();
      }
    }
    for (FakeCommand* const command : sent) EXPECT_TRUE(command->released);
    return allocations_count;
  }
};

TEST_F(IoAllocation, the_counter_counts) {
  allocations_count = 0;
  counting = true;
  int* volatile kept = new int;  // volatile: the pair of new and delete must not be optimized away
  delete kept;
  counting = false;
  EXPECT_GE(allocations_count, 1u);
}

TEST_F(IoAllocation, no_command_on_memory_allocates) {
  const std::vector<FakeCommand*> sent = commands(1);
  queue_->errors.reserve(10'000);
  device().seen.reserve(10'000);
  count(sent, 1);
  EXPECT_EQ(count(sent, 10), 0u);
}

TEST_F(IoAllocation, no_command_on_a_file_allocates_when_it_is_submitted) {
  Result<std::shared_ptr<bdev::Bdev>> file =
      bdev::make_file_bdev(world_.files(), {.path = "disk", .size_bytes = 1 << 20});
  IoCounters file_counters;
  ASSERT_TRUE(namespaces_.add({.nsid = 2, .bdev = *file, .counters = &file_counters}).ok());
  const std::vector<FakeCommand*> sent = commands(2);
  queue_->errors.reserve(10'000);
  count(sent, 3);
  EXPECT_EQ(count(sent, 10), 0u);
  ASSERT_TRUE(namespaces_.remove(2, {}).ok());
}

}  // namespace
}  // namespace ballast::target::test
