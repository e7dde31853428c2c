// Several paths to one namespace: which one I/O takes, and what it does when that one fails. Rows H24 and
// N26.
#include "multipath_fixture.h"

namespace ballast::test {
namespace {

using initiator::IoPolicy;
using nvme::AnaState;

using Ios = std::vector<std::unique_ptr<TestIo>>;

bool all_done(const Ios& ios) {
  return std::all_of(ios.begin(), ios.end(), [](const auto& io) { return io->done_count > 0; });
}

class Multipath : public MultipathTest {
 protected:
  Ios writes(uint32_t count, uint32_t seed = 1) {
    Ios ios;
    for (uint32_t i = 0; i < count; ++i) {
      ios.push_back(std::make_unique<TestIo>(k_io_write, i * 8, 8, seed + i));
      submit(*ios.back(), static_cast<uint16_t>(i % 2));
    }
    return ios;
  }
  void expect_written(uint32_t count, uint32_t seed = 1) {
    for (uint32_t i = 0; i < count; ++i) {
      TestIo read(k_io_read, i * 8, 8);
      execute(read);
      EXPECT_EQ(read.memory, pattern(8 * 512, seed + i)) << i;
    }
  }
};

TEST_F(Multipath, has_a_controller_of_its_own_over_each_path) {
  add_node(AnaState::optimized);
  add_node(AnaState::inaccessible);
  connect_ok();
  const auto found = paths();
  ASSERT_EQ(found.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(found[i].state, ControllerState::live);
    EXPECT_EQ(found[i].address.text(), nodes_[i]->address().text());
    EXPECT_EQ(found[i].controller_id > 100, i == 1);
    ASSERT_EQ(found[i].ana.size(), 1u);
    EXPECT_EQ(found[i].ana[0].nsid, 1u);
    EXPECT_EQ(found[i].ana[0].state, i == 0 ? AnaState::optimized : AnaState::inaccessible);
  }
  EXPECT_EQ(controller_->state(), ControllerState::live);
  EXPECT_EQ(states_, std::vector{ControllerState::live});
}

TEST_F(Multipath, io_takes_the_optimized_path_and_goes_elsewhere_only_without_it) {
  Node& first = add_node(AnaState::non_optimized);
  Node& second = add_node(AnaState::optimized);
  connect_ok();
  const Ios before = writes(20);
  ASSERT_TRUE(world_.run_until([&] { return all_done(before); }));
  EXPECT_EQ(first.totals().writes, 0u);
  EXPECT_EQ(second.totals().writes, 20u);
  second.set_state(AnaState::inaccessible);
  world_.settle();
  expect_written(20);
  EXPECT_EQ(first.totals().reads, 20u);
  second.set_state(AnaState::optimized);
  world_.settle();
  expect_written(20);
  EXPECT_EQ(first.totals().reads, 20u) << "back as soon as it is told";
}

TEST_F(Multipath, round_robin_goes_over_each_of_the_best_in_turn) {
  options_.io_policy = IoPolicy::round_robin;
  for (const AnaState state : {AnaState::optimized, AnaState::optimized, AnaState::non_optimized})
    add_node(state);
  connect_ok();
  const Ios ios = writes(24);
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
  EXPECT_EQ(nodes_[0]->totals().writes, 12u);
  EXPECT_EQ(nodes_[1]->totals().writes, 12u);
  EXPECT_EQ(nodes_[2]->totals().writes, 0u);
}

TEST_F(Multipath, queue_depth_spares_the_path_that_does_not_answer) {
  options_.io_policy = IoPolicy::queue_depth;
  add_node(AnaState::optimized);
  add_node(AnaState::optimized);
  connect_ok();
  nodes_[0]->hold();
  TestIo held(k_io_write, 800, 1, 9);
  submit(held);
  ASSERT_TRUE(world_.run_until([&] { return nodes_[0]->held_count() == 1; }));
  for (uint32_t i = 0; i < 10; ++i) {
    TestIo io(k_io_write, i, 1, 5);
    execute(io);
    EXPECT_TRUE(io.ok());
  }
  EXPECT_EQ(nodes_[1]->totals().writes, 10u);
  nodes_[0]->release();
  EXPECT_TRUE(held.ok());
}

TEST_F(Multipath, io_that_a_closed_path_refuses_is_answered_over_another) {
  Node& first = add_node(AnaState::optimized);
  Node& second = add_node(AnaState::optimized);
  connect_ok();
  for (uint32_t round = 0; round < 6; ++round) {
    Node& closing = round % 2 == 0 ? first : second;
    Node& opening = round % 2 == 0 ? second : first;
    opening.set_state(AnaState::optimized);
    world_.settle();
    const Ios ios = writes(24, 100 * round + 1);
    closing.set_state(round % 3 == 0 ? AnaState::change : AnaState::inaccessible);
    ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
    for (const auto& io : ios) EXPECT_TRUE(io->ok()) << nvme::status_name(io->completion.status());
    expect_written(24, 100 * round + 1);
  }
}

TEST_F(Multipath, H24_a_request_is_repeated_only_when_its_lost_path_has_let_go_of_it) {
  Node& first = add_node(AnaState::optimized);
  Node& second = add_node(AnaState::non_optimized);
  connect_ok();
  first.hold();
  second.hold();
  const Ios ios = writes(10);
  ASSERT_TRUE(world_.run_until([&] { return first.held_count() == 10; }));
  EXPECT_EQ(first.totals().in_flight, 10u);
  world_.advance(k_ns_per_s);
  EXPECT_EQ(second.totals().in_flight, 0u) << "as long as the first has them";
  bool dropped = false;
  ASSERT_TRUE(first.target().drop_controllers(k_shared_nqn, k_our_nqn, [&dropped] { dropped = true; }).ok());
  ASSERT_TRUE(world_.run_until([&] { return second.held_count() == 10; }));
  EXPECT_FALSE(dropped) << "their first copies are at the device: who takes over waits for that";
  for (const auto& io : ios) EXPECT_EQ(io->done_count, 0);
  first.release();
  EXPECT_TRUE(dropped);
  second.release();
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
  for (const auto& io : ios) EXPECT_TRUE(io->ok());
  expect_written(10);
  EXPECT_EQ(controller_->state(), ControllerState::live);
}

TEST_F(Multipath, a_killed_path_costs_no_io_and_comes_back) {
  add_node(AnaState::optimized);
  add_node(AnaState::optimized);
  connect_ok();
  for (uint32_t round = 0; round < 4; ++round) {
    const size_t victim = round % 2;
    const Ios ios = writes(24, 100 * round + 1);
    nodes_[victim]->stop();
    ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
    for (const auto& io : ios) EXPECT_TRUE(io->ok()) << nvme::status_name(io->completion.status());
    expect_written(24, 100 * round + 1);
    EXPECT_TRUE(wait_for_path(victim, ControllerState::reconnecting));
    nodes_[victim]->start(identity(victim), AnaState::optimized);
    EXPECT_TRUE(wait_for_path(victim, ControllerState::live));
  }
  EXPECT_EQ(states_, std::vector{ControllerState::live}) << "one path was always there";
}

TEST_F(Multipath, without_a_path_a_bounded_number_of_requests_waits) {
  Node& first = add_node(AnaState::inaccessible);
  add_node(AnaState::inaccessible);
  connect_ok();
  Ios ios;
  for (uint32_t i = 0; i < 16; ++i) {
    ios.push_back(std::make_unique<TestIo>(k_io_write, i * 8, 8, i + 1));
    submit(*ios.back());
  }
  TestIo beyond(k_io_read);
  EXPECT_FALSE(try_submit(beyond)) << "queue_entries wait";
  world_.advance(100 * k_ns_per_s);
  for (const auto& io : ios) EXPECT_EQ(io->done_count, 0);
  first.set_state(AnaState::non_optimized);
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
  for (const auto& io : ios) EXPECT_TRUE(io->ok());
  expect_written(16);
}

TEST_F(Multipath, io_fails_fast_where_that_was_asked_for_until_a_path_is_back) {
  options_.fast_io_fail_timeout_ns = 5 * k_ns_per_s;
  Node& first = add_node(AnaState::optimized);
  add_node(AnaState::inaccessible);
  connect_ok();
  first.set_state(AnaState::inaccessible);
  world_.settle();
  TestIo early(k_io_write, 0, 1, 1);
  submit(early);
  world_.advance(4 * k_ns_per_s);
  EXPECT_EQ(early.done_count, 0);
  world_.advance(2 * k_ns_per_s);
  EXPECT_TRUE(early.is_pathing_error());
  TestIo late(k_io_write, 0, 1, 1);
  submit(late);
  EXPECT_TRUE(late.is_pathing_error()) << "at once";
  first.set_state(AnaState::optimized);
  world_.settle();
  TestIo after(k_io_write, 0, 1, 1);
  execute(after);
  EXPECT_TRUE(after.ok());
}

TEST_F(Multipath, fast_failure_of_one_path_alone_is_for_lost_connections_too) {
  options_.fast_io_fail_timeout_ns = 2 * k_ns_per_s;
  Node& only = add_node(AnaState::optimized);
  connect_ok();
  const Ios ios = writes(4);
  only.stop();
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }, 5 * k_ns_per_s));
  TestIo late(k_io_read);
  execute(late);
  EXPECT_TRUE(late.is_pathing_error());
  EXPECT_EQ(controller_->state(), ControllerState::reconnecting);
  only.start(identity(0), AnaState::optimized);
  ASSERT_TRUE(wait_for_path(0, ControllerState::live));
  TestIo again(k_io_read);
  execute(again);
  EXPECT_TRUE(again.ok());
}

TEST_F(Multipath, is_dead_when_every_path_has_been_gone_for_longer_than_the_limit) {
  options_.ctrl_loss_timeout_ns = 20 * k_ns_per_s;
  add_node(AnaState::optimized);
  add_node(AnaState::optimized);
  connect_ok();
  nodes_[0]->stop();
  world_.advance(30 * k_ns_per_s);
  EXPECT_EQ(paths()[0].state, ControllerState::dead);
  EXPECT_EQ(controller_->state(), ControllerState::live);
  nodes_[1]->stop();
  const Ios waiting = writes(8);
  ASSERT_TRUE(world_.run_until([&] { return controller_->state() == ControllerState::dead; }));
  ASSERT_TRUE(world_.run_until([&] { return all_done(waiting); }));
  for (const auto& io : waiting) EXPECT_TRUE(io->is_pathing_error());
  TestIo late(k_io_read);
  submit(late);
  EXPECT_TRUE(late.is_pathing_error());
}

TEST_F(Multipath, a_transition_that_takes_longer_than_it_may_ends_the_association) {
  Node& first = add_node(AnaState::optimized);
  Node& second = add_node(AnaState::inaccessible);
  connect_ok();
  const uint16_t before = paths()[0].controller_id;
  first.set_state(AnaState::change);
  world_.advance(9 * k_ns_per_s);
  EXPECT_EQ(paths()[0].controller_id, before);
  world_.advance(3 * k_ns_per_s);
  ASSERT_TRUE(wait_for_path(0, ControllerState::live));
  EXPECT_NE(paths()[0].controller_id, before);
  const Ios ios = writes(4);
  second.set_state(AnaState::optimized);
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
  for (const auto& io : ios) EXPECT_TRUE(io->ok());
}

TEST_F(Multipath, a_path_that_is_not_there_at_first_joins_later) {
  add_node(AnaState::non_optimized);
  Node& late = add_node(AnaState::optimized);
  late.stop();
  connect_ok();
  expect_written(0);
  const Ios ios = writes(4);
  ASSERT_TRUE(world_.run_until([&] { return all_done(ios); }));
  late.start(identity(1), AnaState::optimized);
  ASSERT_TRUE(wait_for_path(1, ControllerState::live));
  expect_written(4);
  EXPECT_EQ(late.totals().reads, 4u);
}

TEST_F(Multipath, no_path_at_all_is_the_error_of_the_first) {
  add_node(AnaState::optimized).stop();
  add_node(AnaState::optimized).stop();
  connect();
  EXPECT_EQ(controller_, nullptr);
  EXPECT_EQ(error_.errc, Errc::connection_refused) << error_.text;
  EXPECT_NE(error_.text.find("10.0.0.1"), std::string::npos) << error_.text;
}

TEST_F(Multipath, H22_a_path_to_another_volume_never_gets_io) {
  Node::Identity same_ids = identity(0);
  same_ids.controller_id_last = same_ids.controller_id_first;
  add_node(AnaState::inaccessible, same_ids);
  Node::Identity other_volume = identity(1);
  other_volume.uuid_byte = 0x99;
  Node& volume = add_node(AnaState::optimized, other_volume);
  Node::Identity other_subsystem = identity(2);
  other_subsystem.serial_number = "OTHER";
  Node& subsystem = add_node(AnaState::optimized, other_subsystem);
  Node& ids = add_node(AnaState::optimized, same_ids);
  connect_ok();
  TestIo waiting(k_io_write, 0, 1, 1);
  submit(waiting);
  world_.advance(60 * k_ns_per_s);
  EXPECT_EQ(waiting.done_count, 0);
  for (Node* const node : {&volume, &subsystem, &ids}) EXPECT_EQ(node->totals().writes, 0u);
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(paths()[i].state, ControllerState::reconnecting) << i;
  nodes_[0]->set_state(AnaState::optimized);
  EXPECT_TRUE(world_.run_until([&] { return waiting.ok(); }));
}

TEST_F(Multipath, closing_answers_what_waits_and_what_is_in_flight) {
  Node& first = add_node(AnaState::optimized);
  add_node(AnaState::inaccessible);
  connect_ok();
  first.hold();
  const Ios in_flight = writes(4);
  ASSERT_TRUE(world_.run_until([&] { return first.held_count() == 4; }));
  first.set_state(AnaState::inaccessible);
  world_.settle();
  const Ios waiting = writes(4);
  bool closed = false;
  controller_->abandon([&closed] { closed = true; });
  ASSERT_TRUE(world_.run_until([&] { return closed; }));
  for (const auto& io : in_flight) EXPECT_TRUE(io->is_pathing_error());
  for (const auto& io : waiting) EXPECT_TRUE(io->is_pathing_error());
  controller_.reset();
  first.release();
}

TEST_F(Multipath, giving_up_a_connect_ends_every_path) {
  add_node(AnaState::optimized);
  add_node(AnaState::optimized).stop_listening();
  for (uint64_t at_ns = 0; at_ns < 20 * k_ns_per_ms; at_ns += 400'000) {
    connected_count_ = 0;
    bool closed = false;
    const auto attempt =
        Controller::connect({reactors_.begin(), reactors_.end()}, options_, nullptr,
                            [this](Result<std::shared_ptr<Controller>>) { ++connected_count_; });
    world_.advance(at_ns);
    if (const auto controller = attempt.lock()) {
      controller->close([&closed] { closed = true; });
    }
    ASSERT_TRUE(world_.run_until([&] { return connected_count_ == 1 && closed; }));
  }
}

}  // namespace
}  // namespace ballast::test
