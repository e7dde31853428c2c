// What is counted of commands beside how many: how long they took, which are in flight, which errors.
#include "native/target_io/io_fixture.h"

namespace ballast::target {
namespace {

using namespace test;  // NOLINT

class LatencyTest : public IoFixture {
 protected:
  static uint64_t count_of(const LatencyHistogram& histogram) {
    uint64_t count = 0;
    for (const auto& bucket : histogram.buckets) count += bucket.load();
    return count;
  }
  uint64_t count_of(IoKind kind) { return count_of(counters().latency_of(kind)); }
  uint64_t error_count(nvme::StatusCodeType type) {
    return counters().error_types[static_cast<size_t>(type)].load();
  }
};

TEST(LatencyHistogram, a_bucket_ends_with_its_bound) {
  EXPECT_EQ(LatencyHistogram::bucket_of(0), 0u);
  EXPECT_EQ(LatencyHistogram::bucket_of(8'000), 0u);
  EXPECT_EQ(LatencyHistogram::bucket_of(8'001), 1u);
  EXPECT_EQ(LatencyHistogram::bucket_of(16'000), 1u);
  EXPECT_EQ(LatencyHistogram::bucket_of(16'001), 2u);
  const uint64_t last_bound_ns = (8ull << 21) * k_ns_per_us;
  EXPECT_EQ(LatencyHistogram::bucket_of(last_bound_ns), 21u);
  EXPECT_EQ(LatencyHistogram::bucket_of(last_bound_ns + 1), 22u);
  EXPECT_EQ(LatencyHistogram::bucket_of(UINT64_MAX / 2), 22u);
}

TEST_F(LatencyTest, time_runs_from_receipt_to_the_end_of_the_turn_of_the_answer) {
  device().hold = true;
  send(write_command(1, 0, 1), blocks(1, 1));
  world_.advance(100 * k_ns_per_us);
  EXPECT_EQ(count_of(IoKind::write), 0u);  // not answered yet
  device().release_one();
  world_.settle();
  const LatencyHistogram& writes = counters().latency_of(IoKind::write);
  EXPECT_EQ(count_of(writes), 1u);
  EXPECT_EQ(writes.buckets[4].load(), 1u);  // above 64 us, up to 128 us
  EXPECT_EQ(writes.sum_ns.load(), 100 * k_ns_per_us);
}

TEST_F(LatencyTest, each_kind_of_command_has_a_histogram) {
  write(0, 1, 1);
  read(0, 1);
  send(compare_command(1, 0, 1), blocks(1, 1));
  send(command_of(nvme::NvmOpcode::flush, 1));
  send(block_command(nvme::NvmOpcode::write_zeroes, 1, 0, 1));
  send(dataset_command(1, 1), dataset_data({{0, 1}}));
  world_.settle();
  EXPECT_EQ(count_of(IoKind::read), 2u);
  EXPECT_EQ(count_of(IoKind::write), 1u);
  EXPECT_EQ(count_of(IoKind::flush), 1u);
  EXPECT_EQ(count_of(IoKind::unmap), 2u);
}

TEST_F(LatencyTest, flush_of_all_namespaces_is_one_of_each) {
  add(2, k_blocks * k_block, k_block);
  send(command_of(nvme::NvmOpcode::flush, 0xffffffff));
  world_.settle();
  EXPECT_EQ(count_of(IoKind::flush), 1u);
  EXPECT_EQ(count_of(counters_.back()->latency_of(IoKind::flush)), 1u);
}

TEST_F(LatencyTest, more_answers_in_a_turn_than_the_recorder_holds_are_all_counted) {
  constexpr uint32_t k_commands = 1'000;
  for (uint32_t i = 0; i < k_commands; ++i) send(command_of(nvme::NvmOpcode::flush, 1));
  world_.settle();
  EXPECT_EQ(count_of(IoKind::flush), k_commands);
}

TEST_F(LatencyTest, command_is_in_flight_until_it_is_answered) {
  device().hold = true;
  send(write_command(1, 0, 1), blocks(1, 1));
  send(write_command(1, 1, 1), blocks(1, 1));
  EXPECT_EQ(counters().in_flight.load(), 2u);
  device().release_one();
  EXPECT_EQ(counters().in_flight.load(), 1u);
  device().release_one();
  device().hold = false;
  read(0, 1);
  send(read_command(1, k_blocks, 1, k_block));  // refused
  EXPECT_EQ(counters().in_flight.load(), 0u);
}

TEST_F(LatencyTest, errors_are_counted_by_their_type_and_what_is_none_is_not) {
  send(read_command(1, k_blocks, 1, k_block));  // LBA Out of Range, ours
  device().allow_maps = false;
  device().answer = bdev::Status::media_error;
  send(read_command(1, 0, 1, k_block));
  send(write_command(1, 0, 1), blocks(1, 1));
  device().answer = bdev::Status::ok;
  send(compare_command(1, 0, 1), blocks(1, 9));  // a difference
  world_.settle();
  EXPECT_EQ(error_count(nvme::StatusCodeType::generic), 1u);
  EXPECT_EQ(error_count(nvme::StatusCodeType::media), 2u);
  EXPECT_EQ(counters().errors.load(), 2u);
  EXPECT_EQ(count_of(IoKind::read), 2u);  // the failed one too, the refused one not
}

}  // namespace
}  // namespace ballast::target
