#include "bdev/pool/superblock_set.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr std::array<std::array<size_t, 2>, 2> k_write_order{{{0, 2}, {1, 3}}};

// Copies 2 and 3 of a device that was given more room since lie where the size of then says, which a whole
// copy knows; without one the size of now has to do.
Task<Errc> read_copies(Disk& disk, uint64_t usable, const PageBuffer& buffer) {
  const auto offsets = superblock_offsets(usable);
  for (size_t i = 0; i < offsets.size(); ++i) {
    const MutableByteSpan into = buffer.bytes().subspan(i * sizeof(Superblock), sizeof(Superblock));
    const Errc read = co_await disk.read(offsets[i], into);
    // A copy that cannot be read is a damaged copy.
    if (read != Errc::ok) std::fill(into.begin(), into.end(), uint8_t{0});
  }
  co_return Errc::ok;
}

ByteSpan copy_at(const PageBuffer& buffer, size_t index) {
  return buffer.bytes().subspan(index * sizeof(Superblock), sizeof(Superblock));
}

// The index of the newest whole copy, or -1.
int newest(const PageBuffer& buffer, uint64_t usable) {
  const auto offsets = superblock_offsets(usable);
  int best = -1;
  uint64_t generation = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (!is_whole(copy_at(buffer, i), k_superblock_magic, offsets[i])) continue;
    const Head head = load<Head>(copy_at(buffer, i));
    if (best >= 0 && head.generation <= generation) continue;
    best = static_cast<int>(i);
    generation = head.generation;
  }
  return best;
}

bool same_but_for_the_place(ByteSpan left, ByteSpan right) {
  Head a = load<Head>(left), b = load<Head>(right);
  a.crc = b.crc = 0;
  a.address = b.address = 0;
  const auto rest = sizeof(Head);
  return std::memcmp(&a, &b, sizeof a) == 0 &&
         std::equal(left.begin() + rest, left.end(), right.begin() + rest, right.end());
}

bool is_worn(const PageBuffer& buffer, uint64_t usable, size_t best) {
  const auto offsets = superblock_offsets(usable);
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (!is_whole(copy_at(buffer, i), k_superblock_magic, offsets[i])) return true;
    if (!same_but_for_the_place(copy_at(buffer, i), copy_at(buffer, best))) return true;
  }
  return false;
}

}  // namespace

Task<Errc> write_superblocks(Disk& disk, const Superblock& superblock) {
  const uint64_t usable = superblock.devices[superblock.device_index].size_bytes;
  const auto offsets = superblock_offsets(usable);
  PageBuffer buffer(sizeof(Superblock));
  for (const auto& half : k_write_order) {
    for (const size_t copy : half) {
      Superblock placed = superblock;
      placed.head.magic = k_superblock_magic;
      placed.head.address = offsets[copy];
      store(buffer.bytes(), placed);
      seal(buffer.bytes());
      const Errc written = co_await disk.write(offsets[copy], buffer.bytes());
      if (written != Errc::ok) co_return written;
    }
    if (planted(Planted::superblocks_at_once) && &half == &k_write_order.front()) continue;
    const Errc synced = co_await disk.sync();
    if (synced != Errc::ok) co_return synced;
  }
  co_return Errc::ok;
}

Task<Result<FoundSuperblock>> read_superblocks(Disk& disk) {
  uint64_t usable = usable_bytes(disk.size_bytes());
  if (usable < k_front_bytes + k_back_bytes) {
    co_return Error{Errc::not_found, "it is too small to be a device of a pool"};
  }
  PageBuffer buffer(k_superblock_copies * sizeof(Superblock));
  co_await read_copies(disk, usable, buffer);
  int best = newest(buffer, usable);
  if (best < 0) co_return Error{Errc::not_found, "it has no superblock of a pool that is whole"};
  FoundSuperblock found;
  found.superblock = load<Superblock>(copy_at(buffer, static_cast<size_t>(best)));
  const Outcome checked = check_superblock(found.superblock);
  if (!checked.ok()) co_return checked.error();
  const uint64_t known = found.superblock.devices[found.superblock.device_index].size_bytes;
  if (known > usable) {
    co_return Error{Errc::invalid_argument, "the device has " + std::to_string(usable) +
                                                " bytes, its superblock says " + std::to_string(known)};
  }
  if (known != usable) {
    usable = known;
    co_await read_copies(disk, usable, buffer);
    best = newest(buffer, usable);
    if (best < 0) co_return Error{Errc::io_error, "the superblocks changed while they were read"};
    found.superblock = load<Superblock>(copy_at(buffer, static_cast<size_t>(best)));
    const Outcome again = check_superblock(found.superblock);
    if (!again.ok()) co_return again.error();
  }
  found.is_worn = is_worn(buffer, usable, static_cast<size_t>(best));
  co_return found;
}

Result<std::vector<size_t>> assemble(const std::vector<Superblock>& found) {
  const Superblock* first = nullptr;
  for (const Superblock& superblock : found) {
    if (superblock.device_index != 0 || superblock.state == PoolState::joining) continue;
    if (first != nullptr && first->head.pool_uuid == superblock.head.pool_uuid) {
      return Error{Errc::invalid_argument,
                   "device " + superblock.device_uuid.text() + " is there twice: one is a copy of the other"};
    }
    if (first == nullptr) first = &superblock;
  }
  if (first == nullptr)
    return Error{Errc::not_found, "the pool's first device, with its metadata, is missing"};
  std::vector<size_t> places(first->devices_count, SIZE_MAX);
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string name = "device " + found[i].device_uuid.text();
    if (found[i].head.pool_uuid != first->head.pool_uuid) {
      return Error{Errc::invalid_argument, name + " is of pool " + found[i].head.pool_uuid.text() +
                                               ", not of " + first->head.pool_uuid.text()};
    }
    const auto* const devices_end = first->devices.data() + first->devices_count;
    const auto* const entry =
        std::find_if(first->devices.data(), devices_end,
                     [&](const DeviceEntry& device) { return device.uuid == found[i].device_uuid; });
    if (entry == devices_end) {
      return Error{Errc::invalid_argument, name + " was never added to the pool, or has been removed"};
    }
    const auto index = static_cast<size_t>(entry - first->devices.data());
    if (places[index] != SIZE_MAX) {
      return Error{Errc::invalid_argument, name + " is there twice: one is a copy of the other"};
    }
    if (found[i].device_index != index) return Error{Errc::invalid_argument, name + " has another's number"};
    if (found[i].head.generation > first->head.generation) {
      return Error{Errc::invalid_argument, name + " is newer than the pool's first device " +
                                               first->device_uuid.text() + ", which is an old copy"};
    }
    places[index] = i;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] != SIZE_MAX) continue;
    return Error{Errc::not_found, "device " + first->devices[i].uuid.text() + " of the pool is missing"};
  }
  return places;
}

}  // namespace ballast::bdev::pool
