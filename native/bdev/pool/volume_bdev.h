// A volume of a pool as a device, on every reactor: on the owner straight into OpenVolume, on the others by a
// message there and one back.
#pragma once

#include <memory>

#include "bdev/bdev.h"
#include "bdev/pool/open_volume.h"

namespace ballast::bdev::pool {

// `volume` must outlive the device and its channels. Made on any thread.
std::shared_ptr<Bdev> make_volume_bdev(OpenVolume& volume);
// The volume has another size; I/O beyond the end of a smaller one ends with out_of_range. One thread at a
// time.
void resize_volume_bdev(Bdev& device, uint64_t blocks_count);

}  // namespace ballast::bdev::pool
