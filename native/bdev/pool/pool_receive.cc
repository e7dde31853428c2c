// A snapshot that comes from another pool is received, and put below what the volume is now.
//
// Its layer P stands between C, the layer that was above, and what C stood on. C reads the same all the time:
// before P gets a block that C has not, what C shows of it becomes C's own ("covered"). Then nothing that P
// holds is seen through C, and giving P up is merging it into C, as with any snapshot that is deleted. Where
// all that C holds of a slot is what P is to show, P takes the slot as it is ("moved"): nothing is copied.
#include <algorithm>
#include <cstring>
#include <map>

#include "bdev/pool/planted.h"
#include "bdev/pool/pool.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint64_t k_blocks_in_volume_max = k_volume_bytes_max / k_page_bytes;

BlockMask common(const BlockMask& a, const BlockMask& b) {
  BlockMask only_a = a, both = a;
  only_a.subtract(b);
  both.subtract(only_a);
  return both;
}

BlockMask data_of(const Slot& slot) {
  BlockMask data;
  for (uint32_t i = 0; i < slot.fragments_count; ++i) data.add(slot.fragments[i].mask);
  return data;
}

// Of those that a slot shows, as read from the layer itself on down.
std::vector<Fragment> fragments_of(const ResolvedSlot& resolved, const BlockMask& blocks) {
  std::vector<Fragment> found;
  const auto add = [&](const Fragment& fragment) {
    const BlockMask mask = common(fragment.mask, blocks);
    if (!mask.is_empty()) found.push_back({fragment.extent, mask});
  };
  for (uint32_t i = 0; i < resolved.head.fragments_count; ++i) add(resolved.head.fragments[i]);
  for (const Fragment& fragment : resolved.below) add(fragment);
  return found;
}

// What was read may be what a write that failed has left in the cache.
Task<Errc> settle_read(const SlotBlocks& blocks) {
  if (blocks.unproven.is_empty() || planted(Planted::received_unproven)) co_return Errc::ok;
  for (DataDisk* const disk : blocks.disks) {
    const Errc errc = co_await disk->disk.sync();
    if (errc != Errc::ok) co_return errc;
  }
  co_return Errc::ok;
}

Error receive_failed(Errc errc) {
  if (errc == Errc::no_space) return {errc, "the pool has no room for the snapshot that is received"};
  return {errc, "a part of the snapshot could not be received"};
}

}  // namespace

// --- beginning and ending ---

Task<Result<uint32_t>> Pool::begin_receive(ReceiveRequest request) {
  const Turns::Turn turn = co_await turns_.take();
  const Outcome checked = co_await volumes_.check_receive(request);
  if (!checked.ok()) co_return checked.error();
  for (const auto& [layer, other] : receiving_) {
    if (other.volume == request.volume) {
      co_return Error{Errc::in_use, "another snapshot is being received for this volume"};
    }
  }
  const Result<uint32_t> above = co_await volumes_.find_above(request.volume, request.after);
  if (!above.ok()) co_return above.error();
  OpenVolume* const opened = find_by_head(*above);
  std::unique_ptr<RangeHold> hold;
  if (opened != nullptr) {
    hold = std::make_unique<RangeHold>(opened->gate(), 0, k_blocks_in_volume_max);
    path_.set_freeing(false);
    co_await hold->take();
  }
  Result<uint32_t> layer = co_await volumes_.begin_receive(request, *above);
  // What is zeroed from now on must hide what will be below.
  if (layer.ok() && opened != nullptr && !planted(Planted::received_not_told)) opened->set_head(*above, true);
  if (layer.ok()) receiving_.emplace(*layer, std::move(request));
  if (hold != nullptr) co_await hold->give_back();
  co_return layer;
}

Task<Outcome> Pool::finish_receive(uint32_t snapshot) {
  const Error none{Errc::not_found, "no such snapshot is being received"};
  if (!receiving_.contains(snapshot)) co_return none;
  const Outcome ended = co_await receive_end(snapshot, receiving_.at(snapshot).size_bytes);
  if (!ended.ok()) co_return ended;
  const Turns::Turn turn = co_await turns_.take();
  const auto found = receiving_.find(snapshot);
  if (found == receiving_.end()) co_return none;
  Outcome outcome = co_await volumes_.finish_receive(snapshot, found->second);
  if (outcome.ok()) receiving_.erase(snapshot);
  co_return outcome;
}

void Pool::stop_receiving(uint32_t volume) {
  std::erase_if(receiving_, [volume](const auto& one) { return one.second.volume == volume; });
}

// --- receiving, slot by slot ---

// A slot of the snapshot that is received, while that is done.
struct Pool::Reception {
  Reception(uint32_t snapshot_layer, uint64_t number, uint32_t blocks_count)
      : snapshot(snapshot_layer), slot(number), data(blocks_count) {}

  const uint32_t snapshot;
  const uint64_t slot;
  SlotBlocks data;
  BlockMask received;  // blocks of `data`
  uint32_t child = 0;  // the layer above
  Slot above;          // what that has of the slot
  Slot own;            // what the snapshot has
  ResolvedSlot shown;  // what the snapshot shows so far, and the child where it has nothing
  BlockMask wanted;    // of the received: those that the snapshot does not show yet
};

Task<Outcome> Pool::receive(uint32_t snapshot, std::vector<ReceivedRun> runs) {
  const auto found = receiving_.find(snapshot);
  if (found == receiving_.end()) co_return Error{Errc::not_found, "no such snapshot is being received"};
  for (const ReceivedRun& run : runs) {
    if (!is_block_range(run.offset_bytes, run.data.size(), found->second.size_bytes)) {
      co_return Error{Errc::invalid_argument, "not whole blocks of 4 KiB within the snapshot"};
    }
  }
  co_return co_await receive_runs(snapshot, std::move(runs));
}

Task<Outcome> Pool::receive_runs(uint32_t snapshot, std::vector<ReceivedRun> runs) {
  const uint64_t slot_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  std::map<uint64_t, std::vector<ReceivedRun>> pieces;
  for (const ReceivedRun& run : runs) {
    for (uint64_t done = 0; done < run.data.size();) {
      const uint64_t at = run.offset_bytes + done;
      const uint64_t length = std::min(slot_bytes - at % slot_bytes, run.data.size() - done);
      pieces[at / slot_bytes].push_back({at, run.data.subspan(done, length)});
      done += length;
    }
  }
  for (const auto& [number, of_slot] : pieces) {
    Reception slot(snapshot, number, blocks_per_extent_);
    for (const ReceivedRun& piece : of_slot) {
      const auto first = static_cast<uint32_t>(piece.offset_bytes % slot_bytes / k_page_bytes);
      const auto count = static_cast<uint32_t>(piece.data.size() / k_page_bytes);
      slot.received.set(first, count);
      std::memcpy(slot.data.bytes(first, count).data(), piece.data.data(), piece.data.size());
    }
    // Others come in between two slots.
    const Turns::Turn turn = co_await turns_.take();
    if (!receiving_.contains(snapshot)) {
      co_return Error{Errc::not_found, "the snapshot is not being received any more"};
    }
    const Errc errc = co_await receive_slot(slot);
    if (errc != Errc::ok) co_return receive_failed(errc);
  }
  co_return Unit{};
}

// The snapshot below may be larger: beyond its own end one shows zeroes, to a clone that is larger.
Task<Outcome> Pool::receive_end(uint32_t snapshot, uint64_t size_bytes) {
  constexpr uint32_t k_ranges_max = 64;
  const uint64_t slot_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  const PageBuffer zeroes(slot_bytes);
  std::memset(zeroes.data(), 0, zeroes.size());
  for (std::optional<uint64_t> from = size_bytes; from.has_value();) {
    const Result<Ranges> held =
        co_await ranges(snapshot, std::nullopt, k_volume_bytes_max, *from, k_ranges_max);
    if (!held.ok()) co_return held.error();
    for (const ByteRange& range : held->ranges) {
      const uint64_t end = range.offset_bytes + range.length_bytes;
      for (uint64_t at = range.offset_bytes; at < end;) {
        const uint64_t length = std::min(slot_bytes - at % slot_bytes, end - at);
        std::vector<ReceivedRun> run{{at, zeroes.bytes().first(length)}};
        const Outcome received = co_await receive_runs(snapshot, std::move(run));
        if (!received.ok()) co_return received;
        at += length;
      }
    }
    from = held->next_offset_bytes;
  }
  co_return Unit{};
}

Task<Errc> Pool::receive_slot(Reception& slot) {
  const Turns::Turn turn = co_await metadata_turns_.take();
  const Result<uint32_t> child = co_await volumes_.only_child(slot.snapshot);
  if (!child.ok()) co_return child.errc();
  slot.child = *child;
  Errc errc = co_await hold(slot.child, slot.slot, slot.slot);
  if (errc != Errc::ok) co_return errc;
  errc = co_await receive_held(slot);
  path_.settle_freed();
  co_await release();
  co_return errc;
}

Task<Errc> Pool::receive_held(Reception& slot) {
  Errc errc = co_await load_slot(slot.child, slot.slot, slot.above);
  if (errc == Errc::ok) errc = co_await load_slot(slot.snapshot, slot.slot, slot.own);
  if (errc == Errc::ok) errc = co_await find_wanted(slot);
  if (errc != Errc::ok || slot.wanted.is_empty()) co_return errc;
  const Result<bool> moves = co_await can_move(slot);
  if (!moves.ok()) co_return moves.errc();
  if (*moves) co_return co_await move_slot(slot);
  errc = co_await cover(slot);
  if (errc == Errc::ok) errc = co_await store_received(slot);
  co_return errc;
}

Task<Errc> Pool::load_slot(uint32_t layer, uint64_t number, Slot& slot) {
  const Key key = slot_key(layer, number);
  const auto found = co_await store_.seek(key);
  if (!found.ok()) co_return found.errc();
  const bool is_there = found->has_value() && (*found)->key == key;
  co_return !is_there || decode((*found)->value, slot) ? Errc::ok : Errc::io_error;
}

Task<Errc> Pool::find_wanted(Reception& slot) {
  Result<ResolvedSlot> resolved = co_await resolve(store_, slot.snapshot, slot.slot);
  if (!resolved.ok()) co_return resolved.errc();
  slot.shown = std::move(*resolved);
  SlotBlocks shown(blocks_per_extent_);
  const Errc errc = co_await read_blocks(path_, slot.shown, slot.received, shown);
  if (errc != Errc::ok) co_return errc;
  for (uint32_t block = 0; block < blocks_per_extent_; ++block) {
    if (!slot.received.test(block)) continue;
    if (shown.damaged.test(block) || !shown.is_same(slot.data, block)) slot.wanted.set(block, 1);
  }
  co_return co_await settle_read(shown);
}

// Whether all that the child has of the slot is what the snapshot is to show, and nothing is missing.
Task<Result<bool>> Pool::can_move(Reception& slot) {
  const BlockMask held = slot.above.known();
  BlockMask missing = slot.own.known();
  missing.add(slot.wanted);
  missing.subtract(held);
  if (slot.above.fragments_count == 0 || !missing.is_empty()) co_return false;
  if (planted(Planted::received_moved_different)) co_return true;
  SlotBlocks above(blocks_per_extent_), shown(blocks_per_extent_);
  BlockMask others = held;
  others.subtract(slot.received);
  const ResolvedSlot of_child{slot.above, {}};
  Errc errc = co_await read_blocks(path_, of_child, held, above);
  if (errc == Errc::ok) errc = co_await read_blocks(path_, slot.shown, others, shown);
  if (errc != Errc::ok) co_return errc;
  if (!above.damaged.is_empty() || !shown.damaged.is_empty()) co_return false;
  for (uint32_t block = 0; block < blocks_per_extent_; ++block) {
    const SlotBlocks& to_show = slot.received.test(block) ? slot.data : shown;
    if (held.test(block) && !above.is_same(to_show, block)) co_return false;
  }
  errc = co_await settle_read(above);
  if (errc == Errc::ok) errc = co_await settle_read(shown);
  if (errc != Errc::ok) co_return errc;
  co_return true;
}

// What the snapshot has is the same as what it gets, and the child has all of it. Two groups: a record that
// takes effect twice must not find what a later one of its group has left.
Task<Errc> Pool::move_slot(Reception& slot) {
  if (!slot.own.is_empty()) {
    Changes changes(store_);
    std::vector<Extent> freed;
    for (uint32_t i = 0; i < slot.own.fragments_count; ++i) freed.push_back(slot.own.fragments[i].extent);
    if (!freed.empty()) {
      changes.add(RecordType::extent_free,
                  {reinterpret_cast<const uint8_t*>(freed.data()), freed.size() * sizeof(Extent)});
    }
    changes.remove(slot_key(slot.snapshot, slot.slot));
    const Errc errc = co_await changes.commit(true);
    if (errc != Errc::ok) co_return errc;
  }
  Changes changes(store_);
  const SlotMerge merge{slot.child, slot.snapshot, slot.slot};
  changes.add(RecordType::slot_merge, bytes_of(merge));
  const Errc errc = co_await changes.commit(true);
  co_return errc;
}

// What the child shows of the wanted blocks becomes its own. Who looks up a slot meanwhile, or what layers
// hold (ranges()), looks again: the layer is put last, and what the snapshot gets comes after that.
Task<Errc> Pool::cover(Reception& slot) {
  BlockMask missing = slot.wanted;
  missing.subtract(slot.above.known());
  if (missing.is_empty() || planted(Planted::received_uncovered)) co_return Errc::ok;
  const Result<LayerValue> layer = co_await volumes_.layer(slot.snapshot);
  if (!layer.ok()) co_return layer.errc();
  Changes changes(store_);
  BlockMask copied;
  Errc errc = Errc::ok;
  SlotTarget target;
  const std::vector<Fragment> shown = fragments_of(slot.shown, missing);
  if (!shown.empty()) {
    Result<SlotTarget> opened = co_await open_target(path_, slot.above);
    if (!opened.ok()) co_return opened.errc();
    target = std::move(*opened);
  }
  for (const Fragment& fragment : shown) {
    copied.add(fragment.mask);
    if (errc == Errc::ok) errc = co_await copy_blocks(path_, fragment, target);
  }
  BlockMask zeroes = missing;
  zeroes.subtract(copied);
  add_maps(changes, slot.child, slot.slot, copied, target.extent);
  add_zeroes(changes, slot.child, slot.slot, zeroes);
  if (!planted(Planted::received_unannounced)) {
    changes.put(Key::of(KeyType::layer, slot.snapshot), bytes_of(*layer));
  }
  if (errc == Errc::ok && !shown.empty()) errc = co_await path_.disk_of(target.extent).disk.sync();
  if (errc == Errc::ok) errc = co_await changes.commit(false);
  if (!shown.empty()) close_target(path_, target, copied, errc);
  forget_places(slot.slot);
  path_.chains.layer_written(slot.child);
  co_return errc;
}

// What the snapshot has is not overwritten: it may have come from below, and be read at this moment.
Task<Errc> Pool::store_received(Reception& slot) {
  BlockMask zeroes;
  for (uint32_t block = 0; block < blocks_per_extent_; ++block) {
    if (slot.wanted.test(block) && slot.data.is_zero(block)) zeroes.set(block, 1);
  }
  BlockMask written = slot.wanted;
  written.subtract(zeroes);
  const bool replaces = data_of(slot.own).intersects(written) && !planted(Planted::received_in_place);
  if (replaces && slot.own.fragments_count == k_fragments_max) {
    // There is no room for one more extent.
    Errc errc = co_await copy_together({0, slot.snapshot, slot.slot});
    forget_places(slot.slot);
    slot.own = {};
    if (errc == Errc::ok) errc = co_await load_slot(slot.snapshot, slot.slot, slot.own);
    if (errc != Errc::ok) co_return errc;
  }
  BlockMask mapped = written;
  SlotTarget target;
  Errc errc = Errc::ok;
  if (!written.is_empty()) {
    const Slot into = replaces ? Slot{} : slot.own;
    Result<SlotTarget> opened = co_await open_target(path_, into);
    if (!opened.ok()) co_return opened.errc();
    target = std::move(*opened);
    errc = co_await write_blocks(path_, slot.data, written, target);
  }
  for (uint32_t i = 0; i < slot.own.fragments_count && replaces; ++i) {
    Fragment fragment = slot.own.fragments[i];
    fragment.mask.subtract(slot.wanted);
    mapped.add(fragment.mask);
    if (errc == Errc::ok) errc = co_await copy_blocks(path_, fragment, target);
  }
  Changes changes(store_);
  add_maps(changes, slot.snapshot, slot.slot, mapped, target.extent);
  add_zeroes(changes, slot.snapshot, slot.slot, zeroes);
  if (errc == Errc::ok && !written.is_empty()) errc = co_await path_.disk_of(target.extent).disk.sync();
  if (errc == Errc::ok) errc = co_await changes.commit(false);
  if (!written.is_empty()) close_target(path_, target, mapped, errc);
  if (replaces) forget_places(slot.slot);
  path_.chains.layer_written(slot.snapshot);
  co_return errc;
}

}  // namespace ballast::bdev::pool
