// The first write of a block, whose data and record are written at the same time: what it costs, and what
// becomes of it when one of the two is missing. The simulations do the same at random.
#include <cerrno>

#include "base/log.h"
#include "bdev/pool/check.h"
#include "bdev/pool/journal_record.h"
#include "bdev/pool/layout.h"
#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

using Numbers = std::vector<uint64_t>;

class PoolFirstWrite : public PoolFixture {
 protected:
  void SetUp() override {
    set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
    settings_.keeps_checksums = false;  // no records but those of first writes
    ASSERT_TRUE(create({"a"}, 64 * k_mib).ok());
    id_ = *add_volume("v", 4 * k_mib);
    serve(id_);
    ASSERT_EQ(write(0, {1, 1, 1, 1}), Status::ok);
    ASSERT_TRUE(snapshot(id_, "s").ok());
  }
  void TearDown() override { set_log_sink(nullptr, nullptr); }

  Status write(uint64_t lba, const Numbers& numbers) {
    return PoolFixture::write(served_.at(id_), lba, numbers);
  }
  Numbers blocks(uint64_t lba, uint32_t count) {
    const auto found = read(served_.at(id_), lba, count);
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : Numbers{};
  }
  // How many writes the disk sees.
  uint64_t writes_of(const std::function<void()>& body) {
    const uint64_t before = stage_->world.file_changes_count();
    body();
    stage_->world.settle();
    return stage_->world.file_changes_count() - before;
  }
  void crash(UnsyncedWrites unsynced) {
    stage_->world.cut_power_after(0);
    drop();
    stage_->world.restore_power(unsynced);
  }
  void open_again() {
    ASSERT_TRUE(open({"a"}).ok());
    serve(id_);
  }
  // Where the journal has a block whose first record is of this type.
  std::vector<uint64_t> journal_blocks(RecordType type) {
    const std::unique_ptr<Disk> disk = stage_->open("a", 64 * k_mib);
    const MetadataLayout layout = *MetadataLayout::of(k_metadata_bytes_min);
    std::vector<uint64_t> found;
    for (uint64_t sequence = 1; sequence < 100; ++sequence) {
      const uint64_t address = MetadataLayout::address(layout.journal_page(sequence));
      const PageBuffer block(k_page_bytes);
      EXPECT_EQ(stage_->read(*disk, address, block), Errc::ok);
      if (!is_whole_journal_block(block.bytes(), address, settings_.uuid)) continue;
      ByteSpan rest = records_of(block.bytes());
      Record record;
      if (decode_next(rest, record) && record.type == type) found.push_back(address);
    }
    return found;
  }

  uint32_t id_ = 0;
};

TEST_F(PoolFirstWrite, it_costs_its_data_and_a_record_and_an_overwrite_before_any_other_record_one_more) {
  EXPECT_EQ(writes_of([&] { write(1, {2}); }), 2u);
  EXPECT_EQ(writes_of([&] { write(1, {3}); }), 2u);  // its data, and a record that does nothing
  EXPECT_EQ(writes_of([&] { write(1, {4}); }), 1u);
  EXPECT_EQ(writes_of([&] { write(2, {5}); }), 2u);
  EXPECT_EQ(writes_of([&] { write(3, {6}); }), 2u);
  EXPECT_EQ(writes_of([&] { write(2, {7}); }), 1u);  // the record of the one behind it has settled it
  EXPECT_EQ(blocks(0, 4), (Numbers{1, 4, 7, 6}));
}

TEST_F(PoolFirstWrite, an_opening_forgets_what_is_not_settled_when_its_slot_is_looked_up_again) {
  ASSERT_EQ(write(1, {2}), Status::ok);
  stop_serving(id_);
  serve(id_);
  EXPECT_EQ(writes_of([&] { write(1, {3}); }), 2u);
  EXPECT_EQ(writes_of([&] { write(1, {4}); }), 1u);
}

TEST_F(PoolFirstWrite, data_that_fails_leaves_what_was_there_for_good) {
  for (const int error : {EIO, ENOSPC}) {
    stage_->world.fail_file_operations("a", FileOp::Kind::write_durable, error, 1);
    EXPECT_EQ(write(2, {8}), error == EIO ? Status::io_error : Status::no_space);
    EXPECT_EQ(blocks(0, 4), (Numbers{1, 1, 1, 1}));
    EXPECT_EQ(write(3, {9}), Status::ok) << "the pool goes on";
    crash(UnsyncedWrites::kept);
    ASSERT_NO_FATAL_FAILURE(open_again());
    EXPECT_EQ(blocks(0, 4), (Numbers{1, 1, 1, 9}));
    ASSERT_EQ(simple(served_.at(id_), IoType::write_zeroes, 3, 1), Status::ok);
    ASSERT_EQ(write(3, {1}), Status::ok);
  }
}

TEST_F(PoolFirstWrite, after_data_has_failed_once_records_wait_for_it) {
  stage_->world.fail_file_operations("a", FileOp::Kind::write_durable, EIO, 1);
  EXPECT_EQ(write(2, {8}), Status::io_error);
  EXPECT_EQ(writes_of([&] { write(2, {9}); }), 2u);
  EXPECT_EQ(writes_of([&] { write(2, {9}); }), 1u);  // there is nothing to settle
}

// The block that says that an overwritten one was durable rots, and everything from it on is given up.
TEST_F(PoolFirstWrite, cutting_a_damaged_journal_keeps_what_was_overwritten_before) {
  ASSERT_EQ(write(1, {2}), Status::ok);
  ASSERT_EQ(write(1, {3}), Status::ok);
  for (uint64_t lba = 200; lba < 204; ++lba) ASSERT_EQ(write(lba, {lba}), Status::ok);
  crash(UnsyncedWrites::kept);
  const std::vector<uint64_t> nothing = journal_blocks(RecordType::nothing);
  ASSERT_EQ(nothing.size(), 1u);
  stage_->world.spoil_file("a", nothing.front() + 70, 1);
  EXPECT_FALSE(open({"a"}).ok());
  std::vector<PoolFile> files;
  files.push_back(file("a"));
  const CheckReport report = stage_->run([&] {
    return pool::check(stage_->reactor, std::move(files),
                       {.repair = true, .discard_damaged = true, .frames_count = 256});
  });
  EXPECT_FALSE(report.findings.empty());
  EXPECT_EQ(report.errors_count(), 0u);
  ASSERT_NO_FATAL_FAILURE(open_again());
  EXPECT_EQ(blocks(0, 4), (Numbers{1, 3, 1, 1}));
  EXPECT_EQ(blocks(200, 4), (Numbers{0, 0, 0, 0}));
}

}  // namespace
}  // namespace ballast::bdev::pool::test
