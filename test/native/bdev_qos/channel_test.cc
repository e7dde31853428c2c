// What a channel does besides limiting: what is free, what is mapped, what is lent, and that nothing is
// allocated.
#include "bdev/qos/channel.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include "bdev/memory/memory_bdev.h"
#include "native/bdev_qos/rig.h"

namespace {

// Threads of other tests allocate, too.
std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations_count{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
// GCC 12 of Debian has the function but not its header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                                         void (*on_free)(const volatile void*));
namespace {
void on_malloc(const volatile void*, size_t) { allocations_count += counting ? 1 : 0; }
void on_free(const volatile void*) {}
const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}  // namespace
#else
void* operator new(size_t bytes_count) {
  allocations_count += counting ? 1 : 0;
  if (void* const memory = std::malloc(bytes_count)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
namespace {
const int hooks_installed = 1;
}  // namespace
#endif

namespace ballast::bdev::qos::test {
namespace {

class QosChannelTest : public Rig {
 protected:
  // Of the reactor's own, in the turn of now.
  template <typename Body>
  void on_reactor(Body body) {
    world_.settle();
    world_.on(*reactors_[0], body);
  }
};

TEST_F(QosChannelTest, shows_what_is_below) {
  const std::shared_ptr<Bdev> below = std::move(*make_memory_bdev({1 << 20, 512}));
  const auto volume = governed(below, {.total = {.iops = 1}});
  EXPECT_STREQ(volume->kind(), "memory");
  EXPECT_EQ(&volume->geometry(), &below->geometry());
  EXPECT_EQ(&volume->capabilities(), &below->capabilities());
}

TEST_F(QosChannelTest, a_flush_passes_everything_that_waits) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 1}});
  set_budget({.iops = 1, .depth = 1});
  Load load(world_, *reactors_[0], *volume);
  for (int i = 0; i < 10; ++i) load.submit_one(IoType::write);
  for (int i = 0; i < 100; ++i) load.submit_one(IoType::flush);
  EXPECT_EQ(load.done, 101u);
  volume->drain();
  finish(load);
}

TEST_F(QosChannelTest, everything_else_counts) {
  for (const IoType type : {IoType::read, IoType::write, IoType::write_zeroes, IoType::unmap, IoType::compare,
                            IoType::compare_and_write, IoType::copy, IoType::verify}) {
    const auto below = timed();
    const auto volume = governed(below, {.total = {.iops = 10}});
    Load load(world_, *reactors_[0], *volume);
    for (int i = 0; i < 10; ++i) load.submit_one(type);
    EXPECT_EQ(load.done, 1u) << static_cast<int>(type);
    finish(load);
  }
}

TEST_F(QosChannelTest, what_is_beyond_the_end_costs_nothing_and_is_refused_below) {
  const std::shared_ptr<Bdev> below = std::move(*make_memory_bdev({1 << 20, 4096}));
  const auto volume = governed(below, {.total = {.iops = 1}});
  on_reactor([&] {
    const std::unique_ptr<Channel> channel = volume->open(*reactors_[0]);
    Status answer = Status::ok;
    Io io;
    io.type = IoType::write_zeroes;
    io.lba = 1;
    io.blocks_count = UINT32_MAX;
    io.context = &answer;
    io.done = [](Io& ended, Status status) { *static_cast<Status*>(ended.context) = status; };
    for (int i = 0; i < 3; ++i) {
      answer = Status::ok;
      channel->submit(io);
      EXPECT_EQ(answer, Status::out_of_range);
    }
  });
}

TEST_F(QosChannelTest, maps_a_read_when_it_need_not_wait_and_charges_it) {
  const auto below = timed();
  uint8_t memory = 0;
  below->mapped = {&memory, 4096};
  const auto volume = governed(below, {.read = {.iops = 10}});
  Load load(world_, *reactors_[0], *volume);
  on_reactor([&] {
    const Segment first = load.channel().map_read(0, 1);
    EXPECT_EQ(first.base, &memory);
    EXPECT_EQ(load.channel().map_read(0, 1).base, nullptr);
    EXPECT_EQ(below->maps_count, 1u);
    load.channel().unmap_read(first);
  });
  world_.advance(101 * k_ms);
  load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 1u);
  load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 1u);
  world_.advance(101 * k_ms);
  on_reactor([&] { EXPECT_EQ(load.channel().map_read(0, 1).base, nullptr); });  // that one went before it
  world_.advance(101 * k_ms);
  below->mapped = {};
  for (int i = 0; i < 3; ++i) {  // what the device does not map is not charged
    on_reactor([&] { EXPECT_EQ(load.channel().map_read(0, 1).base, nullptr); });
  }
  load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 3u);
  EXPECT_EQ(below->maps_count, 0u);
}

TEST_F(QosChannelTest, takes_data_at_submit_only_if_the_write_need_not_wait) {
  const auto below = timed();
  const auto volume = governed(below, {.total = {.iops = 10}});
  Load load(world_, *reactors_[0], *volume);
  on_reactor([&] { EXPECT_FALSE(load.channel().takes_data_at_submit()); });
  below->takes_data = true;
  world_.advance(k_s);
  on_reactor([&] { EXPECT_TRUE(load.channel().takes_data_at_submit()); });
  load.submit_one(IoType::write);
  on_reactor([&] { EXPECT_FALSE(load.channel().takes_data_at_submit()); });
  load.submit_one(IoType::write);
  EXPECT_EQ(load.in_flight, 1u);
  on_reactor([&] { EXPECT_FALSE(load.channel().takes_data_at_submit()); });
  finish(load);
}

// The limit comes from another reactor between the question and the write.
TEST_F(QosChannelTest, a_write_whose_data_is_lent_does_not_wait_whatever_comes_between) {
  const auto below = timed();
  below->takes_data = true;
  const auto volume = governed(below, {});
  Load load(world_, *reactors_[0], *volume), other(world_, *reactors_[0], *volume);
  on_reactor([&] { EXPECT_TRUE(load.channel().takes_data_at_submit()); });
  ASSERT_TRUE(volume->set({.total = {.iops = 1}}).ok());
  world_.settle();
  other.submit_one(IoType::write);
  load.submit_one(IoType::read);
  EXPECT_EQ(load.done, 0u);
  load.submit_one(IoType::write);
  EXPECT_EQ(load.done, 1u);
  load.submit_one(IoType::write);
  EXPECT_EQ(load.done, 1u);
  // And it is paid for: two seconds until the next.
  world_.advance(1900 * k_ms);
  EXPECT_EQ(load.done, 1u);
  world_.advance(200 * k_ms);
  EXPECT_EQ(load.done, 2u);
  finish(load);
}

TEST_F(QosChannelTest, more_than_it_can_count_in_the_depth_goes_all_the_same) {
  const auto below = timed(k_ms, 2000);
  set_budget({.depth = 2000});
  const auto volume = governed(below, {});
  Load load(world_, *reactors_[0], *volume);
  load.start(1500);
  EXPECT_EQ(below->in_flight, 1500u);
  finish(load);
  EXPECT_EQ(load.done, load.submitted);
  EXPECT_EQ(node_->stats().in_flight_units, 0u);
}

TEST_F(QosChannelTest, nothing_is_allocated_for_an_io_that_goes_or_waits) {
  ASSERT_EQ(hooks_installed, 1);
  const auto below = timed();
  below->note = false;
  const auto volume = governed(below, {.total = {.iops = 50'000}, .min_iops = 1000});
  for (const NodeBudget& budget : {NodeBudget{}, NodeBudget{.iops = 20'000, .depth = 8}}) {
    set_budget(budget);
    Load load(world_, *reactors_[0], *volume);
    load.start(32);
    world_.advance(50 * k_ms);
    allocations_count = 0;
    counting = true;
    const uint64_t before = load.done;
    world_.advance(50 * k_ms);
    counting = false;
    EXPECT_GT(load.done - before, 900u);
    EXPECT_EQ(allocations_count, 0u);
    finish(load);
  }
}

}  // namespace
}  // namespace ballast::bdev::qos::test
