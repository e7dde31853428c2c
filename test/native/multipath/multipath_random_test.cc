// Random changes of paths under random I/O: every write is acknowledged in the end, and what is read is what
// was written last. A failure prints its seed.
#include "multipath_fixture.h"

namespace ballast::test {
namespace {

using nvme::AnaState;

class MultipathRandom : public MultipathTest, public testing::WithParamInterface<uint64_t> {
 protected:
  static constexpr uint32_t k_parts = 32;  // of the device, each with one request at a time
  static constexpr uint32_t k_part_blocks = 64;

  MultipathRandom() : MultipathTest(GetParam()), prng_(GetParam()) {}

  void change_a_path() {
    const size_t at = prng_.below(nodes_.size());
    Node& node = *nodes_[at];
    switch (prng_.below(4)) {
      case 0:
        if (is_up_[at]) {
          node.stop();
        } else {
          node.start(identity(at), random_state());
        }
        is_up_[at] = !is_up_[at];
        break;
      case 1:
        if (is_up_[at]) node.drop_host();
        break;
      default:
        if (is_up_[at]) node.set_state(random_state());
    }
  }
  AnaState random_state() {
    constexpr AnaState k_states[] = {AnaState::optimized, AnaState::non_optimized, AnaState::inaccessible,
                                     AnaState::change};
    return k_states[prng_.below(std::size(k_states))];
  }
  void heal() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (is_up_[i]) {
        nodes_[i]->set_state(AnaState::optimized);
      } else {
        nodes_[i]->start(identity(i), AnaState::optimized);
      }
      is_up_[i] = true;
    }
  }

  Prng prng_;
  bool is_up_[3] = {true, true, true};
};

TEST_P(MultipathRandom, no_io_fails_and_no_write_is_lost) {
  constexpr initiator::IoPolicy k_policies[] = {initiator::IoPolicy::numa, initiator::IoPolicy::round_robin,
                                                initiator::IoPolicy::queue_depth};
  options_.io_policy = k_policies[GetParam() % std::size(k_policies)];
  options_.ctrl_loss_timeout_ns = initiator::k_never_gives_up;
  world_.network().random_cuts = true;
  for (int i = 0; i < 3; ++i) add_node(AnaState::optimized);
  connect_ok();
  std::vector<Bytes> content(k_parts, Bytes(k_part_blocks * 512));
  for (int round = 0; round < 25; ++round) {
    std::vector<std::unique_ptr<TestIo>> ios;
    for (uint32_t part = 0; part < k_parts; ++part) {
      const bool is_write = prng_.chance(1, 2);
      const auto seed = static_cast<uint32_t>(prng_.next() | 1);
      ios.push_back(std::make_unique<TestIo>(is_write ? k_io_write : k_io_read, part * k_part_blocks,
                                             k_part_blocks, is_write ? seed : 0));
      if (is_write) content[part] = ios.back()->memory;
      submit(*ios.back(), static_cast<uint16_t>(part % 2));
    }
    for (uint64_t changes = prng_.below(4); changes > 0; --changes) {
      world_.advance(prng_.below(2 * k_ns_per_ms));
      change_a_path();
    }
    world_.advance(prng_.below(3 * k_ns_per_s));
    heal();
    ASSERT_TRUE(world_.run_until([&] {
      return std::all_of(ios.begin(), ios.end(), [](const auto& io) { return io->done_count > 0; });
    })) << "seed "
        << GetParam() << ", round " << round;
    for (uint32_t part = 0; part < k_parts; ++part) {
      ASSERT_TRUE(ios[part]->ok()) << "seed " << GetParam() << ": "
                                   << nvme::status_name(ios[part]->completion.status());
      ASSERT_EQ(ios[part]->memory, content[part]) << "seed " << GetParam() << ", part " << part;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, MultipathRandom, testing::Range<uint64_t>(1, 31));

}  // namespace
}  // namespace ballast::test
