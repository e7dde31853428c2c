#include "bdev/pool/extent_map.h"

#include <algorithm>
#include <bit>

namespace ballast::bdev::pool {

ExtentMap::ExtentMap(std::span<const uint64_t> extents_counts) {
  for (const uint64_t count : extents_counts) add_device(count);
}

void ExtentMap::add_device(uint64_t extents_count) {
  Device device;
  device.extents_count = device.free_count = extents_count;
  device.used.resize((extents_count + 63) / 64);
  device.taken.resize(device.used.size());
  // What is behind the end is never free.
  if (extents_count % 64 != 0) device.taken.back() = ~uint64_t{0} << (extents_count % 64);
  device.changed.resize((extents_count + k_chunk_extents - 1) / k_chunk_extents);
  devices_.push_back(std::move(device));
  free_count_ += extents_count;
}

bool ExtentMap::is_known(Extent extent) const {
  return extent.is_valid() && extent.device() < devices_.size() &&
         extent.number() < devices_[extent.device()].extents_count;
}

bool ExtentMap::is_used(Extent extent) const {
  BALLAST_ASSERT(is_known(extent));
  return bit(devices_[extent.device()].used, extent.number());
}

uint64_t ExtentMap::extents_count() const {
  uint64_t count = 0;
  for (const Device& device : devices_) count += device.extents_count;
  return count;
}

void ExtentMap::set_taken(Device& device, uint64_t number, bool taken) {
  if (bit(device.taken, number) == taken) return;
  device.taken[number / 64] ^= uint64_t{1} << (number % 64);
  const uint64_t change = taken ? ~uint64_t{0} : 1;
  device.free_count += change;
  free_count_ += change;
}

void ExtentMap::set_used(Device& device, uint64_t number, bool used) {
  if (bit(device.used, number) == used) return;
  device.used[number / 64] ^= uint64_t{1} << (number % 64);
  device.changed[number / k_chunk_extents] = true;
}

uint64_t ExtentMap::next_free(Device& device) {
  BALLAST_ASSERT(device.free_count > 0);
  uint64_t word = device.hand / 64;
  // The first word from the hand on, then whole words; once around comes back to its lower bits.
  uint64_t candidates = ~device.taken[word] & (~uint64_t{0} << (device.hand % 64));
  while (candidates == 0) {
    word = (word + 1) % device.taken.size();
    candidates = ~device.taken[word];
  }
  const uint64_t number = word * 64 + static_cast<uint64_t>(std::countr_zero(candidates));
  device.hand = (number + 1) % device.extents_count;
  return number;
}

uint32_t ExtentMap::reserve(std::span<Extent> into) {
  if (free_count_ == 0) return 0;
  const auto fullest = [](const Device& a, const Device& b) { return a.free_count < b.free_count; };
  const auto device = std::max_element(devices_.begin(), devices_.end(), fullest);
  const auto index = static_cast<uint16_t>(device - devices_.begin());
  uint32_t count = 0;
  for (; count < into.size() && device->free_count > 0; ++count) {
    const uint64_t number = next_free(*device);
    set_taken(*device, number, true);
    into[count] = Extent::of(index, number);
  }
  return count;
}

void ExtentMap::unreserve(Extent extent) {
  BALLAST_ASSERT(!is_used(extent));
  set_taken(devices_[extent.device()], extent.number(), false);
}

void ExtentMap::mark_used(Extent extent) {
  BALLAST_ASSERT(is_known(extent));
  set_taken(devices_[extent.device()], extent.number(), true);
  set_used(devices_[extent.device()], extent.number(), true);
}

void ExtentMap::mark_free(Extent extent) {
  BALLAST_ASSERT(is_known(extent));
  const bool was_used = is_used(extent);
  set_used(devices_[extent.device()], extent.number(), false);
  if (!defers_freed_) return set_taken(devices_[extent.device()], extent.number(), false);
  // A record may take effect twice: what is freed already may be given out by now.
  if (was_used) freed_.push_back(extent);
}

std::vector<ExtentChunk> ExtentMap::take_changed() {
  std::vector<ExtentChunk> chunks;
  for (uint16_t index = 0; index < devices_.size(); ++index) {
    Device& device = devices_[index];
    for (uint64_t chunk = 0; chunk < device.changed.size(); ++chunk) {
      if (device.changed[chunk]) chunks.push_back({index, chunk});
    }
    device.changed.assign(device.changed.size(), false);
  }
  return chunks;
}

std::array<uint8_t, k_chunk_bytes> ExtentMap::image(const ExtentChunk& chunk) const {
  std::array<uint8_t, k_chunk_bytes> image{};
  const std::vector<uint64_t>& used = devices_[chunk.device].used;
  const size_t first = chunk.chunk * (k_chunk_extents / 64);
  const size_t words = std::min<size_t>(k_chunk_extents / 64, used.size() - first);
  std::memcpy(image.data(), used.data() + first, words * sizeof(uint64_t));
  return image;
}

bool ExtentMap::load(const ExtentChunk& chunk, ByteSpan image) {
  if (image.size() != k_chunk_bytes || chunk.device >= devices_.size()) return false;
  Device& device = devices_[chunk.device];
  if (chunk.chunk >= device.changed.size()) return false;
  const uint64_t first = chunk.chunk * k_chunk_extents;
  for (uint64_t i = 0; i < k_chunk_extents; ++i) {
    if ((image[i / 8] >> (i % 8) & 1) == 0) continue;
    if (first + i >= device.extents_count) return false;
    mark_used(Extent::of(chunk.device, first + i));
  }
  device.changed[chunk.chunk] = false;
  return true;
}

}  // namespace ballast::bdev::pool
