// What a head asks of a member beside I/O, as the requests of docs/formats/replica-protocol.md that it takes,
// one after the other, and what the answers say to the head. Pure: whoever drives a Head moves the bytes,
// over a wire or within a process. One for each association.
//
// Use: start() with an action of Kind::connect or ::command when it comes out; send request(); give its
// answer to on_answer(), which tells the head what it means, and send request() again while that returns
// true. After on_answer() the head may have new actions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/uuid.h"
#include "bdev/mirror/head.h"
#include "bdev/mirror/replica_command.h"

namespace ballast::bdev::mirror {

struct MemberAnswer {
  Status status = Status::ok;  // anything else where there is no refusal
  Refusal refusal = Refusal::none;
  ByteSpan data;  // answer_bytes of the request, when all is well
};

// What a member said that no member of this volume says.
enum class MemberFault : uint8_t {
  none,
  malformed,      // an answer of another length, or that makes no sense
  wrong_volume,   // it is one of another volume
  wrong_replica,  // of this one, another than the record says
  wrong_block_size,
  too_small,
  wrong_seal,  // it does not say that it is sealed as it was asked to be
  no_slot,     // it has forgotten an absent member
};
const char* member_fault_text(MemberFault fault);

// How an answer looks as the end of an I/O or of a command. Only Fenced says that there is another head; who
// says Not Sealed to whom it has sealed has failed.
Status head_status(Status status, Refusal refusal);

class MemberCommands {
 public:
  struct Request {
    CommandWords words;
    ByteSpan data;              // valid and unchanged until on_answer() or start()
    uint32_t answer_bytes = 0;  // that come back
  };

  MemberCommands(const Uuid& volume, const Uuid& head) : volume_(volume), head_(head) {}
  MemberCommands(const MemberCommands&) = delete;
  MemberCommands& operator=(const MemberCommands&) = delete;

  // The head is as it is when the action comes out; what the command needs of it is kept.
  void start(const Head& head, const Action& action);
  // Started, and not ended.
  bool is_at_work() const { return stage_ != Stage::idle; }
  const Request& request() const;
  // True: request() is another one, of the same command. False: the head has been told of its end.
  bool on_answer(Head& head, uint64_t now_ns, const MemberAnswer& answer);
  // Of the command that ended last.
  MemberFault fault() const { return fault_; }

 private:
  enum class Stage : uint8_t {
    idle,
    seal,
    state,  // of a member that was just sealed
    command,
    find_slot,  // Read State, for the slot of the member whose map is wanted
    read_map,
  };
  void prepare(const Head& head);
  void prepare_state(Stage stage);
  void prepare_map(ReplicaOpcode opcode);
  void prepare_regions(const Head& head);
  void prepare_absent(ReplicaOpcode opcode);
  bool on_sealed(Head& head, uint64_t now_ns, const MemberAnswer& answer);
  bool on_slot_found(Head& head, uint64_t now_ns, const ReplicaState& state);
  bool on_map(Head& head, uint64_t now_ns, ByteSpan data);
  void tell_map(Head& head, uint64_t first, std::span<const uint64_t> words);
  bool on_no_allocation(Head& head, uint64_t now_ns);
  bool go_on(Head& head, uint64_t now_ns);
  bool end_command(Head& head, uint64_t now_ns, Status status);
  bool fail(Head& head, uint64_t now_ns, MemberFault fault);
  MemberFault check_state(ByteSpan data, ReplicaState& state) const;

  const Uuid volume_, head_;
  Stage stage_ = Stage::idle;
  Action action_;
  MemberFault fault_ = MemberFault::none;
  Request request_;
  ReplicaBlock block_;  // request_.data

  // As of start().
  Uuid replica_, about_;
  uint32_t block_size_bytes_ = 0;
  uint64_t blocks_count_ = 0;
  uint64_t bits_count_ = 0;  // of the map that is read
  bool everything_ = false;
  SnapshotRequest snapshot_;          // snapshot; delete_snapshot: its UUID
  std::vector<uint32_t> regions_;     // clear_intent, forget_copied
  std::vector<GranuleRange> ranges_;  // begin_absent, clear_absent

  uint64_t next_ = 0;  // bit of a map, region, or index of a list: with what the next request begins
  bool is_last_ = false;
  uint32_t slot_ = 0;
};

}  // namespace ballast::bdev::mirror
