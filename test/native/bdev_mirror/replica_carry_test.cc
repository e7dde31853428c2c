// A member of which a snapshot is read, or which receives one: who is listened to, in which order, and what
// a seal waits for.
#include <gtest/gtest.h>

#include "native/bdev_mirror/replica_harness.h"

namespace ballast::bdev::mirror::test {
namespace {

template <typename Structure>
std::vector<uint8_t> bytes_of(const Structure& structure) {
  std::vector<uint8_t> bytes(k_protocol_bytes);
  store(MutableByteSpan(bytes), structure);
  return bytes;
}

std::vector<uint8_t> selection(uint8_t number, uint8_t since = 0) {
  return bytes_of(SnapshotSelection{.uuid = uuid_of(number), .since = since == 0 ? Uuid{} : uuid_of(since)});
}

std::vector<uint8_t> request(uint8_t number) {
  ReceiveRequest request{.uuid = uuid_of(number), .size_bytes = 1 << 20};
  request.name[0] = 's';
  return bytes_of(request);
}

class ReplicaCarry : public testing::Test {
 protected:
  uint32_t begin(uint32_t association) {
    return replica.command(association, ReplicaOpcode::begin_receive, request(9));
  }
  uint32_t receive(uint32_t association, uint32_t mask = 1) {
    const std::vector<uint8_t> data(piece_bytes(mask));
    return replica.command(association, ReplicaOpcode::receive, data, 0, 0, mask);
  }
  uint32_t end(uint32_t association, uint32_t how = 0) {
    return replica.command(association, ReplicaOpcode::end_receive, {}, 0, 0, how);
  }
  uint32_t read(uint32_t association, uint32_t mask = 1) {
    return replica.command(association, ReplicaOpcode::read_snapshot, {}, piece_bytes(mask), 0, mask);
  }
  uint32_t select(uint32_t association, const std::vector<uint8_t>& bytes) {
    return replica.command(association, ReplicaOpcode::select_snapshot, bytes);
  }
  Refusal refusal(uint32_t command) { return replica.answer_of(command)->refusal; }
  Status status(uint32_t command) { return replica.answer_of(command)->status; }

  Replica replica;
};

TEST_F(ReplicaCarry, reads_what_its_association_has_selected) {
  const uint32_t head = replica.sealed_association(1);
  EXPECT_EQ(refusal(read(head)), Refusal::no_snapshot);
  EXPECT_EQ(status(select(head, selection(9, 9))), Status::invalid);
  EXPECT_EQ(status(select(head, selection(9, 8))), Status::ok);
  const uint32_t some = read(head, 0x101);
  ASSERT_TRUE(replica.has_asked_carry());
  EXPECT_EQ(load<SnapshotSelection>(replica.asked_carry().bytes).uuid, uuid_of(9));
  EXPECT_EQ(load<SnapshotSelection>(replica.asked_carry().bytes).since, uuid_of(8));
  replica.end_carry(Status::ok);
  EXPECT_EQ(status(some), Status::ok);
  const uint32_t gone = read(head);
  replica.end_carry(Status::ok, Refusal::no_snapshot);
  EXPECT_EQ(refusal(gone), Refusal::no_snapshot);
  const uint32_t bad = read(head);
  replica.end_carry(Status::media_error);
  EXPECT_EQ(status(bad), Status::media_error);
  // Another head has selected nothing.
  const uint32_t next = replica.sealed_association(2);
  EXPECT_EQ(refusal(read(next)), Refusal::no_snapshot);
}

TEST_F(ReplicaCarry, what_makes_no_sense_is_refused_before_the_device_is_asked) {
  const uint32_t head = replica.sealed_association(1);
  const auto ends = [&](ReplicaOpcode opcode, ByteSpan data, size_t out_bytes, uint32_t argument) {
    return status(replica.command(head, opcode, data, out_bytes, 0, argument));
  };
  ASSERT_EQ(status(select(head, selection(9))), Status::ok);
  std::vector<uint8_t> bytes = request(9);
  bytes[sizeof(ReceiveRequest)] = 1;
  EXPECT_EQ(ends(ReplicaOpcode::begin_receive, bytes, 0, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::begin_receive, {}, 0, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::select_snapshot, bytes, 0, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::read_snapshot, {}, 4096, 3), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::read_snapshot, {}, 0, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::read_snapshot_map, {}, 12, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::list_snapshots, {}, 8, 0), Status::invalid);
  EXPECT_EQ(ends(ReplicaOpcode::receive, bytes, 0, 3), Status::invalid);
  EXPECT_FALSE(replica.has_asked_carry());
}

TEST_F(ReplicaCarry, is_for_the_sealed_alone) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t stranger = replica.associate();
  for (const uint32_t command : {select(stranger, selection(9)), begin(stranger), end(stranger)}) {
    EXPECT_EQ(refusal(command), Refusal::not_sealed);
  }
  EXPECT_EQ(refusal(receive(stranger)), Refusal::not_sealed);
  replica.seal(stranger, 2, 1);
  replica.settle();
  EXPECT_EQ(refusal(begin(head)), Refusal::fenced);
  EXPECT_EQ(refusal(read(head)), Refusal::fenced);
  EXPECT_FALSE(replica.has_asked_carry());
}

TEST_F(ReplicaCarry, one_is_received_at_a_time_and_one_piece) {
  const uint32_t head = replica.sealed_association(1);
  EXPECT_EQ(refusal(receive(head)), Refusal::no_snapshot);
  EXPECT_EQ(refusal(end(head)), Refusal::no_snapshot);
  const uint32_t begun = begin(head);
  EXPECT_EQ(status(receive(head)), Status::busy);  // it is not there yet
  replica.end_carry(Status::ok);
  EXPECT_EQ(status(begun), Status::ok);
  EXPECT_EQ(status(begin(head)), Status::busy);
  const uint32_t piece = receive(head);
  EXPECT_EQ(status(receive(head)), Status::busy);
  EXPECT_EQ(status(end(head)), Status::busy);
  replica.end_carry(Status::ok);
  EXPECT_EQ(status(piece), Status::ok);
  const uint32_t full = receive(head);
  replica.end_carry(Status::no_space);
  EXPECT_EQ(status(full), Status::no_space);
  const uint32_t ended = end(head, 1);
  replica.end_carry(Status::ok);
  EXPECT_EQ(status(ended), Status::ok);
  EXPECT_EQ(refusal(receive(head)), Refusal::no_snapshot);
  const uint32_t refused = begin(head);
  replica.end_carry(Status::ok, Refusal::exists);
  EXPECT_EQ(refusal(refused), Refusal::exists);
  EXPECT_EQ(refusal(receive(head)), Refusal::no_snapshot);
}

TEST_F(ReplicaCarry, what_was_received_is_dropped_before_another_seal_is_answered) {
  const uint32_t head = replica.sealed_association(1);
  begin(head);
  replica.end_carry(Status::ok);
  const uint32_t next = replica.associate();
  const uint32_t seal = replica.seal(next, 2, 1);
  replica.settle();
  EXPECT_TRUE(replica.asks_drop());
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_drop();
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
  EXPECT_EQ(refusal(receive(next)), Refusal::no_snapshot);
  begin(next);
  EXPECT_TRUE(replica.has_asked_carry());
}

TEST_F(ReplicaCarry, one_that_cannot_be_removed_does_not_keep_others_from_being_received) {
  const uint32_t head = replica.sealed_association(1);
  begin(head);
  replica.end_carry(Status::ok);
  const uint32_t finished = end(head);
  replica.end_carry(Status::no_space);
  EXPECT_EQ(status(finished), Status::no_space);
  EXPECT_FALSE(replica.asks_drop());
  const uint32_t removed = end(head, 1);
  replica.end_carry(Status::no_space);
  EXPECT_EQ(status(removed), Status::no_space);
  EXPECT_TRUE(replica.asks_drop());
  EXPECT_EQ(status(begin(head)), Status::busy);
  replica.end_drop();
  const uint32_t next = begin(head);
  ASSERT_TRUE(replica.has_asked_carry());
  replica.end_carry(Status::ok);
  EXPECT_EQ(status(next), Status::ok);
}

TEST_F(ReplicaCarry, what_is_at_work_ends_before_it_is_dropped) {
  const uint32_t head = replica.sealed_association(1);
  const uint32_t begun = begin(head);
  replica.close(head);
  EXPECT_FALSE(replica.asks_drop());
  const uint32_t next = replica.associate();
  const uint32_t seal = replica.seal(next, 2, 1);
  replica.end_carry(Status::ok);
  replica.settle();
  EXPECT_EQ(status(begun), Status::ok);
  EXPECT_TRUE(replica.asks_drop());
  EXPECT_FALSE(replica.answer_of(seal));
  replica.end_drop();
  replica.settle();
  EXPECT_EQ(status(seal), Status::ok);
}

TEST_F(ReplicaCarry, one_that_is_finished_stays_and_one_that_could_not_be_begun_is_not_dropped) {
  const uint32_t head = replica.sealed_association(1);
  begin(head);
  replica.end_carry(Status::ok);
  end(head);
  replica.close(head);
  replica.end_carry(Status::ok);
  EXPECT_FALSE(replica.asks_drop());
  const uint32_t next = replica.sealed_association(2);
  begin(next);
  replica.close(next);
  replica.end_carry(Status::no_space);
  EXPECT_FALSE(replica.asks_drop());
}

TEST_F(ReplicaCarry, a_seal_does_not_wait_for_what_is_read_and_hosts_wait_for_none_of_it) {
  const uint32_t head = replica.sealed_association(1);
  ASSERT_EQ(status(select(head, selection(9))), Status::ok);
  const uint32_t piece = read(head);
  begin(head);
  const uint32_t write = replica.submit(head, IoType::write, 0, 1);
  replica.settle();
  EXPECT_TRUE(replica.is_in_device(write));
  replica.end_io(write);
  const uint32_t content = replica.set_content(head, Content::partial);
  replica.settle();
  EXPECT_EQ(status(content), Status::ok);
  const uint32_t next = replica.associate();
  const uint32_t seal = replica.seal(next, 2, 1);
  replica.settle();
  EXPECT_FALSE(replica.answer_of(seal));  // a snapshot is about to be received
  EXPECT_FALSE(replica.answer_of(piece));
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
