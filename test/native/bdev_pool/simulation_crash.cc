// How a simulated pool is lost: power fails, or its process is killed and what the disks hold in their caches
// stays until power fails.
#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {

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

void Simulation::restart_process() {
  world().restart_process();
  crash_model();
}

void Simulation::crash_model() {
  ++now_;
  for (auto& [id, volume] : volumes_) {
    for (Cell& cell : volume.cells) cell.crash(now_);
  }
}

}  // namespace ballast::bdev::pool::test
