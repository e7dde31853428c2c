// A head and its members that speak in bytes: one of them a ReplicaCore, or one that says what the test
// wants.
#include "bdev/mirror/member_commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "native/bdev_mirror/replica_harness.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint8_t k_volume = 0xbb, k_replica = 0xaa, k_other = 2, k_head = 9;

struct Sent {
  CommandWords words;
  std::vector<uint8_t> data;
};

// Of two members: 0 is what the test makes of it, 1 says yes to everything and marks nothing.
class MemberCommandsTest : public testing::Test {
 protected:
  using Said = std::function<void(const Sent& sent, MemberAnswer& answer, std::vector<uint8_t>& data)>;

  void start(uint64_t blocks_count, Said said, uint32_t block_size_bytes = 4096) {
    said_ = std::move(said);
    record_.epoch = 1;
    record_.members_count = 2;
    record_.members = {uuid_of(k_replica), uuid_of(k_other)};
    record_.in_sync = in_sync_;
    record_.block_size_bytes = block_size_bytes;
    record_.head_stopped = true;
    record_.blocks_count = blocks_count;
    HeadOptions options;
    options.node = uuid_of(k_head);
    options.near_member = 0;
    head_ = std::make_unique<Head>(options, record_, actions_);
    head_->start(0);
    carry_out();
  }

  void carry_out() {
    while (!actions_.empty()) {
      const Actions actions = std::exchange(actions_, {});
      for (const Action& action : actions) carry_out(action);
    }
  }
  void carry_out(const Action& action) {
    switch (action.kind) {
      case Action::Kind::connect:
        if (refuse_connect_ && action.member == 1) break;
        commands_[action.member] = std::make_unique<MemberCommands>(uuid_of(k_volume), uuid_of(k_head));
        [[fallthrough]];
      case Action::Kind::command: {
        MemberCommands& commands = *commands_[action.member];
        commands.start(*head_, action);
        do {
          Sent sent{commands.request().words, {}};
          sent.data.assign(commands.request().data.begin(), commands.request().data.end());
          const auto transfer = transfer_of(sent.words);
          ASSERT_TRUE(transfer.has_value());
          ASSERT_EQ(sent.data.size(), transfer->request_bytes);
          ASSERT_EQ(commands.request().answer_bytes, transfer->answer_bytes);
          std::vector<uint8_t> data(transfer->answer_bytes, 0);
          MemberAnswer answer;
          if (sent.words.opcode == ReplicaOpcode::read_state) {
            store(MutableByteSpan(data), right_state(action));
          }
          if (action.member == 0) {
            sent_.push_back(sent);
            if (said_) said_(sent, answer, data);
          }
          answer.data = data;
          if (!commands.on_answer(*head_, now_ns_, answer)) break;
        } while (true);
        break;
      }
      case Action::Kind::compare_and_set:
        record_ = head_->wanted_record();
        record_.revision = action.expected_revision + 1;
        head_->on_stored(now_ns_, true, record_);
        break;
      case Action::Kind::read_checksums:
      case Action::Kind::submit: submitted_.push_back(action); break;
      case Action::Kind::complete: completed_.push_back(action); break;
      case Action::Kind::disconnect:
      case Action::Kind::stopped: break;
    }
  }
  ReplicaState right_state(const Action& action) const {
    return {.block_size_bytes = record_.block_size_bytes,
            .volume_uuid = uuid_of(k_volume),
            .replica_uuid = record_.members[action.member],
            .blocks_count = record_.blocks_count,
            .size_max_bytes = record_.blocks_count * record_.block_size_bytes,
            .sealed_epoch = action.epoch,
            .session = action.session};
  }
  void answer(const Action& action, Status status = Status::ok) {
    head_->on_io_done(now_ns_, action.member, action.session, action.op, action.attempt, status);
    carry_out();
  }
  // Ends all that is submitted, and what follows from it.
  void answer_all() {
    while (!submitted_.empty()) {
      const std::vector<Action> list = std::exchange(submitted_, {});
      for (const Action& action : list) answer(action);
    }
  }
  void lose(uint32_t member, uint32_t session) {
    head_->on_member_failed(now_ns_, member, session);
    carry_out();
  }
  void tick(uint64_t ns) {
    now_ns_ += ns;
    head_->on_tick(now_ns_);
    carry_out();
  }
  std::vector<Sent> sent_with(ReplicaOpcode opcode) const {
    std::vector<Sent> found;
    std::ranges::copy_if(sent_, std::back_inserter(found),
                         [opcode](const Sent& sent) { return sent.words.opcode == opcode; });
    return found;
  }

  // A real one behind the bytes of member 0.
  Said real_member(Replica& replica) {
    return [this, &replica](const Sent& sent, MemberAnswer& answer, std::vector<uint8_t>& data) {
      if (sent.words.opcode == ReplicaOpcode::seal) association_ = replica.associate();
      const ReplicaCommand command = replica_command(sent.words, sent.data, data);
      const uint32_t number = replica.command(association_, command.opcode, command.data, data.size(),
                                              command.first, command.argument);
      replica.settle();
      const Answer said = replica.answer_of(number).value();
      const ByteSpan out = replica.out_of(number);
      answer = {.status = said.status, .refusal = said.refusal};
      if (said.status == Status::ok) std::ranges::copy(out, data.begin());
    };
  }

  MemberSet in_sync_ = MemberSet::first(2);  // at the start
  Record record_;
  Actions actions_;
  std::vector<Action> submitted_, completed_;
  std::unique_ptr<Head> head_;
  std::array<std::unique_ptr<MemberCommands>, 2> commands_;
  Said said_;
  std::vector<Sent> sent_;  // to member 0
  uint64_t now_ns_ = 0;
  uint32_t association_ = 0;
  bool refuse_connect_ = false;
};

// ---- with a real member ----

TEST_F(MemberCommandsTest, a_takeover_learns_what_was_being_written_and_shares_it) {
  Replica replica;
  const uint32_t before = replica.sealed_association(1);
  replica.submit(before, IoType::write, 3 * Replica::k_region_blocks + 7, 1);
  replica.settle();
  replica.end_io(replica.in_device().begin()->first);
  start(replica.layout().granules_count, real_member(replica));
  EXPECT_EQ(head_->state(), HeadState::serving);
  EXPECT_EQ(replica.metadata().superblock.max_epoch, 2u);
  EXPECT_EQ(replica.metadata().superblock.head_uuid, uuid_of(k_head));
  EXPECT_EQ(head_->unreconciled().count(), 1u);
  EXPECT_TRUE(head_->unreconciled().has(3));
  ASSERT_EQ(sent_with(ReplicaOpcode::mark_intent).size(), 1u);
  const auto list = load<RegionList>(sent_with(ReplicaOpcode::mark_intent).front().data);
  EXPECT_EQ(list.count, 1u);
  EXPECT_EQ(list.regions[0], 3u);
}

TEST_F(MemberCommandsTest, one_that_was_away_gets_what_the_other_noted_for_it) {
  Replica replica;
  start(replica.layout().granules_count, real_member(replica));
  ASSERT_EQ(head_->state(), HeadState::serving);
  OpIndex op = 0;
  ASSERT_TRUE(head_->submit(now_ns_, IoType::write, 1000, 3, op));
  carry_out();
  refuse_connect_ = true;
  lose(1, 1);  // it has the write, perhaps
  answer_all();
  ASSERT_EQ(completed_.size(), 1u);
  EXPECT_EQ(completed_[0].status, Status::ok);
  EXPECT_EQ(record_.in_sync, MemberSet::of(0));
  const GranuleMap* noted = replica.absent_map(k_other);
  ASSERT_NE(noted, nullptr);
  EXPECT_EQ(noted->count(), 3u);
  EXPECT_TRUE(noted->has_all(1000, 3));
  EXPECT_EQ(replica.metadata().superblock.absent[0].since_epoch, 2u);

  sent_.clear();
  refuse_connect_ = false;
  for (int i = 0; i < 20; ++i) tick(100'000'000);
  ASSERT_EQ(submitted_.size(), 1u);  // a read of these three
  EXPECT_EQ(submitted_[0].member, 0u);
  EXPECT_EQ(submitted_[0].lba, 1000u);
  EXPECT_EQ(submitted_[0].blocks_count, 3u);
  answer_all();
  tick(100'000'000);
  tick(100'000'000);
  EXPECT_EQ(record_.in_sync, record_.all());
  EXPECT_EQ(replica.absent_map(k_other), nullptr);
  // Read State first, as only it says which slot.
  ASSERT_EQ(sent_with(ReplicaOpcode::read_absent).size(), 1u);
  const auto is_map = [](const Sent& sent) { return sent.words.opcode == ReplicaOpcode::read_absent; };
  const auto found = std::ranges::find_if(sent_, is_map);
  ASSERT_NE(found, sent_.begin());
  EXPECT_EQ((found - 1)->words.opcode, ReplicaOpcode::read_state);
}

// Member 1 is a new one, and says that it holds nothing.
TEST_F(MemberCommandsTest, of_a_source_that_does_not_know_what_is_allocated_all_is_copied) {
  in_sync_ = MemberSet::of(0);
  start(600, [](const Sent& sent, MemberAnswer& answer, std::vector<uint8_t>&) {
    if (sent.words.opcode == ReplicaOpcode::read_allocation) answer.status = Status::unsupported;
  });
  for (int i = 0; i < 3; ++i) tick(500'000'000);
  EXPECT_EQ(sent_with(ReplicaOpcode::read_allocation).size(), 1u);
  EXPECT_EQ(head_->copy_progress(1).left_bytes, 600u * 4096);
  ASSERT_FALSE(submitted_.empty());
  EXPECT_EQ(submitted_.front().io_type, IoType::read);
}

TEST_F(MemberCommandsTest, of_a_source_that_holds_nothing_nothing_is_copied) {
  in_sync_ = MemberSet::of(0);
  start(600, {});
  for (int i = 0; i < 4; ++i) tick(500'000'000);
  EXPECT_TRUE(submitted_.empty());
  EXPECT_EQ(record_.in_sync, record_.all());
}

TEST_F(MemberCommandsTest, many_writes_in_flight_take_several_requests) {
  Replica replica;
  start(replica.layout().granules_count, real_member(replica));
  constexpr uint64_t k_writes = 600;
  for (uint64_t i = 0; i < k_writes; ++i) {
    OpIndex op = 0;
    ASSERT_TRUE(head_->submit(now_ns_, IoType::write, i * 8, 2, op));
  }
  carry_out();
  refuse_connect_ = true;
  lose(1, 1);
  const std::vector<Sent> requests = sent_with(ReplicaOpcode::begin_absent);
  ASSERT_EQ(requests.size(), 3u);  // 253 ranges each
  EXPECT_EQ(load<AbsentRequest>(requests[0].data).count, 253u);
  EXPECT_EQ(load<AbsentRequest>(requests[2].data).count, 600u - 2 * 253);
  const GranuleMap* noted = replica.absent_map(k_other);
  ASSERT_NE(noted, nullptr);
  EXPECT_EQ(noted->count(), 2 * k_writes);
  for (uint64_t i = 0; i < k_writes; ++i) EXPECT_TRUE(noted->has_all(i * 8, 2)) << i;
  answer_all();
  EXPECT_EQ(completed_.size(), k_writes);
}

// Blocks of 512 bytes: a granule is eight of them.
TEST_F(MemberCommandsTest, blocks_are_noted_as_the_granules_that_they_touch) {
  Replica replica(uint64_t{8} << 20, 512);
  start(replica.layout().granules_count * 8, real_member(replica), 512);
  OpIndex op = 0;
  ASSERT_TRUE(head_->submit(now_ns_, IoType::write, 15, 2, op));
  carry_out();
  refuse_connect_ = true;
  lose(1, 1);
  const GranuleMap* noted = replica.absent_map(k_other);
  ASSERT_NE(noted, nullptr);
  EXPECT_EQ(noted->count(), 2u);
  EXPECT_TRUE(noted->has_all(1, 2));
}

TEST_F(MemberCommandsTest, a_clean_end_clears_all_marks) {
  Replica replica;
  start(replica.layout().granules_count, real_member(replica));
  OpIndex op = 0;
  ASSERT_TRUE(head_->submit(now_ns_, IoType::write, 2 * Replica::k_region_blocks, 1, op));
  carry_out();
  // The write of member 0 is none of the bytes of here.
  const uint32_t io = replica.submit(association_, IoType::write, 2 * Replica::k_region_blocks, 1);
  replica.settle();
  replica.end_io(io);
  EXPECT_EQ(replica.metadata().marks.count(), 1u);
  answer_all();
  head_->stop(now_ns_);
  carry_out();
  EXPECT_EQ(head_->state(), HeadState::stopped);
  EXPECT_EQ(replica.metadata().marks.count(), 0u);
}

// ---- requests that do not fit ----

TEST_F(MemberCommandsTest, what_is_to_be_reconciled_is_told_in_parts) {
  constexpr uint64_t k_marked = 2500;
  start(4000 * Replica::k_region_blocks, [](const Sent& sent, MemberAnswer&, std::vector<uint8_t>& data) {
    if (sent.words.opcode != ReplicaOpcode::read_intent) return;
    for (uint64_t region = 0; region < k_marked; ++region) {
      const uint64_t bit = region + region / 2;  // two of three
      data[bit / 8] = static_cast<uint8_t>(data[bit / 8] | 1u << bit % 8);
    }
  });
  EXPECT_EQ(head_->state(), HeadState::serving);
  EXPECT_EQ(head_->unreconciled().count(), k_marked);
  const std::vector<Sent> requests = sent_with(ReplicaOpcode::mark_intent);
  ASSERT_EQ(requests.size(), 3u);
  uint64_t told = 0;
  for (const Sent& sent : requests) {
    const auto list = parse_region_list(sent.data, 4000);
    ASSERT_TRUE(list.has_value());
    for (uint32_t i = 0; i < list->count; ++i, ++told) EXPECT_EQ(list->regions[i], told + told / 2);
  }
  EXPECT_EQ(told, k_marked);
}

TEST_F(MemberCommandsTest, a_large_map_is_read_in_parts) {
  constexpr uint64_t k_regions = 2 * 8 * k_map_read_bytes_max + 100;  // three parts
  start(k_regions * Replica::k_region_blocks,
        [](const Sent& sent, MemberAnswer&, std::vector<uint8_t>& data) {
          if (sent.words.opcode != ReplicaOpcode::read_intent) return;
          const uint64_t first = uint64_t{sent.words.cdw11} << 32 | sent.words.cdw10;
          for (const uint64_t region : {uint64_t{5}, uint64_t{8 * k_map_read_bytes_max}, k_regions - 1}) {
            if (region < first || region >= first + data.size() * 8) continue;
            data[(region - first) / 8] = static_cast<uint8_t>(1u << (region - first) % 8);
          }
        });
  EXPECT_EQ(head_->unreconciled().count(), 3u);
  EXPECT_TRUE(head_->unreconciled().has(5));
  EXPECT_TRUE(head_->unreconciled().has(8 * k_map_read_bytes_max));
  EXPECT_TRUE(head_->unreconciled().has(k_regions - 1));
  const std::vector<Sent> requests = sent_with(ReplicaOpcode::read_intent);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].words.cdw12, k_map_read_bytes_max);
  EXPECT_EQ(requests[2].words.cdw12, 16u);  // 100 regions, in words of 64
}

// ---- members that lie, and those that refuse ----

using Lie = std::function<void(ReplicaState& state)>;
class LyingMember : public MemberCommandsTest {
 protected:
  void start_with(const Lie& lie) {
    start(1024, [lie](const Sent& sent, MemberAnswer&, std::vector<uint8_t>& data) {
      if (sent.words.opcode != ReplicaOpcode::read_state) return;
      auto state = load<ReplicaState>(data);
      lie(state);
      store(MutableByteSpan(data), state);
    });
  }
  void expect_refused(const Lie& lie, MemberFault fault) {
    actions_.clear();
    record_ = {};
    start_with(lie);
    EXPECT_EQ(commands_[0]->fault(), fault) << member_fault_text(commands_[0]->fault());
    EXPECT_EQ(head_->member_state(0), MemberState::down);
    EXPECT_NE(head_->state(), HeadState::serving);  // it is one of the set
    EXPECT_NE(head_->state(), HeadState::fenced);
  }
};

TEST_F(LyingMember, is_refused_with_what_is_wrong) {
  expect_refused([](ReplicaState& state) { state.version = 2; }, MemberFault::malformed);
  expect_refused([](ReplicaState& state) { state.content = static_cast<Content>(3); },
                 MemberFault::malformed);
  expect_refused([](ReplicaState& state) { state.absent[3].everything = 2; }, MemberFault::malformed);
  expect_refused([](ReplicaState& state) { state.volume_uuid = uuid_of(7); }, MemberFault::wrong_volume);
  expect_refused([](ReplicaState& state) { state.replica_uuid = uuid_of(7); }, MemberFault::wrong_replica);
  expect_refused([](ReplicaState& state) { state.block_size_bytes = 512; }, MemberFault::wrong_block_size);
  expect_refused([](ReplicaState& state) { state.size_max_bytes -= 1; }, MemberFault::too_small);
  expect_refused([](ReplicaState& state) { state.sealed_epoch = 1; }, MemberFault::wrong_seal);
  expect_refused([](ReplicaState& state) { state.session = 0; }, MemberFault::wrong_seal);
  start_with([](ReplicaState&) {});
  EXPECT_EQ(head_->state(), HeadState::serving);
}

TEST_F(MemberCommandsTest, an_answer_of_another_length_is_malformed) {
  start(1024, [](const Sent& sent, MemberAnswer&, std::vector<uint8_t>& data) {
    if (sent.words.opcode == ReplicaOpcode::read_state) data.resize(100);
  });
  EXPECT_EQ(commands_[0]->fault(), MemberFault::malformed);
  EXPECT_EQ(head_->member_state(0), MemberState::down);
}

TEST_F(MemberCommandsTest, only_fenced_ends_the_head) {
  for (const Refusal refusal : {Refusal::not_sealed, Refusal::wrong_replica, Refusal::unusable}) {
    record_ = {};
    start(1024, [refusal](const Sent& sent, MemberAnswer& answer, std::vector<uint8_t>&) {
      if (sent.words.opcode == ReplicaOpcode::read_intent) answer = {Status::fenced, refusal, {}};
    });
    EXPECT_EQ(head_->state(), HeadState::sealing) << static_cast<int>(refusal);
    EXPECT_EQ(head_->member_state(0), MemberState::down);
  }
  record_ = {};
  start(1024, [](const Sent& sent, MemberAnswer& answer, std::vector<uint8_t>&) {
    if (sent.words.opcode == ReplicaOpcode::read_intent) answer = {Status::ok, Refusal::fenced, {}};
  });
  EXPECT_EQ(head_->state(), HeadState::fenced);
}

TEST_F(MemberCommandsTest, a_seal_that_is_refused_as_fenced_ends_the_head) {
  Replica replica;
  replica.sealed_association(2, 1, 5);  // another head has this epoch there
  start(replica.layout().granules_count, real_member(replica));
  EXPECT_EQ(head_->state(), HeadState::fenced);
}

// ---- words ----

TEST(ReplicaCommandWords, say_how_much_data_goes_which_way) {
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    const auto known = replica_opcode(static_cast<uint8_t>(opcode));
    if (!known) continue;
    CommandWords words{.opcode = *known};
    const bool reads_map = *known == ReplicaOpcode::read_intent || *known == ReplicaOpcode::read_absent ||
                           *known == ReplicaOpcode::read_allocation ||
                           *known == ReplicaOpcode::read_snapshot_map;
    if (reads_map) words.cdw12 = 8;
    if (*known == ReplicaOpcode::read_checksums) words.cdw12 = 4096;
    if (*known == ReplicaOpcode::delete_snapshot) words.cdw10 = 1;
    const bool is_piece = *known == ReplicaOpcode::read_snapshot || *known == ReplicaOpcode::receive;
    if (is_piece) words.cdw12 = 1;  // one granule
    const auto transfer = transfer_of(words);
    ASSERT_TRUE(transfer.has_value()) << opcode;
    // NVMe Base 2.1, "Opcodes": the two low bits are the direction.
    const bool is_to_member = (opcode & 3) == 1 && *known != ReplicaOpcode::set_content;
    EXPECT_EQ(transfer->request_bytes, is_to_member ? 4096u : 0u) << opcode;
    EXPECT_EQ(transfer->answer_bytes != 0, (opcode & 3) == 2) << opcode;
  }
}

TEST(ReplicaCommandWords, refuse_what_is_reserved_and_what_is_too_long) {
  using Words = CommandWords;
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::seal, .cdw10 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::mark_intent, .cdw13 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_state, .cdw12 = 4096}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_intent}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_intent, .cdw12 = 12}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_intent, .cdw12 = 65536 + 8}));
  EXPECT_TRUE(transfer_of(Words{.opcode = ReplicaOpcode::read_intent, .cdw11 = 1, .cdw12 = 65536}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_intent, .cdw12 = 8, .cdw13 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_absent, .cdw12 = 8, .cdw13 = 7}));
  EXPECT_TRUE(transfer_of(Words{.opcode = ReplicaOpcode::read_absent, .cdw12 = 8, .cdw13 = 6}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums, .cdw12 = 4096 + 256}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums, .cdw12 = (1 << 20) + 512}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums, .cdw12 = 4096, .cdw13 = 1}));
  EXPECT_EQ(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums, .cdw12 = 1 << 20})->answer_bytes,
            1024u);
  EXPECT_EQ(transfer_of(Words{.opcode = ReplicaOpcode::read_checksums, .cdw12 = 4608})->answer_bytes, 8u);
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::snapshot, .cdw13 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::delete_snapshot}));  // of no UUID
  EXPECT_TRUE(transfer_of(Words{.opcode = ReplicaOpcode::delete_snapshot, .cdw13 = 1}));
  for (const ReplicaOpcode opcode : {ReplicaOpcode::read_snapshot, ReplicaOpcode::receive}) {
    EXPECT_FALSE(transfer_of(Words{.opcode = opcode}));  // of no granule
    EXPECT_FALSE(transfer_of(Words{.opcode = opcode, .cdw10 = 8, .cdw12 = 1}));
    EXPECT_FALSE(transfer_of(Words{.opcode = opcode, .cdw12 = 1, .cdw13 = 1}));
    const auto all = transfer_of(Words{.opcode = opcode, .cdw10 = 32, .cdw11 = 7, .cdw12 = 0xffff'ffff});
    EXPECT_EQ(all->request_bytes + all->answer_bytes, 128u * 1024);  // NVMe's MDTS here
    const auto some = transfer_of(Words{.opcode = opcode, .cdw12 = 0x8000'0101});
    EXPECT_EQ(some->request_bytes + some->answer_bytes, 3u * 4096);
  }
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::end_receive, .cdw10 = 2}));
  EXPECT_TRUE(transfer_of(Words{.opcode = ReplicaOpcode::end_receive, .cdw10 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::begin_receive, .cdw10 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::read_snapshot_map, .cdw12 = 8, .cdw13 = 1}));
  EXPECT_FALSE(transfer_of(Words{.opcode = ReplicaOpcode::set_content, .cdw10 = 4}));
  EXPECT_TRUE(transfer_of(Words{.opcode = ReplicaOpcode::set_content, .cdw10 = 1}));
}

TEST(ReplicaCommandWords, become_what_a_member_is_told) {
  std::vector<uint8_t> out(64);
  const CommandWords words{
      .opcode = ReplicaOpcode::read_absent, .cdw10 = 0x10, .cdw11 = 2, .cdw12 = 64, .cdw13 = 5};
  const ReplicaCommand command = replica_command(words, {}, out);
  EXPECT_EQ(command.first, 0x2'0000'0010u);
  EXPECT_EQ(command.argument, 5u);
  EXPECT_EQ(command.out.size(), 64u);
  EXPECT_EQ(replica_command({.opcode = ReplicaOpcode::set_content, .cdw10 = 1}, {}, {}).argument, 1u);
  const ReplicaCommand checks = replica_command(checksum_words(0x2'0000'0010, 8192), {}, out);
  EXPECT_EQ(checks.first, 0x2'0000'0010u);
  EXPECT_EQ(checks.argument, 8192u);
  Uuid uuid;
  for (uint8_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<uint8_t>(i + 1);
  const CommandWords removal = uuid_words(ReplicaOpcode::delete_snapshot, uuid);
  EXPECT_EQ(removal.cdw10, 0x04030201u);  // the first byte is the lowest
  EXPECT_EQ(removal.cdw13, 0x100f0e0du);
  EXPECT_EQ(replica_command(removal, {}, {}).uuid, uuid);
}

TEST(ReplicaCommandWords, refusals_are_the_status_codes_of_the_page) {
  EXPECT_EQ(status_code_of(Refusal::fenced), 0xc0);
  EXPECT_EQ(status_code_of(Refusal::unusable), 0xc4);
  EXPECT_EQ(status_code_of(Refusal::exists), 0xc5);
  EXPECT_EQ(status_code_of(Refusal::no_snapshot), 0xc6);
  for (int code = 0; code < 256; ++code) {
    const Refusal refusal = refusal_of(static_cast<uint8_t>(code));
    if (code < 0xc0 || code > 0xc6) {
      EXPECT_EQ(refusal, Refusal::none) << code;
    } else {
      EXPECT_EQ(status_code_of(refusal), code);
    }
  }
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
