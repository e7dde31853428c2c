#include "bdev/pool/cleaner.h"

#include <algorithm>

#include "bdev/pool/apply.h"
#include "bdev/pool/changes.h"
#include "bdev/pool/planted.h"

namespace ballast::bdev::pool {
namespace {

constexpr size_t k_batch_max = 64;
constexpr size_t k_premarks_max = 512;

}  // namespace

Task<Errc> Cleaner::run() {
  while (!is_stopping_) {
    co_await sleeper_.sleep(options_.every_ns);
    if (is_stopping_ || (path_.sums.size() == 0 && path_.premarks.empty())) continue;
    const Errc errc = co_await clean(options_.idle_ns, options_.dirty_max);
    if (path_.store.is_broken()) co_return errc;
  }
  co_return Errc::ok;
}

Task<Errc> Cleaner::stop() {
  is_stopping_ = true;
  sleeper_.wake();
  while (!background_.is_idle()) {
    NextTurn turn(path_.reactor);
    co_await turn;
  }
  co_return Errc::ok;
}

Task<Errc> Cleaner::clean(uint64_t idle_ns, uint32_t kept_max) {
  while (is_cleaning_) co_await rested_;
  is_cleaning_ = true;
  std::vector<BlockSumsPointer> dirty;
  for (const auto& [packed, sums] : path_.sums) {
    if (sums->is_dirty && !sums->is_marking) dirty.push_back(sums);
  }
  // The oldest first.
  std::sort(dirty.begin(), dirty.end(),
            [](const auto& a, const auto& b) { return a->touched_ns < b->touched_ns; });
  Errc errc = Errc::ok;
  std::vector<BlockSumsPointer> batch;
  for (size_t i = 0; i < dirty.size() && errc == Errc::ok; ++i) {
    BlockSums& sums = *dirty[i];
    const bool is_idle = sums.touched_ns + idle_ns <= path_.reactor.now_ns();
    if (!is_idle && dirty.size() - i <= kept_max) break;
    errc = co_await compute_unknown(dirty[i]);
    // One of its blocks cannot be read: the mark stays, and reads say so.
    if (errc == Errc::invalid_argument) errc = Errc::ok;
    batch.push_back(std::move(dirty[i]));
    if (batch.size() < k_batch_max && i + 1 < dirty.size()) continue;
    if (errc == Errc::ok) errc = co_await put(std::exchange(batch, {}));
    if (is_stopping_ && idle_ns > 0) break;
  }
  if (errc == Errc::ok && !batch.empty()) errc = co_await put(std::move(batch));
  if (errc == Errc::ok) errc = co_await drop_premarks(idle_ns);
  is_cleaning_ = false;
  rested_.fire();
  co_return errc;
}

// A write that ends meanwhile says its sum itself.
Task<Errc> Cleaner::compute_unknown(BlockSumsPointer sums) {
  BlockMask all;
  all.set(0, path_.blocks_per_extent);
  if (sums->known == all || !path_.store.extents().is_used(sums->extent)) co_return Errc::ok;
  Grace::Entry grace;
  path_.grace.enter(grace);
  const PageBuffer buffer(size_t{path_.blocks_per_extent} * k_page_bytes);
  Disk& disk = path_.disk_of(sums->extent).disk;
  const BlockMask known_before = sums->known;
  const uint64_t failures_count = sums->failures_count;
  // What is read may be in the disk's cache only, of a write that failed or of a process that was killed: a
  // sum that outlives it would spoil what comes back.
  Errc read = Errc::ok;
  if (!planted(Planted::cleaner_without_sync)) read = co_await disk.sync();
  if (read == Errc::ok) read = co_await disk.read(path_.offset_of(sums->extent, 0), buffer.bytes());
  path_.grace.leave(grace);
  path_.settle_freed();
  if (read != Errc::ok || sums->failures_count != failures_count) co_return Errc::invalid_argument;
  const Segment segment{buffer.data(), buffer.size()};
  for (uint32_t block = 0; block < path_.blocks_per_extent; ++block) {
    if (known_before.test(block) || sums->known.test(block)) continue;
    sums->set(block, block_sum({&segment, 1}, uint64_t{block} * k_page_bytes));
  }
  co_return Errc::ok;
}

// What is put is of this moment, in the order of the journal: a write that comes later makes the extent dirty
// again behind it.
Task<Errc> Cleaner::put(std::vector<BlockSumsPointer> batch) {
  Changes changes(path_.store);
  BlockMask all;
  all.set(0, path_.blocks_per_extent);
  std::erase_if(batch, [&](const BlockSumsPointer& sums) {
    return !sums->is_dirty || sums->is_marking ||
           (sums->writes_count > 0 && !planted(Planted::cleaner_ignores_writes)) ||
           (sums->known != all && !planted(Planted::cleaner_ignores_unknown)) ||
           path_.sums.find(sums->extent) != sums || !path_.store.extents().is_used(sums->extent);
  });
  if (batch.empty()) co_return Errc::ok;
  // Neighbours come into the same pages, and extents in growing order fill them.
  std::sort(batch.begin(), batch.end(), [](const auto& a, const auto& b) { return a->extent < b->extent; });
  for (const BlockSumsPointer& sums : batch) {
    changes.put(checksums_key(sums->extent), {reinterpret_cast<const uint8_t*>(sums->sums.data()),
                                              path_.blocks_per_extent * sizeof(uint32_t)});
    changes.remove(dirty_key(sums->extent));
    sums->is_dirty = false;
    path_.premarks.erase(sums->extent.packed);
  }
  const Errc errc = co_await changes.commit(false);
  for (BlockSumsPointer& sums : batch) {
    const Extent extent = sums->extent;
    // Refused, it is dirty as before. After an error nobody knows: no write may count on the mark.
    if (errc == Errc::no_space) sums->is_dirty = true;
    sums.reset();
    path_.sums.drop_if_unused(extent);
  }
  co_return errc == Errc::no_space ? Errc::ok : errc;
}

// What was marked beforehand and not written: its checksums in the tree are right.
Task<Errc> Cleaner::drop_premarks(uint64_t idle_ns) {
  std::vector<uint64_t> idle;
  for (const auto& [packed, premark] : path_.premarks) {
    if (premark.is_durable && premark.since_ns + idle_ns <= path_.reactor.now_ns()) idle.push_back(packed);
  }
  for (size_t next = 0; next < idle.size() && !(is_stopping_ && idle_ns > 0);) {
    Changes changes(path_.store);
    for (size_t i = 0; i < k_premarks_max && next < idle.size(); ++i, ++next) {
      const auto found = path_.premarks.find(idle[next]);
      if (found == path_.premarks.end() || !found->second.is_durable) continue;
      changes.remove(dirty_key(Extent{idle[next]}));
      path_.premarks.erase(found);
    }
    const Errc errc = co_await changes.commit(false);
    if (errc == Errc::no_space) co_return Errc::ok;
    if (errc != Errc::ok) co_return errc;
  }
  co_return Errc::ok;
}

}  // namespace ballast::bdev::pool
