// The files of a SimulatedWorld: sparse, page by page, with a volatile overlay (what was written but not
// synced). Used by SimulatedBackend and SimulatedWorld.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "reactor/io_backend.h"

namespace ballast::simulated {

inline constexpr size_t k_page_bytes = 4096;
// What O_DIRECT asks of offsets, lengths and memory: a disk of 512-byte sectors.
inline constexpr uint32_t k_direct_alignment_bytes = 512;

using Pages = std::map<uint64_t, std::array<uint8_t, k_page_bytes>>;  // by number; a missing one is zeroes

struct FileData {
  std::string path;
  uint64_t size_bytes = 0;
  bool open = false;
  Pages seen;     // what reads give
  Pages durable;  // what a power failure leaves
  std::set<uint64_t> unsynced;
};

// The next `count` operations of this kind on this path answer -error.
struct FileFault {
  std::string path;
  FileOp::Kind kind;
  int error;
  uint32_t count;
};

class Files final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override;
  void remove(const std::string& path) override;

  // Does the operation and returns what done() is to be told.
  int64_t execute(const FileOp& op);
  void fail(FileFault fault);
  std::vector<uint8_t> bytes(const std::string& path) const;
  void drop_unsynced();

  bool held = false;

 private:
  class OpenFile;
  struct Handle {
    FileData* file;
    bool direct;
  };
  bool take_fault(const std::string& path, FileOp::Kind kind, int& error);

  using FileMap = std::map<std::string, FileData>;
  FileMap files_;
  std::vector<FileMap::node_type> removed_;  // may be open still
  std::map<Descriptor, Handle> handles_;
  std::vector<FileFault> faults_;
  Descriptor next_descriptor_ = 1'000'000;  // far from socket numbers
};

}  // namespace ballast::simulated
