// How a simulated pool is lost: power fails, or its process is killed and what the disks hold in their caches
// stays until power fails.
#include <algorithm>
#include <cstring>

#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr size_t k_sector_bytes = 512;
constexpr size_t k_chunk_bytes = 256 * 1024;

// Sectors that are as they should be are not touched: they may be durable.
void write_where_different(PoolStage& stage, Disk& disk, const std::vector<uint8_t>& wanted) {
  const PageBuffer buffer(k_chunk_bytes);
  for (size_t chunk = 0; chunk < wanted.size(); chunk += k_chunk_bytes) {
    const size_t bytes = std::min(k_chunk_bytes, wanted.size() - chunk);
    const Errc read =
        stage.run([&]() -> Task<Errc> { co_return co_await disk.read(chunk, buffer.bytes().first(bytes)); });
    BALLAST_ASSERT(read == Errc::ok);
    if (std::memcmp(buffer.data(), wanted.data() + chunk, bytes) == 0) continue;
    for (size_t at = 0; at < bytes; at += k_sector_bytes) {
      if (std::memcmp(buffer.data() + at, wanted.data() + chunk + at, k_sector_bytes) == 0) continue;
      std::memcpy(buffer.data() + at, wanted.data() + chunk + at, k_sector_bytes);
      const Errc written = stage.run([&]() -> Task<Errc> {
        co_return co_await disk.write(chunk + at, buffer.bytes().subspan(at, k_sector_bytes));
      });
      BALLAST_ASSERT(written == Errc::ok);
    }
  }
}

}  // namespace

void Simulation::crash(UnsyncedWrites unsynced) {
  trace("crash");
  end_process();
  if (has_failed()) return;
  restore_power(unsynced);
  if (prng_.chance(1, 4)) check_disks(false);
}

void Simulation::kill() {
  trace("kill");
  end_process();
  if (has_failed()) return;
  restart_process();
  if (prng_.chance(1, 4)) check_disks(false);
}

// From its next change on all fails; that one, and what is in flight with it, may be in the disks' caches.
void Simulation::end_process() {
  if (!power_is_off()) world().cut_power_after(0);
  if (pool_ != nullptr) {
    finish();
    if (has_failed()) return;
    drop_pool();
  }
  world().settle();
  clear_faults();
}

void Simulation::restore_power(UnsyncedWrites unsynced) {
  world().restore_power(unsynced);
  crash_model();
}

// The world knows only power that fails: what was in the caches is taken from them, and written again.
void Simulation::restart_process() {
  std::vector<std::string> paths = paths_;
  if (!joining_.empty()) paths.push_back(joining_);
  std::vector<std::vector<uint8_t>> seen;
  for (const std::string& path : paths) seen.push_back(world().file_bytes(path));
  world().restore_power(UnsyncedWrites::dropped);
  world().shuffle_file_operations(false);
  for (size_t i = 0; i < paths.size(); ++i) {
    Disk disk(stage_->reactor, file(paths[i]).file);
    write_where_different(*stage_, disk, seen[i]);
  }
  world().shuffle_file_operations(options_.shuffles);
  crash_model();
}

void Simulation::crash_model() {
  ++now_;
  for (auto& [id, volume] : volumes_) {
    for (Cell& cell : volume.cells) cell.crash(now_);
  }
}

}  // namespace ballast::bdev::pool::test
