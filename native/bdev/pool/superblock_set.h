// The four copies of a device's superblock, and who belongs to a pool. Called at create, open and every
// change of a pool's devices; never by I/O.
#pragma once

#include <vector>

#include "bdev/pool/disk.h"
#include "bdev/pool/layout.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

// The newest whole copy on a device.
struct FoundSuperblock {
  Superblock superblock;
  bool is_worn = false;  // some copy is damaged or older: write the set again before the pool is used
};

// Writes the four copies, in an order that leaves two whole ones of one generation at any moment. The size
// and table of `superblock` must be those of this disk.
Task<Errc> write_superblocks(Disk& disk, const Superblock& superblock);

// Errc::not_found if no copy is whole (text says what to think of that), those of check_superblock, io_error.
Task<Result<FoundSuperblock>> read_superblocks(Disk& disk);

// Which of the devices that were given is which: place i of the result is where device i of the pool stands
// in `found`. The order and the paths they were given under mean nothing. Errors name the UUIDs: a missing
// device, one given twice, one of another pool, one newer than device 0.
Result<std::vector<size_t>> assemble(const std::vector<Superblock>& found);

}  // namespace ballast::bdev::pool
