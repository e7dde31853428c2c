// Identify: controller or namespace structure values (CNS) and the 4 KiB data structures they return.
// NVMe Base Specification 2.1, "Identify command"; NVM Command Set Specification 1.1, "Identify Command".
#pragma once

#include <cstddef>
#include <cstdint>

namespace ballast::nvme {

inline constexpr size_t k_identify_bytes = 4096;
inline constexpr uint32_t k_nsid_broadcast = 0xffff'ffff;

// CDW10 bits 7:0; CNTID is in bits 31:16, CSI in CDW11 bits 31:24.
enum class Cns : uint8_t {
  name_space = 0x00,  // of the NVM Command Set
  controller = 0x01,
  active_namespaces = 0x02,
  namespace_descriptors = 0x03,
  command_set_namespace = 0x05,
  command_set_controller = 0x06,
  command_set_active_namespaces = 0x07,
  independent_namespace = 0x08,
  allocated_namespaces = 0x10,
  allocated_namespace = 0x11,
  namespace_controllers = 0x12,
  subsystem_controllers = 0x13,
  command_sets = 0x1c,
};
inline constexpr uint8_t k_csi_nvm = 0;

// CMIC
inline constexpr uint8_t k_cmic_ports = 1 << 0;
inline constexpr uint8_t k_cmic_controllers = 1 << 1;
inline constexpr uint8_t k_cmic_ana = 1 << 3;
// OAES and the Asynchronous Event Configuration feature share their bits.
inline constexpr uint32_t k_event_namespace_attribute = 1u << 8;
inline constexpr uint32_t k_event_ana_change = 1u << 11;
inline constexpr uint32_t k_event_discovery_change = 1u << 31;
// CTRATT
inline constexpr uint32_t k_ctratt_host_id_128 = 1u << 0;
inline constexpr uint32_t k_ctratt_traffic_keep_alive = 1u << 6;
// CNTRLTYPE
inline constexpr uint8_t k_controller_type_io = 1;
inline constexpr uint8_t k_controller_type_discovery = 2;
// LPA
inline constexpr uint8_t k_lpa_smart_per_namespace = 1 << 0;
inline constexpr uint8_t k_lpa_command_effects = 1 << 1;
inline constexpr uint8_t k_lpa_extended_data = 1 << 2;  // log page offset, 32-bit length
inline constexpr uint8_t k_lpa_supported_pages = 1 << 5;
// FRMW: one slot, read only
inline constexpr uint8_t k_frmw_one_read_only_slot = 1 << 1 | 1 << 0;
// ANACAP
inline constexpr uint8_t k_anacap_all_states = 0x1f;     // optimized to change, one bit each
inline constexpr uint8_t k_anacap_group_fixed = 1 << 6;  // ANAGRPID does not change while attached
// ONCS
inline constexpr uint16_t k_oncs_compare = 1 << 0;
inline constexpr uint16_t k_oncs_dataset_management = 1 << 2;
inline constexpr uint16_t k_oncs_write_zeroes = 1 << 3;
inline constexpr uint16_t k_oncs_save_and_select = 1 << 4;
inline constexpr uint16_t k_oncs_verify = 1 << 7;
inline constexpr uint16_t k_oncs_copy = 1 << 8;
// FUSES
inline constexpr uint16_t k_fuses_compare_and_write = 1 << 0;
// VWC: presence, and in bits 2:1 what Flush of NSID FFFFFFFFh does
inline constexpr uint8_t k_vwc_present = 1 << 0;
inline constexpr uint8_t k_vwc_broadcast_refused = 2 << 1;
inline constexpr uint8_t k_vwc_broadcast_flushes_all = 3 << 1;
// OCFS
inline constexpr uint16_t k_ocfs_format_0 = 1 << 0;
// SGLS
inline constexpr uint32_t k_sgls_supported = 1u << 0;
inline constexpr uint32_t k_sgls_offset_address = 1u << 20;
inline constexpr uint32_t k_sgls_transport_data_block = 1u << 21;
// OFCS
inline constexpr uint16_t k_ofcs_disconnect = 1 << 0;

// "Identify Controller data structure" (CNS 01h). Text fields are padded with spaces.
struct IdentifyController {
  uint16_t vid = 0;
  uint16_t ssvid = 0;
  char serial_number[20] = {};
  char model_number[40] = {};
  char firmware_revision[8] = {};
  uint8_t rab = 0;
  uint8_t ieee[3] = {};
  uint8_t cmic = 0;
  uint8_t mdts = 0;
  uint16_t controller_id = 0;
  uint32_t version = 0;
  uint32_t rtd3r = 0;
  uint32_t rtd3e = 0;
  uint32_t oaes = 0;
  uint32_t ctratt = 0;
  uint16_t rrls = 0;
  uint8_t reserved_102[9] = {};
  uint8_t controller_type = 0;
  uint8_t fguid[16] = {};
  uint16_t crdt[3] = {};
  uint8_t reserved_134[119] = {};
  uint8_t nvmsr = 0;
  uint8_t vwci = 0;
  uint8_t mec = 0;
  uint16_t oacs = 0;
  uint8_t acl = 0;
  uint8_t aerl = 0;
  uint8_t frmw = 0;
  uint8_t lpa = 0;
  uint8_t elpe = 0;
  uint8_t npss = 0;
  uint8_t avscc = 0;
  uint8_t apsta = 0;
  uint16_t wctemp = 0;
  uint16_t cctemp = 0;
  uint16_t mtfa = 0;
  uint32_t hmpre = 0;
  uint32_t hmmin = 0;
  uint8_t tnvmcap[16] = {};
  uint8_t unvmcap[16] = {};
  uint32_t rpmbs = 0;
  uint16_t edstt = 0;
  uint8_t dsto = 0;
  uint8_t fwug = 0;
  uint16_t kas = 0;  // in 100 ms
  uint16_t hctma = 0;
  uint16_t mntmt = 0;
  uint16_t mxtmt = 0;
  uint32_t sanicap = 0;
  uint32_t hmminds = 0;
  uint16_t hmmaxd = 0;
  uint16_t nsetidmax = 0;
  uint16_t endgidmax = 0;
  uint8_t anatt = 0;  // in seconds
  uint8_t anacap = 0;
  uint32_t anagrpmax = 0;
  uint32_t nanagrpid = 0;
  uint32_t pels = 0;
  uint16_t domain_id = 0;
  uint8_t reserved_358[154] = {};
  uint8_t sqes = 0;
  uint8_t cqes = 0;
  uint16_t maxcmd = 0;
  uint32_t nn = 0;
  uint16_t oncs = 0;
  uint16_t fuses = 0;
  uint8_t fna = 0;
  uint8_t vwc = 0;
  uint16_t awun = 0;   // blocks - 1
  uint16_t awupf = 0;  // blocks - 1
  uint8_t icsvscc = 0;
  uint8_t nwpc = 0;
  uint16_t acwu = 0;  // blocks - 1
  uint16_t ocfs = 0;
  uint32_t sgls = 0;
  uint32_t mnan = 0;
  uint8_t maxdna[16] = {};
  uint32_t maxcna = 0;
  uint8_t reserved_564[204] = {};
  char subsystem_nqn[256] = {};  // NUL terminated
  uint8_t reserved_1024[768] = {};
  uint32_t ioccsz = 0;  // in 16 bytes
  uint32_t iorcsz = 0;  // in 16 bytes
  uint16_t icdoff = 0;  // in 16 bytes
  uint8_t fcatt = 0;
  uint8_t msdbd = 0;
  uint16_t ofcs = 0;
  uint8_t reserved_1806[242] = {};
  uint8_t power_states[32][32] = {};
  uint8_t vendor[1024] = {};
};
static_assert(sizeof(IdentifyController) == k_identify_bytes);
static_assert(offsetof(IdentifyController, cmic) == 76 && offsetof(IdentifyController, version) == 80);
static_assert(offsetof(IdentifyController, ctratt) == 96 &&
              offsetof(IdentifyController, controller_type) == 111);
static_assert(offsetof(IdentifyController, oacs) == 256 && offsetof(IdentifyController, kas) == 320);
static_assert(offsetof(IdentifyController, anatt) == 342 && offsetof(IdentifyController, nanagrpid) == 348);
static_assert(offsetof(IdentifyController, sqes) == 512 && offsetof(IdentifyController, oncs) == 520);
static_assert(offsetof(IdentifyController, acwu) == 532 && offsetof(IdentifyController, sgls) == 536);
static_assert(offsetof(IdentifyController, mnan) == 540 &&
              offsetof(IdentifyController, subsystem_nqn) == 768);
static_assert(offsetof(IdentifyController, ioccsz) == 1792 && offsetof(IdentifyController, ofcs) == 1804);
static_assert(offsetof(IdentifyController, power_states) == 2048);

// "LBA Format Data Structure, NVM Command Set Specific".
struct LbaFormat {
  uint16_t metadata_bytes = 0;
  uint8_t data_size_log2 = 0;
  uint8_t relative_performance = 0;
};
static_assert(sizeof(LbaFormat) == 4);

// NSFEAT
inline constexpr uint8_t k_nsfeat_ids_not_reused = 1 << 3;
// NMIC
inline constexpr uint8_t k_nmic_shared = 1 << 0;
// DLFEAT: deallocated blocks read zeroes; Write Zeroes may deallocate
inline constexpr uint8_t k_dlfeat_reads_zeroes = 1;
inline constexpr uint8_t k_dlfeat_write_zeroes_deallocates = 1 << 3;
// NSATTR
inline constexpr uint8_t k_nsattr_write_protected = 1 << 0;

// "Identify Namespace Data Structure, NVM Command Set" (CNS 00h).
struct IdentifyNamespace {
  uint64_t nsze = 0;  // in blocks
  uint64_t ncap = 0;
  uint64_t nuse = 0;
  uint8_t nsfeat = 0;
  uint8_t nlbaf = 0;  // formats - 1
  uint8_t flbas = 0;
  uint8_t mc = 0;
  uint8_t dpc = 0;
  uint8_t dps = 0;
  uint8_t nmic = 0;
  uint8_t rescap = 0;
  uint8_t fpi = 0;
  uint8_t dlfeat = 0;
  uint16_t nawun = 0;
  uint16_t nawupf = 0;
  uint16_t nacwu = 0;
  uint16_t nabsn = 0;
  uint16_t nabo = 0;
  uint16_t nabspf = 0;
  uint16_t noiob = 0;
  uint8_t nvmcap[16] = {};
  uint16_t npwg = 0;
  uint16_t npwa = 0;
  uint16_t npdg = 0;
  uint16_t npda = 0;
  uint16_t nows = 0;
  uint16_t mssrl = 0;  // Copy: blocks of one source range
  uint32_t mcl = 0;    // Copy: blocks of one command
  uint8_t msrc = 0;    // Copy: source ranges - 1
  uint8_t kpios = 0;
  uint8_t nulbaf = 0;
  uint8_t reserved_83[9] = {};
  uint32_t anagrpid = 0;
  uint8_t reserved_96[3] = {};
  uint8_t nsattr = 0;
  uint16_t nvmsetid = 0;
  uint16_t endgid = 0;
  uint8_t nguid[16] = {};
  uint8_t eui64[8] = {};
  LbaFormat lba_formats[64];
  uint8_t vendor[3712] = {};
};
static_assert(sizeof(IdentifyNamespace) == k_identify_bytes);
static_assert(offsetof(IdentifyNamespace, nsfeat) == 24 && offsetof(IdentifyNamespace, dlfeat) == 33);
static_assert(offsetof(IdentifyNamespace, noiob) == 46 && offsetof(IdentifyNamespace, mssrl) == 74);
static_assert(offsetof(IdentifyNamespace, mcl) == 76 && offsetof(IdentifyNamespace, msrc) == 80);
static_assert(offsetof(IdentifyNamespace, anagrpid) == 92 && offsetof(IdentifyNamespace, nsattr) == 99);
static_assert(offsetof(IdentifyNamespace, nguid) == 104 && offsetof(IdentifyNamespace, lba_formats) == 128);

// "Active Namespace ID list" (CNS 02h, 07h, 10h): ascending, ends with 0 or the end of the list.
inline constexpr size_t k_namespace_list_entries = 1024;
struct NamespaceList {
  uint32_t nsids[k_namespace_list_entries] = {};
};
static_assert(sizeof(NamespaceList) == k_identify_bytes);

// "Controller List" (CNS 12h, 13h).
struct ControllerList {
  uint16_t count = 0;
  uint16_t controller_ids[2047] = {};
};
static_assert(sizeof(ControllerList) == k_identify_bytes);

// "Namespace Identification Descriptor" (CNS 03h): a list of header + identifier, ended by a zero length.
enum class NamespaceIdType : uint8_t { eui64 = 1, nguid = 2, uuid = 3, command_set = 4 };
struct NamespaceIdHeader {
  uint8_t type = 0;
  uint8_t length_bytes = 0;
  uint8_t reserved[2] = {};
};
static_assert(sizeof(NamespaceIdHeader) == 4);

// "I/O Command Set specific Identify Namespace, NVM Command Set" (CNS 05h, CSI 00h).
struct IdentifyNvmNamespace {
  uint64_t lbstm = 0;
  uint8_t pic = 0;
  uint8_t reserved_9[3] = {};
  uint32_t extended_lba_formats[64] = {};
  uint8_t reserved_268[3828] = {};
};
static_assert(sizeof(IdentifyNvmNamespace) == k_identify_bytes);
static_assert(offsetof(IdentifyNvmNamespace, extended_lba_formats) == 12);

// "I/O Command Set Specific Identify Controller, NVM Command Set" (CNS 06h, CSI 00h). Sizes are powers of
// two of CAP.MPSMIN, 0: no limit said.
struct IdentifyNvmController {
  uint8_t vsl = 0;
  uint8_t wzsl = 0;
  uint8_t wusl = 0;
  uint8_t dmrl = 0;    // Dataset Management: ranges
  uint32_t dmrsl = 0;  // blocks of one range
  uint64_t dmsl = 0;   // blocks of one command
  uint8_t reserved_16[4080] = {};
};
static_assert(sizeof(IdentifyNvmController) == k_identify_bytes &&
              offsetof(IdentifyNvmController, dmsl) == 8);

// "I/O Command Set Independent Identify Namespace data structure" (CNS 08h).
inline constexpr uint8_t k_nstat_ready = 1 << 0;
struct IdentifyIndependentNamespace {
  uint8_t nsfeat = 0;
  uint8_t nmic = 0;
  uint8_t rescap = 0;
  uint8_t fpi = 0;
  uint32_t anagrpid = 0;
  uint8_t nsattr = 0;
  uint8_t reserved_9 = 0;
  uint16_t nvmsetid = 0;
  uint16_t endgid = 0;
  uint8_t nstat = 0;
  uint8_t reserved_15[4081] = {};
};
static_assert(sizeof(IdentifyIndependentNamespace) == k_identify_bytes);
static_assert(offsetof(IdentifyIndependentNamespace, anagrpid) == 4);
static_assert(offsetof(IdentifyIndependentNamespace, nsattr) == 8);
static_assert(offsetof(IdentifyIndependentNamespace, nstat) == 14);

// "Identify I/O Command Set data structure" (CNS 1Ch): each vector is a combination that CC may choose; a bit
// per CSI.
struct IdentifyCommandSets {
  uint64_t vectors[512] = {};
};
static_assert(sizeof(IdentifyCommandSets) == k_identify_bytes);

}  // namespace ballast::nvme
