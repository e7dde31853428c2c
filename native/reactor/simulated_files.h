// The files of a SimulatedWorld: sparse, page by page, with a volatile overlay (what was written but not
// synced) that a power failure takes sector by sector. Used by SimulatedBackend and SimulatedWorld.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "reactor/io_backend.h"
#include "reactor/simulated_world.h"

namespace ballast::simulated {

inline constexpr size_t k_page_bytes = 4096;
// What O_DIRECT asks of offsets, lengths and memory: a disk of 512-byte sectors.
inline constexpr uint32_t k_direct_alignment_bytes = 512;
// What a disk writes whole or not at all.
inline constexpr uint32_t k_sector_bytes = 512;

using Pages = std::map<uint64_t, std::array<uint8_t, k_page_bytes>>;  // by number; a missing one is zeroes

struct FileData {
  std::string path;
  uint64_t size_bytes = 0;
  bool open = false;
  Pages seen;                            // what reads give
  Pages durable;                         // what a power failure leaves
  std::map<uint64_t, uint8_t> unsynced;  // page -> a bit for each of its sectors
  std::set<uint64_t> unreadable;         // numbers of sectors
};

// The next `count` operations of this kind on this path go wrong.
struct FileFault {
  std::string path;
  FileOp::Kind kind;
  uint32_t count;
  SimulatedFault effect;
};

// One operation that waits.
struct FileHold {
  std::string path;
  FileOp::Kind kind;
  uint32_t skipped = 0;  // are to come before it
  const FileOp* op = nullptr;
};

class Files final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override;
  void remove(const std::string& path) override;

  // Does the operation and returns what done() is to be told.
  int64_t execute(const FileOp& op);
  void fail(FileFault fault);
  std::vector<uint8_t> bytes(const std::string& path) const;
  // Flips the bits of `mask` in one byte, on the medium: as if it had rotten.
  void spoil(const std::string& path, uint64_t offset, uint8_t mask);
  void make_unreadable(const std::string& path, uint64_t offset);
  void drop_unsynced();

  // See SimulatedWorld.
  uint64_t changes_count() const { return changes_count_; }
  void cut_power_after(uint64_t changes_count) { changes_left_ = changes_count; }
  bool power_is_off() const { return power_ != Power::on; }
  void restore_power(UnsyncedWrites unsynced, Prng& prng);
  void restart_process();
  // After the operations that were in flight together; a failing power is off now.
  void end_batch() {
    if (power_ == Power::failing) power_ = Power::off;
  }

  // Asked once for each operation that goes on.
  bool is_held(const FileOp& op);

  bool held = false;
  std::optional<FileHold> hold;
  Prng* shuffled_by = nullptr;

 private:
  class OpenFile;
  struct Handle {
    FileData* file;
    bool direct;
    bool read_only;
  };
  // Failing: what is in flight at that moment may reach the disk in part.
  enum class Power : uint8_t { on, failing, off };
  bool takes_power(const FileOp& op);
  int64_t execute_faulty(FileData& file, FileOp op, const SimulatedFault& effect);
  const SimulatedFault* take_fault(const std::string& path, FileOp::Kind kind);

  using FileMap = std::map<std::string, FileData>;
  FileMap files_;
  std::vector<FileMap::node_type> removed_;  // may be open still
  std::map<Descriptor, Handle> handles_;
  std::vector<FileFault> faults_;
  Descriptor next_descriptor_ = 1'000'000;  // far from socket numbers
  Power power_ = Power::on;
  std::optional<uint64_t> changes_left_;
  uint64_t changes_count_ = 0;
};

}  // namespace ballast::simulated
