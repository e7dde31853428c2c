// Which bytes of a volume or snapshot are allocated, and which differ from an older snapshot.
#include <algorithm>

#include "bdev/pool/pool.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_depth_max = 1'000'000;

// The layers from `layer` down, up to `until` without it, or to the last.
Task<Result<std::vector<uint32_t>>> chain_of(Volumes& volumes, uint32_t layer,
                                             std::optional<uint32_t> until) {
  std::vector<uint32_t> chain;
  while (layer != 0 && layer != until) {
    if (chain.size() == k_depth_max) co_return Error{Errc::io_error, "the layers of a volume go in a circle"};
    chain.push_back(layer);
    const Result<LayerValue> value = co_await volumes.layer(layer);
    if (!value.ok()) co_return value.error();
    layer = value->parent;
  }
  if (until.has_value() && layer == 0) {
    co_return Error{Errc::invalid_argument, "the one snapshot is not an ancestor of the other"};
  }
  co_return chain;
}

void add_run(std::vector<ByteRange>& ranges, uint64_t offset, uint64_t length) {
  if (!ranges.empty() && ranges.back().offset_bytes + ranges.back().length_bytes == offset) {
    ranges.back().length_bytes += length;
  } else {
    ranges.push_back({offset, length});
  }
}

}  // namespace

// Slot by slot over all layers of the chain: what any of them holds is a difference, what the nearest that
// knows a block holds as data is allocated. Layers may be merged meanwhile: then the slot is looked at again.
Task<Result<Ranges>> Pool::ranges(uint32_t layer, std::optional<uint32_t> since, uint64_t size_bytes,
                                  uint64_t offset_bytes, uint32_t count_max) {
  Ranges answer;
  const uint64_t slot_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  uint64_t changes = store_.layers_changes();
  Result<std::vector<uint32_t>> chain = co_await chain_of(volumes_, layer, since);
  if (!chain.ok()) co_return chain.error();
  // The next slot of each layer.
  std::vector<uint64_t> next(chain->size(), 0);
  for (uint64_t slot = offset_bytes / slot_bytes; slot * slot_bytes < size_bytes;) {
    BlockMask data, known;
    uint64_t nearest = UINT64_MAX;
    for (size_t i = 0; i < chain->size(); ++i) {
      if (next[i] > slot) {
        nearest = std::min(nearest, next[i]);
        continue;
      }
      const Key key = slot_key((*chain)[i], slot);
      const auto found = co_await store_.seek(key);
      if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
      const bool is_there = found->has_value() && (*found)->key.high == key.high;
      next[i] = is_there ? (*found)->key.low : UINT64_MAX;
      if (next[i] != slot) {
        nearest = std::min(nearest, next[i]);
        continue;
      }
      Slot held;
      if (!decode((*found)->value, held)) co_return Error{Errc::io_error, "a slot is damaged"};
      for (uint32_t f = 0; f < held.fragments_count; ++f) {
        BlockMask seen = held.fragments[f].mask;
        seen.subtract(known);
        data.add(seen);
      }
      known.add(held.known());
      next[i] = slot + 1;  // looked up when that comes
      nearest = slot + 1;
    }
    if (changes != store_.layers_changes()) {
      changes = store_.layers_changes();
      chain = co_await chain_of(volumes_, layer, since);
      if (!chain.ok()) co_return chain.error();
      next.assign(chain->size(), 0);
      continue;
    }
    const BlockMask& shown = since.has_value() ? known : data;
    for (uint32_t block = 0; block < blocks_per_extent_; ++block) {
      const uint64_t at = slot * slot_bytes + uint64_t{block} * k_page_bytes;
      if (!shown.test(block) || at < offset_bytes || at >= size_bytes) continue;
      if (answer.ranges.size() == count_max &&
          answer.ranges.back().offset_bytes + answer.ranges.back().length_bytes != at) {
        answer.next_offset_bytes = at;
        co_return answer;
      }
      add_run(answer.ranges, at, k_page_bytes);
    }
    if (nearest == UINT64_MAX) break;
    slot = std::max(nearest, slot + 1);
  }
  co_return answer;
}

}  // namespace ballast::bdev::pool
