// The part of a check that looks at every value, as the walk of the tree and the changes of the journal give
// them in order of keys: each by itself, and what needs no more than bits (extents). What volumes, layers and
// names say of each other is gathered for check_links.h.
#pragma once

#include <map>
#include <vector>

#include "bdev/pool/check_journal.h"
#include "bdev/pool/check_report.h"
#include "bdev/pool/check_walk.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {

struct VolumeFacts {
  uint32_t id = 0;
  uint32_t head_layer = 0;
  uint32_t flags = 0;
  uint64_t size_bytes = 0;
  std::string name;
};

struct LayerFacts {
  uint32_t id = 0;
  uint32_t parent = 0;
  uint32_t volume = 0;
  uint32_t children_count = 0;
  LayerState state = LayerState::head;
  uint64_t name_hash = 0;
};

struct NameFacts {
  uint64_t scope = 0;
  uint64_t hash = 0;
  uint32_t id = 0;
  auto operator<=>(const NameFacts&) const = default;
};

using IdPair = std::pair<uint32_t, uint32_t>;

// Records that make something right again; they take effect together.
struct CheckFix {
  void put(Key key, ByteSpan value);
  void remove(Key key) { add(RecordType::remove, bytes_of(key)); }
  void add(RecordType type, ByteSpan payload);

  std::vector<std::pair<RecordType, std::vector<uint8_t>>> records;
};

struct ScanTerms {
  uint32_t blocks_per_extent = 256;
  std::vector<uint64_t> extents_counts;  // by device
  bool is_map_known = true;              // what is marked used could be read
  bool keeps_allocations = true;         // how much each layer holds
};

class CheckScan final : public TreeWalk::Visitor {
 public:
  // All must outlive the scan. `extents`: what is marked used, with the journal.
  CheckScan(const CheckView& view, const ExtentMap& extents, ScanTerms terms, CheckReport& report);

  void on_entry(Key key, ByteSpan value) override;
  void on_lost(const LostPage& lost) override;
  // After the walk: what the journal has added behind the last key.
  void finish();

  // Every page could be read and every value understood.
  bool is_whole() const { return lost.empty() && bad_values_count == 0; }
  // Extents that are marked used and that no slot has; calls body(extent).
  template <typename Body>
  void for_each_leaked(Body body) const {
    for (uint16_t device = 0; device < terms_.extents_counts.size(); ++device) {
      for (uint64_t number = 0; number < terms_.extents_counts[device]; ++number) {
        const Extent extent = Extent::of(device, number);
        if (extents_.is_used(extent) && !found_[device][number]) body(extent);
      }
    }
  }

  std::vector<LostPage> lost;
  uint64_t bad_values_count = 0;
  PoolValue pool;
  bool has_pool = false;
  std::vector<VolumeFacts> volumes;  // by id
  std::vector<LayerFacts> layers;    // by id
  std::vector<NameFacts> names;      // sorted
  std::vector<IdPair> snapshots;     // (volume, layer), sorted
  std::vector<IdPair> children;      // (layer, child), sorted
  std::vector<uint32_t> keyed;       // volumes with a wrapped key, sorted
  std::vector<CheckFix> fixes;       // safe ones, if all is whole

  const LayerFacts* layer(uint64_t id) const;
  const VolumeFacts* volume(uint64_t id) const;
  // "volume db", "snapshot of volume db", "layer 17".
  std::string layer_name(uint32_t id) const;

 private:
  void take_changes_before(const Key* end);
  void entry(Key key, ByteSpan value);
  void bad(Key key, const char* why);
  void take_volume(Key key, ByteSpan value);
  void take_layer(Key key, ByteSpan value);
  void take_names(Key key, ByteSpan value);
  void take_slot(Key key, ByteSpan value);
  void take_fragment(Key key, const Fragment& fragment);
  void take_sums(Key key, ByteSpan value);
  void take_allocation(Key key, ByteSpan value);
  void check_allocations();

  const CheckView& view_;
  const ExtentMap& extents_;
  const ScanTerms terms_;
  CheckReport& report_;
  std::map<Key, CheckView::Value>::const_iterator next_change_;
  std::vector<std::vector<bool>> found_;  // by device and number: a slot has it
  struct Allocation {
    uint64_t found = 0;  // extents in its slots
    uint64_t said = 0;   // by the tree
  };
  std::map<uint32_t, Allocation> allocations_;  // by layer
};

// What the loss of these keys means, in the words of who has the data.
void report_lost(const LostPage& lost, const CheckScan& scan, uint64_t extent_bytes, CheckReport& report);

}  // namespace ballast::bdev::pool
