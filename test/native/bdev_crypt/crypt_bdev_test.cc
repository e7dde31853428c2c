// What the layer does to the device below it, and what it leaves alone. What every device promises is checked
// over it by test/native/bdev/bdev_conformance_test.cc.
#include "bdev/crypt/crypt_bdev.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "bdev/crypt/crypt_task.h"
#include "bdev/memory/memory_bdev.h"
#include "native/bdev/stage.h"
#include "native/bdev_crypt/keys.h"
#include "support/native/scripted_bdev.h"

namespace ballast::bdev::test {
namespace {

using ballast::test::ScriptedBdev;

constexpr uint32_t k_block = 4096;
constexpr uint32_t k_piece_blocks = CryptTask::k_piece_bytes / k_block;

// crypt over scripted over memory; the memory is looked at directly too.
class CryptBdev : public testing::Test {
 protected:
  CryptBdev() {
    memory_ = std::move(*make_memory_bdev({8 << 20, k_block}));
    scripted_ = std::make_shared<ScriptedBdev>(memory_);
    below_ = std::make_unique<Opened>(stage_, memory_);
    disk_ = std::make_unique<Opened>(stage_, crypt(1));
  }
  std::shared_ptr<Bdev> crypt(uint8_t salt) {
    Result<std::shared_ptr<Bdev>> made = make_crypt_bdev(scripted_, make_key(salt));
    EXPECT_TRUE(made.ok());
    return *made;
  }
  std::vector<uint8_t> pattern(uint64_t blocks) {
    std::vector<uint8_t> bytes(blocks * k_block);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng_.next());
    return bytes;
  }
  static std::vector<uint8_t> zeroes(uint64_t blocks) { return std::vector<uint8_t>(blocks * k_block); }
  size_t count(IoType type) const {
    size_t found = 0;
    for (const ScriptedBdev::Seen& seen : scripted_->seen) found += seen.type == type ? 1 : 0;
    return found;
  }

  Prng prng_{7};
  SimulatedStage stage_{1};
  std::shared_ptr<Bdev> memory_;
  std::shared_ptr<ScriptedBdev> scripted_;
  std::unique_ptr<Opened> below_;
  std::unique_ptr<Opened> disk_;
};

TEST_F(CryptBdev, is_of_the_kind_crypt_and_shows_what_is_below_even_when_it_grows) {
  EXPECT_STREQ(disk_->device().kind(), "crypt");
  EXPECT_EQ(disk_->device().geometry().blocks_count, 2048u);
  scripted_->shown_geometry.blocks_count = 1024;
  EXPECT_EQ(disk_->device().geometry().blocks_count, 1024u);
  EXPECT_EQ(disk_->write(1024, pattern(1)), Status::out_of_range);
  scripted_->shown_geometry.blocks_count = 2048;
  scripted_->shown_capabilities.copy = false;
  EXPECT_FALSE(disk_->device().capabilities().copy);
  EXPECT_EQ(disk_->write(1024, pattern(1)), Status::ok);
  EXPECT_FALSE(disk_->channel().takes_data_at_submit());
  EXPECT_EQ(disk_->channel().map_read(0, 1).base, nullptr);
}

TEST_F(CryptBdev, stores_something_else_in_every_block_that_holds_the_same) {
  std::vector<uint8_t> bytes;
  const std::vector<uint8_t> one = pattern(1);
  for (int i = 0; i < 4; ++i) bytes.insert(bytes.end(), one.begin(), one.end());
  ASSERT_EQ(disk_->write(10, bytes), Status::ok);
  EXPECT_EQ(disk_->read(10, 4), bytes);
  std::vector<std::vector<uint8_t>> seen{one};
  for (uint64_t lba = 10; lba < 14; ++lba) {
    const std::vector<uint8_t> block = below_->read(lba, 1);
    for (const std::vector<uint8_t>& other : seen) EXPECT_NE(block, other) << lba;
    seen.push_back(block);
  }
}

TEST_F(CryptBdev, stores_what_the_standard_says) {
  const std::shared_ptr<Bdev> memory = std::move(*make_memory_bdev({1 << 20, 512}));
  Opened below(stage_, memory);
  Opened disk(stage_, *make_crypt_bdev(memory, std::move(*CryptKey::create(key_of_the_standard()))));
  std::vector<uint8_t> bytes(512);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  ASSERT_EQ(disk.write(0xff, bytes), Status::ok);
  // The start of vector 10 of IEEE 1619.
  const std::vector<uint8_t> expected =
      bytes_of_hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
  const std::vector<uint8_t> stored = below.read(0xff, 1);
  EXPECT_EQ(0, std::memcmp(stored.data(), expected.data(), expected.size()));
}

TEST_F(CryptBdev, another_key_reads_noise_without_an_error) {
  const std::vector<uint8_t> bytes = pattern(2);
  ASSERT_EQ(disk_->write(3, bytes), Status::ok);
  Opened other(stage_, crypt(2));
  EXPECT_NE(other.read(3, 2), bytes);
  EXPECT_EQ(other.read(100, 2), zeroes(2));
  Opened same(stage_, crypt(1));
  EXPECT_EQ(same.read(3, 2), bytes);
}

TEST_F(CryptBdev, leaves_the_data_of_writes_and_compares_as_it_was) {
  const uint32_t blocks = 2 * k_piece_blocks + 3;
  const std::vector<uint8_t> bytes = pattern(blocks);
  Buffer buffer(bytes.size());
  buffer.fill_from(bytes);
  for (const IoType type : {IoType::write, IoType::compare}) {
    TestIo io(type, 5, blocks, {buffer.segment()});
    ASSERT_EQ(disk_->run(io), Status::ok);
    EXPECT_EQ(buffer.bytes(), bytes);
  }
  TestIo io(IoType::compare_and_write, 5, 2, {{buffer.data(), 4 * k_block}});
  ASSERT_EQ(disk_->run(io), Status::ok);
  EXPECT_EQ(buffer.bytes(), bytes);
}

TEST_F(CryptBdev, moves_data_in_segments_cut_within_blocks) {
  const std::vector<uint8_t> bytes = pattern(3);
  Buffer in(bytes.size()), out(bytes.size());
  in.fill_from(bytes);
  const auto cut = [](Buffer& buffer) {
    return std::vector<Segment>{{buffer.data(), 512},
                                {buffer.data() + 512, 8192},
                                {buffer.data() + 8704, 512},
                                {buffer.data() + 9216, 3072}};
  };
  TestIo write(IoType::write, 20, 3, cut(in)), read(IoType::read, 20, 3, cut(out));
  ASSERT_EQ(disk_->run(write), Status::ok);
  ASSERT_EQ(disk_->run(read), Status::ok);
  EXPECT_EQ(out.bytes(), bytes);
  EXPECT_EQ(disk_->read(20, 3), bytes);
}

TEST_F(CryptBdev, large_io_goes_down_in_pieces_and_a_transfer_of_128_KiB_as_one) {
  const std::vector<uint8_t> bytes = pattern(2 * k_piece_blocks + 1);
  ASSERT_EQ(disk_->write(1, bytes, 0, true), Status::ok);
  ASSERT_EQ(scripted_->seen.size(), 3u);
  const uint64_t lbas[] = {1, 1 + k_piece_blocks, 1 + 2 * k_piece_blocks};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(scripted_->seen[i].lba, lbas[i]);
    EXPECT_EQ(scripted_->seen[i].blocks_count, i < 2 ? k_piece_blocks : 1);
    EXPECT_TRUE(scripted_->seen[i].fua);
  }
  scripted_->seen.clear();
  ASSERT_EQ(disk_->write(0, pattern(k_piece_blocks)), Status::ok);
  EXPECT_EQ(scripted_->seen.size(), 1u);
  EXPECT_FALSE(scripted_->seen[0].fua);
  scripted_->seen.clear();
  disk_->read(0, 2 * k_piece_blocks + 1);
  EXPECT_EQ(scripted_->seen.size(), 1u);
}

TEST_F(CryptBdev, zeroes_are_zeroes_on_both_sides_however_they_got_there) {
  ASSERT_EQ(disk_->write(0, pattern(8)), Status::ok);
  ASSERT_EQ(disk_->simple(IoType::write_zeroes, 0, 2), Status::ok);
  ASSERT_EQ(disk_->simple(IoType::unmap, 2, 2), Status::ok);
  ASSERT_EQ(disk_->write(4, zeroes(2)), Status::ok);
  ASSERT_EQ(disk_->copy(100, 6, 2), Status::ok);  // from where nothing was written
  EXPECT_EQ(below_->read(0, 8), zeroes(8));
  EXPECT_EQ(disk_->read(0, 8), zeroes(8));
  EXPECT_EQ(disk_->compare(0, zeroes(8)), Status::ok);
  EXPECT_EQ(disk_->compare_and_write(100, zeroes(1), pattern(1)), Status::ok);
  EXPECT_EQ(count(IoType::write_zeroes), 1u);
  EXPECT_EQ(count(IoType::unmap), 1u);
}

TEST_F(CryptBdev, copies_overlap_both_ways_over_several_pieces) {
  const uint32_t blocks = 3 * k_piece_blocks + 5;
  for (const auto& [from, to] : {std::pair{50u, 57u}, std::pair{57u, 50u}, std::pair{50u, 50u}}) {
    const std::vector<uint8_t> bytes = pattern(blocks);
    ASSERT_EQ(disk_->write(from, bytes), Status::ok);
    ASSERT_EQ(disk_->copy(from, to, blocks), Status::ok);
    EXPECT_EQ(disk_->read(to, blocks), bytes) << from << " to " << to;
  }
  EXPECT_EQ(count(IoType::copy), 0u);
}

TEST_F(CryptBdev, compare_and_write_goes_down_as_one_where_both_halves_fit) {
  const uint32_t fits = k_piece_blocks / 2;
  for (const uint32_t blocks : {fits, fits + 1, 2 * k_piece_blocks + 1}) {
    const std::vector<uint8_t> before = pattern(blocks), after = pattern(blocks);
    ASSERT_EQ(disk_->write(3, before), Status::ok);
    scripted_->seen.clear();
    std::vector<uint8_t> wrong = before;
    wrong.back() ^= 1;
    EXPECT_EQ(disk_->compare_and_write(3, wrong, after), Status::compare_mismatch);
    EXPECT_EQ(count(IoType::write), 0u);
    EXPECT_EQ(disk_->compare_and_write(3, before, after), Status::ok);
    EXPECT_EQ(count(IoType::compare_and_write), blocks == fits ? 2u : 0u);
    EXPECT_EQ(disk_->read(3, blocks), after);
  }
}

// A copy read its source, then somebody else's compare_and_write over both places would get between.
TEST_F(CryptBdev, compare_and_write_waits_for_a_copy_that_is_between_two_steps) {
  const std::vector<uint8_t> a = pattern(1), b = pattern(1), wanted = pattern(2);
  std::vector<uint8_t> both = a;
  both.insert(both.end(), b.begin(), b.end());
  ASSERT_EQ(disk_->write(8, both), Status::ok);
  scripted_->hold = true;
  TestIo copy(IoType::copy, 9, 1);
  copy.io.copy_source_lba = 8;
  disk_->submit(copy);
  ASSERT_EQ(scripted_->held.size(), 1u);
  Buffer data(4 * k_block);
  std::memcpy(data.data(), both.data(), both.size());
  std::memcpy(data.data() + 2 * k_block, wanted.data(), wanted.size());
  TestIo swap(IoType::compare_and_write, 8, 2, {data.segment()});
  disk_->submit(swap);
  EXPECT_EQ(scripted_->held.size(), 1u);
  stage_.on(0, [&] { scripted_->release_one(); });  // the read; now the write is held
  ASSERT_EQ(scripted_->held.size(), 1u);
  EXPECT_EQ(scripted_->seen.back().type, IoType::write);
  scripted_->hold = false;
  stage_.on(0, [&] { scripted_->release_one(); });
  stage_.wait(copy.done);
  stage_.wait(swap.done);
  EXPECT_EQ(swap.status, Status::compare_mismatch);
  EXPECT_EQ(disk_->read(9, 1), a);
}

TEST_F(CryptBdev, passes_flush_and_verify_down) {
  EXPECT_EQ(disk_->simple(IoType::flush), Status::ok);
  EXPECT_EQ(disk_->simple(IoType::verify, 5, 1000), Status::ok);
  ASSERT_EQ(scripted_->seen.size(), 2u);
  EXPECT_EQ(scripted_->seen[0].type, IoType::flush);
  EXPECT_EQ(scripted_->seen[1].type, IoType::verify);
  EXPECT_EQ(scripted_->seen[1].lba, 5u);
  EXPECT_EQ(scripted_->seen[1].blocks_count, 1000u);
}

TEST_F(CryptBdev, a_fault_below_is_the_answer_at_whatever_step) {
  const uint32_t blocks = 2 * k_piece_blocks;
  const std::vector<uint8_t> bytes = pattern(blocks);
  ASSERT_EQ(disk_->write(0, bytes), Status::ok);
  scripted_->answer = Status::no_space;
  for (uint32_t step = 0; step < 2; ++step) {
    const auto at_step = [&] { scripted_->answer_after_count = step; };
    at_step();
    EXPECT_EQ(disk_->write(0, bytes), Status::no_space);
    at_step();
    EXPECT_EQ(disk_->compare(0, bytes), Status::no_space);
    at_step();
    EXPECT_EQ(disk_->copy(0, 500, blocks), Status::no_space);
    at_step();
    EXPECT_EQ(disk_->compare_and_write(0, bytes, bytes), Status::no_space);
  }
  scripted_->answer_after_count = 0;
  Buffer buffer(k_block);
  for (const IoType type :
       {IoType::read, IoType::flush, IoType::verify, IoType::unmap, IoType::write_zeroes}) {
    TestIo io(type, 0, type == IoType::flush ? 0 : 1, {buffer.segment()});
    EXPECT_EQ(disk_->run(io), Status::no_space) << static_cast<int>(type);
  }
  EXPECT_EQ(disk_->compare_and_write(0, pattern(1), pattern(1)), Status::no_space);
  scripted_->answer = Status::ok;
  EXPECT_EQ(disk_->read(0, blocks), bytes);  // nothing waits, no lock is left
  EXPECT_EQ(disk_->compare_and_write(0, bytes, bytes), Status::ok);
}

TEST_F(CryptBdev, more_io_than_tasks_waits_in_line_and_all_of_it_is_done) {
  scripted_->hold = true;
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::vector<std::unique_ptr<TestIo>> ios;
  std::vector<std::vector<uint8_t>> data;
  for (uint32_t i = 0; i < 200; ++i) {
    data.push_back(pattern(1));
    buffers.push_back(std::make_unique<Buffer>(k_block));
    buffers.back()->fill_from(data.back());
    const std::vector<Segment> segments{buffers.back()->segment()};
    ios.push_back(std::make_unique<TestIo>(IoType::write, i, 1, segments));
    disk_->submit(*ios.back());
  }
  EXPECT_EQ(scripted_->held.size(), 32u);
  while (!scripted_->held.empty()) {
    stage_.on(0, [&] { scripted_->release_one(); });
    // The rest ends within submit(), one after another and not one within another.
    if (scripted_->seen.size() > 100) scripted_->hold = false;
  }
  for (uint32_t i = 0; i < 200; ++i) {
    stage_.wait(ios[i]->done);
    ASSERT_EQ(ios[i]->status, Status::ok);
    ASSERT_EQ(disk_->read(i, 1), data[i]) << i;
  }
}

// A submitter may close the channel in the answer to its last I/O.
TEST_F(CryptBdev, the_channel_may_end_within_the_last_answer) {
  const std::shared_ptr<Bdev> device = crypt(3);
  for (const IoType type : {IoType::read, IoType::write, IoType::copy, IoType::compare_and_write}) {
    std::unique_ptr<Channel> channel;
    stage_.on(0, [&] { channel = device->open(stage_.reactor(0)); });
    Buffer buffer(8 * k_piece_blocks * k_block);
    const uint32_t blocks = type == IoType::copy ? 3 * k_piece_blocks : 2;
    const uint64_t bytes = uint64_t{blocks} * k_block * (type == IoType::compare_and_write ? 2 : 1);
    TestIo io(type, 300, blocks, {{buffer.data(), bytes}});
    io.io.context = &channel;
    io.io.done = [](Io& finished, Status status) {
      EXPECT_EQ(status, Status::ok);
      static_cast<std::unique_ptr<Channel>*>(finished.context)->reset();
    };
    stage_.on(0, [&] { channel->submit(io.io); });
    stage_.settle();
    EXPECT_EQ(channel, nullptr) << static_cast<int>(type);
  }
}

}  // namespace
}  // namespace ballast::bdev::test
