// The FUSE protocol as a kernel speaks it, and as it should not: a socket pair of messages stands for
// /dev/fuse, a memory device is served.
#include "attach/fuse_session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/prng.h"
#include "bdev/memory/memory_bdev.h"
#include "reactor/uring_backend.h"
#include "support/native/scripted_bdev.h"

namespace ballast::attach {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t k_size_bytes = 1 << 20;
constexpr uint32_t k_block_bytes = 4096;

template <typename T>
Bytes bytes_of_body(const T& body) {
  Bytes bytes(sizeof(body));
  std::memcpy(bytes.data(), &body, sizeof(body));
  return bytes;
}

struct Answer {
  fuse_out_header header{};
  Bytes body;
  template <typename T>
  T as() const {
    T value{};
    EXPECT_GE(body.size(), sizeof(T));
    std::memcpy(&value, body.data(), std::min(body.size(), sizeof(T)));
    return value;
  }
};

class FuseSessionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto backend = UringBackend::create(clock_);
    ASSERT_TRUE(backend.ok());
    backend_ = std::move(*backend);
    auto arena = BufferArena::create({.small_count = 2,
                                      .large_count = 2,
                                      .small_reserved_for_capsules = 1,
                                      .large_reserved_for_capsules = 1});
    ASSERT_TRUE(arena.ok());
    reactor_ = std::make_unique<Reactor>(ReactorOptions{}, *backend_, clock_, prng_, std::move(*arena));
    entered_ = std::make_unique<Reactor::Entered>(*reactor_);
    auto memory = bdev::make_memory_bdev({.size_bytes = k_size_bytes, .block_size_bytes = k_block_bytes});
    ASSERT_TRUE(memory.ok());
    device_ = std::make_unique<test::ScriptedBdev>(*memory);
  }

  void start(FuseOptions options = {.background_max = 4, .foreground_max = 2, .transfer_bytes_max = 65536}) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    kernel_ = pair[0];
    auto session = FuseSession::start(*reactor_, *device_, pair[1], options,
                                      [this](const Error& why) { ended_.push_back(why.errc); });
    ASSERT_TRUE(session.ok());
    session_ = std::move(*session);
  }

  void TearDown() override {
    if (session_ != nullptr) {
      device_->hold = false;
      while (!device_->held.empty()) device_->release_one();
      bool closed = false;
      session_->close([&closed] { closed = true; });
      for (int i = 0; i < 1000 && !closed; ++i) reactor_->turn();
      EXPECT_TRUE(closed);
      session_.reset();
    }
    if (kernel_ >= 0) close(kernel_);
    for (int i = 0; i < 10; ++i) reactor_->turn();
    device_.reset();
    entered_.reset();
    reactor_.reset();
  }

  void send_raw(const Bytes& bytes) {
    ASSERT_EQ(send(kernel_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    for (int i = 0; i < 4; ++i) reactor_->turn();
  }

  static Bytes message(uint32_t opcode, const Bytes& body, uint64_t node = FUSE_ROOT_ID,
                       uint64_t unique = 7) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof(header) + body.size());
    header.opcode = opcode;
    header.unique = unique;
    header.nodeid = node;
    Bytes bytes = bytes_of_body(header);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  }

  // False if there is none.
  bool receive(Answer& answer) {
    Bytes bytes(1 << 20);
    const ssize_t got = recv(kernel_, bytes.data(), bytes.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(answer.header))) return false;
    std::memcpy(&answer.header, bytes.data(), sizeof(answer.header));
    EXPECT_EQ(answer.header.len, static_cast<uint32_t>(got));
    answer.body.assign(bytes.begin() + sizeof(answer.header), bytes.begin() + got);
    return true;
  }

  Answer ask(uint32_t opcode, const Bytes& body, uint64_t node = FUSE_ROOT_ID) {
    send_raw(message(opcode, body, node));
    Answer answer;
    EXPECT_TRUE(receive(answer));
    EXPECT_EQ(answer.header.unique, 7u);
    return answer;
  }
  int error_of(uint32_t opcode, const Bytes& body, uint64_t node = FUSE_ROOT_ID) {
    return -ask(opcode, body, node).header.error;
  }

  Answer initialize(uint32_t major = 7, uint32_t minor = 38,
                    uint32_t flags = FUSE_ASYNC_DIO | FUSE_MAX_PAGES | FUSE_BIG_WRITES) {
    fuse_init_in in{};
    in.major = major;
    in.minor = minor;
    in.flags = flags;
    return ask(FUSE_INIT, bytes_of_body(in));
  }

  static Bytes read_of(uint64_t offset, uint32_t size) {
    fuse_read_in in{};
    in.offset = offset;
    in.size = size;
    return bytes_of_body(in);
  }
  static Bytes write_of(uint64_t offset, const Bytes& data, uint32_t claimed) {
    fuse_write_in in{};
    in.offset = offset;
    in.size = claimed;
    Bytes bytes = bytes_of_body(in);
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
  }
  static Bytes allocate_of(uint64_t offset, uint64_t length, uint32_t mode) {
    fuse_fallocate_in in{};
    in.offset = offset;
    in.length = length;
    in.mode = mode;
    return bytes_of_body(in);
  }

  MonotonicClock clock_;
  Prng prng_{1};
  std::unique_ptr<UringBackend> backend_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Reactor::Entered> entered_;
  std::unique_ptr<test::ScriptedBdev> device_;
  std::unique_ptr<FuseSession> session_;
  std::vector<Errc> ended_;
  int kernel_ = -1;
};

TEST_F(FuseSessionTest, agrees_on_the_older_version_and_on_what_both_can) {
  start();
  const auto out = initialize(7, 31).as<fuse_init_out>();
  EXPECT_EQ(out.major, 7u);
  EXPECT_EQ(out.minor, 31u);
  EXPECT_EQ(out.flags, static_cast<uint32_t>(FUSE_ASYNC_DIO | FUSE_MAX_PAGES | FUSE_BIG_WRITES));
  EXPECT_EQ(out.max_write, 65536u);
  EXPECT_EQ(out.max_pages, 16u);
  EXPECT_EQ(out.max_background, 4u);
}

TEST_F(FuseSessionTest, has_transfers_of_128_kib_where_the_kernel_cannot_negotiate_more) {
  start({.background_max = 2, .foreground_max = 2, .transfer_bytes_max = 1 << 20});
  EXPECT_EQ(initialize(7, 27, 0).as<fuse_init_out>().max_write, 131072u);
}

TEST_F(FuseSessionTest, offers_its_version_to_a_newer_major_and_refuses_older_ones) {
  start();
  EXPECT_EQ(initialize(8, 1).as<fuse_init_out>().major, 7u);
  EXPECT_EQ(-initialize(7, 22).header.error, EPROTO);
  EXPECT_EQ(-initialize(6, 99).header.error, EPROTO);
  EXPECT_EQ(initialize().header.error, 0);
}

TEST_F(FuseSessionTest, does_nothing_before_it_is_initialized_and_is_so_once) {
  start();
  EXPECT_EQ(error_of(FUSE_READ, read_of(0, 4096)), EIO);
  EXPECT_EQ(initialize().header.error, 0);
  EXPECT_EQ(-initialize().header.error, EIO);
  EXPECT_TRUE(device_->seen.empty());
}

TEST_F(FuseSessionTest, reads_what_was_written) {
  start();
  initialize();
  Bytes data(2 * k_block_bytes);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * 7 + i / 4096);
  const Answer written = ask(FUSE_WRITE, write_of(8 * k_block_bytes, data, 8192));
  EXPECT_EQ(written.as<fuse_write_out>().size, 8192u);
  EXPECT_EQ(ask(FUSE_READ, read_of(8 * k_block_bytes, 8192)).body, data);
}

TEST_F(FuseSessionTest, refuses_what_is_no_whole_number_of_blocks_or_beyond_the_end) {
  start();
  initialize();
  EXPECT_EQ(error_of(FUSE_READ, read_of(512, 4096)), EINVAL);
  EXPECT_EQ(error_of(FUSE_READ, read_of(0, 100)), EINVAL);
  EXPECT_EQ(error_of(FUSE_READ, read_of(0, 0)), EINVAL);
  EXPECT_EQ(error_of(FUSE_READ, read_of(0, 65536 + 4096)), EINVAL);
  EXPECT_EQ(error_of(FUSE_READ, read_of(0, 0xfffff000)), EINVAL);
  const Bytes block(k_block_bytes);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(1, block, 4096)), EINVAL);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(k_size_bytes, block, 4096)), ENOSPC);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(0xfffffffffffff000, block, 4096)), ENOSPC);
  // What it says and what it has are two things.
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(0, block, 8192)), EINVAL);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(0, {}, 4096)), EINVAL);
  EXPECT_TRUE(device_->seen.empty());
  // Reading at the end gives what is there.
  EXPECT_EQ(ask(FUSE_READ, read_of(k_size_bytes - 4096, 8192)).body.size(), 4096u);
  EXPECT_EQ(ask(FUSE_READ, read_of(k_size_bytes, 4096)).body.size(), 0u);
  EXPECT_EQ(ask(FUSE_READ, read_of(0xfffffffffffff000, 4096)).body.size(), 0u);
}

TEST_F(FuseSessionTest, drops_what_is_shorter_than_a_header_and_refuses_a_wrong_length) {
  start();
  initialize();
  Answer none;
  for (const size_t size : {1u, 8u, 39u}) {
    send_raw(Bytes(size, 0xff));
    EXPECT_FALSE(receive(none)) << size;
  }
  Bytes longer = message(FUSE_GETATTR, Bytes(16));
  longer.push_back(0);
  send_raw(longer);
  Answer refused;
  ASSERT_TRUE(receive(refused));
  EXPECT_EQ(-refused.header.error, EINVAL);
  EXPECT_EQ(session_->requests_in_flight(), 0u);
  // A request that ends within its fields has zeroes there, not what the one before had.
  const Bytes block(k_block_bytes, 1);
  EXPECT_EQ(ask(FUSE_WRITE, write_of(4096, block, 4096)).header.error, 0);
  EXPECT_EQ(error_of(FUSE_READ, {}), EINVAL);
}

TEST_F(FuseSessionTest, answers_enosys_to_every_other_opcode_and_nothing_to_those_without_answer) {
  start();
  initialize();
  for (uint32_t opcode = 0; opcode < 64; ++opcode) {
    switch (opcode) {
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT: {
        send_raw(message(opcode, Bytes(16)));
        Answer none;
        EXPECT_FALSE(receive(none)) << opcode;
        break;
      }
      case FUSE_GETATTR:
      case FUSE_SETATTR:
      case FUSE_OPEN:
      case FUSE_READ:
      case FUSE_WRITE:
      case FUSE_STATFS:
      case FUSE_RELEASE:
      case FUSE_FSYNC:
      case FUSE_FLUSH:
      case FUSE_INIT:
      case FUSE_DESTROY:
      case FUSE_FALLOCATE: break;
      default: EXPECT_EQ(error_of(opcode, Bytes(16)), ENOSYS) << opcode;
    }
  }
  EXPECT_EQ(error_of(0xffffffff, Bytes(16)), ENOSYS);
  EXPECT_EQ(error_of(FUSE_GETATTR, Bytes(16), 2), ESTALE);
}

TEST_F(FuseSessionTest, follows_the_size_of_the_device) {
  start();
  initialize();
  EXPECT_EQ(ask(FUSE_GETATTR, Bytes(16)).as<fuse_attr_out>().attr.size, k_size_bytes);
  device_->shown_geometry.blocks_count = 3;
  const auto out = ask(FUSE_GETATTR, Bytes(16)).as<fuse_attr_out>();
  EXPECT_EQ(out.attr.size, 3u * k_block_bytes);
  EXPECT_EQ(out.attr_valid, 0u);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(3 * k_block_bytes, Bytes(k_block_bytes), 4096)), ENOSPC);
}

TEST_F(FuseSessionTest, makes_zeroes_by_unmapping_or_writing_them) {
  start();
  initialize();
  constexpr uint32_t k_hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  constexpr uint32_t k_zeroes = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(4096, 8192, k_hole)), 0);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(4096, 8192, k_zeroes)), 0);
  device_->shown_capabilities.unmap = false;
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(4096, 8192, k_hole)), 0);
  ASSERT_EQ(device_->seen.size(), 3u);
  EXPECT_EQ(device_->seen[0].type, bdev::IoType::unmap);
  EXPECT_EQ(device_->seen[1].type, bdev::IoType::write_zeroes);
  EXPECT_EQ(device_->seen[2].type, bdev::IoType::write_zeroes);
  EXPECT_EQ(device_->seen[2].lba, 1u);
  EXPECT_EQ(device_->seen[2].blocks_count, 2u);
  device_->shown_capabilities.write_zeroes = false;
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(4096, 8192, k_hole)), EOPNOTSUPP);
  device_->shown_capabilities.unmap = true;
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(0, k_size_bytes + 4096, k_hole)), EINVAL);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(0xfffffffffffff000, 8192, k_hole)), EINVAL);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(1, 4096, k_hole)), EINVAL);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(0, 4096, 0)), EOPNOTSUPP);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(0, 4096, FALLOC_FL_PUNCH_HOLE)), EOPNOTSUPP);
  EXPECT_EQ(device_->seen.size(), 3u);
}

TEST_F(FuseSessionTest, flushes_a_volatile_cache_and_nothing_else) {
  start();
  initialize();
  EXPECT_EQ(error_of(FUSE_FSYNC, Bytes(16)), 0);
  EXPECT_TRUE(device_->seen.empty());
  device_->shown_capabilities.volatile_write_cache = true;
  EXPECT_EQ(error_of(FUSE_FSYNC, Bytes(16)), 0);
  ASSERT_EQ(device_->seen.size(), 1u);
  EXPECT_EQ(device_->seen[0].type, bdev::IoType::flush);
  device_->answer = bdev::Status::io_error;
  EXPECT_EQ(error_of(FUSE_FSYNC, Bytes(16)), EIO);
}

TEST_F(FuseSessionTest, changes_nothing_of_a_device_that_is_read_only) {
  start({.background_max = 2, .foreground_max = 2, .transfer_bytes_max = 65536, .read_only = true});
  initialize();
  fuse_open_in in{};
  in.flags = O_RDWR;
  EXPECT_EQ(error_of(FUSE_OPEN, bytes_of_body(in)), EROFS);
  in.flags = O_RDONLY;
  EXPECT_EQ(error_of(FUSE_OPEN, bytes_of_body(in)), 0);
  EXPECT_EQ(error_of(FUSE_WRITE, write_of(0, Bytes(k_block_bytes), 4096)), EROFS);
  EXPECT_EQ(error_of(FUSE_FALLOCATE, allocate_of(0, 4096, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)),
            EROFS);
  fuse_setattr_in size{};
  size.valid = FATTR_SIZE;
  EXPECT_EQ(error_of(FUSE_SETATTR, bytes_of_body(size)), EPERM);
  EXPECT_TRUE(device_->seen.empty());
}

TEST_F(FuseSessionTest, reads_no_more_requests_than_it_has_room_for_and_all_in_the_end) {
  start({.background_max = 2, .foreground_max = 1, .transfer_bytes_max = 65536});
  initialize();
  device_->hold = true;
  for (uint64_t unique = 1; unique <= 8; ++unique) {
    send_raw(message(FUSE_READ, read_of(unique * 4096, 4096), FUSE_ROOT_ID, unique));
  }
  EXPECT_EQ(session_->requests_in_flight(), 3u);
  EXPECT_EQ(device_->held.size(), 3u);
  // An interrupt waits its turn, and changes nothing: each request is answered once.
  send_raw(message(FUSE_INTERRUPT, Bytes(8)));
  std::vector<uint64_t> answered;
  for (int i = 0; i < 100 && answered.size() < 8; ++i) {
    if (!device_->held.empty()) device_->release_one();
    reactor_->turn();
    Answer answer;
    while (receive(answer)) answered.push_back(answer.header.unique);
  }
  EXPECT_EQ(answered, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  device_->hold = false;
}

TEST_F(FuseSessionTest, takes_a_request_for_done_when_its_answer_is_written) {
  start();
  initialize();
  device_->hold = true;
  send_raw(message(FUSE_READ, read_of(0, 4096)));
  device_->release_one();
  bool closed = false;
  session_->close([&closed] { closed = true; });
  EXPECT_EQ(session_->requests_in_flight(), 1u);
  Answer answer;
  EXPECT_FALSE(receive(answer));
  for (int i = 0; i < 10; ++i) reactor_->turn();
  EXPECT_TRUE(closed);
  EXPECT_TRUE(receive(answer));
  EXPECT_EQ(answer.body.size(), 4096u);
  session_.reset();
}

TEST_F(FuseSessionTest, waits_at_its_end_for_the_device) {
  start();
  initialize();
  device_->hold = true;
  send_raw(message(FUSE_READ, read_of(0, 4096)));
  bool closed = false;
  session_->close([&closed] { closed = true; });
  for (int i = 0; i < 10; ++i) reactor_->turn();
  EXPECT_FALSE(closed);
  device_->release_one();
  for (int i = 0; i < 10; ++i) reactor_->turn();
  EXPECT_TRUE(closed);
  Answer answer;
  EXPECT_TRUE(receive(answer));
  session_.reset();
}

TEST_F(FuseSessionTest, tells_once_that_the_other_side_is_gone) {
  start();
  initialize();
  device_->hold = true;
  send_raw(message(FUSE_READ, read_of(0, 4096)));
  close(std::exchange(kernel_, -1));
  for (int i = 0; i < 50; ++i) reactor_->turn();
  EXPECT_EQ(ended_.size(), 1u);
  device_->release_one();  // answers nobody
  for (int i = 0; i < 10; ++i) reactor_->turn();
  EXPECT_EQ(session_->requests_in_flight(), 0u);
}

TEST_F(FuseSessionTest, gives_each_failure_of_a_device_its_errno) {
  start();
  initialize();
  const std::pair<bdev::Status, int> rows[] = {{bdev::Status::media_error, EIO},
                                               {bdev::Status::no_space, ENOSPC},
                                               {bdev::Status::read_only, EROFS},
                                               {bdev::Status::fenced, EIO}};
  for (const auto& [status, error] : rows) {
    device_->answer = status;
    EXPECT_EQ(error_of(FUSE_WRITE, write_of(0, Bytes(k_block_bytes), 4096)), error);
    EXPECT_EQ(error_of(FUSE_READ, read_of(0, 4096)), error);
  }
}

}  // namespace
}  // namespace ballast::attach
