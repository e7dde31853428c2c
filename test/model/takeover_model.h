// The protocol of docs/replication.md without everything that is not about who may answer: seals, takeovers,
// the lease, members that leave and come back, answers of the store that are lost, writes in doubt. One
// block, two writes, any number of reads, two nodes that may be head, messages that come late, crashes. All
// states that can be reached are looked at, breadth first, so that what is found is the shortest way to it.
//
// A model, written apart from the code of native/bdev/mirror: it says that the rules are right, the
// simulation that the code keeps them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ballast::model {

// Of the rules: what the search must find.
enum class Fault : uint8_t {
  none,
  no_lease_wait,         // a new head answers while the old one's reads may still
  lease_from_answer,     // it counts from when the answer comes
  lease_ignored,         // reads are answered however long members have said nothing
  lease_without_joiner,  // nor is one that the store may have added asked
  acknowledged_early,    // before a member that lacks it has left the set in the store
  session_not_raised,    // a member cannot tell a head's new session from its old one
  epoch_unchecked,       // a member does what a head of before asks for
  doubt_taken_for_yes,   // what the store did not answer counts as done
  not_reconciled,        // what was being written when a head ended is not made equal
  reads_pass_writes,     // a read shows what a failure may undo
  joined_uncopied,       // one that comes back is in the set before it has everything
  count
};
const char* fault_text(Fault fault);

// What there is at most; everything in these bounds is searched.
struct Bounds {
  uint8_t members = 2;    // 2 or 3
  uint8_t takeovers = 2;  // after the first head
  uint8_t head_crashes = 1;
  uint8_t member_crashes = 1;
  uint8_t drops = 1;         // of members, by heads that think that they failed
  uint8_t lost_answers = 1;  // of the store
};

struct Finding {
  uint64_t states = 0, transitions = 0;
  uint32_t depth = 0;
  bool is_complete = true;         // no more than states_max were needed
  std::vector<std::string> steps;  // to what must not be; empty: there is none
};

Finding search(const Bounds& bounds, Fault fault, uint64_t states_max);

}  // namespace ballast::model
