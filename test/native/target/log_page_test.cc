// Get Log Page. Row N21 of the bad-input table, and the content of each page.
#include <gtest/gtest.h>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
using nvme::LogPage;

class LogPages : public ::testing::TestWithParam<uint32_t> {
 protected:
  LogPages() : target(GetParam()) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_memory_namespace(1));
    EXPECT_TRUE(target.add_memory_namespace(5));
  }
  uint32_t last() const { return GetParam() - 1; }
  TargetWorld target;
};
class LogPageBadInput : public LogPages {};
INSTANTIATE_TEST_SUITE_P(Reactors, LogPages, ::testing::Values(1, 3));
INSTANTIATE_TEST_SUITE_P(Reactors, LogPageBadInput, ::testing::Values(1, 3));

TEST_P(LogPageBadInput, N21_unknown_log_pages_are_invalid_log_pages) {
  RawController controller(target, 0);
  for (uint32_t page = 0; page < 256; ++page) {
    const bool known = page <= 5 || page == 0x0c || page == 0x12 || page == 0x13;
    const Answer answer = controller.execute(log_command(static_cast<LogPage>(page), 16));
    EXPECT_TRUE(answer.status().is(known ? status::success : status::invalid_log_page)) << page;
  }
}

TEST_P(LogPageBadInput, N21_an_offset_off_a_dword_or_beyond_the_page_is_an_invalid_field) {
  RawController controller(target, 0);
  for (const uint64_t offset : {1ull, 2ull, 3ull, 516ull, 0xffff'ffff'ffff'fffcull, 1ull << 32}) {
    const Answer answer = controller.execute(log_command(LogPage::smart, 64, offset));
    EXPECT_TRUE(answer.status().is(status::invalid_field)) << offset;
  }
  EXPECT_TRUE(controller.execute(log_command(LogPage::smart, 64, 512)).status().ok()) << "just at the end";
}

TEST_P(LogPageBadInput, N21_the_largest_number_of_dwords_is_refused_without_a_buffer) {
  RawController controller(target, 0);
  nvme::Command command = log_command(LogPage::smart, 512);
  command.cdw10 |= 0xffff'0000;
  command.cdw11 = 0xffff;
  EXPECT_TRUE(controller.execute(command).status().is(status::invalid_field));
  // 128 KiB + 4 is above MDTS; above the buffer of the host is a wrong length.
  command = log_command(LogPage::smart, 128 * 1024 + 4);
  command.sgl.length_bytes = 128 * 1024;
  EXPECT_TRUE(controller.execute(command).status().is(status::invalid_field));
  command = log_command(LogPage::smart, 1024);
  command.sgl.length_bytes = 512;
  EXPECT_TRUE(controller.execute(command).status().is(status::data_sgl_length_invalid));
}

TEST_P(LogPageBadInput, N21_reserved_selectors_are_invalid_fields) {
  RawController controller(target, 0);
  nvme::Command specific = log_command(LogPage::smart, 512);
  specific.cdw10 |= 1u << 8;
  nvme::Command index = log_command(LogPage::smart, 512);
  index.cdw14 = 1u << 23;
  nvme::Command command_set = log_command(LogPage::command_effects, 512);
  command_set.cdw14 = 2u << 24;
  nvme::Command ana = log_command(LogPage::ana, 16);
  ana.cdw10 |= 2u << 8;
  for (const nvme::Command& command : {specific, index, command_set, ana}) {
    EXPECT_TRUE(controller.execute(command).status().is(status::invalid_field));
  }
}

TEST_P(LogPageBadInput, N21_a_namespace_where_the_page_has_none_or_that_is_not_there_is_an_invalid_field) {
  RawController controller(target, 0);
  EXPECT_TRUE(controller.execute(log_command(LogPage::error_information, 64, 0, 1))
                  .status()
                  .is(status::invalid_field));
  EXPECT_TRUE(controller.execute(log_command(LogPage::smart, 512, 0, 2)).status().is(status::invalid_field));
  EXPECT_TRUE(controller.execute(log_command(LogPage::smart, 512, 0, 1)).status().ok());
}

TEST_P(LogPages, reading_beyond_the_end_gives_zeroes) {
  RawController controller(target, 0);
  const Answer answer = controller.execute(log_command(LogPage::firmware_slot, 1024));
  ASSERT_EQ(answer.data.size(), 1024u);
  EXPECT_EQ(answer.data[0], 1);
  EXPECT_EQ(std::string(answer.data.begin() + 8, answer.data.begin() + 16), "0.1.0   ");
  EXPECT_EQ(Bytes(answer.data.begin() + 512, answer.data.end()), Bytes(512));
}

TEST_P(LogPages, a_window_is_a_part_of_the_whole) {
  RawController controller(target, 0);
  const Bytes whole = controller.execute(log_command(LogPage::command_effects, 4096)).data;
  Bytes pieces;
  for (uint64_t offset = 0; offset < 4096; offset += 60) {
    const uint64_t bytes = std::min<uint64_t>(60, 4096 - offset);
    append(pieces, controller.execute(log_command(LogPage::command_effects, bytes, offset)).data);
  }
  EXPECT_EQ(pieces, whole);
}

TEST_P(LogPages, errors_are_kept_newest_first_and_only_the_last_64) {
  RawController controller(target, 0);
  for (uint32_t i = 0; i < 70; ++i) {
    nvme::Command command = command_of(0xc0, static_cast<uint16_t>(1000 + i), 5);
    EXPECT_FALSE(controller.execute(command).status().ok());
  }
  const Answer answer = controller.execute(log_command(LogPage::error_information, 64 * 64));
  ASSERT_EQ(answer.data.size(), 64u * 64);
  for (uint32_t i = 0; i < 64; ++i) {
    const auto entry = load<nvme::ErrorLogEntry>(ByteSpan(answer.data).subspan(i * 64));
    EXPECT_EQ(entry.error_count, 70 - i);
    EXPECT_EQ(entry.cid, 1069 - i);
    EXPECT_EQ(entry.nsid, 5u);
    EXPECT_EQ(entry.opcode, 0xc0);
    EXPECT_TRUE(nvme::Status{static_cast<uint16_t>(entry.status >> 1)}.is(status::invalid_opcode));
  }
  const auto smart = controller.log<nvme::SmartLog>(LogPage::smart);
  EXPECT_EQ(smart.error_log_entries.low, 70u);
}

TEST_P(LogPages, errors_of_io_commands_are_in_the_log_of_their_controller) {
  RawController controller(target, 0);
  const auto queue = controller.connect_io(3, 1 % GetParam());
  nvme::Command beyond = with_transport_data(io_command(nvme::NvmOpcode::read, 7, 1, 1ull << 40, 1), 4096);
  EXPECT_TRUE(queue->execute(beyond).status().is(status::lba_out_of_range));
  target.world().settle();
  const Answer answer = controller.execute(log_command(LogPage::error_information, 2 * 64));
  const auto entry = load<nvme::ErrorLogEntry>(answer.data);
  EXPECT_EQ(entry.error_count, 1u);
  EXPECT_EQ(entry.qid, 3u);
  EXPECT_EQ(entry.nsid, 1u);
  EXPECT_EQ(entry.lba, 1ull << 40);
  EXPECT_EQ(entry.opcode, static_cast<uint8_t>(nvme::NvmOpcode::read));
  EXPECT_TRUE(nvme::Status{static_cast<uint16_t>(entry.status >> 1)}.is(status::lba_out_of_range));
  EXPECT_EQ(load<nvme::ErrorLogEntry>(ByteSpan(answer.data).subspan(64)).error_count, 0u);
}

TEST_P(LogPages, smart_counts_what_hosts_did_on_all_reactors) {
  RawController controller(target, 0);
  const Bytes data = pattern(8192);
  for (uint16_t qid = 1; qid <= 4; ++qid) {
    const auto queue = controller.connect_io(qid, qid % GetParam());
    ASSERT_TRUE(queue->execute(io_command(nvme::NvmOpcode::write, 1, 1, 0, 2), data).status().ok());
    ASSERT_TRUE(queue->execute(with_transport_data(io_command(nvme::NvmOpcode::read, 1, 5, 0, 1), 4096))
                    .status()
                    .ok());
  }
  target.world().advance(3601 * k_ns_per_s);
  const auto all = controller.log<nvme::SmartLog>(LogPage::smart);
  EXPECT_EQ(all.host_write_commands.low, 4u);
  EXPECT_EQ(all.host_read_commands.low, 4u);
  EXPECT_EQ(all.data_units_written.low, 1u) << "32 KiB, rounded up to one unit";
  EXPECT_EQ(all.power_on_hours.low, 1u);
  EXPECT_EQ(all.critical_warning, 0);
  const auto one = controller.log<nvme::SmartLog>(LogPage::smart, 5);
  EXPECT_EQ(one.host_write_commands.low, 0u);
  EXPECT_EQ(one.host_read_commands.low, 4u);
  const auto counters = target.target().namespace_counters(k_subsystem, 1).totals();
  EXPECT_EQ(counters.writes, 4u);
  EXPECT_EQ(counters.write_bytes, 4u * 8192);
}

TEST_P(LogPages, supported_pages_are_those_that_answer) {
  RawController controller(target, 0);
  const auto supported = controller.log<nvme::SupportedLogPagesLog>(LogPage::supported_log_pages);
  for (uint32_t page = 0; page < 256; ++page) {
    const bool answers = controller.execute(log_command(static_cast<LogPage>(page), 16)).status().ok();
    EXPECT_EQ(supported.pages[page] & 1, answers ? 1u : 0u) << page;
  }
}

TEST_P(LogPages, supported_features_are_those_that_answer) {
  RawController controller(target, 0);
  const auto effects = controller.log<nvme::FeatureEffectsLog>(LogPage::feature_effects);
  for (uint32_t id = 0; id < 256; ++id) {
    const auto feature = static_cast<nvme::FeatureId>(id);
    const Answer answer = controller.execute(get_features_command(feature, 3, 0xffff'ffff));
    EXPECT_EQ(effects.features[id] & 1, answer.status().ok() ? 1u : 0u) << id;
  }
}

}  // namespace
}  // namespace ballast::test
