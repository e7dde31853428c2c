// `ballast pool check`: looks at all that the metadata of a closed pool says, and repairs what can be. Called
// by the control path with the pool's devices opened exclusively; the pool is not opened for use. Without
// CheckOptions::repair nothing is written.
//
// Memory, whatever the pool's size: 3 bits a page of the metadata region (16 TiB: 3 MiB), 3 bits an extent
// (6 MiB), 16 MiB of tree pages for look-ups and 1 MiB for the walk, about 200 bytes a volume and layer
// (20,000: 4 MiB), about 300 bytes a record in the journal (100,000, the most that is usual: 30 MiB), 8 bytes
// a leaked extent, and at most 1,000 findings. A repair looks up to
// three times and keeps two looks: twice the bits. Time: a look reads every tree page once, in order.
#pragma once

#include "bdev/pool/check_devices.h"
#include "bdev/pool/check_report.h"
#include "bdev/pool/check_walk.h"
#include "bdev/pool/disk.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

struct PoolFile;  // pool.h

struct CheckOptions {
  // Repairs what loses nothing.
  bool repair = false;
  // With `repair`: also gives up what is damaged beyond repair, a journal's end or pages of the tree. What
  // that loses is in the findings. The rest can be used again.
  bool discard_damaged = false;
  uint32_t frames_count = 4096;  // tree pages in memory for look-ups
  // Of the look that is under way: a repair looks up to three times. Must outlive the check.
  WalkProgress* progress = nullptr;
};

// The devices of one pool, in any order. Runs on the reactor; the files are closed at the end.
Task<CheckReport> check(Reactor& reactor, std::vector<PoolFile> files, CheckOptions options);
// The same on disks of this reactor, which must outlive the task.
Task<CheckReport> check(std::vector<CheckDisk> disks, CheckOptions options);

}  // namespace ballast::bdev::pool
