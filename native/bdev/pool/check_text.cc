#include "bdev/pool/check_text.h"

#include <algorithm>

#include "bdev/pool/check_view.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
namespace {

constexpr size_t k_ranges_shown_max = 8;

// Nothing if it is not there, or cannot be read.
template <typename Value>
Task<std::optional<Value>> read_value(CheckView& view, Key key) {
  const Result<CheckView::Value> bytes = co_await view.read(key);
  Value value;
  if (!bytes.ok() || !bytes->has_value() || !decode_value(**bytes, value)) co_return std::optional<Value>{};
  co_return std::optional<Value>(value);
}

}  // namespace

void BlockRanges::add(uint64_t slot, uint32_t first, uint32_t count) {
  if (count == 0) return;
  uint64_t begin = slot * k_slot_stride + first, end = begin + count;
  auto next = ends_.upper_bound(begin);
  if (next != ends_.begin() && std::prev(next)->second >= begin) --next;
  while (next != ends_.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    next = ends_.erase(next);
  }
  ends_[begin] = end;
}

std::string BlockRanges::text(uint64_t extent_bytes) const {
  constexpr uint64_t k_block_bytes = 4096;
  const auto bytes_of = [&](uint64_t block) {
    return block / k_slot_stride * extent_bytes + block % k_slot_stride * k_block_bytes;
  };
  std::string text = "bytes ";
  size_t shown = 0;
  for (const auto& [begin, end] : ends_) {
    if (shown == k_ranges_shown_max) break;
    if (shown++ > 0) text += ", ";
    text += std::to_string(bytes_of(begin)) + " to " + std::to_string(bytes_of(end - 1) + k_block_bytes - 1);
  }
  if (ends_.size() > shown) text += " and " + std::to_string(ends_.size() - shown) + " more ranges";
  return text;
}

Task<std::string> layer_text(CheckView& view, uint32_t layer) {
  const std::string number = "layer " + std::to_string(layer);
  const Key key = Key::of(KeyType::layer, layer);
  const std::optional<LayerValue> value = co_await read_value<LayerValue>(view, key);
  if (!value) co_return number;
  const Key above = Key::of(KeyType::volume, value->volume);
  const std::optional<VolumeValue> volume = co_await read_value<VolumeValue>(view, above);
  if (!volume) co_return number;
  const std::string of = "volume " + std::string(name_text(volume->name));
  if (volume->head_layer == layer) co_return of;
  if (value->state == LayerState::snapshot) {
    co_return "snapshot " + std::string(name_text(value->name)) + " of " + of;
  }
  co_return number + " under " + of;
}

const char* key_type_text(uint8_t type) {
  switch (static_cast<KeyType>(type)) {
    case KeyType::pool: return "the numbers of the pool";
    case KeyType::volume: return "volumes";
    case KeyType::name: return "names";
    case KeyType::layer: return "layers";
    case KeyType::snapshot: return "lists of snapshots";
    case KeyType::child: return "lists of clones";
    case KeyType::slot: return "places of data";
    case KeyType::extents: return "the map of extents";
    case KeyType::checksums: return "checksums";
    case KeyType::dirty: return "marks of extents in use";
    case KeyType::wrapped_key: return "keys of encrypted volumes";
    case KeyType::allocation: return "what layers hold";
  }
  return "keys of a type that this program does not know";
}

}  // namespace ballast::bdev::pool
