// The bugs that the simulation must find; how they are planted: bdev/planted.h. Not among them, as it harms
// nothing: to read a slot that says "everything" as if it were a map, because a member sets all of that map.
#pragma once

#include <cstdint>

#include "bdev/planted.h"

namespace ballast::bdev::mirror {

enum class Planted : uint8_t {
  none,
  acknowledged_by_one,         // a write is acknowledged when the first member has it
  acknowledged_too_early,      // before a member that lacks it has left the set in the store
  unsealed_kept,               // a takeover keeps members in the set that it could not seal
  epoch_not_raised,            // a claim goes on with the epoch that there is
  session_not_raised,          // a member cannot tell a head's new connection from its old one
  lease_ignored,               // reads are answered however long members have said nothing
  lease_without_new_member,    // nor is one that the store may have added asked
  no_wait_after_seal,          // a new head answers while the old one's reads may still
  stopped_while_reading,       // a head has the store say that it stopped while it still answers
  reads_pass_writes,           // a read shows what a failure may undo
  writes_pass_writes,          // members apply them in different orders
  writes_pass_reads,           // a read shows half of what a failure may undo
  not_reconciled,              // what was being written when a head ended is not made equal
  unreconciled_read,           // it is read before
  unreconciled_written,        // one that cannot be made equal for now counts as equal
  marks_not_shared,            // what is to be reconciled is forgotten with the next head's end
  absent_not_told,             // members do not note what one that left misses
  absent_in_flight_forgotten,  // of what was under way when it left
  written_cleared,             // a mark is cleared while its region is written
  cleared_written,             // a region is written while its mark is cleared
  unreconciled_cleared,        // a mark is cleared before its region was made equal
  joined_undrained,            // a member joins while writes go past it
  joined_held,                 // while one that waits for an answer has gone past it
  joined_own_marks,            // what only it has stays
  joined_older,                // one that lost its memory is brought up to date by what it missed since
  joined_unwritten,            // it does not get what is written meanwhile
  joined_unfinished,           // it is one of the set before all is copied
  joined_untold,               // it does not note what others miss
  joined_unreadable,           // what could not be read counts as copied
  joined_marks_forgotten,      // marks that it alone has are never cleared
  skipped_not_zeroed,          // what the source does not have stays what it was at the one that joins
  skipped_written,             // although it was written meanwhile
  // What is being written is noted as copied. It is marked too, and the next head notes what is marked: the
  // simulation cannot see this, a test of the head alone does.
  settled_written,
  settled_uncopied,           // so is what has not been copied yet
  resumed_older,              // a copy goes on at a disk that is older than the part that was copied
  copied_past_writes,         // a copy overwrites what is newer
  copied_with_gaps,           // of what is copied a granule is left out
  copied_backwards,           // from the one that was away
  lost_while_added,           // one that fails while the store adds it stays in the set
  doubt_taken_for_yes,        // what the store did not answer counts as done
  doubt_taken_for_no,         // what the store did without an answer is asked for again, of another state
  restarted_unreconciled,     // with all members lost and back, what they were writing counts as equal
  replaced_served,            // one that lost its memory is still one of the set
  verified_past_writes,       // members are compared while one of them lacks what is being written
  verified_unreconciled,      // or what is not made equal yet
  snapshot_unheld,            // what is written while members take a snapshot
  snapshot_undrained,         // or was being written when they began
  snapshot_unreconciled,      // what is not made equal yet is not the same in it
  snapshot_doubted,           // it is taken while the store may have added another member
  snapshot_by_one,            // it is complete when one of them has it
  carried_onto_nothing,       // of a snapshot only what differs is moved, and it is put below all
  carried_onto_another_size,  // it is put above one of a smaller volume, behind whose end may be anything
  carried_with_gaps,          // a piece of it is left out
  carried_unheard,            // what the target could not store counts as stored
  carried_unfinished,         // it is said to be there when all of it was sent
  grown_early,                // a volume is larger before all members in sync are
  left_in_disorder,           // what one that left has marked is never copied back to it
  // At a member.
  member_written_unmarked,      // a write begins before the mark of its region is durable
  member_second_region,         // a write over a border of regions marks the first only
  member_epoch_unchecked,       // a seal of a lower epoch is taken
  member_epoch_volatile,        // a seal is answered before its epoch is durable
  member_seal_undrained,        // or while what others began is in the device
  member_replaced_heard,        // who was sealed once is listened to for ever
  member_old_content,           // an old copy of a disk counts as complete
  member_one_superblock,        // a change goes to one copy of the superblock
  member_granule_forgotten,     // of a write only the first granule is noted for absent members
  member_cleared_unflushed,     // a mark is cleared before what absent members miss there is durable
  member_cleared_trusted,       // a mark that was cleared counts as durable
  member_cleared_in_flight,     // by a block that was written with it
  member_intent_crossed,        // two writes of a block of marks at a time
  member_marks_volatile,        // what a head marks or clears is answered before that is durable
  member_slot_volatile,         // a slot for an absent member is
  member_slot_generation,       // the blocks of its map carry another generation than the slot
  member_everything_forgotten,  // that all is missing is not noted
  member_content_volatile,      // complete, before that is durable
  member_damaged_marks,         // a damaged block of marks counts as empty
  member_damaged_map,           // one of an absent member's map does
  // Who is not sealed may have one taken. Its connection is dropped, so that no head relies on it: the
  // simulation cannot see this, the tests of the member alone do.
  member_snapshot_unfenced,
  member_snapshot_volatile,  // it is answered before it is durable
  member_receive_unfenced,   // what an association sends that was replaced is received
  member_received_kept,      // what one began stays when it is not sealed any more
  member_size_volatile,      // it has grown, before that is durable
  member_grown_forgotten,    // what it has grown by is not missing where everything is
  member_copied_unflushed,   // what was copied is noted before what was written there since
  member_copied_trusted,     // at the start all behind the copied part counts as copied, too
  // At the start nothing is noted of regions that are marked. A head marks them again, which notes it, too:
  // the simulation cannot see this, the tests of the member alone do.
  member_marked_granules,
  count  // how many there are
};

}  // namespace ballast::bdev::mirror
