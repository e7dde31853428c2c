#include "bdev/pool/journal.h"

#include <deque>

#include "bdev/pool/replay.h"
#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_size = 36 * k_mib;

// A group of puts of one number, and what became of it.
struct Group {
  Group(uint64_t number_of_group, uint32_t records_count, uint32_t value_bytes) : number(number_of_group) {
    for (uint32_t i = 0; i < records_count; ++i) {
      payloads.emplace_back(sizeof(Key) + value_bytes, static_cast<uint8_t>(number));
      store(payloads.back(), Key::of(KeyType::slot, i, number));
    }
    for (const std::vector<uint8_t>& payload : payloads) records.push_back({RecordType::put, false, payload});
    append.records = records;
    append.context = this;
    append.done = [](JournalAppend& done, Errc with, JournalPosition end_position) {
      Group& self = *static_cast<Group*>(done.context);
      self.result = with;
      self.end = end_position;
    };
  }
  uint64_t number;
  std::vector<std::vector<uint8_t>> payloads;
  std::vector<Record> records;
  JournalAppend append;
  std::optional<Errc> result;
  JournalPosition end;
};

Task<Errc> write_page(Disk& disk, uint64_t offset, const PageBuffer& page) {
  const Errc written = co_await disk.write(offset, page.bytes());
  co_return written;
}

class PoolJournal : public testing::Test {
 protected:
  ~PoolJournal() override {
    stage_.world.on(stage_.reactor, [&] { journal_.reset(); });
  }
  void open(uint64_t start, uint64_t incarnation) {
    stage_.world.on(stage_.reactor, [&] {
      journal_.reset();
      journal_.emplace(*disk_, layout_, k_pool_uuid, start, incarnation);
    });
    root_.journal_sequence = start;
    root_.journal_record = 0;
    root_.incarnation = incarnation;
  }
  Group& append(uint32_t records_count = 1, uint32_t value_bytes = 10) {
    groups_.emplace_back(next_number_++, records_count, value_bytes);
    stage_.world.on(stage_.reactor, [&] { journal_->append(groups_.back().append); });
    return groups_.back();
  }
  Group& append_now(uint32_t records_count = 1, uint32_t value_bytes = 10) {
    Group& group = append(records_count, value_bytes);
    stage_.world.settle();
    return group;
  }
  void release(uint64_t sequence, uint32_t record) {
    stage_.world.on(stage_.reactor, [&] { journal_->release_before(sequence); });
    root_.journal_sequence = sequence;
    root_.journal_record = record;
  }
  // The numbers of the groups that are found; expects each to be whole.
  Result<std::vector<uint64_t>> replay() {
    Replay replay(*disk_, layout_, k_pool_uuid, root_);
    std::vector<uint64_t> numbers;
    for (;;) {
      Result<bool> more = stage_.run([&] { return replay.next(); });
      if (!more.ok()) return more.error();
      if (!*more) break;
      const uint64_t number = replay.group().front().key().low;
      for (uint32_t i = 0; i < replay.group().size(); ++i) {
        EXPECT_EQ(replay.group()[i].key(), Key::of(KeyType::slot, i, number));
        for (const uint8_t byte : replay.group()[i].value()) EXPECT_EQ(byte, static_cast<uint8_t>(number));
      }
      numbers.push_back(number);
    }
    end_ = replay.end_sequence();
    return numbers;
  }
  void crash(UnsyncedWrites unsynced) {
    stage_.world.on(stage_.reactor, [&] { journal_.reset(); });
    disk_.reset();
    stage_.world.restore_power(unsynced);
    disk_ = stage_.open("a", k_size);
  }
  uint64_t block_offset(uint64_t sequence) { return MetadataLayout::address(layout_.journal_page(sequence)); }
  static std::vector<uint64_t> up_to(uint64_t first, uint64_t end) {
    std::vector<uint64_t> numbers;
    for (; first < end; ++first) numbers.push_back(first);
    return numbers;
  }

  PoolStage stage_;
  std::unique_ptr<Disk> disk_ = stage_.open("a", k_size);
  MetadataLayout layout_ = *MetadataLayout::of(k_metadata_bytes_min);
  Root root_;
  std::optional<Journal> journal_;
  std::deque<Group> groups_;
  uint64_t next_number_ = 0;
  uint64_t end_ = 0;
};

TEST_F(PoolJournal, what_was_appended_comes_back_in_order) {
  open(1, 1);
  EXPECT_EQ(replay()->size(), 0u);
  append_now();
  append_now(3, 1000);
  append_now(40, k_value_bytes_max);  // many blocks, and one group
  for (const Group& group : groups_) EXPECT_EQ(group.result, Errc::ok);
  EXPECT_EQ(*replay(), up_to(0, 3));
  EXPECT_EQ(end_, journal_->next_sequence());
}

TEST_F(PoolJournal, what_is_appended_during_a_write_goes_with_the_next) {
  open(1, 1);
  const uint64_t before = stage_.world.file_changes_count();
  for (int i = 0; i < 20; ++i) append();
  stage_.world.settle();
  EXPECT_EQ(stage_.world.file_changes_count() - before, 1u);
  EXPECT_EQ(journal_->next_sequence(), 2u);
  EXPECT_EQ(groups_.back().end, (JournalPosition{1, 20}));
  EXPECT_EQ(*replay(), up_to(0, 20));
}

TEST_F(PoolJournal, replay_starts_behind_what_the_checkpoint_holds) {
  open(1, 1);
  for (int i = 0; i < 6; ++i) append();
  stage_.world.settle();
  append_now();
  release(1, groups_[3].end.record);
  EXPECT_EQ(*replay(), up_to(4, 7));
  release(2, 0);
  EXPECT_EQ(*replay(), up_to(6, 7));
  release(2, 1);
  EXPECT_EQ(replay()->size(), 0u);
}

TEST_F(PoolJournal, a_full_ring_waits_for_a_checkpoint_and_laps) {
  open(1, 1);
  const uint64_t blocks = layout_.journal_blocks;
  uint64_t acknowledged = 0;
  for (int i = 0; i < 700; ++i) append(9, k_value_bytes_max);  // three blocks each: more than the ring
  for (int lap = 0; lap < 3; ++lap) {
    stage_.world.settle();
    EXPECT_TRUE(journal_->is_full());
    EXPECT_EQ(journal_->blocks_used(), blocks);
    while (acknowledged < groups_.size() && groups_[acknowledged].result == Errc::ok) ++acknowledged;
    ASSERT_LT(acknowledged, groups_.size());
    const Result<std::vector<uint64_t>> numbers = replay();
    ASSERT_TRUE(numbers.ok()) << numbers.error().text;
    EXPECT_EQ(numbers->back(), acknowledged - 1);
    release(groups_[acknowledged - 1].end.sequence, groups_[acknowledged - 1].end.record);
    for (int i = 0; i < 700; ++i) append(9, k_value_bytes_max);
  }
  release(groups_[acknowledged - 1].end.sequence, groups_[acknowledged - 1].end.record);
  while (!journal_->is_idle()) {
    stage_.world.settle();
    while (acknowledged < groups_.size() && groups_[acknowledged].result == Errc::ok) ++acknowledged;
    release(groups_[acknowledged - 1].end.sequence, groups_[acknowledged - 1].end.record);
  }
  EXPECT_EQ(acknowledged, groups_.size());
  append_now();
  EXPECT_EQ(*replay(), up_to(acknowledged, acknowledged + 1));
}

// Rows D1, D2, D7: the power fails in a write, whose sectors reach the disk in any way.
TEST_F(PoolJournal, D7_a_torn_tail_ends_the_journal_and_loses_nothing_acknowledged) {
  for (uint64_t round = 0; round < 400; ++round) {
    const uint64_t first_number = next_number_;
    open(end_ + 1, round + 1);
    groups_.clear();
    Prng& prng = stage_.world.prng();
    stage_.world.cut_power_after(prng.below(6));
    while (!stage_.world.power_is_off()) {
      for (uint64_t i = prng.below(12); i < 12; ++i) {
        append(static_cast<uint32_t>(1 + prng.below(12)),
               static_cast<uint32_t>(prng.below(k_value_bytes_max)));
      }
      stage_.world.settle();
    }
    uint64_t acknowledged = 0;
    for (const Group& group : groups_) {
      ASSERT_TRUE(group.result.has_value());
      if (group.result == Errc::ok) ++acknowledged;
    }
    crash(UnsyncedWrites::random);
    const Result<std::vector<uint64_t>> numbers = replay();
    ASSERT_TRUE(numbers.ok()) << "round " << round << ": " << numbers.error().text;
    ASSERT_GE(numbers->size(), acknowledged) << "round " << round;
    ASSERT_EQ(*numbers, up_to(first_number, first_number + numbers->size()));
  }
}

TEST_F(PoolJournal, blocks_of_an_opening_that_crashed_do_not_come_back_behind_new_ones) {
  open(1, 1);
  for (int i = 0; i < 4; ++i) append_now();  // blocks 1 to 4
  // Blocks 3 and 4 were never acknowledged, as it were: block 2 is where the journal ended.
  open(3, 2);
  EXPECT_EQ(replay()->size(), 0u);
  append_now();  // block 3 again, the old block 4 behind it is whole
  EXPECT_EQ(*replay(), up_to(4, 5));
  EXPECT_EQ(end_, 4u);
}

// Row D8: a block that was acknowledged rots, is lost or lands elsewhere, and others follow it.
TEST_F(PoolJournal, D8_a_rotten_block_within_what_was_acknowledged_is_damage) {
  open(1, 1);
  for (int i = 0; i < 10; ++i) append_now();
  for (uint64_t sequence = 1; sequence < 10; ++sequence) {
    stage_.world.spoil_file("a", block_offset(sequence) + 70, 1);
    EXPECT_EQ(replay().errc(), Errc::io_error) << sequence;
    stage_.world.spoil_file("a", block_offset(sequence) + 70, 1);
  }
  EXPECT_EQ(replay()->size(), 10u);
}

TEST_F(PoolJournal, D8_a_lost_or_misdirected_write_within_what_was_acknowledged_is_damage) {
  for (const SimulatedFault::Kind kind : {SimulatedFault::Kind::lost, SimulatedFault::Kind::misdirected}) {
    open(end_ + 1, end_ + 1);
    append_now();
    stage_.world.spoil_file_operations("a", FileOp::Kind::write_durable, {kind, 0, 8 * k_page_bytes}, 1);
    append_now();
    EXPECT_EQ(groups_.back().result, Errc::ok);  // the disk says so
    append_now();
    EXPECT_EQ(replay().errc(), Errc::io_error);
    end_ = journal_->next_sequence();
  }
}

TEST_F(PoolJournal, D8_a_root_older_than_the_journal_is_damage) {
  open(1, 1);
  append_now();
  open(2, 2);
  append_now();
  root_.journal_sequence = 1;
  root_.incarnation = 1;
  EXPECT_EQ(replay().errc(), Errc::io_error);
}

TEST_F(PoolJournal, a_journal_that_cannot_be_read_is_an_error_and_not_an_empty_one) {
  open(1, 1);
  append_now();
  stage_.world.fail_file_operations("a", FileOp::Kind::read, EIO, 1000);
  EXPECT_EQ(replay().errc(), Errc::io_error);
  stage_.world.fail_file_operations("a", FileOp::Kind::read, EIO, 0);
  EXPECT_EQ(replay()->size(), 1u);
}

// Row D4: bad sectors. Each block is taken for itself, also where 64 are read at a time.
TEST_F(PoolJournal, D4_an_unreadable_block_counts_before_the_end_and_not_behind_it) {
  open(1, 1);
  for (int i = 0; i < 100; ++i) append_now();  // blocks 1 to 100: 101 is the end
  for (const uint64_t sequence : {102, 103, 127, 140, 163, 164}) {
    stage_.world.make_unreadable("a", block_offset(sequence) + 512);
    EXPECT_EQ(*replay(), up_to(0, 100)) << sequence;
    EXPECT_EQ(end_, 101u);
  }
  for (const uint64_t sequence : {1, 2, 64, 65, 99, 100, 101}) {
    const uint64_t offset = block_offset(sequence);
    const std::vector<uint8_t> file = stage_.world.file_bytes("a");
    PageBuffer whole(k_page_bytes);
    std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), k_page_bytes, whole.data());
    stage_.world.make_unreadable("a", offset);
    const auto replayed = replay();
    EXPECT_EQ(replayed.errc(), Errc::io_error) << sequence;
    EXPECT_EQ(replayed.error().text, "the journal cannot be read at block " + std::to_string(sequence));
    ASSERT_EQ(stage_.run([&] { return write_page(*disk_, offset, whole); }), Errc::ok);
  }
  EXPECT_EQ(*replay(), up_to(0, 100));
}

TEST_F(PoolJournal, D4_bad_sectors_behind_the_end_hide_no_proof_that_stands_beside_them) {
  open(1, 1);
  for (int i = 0; i < 10; ++i) append_now();
  stage_.world.spoil_file("a", block_offset(5) + 70, 1);
  for (const uint64_t sequence : {6, 7, 9, 10}) stage_.world.make_unreadable("a", block_offset(sequence));
  EXPECT_EQ(replay().errc(), Errc::io_error);  // block 8 says that 5 was durable
}

TEST_F(PoolJournal, D4_a_disk_that_answers_nothing_behind_the_end_is_not_believed) {
  open(1, 1);
  append_now();
  for (uint64_t sequence = 3; sequence < 3 + 16; ++sequence) {
    stage_.world.make_unreadable("a", block_offset(sequence));
  }
  EXPECT_EQ(replay()->size(), 1u);
  stage_.world.make_unreadable("a", block_offset(40));
  EXPECT_EQ(replay().errc(), Errc::io_error);
}

// Row D5.
TEST_F(PoolJournal, D5_a_failed_write_poisons_and_answers_everyone) {
  open(1, 1);
  stage_.world.fail_file_operations("a", FileOp::Kind::write_durable, EIO, 1);
  append(200, k_value_bytes_max);  // more than one batch
  append();
  stage_.world.settle();
  append();
  for (const Group& group : groups_) EXPECT_EQ(group.result, Errc::io_error);
  EXPECT_TRUE(disk_->is_poisoned());
  EXPECT_TRUE(journal_->is_idle());
}

}  // namespace
}  // namespace ballast::bdev::pool::test
