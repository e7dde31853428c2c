// A whole replicated volume in one thread, decided by a seed: nodes with a replica each, any of which may run
// a head; the store; the network between them; hosts that read and write through whatever head they know;
// and everything that goes wrong with these. Virtual time; same seed, same run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bdev/mirror/head.h"
#include "history/operation.h"

namespace ballast::sim {

// What may go wrong, each a bit: a run draws some of them, so that no fault hides behind another.
enum Fault : uint32_t {
  fault_crash = 1u << 0,         // a node ends at any moment and starts again; or all at once
  fault_pause = 1u << 1,         // a node stands still, its timers and messages with it
  fault_partition = 1u << 2,     // two nodes do not hear each other, or one the other
  fault_break = 1u << 3,         // a connection breaks, or all of a head
  fault_store_outage = 1u << 4,  // the store answers nothing; what was asked may be done
  fault_slow_disk = 1u << 5,
  fault_write_error = 1u << 6,
  fault_read_error = 1u << 7,   // once, or of a block for a while, at one member or at all
  fault_takeover = 1u << 8,     // another node claims the volume while a head lives; a head is asked to end
  fault_late = 1u << 9,         // what is on a broken connection still arrives, much later
  fault_clock_rate = 1u << 10,  // clocks of nodes differ by up to the margin
  fault_replace = 1u << 11,     // a node comes back with an empty disk, or an old copy of its own
  fault_rot = 1u << 12,         // a node crashes, and a block of its replica's metadata is not what it was
  fault_no_space = 1u << 13,    // a member, or all, can write no more: no data, no metadata, or neither
  fault_members = 1u << 14,     // no fault: a member is added or removed
  fault_verify = 1u << 15,      // nor this: members are compared
  fault_grow = 1u << 16,        // nor this: the volume becomes larger
  fault_snapshot = 1u << 17,    // nor this: members take a snapshot
  fault_carry = 1u << 18,       // nor this: they get those that they lack from each other
};
inline constexpr uint32_t k_faults_count = 19;
inline constexpr uint32_t k_faults_all = (1u << k_faults_count) - 1;
const char* fault_name(uint32_t index);

// How often a fault met a head that was about something.
using Matrix = std::array<std::array<uint64_t, bdev::mirror::k_activities_count>, k_faults_count>;
// What a snapshot is about that is being carried.
enum class CarryStage : uint8_t { comparing, receiving, ending };
inline constexpr uint32_t k_carry_stages_count = 3;
const char* carry_stage_text(CarryStage stage);
// The same, of a head that carries one.
using CarryMatrix = std::array<std::array<uint64_t, k_carry_stages_count>, k_faults_count>;

struct Options {
  uint64_t seed = 0;
  uint32_t faults = k_faults_all;  // may be drawn
  uint64_t operations = 300;       // of the hosts
  bool trace = false;
};

struct Report {
  bool ok = true;
  std::string failure;  // for people; empty when ok
  std::optional<uint64_t> violated_block;
  uint32_t faults = 0;  // that were drawn
  uint32_t nodes = 0;
  uint64_t hash = 0;  // of everything that happened
  Matrix matrix{};
  CarryMatrix carry_matrix{};
  uint64_t events = 0, ios = 0, takeovers = 0, joins = 0, acknowledged = 0, verifies = 0, growths = 0;
  uint64_t snapshots = 0, snapshots_failed = 0, carries = 0, carries_failed = 0;
  std::vector<history::Operation> history;
  std::vector<std::string> trace;
};

Report run(const Options& options);

}  // namespace ballast::sim
