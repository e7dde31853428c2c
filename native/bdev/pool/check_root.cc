#include "bdev/pool/check_root.h"

#include <algorithm>

namespace ballast::bdev::pool {
namespace {

bool makes_sense(const Root& root, uint64_t slot, const MetadataLayout& layout) {
  if (root.head.generation == 0 || root.head.generation % 2 != slot) return false;
  if (root.incarnation == 0 || root.incarnation > root.head.generation) return false;
  // Neither is ever reached by counting.
  if (root.head.generation >> 62 != 0 || root.journal_sequence >> 62 != 0) return false;
  if (root.journal_sequence == 0) return false;
  if (root.free_map_pages != layout.free_map_pages || root.tree_levels > k_tree_levels_max) return false;
  return root.tree_levels == 0 ? root.tree_page == 0 : layout.is_tree_page(root.tree_page);
}

bool is_zero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::string slot_text(uint64_t slot) { return "root slot " + std::to_string(slot); }

Task<Outcome> load_map_page(Disk& disk, MetadataLayout layout, Uuid pool_uuid, uint32_t index,
                            CheckedRoot& checked) {
  PageBuffer buffer(k_page_bytes);
  const uint64_t address = MetadataLayout::address(layout.free_map_page(index, checked.root.home(index)));
  const Errc read = co_await disk.read(address, buffer.bytes());
  if (read != Errc::ok) co_return Error{read, std::string("cannot be read: ") + errc_text(read)};
  const FreeMapHead head = load<FreeMapHead>(buffer.bytes());
  if (!is_whole(buffer.bytes(), k_free_map_magic, address, pool_uuid) || head.index != index) {
    co_return Error{Errc::io_error, "is damaged"};
  }
  if (head.head.crc != checked.root.free_map_crc[index]) {
    co_return Error{Errc::io_error, "is whole, but not the one that the root names"};
  }
  const uint64_t first = uint64_t{index} * k_free_map_bits;
  for (uint32_t bit = 0; bit < k_free_map_bits && first + bit < layout.pages_count; ++bit) {
    checked.marked[first + bit] = (buffer.data()[k_body_offset + bit / 8] >> (bit % 8) & 1) != 0;
  }
  co_return Unit{};
}

// A map page as the new root has it; what is no tree page counts as used.
void make_map_page(const MetadataLayout& layout, const std::vector<bool>& used, uint32_t index,
                   MutableByteSpan body) {
  std::fill(body.begin(), body.end(), uint8_t{0});
  for (uint32_t bit = 0; bit < k_free_map_bits; ++bit) {
    const uint64_t page = uint64_t{index} * k_free_map_bits + bit;
    const bool is_tree = page < layout.pages_count && layout.is_tree_page(static_cast<uint32_t>(page));
    if (!is_tree || used[page]) body[bit / 8] |= static_cast<uint8_t>(1 << (bit % 8));
  }
}

bool has_changed(const MetadataLayout& layout, const CheckedRoot& checked, const std::vector<bool>& used,
                 uint32_t index) {
  if (checked.is_map_damaged[index]) return true;
  const uint64_t first = uint64_t{index} * k_free_map_bits;
  const uint64_t end = std::min<uint64_t>(first + k_free_map_bits, layout.pages_count);
  for (uint64_t page = std::max<uint64_t>(first, layout.tree_first); page < end; ++page) {
    if (used[page] != checked.marked[page]) return true;
  }
  return false;
}

}  // namespace

Task<bool> check_root(Disk& disk, MetadataLayout layout, Uuid pool_uuid, CheckReport& report,
                      CheckedRoot& checked) {
  std::string why[2];
  bool is_found = false, is_empty[2] = {};
  PageBuffer buffer(k_root_bytes);
  for (uint64_t slot = 0; slot < 2; ++slot) {
    const uint64_t address = MetadataLayout::address(MetadataLayout::root_page(slot));
    const Errc read = co_await disk.read(address, buffer.bytes());
    const Root root = load<Root>(buffer.bytes());
    is_empty[slot] = read == Errc::ok && is_zero(buffer.bytes());
    if (read != Errc::ok) {
      why[slot] = std::string("cannot be read: ") + errc_text(read);
    } else if (!is_whole(buffer.bytes(), k_root_magic, address, pool_uuid)) {
      why[slot] = "is not whole";
    } else if (!makes_sense(root, slot, layout)) {
      why[slot] = "is whole, but makes no sense";
    } else if (!is_found || root.head.generation > checked.root.head.generation) {
      checked.root = root;
      is_found = true;
    }
  }
  for (uint64_t slot = 0; slot < 2; ++slot) {
    if (why[slot].empty()) continue;
    // The first checkpoint of a pool writes one slot; a crash may tear the one that is not in force.
    if (is_found && checked.root.head.generation == 1) continue;
    if (!is_found) {
      report.add(CheckSeverity::error, CheckRepair::impossible, slot_text(slot),
                 is_empty[slot] ? "was never written" : why[slot]);
    } else {
      report.add(CheckSeverity::note, CheckRepair::not_needed, slot_text(slot),
                 why[slot] + "; the other one is in force, and the next checkpoint writes this one anew");
    }
  }
  if (!is_found) co_return false;
  checked.marked.assign(layout.pages_count, false);
  checked.is_map_damaged.assign(layout.free_map_pages, false);
  for (uint32_t i = 0; i < layout.free_map_pages; ++i) {
    const Outcome loaded = co_await load_map_page(disk, layout, pool_uuid, i, checked);
    if (loaded.ok()) continue;
    checked.is_map_damaged[i] = checked.has_damaged_map = true;
    report.add(CheckSeverity::error, CheckRepair::safe, "free map page " + std::to_string(i),
               loaded.error().text);
  }
  co_return true;
}

bool compare_with_walk(const CheckedRoot& checked, const MetadataLayout& layout, const TreeWalk& walk,
                       CheckReport& report) {
  uint64_t leaked = 0, unmarked = 0, marked = 0;
  for (uint32_t page = layout.tree_first; page < layout.pages_count; ++page) {
    if (checked.is_map_damaged[page / k_free_map_bits]) continue;
    marked += checked.marked[page] ? 1 : 0;
    if (checked.marked[page] && !walk.seen()[page]) ++leaked;
    if (!checked.marked[page] && walk.seen()[page]) ++unmarked;
  }
  report.counters.pages_leaked = leaked;
  bool must_write = checked.has_damaged_map;
  if (leaked > 0) {
    report.add(CheckSeverity::warning, CheckRepair::safe, "free map",
               std::to_string(leaked) + " pages are marked used and nothing leads to them");
  }
  if (unmarked > 0) {
    report.add(CheckSeverity::error, CheckRepair::safe, "free map",
               std::to_string(unmarked) + " pages of the tree are marked free, and would be overwritten");
  }
  if (!checked.has_damaged_map && marked != checked.root.pages_used) {
    report.add(CheckSeverity::error, CheckRepair::safe, "root",
               "counts " + std::to_string(checked.root.pages_used) + " used pages, the free map " +
                   std::to_string(marked));
    must_write = true;
  }
  if (walk.keys_count() != checked.root.keys_count) {
    report.add(CheckSeverity::warning, CheckRepair::safe, "root",
               "counts " + std::to_string(checked.root.keys_count) + " keys, the tree has " +
                   std::to_string(walk.keys_count()));
    must_write = true;
  }
  return must_write || leaked > 0 || unmarked > 0;
}

Task<Errc> write_root(Disk& disk, MetadataLayout layout, const CheckedRoot& checked, NewRoot wanted) {
  Root root = checked.root;
  const uint64_t generation = root.head.generation + 1;
  PageBuffer map(k_page_bytes);
  for (uint32_t i = 0; i < layout.free_map_pages; ++i) {
    if (!has_changed(layout, checked, wanted.used, i)) continue;
    root.flip_home(i);
    FreeMapHead head;
    head.head = {k_free_map_magic, 0, MetadataLayout::address(layout.free_map_page(i, root.home(i))),
                 root.head.pool_uuid, generation};
    head.index = i;
    head.home = root.home(i) ? 1 : 0;
    store(map.bytes(), head);
    make_map_page(layout, wanted.used, i, map.bytes().subspan(k_body_offset));
    seal(map.bytes());
    root.free_map_crc[i] = load<Head>(map.bytes()).crc;
    const Errc written = co_await disk.write(head.head.address, map.bytes());
    if (written != Errc::ok) co_return written;
  }
  const Errc synced = co_await disk.sync();
  if (synced != Errc::ok) co_return synced;
  root.head.generation = generation;
  root.head.address = MetadataLayout::address(MetadataLayout::root_page(generation));
  root.tree_page = wanted.tree.page;
  root.tree_crc = wanted.tree.crc;
  root.tree_levels = wanted.tree.levels;
  root.keys_count = wanted.tree.keys_count;
  root.pages_used = 0;
  for (uint32_t page = layout.tree_first; page < layout.pages_count; ++page) {
    root.pages_used += wanted.used[page] ? 1 : 0;
  }
  PageBuffer buffer(k_root_bytes), seen(k_root_bytes);
  store(buffer.bytes(), root);
  seal(buffer.bytes());
  Errc errc = co_await disk.write_durable(root.head.address, buffer.bytes());
  if (errc == Errc::ok) errc = co_await disk.read(root.head.address, seen.bytes());
  if (errc != Errc::ok) co_return errc;
  const bool is_same = std::equal(seen.bytes().begin(), seen.bytes().end(), buffer.bytes().begin());
  co_return is_same ? Errc::ok : Errc::io_error;
}

}  // namespace ballast::bdev::pool
