#include "bdev/pool/resolve.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

// A chain is not longer than there are layers; one that is goes in a circle.
constexpr uint32_t k_depth_max = 1'000'000;

}  // namespace

std::optional<Extent> ResolvedSlot::find(uint32_t block) const {
  if (const Fragment* const fragment = head.find(block)) return fragment->extent;
  for (const Fragment& fragment : below) {
    if (fragment.mask.test(block)) return fragment.extent;
  }
  return std::nullopt;
}

namespace {

class Resolver {
 public:
  Resolver(Store& store, uint32_t head_layer, uint64_t slot)
      : store_(store), head_layer_(head_layer), slot_(slot) {
    all_.set(0, k_slot_blocks_max);
  }
  Task<Errc> run(ChainIndex* index);
  ResolvedSlot& resolved() { return resolved_; }
  // Of what the index named: layers that hold nothing which others below the head do not hide. Nearest first.
  const std::vector<uint32_t>& useless() const { return useless_; }

 private:
  Task<Result<uint32_t>> walk(uint32_t layer, uint32_t layers_max);
  Task<Errc> ask(uint32_t layer);
  bool add(uint32_t layer, const std::optional<TreeEntry>& found);

  Store& store_;
  const uint32_t head_layer_;
  const uint64_t slot_;
  BlockMask all_, known_, known_below_;
  uint32_t asked_count_ = 0;
  std::vector<uint32_t> asked_;  // before the index
  bool is_indexed_ = false;      // who is asked now was named by the index
  ResolvedSlot resolved_;
  std::vector<uint32_t> useless_;
};

Task<Errc> Resolver::run(ChainIndex* index) {
  std::optional<ChainIndex::Layers> layers;
  if (index != nullptr) layers = index->known(head_layer_, slot_);
  uint32_t from = head_layer_;
  if (layers.has_value()) {
    const Errc asked = co_await ask(head_layer_);
    if (asked != Errc::ok) co_return asked;
  } else {
    const uint32_t asked_max = index != nullptr ? 1 + index->layers_asked() : 0;
    asked_.reserve(asked_max);
    const Result<uint32_t> next = co_await walk(head_layer_, index != nullptr ? asked_max : k_depth_max);
    if (!next.ok()) co_return next.errc();
    from = *next;
    if (from == 0) co_return Errc::ok;
    if (index != nullptr) layers = co_await index->find(head_layer_, slot_);
  }
  if (!layers.has_value()) {
    const Result<uint32_t> next = co_await walk(from, k_depth_max);
    if (index != nullptr) index->note_walk(asked_count_);
    if (next.ok() && *next != 0) co_return Errc::io_error;  // it goes in a circle
    co_return next.errc();
  }
  is_indexed_ = true;
  for (size_t i = 0; i < layers->size() && known_ != all_; ++i) {
    if (std::ranges::find(asked_, (*layers)[i]) != asked_.end()) continue;
    const Errc asked = co_await ask((*layers)[i]);
    if (asked != Errc::ok) co_return asked;
  }
  co_return Errc::ok;
}

// From this layer on down, so many. The layer that comes next; 0: nothing is left to look for.
Task<Result<uint32_t>> Resolver::walk(uint32_t layer, uint32_t layers_max) {
  for (; layer != 0 && known_ != all_ && layers_max > 0; --layers_max) {
    const auto found = co_await store_.seek(slot_key(layer, slot_));
    if (!found.ok()) co_return found.errc();
    if (!add(layer, *found)) co_return Errc::io_error;
    const Key above = Key::of(KeyType::layer, layer);
    const auto value = co_await store_.seek(above);
    if (!value.ok()) co_return value.errc();
    LayerValue read;
    if (!value->has_value() || (*value)->key != above || !decode_value((*value)->value, read)) {
      co_return Errc::io_error;
    }
    layer = read.parent;
  }
  co_return known_ == all_ ? 0 : layer;
}

Task<Errc> Resolver::ask(uint32_t layer) {
  const auto found = co_await store_.seek(slot_key(layer, slot_));
  if (!found.ok()) co_return found.errc();
  co_return add(layer, *found) ? Errc::ok : Errc::io_error;
}

// False if what the layer holds is not a slot.
bool Resolver::add(uint32_t layer, const std::optional<TreeEntry>& found) {
  ++asked_count_;
  if (asked_.size() < asked_.capacity()) asked_.push_back(layer);
  Slot held;
  const bool is_held = found.has_value() && found->key == slot_key(layer, slot_);
  if (is_held && !decode(found->value, held)) return false;
  if (layer == head_layer_) {
    resolved_.head = held;
  } else {
    for (uint32_t i = 0; i < held.fragments_count; ++i) {
      Fragment fragment = held.fragments[i];
      fragment.mask.subtract(known_);
      if (!fragment.mask.is_empty()) resolved_.below.push_back(fragment);
    }
    BlockMask more = held.known();
    more.subtract(known_below_);
    if (more.is_empty() && is_indexed_) useless_.push_back(layer);
    known_below_.add(more);
  }
  if (planted(Planted::zero_mask_ignored)) held.zero = {};
  known_.add(held.known());
  return true;
}

}  // namespace

// A merge that takes effect in the middle of it may move a block from a layer that comes to one that was
// looked at already.
Task<Result<ResolvedSlot>> resolve(Store& store, uint32_t head_layer, uint64_t slot, ChainIndex* index) {
  constexpr int k_tries_max = 1000;
  for (int tries = 0; tries < k_tries_max; ++tries) {
    const uint64_t changes = store.layers_changes();
    Resolver resolver(store, head_layer, slot);
    const Errc errc = co_await resolver.run(index);
    if (changes != store.layers_changes()) continue;
    if (errc != Errc::ok) co_return Error{errc, "the pool's metadata cannot be read, or is damaged"};
    if (index != nullptr) index->hide(slot, resolver.useless());
    co_return std::move(resolver.resolved());
  }
  co_return Error{Errc::timed_out, "the layers of a volume do not come to rest"};
}

}  // namespace ballast::bdev::pool
