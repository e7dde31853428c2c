// The metadata of a closed pool as an opening would have it: the tree of a root with what the journal has
// added, in memory and without a page written. Used by the parts of a check.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "bdev/pool/apply.h"

namespace ballast::bdev::pool {

// The tree of a root with changes on top. Pages are read on demand.
class CheckView final : private KeyValues {
 public:
  using Value = std::optional<std::vector<uint8_t>>;  // nothing: the key is not there

  struct Terms {
    uint32_t blocks_per_extent = 256;
    bool keeps_checksums = true;
    uint32_t frames_count = 4096;
  };
  // All must outlive the view.
  CheckView(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const TreeRoot& root,
            ExtentMap& extents, const Terms& terms);

  Task<Result<Value>> read(Key key);
  // The bitmaps of extents in the tree go to the map. The key at which they are damaged, if they are.
  Task<Result<std::optional<Key>>> load_extents();
  // As an opening applies it. io_error: a page cannot be read, or the record contradicts what there is.
  Task<Errc> apply(const Record& record) { return applier_.apply(record); }
  const std::map<Key, Value>& changes() const { return changes_; }
  // Of what layers hold, behind what the tree says of it.
  const std::map<uint32_t, int64_t>& allocation_changes() const { return applier_.allocation_changes(); }
  uint64_t extent_bytes() const { return uint64_t{terms_.blocks_per_extent} * k_page_bytes; }

 private:
  Task<Result<std::optional<TreeEntry>>> seek(Key key) override;
  Task<Errc> put(Key key, ByteSpan value) override;
  Task<Errc> remove(Key key) override;
  // In the tree alone: the first entry of this key or behind it.
  Task<Result<std::optional<TreeEntry>>> seek_tree(Key key);

  const Terms terms_;
  ExtentMap& extents_;
  FreeMap free_map_;
  PageCache cache_;
  Tree tree_;
  std::map<Key, Value> changes_;
  Applier applier_;
};

}  // namespace ballast::bdev::pool
