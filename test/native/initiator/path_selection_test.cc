// Which path an I/O takes, and the ANA log page of a target read with suspicion.
#include "initiator/path_selection.h"

#include <gtest/gtest.h>

#include <cstring>

#include "initiator/ana_log.h"

namespace ballast::initiator {
namespace {

using nvme::AnaState;

constexpr IoPolicy k_policies[] = {IoPolicy::numa, IoPolicy::round_robin, IoPolicy::queue_depth};

std::vector<PathChoice> paths(std::initializer_list<PathRank> ranks) {
  std::vector<PathChoice> choices;
  for (const PathRank rank : ranks) choices.push_back({.rank = rank});
  return choices;
}
constexpr PathRank k_good = PathRank::optimized, k_fair = PathRank::non_optimized, k_bad = PathRank::unusable;

TEST(PathSelection, without_a_usable_path_there_is_none) {
  for (const IoPolicy policy : k_policies) {
    EXPECT_FALSE(select_path(policy, paths({k_bad, k_bad}), 0));
    EXPECT_FALSE(select_path(policy, {}, 0));
  }
}

TEST(PathSelection, an_optimized_path_goes_before_any_other) {
  for (const IoPolicy policy : k_policies) {
    EXPECT_EQ(select_path(policy, paths({k_fair, k_bad, k_good, k_fair}), 0), 2);
    EXPECT_EQ(select_path(policy, paths({k_bad, k_fair, k_bad}), 0), 1);
  }
}

TEST(PathSelection, a_path_that_is_avoided_is_left_out_whatever_its_rank) {
  auto choices = paths({k_good, k_fair});
  choices[0].is_avoided = true;
  for (const IoPolicy policy : k_policies) EXPECT_EQ(select_path(policy, choices, 0), 1);
  choices[1].is_avoided = true;
  for (const IoPolicy policy : k_policies) EXPECT_FALSE(select_path(policy, choices, 0));
}

TEST(PathSelection, numa_stays_round_robin_moves_on_and_queue_depth_takes_the_idlest) {
  auto choices = paths({k_good, k_bad, k_good, k_good});
  EXPECT_EQ(select_path(IoPolicy::numa, choices, 2), 2);
  EXPECT_EQ(select_path(IoPolicy::numa, choices, 1), 2);
  EXPECT_EQ(select_path(IoPolicy::round_robin, choices, 0), 2);
  EXPECT_EQ(select_path(IoPolicy::round_robin, choices, 2), 3);
  EXPECT_EQ(select_path(IoPolicy::round_robin, choices, 3), 0);
  choices[0].in_flight = 3;
  choices[2].in_flight = 2;
  choices[3].in_flight = 2;
  EXPECT_EQ(select_path(IoPolicy::queue_depth, choices, 0), 2);
}

TEST(PathSelection, ranks_are_those_of_the_ana_states) {
  EXPECT_EQ(rank_of(AnaState::optimized), k_good);
  EXPECT_EQ(rank_of(AnaState::non_optimized), k_fair);
  for (const AnaState state : {AnaState::inaccessible, AnaState::persistent_loss, AnaState::change}) {
    EXPECT_EQ(rank_of(state), k_bad);
  }
}

class AnaLog : public testing::Test {
 protected:
  void add(const void* from, size_t bytes) {
    const auto* const at = static_cast<const uint8_t*>(from);
    log_.insert(log_.end(), at, at + bytes);
  }
  void header(uint16_t groups_count) {
    nvme::AnaLogHeader header;
    header.groups_count = groups_count;
    add(&header, sizeof(header));
  }
  void group(uint8_t state, const std::vector<uint32_t>& nsids, uint32_t told_count = 0) {
    nvme::AnaGroupDescriptor descriptor;
    descriptor.group_id = ++groups_count_;
    descriptor.nsids_count = told_count != 0 ? told_count : static_cast<uint32_t>(nsids.size());
    descriptor.state = state;
    add(&descriptor, sizeof(descriptor));
    for (const uint32_t nsid : nsids) add(&nsid, sizeof(nsid));
  }
  Errc errc() { return parse_ana_log(log_).errc(); }

  std::vector<uint8_t> log_;
  uint32_t groups_count_ = 0;
};

TEST_F(AnaLog, tells_of_each_namespace_in_ascending_order) {
  header(3);
  group(1, {7, 9});
  group(0xf, {2});
  group(3, {});
  const auto entries = parse_ana_log(log_);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].nsid, 2u);
  EXPECT_EQ((*entries)[0].state, AnaState::change);
  EXPECT_EQ((*entries)[1].nsid, 7u);
  EXPECT_EQ((*entries)[2].nsid, 9u);
  EXPECT_EQ((*entries)[2].state, AnaState::optimized);
}

TEST_F(AnaLog, H23_a_page_that_ends_before_what_it_announces_is_refused) {
  EXPECT_EQ(errc(), Errc::protocol_error) << "nothing at all";
  header(1);
  EXPECT_EQ(errc(), Errc::protocol_error) << "a group that is not there";
  group(1, {1}, 2);
  EXPECT_EQ(errc(), Errc::protocol_error) << "a namespace that is not there";
  log_.clear();
  header(1);
  group(1, {1}, 0xffff'ffff);
  EXPECT_EQ(errc(), Errc::protocol_error) << "4 x 2^32 bytes of namespaces";
  log_.clear();
  header(0xffff);
  group(1, {1});
  EXPECT_EQ(errc(), Errc::protocol_error) << "more groups than fit";
}

TEST_F(AnaLog, H23_unknown_states_and_namespaces_in_two_groups_are_refused) {
  for (const uint8_t state : {0, 5, 6, 14, 16, 255}) {
    log_.clear();
    header(1);
    group(state, {1});
    EXPECT_EQ(errc(), Errc::protocol_error) << static_cast<int>(state);
  }
  log_.clear();
  header(2);
  group(1, {1, 4});
  group(2, {4});
  EXPECT_EQ(errc(), Errc::protocol_error);
}

TEST_F(AnaLog, H23_more_namespaces_than_we_look_at_are_refused_and_never_asked_for) {
  std::vector<uint32_t> nsids;
  for (uint32_t nsid = 1; nsid <= k_ana_namespaces_max + 1; ++nsid) nsids.push_back(nsid);
  header(1);
  group(1, nsids);
  EXPECT_EQ(errc(), Errc::protocol_error);
  nvme::IdentifyController identify;
  identify.nanagrpid = identify.mnan = identify.nn = 0xffff'ffff;
  EXPECT_EQ(ana_log_bytes_max(identify), 16u + k_ana_groups_max * 32 + k_ana_namespaces_max * 4);
  identify.nanagrpid = 1;
  identify.mnan = 0;
  identify.nn = 3;
  EXPECT_EQ(ana_log_bytes_max(identify), 16u + 32 + 12);
}

}  // namespace
}  // namespace ballast::initiator
