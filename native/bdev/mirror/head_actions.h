// What the head of a mirrored volume asks of the world. Whoever drives a Head carries them out in their order
// and reports back by the Head's on_...() calls, never from inside one.
#pragma once

#include <cstdint>
#include <vector>

#include "bdev/bdev.h"

namespace ballast::bdev::mirror {

inline constexpr uint64_t k_region_bytes = 1 << 20;
inline constexpr uint32_t k_granule_bytes = 4096;

// One I/O of the head: of its user, or of its own for copying. Its number is given out again once complete()
// was asked and everything that was submitted for it has ended.
using OpIndex = uint32_t;

struct LbaRange {
  uint64_t lba = 0;
  uint64_t blocks_count = 0;
};

// Commands to a member, beside I/O: docs/formats/replica-protocol.md. One at a time for each member.
enum class CommandKind : uint8_t {
  read_intent,    // answered by on_intent(), a part at a time
  mark_intent,    // Head::unreconciled()
  clear_intent,   // Head::clearing()
  begin_absent,   // of Head::told_about(); Head::absent_ranges()
  end_absent,     // of Head::told_about()
  read_absent,    // of Head::told_about(); answered by on_absent(), a part at a time
  set_syncing,    // `flag`: complete becomes partial; not set: complete
  dismiss,        // it is no member any more: what it has is nothing
  begin_copying,  // of Head::told_about(): what it still lacks is noted durably; all, if copies_everything()
  set_partial,    // also of a member that has nothing
  clear_absent,   // of Head::told_about(): Head::settling()
  forget_copied,  // marks: Head::settling_marks()
  grow,           // to Head::growing_to() blocks at least
  snapshot,       // Head::snapshot_report().request
  delete_snapshot,  // Head::snapshot_removal().uuid
  read_allocation,  // answered by on_allocation(), a part at a time
  ping,             // answered when the member still takes this head's session
};

struct Action {
  enum class Kind : uint8_t {
    connect,          // to `member`: associate, and seal with (epoch, session); then on_sealed()
    disconnect,       // give `member`'s session up; nothing of it is reported any more
    command,          // to `member`: on_command_done()
    submit,           // `op` to `member`: on_io_done()
    read_checksums,   // of the range of `op` at `member`: on_checksums() if all is well, then on_io_done()
    complete,         // `op` of the user ends with `status`
    compare_and_set,  // of the record, to Head::wanted_record(): on_stored()
    stopped,          // nothing is in flight, and this head is none any more
  };
  Kind kind = Kind::stopped;
  uint32_t member = 0;
  uint32_t session = 0;
  uint64_t epoch = 0;
  // connect: a replica whose own highest epoch is lower has lost what it had then, and remembers that it has
  // `nothing` with the same seal.
  uint64_t sealed_epoch = 0;
  // command
  CommandKind command = CommandKind::ping;
  uint32_t about = 0;  // a place; k_members_max: of who is no member
  bool flag = false;
  // submit: what to do there with the op's buffer; read_checksums: the range. complete: `status`.
  OpIndex op = 0;
  uint32_t attempt = 0;
  IoType io_type = IoType::read;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;
  Status status = Status::ok;
  // compare_and_set: only if the record is still of `expected_revision`.
  uint64_t expected_revision = 0;
};

using Actions = std::vector<Action>;

}  // namespace ballast::bdev::mirror
