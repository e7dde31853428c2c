// The two devices of a replica. What is written is there when the write has ended; of what is under way when
// power fails anything may be there: any of the blocks of its data, any of the 512-byte sectors of a block of
// its metadata. A block of data is one word, as nobody looks into it, and is never torn: that is what the
// block size of a device promises.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/mirror/replica_format.h"
#include "sim/world.h"

namespace ballast::sim {

using bdev::Status;
using bdev::mirror::ReplicaBlock;

struct DiskOptions {
  uint32_t member = 0;
  uint64_t delay_least_ns = 20'000, delay_most_ns = 200'000;
  uint32_t write_error_one_in = 0, read_error_one_in = 0;  // 0: never
  uint32_t slow_one_in = 0;
  bool heals = false;                                   // no more of these
  std::function<void()> slow, write_error, read_error;  // told when one comes
  // Until then there is no space: what is written is there in part, or not at all.
  uint64_t data_full_until_ns = 0, metadata_full_until_ns = 0;
};

struct DiskSnapshot {
  Uuid uuid;
  std::string name;
  std::vector<uint64_t> blocks;
  bool is_received = false;  // from another member, and not finished: nobody sees it
};
// What is on it, to be kept or put back.
struct DiskImage {
  std::vector<uint64_t> data;
  std::vector<ReplicaBlock> metadata;
  std::vector<DiskSnapshot> snapshots;  // the oldest first

  // Null: it is not there, or not finished.
  const DiskSnapshot* find_snapshot(const Uuid& uuid) const {
    for (const DiskSnapshot& one : snapshots) {
      if (one.uuid == uuid && !one.is_received) return &one;
    }
    return nullptr;
  }
};

class SimulatedDisk {
 public:
  using Done = std::function<void(Status)>;
  using ReadDone = std::function<void(Status, std::vector<uint64_t>)>;

  SimulatedDisk(World& world, uint64_t data_blocks, uint64_t metadata_blocks);

  DiskOptions options;

  // Power fails, and comes back: nothing that is under way is told of.
  void crash();
  // Everything that is broken is mended.
  void heal();
  // A block of data cannot be read until then, or until it is written.
  void spoil(uint64_t lba, uint64_t until_ns) { spoiled_[lba] = until_ns; }
  void write(uint64_t lba, std::vector<uint64_t> values, Done done);
  void read(uint64_t lba, uint32_t count, ReadDone done);
  // Nothing is done to it; the same time passes.
  void pass(std::function<void()> done) { later(Lane::data, std::move(done)); }
  void write_metadata(uint64_t block, const ReplicaBlock& bytes, Done done);
  // Of a replica that starts; empty: it cannot be read.
  std::vector<uint8_t> read_metadata(uint64_t block);
  const DiskImage& image() const { return image_; }
  DiskImage& image() { return image_; }

 private:
  static constexpr size_t k_sector_bytes = 512;
  struct DataWrite {
    uint64_t lba = 0;
    std::vector<uint64_t> values;
  };
  struct MetadataWrite {
    uint64_t block = 0;
    ReplicaBlock bytes;
  };
  uint64_t delay(Lane lane);
  bool fails(uint32_t one_in);
  bool is_spoiled(uint64_t lba, uint64_t count) const;
  void later(Lane lane, std::function<void()> what);
  // Some of it.
  void tear(const DataWrite& write);
  void tear(const MetadataWrite& write);

  World& world_;
  DiskImage image_;
  uint64_t life_ = 0;  // power has failed so often
  uint64_t next_number_ = 0;
  std::map<uint64_t, uint64_t> spoiled_;
  std::map<uint64_t, DataWrite> data_writes_;
  std::map<uint64_t, MetadataWrite> metadata_writes_;
};

}  // namespace ballast::sim
