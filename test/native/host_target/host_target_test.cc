// Our initiator against our target: data stays what it was over any number of reactors, with and without
// digests, and through lost connections.
#include "host_target_fixture.h"

namespace ballast::test {
namespace {

struct Shape {
  uint32_t target_reactors;
  uint32_t host_reactors;
  bool digests;
};

class HostTarget : public testing::TestWithParam<Shape>, public HostTargetWorld {
 protected:
  HostTarget() : HostTargetWorld(11, GetParam().target_reactors, GetParam().host_reactors) {
    options_.io_queues_count = 4;
    options_.queue_entries = 32;
    options_.header_digest = options_.data_digest = GetParam().digests;
    options_.reconnect_delay_max_ns = k_ns_per_s;
  }
};

TEST_P(HostTarget, random_writes_are_read_back_as_written) {
  world_.network().random_cuts = true;
  connect();
  Prng prng(5);
  Bytes shadow(4096 * 512);
  for (int round = 0; round < 30; ++round) {
    // Each request has its own part of the device: requests in flight must not overlap.
    std::vector<std::unique_ptr<TestIo>> ios;
    for (uint64_t part = 0; part < 16; ++part) {
      const auto blocks = static_cast<uint32_t>(prng.chance(1, 8) ? 256 : 1 + prng.below(32));
      const uint64_t lba = part * 256 + prng.below(256 - blocks + 1);
      const bool is_write = prng.chance(1, 2);
      const auto seed = static_cast<uint32_t>(prng.next() | 1);
      ios.push_back(
          std::make_unique<TestIo>(is_write ? k_io_write : k_io_read, lba, blocks, is_write ? seed : 0));
      if (is_write)
        std::copy(ios.back()->memory.begin(), ios.back()->memory.end(),
                  shadow.begin() + static_cast<ptrdiff_t>(lba * 512));
      submit(*ios.back(), static_cast<uint16_t>(prng.below(4)));
    }
    ASSERT_TRUE(wait_for(ios));
    for (const auto& io : ios) {
      ASSERT_TRUE(io->ok()) << nvme::status_name(io->completion.status());
      const uint64_t lba = nvme::starting_lba(io->request.host.command);
      ASSERT_EQ(0, std::memcmp(io->memory.data(), shadow.data() + lba * 512, io->memory.size()));
    }
  }
}

TEST_P(HostTarget, requests_survive_a_target_that_closes_all_connections) {
  connect();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<TestIo>> ios;
    for (uint32_t i = 0; i < 64; ++i) {
      ios.push_back(
          std::make_unique<TestIo>(k_io_write, i * 64, 1 + i, i + 1 + static_cast<uint32_t>(round) * 100));
      submit(*ios.back(), static_cast<uint16_t>(i % 4));
    }
    kick();
    ASSERT_TRUE(wait_for(ios));
    for (const auto& io : ios) ASSERT_TRUE(io->ok()) << nvme::status_name(io->completion.status());
    for (uint32_t i = 0; i < 64; i += 7) {
      std::vector<std::unique_ptr<TestIo>> reads;
      reads.push_back(std::make_unique<TestIo>(k_io_read, i * 64, 1 + i));
      submit(*reads[0], 0);
      ASSERT_TRUE(wait_for(reads));
      ASSERT_TRUE(reads[0]->ok());
      EXPECT_EQ(reads[0]->memory, pattern((1 + i) * 512, i + 1 + static_cast<uint32_t>(round) * 100));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, HostTarget,
                         testing::Values(Shape{1, 1, false}, Shape{1, 1, true}, Shape{3, 1, false},
                                         Shape{1, 3, true}, Shape{3, 3, false}, Shape{3, 3, true}),
                         [](const auto& shape) {
                           return "target" + std::to_string(shape.param.target_reactors) + "_host" +
                                  std::to_string(shape.param.host_reactors) +
                                  (shape.param.digests ? "_digests" : "_plain");
                         });

class HostTargetOnce : public testing::Test, public HostTargetWorld {
 protected:
  HostTargetOnce() : HostTargetWorld(3, 2, 2) {}
};

TEST_F(HostTargetOnce, a_target_that_refuses_for_longer_than_the_limit_makes_the_controller_dead) {
  options_.ctrl_loss_timeout_ns = 5 * k_ns_per_s;
  connect();
  kick(true);
  ASSERT_TRUE(wait_for(ControllerState::dead));
  TestIo read(k_io_read);
  world_.settle();
  submit(read, 0);
  EXPECT_TRUE(read.is_pathing_error());
}

TEST_F(HostTargetOnce, a_namespace_replaced_by_another_volume_ends_the_controller_without_a_write) {
  connect();
  world_.settle();
  ASSERT_TRUE(change([&](auto done) { return target_->remove_namespace(k_volume_nqn, 1, done); }));
  world_.settle();
  ASSERT_TRUE(add_namespace(1, 4096, 0x22));
  ASSERT_TRUE(wait_for(ControllerState::dead));
  EXPECT_EQ(target_->namespace_counters(k_volume_nqn, 1).totals().writes, 0u);
}

TEST_F(HostTargetOnce, keep_alive_holds_an_idle_association) {
  options_.keep_alive_ms = 2000;
  connect();
  world_.advance(60 * k_ns_per_s);
  EXPECT_EQ(controller_->state(), ControllerState::live);
  EXPECT_EQ(target_->controllers_count(), 1u);
}

TEST_F(HostTargetOnce, close_leaves_no_controller_at_the_target) {
  options_.io_queues_count = 4;
  connect();
  close_controller();
  EXPECT_TRUE(world_.run_until([this] { return target_->controllers_count() == 0; }));
}

TEST_F(HostTargetOnce, discover_lists_the_subsystem_at_its_listener) {
  ASSERT_TRUE(change([&](auto done) { return target_->set_listeners({{{"192.0.2.7", 4420}, 1}}, done); }));
  bool told = false;
  world_.on(*host_reactors_[0], [&] {
    initiator::discover(
        *host_reactors_[0], options_, [&](Result<std::vector<initiator::DiscoveryEntry>> result) {
          told = true;
          ASSERT_TRUE(result.ok()) << result.error().text;
          const auto& entries = result.value();
          const auto found = std::find_if(entries.begin(), entries.end(), [](const auto& entry) {
            return entry.subsystem_nqn == k_volume_nqn;
          });
          ASSERT_NE(found, entries.end());
          EXPECT_EQ(found->address, "192.0.2.7");
          EXPECT_EQ(found->port, "4420");
          EXPECT_EQ(found->transport, "tcp");
          EXPECT_EQ(found->subsystem_type, "nvme");
        });
  });
  ASSERT_TRUE(world_.run_until([&told] { return told; }));
}

}  // namespace
}  // namespace ballast::test
