// The limits of I/O commands that io_dispatch enforces and Identify advertises. NVM Command Set Specification
// 1.1, "Identify Namespace Data Structure" and "Copy command"; NVMe Base Specification 2.1, "Identify
// Controller Data Structure". One place, so that what we say and what we do cannot differ.
#pragma once

#include <cstdint>

#include "nvme/limits.h"
#include "nvme/status.h"

namespace ballast::target {

// Copy. Identify Namespace: MSSRL, MCL in blocks, MSRC 0's based. Identify Controller OCFS: format 0.
inline constexpr uint16_t k_copy_source_range_blocks_max = 32'768;  // MSSRL: 128 MiB of 4 KiB blocks
inline constexpr uint32_t k_copy_blocks_max = 65'536;               // MCL
inline constexpr uint32_t k_copy_source_ranges_max = 128;           // MSRC is this - 1; 4 KiB of descriptors
inline constexpr uint16_t k_copy_formats = 1u << 0;                 // OCFS

// Dataset Management: NR is 8 bits, 0's based; its data is 4 KiB at most.
inline constexpr uint32_t k_dataset_ranges_max = 256;

// Write Zeroes and Verify carry no data, so MDTS does not bound them: NLB does. A device sees pieces of this
// many bytes, so that one command never occupies it for long.
inline constexpr uint32_t k_piece_bytes_max = 64u << 20;

// ACWU, 0's based, in blocks of any format: a fused Compare and Write of a whole transfer is atomic.
inline constexpr uint16_t k_acwu = nvme::k_transfer_bytes_max / 4096 - 1;
// AWUN and AWUPF, 0's based: one logical block.
inline constexpr uint16_t k_awun = 0;
inline constexpr uint16_t k_awupf = 0;

// FUSES bit 0: Compare and Write.
inline constexpr uint16_t k_fuses = 1;
// ONCS: Compare (0), Dataset Management (2), Write Zeroes (3), Verify (7), Copy (8).
inline constexpr uint16_t k_oncs = 1u << 0 | 1u << 2 | 1u << 3 | 1u << 7 | 1u << 8;
// VWC bits 2:1 = 11b: Flush with NSID FFFFFFFFh flushes every namespace. Bit 0 (present) is set when a
// namespace of the subsystem has a volatile write cache.
inline constexpr uint8_t k_vwc_flush_all = 3u << 1;
// DLFEAT of a namespace whose device unmaps: deallocated blocks read zeroes (001b), Write Zeroes may
// deallocate (bit 3).
inline constexpr uint8_t k_dlfeat = 1u << 3 | 1u;

// NVM Command Set Specification 1.1, "Status Values": Command Size Limit Exceeded.
inline constexpr nvme::Status k_command_size_limit_exceeded =
    nvme::make_status(nvme::StatusCodeType::command_specific, 0x83);

}  // namespace ballast::target
