#include "bdev/pool/slot_blocks.h"

#include <algorithm>
#include <cstring>

namespace ballast::bdev::pool {

bool SlotBlocks::is_same(const SlotBlocks& other, uint32_t block) const {
  return std::memcmp(bytes(block, 1).data(), other.bytes(block, 1).data(), k_page_bytes) == 0;
}

bool SlotBlocks::is_zero(uint32_t block) const {
  const MutableByteSpan held = bytes(block, 1);
  return std::all_of(held.begin(), held.end(), [](uint8_t byte) { return byte == 0; });
}

BlockRun next_run(const BlockMask& mask, uint32_t from, uint32_t blocks_count) {
  BlockRun run{from, from};
  while (run.first < blocks_count && !mask.test(run.first)) ++run.first;
  run.end = run.first;
  while (run.end < blocks_count && mask.test(run.end)) ++run.end;
  return run;
}

// --- reading ---

namespace {

Task<Errc> verify(DataPath& path, Extent extent, uint32_t first, uint32_t count, SlotBlocks& into) {
  if (!path.keeps_checksums) {
    into.unproven.set(first, count);
    co_return Errc::ok;
  }
  const Result<BlockSumsPointer> sums = co_await path.load_sums(extent);
  if (!sums.ok()) co_return sums.errc();
  const Segment segment{into.buffer.data(), into.buffer.size()};
  for (uint32_t block = first; block < first + count; ++block) {
    if (!(*sums)->known.test(block)) {
      into.unproven.set(block, 1);
    } else if (block_sum({&segment, 1}, uint64_t{block} * k_page_bytes) != (*sums)->sums[block]) {
      into.damaged.set(block, 1);
    }
  }
  co_return Errc::ok;
}

}  // namespace

Task<Errc> read_blocks(DataPath& path, const ResolvedSlot& resolved, BlockMask wanted, SlotBlocks& into) {
  for (BlockRun run = next_run(wanted, 0, path.blocks_per_extent); run.first < run.end;) {
    const std::optional<Extent> extent = resolved.find(run.first);
    uint32_t end = run.first + 1;
    while (end < run.end && resolved.find(end) == extent) ++end;
    const MutableByteSpan bytes = into.bytes(run.first, end - run.first);
    if (extent.has_value()) {
      DataDisk& disk = path.disk_of(*extent);
      Errc errc = co_await disk.disk.read(path.offset_of(*extent, run.first), bytes);
      if (errc == Errc::ok) errc = co_await verify(path, *extent, run.first, end - run.first, into);
      path.sums.drop_if_unused(*extent);
      if (errc != Errc::ok) co_return errc;
      if (std::find(into.disks.begin(), into.disks.end(), &disk) == into.disks.end())
        into.disks.push_back(&disk);
    } else {
      std::memset(bytes.data(), 0, bytes.size());
    }
    run = end < run.end ? BlockRun{end, run.end} : next_run(wanted, end, path.blocks_per_extent);
  }
  co_return Errc::ok;
}

// --- writing ---

Task<Result<SlotTarget>> open_target(DataPath& path, const Slot& held) {
  SlotTarget target;
  if (held.fragments_count == 0) {
    const std::optional<Extent> extent = path.reserve();
    if (!extent.has_value()) co_return Error{Errc::no_space, "the pool has no room for more data"};
    target = {*extent, path.new_sums(*extent), true};
  } else {
    target.extent = held.fragments[0].extent;
    if (path.keeps_checksums) {
      const Result<BlockSumsPointer> loaded = co_await path.load_sums(target.extent);
      if (!loaded.ok()) co_return loaded.error();
      target.sums = *loaded;
      MarkDone mark(path, target.sums);
      co_await mark;
      if (!target.sums->is_dirty) co_return Error{Errc::io_error, "an extent could not be marked"};
    }
  }
  if (target.sums != nullptr) ++target.sums->writes_count;
  co_return target;
}

Task<Errc> copy_blocks(DataPath& path, Fragment fragment, const SlotTarget& target) {
  const PageBuffer buffer(size_t{path.blocks_per_extent} * k_page_bytes);
  BlockSumsPointer sums;
  if (target.sums != nullptr) {
    const Result<BlockSumsPointer> loaded = co_await path.load_sums(fragment.extent);
    if (!loaded.ok()) co_return loaded.errc();
    sums = *loaded;
  }
  for (BlockRun run = next_run(fragment.mask, 0, path.blocks_per_extent); run.first < run.end;
       run = next_run(fragment.mask, run.end, path.blocks_per_extent)) {
    const MutableByteSpan bytes = buffer.bytes().first(size_t{run.end - run.first} * k_page_bytes);
    Errc errc =
        co_await path.disk_of(fragment.extent).disk.read(path.offset_of(fragment.extent, run.first), bytes);
    if (errc != Errc::ok) co_return errc;
    errc = co_await path.disk_of(target.extent).disk.write(path.offset_of(target.extent, run.first), bytes);
    if (errc != Errc::ok) co_return errc;
    const Segment segment{bytes.data(), bytes.size()};
    for (uint32_t i = run.first; i < run.end && target.sums != nullptr; ++i) {
      target.sums->set(i, sums->known.test(i)
                              ? sums->sums[i]
                              : block_sum({&segment, 1}, uint64_t{i - run.first} * k_page_bytes));
    }
  }
  sums.reset();
  path.sums.drop_if_unused(fragment.extent);
  co_return Errc::ok;
}

Task<Errc> write_blocks(DataPath& path, const SlotBlocks& blocks, BlockMask written,
                        const SlotTarget& target) {
  const Segment segment{blocks.buffer.data(), blocks.buffer.size()};
  for (BlockRun run = next_run(written, 0, path.blocks_per_extent); run.first < run.end;
       run = next_run(written, run.end, path.blocks_per_extent)) {
    const Errc errc = co_await path.disk_of(target.extent)
                          .disk.write(path.offset_of(target.extent, run.first),
                                      blocks.bytes(run.first, run.end - run.first));
    if (errc != Errc::ok) co_return errc;
    for (uint32_t i = run.first; i < run.end && target.sums != nullptr; ++i) {
      target.sums->set(i, block_sum({&segment, 1}, uint64_t{i} * k_page_bytes));
    }
  }
  co_return Errc::ok;
}

void close_target(DataPath& path, SlotTarget& target, BlockMask written, Errc errc) {
  if (target.sums != nullptr) {
    if (errc != Errc::ok) {
      target.sums->known.subtract(written);
      ++target.sums->failures_count;
    }
    --target.sums->writes_count;
    ++target.sums->ended_count;
    target.sums->touched_ns = path.reactor.now_ns();
    target.sums.reset();
  }
  if (errc != Errc::ok && target.is_new) path.unreserve(target.extent);
}

// --- records ---

void add_maps(Changes& changes, uint32_t layer, uint64_t slot, const BlockMask& blocks, Extent extent) {
  for (BlockRun run = next_run(blocks, 0, k_slot_blocks_max); run.first < run.end;
       run = next_run(blocks, run.end, k_slot_blocks_max)) {
    const SlotMap map{layer, static_cast<uint16_t>(run.first), static_cast<uint16_t>(run.end - run.first),
                      slot, extent};
    changes.add(RecordType::slot_map, bytes_of(map));
  }
}

void add_zeroes(Changes& changes, uint32_t layer, uint64_t slot, const BlockMask& blocks) {
  for (BlockRun run = next_run(blocks, 0, k_slot_blocks_max); run.first < run.end;
       run = next_run(blocks, run.end, k_slot_blocks_max)) {
    const SlotZero zero{layer, static_cast<uint16_t>(run.first), static_cast<uint16_t>(run.end - run.first),
                        slot};
    changes.add(RecordType::slot_zero, bytes_of(zero));
  }
}

}  // namespace ballast::bdev::pool
