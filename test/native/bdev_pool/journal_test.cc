#include "bdev/pool/journal.h"

#include <deque>

#include "base/crc32c.h"
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
  Group& append_with_data(bool settles = true) {
    groups_.emplace_back(next_number_++, 1, 10);
    groups_.back().append.has_data = true;
    stage_.world.on(stage_.reactor, [&] { journal_->append(groups_.back().append); });
    if (settles) stage_.world.settle();
    return groups_.back();
  }
  void data_ended(Group& group, bool is_durable) {
    stage_.world.on(stage_.reactor, [&] { journal_->data_ended(group.append, is_durable); });
  }
  void release(uint64_t sequence, uint32_t record) {
    stage_.world.on(stage_.reactor, [&] { journal_->release_before({sequence, record}); });
    root_.journal_sequence = sequence;
    root_.journal_record = record;
  }
  // The numbers of the groups that are found; expects each to be whole.
  Result<std::vector<uint64_t>> replay() {
    Replay replay(*disk_, layout_, k_pool_uuid, root_, {});
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

TEST_F(PoolJournal, an_append_with_data_is_answered_when_both_are_durable_and_in_order) {
  open(1, 1);
  Group& with_data = append_with_data();
  Group& behind = append_now();
  Group& later = append_now();  // in another write
  EXPECT_FALSE(with_data.result || behind.result || later.result);
  EXPECT_FALSE(journal_->is_idle());
  data_ended(with_data, true);
  EXPECT_EQ(with_data.result, Errc::ok);
  EXPECT_FALSE(with_data.append.is_void);
  EXPECT_EQ(behind.result, Errc::ok);
  EXPECT_EQ(later.result, Errc::ok);
  EXPECT_TRUE(journal_->is_idle());
  EXPECT_EQ(*replay(), up_to(0, 3));
}

TEST_F(PoolJournal, data_that_ends_before_its_record_is_no_answer) {
  open(1, 1);
  Group& group = append_with_data(false);
  data_ended(group, true);
  EXPECT_FALSE(group.result);
  stage_.world.settle();
  EXPECT_EQ(group.result, Errc::ok);
}

TEST_F(PoolJournal, a_record_with_data_is_settled_by_the_next_block_that_is_durable) {
  open(1, 1);
  Group& group = append_with_data();
  append_now();  // while the data is on its way: says nothing of it
  data_ended(group, true);
  const uint64_t sequence = group.end.sequence;
  EXPECT_EQ(journal_->last_data_sequence(), sequence);
  EXPECT_FALSE(journal_->is_settled(sequence));
  append_now();
  EXPECT_TRUE(journal_->is_settled(sequence));
  EXPECT_FALSE(journal_->is_settled(journal_->next_sequence() - 1));
}

TEST_F(PoolJournal, a_checkpoint_settles_what_it_holds) {
  open(1, 1);
  Group& group = append_with_data();
  data_ended(group, true);
  release(group.end.sequence + 1, 0);
  EXPECT_TRUE(journal_->is_settled(group.end.sequence));
}

TEST_F(PoolJournal, nothing_is_said_of_data_that_failed_until_a_checkpoint) {
  open(1, 1);
  Group& good = append_with_data();
  data_ended(good, true);
  Group& failed = append_with_data();
  Group& also_failed = append_with_data();
  data_ended(failed, false);
  data_ended(also_failed, false);
  EXPECT_EQ(failed.result, Errc::ok);  // of the record; the store makes it void
  EXPECT_TRUE(failed.append.is_void);
  EXPECT_TRUE(journal_->is_held());
  append_now();
  EXPECT_TRUE(journal_->is_settled(good.end.sequence));
  append_now();
  EXPECT_FALSE(journal_->is_settled(failed.end.sequence));
  release(also_failed.end.sequence, 0);
  EXPECT_TRUE(journal_->is_held()) << "the checkpoint is from before the second";
  release(also_failed.end.sequence, also_failed.end.record);
  EXPECT_FALSE(journal_->is_held());
  append_now();
  append_now();
  EXPECT_TRUE(journal_->is_settled(also_failed.end.sequence));
}

TEST_F(PoolJournal, a_journal_that_fails_answers_while_data_is_on_its_way) {
  open(1, 1);
  stage_.world.fail_file_operations("a", FileOp::Kind::write_durable, EIO, 1);
  Group& group = append_with_data();
  EXPECT_EQ(group.result, Errc::io_error);
}

// Blocks of extent 1, at a place behind the metadata: some have the data of their record.
class PoolJournalData : public PoolJournal {
 protected:
  static constexpr uint32_t k_blocks = 4;
  PoolJournalData() { open(1, 1); }

  struct Mapping {
    SlotMapSums map;
    Record record;
    JournalAppend append;
  };
  uint64_t data_offset(uint32_t block) const {
    return k_data.offset + (k_data.blocks_per_extent + block) * uint64_t{k_page_bytes};
  }
  // A record of blocks [first, first + k_blocks) whose sums are those of pages filled with `byte`.
  Mapping& map(uint16_t first, uint8_t byte) {
    Mapping& made = mappings_.emplace_back();
    made.map.map = {7, first, k_blocks, 3, Extent::of(0, 1)};
    const std::vector<uint8_t> page(k_page_bytes, byte);
    made.map.sums.fill(crc32c(page));
    made.record = {RecordType::slot_map_sums, false, made.map.payload()};
    made.append.records = {&made.record, 1};
    made.append.has_data = true;
    made.append.done = [](JournalAppend&, Errc, JournalPosition) {};
    stage_.world.on(stage_.reactor, [&] { journal_->append(made.append); });
    stage_.world.settle();
    return made;
  }
  void put_data(uint32_t block, uint8_t byte) {
    PageBuffer page(k_page_bytes);
    std::fill_n(page.data(), k_page_bytes, byte);
    ASSERT_EQ(stage_.run([&] { return write_page(*disk_, data_offset(block), page); }), Errc::ok);
  }
  void ended(Mapping& mapping) {
    stage_.world.on(stage_.reactor, [&] { journal_->data_ended(mapping.append, true); });
    stage_.world.settle();
  }
  // The blocks that replay maps, of each group in turn.
  std::vector<std::vector<uint32_t>> mapped() {
    Replay replay(*disk_, layout_, k_pool_uuid, root_, k_data);
    std::vector<std::vector<uint32_t>> groups;
    while (*stage_.run([&] { return replay.next(); })) {
      std::vector<uint32_t>& blocks = groups.emplace_back();
      for (const Record& record : replay.group()) {
        if (record.type == RecordType::put) continue;
        const SlotMap found = load<SlotMap>(record.payload);
        EXPECT_EQ(found.extent, Extent::of(0, 1));
        EXPECT_EQ(found.layer, 7u);
        EXPECT_EQ(found.slot, 3u);
        for (uint32_t i = 0; i < found.count; ++i) blocks.push_back(found.first + i);
      }
    }
    return groups;
  }
  using Groups = std::vector<std::vector<uint32_t>>;

  static constexpr ReplayData k_data{33 * k_mib, 2, 256};
  std::deque<Mapping> mappings_;
};

TEST_F(PoolJournalData, a_record_counts_for_the_blocks_whose_data_is_there) {
  map(8, 0x11);
  EXPECT_EQ(mapped(), (Groups{{}}));
  put_data(9, 0x11);
  EXPECT_EQ(mapped(), (Groups{{9}}));
  put_data(10, 0x12);
  put_data(11, 0x11);
  EXPECT_EQ(mapped(), (Groups{{9, 11}}));
  ended(mappings_.front());
}

TEST_F(PoolJournalData, what_a_later_block_says_to_be_durable_is_not_compared) {
  Mapping& first = map(8, 0x11);
  for (uint32_t block = 8; block < 12; ++block) put_data(block, 0x11);
  ended(first);
  append_now();
  Mapping& second = map(12, 0x22);
  put_data(8, 0x33);  // overwritten in place
  EXPECT_EQ(mapped(), (Groups{{8, 9, 10, 11}, {}, {}}));
  put_data(12, 0x22);
  EXPECT_EQ(mapped(), (Groups{{8, 9, 10, 11}, {}, {12}}));
  ended(second);
}

TEST_F(PoolJournalData, a_block_that_cannot_be_read_may_have_been_acknowledged_and_stays) {
  Mapping& only = map(8, 0x11);
  stage_.world.make_unreadable("a", data_offset(10));
  EXPECT_EQ(mapped(), (Groups{{10}}));
  ended(only);
}

TEST_F(PoolJournalData, an_extent_that_is_not_there_is_left_to_who_applies_the_record) {
  Mapping& only = map(8, 0x11);
  Replay replay(*disk_, layout_, k_pool_uuid, root_, {33 * k_mib, 1, 256});
  ASSERT_TRUE(*stage_.run([&] { return replay.next(); }));
  EXPECT_EQ(replay.group().front().type, RecordType::slot_map_sums);
  ended(only);
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
