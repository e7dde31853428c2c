// Volumes, snapshots and clones as layers (docs/formats/pool.md, "Keys and values"): what the control path
// does to them. Every operation is one group in the journal: after a crash it has happened or not. Nothing
// here looks at the size of a volume. Belongs to the owner reactor. What is slow (freeing, merging) is
// layer_work.h.
#pragma once

#include <string>
#include <vector>

#include "bdev/pool/changes.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {

inline constexpr size_t k_wrapped_key_bytes_max = 1024;
inline constexpr uint64_t k_volume_bytes_max = uint64_t{1} << 56;

struct VolumeRequest {
  std::string name;
  Uuid uuid;
  uint64_t size_bytes = 0;  // a clone: 0 takes that of the snapshot
  uint32_t flags = 0;
  uint64_t now_s = 0;
  // Of an encrypted volume; a clone takes that of its origin.
  std::vector<uint8_t> wrapped_key;
};

struct SnapshotRequest {
  uint32_t volume = 0;
  std::string name;
  Uuid uuid;
};

// A snapshot that another pool holds, to be put at its place below what this volume is now.
struct ReceiveRequest {
  uint32_t volume = 0;
  std::string name;
  Uuid uuid;
  uint64_t created_at_s = 0;
  uint64_t size_bytes = 0;
  uint32_t after = 0;  // the snapshot of this volume that it is to follow; 0: it is the oldest
};

struct VolumeListing {
  uint32_t id = 0;
  VolumeValue value;
};

struct SnapshotListing {
  uint32_t layer = 0;
  LayerValue value;
};

// One operation at a time: who starts a second one waits for the first.
class Volumes {
 public:
  // Both must outlive this; the turns are shared with LayerWork.
  Volumes(Store& store, Turns& turns, uint64_t extent_bytes)
      : store_(store), turns_(turns), extent_bytes_(extent_bytes) {}

  // For what is made from now on. invalid_argument.
  Task<Outcome> set_policy(PoolPolicy policy);

  // The id. already_exists, invalid_argument, no_space. `head`: a layer of begin_layer() that becomes its
  // head; 0: a new one.
  Task<Result<uint32_t>> create(VolumeRequest request, uint32_t head = 0);
  // A layer to be filled before there is a volume: what is to be deleted, unless it becomes a head.
  Task<Result<uint32_t>> begin_layer();
  // What create() would refuse.
  Task<Outcome> check_request(VolumeRequest request);
  Task<Result<uint32_t>> clone(uint32_t snapshot, VolumeRequest request);
  // The layers that are the snapshots now, all made at one moment of the journal.
  Task<Result<std::vector<uint32_t>>> snapshot(std::vector<SnapshotRequest> requests, uint64_t now_s);
  // The volume is what it was at this snapshot of its own; newer snapshots stay.
  Task<Outcome> revert(uint32_t volume, uint32_t snapshot, uint64_t now_s);
  Task<Outcome> rename(uint32_t volume, std::string name);
  // Whether data is lost by that is the caller's question.
  Task<Outcome> resize(uint32_t volume, uint64_t size_bytes);
  // in_use while it has snapshots. Its extents are given back by layer work, zeroed before if `erase`.
  Task<Outcome> remove(uint32_t volume, bool erase = false);
  Task<Outcome> remove_snapshot(uint32_t snapshot);

  // --- a snapshot that is received (pool_receive.cc) ---
  // What its layer is to be put below: the head, or the next newer of the layers that the head stands on.
  // invalid_argument if `after` is not a snapshot that the volume stands on.
  Task<Result<uint32_t>> find_above(uint32_t volume, uint32_t after);
  // An empty layer below `above`, between it and what it stands on. It is in the state of a snapshot that was
  // deleted and is to be merged into `above`: that is what becomes of it if it is not finished. Does not
  // look whether the name is in use: check_receive().
  Task<Result<uint32_t>> begin_receive(ReceiveRequest request, uint32_t above);
  // already_exists, invalid_argument.
  Task<Outcome> check_receive(ReceiveRequest request);
  // It is a snapshot as any other from now on. already_exists.
  Task<Outcome> finish_receive(uint32_t layer, ReceiveRequest request);
  // Of a layer that has one.
  Task<Result<uint32_t>> only_child(uint32_t layer);

  // Of an encrypted volume. Without bytes: it is discarded, nobody can read the volume any more.
  Task<Outcome> set_wrapped_key(uint32_t volume, std::vector<uint8_t> wrapped_key);
  Task<Result<std::vector<uint8_t>>> wrapped_key(uint32_t volume);

  Task<Result<uint32_t>> find(std::string name);
  // The layer of a snapshot.
  Task<Result<uint32_t>> find_snapshot(uint32_t volume, std::string name) {
    return find_name(volume, std::move(name));
  }
  Task<Result<VolumeValue>> get(uint32_t volume) {
    return read<VolumeValue>(KeyType::volume, volume, "volume");
  }
  Task<Result<LayerValue>> layer(uint32_t id) { return read<LayerValue>(KeyType::layer, id, "layer"); }
  // Extents that the volume and its snapshots hold; of a clone without those of what it is a clone of.
  // Nothing: the pool does not count them.
  Task<Result<std::optional<uint64_t>>> allocated_extents(uint32_t volume);
  struct Totals {
    uint32_t volumes_count = 0;
    uint32_t layers_count = 0;
    uint64_t size_bytes = 0;  // of all volumes together
    PoolPolicy policy;
  };
  Task<Result<Totals>> totals();
  // Up to `count_max` with ids from `from` on, in their order.
  Task<Result<std::vector<VolumeListing>>> list(uint32_t from, uint32_t count_max);
  Task<Result<std::vector<SnapshotListing>>> snapshots(uint32_t volume, uint32_t from, uint32_t count_max);
  // Those of its snapshots that the volume stands on, the newest first. Their numbers do not say that: one
  // may have been received after a newer one was made.
  Task<Result<std::vector<SnapshotListing>>> snapshots_below(uint32_t volume);

 private:
  template <typename Value>
  Task<Result<Value>> read(KeyType type, uint32_t id, const char* what);
  Task<Outcome> check_new_name(uint64_t scope, const std::string& name);
  Task<Result<uint32_t>> find_name(uint64_t scope, std::string name);
  Task<Outcome> add_name(Changes& changes, uint64_t scope, std::string name, uint32_t id);
  Task<Outcome> remove_name(Changes& changes, uint64_t scope, std::string name, uint32_t id);
  Task<Result<std::string>> name_of(uint64_t scope, uint32_t id);
  Task<Result<uint32_t>> make(VolumeRequest request, uint32_t parent, uint32_t head);
  Task<Result<std::vector<SnapshotListing>>> walk_snapshots(uint32_t volume);
  Task<Outcome> name_received(Changes& changes, uint32_t id, LayerValue received, ReceiveRequest request);

  // no_space if the policy does not allow volumes of so much more.
  Outcome check_room(const PoolValue& pool, uint64_t more_bytes) const;

  Store& store_;
  Turns& turns_;
  const uint64_t extent_bytes_;
};

}  // namespace ballast::bdev::pool
