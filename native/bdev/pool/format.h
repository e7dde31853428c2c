// The wire structs of a pool (docs/formats/pool.md) and the checks that everything read from a disk passes
// first. Pure: bytes in, bytes out. Nothing that a disk can hold trips an assertion here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"

namespace ballast::bdev::pool {

inline constexpr uint64_t k_kib = 1024;
inline constexpr uint64_t k_mib = 1024 * k_kib;
inline constexpr uint32_t k_page_bytes = 4096;
inline constexpr uint32_t k_body_offset = 64;  // journal block, free map page, tree page
inline constexpr uint32_t k_body_bytes = k_page_bytes - k_body_offset;

constexpr uint32_t magic_of(const char (&text)[5]) {
  uint32_t magic = 0;
  for (int i = 3; i >= 0; --i) magic = magic << 8 | static_cast<uint8_t>(text[i]);
  return magic;
}
inline constexpr uint32_t k_superblock_magic = magic_of("BPSB");
inline constexpr uint32_t k_root_magic = magic_of("BPRT");
inline constexpr uint32_t k_journal_magic = magic_of("BPJB");
inline constexpr uint32_t k_free_map_magic = magic_of("BPFM");
inline constexpr uint32_t k_tree_magic = magic_of("BPTP");

struct Head {
  uint32_t magic = 0;
  uint32_t crc = 0;
  uint64_t address = 0;  // byte offset on the device
  Uuid pool_uuid;
  uint64_t generation = 0;
};
static_assert(sizeof(Head) == 40 && offsetof(Head, crc) == 4 && offsetof(Head, address) == 8 &&
              offsetof(Head, pool_uuid) == 16 && offsetof(Head, generation) == 32);

// Puts the CRC into the head of a finished structure.
void seal(MutableByteSpan structure);
// True if the structure is what its writer sealed, lies where it belongs and is of this kind.
bool is_whole(ByteSpan structure, uint32_t magic, uint64_t address);
// And of this pool.
bool is_whole(ByteSpan structure, uint32_t magic, uint64_t address, const Uuid& pool_uuid);

// --- superblock ---

inline constexpr uint32_t k_version = 1;
inline constexpr uint32_t k_devices_max = 60;
inline constexpr uint32_t k_name_bytes_max = 64;
inline constexpr uint64_t k_read_only_compatible_checksums = 1;
inline constexpr uint64_t k_read_only_compatible_allocations = 2;  // how much each layer holds is kept
inline constexpr uint64_t k_read_only_compatible_known =
    k_read_only_compatible_checksums | k_read_only_compatible_allocations;
inline constexpr uint64_t k_incompatible_known = 0;
inline constexpr uint8_t k_extent_size_log2_min = 18;
inline constexpr uint8_t k_extent_size_log2_max = 20;

enum class PoolState : uint8_t { active = 1, exported = 2, joining = 3 };

using NameBytes = std::array<char, k_name_bytes_max>;
std::string_view name_text(const NameBytes& name);
// The name must be 1 to 64 bytes without a zero byte.
NameBytes name_bytes(std::string_view name);

struct DeviceEntry {
  Uuid uuid;
  uint64_t size_bytes = 0;  // U of the format
  uint64_t data_offset = 0;
  uint64_t extents_count = 0;
  std::array<uint8_t, 24> reserved{};
};
static_assert(sizeof(DeviceEntry) == 64 && offsetof(DeviceEntry, size_bytes) == 16);

struct Superblock {
  Head head;
  Uuid device_uuid;
  uint32_t version = k_version;
  uint16_t device_index = 0;
  uint16_t devices_count = 0;
  uint64_t compatible = 0;
  uint64_t read_only_compatible = 0;
  uint64_t incompatible = 0;
  uint64_t metadata_offset = 0;
  uint64_t metadata_bytes = 0;
  uint32_t journal_blocks = 0;
  uint32_t free_map_pages = 0;
  PoolState state = PoolState::active;
  uint8_t extent_size_log2 = 20;
  std::array<uint8_t, 6> reserved{};
  uint64_t created_at_s = 0;
  NameBytes name{};
  std::array<uint8_t, 64> reserved_too{};
  std::array<DeviceEntry, k_devices_max> devices;
};
static_assert(sizeof(Superblock) == 4096 && offsetof(Superblock, device_uuid) == 40 &&
              offsetof(Superblock, version) == 56 && offsetof(Superblock, compatible) == 64 &&
              offsetof(Superblock, metadata_offset) == 88 && offsetof(Superblock, state) == 112 &&
              offsetof(Superblock, created_at_s) == 120 && offsetof(Superblock, name) == 128 &&
              offsetof(Superblock, devices) == 256);

// For a whole superblock: is it one that this program can use, and does it make sense? Errc::unsupported for
// versions and features of other programs, invalid_argument for nonsense.
Outcome check_superblock(const Superblock& superblock);

// --- root ---

inline constexpr uint32_t k_root_bytes = 16384;
inline constexpr uint32_t k_free_map_pages_max = 3072;
inline constexpr uint32_t k_tree_levels_max = 8;
inline constexpr uint8_t k_root_closed = 1;

struct Root {
  Head head;
  uint64_t incarnation = 0;
  uint64_t journal_sequence = 0;
  uint32_t journal_record = 0;
  uint32_t tree_page = 0;
  uint32_t tree_crc = 0;
  uint8_t tree_levels = 0;
  uint8_t flags = 0;
  uint16_t reserved = 0;
  uint32_t pages_used = 0;
  uint32_t free_map_pages = 0;
  uint64_t keys_count = 0;
  std::array<uint8_t, 40> reserved_too{};
  std::array<uint8_t, k_free_map_pages_max / 8> homes{};
  std::array<uint32_t, k_free_map_pages_max> free_map_crc{};
  std::array<uint8_t, 3584> reserved_end{};

  bool home(uint32_t index) const { return (homes[index / 8] >> (index % 8) & 1) != 0; }
  void flip_home(uint32_t index) { homes[index / 8] ^= static_cast<uint8_t>(1 << (index % 8)); }
};
static_assert(sizeof(Root) == k_root_bytes && offsetof(Root, incarnation) == 40 &&
              offsetof(Root, tree_page) == 60 && offsetof(Root, tree_levels) == 68 &&
              offsetof(Root, pages_used) == 72 && offsetof(Root, keys_count) == 80 &&
              offsetof(Root, homes) == 128 && offsetof(Root, free_map_crc) == 512 &&
              offsetof(Root, reserved_end) == 12800);

// --- free map page ---

inline constexpr uint32_t k_free_map_bits = k_body_bytes * 8;  // pages that one free map page tells of

struct FreeMapHead {
  Head head;
  uint32_t index = 0;
  uint8_t home = 0;
  std::array<uint8_t, 19> reserved{};
};
static_assert(sizeof(FreeMapHead) == k_body_offset && offsetof(FreeMapHead, index) == 40 &&
              offsetof(FreeMapHead, home) == 44);

// --- extents ---

// Names an extent on disk: device index in bits 40 to 55, number below.
struct Extent {
  uint64_t packed = 0;

  static constexpr uint32_t k_number_bits = 40;
  static constexpr Extent of(uint16_t device, uint64_t number) {
    return {uint64_t{device} << k_number_bits | number};
  }
  uint16_t device() const { return static_cast<uint16_t>(packed >> k_number_bits); }
  uint64_t number() const { return packed & ((uint64_t{1} << k_number_bits) - 1); }
  bool is_valid() const { return packed >> (k_number_bits + 16) == 0; }
  auto operator<=>(const Extent&) const = default;
};
static_assert(sizeof(Extent) == 8);

}  // namespace ballast::bdev::pool
