#include "bdev/pool/store.h"

#include <algorithm>

#include "bdev/pool/map_memory.h"
#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

// Records between two checkpoints: bounds the time that replay takes.
constexpr uint64_t k_records_max = 100'000;
constexpr int k_tries_max = 4;

std::vector<uint64_t> extents_counts(const Superblock& superblock) {
  std::vector<uint64_t> counts;
  for (uint32_t i = 0; i < superblock.devices_count; ++i) {
    counts.push_back(superblock.devices[i].extents_count);
  }
  return counts;
}

MetadataLayout layout_of(const Superblock& superblock) {
  Result<MetadataLayout> layout = MetadataLayout::of(superblock.metadata_bytes);
  BALLAST_ASSERT(layout.ok());
  return *layout;
}

uint32_t changed_pages_max(const MetadataLayout& layout, uint32_t frames_count) {
  return std::min({frames_count / 4, layout.tree_pages() / k_changed_pages_part, k_changed_pages_max});
}

ExtentNeeds needs_of(const Superblock& superblock) {
  return {(1u << superblock.extent_size_log2) / k_page_bytes,
          (superblock.read_only_compatible & k_read_only_compatible_checksums) != 0};
}

}  // namespace

Store::Store(Disk& disk, const Superblock& superblock, const StoreOptions& options)
    : disk_(disk),
      layout_(layout_of(superblock)),
      pool_uuid_(superblock.head.pool_uuid),
      metadata_(disk, layout_, pool_uuid_, options.frames_count),
      extents_(extents_counts(superblock)),
      applier_(metadata_, extents_, (1u << superblock.extent_size_log2) / k_page_bytes,
               (superblock.read_only_compatible & k_read_only_compatible_checksums) != 0),
      extent_size_log2_(superblock.extent_size_log2),
      keeps_allocations_((superblock.read_only_compatible & k_read_only_compatible_allocations) != 0),
      map_bytes_(options.map_bytes),
      extents_promised_(needs_of(superblock).extents_within(layout_.tree_pages())),
      changed_max_(changed_pages_max(layout_, options.frames_count)),
      reserve_pages_(reserve_pages(changed_max_)),
      data_(ReplayData::of(superblock)) {}

Store::~Store() {
  BALLAST_ASSERT(!is_applying_ && !is_writing_ && durable_.empty() && voided_.empty() && settlers_.empty());
}

// --- opening ---

Task<Outcome> Store::create() {
  metadata_.create();
  applied_ = {1, 0};
  co_return co_await start_journal();
}

// The root of a process that was killed may be in the disk's cache only. What is written from here on may
// overwrite pages of the root before it: a power failure must not bring that one back.
Task<Outcome> Store::open() {
  Errc synced = Errc::ok;
  if (!planted(Planted::opening_without_sync)) synced = co_await disk_.sync();
  if (synced != Errc::ok) co_return Error{synced, "the metadata's device cannot be written"};
  Outcome outcome = co_await metadata_.open();
  if (!outcome.ok()) co_return outcome.error();
  applied_ = {metadata_.root().journal_sequence, metadata_.root().journal_record};
  outcome = co_await load_extents();
  if (!outcome.ok()) co_return outcome.error();
  outcome = co_await replay();
  if (!outcome.ok()) co_return outcome.error();
  co_return co_await start_journal();
}

Task<Outcome> Store::load_extents() {
  for (Key from = Key::of(KeyType::extents, 0);;) {
    const auto found = co_await metadata_.seek(from);
    if (!found.ok()) co_return Error{found.errc(), "the map of extents cannot be read"};
    if (!found->has_value()) co_return Unit{};
    const TreeEntry entry = **found;
    if (entry.key.type() != static_cast<uint8_t>(KeyType::extents)) co_return Unit{};
    const bool is_device = entry.key.id() < k_devices_max;
    if (!is_device || !extents_.load({static_cast<uint16_t>(entry.key.id()), entry.key.low}, entry.value)) {
      co_return Error{Errc::io_error, "the map of extents is damaged"};
    }
    from = {entry.key.high, entry.key.low + 1};
  }
}

Task<Outcome> Store::replay() {
  Replay replay(disk_, layout_, pool_uuid_, metadata_.root(), data_);
  for (;;) {
    Result<bool> more = co_await replay.next();
    if (!more.ok()) co_return more.error();
    if (!*more) break;
    const Errc applied = co_await apply_group(replay.group());
    if (applied != Errc::ok) {
      co_return Error{applied, "the journal and the metadata contradict each other, or cannot be read"};
    }
    applied_ = replay.position();
    if (!wants_checkpoint()) continue;
    const Errc written = co_await checkpoint_now(false, false);
    if (written != Errc::ok) co_return Error{written, "a checkpoint could not be written"};
  }
  extents_.publish_freed();
  applied_ = {replay.end_sequence(), 0};
  co_return Unit{};
}

// Under an incarnation of its own: what a crash left behind the end of the journal never counts again.
Task<Outcome> Store::start_journal() {
  const Errc written = co_await checkpoint_now(true, false);
  if (written != Errc::ok) co_return Error{written, "a checkpoint could not be written"};
  journal_ = std::make_unique<Journal>(disk_, layout_, pool_uuid_, metadata_.root().journal_sequence,
                                       metadata_.root().incarnation);
  co_return Unit{};
}

Task<Errc> Store::close() {
  while (is_applying_ || is_writing_) co_await rested_;
  // The coroutine that fired is still running, and the caller may destroy the store next.
  NextTurn turn(disk_.reactor());
  co_await turn;
  BALLAST_ASSERT(durable_.empty());
  if (is_broken()) co_return Errc::io_error;
  co_return co_await checkpoint_now(false, true);
}

uint64_t Store::capacity_extents() const {
  const uint64_t used = extents_.extents_count() - extents_.free_count();
  return std::min(extents_.extents_count(), std::max(extents_promised_, used));
}

uint64_t Store::writable_extents() const {
  if (is_nearly_full()) return 0;
  const uint64_t used = extents_.extents_count() - extents_.free_count();
  return capacity_extents() - used;
}

// --- commits ---

void Store::commit(Commit& commit) {
  if (is_broken() || journal_ == nullptr) return commit.done(commit, Errc::io_error);
  if (!commit.uses_reserve && is_nearly_full()) return commit.done(commit, Errc::no_space);
  commit.store = this;
  commit.append.records = commit.records;
  commit.append.has_data = commit.has_data;
  commit.append.context = &commit;
  commit.append.done = appended;
  journal_->append(commit.append);
}

void Store::appended(JournalAppend& append, Errc errc, JournalPosition end) {
  Commit& commit = *static_cast<Commit*>(append.context);
  Store& store = *commit.store;
  if (errc != Errc::ok || store.is_broken_) {
    store.is_broken_ = true;
    return commit.done(commit, Errc::io_error);
  }
  commit.append.end = end;
  store.durable_.push_back(commit);
  store.start_applying();
}

// A record that does nothing, in a block that says what was durable before it.
void Store::settle(Waiter& waiter) {
  settlers_.add(waiter);
  want_settled();
}

void Store::want_settled() {
  static constexpr Record k_nothing{RecordType::nothing, false, {}};
  if (is_settling_ || settlers_.empty()) return;
  if (is_broken()) return settlers_.wake_all();
  if (journal_->is_held()) return;  // until the checkpoint
  is_settling_ = true;
  settling_.records = {&k_nothing, 1};
  settling_.context = this;
  settling_.done = [](JournalAppend& append, Errc, JournalPosition) {
    Store& self = *static_cast<Store*>(append.context);
    self.is_settling_ = false;
    self.settlers_.wake_all();
  };
  journal_->append(settling_);
}

void Store::start_applying() {
  if (!is_applying_) background_.start(apply_committed());
}

Task<Errc> Store::apply_committed() {
  is_applying_ = true;
  Errc errc = Errc::ok;
  while (!is_broken_) {
    if (wants_checkpoint() && !is_writing_) {
      errc = co_await freeze(false, false);
      if (errc != Errc::ok) break;
      background_.start(write_checkpoint());
      continue;
    }
    Commit* const commit = durable_.front();
    if (commit == nullptr) break;
    if (commit->append.is_void) {
      applied_ = commit->append.end;
      durable_.remove(*commit);
      commit->freezes_count = freezes_count_;
      voided_.push_back(*commit);
      is_checkpoint_wanted_ = !planted(Planted::void_not_held);
      continue;
    }
    errc = co_await apply_group(commit->records);
    if (errc != Errc::ok) break;
    applied_ = commit->append.end;
    durable_.remove(*commit);
    // Not earlier: between two records of a group others may begin to read what the first has freed.
    extents_.publish_freed();
    commit->done(*commit, Errc::ok);
  }
  if (errc != Errc::ok) is_broken_ = true;
  while (is_broken_ && !durable_.empty()) {
    Commit& commit = *durable_.pop_front();
    commit.done(commit, Errc::io_error);
  }
  answer_voided();
  if (is_broken_) settlers_.wake_all();
  is_applying_ = false;
  rested_.fire();
  co_return errc;
}

// Those that the newest durable checkpoint is without; all, when there will be no other.
void Store::answer_voided() {
  while (!voided_.empty() &&
         (is_broken_ || voided_.front()->freezes_count < written_count_ || planted(Planted::void_not_held))) {
    Commit& commit = *voided_.pop_front();
    commit.done(commit, Errc::io_error);
  }
}

Task<Errc> Store::apply_group(std::span<const Record> records) {
  for (const Record& record : records) {
    Errc errc = co_await applier_.apply(record);
    for (int tries = 0; errc == Errc::no_space && tries < k_tries_max; ++tries) {
      const Errc made = co_await make_room();
      if (made != Errc::ok) co_return made;
      errc = co_await applier_.apply(record);
    }
    if (errc != Errc::ok) co_return errc;
    ++records_applied_;
  }
  co_return Errc::ok;
}

// In the middle of a group: the checkpoint holds a part of it, and says that replay starts before it. Records
// may take effect twice.
Task<Errc> Store::make_room() {
  if (!is_writing_) co_return co_await checkpoint_now(false, false);
  co_await written_;
  co_return is_broken_ ? Errc::io_error : Errc::ok;
}

// --- checkpoints ---

bool Store::wants_checkpoint() const {
  const FreeMap& free_map = metadata_.free_map();
  const uint32_t pending = free_map.free_and_pending_count() - free_map.free_count();
  return is_checkpoint_wanted_ || metadata_.changed_count() >= changed_max_ ||
         records_applied_ >= k_records_max ||
         applied_.sequence - metadata_.root().journal_sequence >= layout_.journal_blocks / 2 ||
         (free_map.free_count() < reserve_pages_ && pending > changed_max_ / 2);
}

bool Store::is_nearly_full() const { return metadata_.free_map().free_and_pending_count() < reserve_pages_; }

// --- what layers hold ---

namespace {

// A count that makes no sense is for a check to find: it stops nobody.
uint64_t changed_count(uint64_t count, int64_t change) {
  return change < 0 && count < static_cast<uint64_t>(-change) ? 0 : count + static_cast<uint64_t>(change);
}

}  // namespace

Task<Result<uint64_t>> Store::read_allocation(uint32_t layer) {
  const Key key = allocation_key(layer);
  const auto found = co_await metadata_.seek(key);
  if (!found.ok()) co_return found.error();
  const bool is_there = found->has_value() && (*found)->key == key;
  co_return is_there && (*found)->value.size() == sizeof(uint64_t) ? load<uint64_t>((*found)->value)
                                                                   : uint64_t{0};
}

Task<Result<std::optional<uint64_t>>> Store::layer_extents(uint32_t layer) {
  if (!keeps_allocations_) co_return std::optional<uint64_t>{};
  const Result<uint64_t> count = co_await read_allocation(layer);
  if (!count.ok()) co_return count.error();
  // Looked at after the last wait: what the tree has and what it lacks are of one moment.
  const auto change = applier_.allocation_changes().find(layer);
  co_return std::optional<uint64_t>(
      change == applier_.allocation_changes().end() ? *count : changed_count(*count, change->second));
}

// A layer without extents has no count.
Task<Errc> Store::put_allocations() {
  while (!applier_.allocation_changes().empty()) {
    const uint32_t layer = applier_.allocation_changes().begin()->first;
    const int64_t change = applier_.allocation_changes().begin()->second;
    if (keeps_allocations_) {
      const Result<uint64_t> count = co_await read_allocation(layer);
      if (!count.ok()) co_return count.errc();
      const uint64_t now = changed_count(*count, change);
      Errc put = Errc::ok;
      if (now == 0) {
        put = co_await metadata_.remove(allocation_key(layer));
      } else {
        put = co_await metadata_.put(allocation_key(layer), bytes_of(now));
      }
      if (put != Errc::ok) co_return put;
    }
    applier_.note_allocation(layer);
  }
  co_return Errc::ok;
}

Task<Errc> Store::freeze(bool starts_incarnation, bool closed) {
  is_checkpoint_wanted_ = false;
  const Errc counted = co_await put_allocations();
  if (counted != Errc::ok) co_return counted;
  for (const ExtentChunk& chunk : extents_.take_changed()) {
    const auto image = extents_.image(chunk);
    const Errc put = co_await metadata_.put(Key::of(KeyType::extents, chunk.device, chunk.chunk), image);
    if (put != Errc::ok) co_return put;
  }
  if (planted(Planted::checkpoint_too_far) && journal_ != nullptr) applied_ = {journal_->next_sequence(), 0};
  metadata_.freeze(applied_, starts_incarnation, closed);
  metadata_.set_clean_max(clean_pages_max(allocated_bytes(), map_bytes_));
  records_applied_ = 0;
  ++freezes_count_;
  co_return Errc::ok;
}

Task<Errc> Store::write_checkpoint() {
  BALLAST_ASSERT(!is_writing_);
  is_writing_ = true;
  const uint64_t freezes_count = freezes_count_;
  const Errc written = co_await metadata_.write_frozen();
  is_writing_ = false;
  written_count_ = freezes_count;
  if (written != Errc::ok) {
    is_broken_ = true;
  } else if (journal_ != nullptr) {
    journal_->release_before({metadata_.root().journal_sequence, metadata_.root().journal_record});
  }
  answer_voided();
  settlers_.wake_all();
  written_.fire();
  if (!is_broken_ && journal_ != nullptr && wants_checkpoint()) start_applying();
  rested_.fire();
  co_return written;
}

Task<Errc> Store::checkpoint_now(bool starts_incarnation, bool closed) {
  const Errc frozen = co_await freeze(starts_incarnation, closed);
  if (frozen != Errc::ok) {
    is_broken_ = true;
    co_return frozen;
  }
  co_return co_await write_checkpoint();
}

Task<Errc> Store::checkpoint() {
  if (is_broken()) co_return Errc::io_error;
  const uint64_t wanted = freezes_count_ + 1;
  is_checkpoint_wanted_ = true;
  start_applying();
  while (!is_broken_ && written_count_ < wanted) co_await written_;
  co_return is_broken_ ? Errc::io_error : Errc::ok;
}

}  // namespace ballast::bdev::pool
