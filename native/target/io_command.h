// An I/O command in words, and the one function that decides whether it may go on. NVM Command Set
// Specification 1.1, "NVM Commands". Called by io_dispatch when a command arrives.
#pragma once

#include <cstdint>

#include "nvme/command.h"
#include "nvme/status.h"
#include "target/namespace_shard.h"

namespace ballast::target {

inline constexpr uint32_t k_nsid_all = 0xffffffff;

// Decoded; what does not concern the opcode is 0.
struct IoCommand {
  nvme::NvmOpcode opcode = nvme::NvmOpcode::flush;
  bool fua = false;
  bool deallocate = false;  // Write Zeroes: DEAC. Dataset Management: AD.
  uint32_t nsid = 0;
  uint64_t lba = 0;
  uint32_t blocks_count = 0;  // 1 .. 65,536
  uint32_t ranges_count = 0;  // Dataset Management and Copy: descriptors in the data
  uint32_t data_bytes = 0;    // that move between host and controller

  bool takes_host_data() const { return data_bytes > 0 && opcode != nvme::NvmOpcode::read; }
  bool changes_medium() const;
};

// All checks that need no data, in the order opcode, PSDT, FUSE, NSID, capability, ANA state, access mode,
// range, length of the SGL, MDTS. Fills `decoded` when it answers success.
nvme::Status check_io_command(const nvme::Command& command, uint32_t sgl_length_bytes,
                              NamespaceTable& namespaces, IoCommand& decoded);

// The part that may have changed while the command waited for data: the namespace's ANA state, access mode
// and size.
nvme::Status check_namespace_state(const IoCommand& command, const NamespaceShard& shard);

}  // namespace ballast::target
