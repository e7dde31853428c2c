// What io_dispatch does with commands that are in order, with devices that fail, with Abort, with lost
// connections, and with namespaces that change under it (rows N27 and N30 of the table of bad inputs).
#include "target/io_dispatch.h"

#include <gtest/gtest.h>

#include "bdev/file/file_bdev.h"
#include "native/target_io/io_fixture.h"

namespace ballast::target::test {
namespace {

using nvme::NvmOpcode;

class IoDispatchTest : public IoFixture {};

TEST_F(IoDispatchTest, read_is_answered_from_the_device_without_a_copy_where_it_can_be_mapped) {
  write(5, 2, 0x11);
  qpair().hold_releases = true;
  FakeCommand& command = send(read_command(1, 5, 2, 2 * k_block));
  EXPECT_TRUE(command.mapped);
  EXPECT_EQ(command.received, blocks(2, 0x11));
  EXPECT_EQ(device().maps_count, 1u);
  qpair().release(command);
  EXPECT_EQ(device().maps_count, 0u);
}

TEST_F(IoDispatchTest, read_goes_through_a_buffer_where_nothing_can_be_mapped) {
  write(5, 2, 0x11);
  device().allow_maps = false;
  FakeCommand& command = send(read_command(1, 5, 2, 3 * k_block));
  EXPECT_FALSE(command.mapped);
  EXPECT_EQ(command.received, blocks(2, 0x11));
}

TEST_F(IoDispatchTest, write_to_a_device_that_takes_data_at_submit_gives_the_data_back_at_once) {
  device().takes_data_at_submit = true;
  const FakeCommand& lent = send(write_command(1, 3, 2), blocks(2, 0x21));
  EXPECT_EQ(lent.use, transport::DataUse::until_on_fetched_returns);
  EXPECT_EQ(read(3, 2), blocks(2, 0x21));
  const FakeCommand& compare = send(compare_command(1, 3, 2), blocks(2, 0x21));
  EXPECT_EQ(compare.use, transport::DataUse::until_released);
  device().takes_data_at_submit = false;
  EXPECT_EQ(send(write_command(1, 3, 2), blocks(2, 0x22)).use, transport::DataUse::until_released);
}

TEST_F(IoDispatchTest, compare_answers_success_or_compare_failure) {
  write(5, 2, 0x11);
  expect_status(send(compare_command(1, 5, 2), blocks(2, 0x11)), 0, 0, false);
  expect_status(send(compare_command(1, 5, 2), blocks(2, 0x12)), 2, 0x85, true);
}

TEST_F(IoDispatchTest, errors_are_reported_for_the_log_and_mismatches_of_compare_are_not) {
  send(compare_command(1, 5, 2), blocks(2, 0x12));
  EXPECT_TRUE(queue_->errors.empty());
  send(read_command(1, k_blocks, 1, k_block));
  ASSERT_EQ(queue_->errors.size(), 1u);
  EXPECT_TRUE(queue_->errors[0].is(status::lba_out_of_range));
}

TEST_F(IoDispatchTest, verify_reaches_the_device) {
  expect_status(send(block_command(NvmOpcode::verify, 1, 8, 100)), 0, 0, false);
  ASSERT_EQ(device().seen.size(), 1u);
  EXPECT_EQ(device().seen[0].type, bdev::IoType::verify);
  EXPECT_EQ(device().seen[0].blocks_count, 100u);
}

TEST_F(IoDispatchTest, copy_puts_its_ranges_one_behind_the_other) {
  write(0, 4, 0x11);
  write(8, 4, 0x22);
  expect_status(send(copy_command(1, 100, 2), copy_data({{8, 3}, {0, 2}})), 0, 0, false);
  EXPECT_EQ(read(100, 3), blocks(3, 0x22));
  EXPECT_EQ(read(103, 2), blocks(2, 0x11));
  EXPECT_EQ(read(105, 1), blocks(1, 0));
}

TEST_F(IoDispatchTest, adjacent_dataset_ranges_reach_the_device_as_one) {
  expect_status(send(dataset_command(1, 4), dataset_data({{0, 8}, {8, 8}, {100, 1}, {16, 1}})), 0, 0, false);
  ASSERT_EQ(device().seen.size(), 3u);
  EXPECT_EQ(device().seen[0].blocks_count, 16u);
  EXPECT_EQ(device().seen[1].lba, 100u);
  EXPECT_EQ(device().seen[2].lba, 16u);
}

TEST_F(IoDispatchTest, dataset_management_without_deallocate_changes_nothing) {
  write(0, 1, 0x11);
  expect_status(send(dataset_command(1, 1, false), dataset_data({{0, 1}})), 0, 0, false);
  EXPECT_EQ(read(0, 1), blocks(1, 0x11));
}

TEST_F(IoDispatchTest, N30_fua_reaches_the_device_with_every_command_that_has_it) {
  expect_status(send(with_fua(write_command(1, 0, 1)), blocks(1, 1)), 0, 0, false);
  expect_status(send(with_fua(block_command(NvmOpcode::write_zeroes, 1, 0, 1))), 0, 0, false);
  expect_status(send(with_fua(copy_command(1, 8, 1)), copy_data({{0, 1}})), 0, 0, false);
  for (const ScriptedBdev::Seen& seen : device().seen) EXPECT_TRUE(seen.fua);
  EXPECT_EQ(device().seen.size(), 3u);
  expect_status(send(write_command(1, 0, 1), blocks(1, 1)), 0, 0, false);
  EXPECT_FALSE(device().seen.back().fua);
}

TEST_F(IoDispatchTest, N30_fua_read_is_not_mapped_from_behind_a_volatile_cache) {
  device().shown_capabilities.volatile_write_cache = true;
  FakeCommand& command = send(with_fua(read_command(1, 0, 1, k_block)));
  EXPECT_FALSE(command.mapped);
  EXPECT_TRUE(device().seen.back().fua);
}

TEST_F(IoDispatchTest, N30_limited_retry_and_directive_type_are_ignored) {
  nvme::Command command = write_command(1, 0, 1);
  command.cdw12 |= 1u << 31 | 1u << 20;
  expect_status(send(command, blocks(1, 1)), 0, 0, false);
}

TEST_F(IoDispatchTest, device_errors_become_the_statuses_of_the_table) {
  device().allow_maps = false;
  device().answer = bdev::Status::media_error;
  expect_status(send(read_command(1, 0, 1, k_block)), 2, 0x81, false);
  expect_status(send(write_command(1, 0, 1), blocks(1, 1)), 2, 0x80, false);
  device().answer = bdev::Status::no_space;
  expect_status(send(write_command(1, 0, 1), blocks(1, 1)), 0, 0x81, true);
  device().answer = bdev::Status::io_error;
  FakeCommand& failed = send(read_command(1, 0, 1, k_block));
  expect_status(failed, 0, 0x06, false);
  EXPECT_TRUE(failed.received.empty());
  EXPECT_EQ(counters().errors.load(), 4u);
}

TEST_F(IoDispatchTest, command_of_many_pieces_stops_at_the_first_error) {
  device().answer = bdev::Status::io_error;
  device().answer_after_count = 2;
  expect_status(send(dataset_command(1, 4), dataset_data({{0, 1}, {2, 1}, {4, 1}, {6, 1}})), 0, 0x06, false);
  EXPECT_EQ(device().seen.size(), 3u);
}

TEST_F(IoDispatchTest, damaged_data_is_answered_so_and_does_not_reach_the_device) {
  qpair().hold_fetches = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  qpair().finish_fetch(command, status::transient_transport_error);
  expect_status(command, 0, 0x22, false);
  EXPECT_TRUE(device().seen.empty());
}

TEST_F(IoDispatchTest, counters_count_what_was_done) {
  write(0, 2, 1);
  read(0, 2);
  send(compare_command(1, 0, 1), blocks(1, 9));
  EXPECT_EQ(counters().writes.load(), 1u);
  EXPECT_EQ(counters().write_bytes.load(), 2 * k_block);
  EXPECT_EQ(counters().reads.load(), 2u);
  EXPECT_EQ(counters().read_bytes.load(), 3 * k_block);
  EXPECT_EQ(counters().errors.load(), 0u);
}

// ---- Abort ----

TEST_F(IoDispatchTest, abort_of_a_command_whose_data_has_not_come_answers_abort_requested) {
  qpair().hold_fetches = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  EXPECT_TRUE(dispatch().try_abort(command.request));
  expect_status(command, 0, 0x07, false);
  EXPECT_TRUE(device().seen.empty());
}

TEST_F(IoDispatchTest, abort_of_a_read_that_waits_for_a_buffer_answers_abort_requested) {
  device().allow_maps = false;
  qpair().hold_buffers = true;
  FakeCommand& command = send(read_command(1, 0, 1, k_block));
  EXPECT_TRUE(dispatch().try_abort(command.request));
  expect_status(command, 0, 0x07, false);
}

TEST_F(IoDispatchTest, abort_of_a_command_at_the_device_leaves_it_to_finish) {
  device().hold = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  EXPECT_FALSE(dispatch().try_abort(command.request));
  EXPECT_FALSE(command.answered());
  device().release_one();
  expect_status(command, 0, 0, false);
}

TEST_F(IoDispatchTest, abort_of_a_command_being_answered_leaves_it) {
  qpair().hold_releases = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  EXPECT_FALSE(dispatch().try_abort(command.request));
  qpair().release(command);
}

// ---- the connection goes away ----

TEST_F(IoDispatchTest, command_at_the_device_of_a_lost_connection_finishes_before_it_is_released) {
  device().hold = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  qpair().abandon();
  dispatch().close();
  EXPECT_EQ(dispatch().in_flight(), 1u);
  device().release_one();
  EXPECT_TRUE(command.released);
  EXPECT_EQ(dispatch().in_flight(), 0u);
}

TEST_F(IoDispatchTest, commands_that_wait_when_the_connection_is_lost_do_not_reach_the_device) {
  device().allow_maps = false;
  qpair().hold_fetches = qpair().hold_buffers = true;
  FakeCommand& write = send(write_command(1, 0, 1), blocks(1, 1));
  FakeCommand& read = send(read_command(1, 0, 1, k_block));
  dispatch().close();
  qpair().abandon();
  EXPECT_TRUE(write.released);
  EXPECT_TRUE(read.released);
  EXPECT_TRUE(device().seen.empty());
}

TEST_F(IoDispatchTest, after_close_everything_is_answered_aborted_due_to_queue_deletion) {
  qpair().hold_fetches = true;
  FakeCommand& waiting = send(write_command(1, 0, 1), blocks(1, 1));
  dispatch().close();
  expect_status(send(read_command(1, 0, 1, k_block)), 0, 0x08, false);
  qpair().finish_fetch(waiting);
  expect_status(waiting, 0, 0x08, false);
  EXPECT_TRUE(device().seen.empty());
}

// ---- N27: the namespace changes ----

TEST_F(IoDispatchTest, N27_removal_waits_for_io_at_the_device_and_refuses_what_comes) {
  device().hold = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  bool removed = false;
  ASSERT_TRUE(namespaces_.remove(1, [&removed] { removed = true; }).ok());
  expect_status(send(read_command(1, 0, 1, k_block)), 0, 0x0b, true);
  EXPECT_FALSE(removed);
  EXPECT_EQ(device().channels_count, 1u);
  device().release_one();
  expect_status(command, 0, 0, false);
  world_.settle();
  EXPECT_TRUE(removed);
  EXPECT_EQ(device().channels_count, 0u);
}

TEST_F(IoDispatchTest, N27_removal_waits_for_a_mapped_read_to_leave) {
  qpair().hold_releases = true;
  FakeCommand& command = send(read_command(1, 0, 1, k_block));
  bool removed = false;
  ASSERT_TRUE(namespaces_.remove(1, [&removed] { removed = true; }).ok());
  EXPECT_FALSE(removed);
  qpair().release(command);
  world_.settle();
  EXPECT_TRUE(removed);
}

TEST_F(IoDispatchTest, N27_removal_does_not_wait_for_a_host_that_keeps_its_data_back) {
  qpair().hold_fetches = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  bool removed = false;
  ASSERT_TRUE(namespaces_.remove(1, [&removed] { removed = true; }).ok());
  EXPECT_TRUE(removed);
  qpair().finish_fetch(command);
  expect_status(command, 0, 0x0b, true);
}

TEST_F(IoDispatchTest, N27_write_meant_for_a_removed_namespace_does_not_hit_its_successor) {
  qpair().hold_fetches = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  ASSERT_TRUE(namespaces_.remove(1, {}).ok());
  ScriptedBdev& successor = add(1, k_blocks * k_block, k_block);
  qpair().finish_fetch(command);
  expect_status(command, 0, 0x0b, true);
  EXPECT_TRUE(successor.seen.empty());
}

TEST_F(IoDispatchTest, N27_nothing_is_written_past_the_end_of_a_namespace_that_shrank_meanwhile) {
  qpair().hold_fetches = true;
  FakeCommand& beyond = send(write_command(1, 600, 1), blocks(1, 1));
  FakeCommand& across = send(write_command(1, 511, 2), blocks(2, 1));
  FakeCommand& before = send(write_command(1, 511, 1), blocks(1, 1));
  device().shown_geometry.blocks_count = 512;
  ASSERT_TRUE(namespaces_.update(1, false).ok());
  for (FakeCommand* command : {&beyond, &across, &before}) qpair().finish_fetch(*command);
  expect_status(beyond, 0, 0x80, true);
  expect_status(across, 0, 0x80, true);
  expect_status(before, 0, 0, false);
  EXPECT_EQ(device().seen.size(), 1u);
}

TEST_F(IoDispatchTest, N27_pieces_left_when_a_namespace_shrinks_are_not_done) {
  device().hold = true;
  FakeCommand& command = send(dataset_command(1, 2), dataset_data({{0, 8}, {600, 8}}));
  device().shown_geometry.blocks_count = 512;
  ASSERT_TRUE(namespaces_.update(1, false).ok());
  device().release_one();
  expect_status(command, 0, 0x80, true);
  EXPECT_EQ(device().seen.size(), 1u);
}

TEST_F(IoDispatchTest, N27_write_in_flight_when_a_namespace_becomes_read_only_is_write_protected) {
  qpair().hold_fetches = true;
  FakeCommand& command = send(write_command(1, 0, 1), blocks(1, 1));
  ASSERT_TRUE(namespaces_.update(1, true).ok());
  qpair().finish_fetch(command);
  expect_status(command, 0, 0x20, true);
  EXPECT_TRUE(device().seen.empty());
}

// ---- over a file ----

TEST_F(IoDispatchTest, commands_are_served_from_a_file) {
  Result<std::shared_ptr<bdev::Bdev>> file =
      bdev::make_file_bdev(world_.files(), {.path = "disk", .size_bytes = 1 << 20});
  ASSERT_TRUE(file.ok());
  IoCounters file_counters;
  ASSERT_TRUE(namespaces_.add({.nsid = 2, .bdev = *file, .counters = &file_counters}).ok());
  file->reset();
  FakeCommand& write = send(write_command(2, 3, 2), blocks(2, 0x77));
  world_.settle();
  expect_status(write, 0, 0, false);
  FakeCommand& read = send(read_command(2, 2, 3, 3 * k_block));
  FakeCommand& compare = send(fused(compare_command(2, 3, 1), nvme::k_fuse_first), blocks(1, 0x77));
  FakeCommand& swap = send(fused(write_command(2, 3, 1), nvme::k_fuse_second), blocks(1, 0x78));
  world_.settle();
  expect_status(read, 0, 0, false);
  EXPECT_EQ(read.received[k_block - 1], 0);
  EXPECT_EQ(read.received[k_block], 0x77);
  expect_status(compare, 0, 0, false);
  expect_status(swap, 0, 0, false);
  EXPECT_EQ(world_.file_bytes("disk")[3 * k_block], 0x78);
  EXPECT_EQ(world_.file_bytes("disk")[4 * k_block], 0x77);
  ASSERT_TRUE(namespaces_.remove(2, {}).ok());
}

// ---- the table ----

TEST(NamespaceTable, refuses_a_bad_number_a_missing_device_and_a_number_that_is_taken) {
  SimulatedWorld world(1);
  Reactor& reactor = world.add_reactor();
  Reactor::Entered entered(reactor);
  NamespaceTable table(reactor);
  IoCounters counters;
  Result<std::shared_ptr<bdev::Bdev>> memory = bdev::make_memory_bdev({1 << 20, 4096});
  NamespaceShardConfig config{.nsid = 0, .bdev = *memory, .counters = &counters};
  EXPECT_EQ(table.add(config).errc(), Errc::invalid_argument);
  config.nsid = nvme::k_namespaces_per_subsystem_max + 1;
  EXPECT_EQ(table.add(config).errc(), Errc::invalid_argument);
  config.nsid = 5;
  config.bdev = nullptr;
  EXPECT_EQ(table.add(config).errc(), Errc::invalid_argument);
  config.bdev = *memory;
  ASSERT_TRUE(table.add(config).ok());
  EXPECT_EQ(table.add(config).errc(), Errc::already_exists);
  EXPECT_EQ(table.remove(4, {}).errc(), Errc::not_found);
  EXPECT_EQ(table.update(6, true).errc(), Errc::not_found);

  config.nsid = 9;
  ASSERT_TRUE(table.add(config).ok());
  EXPECT_EQ(table.next(0)->nsid(), 5u);
  EXPECT_EQ(table.next(5)->nsid(), 9u);
  EXPECT_EQ(table.next(9), nullptr);
  EXPECT_EQ(table.next(UINT32_MAX), nullptr);

  // While a removal waits, its number stays taken.
  ASSERT_TRUE(table.find(5)->try_enter());
  NamespaceShard* const leaving = table.find(5);
  bool removed = false;
  ASSERT_TRUE(table.remove(5, [&removed] { removed = true; }).ok());
  EXPECT_EQ(table.find(5), nullptr);
  config.nsid = 5;
  EXPECT_EQ(table.add(config).errc(), Errc::already_exists);
  leaving->leave();
  world.settle();
  EXPECT_TRUE(removed);
  EXPECT_TRUE(table.add(config).ok());
  EXPECT_TRUE(table.remove(5, {}).ok());
  EXPECT_TRUE(table.remove(9, {}).ok());
  EXPECT_EQ(table.count(), 0u);
}

}  // namespace
}  // namespace ballast::target::test
