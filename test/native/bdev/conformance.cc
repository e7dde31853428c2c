// The tests of conformance.h.
#include "native/bdev/conformance.h"

#include <utility>

namespace ballast::bdev::test {
namespace {

TEST_P(BdevConformance, refuses_every_operation_beyond_the_last_block) {
  const uint64_t end = disk().blocks_count();
  for (const uint64_t lba : {end, end - 1, UINT64_MAX, UINT64_MAX - 1}) {
    Buffer buffer(4 * disk().block());
    for (const IoType type : {IoType::write_zeroes, IoType::unmap, IoType::verify}) {
      EXPECT_EQ(disk().simple(type, lba, 2), Status::out_of_range) << lba;
    }
    for (const IoType type : {IoType::read, IoType::write, IoType::compare}) {
      TestIo io(type, lba, 2, {{buffer.data(), 2 * disk().block()}});
      EXPECT_EQ(disk().run(io), Status::out_of_range) << lba;
    }
    TestIo io(IoType::compare_and_write, lba, 2, {buffer.segment()});
    EXPECT_EQ(disk().run(io), Status::out_of_range) << lba;
    EXPECT_EQ(disk().copy(lba, 0, 2), Status::out_of_range) << lba;
    EXPECT_EQ(disk().copy(0, lba, 2), Status::out_of_range) << lba;
  }
  EXPECT_EQ(disk().read(end - 2, 2), zeroes(2));
}

TEST_P(BdevConformance, refuses_a_blocks_count_whose_sum_with_the_lba_wraps) {
  EXPECT_EQ(disk().simple(IoType::unmap, UINT64_MAX - 0xffff, 0x1'0000), Status::out_of_range);
  EXPECT_EQ(disk().simple(IoType::write_zeroes, 1, UINT32_MAX), Status::out_of_range);
}

TEST_P(BdevConformance, reads_zeroes_where_nothing_was_written) {
  EXPECT_EQ(disk().read(0, 32), zeroes(32));
  EXPECT_EQ(disk().read(disk().blocks_count() - 1, 1), zeroes(1));
}

TEST_P(BdevConformance, reads_the_last_block_that_was_written) {
  const std::vector<uint8_t> bytes = pattern(1);
  ASSERT_EQ(disk().write(disk().blocks_count() - 1, bytes), Status::ok);
  EXPECT_EQ(disk().read(disk().blocks_count() - 1, 1), bytes);
}

TEST_P(BdevConformance, moves_data_of_many_segments) {
  const std::vector<uint8_t> bytes = pattern(80);
  Buffer in(bytes.size()), out(bytes.size());
  in.fill_from(bytes);
  std::vector<Segment> from, to;
  for (uint32_t i = 0; i < 80; ++i) from.push_back({in.data() + i * disk().block(), disk().block()});
  for (uint32_t i = 0; i < 40; ++i) to.push_back({out.data() + i * 2 * disk().block(), 2 * disk().block()});
  TestIo write(IoType::write, 3, 80, from);
  ASSERT_EQ(disk().run(write), Status::ok);
  TestIo read(IoType::read, 3, 80, to);
  ASSERT_EQ(disk().run(read), Status::ok);
  EXPECT_EQ(out.bytes(), bytes);
}

TEST_P(BdevConformance, flush_succeeds) { EXPECT_EQ(disk().simple(IoType::flush), Status::ok); }

TEST_P(BdevConformance, write_with_fua_succeeds_and_reads_back) {
  const std::vector<uint8_t> bytes = pattern(2);
  EXPECT_EQ(disk().write(8, bytes, 0, true), Status::ok);
  Buffer buffer(bytes.size());
  TestIo read(IoType::read, 8, 2, {buffer.segment()});
  read.io.fua = true;
  EXPECT_EQ(disk().run(read), Status::ok);
  EXPECT_EQ(buffer.bytes(), bytes);
}

TEST_P(BdevConformance, large_zeroing_leaves_the_neighbours_alone) {
  const uint32_t blocks = static_cast<uint32_t>(disk().blocks_count());
  for (const IoType type : {IoType::write_zeroes, IoType::unmap}) {
    const std::vector<uint8_t> first = pattern(4), last = pattern(4);
    ASSERT_EQ(disk().write(0, first), Status::ok);
    ASSERT_EQ(disk().write(100, pattern(4)), Status::ok);
    ASSERT_EQ(disk().write(blocks - 4, last), Status::ok);
    ASSERT_EQ(disk().simple(type, 4, blocks - 8), Status::ok);
    EXPECT_EQ(disk().read(0, 4), first);
    EXPECT_EQ(disk().read(blocks - 4, 4), last);
    EXPECT_EQ(disk().read(4, 200), zeroes(200));
  }
}

TEST_P(BdevConformance, compare_tells_equal_from_different_in_the_last_byte) {
  std::vector<uint8_t> bytes = pattern(40);
  ASSERT_EQ(disk().write(5, bytes), Status::ok);
  EXPECT_EQ(disk().compare(5, bytes), Status::ok);
  bytes.back() ^= 1;
  EXPECT_EQ(disk().compare(5, bytes), Status::compare_mismatch);
}

TEST_P(BdevConformance, compare_and_write_changes_nothing_when_the_data_differs) {
  const std::vector<uint8_t> before = pattern(3);
  ASSERT_EQ(disk().write(5, before), Status::ok);
  std::vector<uint8_t> expected = before;
  expected.back() ^= 1;
  EXPECT_EQ(disk().compare_and_write(5, expected, pattern(3)), Status::compare_mismatch);
  EXPECT_EQ(disk().read(5, 3), before);
}

TEST_P(BdevConformance, compare_and_write_takes_both_halves_from_one_segment) {
  const std::vector<uint8_t> before = pattern(2), after = pattern(2);
  ASSERT_EQ(disk().write(5, before), Status::ok);
  Buffer buffer(before.size() * 2);
  std::memcpy(buffer.data(), before.data(), before.size());
  std::memcpy(buffer.data() + before.size(), after.data(), after.size());
  TestIo io(IoType::compare_and_write, 5, 2, {buffer.segment()});
  EXPECT_EQ(disk().run(io), Status::ok);
  EXPECT_EQ(disk().read(5, 2), after);
}

TEST_P(BdevConformance, copy_of_overlapping_ranges_moves_as_memmove) {
  const uint32_t blocks = static_cast<uint32_t>((1 << 20) / disk().block() * 5 / 4);
  for (const auto& [from, to] : {std::pair{10u, 13u}, std::pair{13u, 10u}, std::pair{7u, 7u}}) {
    const std::vector<uint8_t> bytes = pattern(blocks);
    ASSERT_EQ(disk().write(from, bytes), Status::ok);
    ASSERT_EQ(disk().copy(from, to, blocks), Status::ok);
    EXPECT_EQ(disk().read(to, blocks), bytes) << from << " to " << to;
  }
}

TEST_P(BdevConformance, verify_of_written_and_unwritten_blocks_succeeds) {
  ASSERT_EQ(disk().write(0, pattern(40)), Status::ok);
  EXPECT_EQ(disk().simple(IoType::verify, 0, static_cast<uint32_t>(disk().blocks_count())), Status::ok);
}

// A random run against a model in memory; every step on another reactor.
TEST_P(BdevConformance, random_operations_match_a_model) {
  const uint64_t blocks = disk().blocks_count();
  const uint32_t block = disk().block();
  std::vector<uint8_t> model(blocks * block);
  const auto part = [&](uint64_t lba, uint64_t count) {
    return std::vector<uint8_t>(model.begin() + static_cast<int64_t>(lba * block),
                                model.begin() + static_cast<int64_t>((lba + count) * block));
  };
  const auto put = [&](uint64_t lba, const std::vector<uint8_t>& bytes) {
    std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<int64_t>(lba * block));
  };
  for (int step = 0; step < 400; ++step) {
    const uint32_t count = static_cast<uint32_t>(1 + prng_.below(prng_.chance(1, 8) ? 300 : 20));
    const uint64_t lba = prng_.below(blocks - count);
    const uint32_t where = any_reactor();
    switch (prng_.below(8)) {
      case 0:
      case 1: {
        const std::vector<uint8_t> bytes = pattern(count);
        ASSERT_EQ(disk().write(lba, bytes, where, prng_.chance(1, 2)), Status::ok);
        put(lba, bytes);
        break;
      }
      case 2: ASSERT_EQ(disk().read(lba, count, where), part(lba, count)) << "step " << step; break;
      case 3:
      case 4: {
        const IoType type = prng_.chance(1, 2) ? IoType::unmap : IoType::write_zeroes;
        ASSERT_EQ(disk().simple(type, lba, count, where), Status::ok);
        put(lba, zeroes(count));
        break;
      }
      case 5: {
        const uint64_t to = prng_.below(blocks - count);
        const std::vector<uint8_t> bytes = part(lba, count);
        ASSERT_EQ(disk().copy(lba, to, count, where), Status::ok);
        put(to, bytes);
        break;
      }
      case 6: {
        std::vector<uint8_t> bytes = part(lba, count);
        const bool same = prng_.chance(1, 2);
        if (!same) bytes[prng_.below(bytes.size())] ^= 0x40;
        ASSERT_EQ(disk().compare(lba, bytes, where), same ? Status::ok : Status::compare_mismatch);
        break;
      }
      case 7: {
        std::vector<uint8_t> expected = part(lba, count);
        const std::vector<uint8_t> wanted = pattern(count);
        const bool same = prng_.chance(1, 2);
        if (!same) expected[prng_.below(expected.size())] ^= 0x40;
        ASSERT_EQ(disk().compare_and_write(lba, expected, wanted, where),
                  same ? Status::ok : Status::compare_mismatch);
        if (same) put(lba, wanted);
        break;
      }
    }
  }
  for (uint64_t lba = 0; lba < blocks; lba += 64) {
    ASSERT_EQ(disk().read(lba, 64, any_reactor()), part(lba, 64)) << "lba " << lba;
  }
}

// Adds one to a counter on the device by compare-and-write, again and again, as several hosts would.
struct Adder {
  Adder(Opened& opened, uint32_t on, uint32_t times)
      : disk(opened), reactor(on), left(times), old_bytes(opened.block()), new_bytes(opened.block()) {
    segments[0] = old_bytes.segment();
    segments[1] = new_bytes.segment();
    io.context = this;
    io.done = [](Io& finished, Status status) { static_cast<Adder*>(finished.context)->step_done(status); };
  }
  void read() {
    io.type = IoType::read;
    io.blocks_count = 1;
    io.lba = 17;
    io.data = {segments, 1};
    disk.channel(reactor).submit(io);
  }
  void step_done(Status status) {
    if (io.type == IoType::read) {
      EXPECT_EQ(status, Status::ok);
      uint64_t value = 0;
      std::memcpy(&value, old_bytes.data(), sizeof(value));
      std::memcpy(new_bytes.data(), old_bytes.data(), old_bytes.size());
      ++value;
      std::memcpy(new_bytes.data(), &value, sizeof(value));
      io.type = IoType::compare_and_write;
      io.data = segments;
      disk.channel(reactor).submit(io);
      return;
    }
    EXPECT_TRUE(status == Status::ok || status == Status::compare_mismatch);
    if (status == Status::ok) --left;
    if (left == 0) {
      done = true;
      done.notify_all();
      return;
    }
    // Through the reactor's mailbox: a device that answers at once must not make us recurse.
    send_task(stage_reactor(), [this] { read(); });
  }
  Reactor& stage_reactor() { return *Reactor::current(); }

  Opened& disk;
  uint32_t reactor;
  uint32_t left;
  Buffer old_bytes, new_bytes;
  Segment segments[2];
  Io io;
  std::atomic<bool> done{false};
};

TEST_P(BdevConformance, compare_and_write_from_many_sides_loses_no_update) {
  constexpr uint32_t k_times = 40;
  std::vector<std::unique_ptr<Adder>> adders;
  for (uint32_t i = 0; i < 2 * stage_->reactors_count() + 1; ++i) {
    adders.push_back(std::make_unique<Adder>(disk(), i % stage_->reactors_count(), k_times));
  }
  for (auto& adder : adders) {
    stage_->on(adder->reactor, [&] { adder->read(); });
  }
  for (auto& adder : adders) stage_->wait(adder->done);
  uint64_t value = 0;
  std::memcpy(&value, disk().read(17, 1).data(), sizeof(value));
  EXPECT_EQ(value, k_times * adders.size());
}

}  // namespace
}  // namespace ballast::bdev::test
