#include "bdev/pool/check_view.h"

namespace ballast::bdev::pool {

CheckView::CheckView(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, const TreeRoot& root,
                     ExtentMap& extents, const Terms& terms)
    : terms_(terms),
      extents_(extents),
      free_map_(layout),
      cache_(disk, layout, pool_uuid, terms.frames_count),
      tree_(cache_, free_map_),
      applier_(*this, extents, terms.blocks_per_extent, terms.keeps_checksums) {
  tree_.set_root(root);
}

Task<Result<std::optional<TreeEntry>>> CheckView::seek_tree(Key key) {
  std::optional<TreeEntry> entry;
  while (tree_.seek(key, entry) == TreeStep::missing) {
    const Errc loaded = co_await cache_.load(tree_.missing());
    if (loaded != Errc::ok) co_return Error{loaded, {}};
  }
  // A page whose keys are not its parent's would send a walk through the keys in circles.
  if (entry && entry->key < key) co_return Error{Errc::io_error, {}};
  co_return entry;
}

Task<Result<CheckView::Value>> CheckView::read(Key key) {
  const auto changed = changes_.find(key);
  if (changed != changes_.end()) co_return changed->second;
  const auto found = co_await seek_tree(key);
  if (!found.ok()) co_return found.error();
  if (!found->has_value() || (*found)->key != key) co_return Value{};
  const ByteSpan value = (*found)->value;
  co_return Value(std::vector<uint8_t>(value.begin(), value.end()));
}

Task<Result<std::optional<Key>>> CheckView::load_extents() {
  for (Key from = Key::of(KeyType::extents, 0);;) {
    const auto found = co_await seek_tree(from);
    if (!found.ok()) co_return found.error();
    if (!found->has_value() || (*found)->key.type() != static_cast<uint8_t>(KeyType::extents)) break;
    const TreeEntry entry = **found;
    const bool is_device = entry.key.id() < k_devices_max;
    if (!is_device || !extents_.load({static_cast<uint16_t>(entry.key.id()), entry.key.low}, entry.value)) {
      co_return std::optional<Key>(entry.key);
    }
    from = {entry.key.high, entry.key.low + 1};
  }
  co_return std::optional<Key>{};
}

Task<Result<std::optional<TreeEntry>>> CheckView::seek(Key key) {
  const auto changed = changes_.find(key);
  if (changed == changes_.end()) co_return co_await seek_tree(key);
  if (!changed->second) co_return std::optional<TreeEntry>{};
  co_return std::optional<TreeEntry>(TreeEntry{key, *changed->second});
}

Task<Errc> CheckView::put(Key key, ByteSpan value) {
  changes_[key] = std::vector<uint8_t>(value.begin(), value.end());
  co_return Errc::ok;
}

Task<Errc> CheckView::remove(Key key) {
  changes_[key] = std::nullopt;
  co_return Errc::ok;
}

}  // namespace ballast::bdev::pool
