// The part of a check that looks at superblocks: every copy of every device, and whether the devices are
// those of one pool.
#pragma once

#include <vector>

#include "bdev/pool/check_report.h"
#include "bdev/pool/superblock_set.h"

namespace ballast::bdev::pool {

// A device that was given, and how it is called to a person.
struct CheckDisk {
  Disk* disk = nullptr;
  std::string path;
};

struct CheckedDevices {
  std::vector<Disk*> disks;    // by index in the pool
  Superblock superblock;       // of device 0
  std::vector<uint16_t> worn;  // indexes of devices whose copies are to be written anew
};

// False if there is no pool to go on with; the report says why.
Task<bool> check_devices(std::vector<CheckDisk> disks, CheckReport& report, CheckedDevices& checked);

// Writes the copies of the worn devices.
Task<Errc> repair_devices(const CheckedDevices& checked);

}  // namespace ballast::bdev::pool
