// Snapshots that are read for another pool, and those that are received from one: each rule that keeps what
// the volume and its other snapshots read.
#include <cerrno>

#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

using Numbers = std::vector<uint64_t>;
constexpr uint64_t k_size_bytes = 4 * k_mib;
constexpr uint32_t k_slot = 64;  // blocks

class ReceiveTest : public PoolFixture {
 protected:
  void SetUp() override { begin_anew(512, 64 * k_mib); }
  void begin_anew(uint32_t frames_count, uint64_t device_bytes) {
    restart(1);
    options_.store.frames_count = frames_count;
    options_.data.slots_max = 4096;  // what is known of a slot stays until it is told to go
    ASSERT_TRUE(create({"a"}, device_bytes).ok());
    const Result<uint32_t> id = add_volume("v", k_size_bytes);
    ASSERT_TRUE(id.ok());
    volume_ = *id;
    serve(volume_);
  }
  Served& volume() { return served_.at(volume_); }
  void expect(Served& served, uint64_t lba, const Numbers& wanted) {
    const auto found = read(served, lba, static_cast<uint32_t>(wanted.size()));
    ASSERT_TRUE(found.ok()) << found.error().text;
    EXPECT_EQ(*found, wanted);
  }
  ReceiveRequest request_of(const std::string& name, uint32_t after = 0) {
    ReceiveRequest request;
    request.volume = volume_;
    request.name = name;
    request.uuid = next_uuid();
    request.created_at_s = 7;
    request.size_bytes = k_size_bytes;
    request.after = after;
    return request;
  }
  Result<uint32_t> try_begin(const ReceiveRequest& request) {
    return stage_->run([&] { return pool_->begin_receive(request); });
  }
  uint32_t begin(const std::string& name, uint32_t after = 0) {
    const Result<uint32_t> layer = try_begin(request_of(name, after));
    EXPECT_TRUE(layer.ok()) << layer.error().text;
    return layer.ok() ? *layer : 0;
  }
  Outcome receive(uint32_t layer, uint64_t lba, const Numbers& numbers) {
    Buffer buffer(numbers.size() * k_page_bytes);
    number_blocks(buffer.data(), numbers);
    const ReceivedRun run{lba * k_page_bytes, {buffer.data(), numbers.size() * k_page_bytes}};
    return stage_->run([&] { return pool_->receive(layer, {run}); });
  }
  Outcome finish(uint32_t layer) {
    return stage_->run([&] { return pool_->finish_receive(layer); });
  }
  size_t snapshots_count() {
    const auto listed = stage_->run([&] { return pool_->volumes().snapshots(volume_, 0, 100); });
    return listed.ok() ? listed->size() : SIZE_MAX;
  }
  void reopen() {
    drop();
    ASSERT_TRUE(open({"a"}).ok());
    finish_layer_work();
    serve(volume_);
  }
  // Power fails, and what was not synced is lost.
  void crash() {
    stage_->world.cut_power_after(0);
    drop();
    stage_->world.restore_power(UnsyncedWrites::dropped);
    ASSERT_TRUE(open({"a"}).ok());
    finish_layer_work();
    serve(volume_);
  }
  // With little memory: layers that are made before and after this are far from each other.
  void make_others();
  // Nothing of other volumes' metadata is in memory any more.
  void crowd_memory();
  // The read of `slow` that comes after so many takes long, and all of `fast` happens meanwhile.
  template <typename Slow, typename Fast>
  bool run_beside(uint32_t reads, Slow slow, Fast fast);
  // All room that is left: what was freed is overwritten.
  void fill() {
    const Result<uint32_t> other = add_volume("other", 64 * k_mib);
    ASSERT_TRUE(other.ok());
    serve(*other);
    for (uint64_t lba = 0; write(served_.at(*other), lba, Numbers(k_slot, 77)) == Status::ok;) lba += k_slot;
    EXPECT_EQ(free(), 0u);
  }
  uint64_t free() { return pool_->facts().extents_free; }
  uint64_t allocated() {
    return stage_->run([&] { return pool_->volumes().allocated_extents(volume_); })->value_or(UINT64_MAX);
  }

  uint32_t volume_ = 0;
};

void ReceiveTest::make_others() {
  constexpr uint32_t k_others = 60;
  for (uint32_t i = 0; i < k_others; ++i) ASSERT_TRUE(add_volume("o" + std::to_string(i), k_mib).ok());
}

void ReceiveTest::crowd_memory() {
  constexpr uint32_t k_slots = 1600, k_slots_in_page_min = 20;
  const Result<uint32_t> large = add_volume("large", uint64_t{k_slots} * k_slot * k_page_bytes);
  ASSERT_TRUE(large.ok());
  serve(*large);
  for (uint64_t slot = 0; slot < k_slots; ++slot) {
    ASSERT_EQ(write(served_.at(*large), slot * k_slot, {1}), Status::ok);
  }
  stop_serving(*large);
  serve(*large);
  for (uint64_t slot = 0; slot < k_slots; slot += k_slots_in_page_min) {
    expect(served_.at(*large), slot * k_slot, {1});
  }
}

// False: so many reads there are not.
template <typename Slow, typename Fast>
bool ReceiveTest::run_beside(uint32_t reads, Slow slow, Fast fast) {
  std::optional<decltype(slow())> slow_task;
  std::optional<decltype(fast())> fast_task;
  SimulatedWorld& world = stage_->world;
  world.hold_file_operation("a", FileOp::Kind::read, reads);
  world.on(stage_->reactor, [&] { slow_task.emplace(slow()); });
  world.settle();
  const bool has_come = world.holds_file_operation();
  world.on(stage_->reactor, [&] { fast_task.emplace(fast()); });
  world.settle();
  world.release_file_operation();
  EXPECT_TRUE(world.run_until([&] { return slow_task->is_done() && fast_task->is_done(); }));
  EXPECT_TRUE(slow_task->value().ok() && fast_task->value().ok());
  return has_come;
}

// --- where it is put ---

TEST_F(ReceiveTest, TheOldestSnapshotIsPutBelowTheVolume) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3}), Status::ok);
  const uint32_t layer = begin("s");
  EXPECT_EQ(snapshots_count(), 0u);
  ASSERT_TRUE(receive(layer, 1, {8, 0, 9}).ok());
  ASSERT_TRUE(receive(layer, 100, {5}).ok());
  expect(volume(), 0, {1, 2, 3, 0});
  expect(volume(), 100, {0});
  EXPECT_EQ(read_snapshot(layer, 0, 1).errc(), Errc::not_found);
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, {0, 8, 0, 9, 0});
  expect_snapshot(layer, 100, {5});
  expect(volume(), 0, {1, 2, 3, 0});
  expect(volume(), 100, {0});
  const auto listed = stage_->run([&] { return pool_->volumes().snapshots(volume_, 0, 100); });
  ASSERT_TRUE(listed.ok() && listed->size() == 1);
  EXPECT_EQ(name_text(listed->front().value.name), "s");
  EXPECT_EQ(listed->front().value.created_at_s, 7u);
  EXPECT_EQ(listed->front().value.size_bytes, k_size_bytes);
  reopen();
  expect(volume(), 0, {1, 2, 3, 0});
  expect_snapshot(layer, 0, {0, 8, 0, 9, 0});
  stop_serving(volume_);
  ASSERT_TRUE(stage_->run([&] { return pool_->revert(volume_, layer, 1); }).ok());
  serve(volume_);
  expect(volume(), 0, {0, 8, 0, 9, 0});
}

TEST_F(ReceiveTest, WhatIsNotReceivedIsThatOfTheSnapshotBelow) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  ASSERT_EQ(write(volume(), 2, {5}), Status::ok);
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(receive(layer, 1, {6, 7}).ok());
  ASSERT_TRUE(receive(layer, 3, {0, 8}).ok());
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(*old, 0, {1, 2, 3, 4, 0});
  expect_snapshot(layer, 0, {1, 6, 7, 0, 8, 0});
  expect(volume(), 0, {1, 2, 5, 4, 0});
  ASSERT_TRUE(remove_snapshot(*old).ok());
  finish_layer_work();
  expect_snapshot(layer, 0, {1, 6, 7, 0, 8, 0});
  expect(volume(), 0, {1, 2, 5, 4, 0});
  ASSERT_TRUE(remove_snapshot(layer).ok());
  finish_layer_work();
  expect(volume(), 0, {1, 2, 5, 4, 0});
}

TEST_F(ReceiveTest, BeyondItsEndIsNothingOfALargerOneBelow) {
  ASSERT_EQ(write(volume(), 0, Numbers(300, 3)), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  ReceiveRequest request = request_of("s", *old);
  request.size_bytes = 100 * k_page_bytes;
  const Result<uint32_t> layer = try_begin(request);
  ASSERT_TRUE(layer.ok());
  ASSERT_TRUE(receive(*layer, 0, {1, 2}).ok());
  ASSERT_TRUE(finish(*layer).ok());
  VolumeRequest larger;
  larger.name = "c";
  larger.uuid = next_uuid();
  larger.size_bytes = k_size_bytes;
  const Result<uint32_t> copy = stage_->run([&] { return pool_->volumes().clone(*layer, larger); });
  ASSERT_TRUE(copy.ok());
  Served& cloned = serve(*copy);
  expect(cloned, 0, {1, 2, 3});
  expect(cloned, 99, {3, 0, 0});
  expect(cloned, 101, Numbers(400, 0));
  expect(volume(), 0, Numbers(300, 3));
  expect_snapshot(*old, 0, Numbers(300, 3));
}

// The snapshot above has a clone, which is served, too.
TEST_F(ReceiveTest, ASnapshotIsPutBelowANewerOne) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_EQ(write(volume(), 2, {5}), Status::ok);
  const Result<uint32_t> young = snapshot(volume_, "young");
  ASSERT_TRUE(old.ok() && young.ok());
  ASSERT_EQ(write(volume(), 3, {6}), Status::ok);
  const Result<uint32_t> copy = clone(*young, "c");
  const Result<uint32_t> old_copy = clone(*old, "o");
  ASSERT_TRUE(copy.ok() && old_copy.ok());
  expect(serve(*copy), 0, {1, 2, 5, 4});
  expect(serve(*old_copy), 0, {1, 2, 3, 4});
  expect(volume(), 0, {1, 2, 5, 6});
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(receive(layer, 0, {7, 8, 9, 10, 11}).ok());
  ASSERT_TRUE(finish(layer).ok());
  const auto below = stage_->run([&] { return pool_->volumes().snapshots_below(volume_); });
  ASSERT_TRUE(below.ok() && below->size() == 3);
  EXPECT_EQ((*below)[0].layer, *young);
  EXPECT_EQ((*below)[1].layer, layer);
  EXPECT_EQ((*below)[2].layer, *old);
  const auto expect_all = [&] {
    expect_snapshot(*young, 0, {1, 2, 5, 4, 0});
    expect_snapshot(layer, 0, {7, 8, 9, 10, 11, 0});
    expect(served_.at(*copy), 0, {1, 2, 5, 4, 0});
    expect(volume(), 0, {1, 2, 5, 6, 0});
  };
  expect_all();
  expect_snapshot(*old, 0, {1, 2, 3, 4, 0});
  expect(served_.at(*old_copy), 0, {1, 2, 3, 4, 0});
  // What was below goes, and others write to where it lay.
  stop_serving(*old_copy);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(*old_copy, false); }).ok());
  ASSERT_TRUE(remove_snapshot(*old).ok());
  finish_layer_work();
  fill();
  expect_all();
}

// --- what it costs ---

TEST_F(ReceiveTest, WhatTheVolumeStillHoldsIsNotStoredTwice) {
  Numbers numbers;
  for (uint64_t i = 1; i <= 4 * k_slot; ++i) numbers.push_back(i);
  ASSERT_EQ(write(volume(), 0, numbers), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, numbers).ok());
  EXPECT_EQ(free(), before);
  ASSERT_TRUE(finish(layer).ok());
  EXPECT_EQ(allocated(), 4u);
  // What the volume writes goes elsewhere from now on.
  ASSERT_EQ(write(volume(), 3, {1000}), Status::ok);
  EXPECT_EQ(free(), before - 1);
  expect(volume(), 2, {3, 1000, 5});
  expect_snapshot(layer, 0, numbers);
  ASSERT_EQ(simple(volume(), IoType::unmap, 10, 2), Status::ok);
  expect(volume(), 9, {10, 0, 0, 13});
  expect_snapshot(layer, 0, numbers);
  reopen();
  EXPECT_EQ(allocated(), 5u);
  expect_snapshot(layer, 0, numbers);
  expect(volume(), 2, {3, 1000, 5});
}

TEST_F(ReceiveTest, AnExtentThatComesInPartsIsNotStoredTwiceEither) {
  Numbers numbers;
  for (uint64_t i = 1; i <= k_slot; ++i) numbers.push_back(i);
  ASSERT_EQ(write(volume(), 0, numbers), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, {numbers.begin(), numbers.begin() + 20}).ok());
  ASSERT_TRUE(receive(layer, 40, {numbers.begin() + 40, numbers.end()}).ok());
  EXPECT_EQ(free(), before - 1);
  ASSERT_TRUE(receive(layer, 20, {numbers.begin() + 20, numbers.begin() + 40}).ok());
  EXPECT_EQ(free(), before);
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, numbers);
  expect(volume(), 0, numbers);
  EXPECT_EQ(allocated(), 1u);
}

TEST_F(ReceiveTest, OneOtherBlockInAnExtentIsEnoughToStoreIt) {
  Numbers numbers(k_slot, 3);
  ASSERT_EQ(write(volume(), 0, numbers), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  Numbers others = numbers;
  others[17] = 4;
  ASSERT_TRUE(receive(layer, 0, others).ok());
  EXPECT_EQ(free(), before - 1);
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, others);
  expect(volume(), 0, numbers);
}

// All that the volume has is the same, and the snapshot has more.
TEST_F(ReceiveTest, AnExtentOfWhichTheVolumeHasAPartIsStored) {
  ASSERT_EQ(write(volume(), 0, Numbers(10, 3)), Status::ok);
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, Numbers(12, 3)).ok());
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, Numbers(12, 3));
  expect(volume(), 9, {3, 0, 0});
}

// The volume has more than the snapshot.
TEST_F(ReceiveTest, AnExtentOfWhichAPartIsReceivedStaysTheVolumes) {
  ASSERT_EQ(write(volume(), 0, Numbers(10, 3)), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, Numbers(9, 3)).ok());
  EXPECT_EQ(free(), before - 1);
  ASSERT_TRUE(finish(layer).ok());
  Numbers wanted(9, 3);
  wanted.push_back(0);
  expect_snapshot(layer, 0, wanted);
  expect(volume(), 0, Numbers(10, 3));
}

TEST_F(ReceiveTest, WhatIsBelowAlreadyAndZeroesTakeNoRoom) {
  ASSERT_EQ(write(volume(), 0, Numbers(10, 3)), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  const uint64_t before = free();
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(receive(layer, 0, Numbers(10, 3)).ok());
  ASSERT_TRUE(receive(layer, 200, Numbers(100, 0)).ok());
  EXPECT_EQ(free(), before);
  // The volume shows these two through the new layer: it needs a place for them, and the snapshot none.
  ASSERT_TRUE(receive(layer, 4, {0, 0}).ok());
  EXPECT_EQ(free(), before - 1);
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 3, {3, 0, 0, 3});
  expect(volume(), 0, Numbers(10, 3));
  expect_snapshot(*old, 0, Numbers(10, 3));
}

TEST_F(ReceiveTest, WhatIsReceivedAgainTakesTheOthersPlace) {
  ASSERT_EQ(write(volume(), 0, Numbers(8, 3)), Status::ok);
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, {1, 2, 4, 5}).ok());
  const uint64_t before = free();
  ASSERT_TRUE(receive(layer, 1, {6, 0, 7, 8, 9}).ok());
  ASSERT_TRUE(receive(layer, 1, {6, 0, 7, 8, 9}).ok());
  EXPECT_EQ(free(), before);
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, {1, 6, 0, 7, 8, 9, 0});
  expect(volume(), 0, Numbers(8, 3));
}

// --- beside I/O and others ---

TEST_F(ReceiveTest, ZeroingHidesTheFirstSnapshotThatIsReceived) {
  ASSERT_EQ(write(volume(), 0, Numbers(k_slot, 3)), Status::ok);
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, Numbers(k_slot, 3)).ok());
  ASSERT_EQ(simple(volume(), IoType::unmap, 5, 3), Status::ok);
  expect(volume(), 4, {3, 0, 0, 0, 3});
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, Numbers(k_slot, 3));
}

TEST_F(ReceiveTest, TheSnapshotBelowMayGoMeanwhile) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(receive(layer, 0, {5}).ok());
  ASSERT_TRUE(remove_snapshot(*old).ok());
  finish_layer_work();
  ASSERT_TRUE(receive(layer, 1, {6}).ok());
  // What has come from below is overwritten.
  expect(volume(), 0, {1, 2, 3, 4, 0});
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, {5, 6, 3, 4, 0});
  expect(volume(), 0, {1, 2, 3, 4, 0});
}

// A clone shows what has come from below through the new layer, where it is moved for what is received.
TEST_F(ReceiveTest, WhatHasComeFromBelowIsFoundWhereItIsMoved) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
  const Result<uint32_t> old = snapshot(volume_, "old");
  const Result<uint32_t> young = snapshot(volume_, "young");
  ASSERT_TRUE(old.ok() && young.ok());
  const Result<uint32_t> copy = clone(*young, "c");
  ASSERT_TRUE(copy.ok());
  expect(serve(*copy), 0, {1, 2, 3, 4});
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(remove_snapshot(*old).ok());
  finish_layer_work();
  ASSERT_TRUE(receive(layer, 0, {5}).ok());
  expect(served_.at(*copy), 0, {1, 2, 3, 4});
  ASSERT_TRUE(receive(layer, 0, {6}).ok());
  fill();
  expect(served_.at(*copy), 0, {1, 2, 3, 4});
  expect(volume(), 0, {1, 2, 3, 4});
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, {6, 2, 3, 4});
}

// A clone of the snapshot above reads what has come from below, and one of its reads takes long: of the
// metadata, between two layers, or of the data.
TEST_F(ReceiveTest, WhatIsBeingReadIsNotOverwritten) {
  uint32_t reads = 0;
  for (bool has_come = true; has_come; ++reads) {
    begin_anew(24, 600 * k_mib);
    ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
    const Result<uint32_t> old = snapshot(volume_, "old");
    const Result<uint32_t> young = snapshot(volume_, "young");
    make_others();
    const Result<uint32_t> copy = clone(*young, "c");
    ASSERT_TRUE(old.ok() && copy.ok());
    const uint32_t layer = begin("s", *old);
    ASSERT_TRUE(remove_snapshot(*old).ok());
    finish_layer_work();
    serve(*copy);
    crowd_memory();
    Buffer read(4 * k_page_bytes), received(4 * k_page_bytes);
    number_blocks(received.data(), Numbers{5, 6, 7, 8});
    TestIo io(IoType::read, 0, 4, {read.segment()});
    const auto read_clone = [&]() -> Task<Outcome> {
      served_.at(*copy).channel->submit(io.io);
      co_return Unit{};
    };
    const ReceivedRun run{0, {received.data(), 4 * k_page_bytes}};
    has_come = run_beside(reads, read_clone, [&] { return pool_->receive(layer, {run}); });
    ASSERT_TRUE(stage_->world.run_until([&] { return io.done.load(); }));
    EXPECT_EQ(io.status, Status::ok) << reads;
    EXPECT_EQ(numbers_of(read.data(), 4), (Numbers{1, 2, 3, 4})) << reads;
    expect(served_.at(*copy), 0, {1, 2, 3, 4});
    ASSERT_TRUE(finish(layer).ok());
    expect_snapshot(layer, 0, {5, 6, 7, 8, 0});
  }
  EXPECT_GE(reads, 3u);  // of the metadata, of the data, and none
}

// What the snapshot above holds is asked for, page by page, while a block of the one that is received becomes
// its own.
TEST_F(ReceiveTest, WhatIsAllocatedAboveIsFoundMeanwhile) {
  constexpr uint64_t k_slots = 200;
  uint32_t reads = 0;
  for (bool has_come = true; has_come; ++reads) {
    begin_anew(24, 600 * k_mib);
    const Result<uint32_t> id = add_volume("w", k_slots * k_slot * k_page_bytes);
    ASSERT_TRUE(id.ok());
    volume_ = *id;
    serve(volume_);
    for (uint64_t slot = 0; slot < k_slots; ++slot)
      ASSERT_EQ(write(volume(), slot * k_slot, {1}), Status::ok);
    const Result<uint32_t> old = snapshot(volume_, "old");
    const Result<uint32_t> young = snapshot(volume_, "young");
    ASSERT_TRUE(old.ok() && young.ok());
    make_others();
    ReceiveRequest request = request_of("s", *old);
    request.size_bytes = k_slots * k_slot * k_page_bytes;
    const Result<uint32_t> layer = try_begin(request);
    ASSERT_TRUE(layer.ok());
    ASSERT_TRUE(remove_snapshot(*old).ok());
    finish_layer_work();
    crowd_memory();
    std::optional<Result<Ranges>> found;
    const auto look = [&]() -> Task<Outcome> {
      found = co_await pool_->ranges(*young, std::nullopt, request.size_bytes, 0, 1000);
      co_return Unit{};
    };
    const PageBuffer zeroes(k_page_bytes);
    const ReceivedRun run{(k_slots - 1) * k_slot * k_page_bytes, zeroes.bytes()};
    has_come = run_beside(reads, look, [&] { return pool_->receive(*layer, {run}); });
    ASSERT_TRUE(found->ok());
    EXPECT_EQ((*found)->ranges.size(), k_slots) << reads;
    expect_snapshot(*young, (k_slots - 1) * k_slot, {1, 0});
  }
  EXPECT_GE(reads, 4u);  // of layers, of two pages of slots at least, and none
}

TEST_F(ReceiveTest, TheSnapshotAboveMayComeAndGoMeanwhile) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3, 4}), Status::ok);
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, {5}).ok());
  const Result<uint32_t> young = snapshot(volume_, "young");
  ASSERT_TRUE(young.ok());
  ASSERT_EQ(write(volume(), 1, {6}), Status::ok);
  ASSERT_TRUE(receive(layer, 1, {7, 8}).ok());
  expect_snapshot(*young, 0, {1, 2, 3, 4, 0});
  ASSERT_TRUE(remove_snapshot(*young).ok());
  finish_layer_work();
  ASSERT_TRUE(receive(layer, 3, {9, 10}).ok());
  ASSERT_TRUE(finish(layer).ok());
  expect_snapshot(layer, 0, {5, 7, 8, 9, 10, 0});
  expect(volume(), 0, {1, 6, 3, 4, 0});
}

TEST_F(ReceiveTest, AThickVolumeReadsTheSame) {
  const Result<uint32_t> thick = add_volume("t", k_mib, k_volume_thick);
  ASSERT_TRUE(thick.ok());
  volume_ = *thick;
  serve(volume_);
  ASSERT_EQ(write(volume(), 0, {1, 2}), Status::ok);
  ReceiveRequest request = request_of("s");
  request.size_bytes = k_mib;
  const Result<uint32_t> layer = try_begin(request);
  ASSERT_TRUE(layer.ok());
  ASSERT_TRUE(receive(*layer, 0, {1, 2}).ok());
  ASSERT_TRUE(receive(*layer, k_slot, {3}).ok());
  ASSERT_TRUE(finish(*layer).ok());
  expect(volume(), 0, {1, 2, 0});
  expect(volume(), k_slot, {0, 0});
  expect_snapshot(*layer, 0, {1, 2, 0});
  expect_snapshot(*layer, k_slot, {3, 0});
  ASSERT_EQ(simple(volume(), IoType::write_zeroes, 0, 1), Status::ok);
  expect(volume(), 0, {0, 2, 0});
  expect_snapshot(*layer, 0, {1, 2, 0});
}

// --- what only a disk's cache holds ---

// It is the same as what is received, and moved.
TEST_F(ReceiveTest, WhatAFailedWriteHasLeftIsMadeDurableWhereItIsMoved) {
  for (const uint64_t number : {1, 3}) ASSERT_EQ(write(volume(), number / 2, {number}), Status::ok);
  const SimulatedFault unsynced{SimulatedFault::Kind::unsynced, EIO, 0};
  stage_->world.spoil_file_operations("a", FileOp::Kind::write_durable, unsynced, 1);
  ASSERT_EQ(write(volume(), 0, {2}), Status::io_error);
  expect(volume(), 0, {2, 3});
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, {2, 3}).ok());
  EXPECT_EQ(free(), before);
  ASSERT_TRUE(finish(layer).ok());
  crash();
  expect_snapshot(layer, 0, {2, 3, 0});
  expect(volume(), 0, {2, 3, 0});
}

// It is the same as what is received, and shown from below.
TEST_F(ReceiveTest, WhatAFailedWriteHasLeftIsMadeDurableWhereItIsShown) {
  for (const uint64_t number : {1, 3}) ASSERT_EQ(write(volume(), number / 2, {number}), Status::ok);
  const SimulatedFault unsynced{SimulatedFault::Kind::unsynced, EIO, 0};
  stage_->world.spoil_file_operations("a", FileOp::Kind::write_durable, unsynced, 1);
  ASSERT_EQ(write(volume(), 0, {2}), Status::io_error);
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  const uint64_t before = free();
  const uint32_t layer = begin("s", *old);
  ASSERT_TRUE(receive(layer, 0, {2, 3}).ok());
  EXPECT_EQ(free(), before);
  ASSERT_TRUE(finish(layer).ok());
  crash();
  expect_snapshot(layer, 0, {2, 3, 0});
}

// --- it is given up ---

TEST_F(ReceiveTest, OneThatIsGivenUpLeavesNothing) {
  ASSERT_EQ(write(volume(), 0, Numbers(2 * k_slot, 3)), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, Numbers(k_slot, 3)).ok());  // moved
  ASSERT_TRUE(receive(layer, k_slot, Numbers(k_slot, 4)).ok());
  ASSERT_TRUE(receive(layer, 2 * k_slot, Numbers(k_slot, 5)).ok());
  EXPECT_EQ(free(), before - 2);
  ASSERT_TRUE(remove_snapshot(layer).ok());
  finish_layer_work();
  EXPECT_EQ(free(), before);
  expect(volume(), 0, Numbers(2 * k_slot, 3));
  expect(volume(), 2 * k_slot, Numbers(k_slot, 0));
  EXPECT_EQ(receive(layer, 0, {1}).errc(), Errc::not_found);
  EXPECT_EQ(finish(layer).errc(), Errc::not_found);
  EXPECT_EQ(allocated(), 2u);
  // Its volume has no layer below any more: zeroing gives the room back.
  ASSERT_EQ(simple(volume(), IoType::unmap, 0, 1024), Status::ok);
  EXPECT_EQ(free(), before + 2);
  ASSERT_NE(begin("s"), 0u);
}

TEST_F(ReceiveTest, OneThatWasNotFinishedIsGoneWhenThePoolIsOpened) {
  ASSERT_EQ(write(volume(), 0, Numbers(2 * k_slot, 3)), Status::ok);
  const uint64_t before = free();
  const uint32_t layer = begin("s");
  ASSERT_TRUE(receive(layer, 0, Numbers(k_slot, 3)).ok());
  ASSERT_TRUE(receive(layer, k_slot, Numbers(k_slot, 4)).ok());
  reopen();
  EXPECT_EQ(snapshots_count(), 0u);
  EXPECT_EQ(free(), before);
  EXPECT_EQ(allocated(), 2u);
  expect(volume(), 0, Numbers(2 * k_slot, 3));
  EXPECT_EQ(receive(layer, 0, {1}).errc(), Errc::not_found);
  EXPECT_EQ(stage_->run([&] { return pool_->volumes().layer(layer); }).errc(), Errc::not_found);
}

TEST_F(ReceiveTest, ItsVolumeMayBeRevertedOrGo) {
  ASSERT_EQ(write(volume(), 0, {1, 2, 3}), Status::ok);
  const uint64_t before = free();
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  const uint32_t first = begin("s", *old);
  ASSERT_TRUE(receive(first, 0, {4, 5}).ok());
  stop_serving(volume_);
  ASSERT_TRUE(stage_->run([&] { return pool_->revert(volume_, *old, 1); }).ok());
  finish_layer_work();
  EXPECT_EQ(receive(first, 0, {4, 5}).errc(), Errc::not_found);
  EXPECT_EQ(free(), before);
  expect(serve(volume_), 0, {1, 2, 3});
  const uint32_t second = begin("s");
  ASSERT_TRUE(receive(second, 0, {4, 5}).ok());
  ASSERT_TRUE(remove_snapshot(*old).ok());
  stop_serving(volume_);
  ASSERT_TRUE(stage_->run([&] { return pool_->remove(volume_, false); }).ok());
  finish_layer_work();
  EXPECT_EQ(finish(second).errc(), Errc::not_found);
  EXPECT_EQ(free(), before + 1);
}

// --- refusals ---

TEST_F(ReceiveTest, WhatCannotBeReceivedIsRefused) {
  const Result<uint32_t> old = snapshot(volume_, "old");
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(try_begin(request_of("old")).errc(), Errc::already_exists);
  EXPECT_EQ(try_begin(request_of("")).errc(), Errc::invalid_argument);
  EXPECT_EQ(try_begin(request_of("s", 1000)).errc(), Errc::invalid_argument);
  EXPECT_EQ(try_begin(request_of("s", volume().opened->head_layer())).errc(), Errc::invalid_argument);
  ReceiveRequest odd = request_of("s");
  odd.size_bytes = 1000;
  EXPECT_EQ(try_begin(odd).errc(), Errc::invalid_argument);
  odd = request_of("s");
  odd.volume = 1000;
  EXPECT_EQ(try_begin(odd).errc(), Errc::not_found);
  ReceiveRequest request = request_of("s", *old);
  const Result<uint32_t> layer = try_begin(request);
  ASSERT_TRUE(layer.ok());
  EXPECT_EQ(try_begin(request_of("t", *old)).errc(), Errc::in_use);
  EXPECT_EQ(receive(*layer, k_size_bytes / k_page_bytes - 1, {1, 2}).errc(), Errc::invalid_argument);
  EXPECT_EQ(receive(*old, 0, {1}).errc(), Errc::not_found);
  Buffer buffer(k_page_bytes);
  const ReceivedRun beside{512, {buffer.data(), k_page_bytes}};
  EXPECT_EQ(stage_->run([&] { return pool_->receive(*layer, {beside}); }).errc(), Errc::invalid_argument);
  EXPECT_FALSE(clone(*layer, "c").ok());
  stop_serving(volume_);
  EXPECT_FALSE(stage_->run([&] { return pool_->revert(volume_, *layer, 1); }).ok());
  serve(volume_);
  ASSERT_TRUE(snapshot(volume_, "s").ok());
  EXPECT_EQ(finish(*layer).errc(), Errc::already_exists);
  ASSERT_TRUE(remove_snapshot(*layer).ok());
  request.name = "t";
  const Result<uint32_t> again = try_begin(request);
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(finish(*again).ok());
  request.name = "u";
  EXPECT_EQ(try_begin(request).errc(), Errc::already_exists);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
