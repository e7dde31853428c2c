#include "bdev/pool/metadata.h"

#include <algorithm>
#include <deque>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_run_pages_max = 64;  // in one write
constexpr uint32_t k_writes_in_flight = 16;

Error damaged(const std::string& what) { return {Errc::io_error, "the pool's metadata is damaged: " + what}; }

bool makes_sense(const Root& root, uint64_t slot, const MetadataLayout& layout) {
  if (root.head.generation == 0 || root.head.generation % 2 != slot) return false;
  if (root.incarnation == 0 || root.incarnation > root.head.generation) return false;
  // Neither is ever reached by counting.
  if (root.head.generation >> 62 != 0 || root.journal_sequence >> 62 != 0) return false;
  if (root.journal_sequence == 0) return false;
  if (root.free_map_pages != layout.free_map_pages || root.tree_levels > k_tree_levels_max) return false;
  return root.tree_levels == 0 ? root.tree_page == 0 : layout.is_tree_page(root.tree_page);
}

}  // namespace

Metadata::Metadata(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint32_t frames_count)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      frames_count_(frames_count),
      free_map_(layout),
      cache_(disk, layout, pool_uuid, frames_count) {}

void Metadata::create() {
  BALLAST_ASSERT(root_.head.generation == 0);
  root_.free_map_pages = layout_.free_map_pages;
}

Task<bool> Metadata::read_root(uint64_t slot, Root& root) {
  PageBuffer buffer(k_root_bytes);
  const uint64_t address = MetadataLayout::address(MetadataLayout::root_page(slot));
  const Errc read = co_await disk_.read(address, buffer.bytes());
  if (read != Errc::ok || !is_whole(buffer.bytes(), k_root_magic, address, pool_uuid_)) co_return false;
  root = load<Root>(buffer.bytes());
  co_return makes_sense(root, slot, layout_);
}

Task<Outcome> Metadata::open() {
  bool is_found = false;
  for (uint64_t slot = 0; slot < 2; ++slot) {
    Root root;
    const bool is_whole_root = co_await read_root(slot, root);
    if (!is_whole_root || (is_found && root.head.generation < root_.head.generation)) continue;
    root_ = root;
    is_found = true;
  }
  if (!is_found) co_return damaged("both roots");
  tree_.set_root({root_.tree_page, root_.tree_crc, root_.tree_levels, root_.keys_count});
  co_return co_await load_free_map();
}

Task<Outcome> Metadata::load_free_map() {
  PageBuffer buffer(k_page_bytes);
  for (uint32_t i = 0; i < layout_.free_map_pages; ++i) {
    const uint64_t address = MetadataLayout::address(layout_.free_map_page(i, root_.home(i)));
    const Errc read = co_await disk_.read(address, buffer.bytes());
    const FreeMapHead head = load<FreeMapHead>(buffer.bytes());
    if (read != Errc::ok || !is_whole(buffer.bytes(), k_free_map_magic, address, pool_uuid_) ||
        head.index != i || head.head.crc != root_.free_map_crc[i]) {
      co_return damaged("page " + std::to_string(i) + " of the free map");
    }
    free_map_.load(i, buffer.bytes().subspan(k_body_offset));
  }
  free_map_.finish_load();
  if (free_map_.frozen_used_count() != root_.pages_used)
    co_return damaged("the free map and the root disagree");
  co_return Unit{};
}

Task<Errc> Metadata::load_missing() { return cache_.load(tree_.missing()); }

Task<Result<std::optional<TreeEntry>>> Metadata::seek(Key key) {
  std::optional<TreeEntry> entry;
  while (tree_.seek(key, entry) == TreeStep::missing) {
    const Errc loaded = co_await load_missing();
    if (loaded != Errc::ok) co_return Error{loaded, {}};
  }
  // A page whose keys are not its parent's would send a walk through the keys in circles.
  if (entry && entry->key < key) co_return Error{Errc::io_error, {}};
  co_return entry;
}

Task<Errc> Metadata::put(Key key, ByteSpan value) {
  for (;;) {
    const TreeStep step = tree_.put(key, value);
    if (step == TreeStep::done) co_return Errc::ok;
    if (step == TreeStep::full) co_return Errc::no_space;
    const Errc loaded = co_await load_missing();
    if (loaded != Errc::ok) co_return loaded == Errc::no_memory ? Errc::no_space : loaded;
  }
}

Task<Errc> Metadata::remove(Key key) {
  for (;;) {
    const TreeStep step = tree_.remove(key);
    if (step == TreeStep::done) co_return Errc::ok;
    if (step == TreeStep::full) co_return Errc::no_space;
    const Errc loaded = co_await load_missing();
    if (loaded != Errc::ok) co_return loaded == Errc::no_memory ? Errc::no_space : loaded;
  }
}

void Metadata::stage(uint64_t address, ByteSpan bytes) {
  const size_t offset = staged_.size() * size_t{k_page_bytes};
  std::copy(bytes.begin(), bytes.end(), staged_bytes_->data() + offset);
  staged_.push_back({address, offset});
}

void Metadata::freeze(JournalPosition position, bool starts_incarnation, bool closed) {
  BALLAST_ASSERT(!is_frozen_);
  is_frozen_ = true;
  next_root_ = root_;
  const uint64_t generation = root_.head.generation + 1;
  free_map_.freeze();
  const std::vector<uint32_t> maps = free_map_.take_changed();
  staged_.clear();
  staged_bytes_.emplace((cache_.changed_count() + maps.size() + 1) * size_t{k_page_bytes});
  tree_.freeze(generation, pool_uuid_,
               [&](uint32_t page, ByteSpan bytes) { stage(MetadataLayout::address(page), bytes); });
  PageBuffer map(k_page_bytes);
  for (const uint32_t index : maps) {
    next_root_.flip_home(index);
    const bool home = next_root_.home(index);
    FreeMapHead head;
    head.head = {k_free_map_magic, 0, MetadataLayout::address(layout_.free_map_page(index, home)), pool_uuid_,
                 generation};
    head.index = index;
    head.home = home ? 1 : 0;
    store(map.bytes(), head);
    free_map_.image(index, map.bytes().subspan(k_body_offset));
    seal(map.bytes());
    next_root_.free_map_crc[index] = load<Head>(map.bytes()).crc;
    stage(head.head.address, map.bytes());
  }
  const TreeRoot& tree = tree_.root();
  next_root_.head = {k_root_magic, 0,
                     MetadataLayout::address(
                         MetadataLayout::root_page(generation * !planted(Planted::root_not_alternating))),
                     pool_uuid_, generation};
  if (starts_incarnation) next_root_.incarnation = generation;
  next_root_.journal_sequence = position.sequence;
  next_root_.journal_record = position.record;
  next_root_.tree_page = tree.page;
  next_root_.tree_crc = tree.crc;
  next_root_.tree_levels = tree.levels;
  next_root_.flags = closed ? k_root_closed : uint8_t{0};
  next_root_.pages_used = free_map_.frozen_used_count();
  next_root_.keys_count = tree.keys_count;
}

Task<Errc> Metadata::write_frozen() {
  BALLAST_ASSERT(is_frozen_);
  Errc errc = co_await write_staged();
  if (errc == Errc::ok && !planted(Planted::checkpoint_before_sync)) errc = co_await disk_.sync();
  if (errc == Errc::ok) errc = co_await write_root();
  staged_bytes_.reset();
  if (errc != Errc::ok) {
    disk_.poison();
    co_return errc;
  }
  root_ = next_root_;
  free_map_.settle();
  cache_.settle();
  is_frozen_ = false;
  co_return Errc::ok;
}

// Neighbours go in one write.
Task<Errc> Metadata::write_staged() {
  std::sort(staged_.begin(), staged_.end(),
            [](const Staged& a, const Staged& b) { return a.address < b.address; });
  PageBuffer sorted(staged_bytes_->size());
  for (size_t i = 0; i < staged_.size(); ++i) {
    std::copy_n(staged_bytes_->data() + staged_[i].offset, k_page_bytes, sorted.data() + i * k_page_bytes);
  }
  Errc first_error = Errc::ok;
  for (size_t next = 0; next < staged_.size() && first_error == Errc::ok;) {
    std::deque<Disk::Operation> writes;
    while (next < staged_.size() && writes.size() < k_writes_in_flight) {
      size_t end = next + 1;
      while (end < staged_.size() && end - next < k_run_pages_max &&
             staged_[end].address == staged_[end - 1].address + k_page_bytes) {
        ++end;
      }
      const ByteSpan run = sorted.bytes().subspan(next * k_page_bytes, (end - next) * k_page_bytes);
      writes.emplace_back(disk_, FileOp::Kind::write, staged_[next].address,
                          Segment{const_cast<uint8_t*>(run.data()), run.size()});
      writes.back().start();
      next = end;
    }
    for (Disk::Operation& write : writes) {
      const Errc written = co_await write;
      if (first_error == Errc::ok) first_error = written;
    }
  }
  co_return first_error;
}

// Read back, because a lost or misdirected root would take everything since the last one with it.
Task<Errc> Metadata::write_root() {
  PageBuffer buffer(k_root_bytes);
  store(buffer.bytes(), next_root_);
  seal(buffer.bytes());
  next_root_.head.crc = load<Head>(buffer.bytes()).crc;
  const uint64_t address = next_root_.head.address;
  Errc errc = co_await disk_.write_durable(address, buffer.bytes());
  if (errc != Errc::ok) co_return errc;
  PageBuffer seen(k_root_bytes);
  errc = co_await disk_.read(address, seen.bytes());
  if (errc != Errc::ok) co_return errc;
  const bool is_same = std::equal(seen.bytes().begin(), seen.bytes().end(), buffer.bytes().begin());
  co_return is_same ? Errc::ok : Errc::io_error;
}

}  // namespace ballast::bdev::pool
