#include "bdev/pool/resolve.h"

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

// A chain is not longer than there are layers; one that is goes in a circle.
constexpr uint32_t k_depth_max = 1'000'000;

Error damaged() { return {Errc::io_error, "the pool's metadata is damaged: the layers of a volume"}; }

}  // namespace

std::optional<Extent> ResolvedSlot::find(uint32_t block) const {
  if (const Fragment* const fragment = head.find(block)) return fragment->extent;
  for (const Fragment& fragment : below) {
    if (fragment.mask.test(block)) return fragment.extent;
  }
  return std::nullopt;
}

namespace {

Task<Result<ResolvedSlot>> walk(Store& store, uint32_t head_layer, uint64_t slot) {
  ResolvedSlot resolved;
  BlockMask known, all;
  all.set(0, k_slot_blocks_max);
  uint32_t layer = head_layer;
  for (uint32_t depth = 0; layer != 0 && known != all; ++depth) {
    if (depth == k_depth_max) co_return damaged();
    const Key key = slot_key(layer, slot);
    const auto found = co_await store.seek(key);
    if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
    if (found->has_value() && (*found)->key == key) {
      Slot held;
      if (!decode((*found)->value, held)) co_return damaged();
      if (layer == head_layer) resolved.head = held;
      for (uint32_t i = 0; i < held.fragments_count && layer != head_layer; ++i) {
        Fragment fragment = held.fragments[i];
        fragment.mask.subtract(known);
        if (!fragment.mask.is_empty()) resolved.below.push_back(fragment);
      }
      if (planted(Planted::zero_mask_ignored)) held.zero = {};
      known.add(held.known());
    }
    const Key above = Key::of(KeyType::layer, layer);
    const auto value = co_await store.seek(above);
    if (!value.ok()) co_return Error{value.errc(), "the pool's metadata cannot be read"};
    LayerValue read;
    if (!value->has_value() || (*value)->key != above || !decode_value((*value)->value, read)) {
      co_return damaged();
    }
    layer = read.parent;
  }
  co_return resolved;
}

}  // namespace

// A merge that takes effect in the middle of the walk may move a block from a layer that comes to one that
// was looked at already.
Task<Result<ResolvedSlot>> resolve(Store& store, uint32_t head_layer, uint64_t slot) {
  constexpr int k_walks_max = 1000;
  for (int walks = 0;; ++walks) {
    const uint64_t changes = store.layers_changes();
    Result<ResolvedSlot> resolved = co_await walk(store, head_layer, slot);
    if (changes == store.layers_changes()) co_return resolved;
    if (walks == k_walks_max) co_return Error{Errc::timed_out, "the layers of a volume do not come to rest"};
  }
}

}  // namespace ballast::bdev::pool
