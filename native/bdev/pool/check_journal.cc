#include "bdev/pool/check_journal.h"

#include <algorithm>
#include <set>

#include "bdev/pool/apply.h"
#include "bdev/pool/check_text.h"
#include "bdev/pool/replay.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
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
      const bool is_near = sequence - end_ < k_journal_looks_behind;
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
      case RecordType::slot_map:
      case RecordType::slot_map_sums: {
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
      case RecordType::extent_free:
      case RecordType::nothing: break;  // they change nothing that a host sees
    }
  }

  Disk& disk_;
  const MetadataLayout layout_;
  const Root root_;
  const uint64_t end_;
};

Task<Errc> report_end(Disk& disk, MetadataLayout layout, const Root& root, CheckView& view,
                      uint64_t extent_bytes, CheckedJournal& checked, CheckReport& report) {
  const uint64_t end = checked.end_sequence;
  Behind behind(disk, layout, root, end);
  co_await behind.read();
  const std::string where = "journal block " + std::to_string(end);
  if (behind.is_root_old) {
    report.add(
        CheckSeverity::error, CheckRepair::impossible, where,
        "the journal goes on under a later root, which is lost: what has happened since cannot be told");
    checked.is_root_old = true;
    co_return Errc::ok;
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
  checked.can_be_cut = true;
  co_return Errc::ok;
}

void put_nothing(MutableByteSpan block, uint64_t address, uint64_t sequence, const Root& root) {
  const Record nothing{RecordType::nothing, false, {}};
  JournalHead head;
  head.head = {k_journal_magic, 0, address, root.head.pool_uuid, sequence};
  head.incarnation = root.incarnation;
  head.durable_sequence = sequence;
  head.records_count = 1;
  head.records_bytes = static_cast<uint16_t>(nothing.size_bytes());
  store(block, head);
  encode(nothing, block.subspan(k_body_offset));
  seal(block);
}

}  // namespace

Task<CheckedJournal> check_journal(Disk& disk, MetadataLayout layout, const Root& root, ReplayData data,
                                   CheckView& view, CheckReport& report) {
  CheckedJournal checked;
  Replay replay(disk, layout, root.head.pool_uuid, root, data);
  for (;;) {
    const Result<bool> more = co_await replay.next();
    checked.end_sequence = replay.end_sequence();
    if (!more.ok()) {
      checked.is_read = false;
      co_await report_end(disk, layout, root, view, view.extent_bytes(), checked, report);
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
  for (uint64_t i = 0; i <= k_journal_looks_behind; ++i) {
    const uint64_t sequence = journal.end_sequence + i;
    if (sequence - root.journal_sequence >= layout.journal_blocks) break;  // the ring ends before
    const uint64_t address = MetadataLayout::address(layout.journal_page(sequence));
    const PageBuffer block(k_page_bytes);
    if (i == 0) put_nothing(block.bytes(), address, sequence, root);
    const Errc written = co_await disk.write(address, block.bytes());
    if (written != Errc::ok) co_return written;
  }
  const Errc synced = co_await disk.sync();
  co_return synced;
}

}  // namespace ballast::bdev::pool