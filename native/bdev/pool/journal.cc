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
      settled_sequence_(start) {
  for (Batch& batch : batches_) batch.journal = this;
}

Journal::~Journal() {
  BALLAST_ASSERT(is_idle());
  disk_.reactor().cancel_flush(*this);
}

void Journal::append(JournalAppend& append) {
  BALLAST_ASSERT(!append.records.empty());
  if (poisoned_) return append.done(append, Errc::io_error, {});
  append.records_placed = 0;
  append.awaits_data = append.has_data;
  append.is_void = false;
  waiting_.push_back(append);
  want_write();
}

void Journal::data_ended(JournalAppend& append, bool is_durable) {
  BALLAST_ASSERT(append.awaits_data);
  append.awaits_data = false;
  append.is_void = !is_durable;
  end_batches();
}

void Journal::release_before(JournalPosition position) {
  BALLAST_ASSERT(position.sequence >= oldest_sequence_ && position.sequence <= next_sequence_);
  oldest_sequence_ = position.sequence;
  settled_sequence_ = std::max(settled_sequence_, position.sequence);
  if (position >= held_end_) held_first_.reset();
  want_write();
}

void Journal::want_write() {
  if (flight_count_ < k_journal_batches_max && !waiting_.empty()) disk_.reactor().queue_flush(*this);
}

void Journal::flush() {
  while (start_batch()) {
  }
}

bool Journal::start_batch() {
  if (poisoned_ || flight_count_ == k_journal_batches_max || waiting_.empty()) return false;
  Batch& batch = batches_[(first_flight_ + flight_count_) % k_journal_batches_max];
  const uint64_t to_ring_end = blocks_count() - next_sequence_ % blocks_count();
  const uint64_t room = std::min({blocks_free(), to_ring_end, uint64_t{k_journal_batch_blocks_max}});
  batch.first_sequence = next_sequence_;
  const uint32_t blocks = fill_blocks(batch, static_cast<uint32_t>(room));
  if (blocks == 0) return false;
  ++flight_count_;
  batch.is_written = false;
  const FileOp::Kind kind =
      planted(Planted::journal_not_durable) ? FileOp::Kind::write : disk_.durable_write_kind();
  batch.operation.emplace(disk_, kind, MetadataLayout::address(layout_.journal_page(batch.first_sequence)),
                          Segment{batch.buffer.data(), size_t{blocks} * k_page_bytes});
  batch.operation->start(
      [](void* context, Errc errc) {
        Batch& written = *static_cast<Batch*>(context);
        written.is_written = true;
        written.errc = errc;
        written.journal->end_batches();
      },
      &batch);
  return true;
}

// Every block below it is durable, with its data, and has been told of.
uint64_t Journal::durable_sequence() const {
  const uint64_t told = flight_count_ == 0 ? next_sequence_ : batches_[first_flight_].first_sequence;
  return held_first_.has_value() ? std::min(told, *held_first_) : told;
}

uint32_t Journal::fill_blocks(Batch& batch, uint32_t blocks_max) {
  uint32_t blocks = 0;
  batch.durable_sequence = durable_sequence();
  while (blocks < blocks_max && !waiting_.empty()) {
    const MutableByteSpan block = batch.buffer.bytes().subspan(size_t{blocks} * k_page_bytes, k_page_bytes);
    std::fill(block.begin(), block.end(), uint8_t{0});
    JournalHead head;
    head.head = {k_journal_magic, 0, MetadataLayout::address(layout_.journal_page(next_sequence_)),
                 pool_uuid_, next_sequence_};
    head.incarnation = incarnation_;
    head.durable_sequence = batch.durable_sequence;
    store(block, head);
    fill_block(batch, block);
    seal(block);
    ++next_sequence_;
    ++blocks;
  }
  return blocks;
}

// Puts as many records into the block as it takes, of one append after another.
void Journal::fill_block(Batch& batch, MutableByteSpan block) {
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
    batch.placed.push_back(*append);
  }
  BALLAST_ASSERT(head.records_count > 0);
  store(block, head);
}

// In order: those behind one that waits for its data wait with it. False if there are such.
bool Journal::end_appends(Batch& batch) {
  while (JournalAppend* const append = batch.placed.front()) {
    if (append->awaits_data && !poisoned_) return false;
    batch.placed.remove(*append);
    if (append->has_data) last_data_sequence_ = append->end.sequence;
    if (append->is_void && !planted(Planted::void_not_held)) {
      if (!held_first_.has_value()) held_first_ = append->end.sequence;
      held_end_ = append->end;
    }
    append->done(*append, poisoned_ ? Errc::io_error : Errc::ok, append->end);
  }
  return true;
}

// A batch counts when all before it do. What is appended in answer waits for the end of the turn.
void Journal::end_batches() {
  if (is_ending_) return;
  is_ending_ = true;
  while (flight_count_ > 0 && batches_[first_flight_].is_written) {
    Batch& batch = batches_[first_flight_];
    if (batch.errc != Errc::ok) poisoned_ = true;
    if (!poisoned_) settled_sequence_ = std::max(settled_sequence_, batch.durable_sequence);
    if (!end_appends(batch)) break;
    first_flight_ = (first_flight_ + 1) % k_journal_batches_max;
    --flight_count_;
  }
  while (poisoned_ && !waiting_.empty()) {
    JournalAppend& append = *waiting_.pop_front();
    append.done(append, Errc::io_error, {});
  }
  is_ending_ = false;
  want_write();
}

}  // namespace ballast::bdev::pool
