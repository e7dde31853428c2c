#include "bdev/pool/data_path.h"

#include <algorithm>

#include "bdev/pool/apply.h"
#include "bdev/pool/map_memory.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/volume_io.h"

namespace ballast::bdev::pool {
namespace {

// Neighbours that are marked with an extent: 64 MiB of 1 MiB extents. More are marked for one record then,
// and more are read after a crash.
constexpr uint64_t k_neighbours = 64;
constexpr size_t k_premarks_max = 16'384;

}  // namespace

// A record that makes an extent dirty, and neighbours that are clean, until it is durable.
struct DataPath::Mark {
  Mark(DataPath& of, BlockSumsPointer marked) : path(of), sums(std::move(marked)), id(++of.marks_count_) {
    extents.push_back(sums->extent);
    const uint16_t device = sums->extent.device();
    const uint64_t first = sums->extent.number() / k_neighbours * k_neighbours;
    for (uint64_t number = first; number < first + k_neighbours; ++number) {
      if (path.premarks.size() >= k_premarks_max) break;
      const Extent extent = Extent::of(device, number);
      const ExtentMap& map = path.store.extents();
      if (extent == sums->extent || !map.is_known(extent) || !map.is_used(extent)) continue;
      const BlockSumsPointer held = path.sums.find(extent);
      if (held != nullptr && (held->is_dirty || held->is_marking)) continue;
      if (!path.premarks.try_emplace(extent.packed, Premark{id, false, 0}).second) continue;
      extents.push_back(extent);
    }
    record = {RecordType::dirty,
              false,
              {reinterpret_cast<const uint8_t*>(extents.data()), extents.size() * sizeof(Extent)}};
    commit.records = {&record, 1};
    // Overwriting what is there must go on when the metadata is nearly full.
    commit.uses_reserve = true;
    commit.context = this;
    commit.done = [](Commit& done, Errc errc) {
      const std::unique_ptr<Mark> self(static_cast<Mark*>(done.context));
      self->ended(errc);
    };
  }
  void ended(Errc errc) {
    for (const Extent extent : extents) {
      const auto found = path.premarks.find(extent.packed);
      if (found == path.premarks.end() || found->second.id != id) continue;
      found->second.is_durable = true;
      found->second.since_ns = path.reactor.now_ns();
      if (errc != Errc::ok) path.premarks.erase(found);
    }
    sums->is_marking = false;
    if (errc == Errc::ok) sums->is_dirty = true;
    sums->marked.wake_all();
  }

  DataPath& path;
  BlockSumsPointer sums;
  const uint64_t id;
  std::vector<Extent> extents;
  Record record;
  Commit commit;
};

DataPath::DataPath(Reactor& of, Store& metadata, uint32_t blocks, bool checksums,
                   const DataPathOptions& options)
    : reactor(of),
      store(metadata),
      blocks_per_extent(blocks),
      keeps_checksums(checksums),
      chains(of, metadata, options.chains),
      slots_max_(options.map_bytes == 0 ? options.slots_max : UINT32_MAX),
      map_bytes_(options.map_bytes),
      ios_(std::make_unique<ObjectPool<VolumeIo>>(options.ios_max)) {
  store.extents().defer_freed();
  store.set_layers_listener(chains);
}

DataPath::~DataPath() = default;

void DataPath::add_disk(Disk& disk, uint64_t data_offset) { disks_.push_back({disk, data_offset}); }

bool DataPath::is_poisoned() const {
  return std::any_of(disks_.begin(), disks_.end(), [](const DataDisk& on) { return on.disk.is_poisoned(); });
}

VolumeIo* DataPath::take() { return ios_->try_acquire(); }

void DataPath::give_back(VolumeIo& io) {
  ios_->release(io);
  if (!line.empty()) line.wake_one();
}

std::optional<Extent> DataPath::reserve() {
  if (is_room_short() && room_is_short) room_is_short();
  Extent extent;
  if (store.extents().reserve({&extent, 1}) == 0) return std::nullopt;
  return extent;
}

void DataPath::unreserve(Extent extent) {
  sums.forget(extent);
  // Not before those who may still write to it have ended.
  grace.add({extent});
  settle_freed();
}

void DataPath::settle_freed() {
  std::vector<Extent> freed = store.extents().take_freed();
  if (!freed.empty()) {
    for (const Extent extent : freed) {
      sums.forget(extent);
      premarks.erase(extent.packed);
    }
    grace.add(std::move(freed));
  }
  std::vector<Extent> free;
  const bool has_changed = grace.take(free);
  for (const Extent extent : free) {
    // A write that had chosen it before it was freed may have mapped it again.
    if (!store.extents().is_used(extent) || planted(Planted::freed_while_used))
      store.extents().unreserve(extent);
  }
  if (has_changed) waiting_for_room.wake_all();
}

// What a slot holds of sums is counted with it, the sums of one that was dropped and stays dirty are not:
// those are the cleaner's to bound.
CachedSlot* DataPath::slot_to_drop() {
  const uint64_t held = ages.size() * k_cached_slot_bytes + ages.sums_count() * k_block_sums_bytes;
  const bool is_over =
      ages.size() > slots_max_ || held > slots_bytes_max(store.allocated_bytes(), map_bytes_);
  return is_over ? ages.oldest_idle() : nullptr;
}

BlockSumsPointer DataPath::new_sums(Extent extent) {
  if (!keeps_checksums) return nullptr;
  sums.forget(extent);
  premarks.erase(extent.packed);
  BlockSumsPointer made = sums.add(extent);
  made->is_dirty = true;
  return made;
}

Task<Result<BlockSumsPointer>> DataPath::load_sums(Extent extent) {
  if (BlockSumsPointer held = sums.find(extent)) co_return held;
  const Key key = checksums_key(extent);
  const auto found = co_await store.seek(key);
  if (!found.ok()) co_return found.error();
  // While a page was read another may have been here.
  if (BlockSumsPointer held = sums.find(extent)) co_return held;
  BlockSumsPointer loaded = sums.add(extent);
  if (found->has_value() && (*found)->key == key) {
    const ByteSpan value = (*found)->value;
    if (value.size() != blocks_per_extent * sizeof(uint32_t)) {
      sums.forget(extent);
      co_return Error{Errc::io_error, "the pool's metadata is damaged: checksums"};
    }
    for (uint32_t block = 0; block < blocks_per_extent; ++block) {
      loaded->sums[block] = load<uint32_t>(value.subspan(block * sizeof(uint32_t)));
    }
    loaded->known.set(0, blocks_per_extent);
  }
  co_return loaded;
}

bool DataPath::mark_dirty(const BlockSumsPointer& marked, Waiter& waiter) {
  if (planted(Planted::dirty_not_marked)) marked->is_dirty = true;
  if (marked->is_dirty) return true;
  if (const auto found = premarks.find(marked->extent.packed);
      found != premarks.end() && !marked->is_marking) {
    const bool is_durable = found->second.is_durable;
    premarks.erase(found);  // dirty from now on, one way or the other
    marked->is_dirty = is_durable;
    if (is_durable) return true;
  }
  marked->marked.add(waiter);
  if (marked->is_marking) return false;
  marked->is_marking = true;
  store.commit((new Mark(*this, marked))->commit);
  return false;
}

bool MarkDone::await_ready() {
  waiter_.context = this;
  waiter_.wake = [](Waiter& waiter) {
    MarkDone& self = *static_cast<MarkDone*>(waiter.context);
    self.is_done_ = true;
    if (self.coroutine_) self.coroutine_.resume();
  };
  return path_.mark_dirty(sums_, waiter_) || is_done_;
}

}  // namespace ballast::bdev::pool
