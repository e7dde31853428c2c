#include "bdev/qos/cost.h"

#include <gtest/gtest.h>

namespace ballast::bdev::qos::test {
namespace {

constexpr Geometry k_geometry{4096, 1 << 20};

Cost cost(IoType type, uint32_t blocks_count, uint32_t unit_shift = 14) {
  Io io;
  io.type = type;
  io.blocks_count = blocks_count;
  return cost_of(io, k_geometry, unit_shift);
}

TEST(QosCost, of_transfers_is_a_unit_for_each_16_kib_begun) {
  EXPECT_EQ(cost(IoType::read, 1).units, 1u);
  EXPECT_EQ(cost(IoType::read, 4).units, 1u);
  EXPECT_EQ(cost(IoType::write, 5).units, 2u);
  EXPECT_EQ(cost(IoType::write, 32).units, 8u);
  EXPECT_EQ(cost(IoType::write, 32, 16).units, 2u);
  EXPECT_EQ(cost(IoType::write, 5).bytes, 5 * 4096u);
}

TEST(QosCost, has_the_direction_in_which_the_device_works) {
  for (const IoType type : {IoType::read, IoType::compare, IoType::verify}) {
    EXPECT_EQ(cost(type, 1).direction, Direction::read);
  }
  for (const IoType type :
       {IoType::write, IoType::write_zeroes, IoType::unmap, IoType::compare_and_write, IoType::copy}) {
    EXPECT_EQ(cost(type, 1).direction, Direction::write);
  }
}

TEST(QosCost, of_what_reads_and_writes_is_both) {
  EXPECT_EQ(cost(IoType::copy, 8).bytes, 2 * 8 * 4096u);
  EXPECT_EQ(cost(IoType::copy, 8).units, 4u);
  EXPECT_EQ(cost(IoType::compare_and_write, 1).units, 1u);
}

TEST(QosCost, of_zeroing_is_a_unit_for_each_mib_and_no_bytes) {
  EXPECT_EQ(cost(IoType::write_zeroes, 1).units, 1u);
  EXPECT_EQ(cost(IoType::write_zeroes, 256).units, 1u);
  EXPECT_EQ(cost(IoType::unmap, 257).units, 2u);
  EXPECT_EQ(cost(IoType::unmap, 65'536).units, 256u);
  EXPECT_EQ(cost(IoType::unmap, 65'536).bytes, 0u);
}

TEST(QosCost, is_nothing_for_a_flush_and_beyond_the_end) {
  EXPECT_EQ(cost(IoType::flush, 0).units, 0u);
  EXPECT_EQ(cost(IoType::read, (1 << 20) + 1).units, 0u);
  EXPECT_EQ(cost(IoType::unmap, UINT32_MAX).units, 0u);
}

}  // namespace
}  // namespace ballast::bdev::qos::test
