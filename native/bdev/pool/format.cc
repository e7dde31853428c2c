#include "bdev/pool/format.h"

#include <algorithm>

#include "base/crc32c.h"
#include "bdev/pool/layout.h"

namespace ballast::bdev::pool {
namespace {

uint32_t crc_of(ByteSpan structure) {
  constexpr size_t k_crc_end = offsetof(Head, crc) + sizeof(Head::crc);
  static constexpr std::array<uint8_t, sizeof(Head::crc)> k_zeroes{};
  uint32_t state = crc32c_update(k_crc32c_seed, structure.first(offsetof(Head, crc)));
  state = crc32c_update(state, k_zeroes);
  return crc32c_finish(crc32c_update(state, structure.subspan(k_crc_end)));
}

Error nonsense(const char* what) {
  return {Errc::invalid_argument, std::string("the superblock is whole but makes no sense: ") + what};
}

Outcome check_devices(const Superblock& superblock) {
  for (uint32_t i = 0; i < superblock.devices_count; ++i) {
    const DeviceEntry& device = superblock.devices[i];
    for (uint32_t other = 0; other < i; ++other) {
      if (superblock.devices[other].uuid == device.uuid) return nonsense("two devices have one UUID");
    }
    if (device.size_bytes % k_mib != 0 || device.size_bytes > k_device_bytes_max) {
      return nonsense("size of a device");
    }
    const uint64_t data_offset =
        i == 0 ? superblock.metadata_offset + superblock.metadata_bytes : k_front_bytes;
    if (device.data_offset != data_offset) return nonsense("start of the data of a device");
    const uint64_t end = device.size_bytes < k_back_bytes ? 0 : device.size_bytes - k_back_bytes;
    if (end < data_offset || device.extents_count > (end - data_offset) >> superblock.extent_size_log2) {
      return nonsense("number of extents of a device");
    }
  }
  return Unit{};
}

}  // namespace

void seal(MutableByteSpan structure) {
  const uint32_t crc = crc_of(structure);
  std::memcpy(structure.data() + offsetof(Head, crc), &crc, sizeof crc);
}

bool is_whole(ByteSpan structure, uint32_t magic, uint64_t address) {
  if (structure.size() < k_page_bytes) return false;
  const Head head = load<Head>(structure);
  return head.magic == magic && head.address == address && head.crc == crc_of(structure);
}

bool is_whole(ByteSpan structure, uint32_t magic, uint64_t address, const Uuid& pool_uuid) {
  return is_whole(structure, magic, address) && load<Head>(structure).pool_uuid == pool_uuid;
}

std::string_view name_text(const NameBytes& name) {
  return {name.data(), static_cast<size_t>(std::find(name.begin(), name.end(), '\0') - name.begin())};
}

NameBytes name_bytes(std::string_view name) {
  BALLAST_ASSERT(!name.empty() && name.size() <= k_name_bytes_max);
  BALLAST_ASSERT(name.find('\0') == std::string_view::npos);
  NameBytes bytes{};
  std::copy(name.begin(), name.end(), bytes.begin());
  return bytes;
}

Outcome check_superblock(const Superblock& superblock) {
  if (superblock.version != k_version) {
    return Error{Errc::unsupported, "the pool has format version " + std::to_string(superblock.version) +
                                        ", this program knows " + std::to_string(k_version)};
  }
  if ((superblock.incompatible & ~k_incompatible_known) != 0 ||
      (superblock.read_only_compatible & ~k_read_only_compatible_known) != 0) {
    return Error{Errc::unsupported, "the pool uses features that this program does not know"};
  }
  if (superblock.extent_size_log2 < k_extent_size_log2_min ||
      superblock.extent_size_log2 > k_extent_size_log2_max) {
    return Error{Errc::unsupported, "the pool has an extent size that this program does not know"};
  }
  if (superblock.state != PoolState::active && superblock.state != PoolState::exported &&
      superblock.state != PoolState::joining) {
    return nonsense("state");
  }
  if (superblock.head.pool_uuid.is_nil() || superblock.device_uuid.is_nil()) return nonsense("nil UUID");
  if (superblock.devices_count == 0 || superblock.devices_count > k_devices_max ||
      superblock.device_index >= superblock.devices_count) {
    return nonsense("number of devices");
  }
  if (superblock.devices[superblock.device_index].uuid != superblock.device_uuid) {
    return nonsense("its own device is another in the table");
  }
  if (name_text(superblock.name).empty()) return nonsense("name");
  TRY(const MetadataLayout layout, MetadataLayout::of(superblock.metadata_bytes));
  if (superblock.metadata_offset != k_front_bytes || superblock.journal_blocks != layout.journal_blocks ||
      superblock.free_map_pages != layout.free_map_pages) {
    return nonsense("metadata region");
  }
  return check_devices(superblock);
}

}  // namespace ballast::bdev::pool
