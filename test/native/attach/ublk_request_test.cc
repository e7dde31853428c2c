// What the kernel's ublk driver is told, and what its requests become.
#include "attach/ublk_request.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "bdev/memory/memory_bdev.h"
#include "support/native/scripted_bdev.h"

namespace ballast::attach {
namespace {

constexpr uint32_t k_transfer_bytes = 65536;

class UblkRequestTest : public testing::Test {
 protected:
  void SetUp() override {
    auto memory = bdev::make_memory_bdev({.size_bytes = 1 << 20, .block_size_bytes = 4096});
    ASSERT_TRUE(memory.ok());
    device_ = std::make_unique<test::ScriptedBdev>(*memory);
  }

  UblkRequest decode(uint32_t op_flags, uint64_t sector, uint32_t sectors, bool read_only = false) {
    ublksrv_io_desc descriptor{};
    descriptor.op_flags = op_flags;
    descriptor.start_sector = sector;
    descriptor.nr_sectors = sectors;
    return decode_ublk_request(descriptor, *device_, read_only, k_transfer_bytes);
  }

  std::unique_ptr<test::ScriptedBdev> device_;
};

TEST_F(UblkRequestTest, describes_a_device_in_sectors_of_512_bytes) {
  const ublk_params parameters = ublk_parameters(*device_, false, k_transfer_bytes);
  EXPECT_EQ(parameters.len, sizeof(ublk_params));
  EXPECT_EQ(parameters.types, static_cast<uint32_t>(UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD));
  EXPECT_EQ(parameters.basic.attrs, 0u);
  EXPECT_EQ(parameters.basic.logical_bs_shift, 12);
  EXPECT_EQ(parameters.basic.physical_bs_shift, 12);
  EXPECT_EQ(parameters.basic.max_sectors, 128u);
  EXPECT_EQ(parameters.basic.dev_sectors, 2048u);
  EXPECT_EQ(parameters.discard.discard_granularity, 4096u);
  EXPECT_EQ(parameters.discard.max_discard_segments, 1);
  EXPECT_EQ(parameters.discard.max_discard_sectors % 8, 0u);
  EXPECT_GT(parameters.discard.max_discard_sectors, 8'000'000u);
  EXPECT_EQ(parameters.discard.max_write_zeroes_sectors, parameters.discard.max_discard_sectors);
}

TEST_F(UblkRequestTest, tells_of_512_byte_blocks_of_a_volatile_cache_and_of_read_only) {
  device_->shown_geometry = {512, 100};
  device_->shown_capabilities.volatile_write_cache = true;
  const ublk_params parameters = ublk_parameters(*device_, true, k_transfer_bytes);
  EXPECT_EQ(parameters.basic.logical_bs_shift, 9);
  EXPECT_EQ(parameters.basic.dev_sectors, 100u);
  EXPECT_EQ(parameters.basic.attrs,
            static_cast<uint32_t>(UBLK_ATTR_READ_ONLY | UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA));
}

TEST_F(UblkRequestTest, offers_of_discards_and_zeroes_what_the_device_has) {
  device_->shown_capabilities.unmap = false;
  ublk_params parameters = ublk_parameters(*device_, false, k_transfer_bytes);
  EXPECT_EQ(parameters.discard.max_discard_sectors, 0u);
  EXPECT_NE(parameters.discard.max_write_zeroes_sectors, 0u);
  device_->shown_capabilities.write_zeroes = false;
  parameters = ublk_parameters(*device_, false, k_transfer_bytes);
  EXPECT_EQ(parameters.types, static_cast<uint32_t>(UBLK_PARAM_TYPE_BASIC));
  device_->shown_capabilities.unmap = true;
  parameters = ublk_parameters(*device_, false, k_transfer_bytes);
  EXPECT_NE(parameters.discard.max_discard_sectors, 0u);
  EXPECT_EQ(parameters.discard.max_write_zeroes_sectors, 0u);
}

TEST_F(UblkRequestTest, makes_each_operation_one_of_the_device) {
  const std::pair<uint32_t, bdev::IoType> rows[] = {{UBLK_IO_OP_READ, bdev::IoType::read},
                                                    {UBLK_IO_OP_WRITE, bdev::IoType::write},
                                                    {UBLK_IO_OP_DISCARD, bdev::IoType::unmap},
                                                    {UBLK_IO_OP_WRITE_ZEROES, bdev::IoType::write_zeroes}};
  for (const auto& [operation, type] : rows) {
    const UblkRequest request = decode(operation | UBLK_IO_F_META, 16, 24);
    EXPECT_EQ(request.error, 0);
    EXPECT_EQ(request.type, type);
    EXPECT_FALSE(request.is_done);
    EXPECT_FALSE(request.fua);
    EXPECT_EQ(request.lba, 2u);
    EXPECT_EQ(request.blocks_count, 3u);
    const bool moves_data = type == bdev::IoType::read || type == bdev::IoType::write;
    EXPECT_EQ(request.data_bytes, moves_data ? 3u * 4096u : 0u);
  }
  EXPECT_TRUE(decode(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 8).fua);
}

TEST_F(UblkRequestTest, flushes_a_volatile_cache_and_nothing_else) {
  EXPECT_TRUE(decode(UBLK_IO_OP_FLUSH, 0, 0).is_done);
  device_->shown_capabilities.volatile_write_cache = true;
  const UblkRequest request = decode(UBLK_IO_OP_FLUSH, 0, 0, true);
  EXPECT_FALSE(request.is_done);
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(request.type, bdev::IoType::flush);
  EXPECT_EQ(request.blocks_count, 0u);
}

TEST_F(UblkRequestTest, refuses_what_the_device_cannot_do) {
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE_SAME, 0, 8).error, EOPNOTSUPP);
  EXPECT_EQ(decode(0x77, 0, 8).error, EOPNOTSUPP);
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE, 0, 8, true).error, EROFS);
  EXPECT_EQ(decode(UBLK_IO_OP_DISCARD, 0, 8, true).error, EROFS);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 0, 8, true).error, 0);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 1, 8).error, EINVAL);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 0, 9).error, EINVAL);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 0, 0).error, EINVAL);
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE, 0, 136).error, EINVAL);  // more than the buffer holds
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE_ZEROES, 0, 136).error, 0);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 2048, 8).error, ENOSPC);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, 2040, 16).error, ENOSPC);
  EXPECT_EQ(decode(UBLK_IO_OP_READ, UINT64_MAX & ~uint64_t{7}, 8).error, ENOSPC);
  device_->shown_capabilities.unmap = device_->shown_capabilities.write_zeroes = false;
  EXPECT_EQ(decode(UBLK_IO_OP_DISCARD, 0, 8).error, EOPNOTSUPP);
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE_ZEROES, 0, 8).error, EOPNOTSUPP);
}

TEST_F(UblkRequestTest, follows_the_size_of_the_device) {
  device_->shown_geometry.blocks_count = 3;
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE, 16, 8).error, 0);
  EXPECT_EQ(decode(UBLK_IO_OP_WRITE, 24, 8).error, ENOSPC);
}

}  // namespace
}  // namespace ballast::attach
