// What a snapshot holds, read for another pool while its volume is served.
#include <algorithm>
#include <cstring>

#include "bdev/pool/pool.h"

namespace ballast::bdev::pool {

// With the turn nothing moves or frees what snapshots hold, and no write goes there.
Task<Outcome> Pool::read_snapshot(uint32_t snapshot_layer, uint64_t offset_bytes, MutableByteSpan out) {
  const uint64_t slot_bytes = uint64_t{blocks_per_extent_} * k_page_bytes;
  const Turns::Turn turn = co_await turns_.take();
  const Result<LayerValue> value = co_await volumes_.layer(snapshot_layer);
  if (!value.ok() && value.errc() != Errc::not_found) co_return value.error();
  if (!value.ok() || value->state != LayerState::snapshot) {
    co_return Error{Errc::not_found, "there is no such snapshot"};
  }
  if (!is_block_range(offset_bytes, out.size(), value->size_bytes)) {
    co_return Error{Errc::invalid_argument, "not whole blocks of 4 KiB within the snapshot"};
  }
  SlotBlocks blocks(blocks_per_extent_);
  for (uint64_t at = offset_bytes; at < offset_bytes + out.size();) {
    const auto first = static_cast<uint32_t>(at % slot_bytes / k_page_bytes);
    const auto count = static_cast<uint32_t>(
        std::min<uint64_t>(blocks_per_extent_ - first, (offset_bytes + out.size() - at) / k_page_bytes));
    BlockMask wanted;
    wanted.set(first, count);
    const Result<ResolvedSlot> resolved = co_await resolve(store_, snapshot_layer, at / slot_bytes);
    if (!resolved.ok()) co_return resolved.error();
    const Errc errc = co_await read_blocks(path_, *resolved, wanted, blocks);
    if (errc != Errc::ok) co_return Error{errc, "a part of the snapshot cannot be read"};
    if (blocks.damaged.intersects(wanted)) {
      co_return Error{Errc::io_error, "a block of the snapshot has a wrong checksum"};
    }
    const MutableByteSpan bytes = blocks.bytes(first, count);
    std::memcpy(out.data() + (at - offset_bytes), bytes.data(), bytes.size());
    at += bytes.size();
    blocks.damaged = {};
  }
  co_return Unit{};
}

}  // namespace ballast::bdev::pool
