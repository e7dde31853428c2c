#include "bdev/pool/replay.h"

#include <algorithm>

#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_chunk_blocks = 64;
// Of the blocks behind the end. More is a disk that does not answer, and may hide what was acknowledged.
constexpr uint32_t k_unreadable_blocks_max = 16;

}  // namespace

Replay::Replay(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const Root& root)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      incarnation_(root.incarnation),
      first_sequence_(root.journal_sequence),
      sequence_(root.journal_sequence),
      skip_records_(root.journal_record),
      chunk_(k_chunk_blocks * k_page_bytes) {}

Task<Result<bool>> Replay::next() {
  bytes_.clear();
  group_.clear();
  for (;;) {
    if (in_block_) {
      if (take_group()) co_return true;
      in_block_ = false;
      ++sequence_;
    }
    if (sequence_ - first_sequence_ == layout_.journal_blocks) co_return false;  // the whole ring
    const Errc loaded = co_await load_block();
    if (loaded != Errc::ok) {
      co_return Error{loaded, "the journal cannot be read at block " + std::to_string(sequence_)};
    }
    const JournalHead head = load<JournalHead>(block());
    if (!is_whole_journal_block(block(), address(sequence_), pool_uuid_) ||
        head.head.generation != sequence_ || head.incarnation != incarnation_) {
      break;
    }
    in_block_ = true;
    rest_ = records_of(block());
    taken_records_ = 0;
    for (Record skipped; taken_records_ < skip_records_ && decode_next(rest_, skipped);) ++taken_records_;
    skip_records_ = 0;
  }
  Outcome outcome = co_await look_behind_the_end();
  if (!outcome.ok()) co_return outcome.error();
  co_return false;
}

// Takes records until one ends a group; false if the block ends before.
bool Replay::take_group() {
  while (!rest_.empty()) {
    const ByteSpan before = rest_;
    Record record;
    BALLAST_ASSERT(decode_next(rest_, record));  // the block has been checked
    ++taken_records_;
    bytes_.insert(bytes_.end(), before.begin(), before.begin() + static_cast<ptrdiff_t>(record.size_bytes()));
    if (record.more && !planted(Planted::group_in_parts)) continue;
    ByteSpan left = bytes_;
    while (!left.empty()) {
      BALLAST_ASSERT(decode_next(left, record));
      group_.push_back(record);
    }
    return true;
  }
  return false;
}

// One bad sector must not hide the blocks around it: what cannot be read together is read block by block.
Task<Errc> Replay::load_block() {
  if (chunk_blocks_ > 0 && sequence_ >= chunk_sequence_ && sequence_ < chunk_sequence_ + chunk_blocks_) {
    chunk_index_ = static_cast<uint32_t>(sequence_ - chunk_sequence_);
    co_return Errc::ok;
  }
  const uint64_t to_ring_end = layout_.journal_blocks - sequence_ % layout_.journal_blocks;
  chunk_blocks_ = static_cast<uint32_t>(std::min<uint64_t>(k_chunk_blocks, to_ring_end));
  if (sequence_ < one_by_one_end_) chunk_blocks_ = 1;
  chunk_sequence_ = sequence_;
  chunk_index_ = 0;
  Errc read = co_await read_chunk();
  if (read != Errc::ok && chunk_blocks_ > 1) {
    one_by_one_end_ = sequence_ + chunk_blocks_;
    chunk_blocks_ = 1;
    read = co_await read_chunk();
  }
  if (read != Errc::ok) chunk_blocks_ = 0;
  co_return read;
}

Task<Errc> Replay::read_chunk() {
  const Errc read = co_await disk_.read(address(chunk_sequence_),
                                        chunk_.bytes().first(size_t{chunk_blocks_} * k_page_bytes));
  co_return read;
}

// A block written after the first missing one was durable means that the disk has lost or spoiled that one; a
// block of a later incarnation that the root is not the newest.
Task<Outcome> Replay::look_behind_the_end() {
  const uint64_t end = sequence_;
  uint32_t unreadable_count = 0;
  Outcome outcome = Unit{};
  for (uint64_t i = 0; i < k_journal_looks_behind && outcome.ok(); ++i, ++sequence_) {
    const Errc loaded = co_await load_block();
    if (loaded != Errc::ok) {
      if (++unreadable_count <= k_unreadable_blocks_max) continue;  // a few bad sectors prove nothing
      outcome = Error{loaded, "the journal cannot be read behind block " + std::to_string(end)};
      break;
    }
    if (!is_whole_journal_block(block(), address(sequence_), pool_uuid_)) continue;
    const JournalHead head = load<JournalHead>(block());
    if (head.incarnation > incarnation_) {
      outcome = Error{Errc::io_error, "the newest root of the pool is lost: the journal goes on beyond it"};
    } else if (head.incarnation == incarnation_ && head.durable_sequence > end) {
      outcome = Error{Errc::io_error, "the journal is damaged at block " + std::to_string(end) +
                                          ": what was acknowledged after it cannot be brought back"};
    }
  }
  sequence_ = end;
  co_return outcome;
}

}  // namespace ballast::bdev::pool
