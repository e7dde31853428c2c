// A loop device over the file of a FuseSession: what makes it a block device. These block, also for as long
// as the device below does: never on a reactor. They need root.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace ballast::attach {

struct LoopConfig {
  std::string file;
  uint32_t block_size_bytes = 4096;
  bool read_only = false;
};

// A free loop device with direct I/O on `file`; its path. Errc: not_found (no /dev/loop-control),
// permission_denied, unsupported (a kernel without LOOP_CONFIGURE, before 5.8), in_use (others were quicker,
// again and again), io_error.
Result<std::string> make_loop_device(const LoopConfig& config);

// The device takes the size that its file has now. Errc as above; not_found if it is no loop device in use.
Outcome update_loop_device(const std::string& device, const std::string& file);

// Takes the file away from the device. `even_if_used`: a device that somebody has open loses it when the last
// one closes it, instead of Errc::in_use. What is no loop device in use, or has another file, is no error and
// is left alone.
Outcome remove_loop_device(const std::string& device, const std::string& file, bool even_if_used);

}  // namespace ballast::attach
