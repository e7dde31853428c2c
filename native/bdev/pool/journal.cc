#include "bdev/pool/journal.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {

Journal::Journal(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint64_t start,
                 uint64_t incarnation)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      incarnation_(incarnation),
      oldest_sequence_(start),
      next_sequence_(start),
      buffer_(k_journal_batch_blocks_max * k_page_bytes) {}

Journal::~Journal() {
  BALLAST_ASSERT(is_idle());
  disk_.reactor().cancel_flush(*this);
}

void Journal::append(JournalAppend& append) {
  BALLAST_ASSERT(!append.records.empty());
  if (poisoned_) return append.done(append, Errc::io_error, {});
  append.records_placed = 0;
  waiting_.push_back(append);
  want_write();
}

void Journal::release_before(uint64_t sequence) {
  BALLAST_ASSERT(sequence >= oldest_sequence_ && sequence <= next_sequence_);
  oldest_sequence_ = sequence;
  want_write();
}

void Journal::want_write() {
  if (!writing_ && !waiting_.empty()) disk_.reactor().queue_flush(*this);
}

void Journal::flush() {
  if (writing_ || waiting_.empty()) return;
  const uint64_t to_ring_end = blocks_count() - next_sequence_ % blocks_count();
  const uint64_t room = std::min({blocks_free(), to_ring_end, uint64_t{k_journal_batch_blocks_max}});
  const uint64_t first = next_sequence_;
  const uint32_t blocks = fill_blocks(static_cast<uint32_t>(room));
  if (blocks == 0) return;
  writing_ = true;
  const FileOp::Kind kind =
      planted(Planted::journal_not_durable) ? FileOp::Kind::write : disk_.durable_write_kind();
  batch_.emplace(disk_, kind, MetadataLayout::address(layout_.journal_page(first)),
                 Segment{buffer_.data(), size_t{blocks} * k_page_bytes});
  batch_->start([](void* self, Errc errc) { static_cast<Journal*>(self)->batch_written(errc); }, this);
}

uint32_t Journal::fill_blocks(uint32_t blocks_max) {
  uint32_t blocks = 0;
  const uint64_t durable_sequence = next_sequence_;
  while (blocks < blocks_max && !waiting_.empty()) {
    const MutableByteSpan block = buffer_.bytes().subspan(size_t{blocks} * k_page_bytes, k_page_bytes);
    std::fill(block.begin(), block.end(), uint8_t{0});
    JournalHead head;
    head.head = {k_journal_magic, 0, MetadataLayout::address(layout_.journal_page(next_sequence_)),
                 pool_uuid_, next_sequence_};
    head.incarnation = incarnation_;
    head.durable_sequence = durable_sequence;
    store(block, head);
    fill_block(block);
    seal(block);
    ++next_sequence_;
    ++blocks;
  }
  return blocks;
}

// Puts as many records into the block as it takes, of one append after another.
void Journal::fill_block(MutableByteSpan block) {
  JournalHead head = load<JournalHead>(block);
  while (JournalAppend* const append = waiting_.front()) {
    while (append->records_placed < append->records.size()) {
      Record record = append->records[append->records_placed];
      if (head.records_bytes + record.size_bytes() > k_body_bytes) break;
      record.more = append->records_placed + 1 < append->records.size();
      encode(record, block.subspan(k_body_offset + head.records_bytes));
      head.records_bytes = static_cast<uint16_t>(head.records_bytes + record.size_bytes());
      ++head.records_count;
      ++append->records_placed;
    }
    if (append->records_placed < append->records.size()) break;
    append->end = {next_sequence_, head.records_count};
    waiting_.remove(*append);
    placed_.push_back(*append);
  }
  BALLAST_ASSERT(head.records_count > 0);
  store(block, head);
}

void Journal::batch_written(Errc errc) {
  if (errc != Errc::ok) poisoned_ = true;
  // Still writing_: what they append in answer waits for the end of the turn.
  while (JournalAppend* const append = placed_.pop_front()) append->done(*append, errc, append->end);
  while (poisoned_ && !waiting_.empty()) {
    JournalAppend& append = *waiting_.pop_front();
    append.done(append, Errc::io_error, {});
  }
  writing_ = false;
  want_write();
}

}  // namespace ballast::bdev::pool
