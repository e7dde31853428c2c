// Which of the layers below a head hold anything of a slot: a slot below many snapshots is looked up in
// those, and not in every layer. Derived from the tree by who looks up, a region of slots at a time; kept
// true by what takes effect on layers, and given up at any time: resolve() then asks every layer, as without
// it. Bounded for all volumes of a pool together. Belongs to the owner reactor.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/intrusive_list.h"
#include "bdev/pool/signal.h"
#include "bdev/pool/store.h"

namespace ballast::bdev::pool {

class ChainIndex;

struct ChainOptions {
  // Layers that are asked one by one before an index is made: most chains are shorter.
  uint32_t layers_asked = 16;
  // Of all indexes of a pool: the layers at 16 bytes each and what they hold of slots at 8.
  size_t bytes_max = size_t{16} << 20;
  // A region begins with so many slots: 64 GiB of 1 MiB extents. It is halved while too much is held in it,
  // down to the second.
  uint32_t region_slots_max = 65'536;
  uint32_t region_slots_min = 64;
  // In a region, beside 4 for each layer of the chain. More would not save enough.
  uint32_t holders_max = 256;
};

// Slots [begin, end) of one chain.
struct ChainRegion {
  struct Holder {
    uint32_t slot = 0;  // from `begin`
    uint32_t rank = 0;  // of the layer
    // Slot by slot, in each the nearest layer first.
    friend bool operator<(const Holder& a, const Holder& b) {
      return a.slot != b.slot ? a.slot < b.slot : a.rank > b.rank;
    }
    bool operator==(const Holder&) const = default;
  };
  ChainRegion(ChainIndex& chain, uint64_t first, uint64_t beyond) : of(chain), begin(first), end(beyond) {}
  size_t bytes() const { return sizeof *this + holders.capacity() * sizeof(Holder); }

  ChainIndex& of;
  const uint64_t begin;
  const uint64_t end;
  uint32_t newest = 0;    // rank: what layers above hold is not in it
  bool is_dense = false;  // so many layers hold something that asking them all is as good
  std::vector<Holder> holders;
  ListNode node;
};

// Those of all open volumes: by age of use, so that their memory is bounded.
class ChainIndexes final : public LayersListener {
 public:
  ChainIndexes(Reactor& reactor, Store& store, const ChainOptions& options)
      : reactor_(reactor), store_(store), options_(options) {}
  // All chains are gone.
  ~ChainIndexes() { BALLAST_ASSERT(bytes_ == 0 && chains_.empty()); }

  const ChainOptions& options() const { return options_; }
  size_t bytes() const { return bytes_; }

  void layer_put(uint32_t layer, uint32_t parent) override;
  void layer_removed(uint32_t layer) override;
  void slot_merged(const SlotMerge& merge) override;
  // A layer that may be below a head has got blocks, not by a merge.
  void layer_written(uint32_t layer) { layer_removed(layer); }

 private:
  friend class ChainIndex;
  void shrink();

  Reactor& reactor_;
  Store& store_;
  const ChainOptions options_;
  size_t bytes_ = 0;
  IntrusiveList<ChainRegion, &ChainRegion::node> regions_;
  std::vector<ChainIndex*> chains_;  // those that know their layers
};

class ChainIndex {
 public:
  using Layers = std::vector<uint32_t>;

  explicit ChainIndex(ChainIndexes& all) : all_(all) {}
  // Nobody is looking up.
  ~ChainIndex() { clear(); }

  uint32_t layers_asked() const { return all_.options_.layers_asked; }
  // The layers below the head that may hold something of the slot, the nearest first: of those that hold
  // blocks which no layer between hides none is missing. Nothing: not known now.
  std::optional<Layers> known(uint32_t head, uint64_t slot);
  // The same, after it was found out, if that is worth the while.
  Task<std::optional<Layers>> find(uint32_t head, uint64_t slot);
  // What these, the nearest first, hold of the slot is hidden by other layers below the head: they need not
  // be asked again.
  void hide(uint64_t slot, std::span<const uint32_t> layers);
  // So many layers were asked without it.
  void note_walk(uint32_t layers_count) { earn(2 * uint64_t{layers_count}); }

 private:
  friend class ChainIndexes;
  static constexpr uint32_t k_seeks_per_turn = 512;
  struct Building {
    uint64_t begin = 0;
    uint64_t end = 0;
    std::vector<ChainRegion::Holder> holders;
  };
  // A layer has a higher rank than its parent. Its number says nothing of that: a snapshot that was received
  // may have a higher one than what is above it.
  struct Ranked {
    uint32_t layer = 0;
    uint32_t rank = 0;
  };

  ChainRegion* region_of(uint64_t slot);
  bool is_current(uint32_t head, const ChainRegion& region) const;
  // 0: it is not known.
  uint32_t rank_of(uint32_t layer) const;
  uint32_t layer_of(uint32_t rank) const;
  std::vector<Ranked>::iterator at_rank(uint32_t rank);
  void append(const Layers& above);
  void erase_layers(std::vector<Ranked>::iterator first, std::vector<Ranked>::iterator last);
  size_t layers_bytes() const { return (layers_.capacity() + by_number_.capacity()) * sizeof(Ranked); }
  Task<bool> bring_up(uint32_t head, uint64_t slot);
  Task<bool> load_layers(uint32_t head);
  Task<bool> scan(uint32_t above, uint64_t slot);
  Task<bool> scan_layer(Ranked of, uint64_t slot);
  void narrow(uint64_t slot);
  Task<bool> give_way();
  size_t holders_max() const { return 4 * layers_.size() + all_.options_.holders_max; }
  void begin_building(uint64_t slot);
  bool keep_built();
  void erase(ChainRegion& region);
  void clear();
  void earn(uint64_t seeks);

  void layer_put(uint32_t layer, uint32_t parent);
  void slot_merged(const SlotMerge& merge);

  ChainIndexes& all_;
  std::vector<Ranked> layers_;                                // from the first to the head
  std::vector<Ranked> by_number_;                             // the same, by the numbers of layers
  std::map<uint64_t, std::unique_ptr<ChainRegion>> regions_;  // by `begin`; they do not overlap
  uint64_t clears_count_ = 0;
  // One at a time.
  bool is_working_ = false;
  Signal rested_;
  std::optional<Building> building_;
  uint64_t seeks_count_ = 0;
  // What was saved, and what would have been, less what making the index has cost: never more than twice the
  // work of a pool without one.
  int64_t credit_seeks_ = 0;
};

}  // namespace ballast::bdev::pool
