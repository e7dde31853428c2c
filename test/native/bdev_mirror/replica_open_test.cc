// Opening and formatting: what is taken, what is refused, and that nothing which is there is overwritten.
#include "bdev/mirror/replica_open.h"

#include "native/bdev_mirror/replica_stage.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr ReplicaFormat k_open_only{};

TEST(ReplicaOpen, refuses_devices_that_do_not_go_together) {
  ReplicaStage stage;
  const auto memory = [](uint64_t bytes, uint32_t block) { return make_memory_bdev({bytes, block}).value(); };
  const ReplicaFormat format{.uuid = id_of(0xaa)};
  const uint64_t enough = ReplicaLayout::of(stage.k_size_bytes)->blocks_count() * 4096;
  EXPECT_EQ(stage.open(format, nullptr, memory(enough - 4096, 4096)), Errc::invalid_argument);
  EXPECT_EQ(stage.open(format, nullptr, memory(enough, 512)), Errc::invalid_argument);
  stage.metadata->shown_capabilities.volatile_write_cache = true;
  EXPECT_EQ(stage.open(format), Errc::invalid_argument);
  stage.metadata->shown_capabilities.volatile_write_cache = false;
  EXPECT_EQ(stage.open({.uuid = id_of(0xaa), .content = Content::partial}), Errc::invalid_argument);
  EXPECT_EQ(stage.open(k_open_only), Errc::not_found);
  // A blank device is blank still.
  EXPECT_EQ(stage.metadata_block(0), std::vector<uint8_t>(4096));
  EXPECT_EQ(stage.open(format), Errc::ok);
}

TEST(ReplicaOpen, new_one_keeps_what_it_was_made_with) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa), .volume_uuid = id_of(0xbb), .content = Content::complete}),
            Errc::ok);
  // Another format is not for one that is there.
  ASSERT_EQ(stage.reopen({.uuid = id_of(0xcc), .volume_uuid = id_of(0xdd)}), Errc::ok);
  EXPECT_EQ(stage.replica->uuid(), id_of(0xaa));
  EXPECT_EQ(stage.facts().volume_uuid, id_of(0xbb));
  EXPECT_EQ(stage.facts().content, Content::complete);
  EXPECT_EQ(stage.facts().blocks_count, stage.k_size_bytes / 4096);
  EXPECT_EQ(stage.facts().blocks_count_max, replica_size_max_bytes(stage.k_size_bytes) / 4096);
}

TEST(ReplicaOpen, new_one_can_grow_as_far_as_its_metadata_has_room_for) {
  EXPECT_EQ(replica_size_max_bytes(4096), uint64_t{64} << 30);
  EXPECT_EQ(replica_size_max_bytes(uint64_t{1} << 40), uint64_t{16} << 40);
  EXPECT_EQ(replica_size_max_bytes(uint64_t{1} << 52), uint64_t{1} << 52);
  ReplicaStage stage;
  const uint64_t enough = ReplicaLayout::of(stage.k_size_bytes)->blocks_count() * 4096;
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa)}, nullptr, make_memory_bdev({enough, 4096}).value()), Errc::ok);
  EXPECT_EQ(stage.facts().blocks_count_max, stage.facts().blocks_count);
}

// A file that was something else has old blocks where the maps are to be.
TEST(ReplicaOpen, new_one_zeroes_its_maps_first) {
  for (const bool can_unmap : {true, false}) {
    ReplicaStage stage;
    stage.metadata->shown_capabilities.unmap = can_unmap;
    stage.set_metadata_block(2, std::vector<uint8_t>(4096, 0xee));
    ASSERT_EQ(stage.open(), Errc::ok);
    EXPECT_EQ(stage.facts().marked_regions, 0u);
  }
}

TEST(ReplicaOpen, metadata_of_a_newer_version_is_refused_and_left) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  stage.close();
  // As a newer program would write it: version 2, whole.
  for (uint64_t block = 0; block < 2; ++block) {
    std::vector<uint8_t> bytes = stage.metadata_block(block);
    bytes[offsetof(ReplicaSuperblock, version)] = 2;
    auto head = load<BlockHead>(ByteSpan(bytes));
    head.crc = 0;
    finish_map_block(bytes, head);
    stage.set_metadata_block(block, bytes);
  }
  const std::vector<uint8_t> before = stage.metadata_block(0);
  EXPECT_EQ(stage.open(), Errc::unsupported);
  EXPECT_EQ(stage.metadata_block(0), before);
}

TEST(ReplicaOpen, metadata_that_fits_other_data_is_refused) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  stage.close();
  EXPECT_EQ(stage.open({}, make_memory_bdev({stage.k_size_bytes - 4096, 4096}).value()),
            Errc::invalid_argument);
  EXPECT_EQ(stage.open({}, make_memory_bdev({stage.k_size_bytes, 512}).value()), Errc::invalid_argument);
  EXPECT_EQ(stage.open(), Errc::ok);
}

// D7, D8: one copy of the superblock is torn or rots.
TEST(ReplicaOpen, D8_one_damaged_copy_of_the_superblock_is_mended_before_a_seal) {
  for (const uint64_t copy : {0, 1}) {
    ReplicaStage stage;
    ASSERT_EQ(stage.open(), Errc::ok);
    ASSERT_EQ(stage.seal(stage.connect(stage.home), 3).status, Status::ok);
    stage.close();
    stage.spoil_metadata_block(copy);
    ASSERT_EQ(stage.open({}), Errc::ok);
    EXPECT_EQ(stage.facts().max_epoch, 3u);
    ASSERT_EQ(stage.seal(stage.connect(stage.home), 4).status, Status::ok);
    stage.close();
    // Each of them says so.
    stage.spoil_metadata_block(1 - copy);
    ASSERT_EQ(stage.open({}), Errc::ok);
    EXPECT_EQ(stage.facts().max_epoch, 4u);
  }
}

TEST(ReplicaOpen, D8_metadata_without_a_whole_superblock_is_unusable_and_never_written) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  stage.close();
  stage.spoil_metadata_block(0);
  stage.spoil_metadata_block(1);
  const std::vector<uint8_t> before = stage.metadata_block(0);
  EXPECT_EQ(stage.open(k_open_only), Errc::io_error);
  ASSERT_EQ(stage.open({.uuid = id_of(0xaa)}), Errc::ok);
  EXPECT_TRUE(stage.facts().is_unusable);
  auto& head = stage.connect(stage.other);
  EXPECT_EQ(stage.seal(head, 9).refusal, Refusal::unusable);
  HeadIo io(IoType::write, 0, 1);
  EXPECT_EQ(stage.run(head, io), Status::fenced);
  EXPECT_EQ(io.io.refusal, static_cast<uint8_t>(Refusal::unusable));
  stage.close();
  EXPECT_EQ(stage.metadata_block(0), before);
}

TEST(ReplicaOpen, D8_damaged_map_block_counts_as_marked) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = stage.connect(stage.home);
  ASSERT_EQ(stage.seal(head, 1).status, Status::ok);
  ASSERT_EQ(stage.write(head, 0, 1), Status::ok);
  stage.close();
  stage.spoil_metadata_block(2);
  ASSERT_EQ(stage.open({}), Errc::ok);
  EXPECT_EQ(stage.facts().marked_regions, stage.k_size_bytes >> 20);
}

TEST(ReplicaOpen, metadata_that_cannot_be_read_is_an_error_and_is_not_taken_for_lost) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  stage.close();
  stage.metadata->answer = Status::media_error;
  EXPECT_EQ(stage.open(), Errc::io_error);
  stage.metadata->answer = Status::ok;
  EXPECT_EQ(stage.open({}), Errc::ok);
}

// D21: the maps of absent members survive; only those of slots that are taken are read.
TEST(ReplicaOpen, D21_maps_of_absent_members_are_read_again) {
  ReplicaStage stage;
  ASSERT_EQ(stage.open(), Errc::ok);
  auto& head = stage.connect(stage.other);
  ASSERT_EQ(stage.seal(head, 1).status, Status::ok);
  AbsentRequest request{.member_uuid = id_of(7), .since_epoch = 1, .count = 1};
  request.ranges[0] = {40, 2};
  stage.ask(head, ReplicaOpcode::begin_absent, bytes_of(request));
  ASSERT_EQ(stage.wait(head).status, Status::ok);
  stage.metadata->seen.clear();
  ASSERT_EQ(stage.reopen(), Errc::ok);
  EXPECT_EQ(stage.metadata->seen.size(), 2u + 1u + 1u);
  EXPECT_EQ(stage.facts().absent_members, 1u);
  auto& again = stage.connect(stage.other);
  ASSERT_EQ(stage.seal(again, 2).status, Status::ok);
  stage.ask(again, ReplicaOpcode::read_absent, {}, 64, 0, 0);
  ASSERT_EQ(stage.wait(again).status, Status::ok);
  EXPECT_EQ(again.got[5], 3);
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
