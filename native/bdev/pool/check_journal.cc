#include "bdev/pool/check_journal.h"

#include <algorithm>
#include <set>

#include "bdev/pool/apply.h"
#include "bdev/pool/check_text.h"
#include "bdev/pool/replay.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_behind_blocks = 64;  // how far an opening looks behind the end (Replay)

bool holds(const Slot& slot, Extent extent) {
  for (uint32_t i = 0; i < slot.fragments_count; ++i) {
    if (slot.fragments[i].extent == extent) return true;
  }
  return false;
}

}  // namespace

// --- the view ---

CheckView::CheckView(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const TreeRoot& root,
                     ExtentMap& extents, const Terms& terms)
    : terms_(terms),
      extents_(extents),
      free_map_(layout),
      cache_(disk, layout, pool_uuid, terms.frames_count),
      tree_(cache_, free_map_) {
  tree_.set_root(root);
}

Task<Result<std::optional<TreeEntry>>> CheckView::seek(Key key) {
  std::optional<TreeEntry> entry;
  while (tree_.seek(key, entry) == TreeStep::missing) {
    const Errc loaded = co_await cache_.load(tree_.missing());
    if (loaded != Errc::ok) co_return Error{loaded, {}};
  }
  co_return entry;
}

Task<Result<CheckView::Value>> CheckView::read(Key key) {
  const auto changed = changes_.find(key);
  if (changed != changes_.end()) co_return changed->second;
  const auto found = co_await seek(key);
  if (!found.ok()) co_return found.error();
  if (!found->has_value() || (*found)->key != key) co_return Value{};
  const ByteSpan value = (*found)->value;
  co_return Value(std::vector<uint8_t>(value.begin(), value.end()));
}

Task<Result<std::optional<Key>>> CheckView::load_extents() {
  for (Key from = Key::of(KeyType::extents, 0);;) {
    const auto found = co_await seek(from);
    if (!found.ok()) co_return found.error();
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::extents)) break;
    const TreeEntry entry = **found;
    const bool is_device = entry.key.id() < k_devices_max;
    if (!is_device || !extents_.load({static_cast<uint16_t>(entry.key.id()), entry.key.low}, entry.value)) {
      co_return std::optional<Key>(entry.key);
    }
    from = {entry.key.high, entry.key.low + 1};
  }
  co_return std::optional<Key>{};
}

// As Applier::apply(): whoever changes one changes the other.
Task<Errc> CheckView::apply(const Record& record) {
  Errc errc = Errc::ok;
  switch (record.type) {
    case RecordType::put: {
      const Extent extent{record.key().id()};
      if (record.key().type() == static_cast<uint8_t>(KeyType::checksums)) {
        if (!extents_.is_known(extent)) co_return Errc::io_error;
        if (!extents_.is_used(extent)) co_return Errc::ok;
      }
      put(record.key(), record.value());
      co_return Errc::ok;
    }
    case RecordType::remove: remove(record.key()); co_return Errc::ok;
    case RecordType::slot_map: errc = co_await apply_map(load<SlotMap>(record.payload)); break;
    case RecordType::slot_zero: errc = co_await apply_zero(load<SlotZero>(record.payload)); break;
    case RecordType::slot_merge: errc = co_await apply_merge(load<SlotMerge>(record.payload)); break;
    case RecordType::dirty:
    case RecordType::extent_free: errc = co_await apply_extents(record); break;
  }
  co_return errc;
}

Task<Errc> CheckView::apply_map(SlotMap map) {
  if (!extents_.is_known(map.extent) || uint32_t{map.first} + map.count > terms_.blocks_per_extent) {
    co_return Errc::io_error;
  }
  Slot slot;
  const Errc errc = co_await read_slot(slot_key(map.layer, map.slot), slot);
  if (errc != Errc::ok) co_return errc;
  std::vector<Extent> freed;
  if (!slot.map(map.first, map.count, map.extent, freed)) co_return Errc::io_error;
  if (terms_.keeps_checksums) put(dirty_key(map.extent), {});
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(map.layer, map.slot), slot);
  extents_.mark_used(map.extent);
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_zero(SlotZero zero) {
  if (uint32_t{zero.first} + zero.count > terms_.blocks_per_extent) co_return Errc::io_error;
  bool hides = false;
  Errc errc = co_await has_parent(zero.layer, hides);
  Slot slot;
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(zero.layer, zero.slot), slot);
  if (errc != Errc::ok) co_return errc;
  std::vector<Extent> freed;
  slot.unmap(zero.first, zero.count, hides, freed);
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(zero.layer, zero.slot), slot);
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_merge(SlotMerge merge) {
  bool hides = false;
  Errc errc = co_await has_parent(merge.from, hides);
  Slot below, above;
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(merge.from, merge.slot), below);
  if (errc == Errc::ok) errc = co_await read_slot(slot_key(merge.to, merge.slot), above);
  if (errc != Errc::ok || below.is_empty()) co_return errc;
  std::vector<Extent> freed;
  if (!above.merge(below, hides, freed)) co_return Errc::ok;
  std::erase_if(freed, [&](Extent extent) { return holds(above, extent); });
  if (!free(freed)) co_return Errc::io_error;
  put_slot(slot_key(merge.to, merge.slot), above);
  remove(slot_key(merge.from, merge.slot));
  co_return Errc::ok;
}

Task<Errc> CheckView::apply_extents(Record record) {
  std::vector<Extent> extents;
  for (uint32_t i = 0; i < record.extents_count(); ++i) {
    if (!extents_.is_known(record.extent(i))) co_return Errc::io_error;
    extents.push_back(record.extent(i));
  }
  if (record.type == RecordType::extent_free) co_return free(extents) ? Errc::ok : Errc::io_error;
  for (const Extent extent : extents) {
    if (extents_.is_used(extent)) put(dirty_key(extent), {});
  }
  co_return Errc::ok;
}

Task<Errc> CheckView::has_parent(uint32_t layer, bool& result) {
  const Result<Value> bytes = co_await read(Key::of(KeyType::layer, layer));
  if (!bytes.ok()) co_return bytes.errc();
  LayerValue value;
  if (!bytes->has_value() || !decode_value(**bytes, value)) co_return Errc::io_error;
  result = value.parent != 0;
  co_return Errc::ok;
}

Task<Errc> CheckView::read_slot(Key key, Slot& slot) {
  slot = {};
  const Result<Value> bytes = co_await read(key);
  if (!bytes.ok()) co_return bytes.errc();
  if (!bytes->has_value()) co_return Errc::ok;
  co_return decode(**bytes, slot) ? Errc::ok : Errc::io_error;
}

void CheckView::put_slot(Key key, const Slot& slot) {
  if (slot.is_empty()) return remove(key);
  std::array<uint8_t, k_slot_bytes_max> bytes;
  const uint32_t size = encode(slot, bytes);
  put(key, ByteSpan(bytes).first(size));
}

bool CheckView::free(const std::vector<Extent>& freed) {
  for (const Extent extent : freed) {
    if (!extents_.is_known(extent)) return false;
    remove(dirty_key(extent));
    if (terms_.keeps_checksums) remove(checksums_key(extent));
    extents_.mark_free(extent);
  }
  return true;
}

// --- the end ---

namespace {

// What the whole blocks behind a damaged one say: changes that were acknowledged and cannot be kept.
class Behind {
 public:
  Behind(Disk& disk, const MetadataLayout& layout, const Root& root, uint64_t end)
      : disk_(disk), layout_(layout), root_(root), end_(end) {}

  Task<Errc> read() {
    PageBuffer buffer(k_page_bytes);
    for (uint64_t sequence = end_; sequence - root_.journal_sequence < layout_.journal_blocks; ++sequence) {
      const uint64_t address = MetadataLayout::address(layout_.journal_page(sequence));
      const Errc read = co_await disk_.read(address, buffer.bytes());
      if (read != Errc::ok) is_unreadable = true;
      if (read != Errc::ok || !is_whole_journal_block(buffer.bytes(), address, root_.head.pool_uuid))
        continue;
      const JournalHead head = load<JournalHead>(buffer.bytes());
      const bool is_near = sequence - end_ < k_behind_blocks;
      if (is_near && head.incarnation > root_.incarnation) is_root_old = true;
      if (head.head.generation != sequence || head.incarnation != root_.incarnation) continue;
      if (is_near && head.durable_sequence > end_) is_damaged = true;
      ++blocks_count;
      ByteSpan rest = records_of(buffer.bytes());
      for (Record record; decode_next(rest, record);) note(record);
    }
    co_return Errc::ok;
  }

  bool is_damaged = false;   // a later block says that this one was durable
  bool is_root_old = false;  // blocks of a later incarnation
  bool is_unreadable = false;
  uint64_t blocks_count = 0;
  std::map<uint32_t, BlockRanges> ranges;  // by layer
  std::set<uint8_t> keys;                  // types of keys that were changed

 private:
  void note(const Record& record) {
    switch (record.type) {
      case RecordType::put:
      case RecordType::remove: keys.insert(record.key().type()); break;
      case RecordType::slot_map: {
        const SlotMap map = load<SlotMap>(record.payload);
        ranges[map.layer].add(map.slot, map.first, map.count);
        break;
      }
      case RecordType::slot_zero: {
        const SlotZero zero = load<SlotZero>(record.payload);
        ranges[zero.layer].add(zero.slot, zero.first, zero.count);
        break;
      }
      case RecordType::slot_merge:
      case RecordType::dirty:
      case RecordType::extent_free: break;  // they change nothing that a host sees
    }
  }

  Disk& disk_;
  const MetadataLayout layout_;
  const Root root_;
  const uint64_t end_;
};

Task<bool> report_end(Disk& disk, MetadataLayout layout, const Root& root, uint64_t end, CheckView& view,
                      uint64_t extent_bytes, CheckReport& report) {
  Behind behind(disk, layout, root, end);
  co_await behind.read();
  const std::string where = "journal block " + std::to_string(end);
  if (behind.is_root_old) {
    report.add(
        CheckSeverity::error, CheckRepair::impossible, where,
        "the journal goes on under a later root, which is lost: what has happened since cannot be told");
    co_return false;
  }
  report.add(CheckSeverity::error, CheckRepair::discards, where,
             std::string(behind.is_unreadable ? "cannot be read, or one behind it"
                                              : "is damaged, and was acknowledged") +
                 "; lost are the changes of it, which nobody knows, and of " +
                 std::to_string(behind.blocks_count) + " whole blocks behind it");
  for (const auto& [layer, ranges] : behind.ranges) {
    const std::string name = co_await layer_text(view, layer);
    report.add(CheckSeverity::error, CheckRepair::discards, name,
               "is as it was before, in " + ranges.text(extent_bytes));
  }
  for (const uint8_t type : behind.keys) {
    if (type == static_cast<uint8_t>(KeyType::checksums)) continue;
    report.add(CheckSeverity::error, CheckRepair::discards, where,
               std::string("changes of ") + key_type_text(type) + " behind it are lost");
  }
  co_return true;
}

}  // namespace

Task<CheckedJournal> check_journal(Disk& disk, MetadataLayout layout, const Root& root, CheckView& view,
                                   CheckReport& report) {
  CheckedJournal checked;
  Replay replay(disk, layout, root.head.pool_uuid, root);
  for (;;) {
    const Result<bool> more = co_await replay.next();
    checked.end_sequence = replay.end_sequence();
    if (!more.ok()) {
      checked.is_read = false;
      checked.can_be_cut =
          co_await report_end(disk, layout, root, checked.end_sequence, view, view.extent_bytes(), report);
      co_return checked;
    }
    if (!*more) co_return checked;
    ++report.counters.journal_groups;
    for (const Record& record : replay.group()) {
      ++report.counters.journal_records;
      const Errc applied = co_await view.apply(record);
      if (applied == Errc::ok) continue;
      checked.is_read = false;
      report.add(CheckSeverity::error, CheckRepair::impossible,
                 "journal block " + std::to_string(replay.position().sequence),
                 "contradicts the metadata, or needs a page that cannot be read");
      co_return checked;
    }
  }
}

Task<Errc> cut_journal(Disk& disk, MetadataLayout layout, const Root& root, const CheckedJournal& journal) {
  PageBuffer zeroes(k_page_bytes);
  for (uint64_t i = 0; i < k_behind_blocks; ++i) {
    const uint64_t sequence = journal.end_sequence + i;
    if (sequence - root.journal_sequence >= layout.journal_blocks) break;  // the ring ends before
    const Errc written =
        co_await disk.write(MetadataLayout::address(layout.journal_page(sequence)), zeroes.bytes());
    if (written != Errc::ok) co_return written;
  }
  const Errc synced = co_await disk.sync();
  co_return synced;
}

}  // namespace ballast::bdev::pool
