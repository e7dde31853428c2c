#include "bdev/memory/memory_channel.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "bdev/check.h"

namespace ballast::bdev {
namespace {

constexpr uint64_t k_page_bytes = 4096;
// From here on zeroing gives whole pages back to the kernel: cheaper than clearing them, and their next use
// costs a page fault each, which small ranges would feel.
constexpr uint64_t k_give_back_bytes_min = 256 * 1024;
// Pieces that keep one step well under a millisecond.
constexpr uint64_t k_zero_piece_bytes = 4 << 20;
constexpr uint64_t k_copy_piece_bytes = 1 << 20;
constexpr uint64_t k_block_bytes_max = 4096;

}  // namespace

MemoryChannel::MemoryChannel(Reactor& reactor, const Geometry& geometry, std::shared_ptr<MemoryStore> store)
    : reactor_(reactor),
      geometry_(geometry),
      store_(std::move(store)),
      go_on_message_([](Message& message) { static_cast<GoOn&>(message).channel->go_on(); }),
      alive_(std::make_shared<Alive>(Alive{this})) {
  go_on_message_.channel = this;
  ready_ = store_->join(reactor_, [alive = alive_] {
    if (alive->channel != nullptr) alive->channel->start_held();
  });
}

MemoryChannel::~MemoryChannel() {
  BALLAST_ASSERT(held_.empty());
  BALLAST_ASSERT(going_on_.empty());
  alive_->channel = nullptr;
}

MemoryChannel::Progress& MemoryChannel::begin(Io& io) {
  static_assert(sizeof(Progress) <= sizeof(Io::layer_scratch));
  return *new (io.layer_scratch) Progress;
}

Io& MemoryChannel::io_of(Progress& progress) {
  static_assert(std::is_standard_layout_v<Io>);
  return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&progress) - offsetof(Io, layer_scratch));
}

void MemoryChannel::submit(Io& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  const Status status = check_io(geometry_, io);
  if (status != Status::ok) return io.done(io, status);
  if (!ready_) return held_.push_back(begin(io));
  start(io);
}

void MemoryChannel::start_held() {
  ready_ = true;
  const std::shared_ptr<Alive> alive = alive_;  // the submitter of the last one may end this channel
  while (alive->channel != nullptr && !held_.empty()) {
    Progress& progress = *held_.pop_front();
    Io& io = io_of(progress);
    progress.~Progress();
    start(io);
  }
}

void MemoryChannel::start(Io& io) {
  if (io.type != IoType::write_zeroes && io.type != IoType::unmap && io.type != IoType::copy) {
    const Status status = execute(io);
    return io.done(io, status);
  }
  Progress& progress = begin(io);
  if (step(io, progress)) return finish(io, progress);
  if (going_on_.empty()) reactor_.send(go_on_message_);
  going_on_.push_back(progress);
}

void MemoryChannel::go_on() {
  Progress& progress = *going_on_.pop_front();
  Io& io = io_of(progress);
  const bool finished = step(io, progress);
  if (!finished) going_on_.push_back(progress);
  if (!going_on_.empty()) reactor_.send(go_on_message_);
  if (finished) finish(io, progress);  // last: the submitter may close this channel
}

void MemoryChannel::finish(Io& io, Progress& progress) {
  progress.~Progress();
  io.done(io, Status::ok);
}

// Cuts a range at the stripes and visits each run under its lock; in one run when no lock is needed.
template <typename Visit>
void MemoryChannel::for_each_run(uint64_t offset, uint64_t bytes, Visit visit) {
  if (!store_->must_lock(reactor_)) return visit(offset, bytes);
  while (bytes > 0) {
    const uint64_t stripe = offset / StripeLocks::k_stripe_bytes;
    const uint64_t run_bytes = std::min(bytes, (stripe + 1) * StripeLocks::k_stripe_bytes - offset);
    store_->locks().lock(stripe);
    visit(offset, run_bytes);
    store_->locks().unlock(stripe);
    offset += run_bytes;
    bytes -= run_bytes;
  }
}

Status MemoryChannel::execute(Io& io) {
  switch (io.type) {
    case IoType::read:
    case IoType::write: transfer(io); return Status::ok;
    case IoType::compare:
    case IoType::compare_and_write: return compare(io);
    case IoType::flush:
    case IoType::verify:
    case IoType::write_zeroes:
    case IoType::unmap:
    case IoType::copy: return Status::ok;
    case IoType::read_allocation: break;
  }
  return Status::unsupported;
}

void MemoryChannel::transfer(Io& io) {
  const uint64_t begin_offset = offset_of(io.lba);
  for_each_run(begin_offset, bytes_of(io), [&](uint64_t offset, uint64_t bytes) {
    if (io.type == IoType::read) {
      copy_in(io.data, offset - begin_offset, store_->base() + offset, bytes);
    } else {
      copy_out(io.data, offset - begin_offset, store_->base() + offset, bytes);
    }
  });
}

Status MemoryChannel::compare(const Io& io) {
  const uint64_t offset = offset_of(io.lba), bytes = bytes_of(io);
  const bool lock = store_->must_lock(reactor_);
  if (lock) store_->locks().lock_range(offset, bytes);
  const bool equal = equals(io.data, 0, store_->base() + offset, bytes);
  if (equal && io.type == IoType::compare_and_write) {
    copy_out(io.data, bytes, store_->base() + offset, bytes);
  }
  if (lock) store_->locks().unlock_range(offset, bytes);
  return equal ? Status::ok : Status::compare_mismatch;
}

bool MemoryChannel::step(Io& io, Progress& progress) {
  return io.type == IoType::copy ? step_copy(io, progress) : step_zero(io, progress);
}

bool MemoryChannel::step_zero(const Io& io, Progress& progress) {
  const auto clear = [this](uint64_t at, uint64_t size) { std::memset(store_->base() + at, 0, size); };
  const uint64_t offset = offset_of(io.lba) + progress.done_bytes;
  const uint64_t bytes = std::min(bytes_of(io) - progress.done_bytes, k_zero_piece_bytes);
  if (bytes < k_give_back_bytes_min) {
    for_each_run(offset, bytes, clear);
  } else {
    const uint64_t pages_begin = (offset + k_page_bytes - 1) / k_page_bytes * k_page_bytes;
    const uint64_t pages_end = (offset + bytes) / k_page_bytes * k_page_bytes;
    if (pages_begin > offset) for_each_run(offset, pages_begin - offset, clear);
    const bool lock = store_->must_lock(reactor_);
    if (lock) store_->locks().lock_range(pages_begin, pages_end - pages_begin);
    store_->give_back(pages_begin, pages_end - pages_begin);
    if (lock) store_->locks().unlock_range(pages_begin, pages_end - pages_begin);
    if (pages_end < offset + bytes) for_each_run(pages_end, offset + bytes - pages_end, clear);
  }
  progress.done_bytes += bytes;
  return progress.done_bytes == bytes_of(io);
}

// As memmove: where the target lies behind the source, pieces go from the end to the start.
bool MemoryChannel::step_copy(const Io& io, Progress& progress) {
  const uint64_t bytes = std::min(bytes_of(io) - progress.done_bytes, k_copy_piece_bytes);
  const uint64_t skip =
      io.lba > io.copy_source_lba ? bytes_of(io) - progress.done_bytes - bytes : progress.done_bytes;
  copy_piece(offset_of(io.copy_source_lba) + skip, offset_of(io.lba) + skip, bytes);
  progress.done_bytes += bytes;
  return progress.done_bytes == bytes_of(io);
}

void MemoryChannel::copy_piece(uint64_t from, uint64_t to, uint64_t bytes) {
  if (!store_->must_lock(reactor_)) {
    std::memmove(store_->base() + to, store_->base() + from, bytes);
    return;
  }
  // Block by block over a copy of our own: never two locks at once.
  const uint64_t block_bytes = geometry_.block_size_bytes;
  for (uint64_t done = 0; done < bytes; done += block_bytes) {
    const uint64_t skip = to > from ? bytes - done - block_bytes : done;
    alignas(64) uint8_t block[k_block_bytes_max];
    for_each_run(from + skip, block_bytes,
                 [&](uint64_t at, uint64_t size) { std::memcpy(block, store_->base() + at, size); });
    for_each_run(to + skip, block_bytes,
                 [&](uint64_t at, uint64_t size) { std::memcpy(store_->base() + at, block, size); });
  }
}

Segment MemoryChannel::map_read(uint64_t lba, uint32_t blocks_count) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  if (!ready_ || !geometry_.contains(lba, blocks_count) || !store_->try_pin(reactor_)) return {};
  return {store_->base() + offset_of(lba), uint64_t{blocks_count} * geometry_.block_size_bytes};
}

void MemoryChannel::unmap_read(Segment mapped) {
  if (mapped.base != nullptr) store_->unpin();
}

}  // namespace ballast::bdev
