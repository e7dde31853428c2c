// The conformance suite of IoBackend and FileSystem, files: run over the kernel and the simulator.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "backend_fixture.h"

namespace ballast::test {
namespace {

constexpr size_t k_block_bytes = 4096;

struct AlignedBuffer {
  explicit AlignedBuffer(size_t size_bytes) : segment{nullptr, size_bytes} {
    segment.base = static_cast<uint8_t*>(std::aligned_alloc(k_block_bytes, size_bytes));
    std::memset(segment.base, 0xee, size_bytes);
  }
  ~AlignedBuffer() { std::free(segment.base); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  void fill(const std::vector<uint8_t>& bytes) { std::memcpy(segment.base, bytes.data(), bytes.size()); }
  std::vector<uint8_t> bytes() const { return {segment.base, segment.base + segment.size_bytes}; }
  Segment segment;
};

class BackendFile : public BackendTest {
 protected:
  struct Running : FileOp {
    bool is_done = false;
    int64_t result = 0;
    Running() {
      done = [](FileOp& op, int64_t value) {
        auto& running = static_cast<Running&>(op);
        EXPECT_FALSE(running.is_done) << "done() runs once";
        running.is_done = true;
        running.result = value;
      };
    }
  };

  std::unique_ptr<File> make_file(const std::string& name, uint64_t size_bytes, bool direct = true) {
    auto opened = world->files().open(world->path(name),
                                      {.direct = direct, .create = true, .create_size_bytes = size_bytes});
    EXPECT_TRUE(opened.ok()) << opened.error().text;
    return std::move(*opened);
  }
  int64_t run(FileOp::Kind kind, const File& file, uint64_t offset, std::span<const Segment> data,
              uint64_t length_bytes = 0) {
    Running op;
    op.kind = kind;
    op.file = file.descriptor();
    op.offset = offset;
    op.data = data;
    op.length_bytes = length_bytes;
    on(0, [&] {
      world->reactor(0).io().submit(op);
      EXPECT_FALSE(op.is_done) << "done() never runs inside submit()";
    });
    EXPECT_TRUE(world->run_until([&] { return op.is_done; }));
    return op.result;
  }
  int64_t run(FileOp::Kind kind, const File& file, uint64_t offset, const AlignedBuffer& buffer) {
    return run(kind, file, offset, {&buffer.segment, 1});
  }
};

TEST_P(BackendFile, opening_a_missing_file_without_create_is_not_found_and_names_it) {
  const auto opened = world->files().open(world->path("missing"), {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.errc(), Errc::not_found);
  EXPECT_NE(opened.error().text.find("missing"), std::string::npos);
}

TEST_P(BackendFile, a_second_open_is_in_use_until_the_first_is_closed) {
  auto file = make_file("a", 1 << 20);
  EXPECT_TRUE(file->created());
  const auto second = world->files().open(world->path("a"), {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.errc(), Errc::in_use);
  EXPECT_NE(second.error().text.find("in use"), std::string::npos);
  file.reset();
  const auto third = world->files().open(world->path("a"), {.create = true, .create_size_bytes = 5});
  ASSERT_TRUE(third.ok());
  EXPECT_FALSE((*third)->created());
  EXPECT_EQ((*third)->size_bytes(), 1u << 20) << "create leaves a file alone that is there";
}

TEST_P(BackendFile, what_is_opened_to_be_read_is_locked_and_takes_no_change) {
  AlignedBuffer data(k_block_bytes);
  {
    const std::unique_ptr<File> file = make_file("a", k_block_bytes);
    ASSERT_EQ(run(FileOp::Kind::write, *file, 0, {&data.segment, 1}), int64_t{k_block_bytes});
  }
  const auto opened = world->files().open(world->path("a"), {.read_only = true});
  ASSERT_TRUE(opened.ok()) << opened.error().text;
  const File& file = **opened;
  EXPECT_EQ(world->files().open(world->path("a"), {.read_only = true}).errc(), Errc::in_use);
  AlignedBuffer other(k_block_bytes);
  other.fill(std::vector<uint8_t>(k_block_bytes, 1));
  for (const FileOp::Kind kind : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
    EXPECT_EQ(run(kind, file, 0, {&other.segment, 1}), -EBADF);
  }
  for (const FileOp::Kind kind : {FileOp::Kind::punch_hole, FileOp::Kind::zero_range}) {
    EXPECT_EQ(run(kind, file, 0, {}, k_block_bytes), -EBADF);
  }
  ASSERT_EQ(run(FileOp::Kind::read, file, 0, {&other.segment, 1}), int64_t{k_block_bytes});
  EXPECT_EQ(other.bytes(), data.bytes());
}

TEST_P(BackendFile, a_new_file_has_its_size_and_reads_zeroes) {
  const auto file = make_file("a", 64 * 1024);
  EXPECT_EQ(file->size_bytes(), 64u * 1024);
  EXPECT_TRUE(file->volatile_write_cache());
  EXPECT_FALSE(file->is_block_device());
  AlignedBuffer buffer(k_block_bytes);
  EXPECT_EQ(run(FileOp::Kind::read, *file, 8 * k_block_bytes, buffer), int64_t{k_block_bytes});
  EXPECT_EQ(buffer.bytes(), std::vector<uint8_t>(k_block_bytes));
}

TEST_P(BackendFile, what_was_written_is_read_back_either_way_of_writing) {
  const auto file = make_file("a", 1 << 20);
  for (const FileOp::Kind kind : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
    AlignedBuffer written(2 * k_block_bytes);
    written.fill(pattern(2 * k_block_bytes, static_cast<uint8_t>(kind)));
    EXPECT_EQ(run(kind, *file, 3 * k_block_bytes, written), int64_t{2 * k_block_bytes});
    AlignedBuffer read(2 * k_block_bytes);
    EXPECT_EQ(run(FileOp::Kind::read, *file, 3 * k_block_bytes, read), int64_t{2 * k_block_bytes});
    EXPECT_EQ(read.bytes(), written.bytes());
  }
  EXPECT_EQ(run(FileOp::Kind::sync_data, *file, 0, {}), 0);
}

TEST_P(BackendFile, several_segments_are_one_range) {
  const auto file = make_file("a", 1 << 20);
  AlignedBuffer first(k_block_bytes);
  AlignedBuffer second(2 * k_block_bytes);
  first.fill(pattern(k_block_bytes, 1));
  second.fill(pattern(2 * k_block_bytes, 2));
  const Segment both[] = {first.segment, second.segment};
  EXPECT_EQ(run(FileOp::Kind::write_durable, *file, 0, both), int64_t{3 * k_block_bytes});
  AlignedBuffer all(3 * k_block_bytes);
  EXPECT_EQ(run(FileOp::Kind::read, *file, 0, all), int64_t{3 * k_block_bytes});
  std::vector<uint8_t> expected = first.bytes();
  const std::vector<uint8_t> rest = second.bytes();
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_EQ(all.bytes(), expected);
}

TEST_P(BackendFile, memory_of_the_arena_works_as_any_other) {
  const auto file = make_file("a", 1 << 20);
  Reactor& reactor = world->reactor(0);
  reactor.io().register_memory(reactor.buffers().mapping());
  const Segment buffer = reactor.buffers().try_acquire(k_block_bytes, BufferArena::Purpose::transfer);
  ASSERT_NE(buffer.base, nullptr);
  const std::vector<uint8_t> bytes = pattern(k_block_bytes);
  for (const FileOp::Kind kind : {FileOp::Kind::write, FileOp::Kind::write_durable}) {
    std::memcpy(buffer.base, bytes.data(), bytes.size());
    EXPECT_EQ(run(kind, *file, k_block_bytes, {&buffer, 1}), int64_t{k_block_bytes});
    std::memset(buffer.base, 0, k_block_bytes);
    EXPECT_EQ(run(FileOp::Kind::read, *file, k_block_bytes, {&buffer, 1}), int64_t{k_block_bytes});
    EXPECT_EQ(std::memcmp(buffer.base, bytes.data(), bytes.size()), 0);
  }
  reactor.buffers().release(buffer);
}

TEST_P(BackendFile, punched_and_zeroed_ranges_read_zeroes_and_leave_the_rest) {
  const auto file = make_file("a", 1 << 20);
  for (const FileOp::Kind kind : {FileOp::Kind::punch_hole, FileOp::Kind::zero_range}) {
    AlignedBuffer written(4 * k_block_bytes);
    written.fill(pattern(4 * k_block_bytes));
    EXPECT_EQ(run(FileOp::Kind::write, *file, 0, written), int64_t{4 * k_block_bytes});
    const int64_t result = run(kind, *file, k_block_bytes, {}, 2 * k_block_bytes);
    if (result == -EOPNOTSUPP) continue;  // not every file system can
    EXPECT_EQ(result, 0);
    std::vector<uint8_t> expected = written.bytes();
    std::fill_n(expected.begin() + k_block_bytes, 2 * k_block_bytes, uint8_t{0});
    AlignedBuffer read(4 * k_block_bytes);
    EXPECT_EQ(run(FileOp::Kind::read, *file, 0, read), int64_t{4 * k_block_bytes});
    EXPECT_EQ(read.bytes(), expected);
  }
}

TEST_P(BackendFile, reading_past_the_end_is_short) {
  const auto file = make_file("a", 2 * k_block_bytes);
  AlignedBuffer buffer(2 * k_block_bytes);
  EXPECT_EQ(run(FileOp::Kind::read, *file, k_block_bytes, buffer), int64_t{k_block_bytes});
  EXPECT_EQ(run(FileOp::Kind::read, *file, 2 * k_block_bytes, buffer), 0);
}

TEST_P(BackendFile, an_unaligned_direct_read_is_an_error_or_right_but_never_wrong_data) {
  const auto file = make_file("a", 1 << 20);
  if (file->direct_alignment_bytes() == 1) GTEST_SKIP() << "no direct I/O in this folder";
  EXPECT_LE(file->direct_alignment_bytes(), k_block_bytes);
  AlignedBuffer written(2 * k_block_bytes);
  written.fill(pattern(2 * k_block_bytes));
  EXPECT_EQ(run(FileOp::Kind::write, *file, 0, written), int64_t{2 * k_block_bytes});
  for (const uint64_t offset : {0, 1, 100}) {
    AlignedBuffer buffer(k_block_bytes);
    const Segment into{buffer.segment.base + 1, 512};
    const int64_t result = run(FileOp::Kind::read, *file, offset, {&into, 1});
    if (result == -EINVAL) continue;
    EXPECT_EQ(result, 512);
    EXPECT_EQ(std::memcmp(into.base, written.segment.base + offset, 512), 0);
  }
}

TEST_P(BackendFile, without_direct_any_alignment_will_do) {
  const auto file = make_file("a", 1 << 20, false);
  EXPECT_EQ(file->direct_alignment_bytes(), 1u);
  std::vector<uint8_t> bytes = pattern(777);
  const Segment data{bytes.data(), bytes.size()};
  EXPECT_EQ(run(FileOp::Kind::write, *file, 333, {&data, 1}), 777);
  std::vector<uint8_t> read(777);
  const Segment into{read.data(), read.size()};
  EXPECT_EQ(run(FileOp::Kind::read, *file, 333, {&into, 1}), 777);
  EXPECT_EQ(read, bytes);
}

TEST_P(BackendFile, takes_more_operations_at_once_than_the_ring_has_entries) {
  const auto file = make_file("a", 16 << 20);
  constexpr size_t k_ops_count = 4000;
  AlignedBuffer block(k_block_bytes);
  block.fill(pattern(k_block_bytes));
  std::vector<std::unique_ptr<Running>> ops;
  on(0, [&] {
    for (size_t i = 0; i < k_ops_count; ++i) {
      ops.push_back(std::make_unique<Running>());
      ops.back()->kind = FileOp::Kind::write;
      ops.back()->file = file->descriptor();
      ops.back()->offset = i * k_block_bytes;
      ops.back()->data = {&block.segment, 1};
      world->reactor(0).io().submit(*ops.back());
    }
  });
  ASSERT_TRUE(world->run_until([&] {
    for (auto& op : ops) {
      if (!op->is_done) return false;
    }
    return true;
  }));
  for (auto& op : ops) EXPECT_EQ(op->result, int64_t{k_block_bytes});
}

TEST_P(BackendFile, one_file_serves_two_reactors) {
  const auto file = make_file("a", 1 << 20);
  AlignedBuffer buffers[2] = {AlignedBuffer(k_block_bytes), AlignedBuffer(k_block_bytes)};
  Running ops[2];
  for (size_t i = 0; i < 2; ++i) {
    buffers[i].fill(pattern(k_block_bytes, static_cast<uint8_t>(i)));
    ops[i].kind = FileOp::Kind::write_durable;
    ops[i].file = file->descriptor();
    ops[i].offset = i * k_block_bytes;
    ops[i].data = {&buffers[i].segment, 1};
    on(i, [&] { world->reactor(i).io().submit(ops[i]); });
  }
  ASSERT_TRUE(world->run_until([&] { return ops[0].is_done && ops[1].is_done; }));
  AlignedBuffer read(k_block_bytes);
  EXPECT_EQ(run(FileOp::Kind::read, *file, k_block_bytes, read), int64_t{k_block_bytes});
  EXPECT_EQ(read.bytes(), buffers[1].bytes());
}

// Else a disk has nothing to do until the rest of a long turn is over. The simulator starts none before that.
TEST_P(BackendFile, several_operations_are_begun_before_the_turn_ends) {
  if (GetParam().make == make_simulated) return;
  const auto file = make_file("a", 1 << 20, false);
  AlignedBuffer block(k_block_bytes);
  block.fill(pattern(k_block_bytes));
  Running ops[8];
  on(0, [&] {
    for (size_t i = 0; i < 8; ++i) {
      ops[i].kind = FileOp::Kind::write;
      ops[i].file = file->descriptor();
      ops[i].offset = i * k_block_bytes;
      ops[i].data = {&block.segment, 1};
      world->reactor(0).io().submit(ops[i]);
    }
  });
  std::vector<uint8_t> seen(k_block_bytes);
  MonotonicClock clock;
  const uint64_t end_ns = clock.now_ns() + 20 * k_ns_per_s;
  while (seen != block.bytes() && clock.now_ns() < end_ns) {
    ASSERT_EQ(pread(file->descriptor(), seen.data(), seen.size(), 0), ssize_t{k_block_bytes});
  }
  EXPECT_EQ(seen, block.bytes());
  ASSERT_TRUE(world->run_until([&] {
    return std::all_of(std::begin(ops), std::end(ops), [](const Running& op) { return op.is_done; });
  }));
}

INSTANTIATE_TEST_SUITE_P(backends, BackendFile, k_all_backends,
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ballast::test
