// The bounds of what we offer as an NVMe subsystem and accept as a host. Each is advertised where the
// protocol can say it.
#pragma once

#include <cstdint>

namespace ballast::nvme {

inline constexpr uint32_t k_io_queues_max = 128;  // per controller: one per host core we promise to serve
inline constexpr uint32_t k_queue_entries_max = 1024;       // CAP.MQES + 1
inline constexpr uint32_t k_admin_queue_entries_max = 128;  // hosts use 32; SPDK's asks for 32 to 128
inline constexpr uint32_t k_mdts = 5;  // 2^5 x 4 KiB (CAP.MPSMIN) = 128 KiB: BufferArenaSizes::k_large_bytes
inline constexpr uint32_t k_transfer_bytes_max = 4096u << k_mdts;
inline constexpr uint32_t k_namespaces_per_subsystem_max = 1024;
inline constexpr uint32_t k_async_event_requests_max = 8;      // AERL is this - 1
inline constexpr uint32_t k_abort_commands_max = 8;            // ACL is this - 1
inline constexpr uint32_t k_error_log_entries_max = 64;        // ELPE is this - 1
inline constexpr uint16_t k_controller_id_max = 0xffef;        // CNTLIDs above are reserved
inline constexpr uint32_t k_nqn_bytes_max = 223;               // Base 2.1, "NVMe Qualified Names"
inline constexpr uint32_t k_keep_alive_granularity_ms = 1000;  // KAS is 10: units of 100 ms
inline constexpr char k_discovery_nqn[] = "nqn.2014-08.org.nvmexpress.discovery";

}  // namespace ballast::nvme
