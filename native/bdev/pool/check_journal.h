// The part of a check that follows the journal: what was acknowledged since the root goes to the view, and
// what lies behind a damaged end is told.
#pragma once

#include "bdev/pool/check_report.h"
#include "bdev/pool/check_view.h"
#include "bdev/pool/replay.h"

namespace ballast::bdev::pool {

struct CheckedJournal {
  bool is_read = true;        // what was acknowledged is all in the view
  uint64_t end_sequence = 0;  // the first block that is not there
  bool is_root_old = false;   // it goes on under a later root: this one's tree is no more
  bool can_be_cut = false;    // what is behind the end can be given up
};

// Applies what was acknowledged to the view. Says in the report what is lost if the end is damaged.
Task<CheckedJournal> check_journal(Disk& disk, MetadataLayout layout, const Root& root, ReplayData data,
                                   CheckView& view, CheckReport& report);

// The journal ends before the block that was lost: in its place is one that says that all before it was
// durable, as a later one did, and the blocks behind it that an opening looks at are zeroed.
Task<Errc> cut_journal(Disk& disk, MetadataLayout layout, const Root& root, const CheckedJournal& journal);

}  // namespace ballast::bdev::pool
