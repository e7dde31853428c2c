// The rows N1-N16, N19 and N29 of the table of bad inputs, each by its number, with the exact status. No
// refused command may reach a device.
#include <gtest/gtest.h>

#include "native/target_io/io_fixture.h"

namespace ballast::target::test {
namespace {

using nvme::NvmOpcode;

class IoBadInput : public IoFixture {
 protected:
  ~IoBadInput() override {
    if (!device_may_see_io_) {
      EXPECT_TRUE(device().seen.empty());
      EXPECT_EQ(device().maps_count, 0u);
    }
  }
  // Every command that names blocks, with data enough for it.
  std::vector<FakeCommand*> send_all(uint32_t nsid, uint64_t lba, uint32_t count) {
    const uint32_t bytes = std::min<uint32_t>(count * k_block, nvme::k_transfer_bytes_max);
    const std::vector<uint8_t> data(bytes);
    return {&send(read_command(nsid, lba, count, bytes)), &send(write_command(nsid, lba, count), data),
            &send(compare_command(nsid, lba, count), data),
            &send(block_command(NvmOpcode::verify, nsid, lba, count)),
            &send(block_command(NvmOpcode::write_zeroes, nsid, lba, count))};
  }
  bool device_may_see_io_ = false;
};

TEST_F(IoBadInput, N1_range_beyond_the_last_block_is_lba_out_of_range) {
  for (const FakeCommand* command : send_all(1, k_blocks, 1)) expect_status(*command, 0, 0x80, true);
  for (const FakeCommand* command : send_all(1, k_blocks - 1, 2)) expect_status(*command, 0, 0x80, true);
}

TEST_F(IoBadInput, N2_range_whose_end_wraps_64_bits_is_lba_out_of_range) {
  for (const uint64_t lba : {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 0xffff}) {
    for (const FakeCommand* command : send_all(1, lba, 0x10000)) expect_status(*command, 0, 0x80, true);
  }
}

TEST_F(IoBadInput, N3_range_whose_byte_offset_wraps_is_lba_out_of_range) {
  for (const uint64_t lba : {uint64_t{1} << 52, uint64_t{1} << 63}) {
    for (const FakeCommand* command : send_all(1, lba, 1)) expect_status(*command, 0, 0x80, true);
  }
}

TEST_F(IoBadInput, N4_nsid_zero_broadcast_inactive_or_above_the_count_is_invalid_namespace) {
  for (const uint32_t nsid : {0u, 2u, 1024u, 1025u, 0xfffffffeu, 0xffffffffu}) {
    for (const FakeCommand* command : send_all(nsid, 0, 1)) expect_status(*command, 0, 0x0b, true);
    expect_status(send(dataset_command(nsid, 1), dataset_data({{0, 1}})), 0, 0x0b, true);
    expect_status(send(copy_command(nsid, 0, 1), copy_data({{0, 1}})), 0, 0x0b, true);
  }
}

TEST_F(IoBadInput, N6_flush_of_a_missing_namespace_is_invalid_namespace) {
  for (const uint32_t nsid : {0u, 2u, 1025u, 0xfffffffeu}) {
    expect_status(send(command_of(NvmOpcode::flush, nsid)), 0, 0x0b, true);
  }
}

TEST_F(IoBadInput, N6_flush_of_all_flushes_every_namespace) {
  device_may_see_io_ = true;
  ScriptedBdev& second = add(7, 1 << 20, 512);
  expect_status(send(command_of(NvmOpcode::flush, 0xffffffff)), 0, 0, false);
  ASSERT_EQ(device().seen.size(), 1u);
  EXPECT_EQ(device().seen[0].type, bdev::IoType::flush);
  ASSERT_EQ(second.seen.size(), 1u);
  EXPECT_EQ(second.seen[0].type, bdev::IoType::flush);
}

TEST_F(IoBadInput, N6_flush_of_all_fails_when_one_namespace_fails) {
  device_may_see_io_ = true;
  add(7, 1 << 20, 512).answer = bdev::Status::io_error;
  expect_status(send(command_of(NvmOpcode::flush, 0xffffffff)), 0, 0x06, false);
}

TEST_F(IoBadInput, N7_transfer_longer_than_the_sgl_is_data_sgl_length_invalid) {
  expect_status(send(read_command(1, 0, 2, 2 * k_block - 1)), 0, 0x0f, true);
  expect_status(send(read_command(1, 0, 1, 0)), 0, 0x0f, true);
  expect_status(send(write_command(1, 0, 2), blocks(1, 1)), 0, 0x0f, true);
  expect_status(send(compare_command(1, 0, 2), blocks(1, 1)), 0, 0x0f, true);
}

TEST_F(IoBadInput, N8_write_with_a_longer_sgl_moves_exactly_its_blocks) {
  device_may_see_io_ = true;
  write(0, 4, 0x11);
  expect_status(send(write_command(1, 1, 1), blocks(3, 0x22)), 0, 0, false);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
  EXPECT_EQ(read(1, 1), blocks(1, 0x22));
  EXPECT_EQ(read(2, 2), blocks(2, 0x11));
}

TEST_F(IoBadInput, N9_transfer_above_mdts_is_invalid_field) {
  const uint32_t too_many = nvme::k_transfer_bytes_max / k_block + 1;
  expect_status(send(read_command(1, 0, too_many, too_many * k_block)), 0, 0x02, true);
  expect_status(send(write_command(1, 0, too_many), blocks(too_many, 1)), 0, 0x02, true);
  expect_status(send(compare_command(1, 0, too_many), blocks(too_many, 1)), 0, 0x02, true);
}

TEST_F(IoBadInput, N9_transfer_of_exactly_mdts_is_served) {
  device_may_see_io_ = true;
  const uint32_t most = nvme::k_transfer_bytes_max / k_block;
  write(0, most, 0x33);
  EXPECT_EQ(read(0, most), blocks(most, 0x33));
}

TEST_F(IoBadInput, N10_command_that_the_device_cannot_do_is_invalid_opcode) {
  device().shown_capabilities = {};
  expect_status(send(block_command(NvmOpcode::write_zeroes, 1, 0, 1)), 0, 0x01, true);
  expect_status(send(block_command(NvmOpcode::verify, 1, 0, 1)), 0, 0x01, true);
  expect_status(send(compare_command(1, 0, 1), blocks(1, 0)), 0, 0x01, true);
  expect_status(send(copy_command(1, 8, 1), copy_data({{0, 1}})), 0, 0x01, true);
}

TEST_F(IoBadInput, N11_write_zeroes_with_deac_is_invalid_field_where_it_is_not_supported) {
  device().shown_capabilities.unmap = false;
  nvme::Command command = block_command(NvmOpcode::write_zeroes, 1, 0, 1);
  command.cdw12 |= 1u << 25;
  expect_status(send(command), 0, 0x02, true);
}

TEST_F(IoBadInput, N11_write_zeroes_of_65536_blocks_goes_beyond_mdts_in_bounded_pieces) {
  ScriptedBdev& large = add(2, uint64_t{65'536} * k_block, k_block);
  FakeCommand& zeroes = send(block_command(NvmOpcode::write_zeroes, 2, 0, 65'536));
  world_.settle();
  expect_status(zeroes, 0, 0x00, false);
  uint64_t next = 0;
  for (const ScriptedBdev::Seen& seen : large.seen) {
    EXPECT_EQ(seen.type, bdev::IoType::write_zeroes);
    EXPECT_EQ(seen.lba, next);
    EXPECT_LE(uint64_t{seen.blocks_count} * k_block, k_piece_bytes_max);
    next += seen.blocks_count;
  }
  EXPECT_EQ(next, 65'536u);
}

TEST_F(IoBadInput, N12_dataset_management_with_less_data_than_ranges_is_data_sgl_length_invalid) {
  expect_status(send(dataset_command(1, 2), dataset_data({{0, 1}})), 0, 0x0f, true);
  expect_status(send(dataset_command(1, 256), std::vector<uint8_t>(256 * 16 - 1)), 0, 0x0f, true);
}

TEST_F(IoBadInput, N13_bad_range_among_good_ones_is_lba_out_of_range_and_nothing_is_applied) {
  const std::vector<Range> bad = {{k_blocks, 1},          {k_blocks - 1, 2}, {UINT64_MAX, 1},
                                  {UINT64_MAX - 1, 2},    {0, UINT32_MAX},   {UINT64_MAX, UINT32_MAX},
                                  {uint64_t{1} << 52, 1}, {k_blocks + 1, 0}};
  for (const Range& range : bad) {
    expect_status(send(dataset_command(1, 3), dataset_data({{0, 8}, range, {16, 8}})), 0, 0x80, true);
    expect_status(send(dataset_command(1, 3, false), dataset_data({{0, 8}, {16, 8}, range})), 0, 0x80, true);
  }
}

TEST_F(IoBadInput, N13_overlapping_and_empty_ranges_are_served) {
  device_may_see_io_ = true;
  write(0, 32, 0x44);
  expect_status(send(dataset_command(1, 4), dataset_data({{2, 8}, {5, 0}, {4, 8}, {k_blocks, 0}})), 0, 0,
                false);
  EXPECT_EQ(read(0, 2), blocks(2, 0x44));
  EXPECT_EQ(read(2, 10), blocks(10, 0));
  EXPECT_EQ(read(12, 20), blocks(20, 0x44));
}

TEST_F(IoBadInput, N13_256_ranges_are_served) {
  device_may_see_io_ = true;
  write(0, 32, 0x44);
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < 256; ++i) ranges.push_back({2 * i, 1});
  expect_status(send(dataset_command(1, 256), dataset_data(ranges)), 0, 0, false);
  EXPECT_EQ(device().seen.size(), 257u);
  EXPECT_EQ(read(30, 1), blocks(1, 0));
  EXPECT_EQ(read(31, 1), blocks(1, 0x44));
}

TEST_F(IoBadInput, N14_deallocated_blocks_read_zeroes) {
  device_may_see_io_ = true;
  write(8, 8, 0x55);
  expect_status(send(dataset_command(1, 1), dataset_data({{8, 8}})), 0, 0, false);
  EXPECT_EQ(read(8, 8), blocks(8, 0));
  write(8, 8, 0x55);
  nvme::Command zeroes = block_command(NvmOpcode::write_zeroes, 1, 8, 4);
  zeroes.cdw12 |= 1u << 25;
  expect_status(send(zeroes), 0, 0, false);
  EXPECT_EQ(device().seen.back().type, bdev::IoType::unmap);
  EXPECT_EQ(read(8, 4), blocks(4, 0));
  EXPECT_EQ(read(12, 4), blocks(4, 0x55));
}

TEST_F(IoBadInput, N16_reserved_fuse_value_is_invalid_field) {
  expect_status(send(fused(write_command(1, 0, 1), 3), blocks(1, 1)), 0, 0x02, true);
  expect_status(send(fused(command_of(NvmOpcode::flush, 1), 3)), 0, 0x02, true);
}

TEST_F(IoBadInput, N19_every_opcode_that_is_not_served_is_invalid_opcode) {
  const std::vector<uint8_t> served = {0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x0c, 0x19};
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    if (std::find(served.begin(), served.end(), opcode) != served.end()) continue;
    nvme::Command command = command_of(static_cast<NvmOpcode>(opcode), 1);
    expect_status(send(command), 0, 0x01, true);
    command.nsid = 0xffffffff;
    command.flags = 0xff;
    expect_status(send(command), 0, 0x01, true);
  }
}

TEST_F(IoBadInput, N20_psdt_other_than_sgl_is_invalid_field) {
  for (const uint8_t psdt : {0, 2, 3}) {
    nvme::Command command = read_command(1, 0, 1, k_block);
    command.flags = static_cast<uint8_t>(psdt << 6);
    expect_status(send(command), 0, 0x02, true);
  }
}

TEST_F(IoBadInput, N27_write_to_a_read_only_namespace_is_write_protected) {
  ASSERT_TRUE(namespaces_.update(1, true).ok());
  expect_status(send(write_command(1, 0, 1), blocks(1, 1)), 0, 0x20, true);
  expect_status(send(block_command(NvmOpcode::write_zeroes, 1, 0, 1)), 0, 0x20, true);
  expect_status(send(dataset_command(1, 1), dataset_data({{0, 1}})), 0, 0x20, true);
  expect_status(send(copy_command(1, 8, 1), copy_data({{0, 1}})), 0, 0x20, true);
}

TEST_F(IoBadInput, N28_write_uncorrectable_is_invalid_opcode) {
  expect_status(send(block_command(NvmOpcode::write_uncorrectable, 1, 0, 1)), 0, 0x01, true);
}

TEST_F(IoBadInput, N29_protection_information_fields_are_ignored_without_protection_information) {
  device_may_see_io_ = true;
  nvme::Command write = write_command(1, 3, 1);
  write.cdw12 |= 15u << 26;  // PRACT and PRCHK
  write.cdw14 = 0xdeadbeef;  // ILBRT
  write.cdw15 = 0xffffffff;  // LBATM, LBAT
  expect_status(send(write, blocks(1, 0x66)), 0, 0, false);
  EXPECT_EQ(read(3, 1), blocks(1, 0x66));
  nvme::Command read = read_command(1, 3, 1, k_block);
  read.cdw12 |= 15u << 26;
  read.cdw14 = 0xdeadbeef;
  expect_status(send(read), 0, 0, false);
}

TEST_F(IoBadInput, copy_beyond_its_limits_is_command_size_limit_exceeded) {
  ScriptedBdev& large = add(2, uint64_t{1} << 30, k_block);
  const std::vector<Range> too_many(k_copy_source_ranges_max + 1, {0, 1});
  expect_status(send(copy_command(2, 0, k_copy_source_ranges_max + 1), copy_data(too_many)), 1, 0x83, true);
  expect_status(send(copy_command(2, 0, 1), copy_data({{0, k_copy_source_range_blocks_max + 1u}})), 1, 0x83,
                true);
  const std::vector<Range> too_long(3, {0, k_copy_source_range_blocks_max});
  expect_status(send(copy_command(2, 0, 3), copy_data(too_long)), 1, 0x83, true);
  EXPECT_TRUE(large.seen.empty());
}

TEST_F(IoBadInput, copy_from_or_to_beyond_the_end_is_lba_out_of_range_and_nothing_is_copied) {
  expect_status(send(copy_command(1, 0, 2), copy_data({{0, 1}, {k_blocks, 1}})), 0, 0x80, true);
  expect_status(send(copy_command(1, 0, 1), copy_data({{UINT64_MAX, 2}})), 0, 0x80, true);
  expect_status(send(copy_command(1, k_blocks - 3, 2), copy_data({{0, 2}, {0, 2}})), 0, 0x80, true);
  expect_status(send(copy_command(1, UINT64_MAX, 1), copy_data({{0, 1}})), 0, 0x80, true);
}

TEST_F(IoBadInput, copy_of_an_unknown_format_is_invalid_field) {
  for (uint32_t format = 1; format < 16; ++format) {
    expect_status(send(copy_command(1, 0, 1, format), copy_data({{0, 1}})), 0, 0x02, true);
  }
}

TEST_F(IoBadInput, copy_with_less_data_than_ranges_is_data_sgl_length_invalid) {
  expect_status(send(copy_command(1, 0, 2), copy_data({{0, 1}})), 0, 0x0f, true);
}

}  // namespace
}  // namespace ballast::target::test
