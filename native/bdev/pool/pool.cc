// A pool comes and goes: creating, opening, adding a device, closing.
#include "bdev/pool/pool.h"

#include <algorithm>
#include <cinttypes>

#include "base/log.h"
#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

Error about(const std::string& path, const Error& error) { return {error.errc, path + ": " + error.text}; }

// The table entry of a device; extents follow each other from data_offset on.
Result<DeviceEntry> entry_of(const Uuid& uuid, uint64_t usable, uint64_t data_offset, uint64_t extent_bytes) {
  if (usable > k_device_bytes_max) return Error{Errc::invalid_argument, "it is larger than 1 EiB"};
  if (usable < data_offset + extent_bytes + k_back_bytes) {
    return Error{Errc::invalid_argument, "it has " + std::to_string(usable) + " bytes, at least " +
                                             std::to_string(data_offset + extent_bytes + k_back_bytes) +
                                             " are needed"};
  }
  DeviceEntry entry;
  entry.uuid = uuid;
  entry.size_bytes = usable;
  entry.data_offset = data_offset;
  entry.extents_count = (usable - k_back_bytes - data_offset) / extent_bytes;
  return entry;
}

Result<uint8_t> extent_log2_of(uint32_t extent_bytes) {
  for (uint8_t log2 = k_extent_size_log2_min; log2 <= k_extent_size_log2_max; ++log2) {
    if (extent_bytes == 1u << log2) return log2;
  }
  return Error{Errc::invalid_argument, "an extent has 256 KiB, 512 KiB or 1 MiB"};
}

Result<Superblock> new_superblock(const PoolSettings& settings, const std::vector<uint64_t>& usable) {
  if (settings.name.empty() || settings.name.size() > k_name_bytes_max ||
      settings.name.find('\0') != std::string::npos) {
    return Error{Errc::invalid_argument, "a pool's name has 1 to 64 bytes, none of them zero"};
  }
  if (usable.empty() || usable.size() > k_devices_max) {
    return Error{Errc::invalid_argument, "a pool has 1 to 60 devices"};
  }
  TRY(const uint8_t log2, extent_log2_of(settings.extent_bytes));
  Superblock superblock;
  superblock.head.pool_uuid = settings.uuid;
  superblock.head.generation = 1;
  superblock.devices_count = static_cast<uint16_t>(usable.size());
  superblock.read_only_compatible = k_read_only_compatible_allocations;
  if (settings.keeps_checksums) superblock.read_only_compatible |= k_read_only_compatible_checksums;
  superblock.metadata_offset = k_front_bytes;
  const ExtentNeeds needs{settings.extent_bytes / k_page_bytes, settings.keeps_checksums};
  superblock.metadata_bytes = default_metadata_bytes(usable, needs, settings.grows_to_bytes);
  TRY(const MetadataLayout layout, MetadataLayout::of(superblock.metadata_bytes));
  if (needs.extents_within(layout.tree_pages()) < settings.grows_to_bytes / settings.extent_bytes) {
    return Error{Errc::invalid_argument,
                 "half of the first device is too little for the metadata of so much data"};
  }
  superblock.journal_blocks = layout.journal_blocks;
  superblock.free_map_pages = layout.free_map_pages;
  superblock.extent_size_log2 = log2;
  superblock.created_at_s = settings.now_s;
  superblock.name = name_bytes(settings.name);
  for (size_t i = 0; i < usable.size(); ++i) {
    const uint64_t offset = k_front_bytes + (i == 0 ? superblock.metadata_bytes : 0);
    TRY(superblock.devices[i], entry_of(settings.device_uuids[i], usable[i], offset, settings.extent_bytes));
  }
  return superblock;
}

// As it lies on one device.
Superblock placed(Superblock superblock, size_t index) {
  superblock.device_index = static_cast<uint16_t>(index);
  superblock.device_uuid = superblock.devices[index].uuid;
  return superblock;
}

}  // namespace

Pool::Pool(Reactor& reactor, std::vector<Device> devices, const Superblock& superblock,
           const PoolOptions& options)
    : reactor_(reactor),
      devices_(std::move(devices)),
      superblock_(superblock),
      blocks_per_extent_((1u << superblock.extent_size_log2) / k_page_bytes),
      store_(*devices_.front().disk, superblock_, options.store),
      path_(reactor, store_, blocks_per_extent_,
            (superblock.read_only_compatible & k_read_only_compatible_checksums) != 0, options.data),
      volumes_(store_, metadata_turns_, uint64_t{blocks_per_extent_} * k_page_bytes),
      layer_work_(store_, metadata_turns_, this),
      cleaner_(path_, options.cleaner),
      scrubber_(path_) {
  for (size_t i = 0; i < devices_.size(); ++i) {
    path_.add_disk(*devices_[i].disk, superblock.devices[i].data_offset);
  }
  path_.room_is_short = [this] {
    if (may_have_fragments_ && !is_working_) want_layer_work();
  };
}

Pool::~Pool() { BALLAST_ASSERT(open_.empty() && background_.is_idle()); }

// What a file system, a partition table or another pool left is in the first or the last MiB. A device that
// has been joining this pool when that was interrupted may be added again.
Task<Outcome> Pool::check_unused(Disk& disk, const std::string& path, const Uuid& joining_of) {
  const uint64_t usable = usable_bytes(disk.size_bytes());
  if (usable < k_front_bytes + k_back_bytes) co_return Error{Errc::invalid_argument, path + ": is too small"};
  const Result<FoundSuperblock> found = co_await read_superblocks(disk);
  if (found.ok() && found->superblock.state == PoolState::joining &&
      found->superblock.head.pool_uuid == joining_of) {
    co_return Unit{};
  }
  if (found.ok()) {
    co_return Error{Errc::already_exists, path + ": is a device of pool " +
                                              std::string(name_text(found->superblock.name)) + " (" +
                                              found->superblock.head.pool_uuid.text() + ")"};
  }
  const PageBuffer buffer(k_front_bytes);
  for (const uint64_t offset : {uint64_t{0}, usable - k_back_bytes}) {
    const Errc read = co_await disk.read(offset, buffer.bytes());
    if (read != Errc::ok) co_return Error{read, path + ": cannot be read"};
    const MutableByteSpan bytes = buffer.bytes();
    if (std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; })) {
      co_return Error{Errc::already_exists, path + ": holds data that is not a pool's"};
    }
  }
  co_return Unit{};
}

Task<Result<std::unique_ptr<Pool>>> Pool::create(Reactor& reactor, std::vector<PoolFile> files,
                                                 PoolSettings settings, PoolOptions options) {
  BALLAST_ASSERT(settings.device_uuids.size() == files.size());
  std::vector<Device> devices;
  std::vector<uint64_t> usable;
  for (PoolFile& opened : files) {
    usable.push_back(usable_bytes(opened.file->size_bytes()));
    devices.push_back({opened.path, std::make_unique<Disk>(reactor, std::move(opened.file))});
  }
  const Outcome allowed = check_policy(settings.policy);
  if (!allowed.ok()) co_return allowed.error();
  const Result<Superblock> superblock = new_superblock(settings, usable);
  if (!superblock.ok()) co_return superblock.error();
  for (const Device& device : devices) {
    if (settings.overwrites) continue;
    const Outcome unused = co_await check_unused(*device.disk, device.path, Uuid{});
    if (!unused.ok()) co_return unused.error();
  }
  // The first device last: before that there is no pool.
  auto pool = std::unique_ptr<Pool>(new Pool(reactor, std::move(devices), *superblock, options));
  if (options.fills_journal) {
    const Errc filled = co_await pool->fill_journal();
    if (filled != Errc::ok) co_return Error{filled, "the journal could not be written"};
  }
  const Outcome started = co_await pool->start(true);
  if (!started.ok()) co_return started.error();
  const Outcome decided = co_await pool->volumes_.set_policy(settings.policy);
  if (!decided.ok()) {
    co_await pool->close();
    co_return decided.error();
  }
  for (size_t i = pool->devices_.size(); i-- > 0;) {
    const Errc written = co_await write_superblocks(*pool->devices_[i].disk, placed(*superblock, i));
    if (written == Errc::ok) continue;
    const std::string path = pool->devices_[i].path;
    co_await pool->close();
    co_return Error{written, path + ": the superblocks could not be written"};
  }
  co_return pool;
}

Task<Result<std::unique_ptr<Pool>>> Pool::open(Reactor& reactor, std::vector<PoolFile> files,
                                               PoolOptions options) {
  std::vector<Device> given;
  std::vector<Superblock> superblocks;
  std::vector<bool> worn;
  for (PoolFile& opened : files) {
    given.push_back({opened.path, std::make_unique<Disk>(reactor, std::move(opened.file))});
    const Result<FoundSuperblock> found = co_await read_superblocks(*given.back().disk);
    if (!found.ok()) co_return about(given.back().path, found.error());
    superblocks.push_back(found->superblock);
    worn.push_back(found->is_worn);
  }
  const Result<std::vector<size_t>> places = assemble(superblocks);
  if (!places.ok()) co_return places.error();
  Superblock superblock = superblocks[places->front()];
  std::vector<Device> devices;
  bool needs_writing = superblock.state != PoolState::active;
  for (const size_t place : *places) {
    if (worn[place]) {
      log(LogLevel::warning, "bdev/pool",
          "%s: a copy of its superblock was damaged or old, and is written again",
          log_escape(given[place].path).c_str());
    }
    needs_writing |= worn[place] || superblocks[place].head.generation != superblock.head.generation ||
                     superblocks[place].state != PoolState::active;
    devices.push_back(std::move(given[place]));
  }
  auto pool = std::unique_ptr<Pool>(new Pool(reactor, std::move(devices), superblock, options));
  if (needs_writing) {
    pool->superblock_.state = PoolState::active;
    ++pool->superblock_.head.generation;
    const Errc written = co_await pool->write_all_superblocks();
    if (written != Errc::ok) co_return Error{written, "the superblocks could not be written"};
  }
  const Outcome started = co_await pool->start(false);
  if (!started.ok()) co_return started.error();
  co_return pool;
}

Task<Errc> Pool::write_all_superblocks() {
  for (size_t i = 0; i < devices_.size(); ++i) {
    const Errc written = co_await write_superblocks(*devices_[i].disk, placed(superblock_, i));
    if (written != Errc::ok) co_return written;
  }
  co_return Errc::ok;
}

Task<Outcome> Pool::start(bool is_new) {
  Outcome outcome = Unit{};
  if (is_new) {
    outcome = co_await store_.create();
  } else {
    outcome = co_await store_.open();
  }
  path_.settle_freed();
  if (outcome.ok() && !is_new) outcome = co_await sync_data();
  if (outcome.ok()) outcome = co_await load_dirty();
  if (!outcome.ok()) co_return outcome;
  cleaner_.start();
  want_layer_work();
  co_return Unit{};
}

// What a process that was killed has left in the disks' caches is read from now on, and must not vanish. The
// first device was synced by the checkpoint that ends an opening.
Task<Outcome> Pool::sync_data() {
  for (size_t i = 1; i < devices_.size(); ++i) {
    const Errc synced = co_await devices_[i].disk->sync();
    if (synced != Errc::ok) co_return Error{synced, devices_[i].path + ": cannot be written"};
  }
  co_return Unit{};
}

Task<Errc> Pool::fill_journal() {
  const PageBuffer zeroes(k_mib);
  const uint64_t begin = MetadataLayout::address(k_journal_first_page);
  const uint64_t end = begin + uint64_t{superblock_.journal_blocks} * k_page_bytes;
  for (uint64_t offset = begin; offset < end; offset += k_mib) {
    const Errc written = co_await devices_.front().disk->write(
        offset, zeroes.bytes().first(std::min<uint64_t>(k_mib, end - offset)));
    if (written != Errc::ok) co_return written;
  }
  co_return co_await devices_.front().disk->sync();
}

// The sums of what was being written when the pool was last in use are not known.
Task<Outcome> Pool::load_dirty() {
  if (!path_.keeps_checksums) co_return Unit{};
  for (Key key = dirty_key(Extent{});;) {
    const auto found = co_await store_.seek(key);
    if (!found.ok()) co_return Error{found.errc(), "the dirty extents cannot be read"};
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::dirty)) co_return Unit{};
    const Extent extent{(*found)->key.id()};
    if (!store_.extents().is_known(extent)) co_return Error{Errc::io_error, "a dirty extent is not there"};
    if (path_.sums.find(extent) == nullptr) path_.sums.add(extent)->is_dirty = true;
    key = {(*found)->key.high + 1, 0};
  }
}

Task<Outcome> Pool::close(PoolState as) {
  BALLAST_ASSERT(open_.empty());
  is_closing_ = true;
  scrubber_.stop();
  co_await scrubber_.ended();
  co_await cleaner_.stop();
  while (is_working_) co_await rested_;
  NextTurn turn(reactor_);
  co_await turn;
  // What can be clean is: the next opening has nothing to compute.
  if (path_.keeps_checksums && !store_.is_broken()) co_await cleaner_.clean_all();
  const Errc closed = co_await store_.close();
  if (closed != Errc::ok) co_return Error{closed, "what was in memory could not be written"};
  if (as == PoolState::active) co_return Unit{};
  superblock_.state = as;
  ++superblock_.head.generation;
  const Errc written = co_await write_all_superblocks();
  if (written != Errc::ok) co_return Error{written, "the superblocks could not be written"};
  co_return Unit{};
}

Task<Outcome> Pool::destroy() {
  const auto held = co_await volumes_.list(0, 1);
  if (!held.ok()) co_return held.error();
  if (!held->empty()) co_return Error{Errc::in_use, "the pool has volumes: delete them first"};
  const Outcome closed = co_await close();
  if (!closed.ok()) co_return closed.error();
  const PageBuffer zeroes(sizeof(Superblock));
  for (size_t i = 0; i < devices_.size(); ++i) {
    Disk& disk = *devices_[i].disk;
    for (const uint64_t offset : superblock_offsets(superblock_.devices[i].size_bytes)) {
      const Errc written = co_await disk.write(offset, zeroes.bytes());
      if (written != Errc::ok) co_return Error{written, devices_[i].path + ": cannot be written"};
    }
    const Errc synced = co_await disk.sync();
    if (synced != Errc::ok) co_return Error{synced, devices_[i].path + ": cannot be written"};
  }
  co_return Unit{};
}

// The new device says of itself that it is joining, until device 0 names it: a crash between leaves a pool
// without it.
Task<Outcome> Pool::add_device(PoolFile file, Uuid device_uuid) {
  const Turns::Turn turn = co_await turns_.take();
  if (superblock_.devices_count == k_devices_max)
    co_return Error{Errc::too_many, "a pool has 1 to 60 devices"};
  Device added{file.path, std::make_unique<Disk>(reactor_, std::move(file.file))};
  const Outcome unused = co_await check_unused(*added.disk, added.path, superblock_.head.pool_uuid);
  if (!unused.ok()) co_return unused.error();
  const Result<DeviceEntry> entry = entry_of(device_uuid, usable_bytes(added.disk->size_bytes()),
                                             k_front_bytes, uint64_t{1} << superblock_.extent_size_log2);
  if (!entry.ok()) co_return about(added.path, entry.error());
  Superblock with = superblock_;
  const size_t index = with.devices_count++;
  with.devices[index] = *entry;
  ++with.head.generation;
  Superblock joining = placed(with, index);
  joining.state = PoolState::joining;
  Errc joined = Errc::ok;
  if (!planted(Planted::joining_not_written)) joined = co_await write_superblocks(*added.disk, joining);
  if (joined != Errc::ok) co_return Error{joined, added.path + ": the superblocks could not be written"};
  superblock_ = with;
  devices_.push_back(std::move(added));
  const Errc written = co_await write_all_superblocks();
  if (written != Errc::ok) {
    devices_.front().disk->poison();
    co_return Error{written, "the superblocks could not be written: open the pool again"};
  }
  path_.add_disk(*devices_.back().disk, entry->data_offset);
  store_.extents().add_device(entry->extents_count);
  co_return Unit{};
}

PoolFacts Pool::facts() const {
  PoolFacts facts;
  facts.superblock = superblock_;
  for (const Device& device : devices_) facts.paths.push_back(device.path);
  facts.extents_used = store_.extents().extents_count() - store_.extents().free_count();
  facts.extents_count = store_.capacity_extents();
  facts.extents_free = store_.writable_extents();
  facts.extents_without_metadata = store_.extents().extents_count() - facts.extents_count;
  const FreeMap& map = store_.metadata().free_map();
  facts.metadata_pages = superblock_.metadata_bytes / k_page_bytes;
  facts.metadata_pages_free = map.free_and_pending_count();
  facts.is_working = is_working_;
  facts.is_broken = store_.is_broken() || path_.is_poisoned();
  facts.scrub = scrubber_.progress();
  return facts;
}

}  // namespace ballast::bdev::pool
