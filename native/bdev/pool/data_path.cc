#include "bdev/pool/data_path.h"

#include <algorithm>

#include "bdev/pool/apply.h"
#include "bdev/pool/volume_io.h"

namespace ballast::bdev::pool {
namespace {

// A record that makes an extent dirty, until it is durable.
struct Mark {
  explicit Mark(BlockSumsPointer of) : sums(std::move(of)), extent(sums->extent) {
    record = {RecordType::dirty, false, bytes_of(extent)};
    commit.records = {&record, 1};
    // Overwriting what is there must go on when the metadata is nearly full.
    commit.uses_reserve = true;
    commit.context = this;
    commit.done = [](Commit& done, Errc errc) {
      const std::unique_ptr<Mark> self(static_cast<Mark*>(done.context));
      BlockSums& marked = *self->sums;
      marked.is_marking = false;
      if (errc == Errc::ok) marked.is_dirty = true;
      marked.marked.wake_all();
    };
  }
  BlockSumsPointer sums;
  Extent extent;
  Record record;
  Commit commit;
};

}  // namespace

DataPath::DataPath(Reactor& of, Store& metadata, uint32_t blocks, bool checksums,
                   const DataPathOptions& options)
    : reactor(of),
      store(metadata),
      blocks_per_extent(blocks),
      keeps_checksums(checksums),
      ages(options.slots_max),
      ios_(std::make_unique<ObjectPool<VolumeIo>>(options.ios_max)) {
  store.extents().defer_freed();
}

DataPath::~DataPath() = default;

void DataPath::add_disk(Disk& disk, uint64_t data_offset) {
  disks_.push_back(std::make_unique<DataDisk>(disk, data_offset));
}

bool DataPath::is_poisoned() const {
  return std::any_of(disks_.begin(), disks_.end(), [](const auto& disk) { return disk->disk.is_poisoned(); });
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
    for (const Extent extent : freed) sums.forget(extent);
    grace.add(std::move(freed));
  }
  std::vector<Extent> free;
  const bool has_changed = grace.take(free);
  for (const Extent extent : free) {
    // A write that had chosen it before it was freed may have mapped it again.
    if (!store.extents().is_used(extent)) store.extents().unreserve(extent);
  }
  if (has_changed) waiting_for_room.wake_all();
}

BlockSumsPointer DataPath::new_sums(Extent extent) {
  if (!keeps_checksums) return nullptr;
  sums.forget(extent);
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
  if (marked->is_dirty) return true;
  marked->marked.add(waiter);
  if (marked->is_marking) return false;
  marked->is_marking = true;
  store.commit((new Mark(marked))->commit);
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
