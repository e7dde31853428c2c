#include "bdev/pool/complex_io.h"

#include <algorithm>
#include <cstring>

#include "bdev/check.h"
#include "bdev/pool/changes.h"
#include "bdev/pool/open_volume.h"
#include "bdev/pool/planted.h"
#include "bdev/pool/range_hold.h"
#include "bdev/pool/resolve.h"
#include "bdev/zero_memory.h"

namespace ballast::bdev::pool {
namespace {

constexpr uint32_t k_piece_blocks = 16;
constexpr uint32_t k_slots_per_commit = 64;

// `bytes` of the data from `skip_bytes` on.
std::vector<Segment> cut(std::span<const Segment> data, uint64_t skip_bytes, uint64_t bytes) {
  std::vector<Segment> pieces;
  for (const Segment& segment : data) {
    if (skip_bytes >= segment.size_bytes) {
      skip_bytes -= segment.size_bytes;
      continue;
    }
    if (bytes == 0) break;
    const uint64_t piece = std::min<uint64_t>(segment.size_bytes - skip_bytes, bytes);
    pieces.push_back({segment.base + skip_bytes, piece});
    skip_bytes = 0;
    bytes -= piece;
  }
  return pieces;
}

Task<Status> compare(OpenVolume& volume, const Io& io) {
  const PageBuffer buffer(size_t{k_piece_blocks} * k_page_bytes);
  for (uint32_t done = 0; done < io.blocks_count;) {
    const uint32_t blocks = std::min(k_piece_blocks, io.blocks_count - done);
    const uint64_t bytes = uint64_t{blocks} * k_page_bytes;
    const Segment into{buffer.data(), bytes};
    InsideIo read(volume, IoType::read, io.lba + done, blocks, {&into, 1});
    const Status status = co_await read;
    if (status != Status::ok) co_return status;
    const bool is_same =
        io.type == IoType::verify || equals(io.data, uint64_t{done} * k_page_bytes, buffer.data(), bytes);
    if (!is_same) co_return Status::compare_mismatch;
    done += blocks;
  }
  co_return Status::ok;
}

Task<Status> compare_and_write(OpenVolume& volume, const Io& io) {
  RangeHold hold(volume.gate(), io.lba, io.blocks_count);
  co_await hold.take();
  Status status = Status::out_of_range;
  if (volume.holds(io)) status = co_await compare(volume, io);
  if (status == Status::ok) {
    const uint64_t bytes = uint64_t{io.blocks_count} * k_page_bytes;
    const std::vector<Segment> data = cut(io.data, bytes, bytes);
    InsideIo write(volume, IoType::write, io.lba, io.blocks_count, data);
    status = co_await write;
  }
  co_await hold.give_back();
  co_return status;
}

// As memmove: to behind its source from the end.
Task<Status> copy(OpenVolume& volume, const Io& io) {
  const PageBuffer buffer(size_t{k_piece_blocks} * k_page_bytes);
  const bool is_backwards = io.lba > io.copy_source_lba && !planted(Planted::copy_only_forwards);
  for (uint32_t done = 0; done < io.blocks_count;) {
    const uint32_t blocks = std::min(k_piece_blocks, io.blocks_count - done);
    const uint32_t at = is_backwards ? io.blocks_count - done - blocks : done;
    const Segment memory{buffer.data(), uint64_t{blocks} * k_page_bytes};
    InsideIo read(volume, IoType::read, io.copy_source_lba + at, blocks, {&memory, 1});
    Status status = co_await read;
    if (status != Status::ok) co_return status;
    InsideIo write(volume, IoType::write, io.lba + at, blocks, {&memory, 1});
    status = co_await write;
    if (status != Status::ok) co_return status;
    done += blocks;
  }
  co_return Status::ok;
}

// A thick volume keeps its room.
Task<Status> fill(OpenVolume& volume, const Io& io) {
  const Segment zeroes = zero_memory();
  for (uint32_t done = 0; done < io.blocks_count;) {
    const auto blocks =
        static_cast<uint32_t>(std::min<uint64_t>(zeroes.size_bytes / k_page_bytes, io.blocks_count - done));
    const Segment data{zeroes.base, uint64_t{blocks} * k_page_bytes};
    InsideIo write(volume, IoType::write, io.lba + done, blocks, {&data, 1});
    const Status status = co_await write;
    if (status != Status::ok) co_return status;
    done += blocks;
  }
  co_return Status::ok;
}

// --- thin zeroing ---

// The first slot from `slot` on of which the head layer holds something; UINT64_MAX if none.
Task<Result<uint64_t>> next_slot(Store& store, uint32_t layer, uint64_t slot) {
  const auto found = co_await store.seek(slot_key(layer, slot));
  if (!found.ok()) co_return found.error();
  const bool is_there = found->has_value() && (*found)->key.high == slot_key(layer, 0).high;
  co_return is_there ? (*found)->key.low : UINT64_MAX;
}

Task<Status> zero(OpenVolume& volume, const Io& io) {
  DataPath& path = volume.path();
  const uint32_t per_slot = path.blocks_per_extent;
  const uint64_t end = io.lba + io.blocks_count;
  for (uint64_t lba = io.lba; lba < end;) {
    std::vector<SlotZero> zeroes;
    while (lba < end && zeroes.size() < k_slots_per_commit) {
      uint64_t slot = lba / per_slot;
      if (!volume.has_parent()) {
        const Result<uint64_t> next = co_await next_slot(path.store, volume.head_layer(), slot);
        if (!next.ok()) co_return Status::io_error;
        if (*next != slot) {
          slot = *next;
          lba = slot > end / per_slot ? end : slot * per_slot;
          continue;
        }
      }
      const auto first = static_cast<uint16_t>(lba % per_slot);
      const auto count = static_cast<uint16_t>(std::min<uint64_t>(per_slot - first, end - lba));
      bool holds_data = !volume.has_parent();
      if (volume.has_parent()) {
        const Result<ResolvedSlot> resolved =
            co_await resolve(path.store, volume.head_layer(), slot, &volume.chain());
        if (!resolved.ok()) co_return Status::io_error;
        for (uint32_t i = first; i < uint32_t{first} + count && !holds_data; ++i) {
          holds_data = resolved->find(i).has_value();
        }
      }
      if (holds_data) zeroes.push_back({volume.head_layer(), first, count, slot});
      lba += count;
    }
    if (zeroes.empty()) continue;
    Changes changes(path.store);
    for (const SlotZero& one : zeroes) changes.add(RecordType::slot_zero, bytes_of(one));
    const Errc errc = co_await changes.commit(true);
    if (errc != Errc::ok) co_return errc == Errc::no_space ? Status::no_space : Status::io_error;
    for (const SlotZero& one : zeroes) volume.zeroed(one);
    path.settle_freed();
  }
  // What a record that failed has left on the disk is not known, even where nothing is.
  co_return path.store.is_broken() ? Status::io_error : Status::ok;
}

// What is not in a record yet is not seen.
Task<Status> read_allocation(OpenVolume& volume, const Io& io) {
  DataPath& path = volume.path();
  const uint32_t per_slot = path.blocks_per_extent;
  const uint64_t end = io.lba + io.blocks_count;
  uint8_t* const bits = io.data[0].base;
  std::memset(bits, 0, io.data[0].size_bytes);
  for (uint64_t lba = io.lba; lba < end;) {
    const uint64_t slot = lba / per_slot;
    if (!volume.has_parent()) {
      const Result<uint64_t> next = co_await next_slot(path.store, volume.head_layer(), slot);
      if (!next.ok()) co_return Status::io_error;
      if (*next != slot) {
        lba = *next > end / per_slot ? end : *next * per_slot;
        continue;
      }
    }
    const Result<ResolvedSlot> resolved =
        co_await resolve(path.store, volume.head_layer(), slot, &volume.chain());
    if (!resolved.ok()) co_return Status::io_error;
    for (const uint64_t slot_end = std::min(end, (slot + 1) * per_slot); lba < slot_end; ++lba) {
      const uint64_t bit = lba - io.lba;
      const bool is_there = resolved->find(static_cast<uint32_t>(lba % per_slot)).has_value();
      if (is_there) bits[bit / 8] = static_cast<uint8_t>(bits[bit / 8] | 1u << bit % 8);
    }
  }
  co_return Status::ok;
}

}  // namespace

Task<Status> do_complex(OpenVolume& volume, Io& io) {
  switch (io.type) {
    case IoType::compare:
    case IoType::verify: co_return co_await compare(volume, io);
    case IoType::compare_and_write: co_return co_await compare_and_write(volume, io);
    case IoType::copy: co_return co_await copy(volume, io);
    case IoType::write_zeroes:
    case IoType::unmap: {
      if (volume.is_thick()) co_return co_await fill(volume, io);
      co_return co_await zero(volume, io);
    }
    case IoType::read_allocation: co_return co_await read_allocation(volume, io);
    case IoType::read:
    case IoType::write:
    case IoType::flush: break;  // the volume does these itself
  }
  BALLAST_ASSERT(false);
}

InsideIo::InsideIo(OpenVolume& volume, IoType type, uint64_t lba, uint32_t blocks_count,
                   std::span<const Segment> data)
    : volume_(volume) {
  io_.type = type;
  io_.lba = lba;
  io_.blocks_count = blocks_count;
  io_.data = data;
  io_.context = this;
  io_.done = [](Io& done, Status status) {
    InsideIo& self = *static_cast<InsideIo*>(done.context);
    self.status_ = status;
    self.is_done_ = true;
    if (self.waiter_) self.waiter_.resume();
  };
  VolumeScratch::prepare(io_);
}

bool InsideIo::await_ready() {
  volume_.submit_inside(io_);
  return is_done_;
}

}  // namespace ballast::bdev::pool
