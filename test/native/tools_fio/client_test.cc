// The fio client against a target of ours, over loopback.
#include "tools/fio/client.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <set>

#include "client_fixture.h"

namespace {
thread_local bool counting = false;
thread_local uint64_t allocations_count = 0;

void* allocate(std::size_t size_bytes) {
  if (counting) ++allocations_count;
  void* const memory = std::malloc(size_bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

void* operator new(std::size_t size_bytes) { return allocate(size_bytes); }
void* operator new[](std::size_t size_bytes) { return allocate(size_bytes); }
void* operator new(std::size_t size_bytes, const std::nothrow_t&) noexcept { return allocate(size_bytes); }
void* operator new[](std::size_t size_bytes, const std::nothrow_t&) noexcept { return allocate(size_bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace ballast::fio::test {
namespace {

TEST_F(ClientTest, knows_the_volume) {
  connect(options());
  EXPECT_EQ(client_->volume().size_bytes, k_volume_bytes);
  EXPECT_EQ(client_->volume().block_bytes, k_block);
  EXPECT_EQ(client_->volume().transfer_bytes_max, 128u * 1024);
  EXPECT_TRUE(client_->volume().supports_deallocate);
}

TEST_F(ClientTest, reads_what_it_wrote_and_zeroes_after_a_trim_with_and_without_digests) {
  for (const bool digests : {false, true}) {
    ClientOptions wanted = options();
    wanted.header_digest = wanted.data_digest = digests;
    connect(wanted);
    std::vector<uint8_t>& buffer = buffers_[0];
    std::fill(buffer.begin(), buffer.end(), uint8_t{0xa5});
    EXPECT_EQ(run(BALLAST_FIO_WRITE, 8 * k_block, 2 * k_block), 0);
    EXPECT_EQ(run(BALLAST_FIO_FLUSH, 0, 0), 0);
    std::fill(buffer.begin(), buffer.end(), uint8_t{0});
    EXPECT_EQ(run(BALLAST_FIO_READ, 8 * k_block, 2 * k_block), 0);
    EXPECT_EQ(std::count(buffer.begin(), buffer.end(), 0xa5), 2 * k_block);
    EXPECT_EQ(run(BALLAST_FIO_DEALLOCATE, 8 * k_block, 2 * k_block), 0);
    EXPECT_EQ(run(BALLAST_FIO_READ, 8 * k_block, 2 * k_block), 0);
    EXPECT_EQ(std::count(buffer.begin(), buffer.end(), 0), 2 * k_block);
    client_.reset();
  }
}

// As fio does with iodepth_batch_complete_max=1: one is taken and replaced at a time.
TEST_F(ClientTest, gives_every_request_back_once_however_many_are_taken_at_a_time) {
  connect(options());
  for (const uint32_t max : {1u, 3u, k_depth}) {
    std::set<void*> outside;
    for (uint32_t i = 0; i < k_depth; ++i) {
      ASSERT_EQ(submit(i, BALLAST_FIO_READ, i * k_block, k_block), 0);
      outside.insert(&buffers_[i]);
    }
    for (uint32_t ended = 0; ended < 1000;) {
      const uint32_t taken = client_->collect(1, max);
      ASSERT_GE(taken, 1u);
      ASSERT_LE(taken, max);
      for (uint32_t i = 0; i < taken; ++i, ++ended) {
        Client::Request& request = client_->collected(i);
        EXPECT_EQ(request.error, 0);
        ASSERT_EQ(outside.erase(request.owner), 1u);
        const auto index =
            static_cast<uint32_t>(static_cast<std::vector<uint8_t>*>(request.owner) - buffers_);
        ASSERT_EQ(submit(index, BALLAST_FIO_READ, ended % 512 * k_block, k_block), 0);
        outside.insert(request.owner);
      }
    }
    EXPECT_EQ(client_->collect(k_depth, k_depth), k_depth);
    EXPECT_EQ(client_->collect(0, k_depth), 0u);
    EXPECT_EQ(client_->collect(1, 1), 0u) << "nothing is in flight: nothing is waited for";
  }
}

TEST_F(ClientTest, a_look_without_waiting_sends_what_was_held_back) {
  connect(options());
  ASSERT_EQ(submit(0, BALLAST_FIO_READ, 0, k_block), 0);
  uint32_t taken = 0;
  while (taken == 0) taken = client_->collect(0, 1);
  EXPECT_EQ(client_->collected(0).owner, &buffers_[0]);
}

TEST_F(ClientTest, tells_of_every_request_once_when_it_leaves) {
  std::vector<void*> sent;
  ClientOptions wanted = options();
  wanted.queue_depth = 100;
  wanted.context = &sent;
  wanted.on_send = [](void* context, void* const* owners, uint32_t count) {
    static_cast<std::vector<void*>*>(context)->insert(static_cast<std::vector<void*>*>(context)->end(),
                                                      owners, owners + count);
  };
  connect(wanted);
  ASSERT_EQ(submit(0, BALLAST_FIO_READ, 0, k_block), 0);
  ASSERT_EQ(submit(1, BALLAST_FIO_READ, 0, k_block), 0);
  EXPECT_TRUE(sent.empty());
  client_->send_held();
  EXPECT_EQ(sent, (std::vector<void*>{&buffers_[0], &buffers_[1]}));
  client_->send_held();
  ASSERT_EQ(client_->collect(2, 2), 2u);
  EXPECT_EQ(sent.size(), 2u);

  ASSERT_EQ(submit(2, BALLAST_FIO_READ, 0, k_block), 0);
  ASSERT_EQ(client_->collect(1, 1), 1u);
  EXPECT_EQ(sent.back(), &buffers_[2]);

  // More than are held back at a time, none of them collected meanwhile.
  sent.clear();
  std::vector<uint8_t> data(k_block);
  std::vector<Client::Request*> many;
  for (uint32_t i = 0; i < 100; ++i) many.push_back(&client_->attach(i, &many));
  for (Client::Request* request : many) {
    ASSERT_EQ(client_->submit(*request, BALLAST_FIO_WRITE, 0, data.data(), k_block), 0);
  }
  EXPECT_GT(sent.size(), 0u);
  EXPECT_LT(sent.size(), 100u);
  ASSERT_EQ(client_->collect(100, 100), 100u);
  EXPECT_EQ(sent.size(), 100u);
}

TEST_F(ClientTest, an_io_allocates_nothing) {
  connect(options());
  const auto round = [this] {
    for (uint32_t i = 0; i < k_depth; ++i) {
      static_cast<void>(submit(i, i % 2 == 0 ? BALLAST_FIO_READ : BALLAST_FIO_WRITE, i * k_block, k_block));
    }
    for (uint32_t left = k_depth; left > 0;) left -= client_->collect(1, 4);
  };
  round();
  counting = true;
  for (int i = 0; i < 20; ++i) round();
  counting = false;
  EXPECT_EQ(allocations_count, 0u);
}

TEST_F(ClientTest, refuses_what_cannot_be_a_command) {
  connect(options());
  EXPECT_EQ(run(BALLAST_FIO_READ, 512), EINVAL);
  EXPECT_EQ(run(BALLAST_FIO_WRITE, 0, 100), EINVAL);
  EXPECT_EQ(run(BALLAST_FIO_WRITE, 0, 0), EINVAL);
  EXPECT_EQ(run(BALLAST_FIO_READ, 0, 256 * 1024), EINVAL);
  EXPECT_EQ(run(BALLAST_FIO_DEALLOCATE, 100), EINVAL);
  EXPECT_EQ(run(BALLAST_FIO_DEALLOCATE, 0, uint64_t{k_block} << 32), EINVAL);
  EXPECT_EQ(client_->collect(0, 1), 0u);
}

TEST_F(ClientTest, a_failed_io_is_an_errno_and_its_status_is_reported_once) {
  connect(options());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(BALLAST_FIO_READ, k_volume_bytes), EREMOTEIO);
  EXPECT_EQ(run(BALLAST_FIO_READ, 0), 0);
  const auto reports = std::count_if(log_.begin(), log_.end(), [](const std::string& line) {
    return line == "read of namespace 1: status: LBA Out of Range (0/80h)";
  });
  EXPECT_EQ(reports, 1);
}

TEST_F(ClientTest, says_why_it_cannot_connect) {
  ClientOptions wanted = options();
  wanted.nsid = 7;
  EXPECT_EQ(Client::connect(wanted).error().text, "the subsystem has no namespace 7");
  wanted = options();
  wanted.uri += "x";
  EXPECT_EQ(Client::connect(wanted).errc(), Errc::refused_by_peer);
  wanted.uri = "nowhere";
  EXPECT_EQ(Client::connect(wanted).errc(), Errc::invalid_argument);
  stop_target();
  EXPECT_EQ(Client::connect(options()).errc(), Errc::connection_refused);
}

TEST_F(ClientTest, waits_for_a_lost_target_until_it_is_told_to_stop) {
  static int asked;
  asked = 0;
  ClientOptions wanted = options();
  wanted.stop_requested = [](void* times) { return ++asked == *static_cast<int*>(times); };
  int times = 3;
  wanted.context = &times;
  connect(wanted);
  EXPECT_EQ(run(BALLAST_FIO_READ, 0), 0);
  EXPECT_EQ(asked, 0) << "the target is there";
  stop_target();
  ASSERT_EQ(submit(1, BALLAST_FIO_READ, 0, k_block), 0);
  ASSERT_EQ(submit(2, BALLAST_FIO_WRITE, 0, k_block), 0);
  ASSERT_EQ(client_->collect(2, 2), 2u);
  EXPECT_EQ(asked, times);
  EXPECT_EQ(client_->collected(0).error, ENOLINK);
  EXPECT_EQ(client_->collected(1).error, ENOLINK);
  EXPECT_NE(std::find(log_.begin(), log_.end(), "stopped while the target is away: 2 I/Os are given up"),
            log_.end());
  EXPECT_EQ(run(BALLAST_FIO_READ, 0), ENOLINK) << "at once";
}

TEST_F(ClientTest, fails_io_when_the_target_is_not_back_within_the_loss_time_out) {
  ClientOptions wanted = options();
  wanted.ctrl_loss_timeout_ns = 0;
  connect(wanted);
  stop_target();
  EXPECT_EQ(run(BALLAST_FIO_READ, 0), ENOLINK);
}

TEST_F(ClientTest, is_the_same_through_its_c_face) {
  ballast_fio_options wanted{};
  char error[128] = "";
  ballast_fio_client* client = nullptr;
  wanted.uri = uri_.c_str();
  wanted.queue_depth = 1;
  wanted.nsid = 9;
  EXPECT_EQ(ballast_fio_connect(&wanted, &client, error, sizeof(error)), ENXIO);
  EXPECT_STREQ(error, "the subsystem has no namespace 9");
  EXPECT_EQ(client, nullptr);
  EXPECT_EQ(ballast_fio_connect(&wanted, &client, error, 4), ENXIO);
  EXPECT_STREQ(error, "the");

  wanted.nsid = 1;
  ASSERT_EQ(ballast_fio_connect(&wanted, &client, error, sizeof(error)), 0) << error;
  EXPECT_EQ(ballast_fio_volume_of(client)->size_bytes, k_volume_bytes);
  std::vector<uint8_t> data(k_block, 1);
  ballast_fio_request* const request = ballast_fio_attach(client, 0, &data);
  EXPECT_EQ(ballast_fio_submit(request, BALLAST_FIO_READ, 1, data.data(), k_block), EINVAL);
  ASSERT_EQ(ballast_fio_submit(request, BALLAST_FIO_READ, 0, data.data(), k_block), 0);
  ballast_fio_send_held(client);
  ASSERT_EQ(ballast_fio_collect(client, 1, 1), 1u);
  int io_error = -1;
  EXPECT_EQ(ballast_fio_collected(client, 0, &io_error), &data);
  EXPECT_EQ(io_error, 0);
  EXPECT_EQ(data[0], 0);
  ballast_fio_close(client);
}

}  // namespace
}  // namespace ballast::fio::test
