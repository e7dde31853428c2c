#include "bdev/pool/scrubber.h"

#include <cinttypes>

#include "base/log.h"
#include "bdev/pool/apply.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {
namespace {

// An extent that is written all the time is read so often before it is left to its reads.
constexpr int k_reads_max = 16;
constexpr uint64_t k_wait_ns = 5 * k_ns_per_ms;

}  // namespace

Outcome Scrubber::start(uint64_t bytes_per_second) {
  if (!path_.keeps_checksums) return Error{Errc::unsupported, "the pool keeps no checksums"};
  if (progress_.is_running) return Error{Errc::in_use, "a scrub is running"};
  const ExtentMap& extents = path_.store.extents();
  progress_ = {true, 0,
               (extents.extents_count() - extents.free_count()) * path_.blocks_per_extent * k_page_bytes, 0};
  is_stopping_ = false;
  background_.start(run(bytes_per_second));
  return Unit{};
}

Task<Errc> Scrubber::ended() {
  while (!background_.is_idle()) {
    NextTurn turn(path_.reactor);
    co_await turn;
  }
  co_return Errc::ok;
}

Task<Errc> Scrubber::run(uint64_t bytes_per_second) {
  const uint64_t began_ns = path_.reactor.clock().now_ns();
  Errc errc = Errc::ok;
  for (Key key = slot_key(0, 0); !is_stopping_;) {
    const auto found = co_await path_.store.seek(key);
    errc = found.errc();
    if (errc != Errc::ok || !found->has_value()) break;
    if ((*found)->key.type() != static_cast<uint8_t>(KeyType::slot)) break;
    key = (*found)->key;
    Slot slot;
    if (!decode((*found)->value, slot)) errc = Errc::io_error;
    for (uint32_t i = 0; i < slot.fragments_count && errc == Errc::ok && !is_stopping_; ++i) {
      errc = co_await scrub(static_cast<uint32_t>(key.id()), slot.fragments[i]);
      progress_.done_bytes += uint64_t{path_.blocks_per_extent} * k_page_bytes;
      if (bytes_per_second == 0) continue;
      const auto due = static_cast<uint64_t>(static_cast<double>(progress_.done_bytes) /
                                             static_cast<double>(bytes_per_second) * 1e9);
      const uint64_t spent = path_.reactor.clock().now_ns() - began_ns;
      if (spent < due && !is_stopping_) co_await sleeper_.sleep(due - spent);
    }
    if (errc != Errc::ok) break;
    if (key.low++ == UINT64_MAX) ++key.high;
  }
  progress_.is_running = false;
  if (errc != Errc::ok) log(LogLevel::error, "bdev/pool", "the scrub ended early: %s", errc_text(errc));
  co_return errc;
}

// The slot was looked at some time ago: what is wrong counts only if the extent has stood still since.
Task<Errc> Scrubber::scrub(uint32_t layer, Fragment fragment) {
  if (!path_.store.extents().is_used(fragment.extent)) co_return Errc::ok;
  const PageBuffer buffer(size_t{path_.blocks_per_extent} * k_page_bytes);
  for (int reads = 0; reads < k_reads_max && !is_stopping_; ++reads) {
    const Result<uint32_t> wrong = co_await count_wrong(fragment, buffer);
    if (wrong.ok() && *wrong > 0) {
      // What is being erased has zeroes before it is free.
      const Result<bool> deleted = co_await is_deleted(layer);
      if (!deleted.ok()) co_return deleted.errc();
      if (*deleted) co_return Errc::ok;
      log(LogLevel::error, "bdev/pool", "%u blocks of extent %" PRIu64 " of device %u are damaged", *wrong,
          fragment.extent.number(), fragment.extent.device());
      progress_.errors += *wrong;
    }
    if (wrong.ok()) co_return Errc::ok;
    if (wrong.errc() != Errc::in_use) co_return wrong.errc();
    co_await sleeper_.sleep(k_wait_ns);
  }
  co_return Errc::ok;
}

Task<Result<bool>> Scrubber::is_deleted(uint32_t layer) {
  const Key key = Key::of(KeyType::layer, layer);
  const auto found = co_await path_.store.seek(key);
  if (!found.ok()) co_return found.error();
  LayerValue value;
  if (!found->has_value() || (*found)->key != key || !decode_value((*found)->value, value)) co_return true;
  co_return value.state == LayerState::deleting;
}

// in_use: it was written while it was read.
Task<Result<uint32_t>> Scrubber::count_wrong(const Fragment& fragment, const PageBuffer& buffer) {
  const Extent extent = fragment.extent;
  const Result<BlockSumsPointer> loaded = co_await path_.load_sums(extent);
  if (!loaded.ok()) co_return loaded.error();
  const BlockSumsPointer sums = *loaded;
  const bool was_still = sums->writes_count == 0;
  const uint64_t ended_count = sums->ended_count;
  Grace::Entry grace;
  path_.grace.enter(grace);
  const Errc read = co_await path_.disk_of(extent).disk.read(path_.offset_of(extent, 0), buffer.bytes());
  path_.grace.leave(grace);
  path_.settle_freed();
  uint32_t wrong = 0;
  const Segment segment{buffer.data(), buffer.size()};
  for (uint32_t block = 0; block < path_.blocks_per_extent; ++block) {
    if (!fragment.mask.test(block)) continue;
    const bool is_right =
        read == Errc::ok && (!sums->known.test(block) ||
                             block_sum({&segment, 1}, uint64_t{block} * k_page_bytes) == sums->sums[block]);
    if (is_right) continue;
    if (!was_still || sums->writes_count > 0 || sums->ended_count != ended_count)
      co_return Error{Errc::in_use, {}};
    if (path_.sums.find(extent) != sums) co_return 0u;  // it was freed
    ++wrong;
  }
  co_return wrong;
}

}  // namespace ballast::bdev::pool
