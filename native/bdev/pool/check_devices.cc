#include "bdev/pool/check_devices.h"

#include <algorithm>

namespace ballast::bdev::pool {
namespace {

std::string device_text(const Superblock& superblock) {
  return "device " + std::to_string(superblock.device_index) + " (" + superblock.device_uuid.text() + ")";
}

// Looks at each copy: `newest` is what read_superblocks() chose.
Task<bool> check_copies(Disk& disk, const Superblock& newest, CheckReport& report) {
  const auto offsets = superblock_offsets(newest.devices[newest.device_index].size_bytes);
  bool is_worn = false;
  PageBuffer buffer(sizeof(Superblock));
  for (size_t i = 0; i < offsets.size(); ++i) {
    const std::string where = device_text(newest) + ", superblock copy " + std::to_string(i);
    const Errc read = co_await disk.read(offsets[i], buffer.bytes());
    std::string what;
    if (read != Errc::ok) {
      what = std::string("cannot be read: ") + errc_text(read);
    } else if (!is_whole(buffer.bytes(), k_superblock_magic, offsets[i])) {
      what = "is damaged";
    } else {
      Superblock copy = load<Superblock>(buffer.bytes());
      copy.head.crc = newest.head.crc;
      copy.head.address = newest.head.address;
      const bool is_same = std::memcmp(&copy, &newest, sizeof copy) == 0;
      if (copy.head.pool_uuid != newest.head.pool_uuid) {
        what = "is of another pool, " + copy.head.pool_uuid.text();
      } else if (!is_same) {
        what = "is of generation " + std::to_string(copy.head.generation) + ", the newest is " +
               std::to_string(newest.head.generation);
      }
    }
    if (what.empty()) {
      ++report.counters.superblock_copies;
      continue;
    }
    is_worn = true;
    report.add(CheckSeverity::warning, CheckRepair::safe, where, what);
  }
  co_return is_worn;
}

Superblock superblock_for(const Superblock& first, uint16_t index) {
  Superblock own = first;
  own.device_index = index;
  own.device_uuid = first.devices[index].uuid;
  return own;
}

}  // namespace

Task<bool> check_devices(std::vector<CheckDisk> disks, CheckReport& report, CheckedDevices& checked) {
  std::vector<Superblock> found;
  bool is_good = true;
  for (size_t i = 0; i < disks.size(); ++i) {
    const Result<FoundSuperblock> read = co_await read_superblocks(*disks[i].disk);
    if (read.ok()) {
      found.push_back(read->superblock);
      continue;
    }
    report.add(CheckSeverity::error, CheckRepair::impossible, disks[i].path,
               read.error().text.empty() ? errc_text(read.errc()) : read.error().text);
    is_good = false;
  }
  if (!is_good) co_return false;
  const Result<std::vector<size_t>> places = assemble(found);
  if (!places.ok()) {
    report.add(CheckSeverity::error, CheckRepair::impossible, "the devices", places.error().text);
    co_return false;
  }
  checked.superblock = found[(*places)[0]];
  report.pool_uuid = checked.superblock.head.pool_uuid;
  report.pool_name = std::string(name_text(checked.superblock.name));
  report.counters.devices = static_cast<uint32_t>(places->size());
  for (uint16_t index = 0; index < places->size(); ++index) {
    const size_t place = (*places)[index];
    checked.disks.push_back(disks[place].disk);
    bool is_worn = co_await check_copies(*disks[place].disk, found[place], report);
    if (found[place].head.generation != checked.superblock.head.generation) {
      report.add(CheckSeverity::warning, CheckRepair::safe, device_text(found[place]),
                 "its superblocks are of generation " + std::to_string(found[place].head.generation) +
                     ", those of device 0 of " + std::to_string(checked.superblock.head.generation));
      is_worn = true;
    }
    Superblock expected = superblock_for(checked.superblock, index);
    expected.head = found[place].head;
    if (!is_worn && std::memcmp(&expected, &found[place], sizeof expected) != 0) {
      report.add(CheckSeverity::warning, CheckRepair::safe, device_text(found[place]),
                 "its superblocks do not say what those of device 0 do: adding it was cut short");
      is_worn = true;
    }
    const uint64_t size_bytes = checked.superblock.devices[index].size_bytes;
    if (size_bytes > disks[place].disk->size_bytes()) {
      report.add(CheckSeverity::error, CheckRepair::impossible, device_text(found[place]),
                 "has " + std::to_string(disks[place].disk->size_bytes()) + " bytes, the pool needs " +
                     std::to_string(size_bytes));
      co_return false;
    }
    if (is_worn) checked.worn.push_back(index);
  }
  co_return true;
}

Task<Errc> repair_devices(const CheckedDevices& checked) {
  for (const uint16_t index : checked.worn) {
    const Errc written =
        co_await write_superblocks(*checked.disks[index], superblock_for(checked.superblock, index));
    if (written != Errc::ok) co_return written;
  }
  co_return Errc::ok;
}

}  // namespace ballast::bdev::pool
