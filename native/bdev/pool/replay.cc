#include "bdev/pool/replay.h"

#include <algorithm>

#include "base/crc32c.h"
#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_chunk_blocks = 64;
// Of the blocks behind the end. More is a disk that does not answer, and may hide what was acknowledged.
constexpr uint32_t k_unreadable_blocks_max = 16;

}  // namespace

Replay::Replay(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const Root& root,
               const ReplayData& data)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      incarnation_(root.incarnation),
      first_sequence_(root.journal_sequence),
      data_(data),
      sequence_(root.journal_sequence),
      skip_records_(root.journal_record),
      chunk_(k_chunk_blocks * k_page_bytes) {}

Task<Result<bool>> Replay::next() {
  bytes_.clear();
  group_.clear();
  compared_.clear();
  if (!has_looked_ahead_) co_await look_ahead();
  for (;;) {
    if (in_block_) {
      if (take_group()) {
        if (sequence_ >= durable_sequence_ || planted(Planted::settled_not_believed)) co_await compare_data();
        co_return true;
      }
      in_block_ = false;
      ++sequence_;
    }
    if (sequence_ - first_sequence_ == layout_.journal_blocks) co_return false;  // the whole ring
    const Errc loaded = co_await load_block();
    if (loaded != Errc::ok) {
      co_return Error{loaded, "the journal cannot be read at block " + std::to_string(sequence_)};
    }
    if (!is_expected_block()) break;
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

bool Replay::is_expected_block() const {
  if (!is_whole_journal_block(block(), address(sequence_), pool_uuid_)) return false;
  const JournalHead head = load<JournalHead>(block());
  return head.head.generation == sequence_ && head.incarnation == incarnation_;
}

// What the last blocks say to have been durable. Those behind a damaged one count: what they say is true.
Task<Errc> Replay::look_ahead() {
  has_looked_ahead_ = true;
  for (uint64_t misses = 0; misses < k_journal_looks_behind; ++sequence_) {
    if (sequence_ - first_sequence_ == layout_.journal_blocks) break;
    const Errc loaded = co_await load_block();
    if (loaded != Errc::ok || !is_expected_block()) {
      ++misses;
      continue;
    }
    durable_sequence_ = std::max(durable_sequence_, load<JournalHead>(block()).durable_sequence);
  }
  sequence_ = first_sequence_;
  one_by_one_end_ = 0;
  co_return Errc::ok;
}

// Records that were begun together with their data, and may have come without it.
Task<Errc> Replay::compare_data() {
  std::vector<Record> group;
  group.swap(group_);
  for (const Record& record : group) {
    if (record.type == RecordType::slot_map_sums && !planted(Planted::record_sums_ignored)) {
      co_await compare_data(record);
    } else {
      group_.push_back(record);
    }
  }
  co_return Errc::ok;
}

// A block that cannot be read stays: it may have been acknowledged, and what was there before it would be
// wrong.
Task<Errc> Replay::compare_data(const Record& record) {
  const SlotMap map = load<SlotMap>(record.payload);
  const bool is_there =
      map.extent.number() < data_.extents_count && uint32_t{map.first} + map.count <= data_.blocks_per_extent;
  if (!is_there) {  // who applies it will say so
    group_.push_back(record);
    co_return Errc::ok;
  }
  PageBuffer buffer(k_page_bytes);
  const uint64_t extent_offset =
      data_.offset + map.extent.number() * data_.blocks_per_extent * uint64_t{k_page_bytes};
  for (uint16_t i = 0; i < map.count; ++i) {
    const auto block = static_cast<uint16_t>(map.first + i);
    const Errc read = co_await disk_.read(extent_offset + block * uint64_t{k_page_bytes}, buffer.bytes());
    if (read == Errc::ok && crc32c(buffer.bytes()) != record.sum(i)) continue;
    compared_.push_back({map.layer, block, 1, map.slot, map.extent});
    group_.push_back({RecordType::slot_map, record.more, bytes_of(compared_.back())});
  }
  co_return Errc::ok;
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
