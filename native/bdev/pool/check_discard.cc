#include "bdev/pool/check_discard.h"

#include <set>

namespace ballast::bdev::pool {
namespace {

class Rewrite {
 public:
  Rewrite(Disk& disk, const MetadataLayout& layout, const CheckedRoot& checked,
          const std::vector<LostPage>& lost, std::vector<bool>& seen)
      : disk_(disk), layout_(layout), checked_(checked), seen_(seen), was_seen_(seen) {
    for (const LostPage& page : lost) {
      lost_.emplace(page.path.empty() ? 0 : page.path.back(), page.ref.page);
      above_.insert(page.path.begin(), page.path.end());
    }
  }

  bool is_lost(uint32_t parent, uint32_t page) const { return lost_.contains({parent, page}); }
  bool is_above_lost(uint32_t page) const { return above_.contains(page); }

  // The branch `ref`, without what is lost; page 0 if nothing of it is left.
  Task<Result<PageRef>> branch(PageRef ref) {
    PageBuffer old(k_page_bytes), made(k_page_bytes);
    const Errc read = co_await disk_.read(MetadataLayout::address(ref.page), old.bytes());
    if (read != Errc::ok) co_return read;
    const uint64_t address = MetadataLayout::address(ref.page);
    const Uuid& pool_uuid = checked_.root.head.pool_uuid;
    if (!check_tree_page(old.bytes(), address, pool_uuid, ref.page, ref.crc, ref.level))
      co_return Errc::io_error;
    const TreePage from(old.data());
    TreePage to(made.data());
    to.init(0, ref.level);
    for (uint32_t i = 0; i < from.entries_count(); ++i) {
      BranchEntry entry = from.child(i);
      if (is_lost(ref.page, entry.page)) continue;
      if (is_above_lost(entry.page)) {
        const PageRef below_ref{entry.page, entry.crc, static_cast<uint8_t>(ref.level - 1)};
        const Result<PageRef> below = co_await branch(below_ref);
        if (!below.ok()) co_return below.errc();
        if (below->page == 0) continue;
        entry.page = below->page;
        entry.crc = below->crc;
      }
      to.insert_child(to.entries_count(), entry);
    }
    seen_[ref.page] = false;
    PageRef result{0, 0, ref.level};
    if (to.entries_count() == 0) co_return result;
    result.page = take_page();
    if (result.page == 0) co_return Errc::no_space;
    TreeHead head = to.head();
    head.page = result.page;
    head.head = {k_tree_magic, 0, MetadataLayout::address(result.page), pool_uuid,
                 checked_.root.head.generation + 1};
    to.set_head(head);
    seal(made.bytes());
    result.crc = to.head().head.crc;
    const Errc written = co_await disk_.write(MetadataLayout::address(result.page), made.bytes());
    if (written != Errc::ok) co_return written;
    co_return result;
  }

 private:
  uint32_t take_page() {
    for (; next_ < layout_.pages_count; ++next_) {
      const uint32_t page = next_;
      if (seen_[page] || was_seen_[page] || checked_.marked[page]) continue;
      seen_[page] = true;
      return page;
    }
    return 0;
  }

  Disk& disk_;
  const MetadataLayout layout_;
  const CheckedRoot& checked_;
  std::vector<bool>& seen_;
  const std::vector<bool> was_seen_;
  std::set<std::pair<uint32_t, uint32_t>> lost_;  // (parent, page)
  std::set<uint32_t> above_;
  uint32_t next_ = layout_.tree_first;
};

}  // namespace

Task<Result<TreeRoot>> discard_pages(Disk& disk, MetadataLayout layout, const CheckedRoot& checked,
                                     const std::vector<LostPage>& lost, std::vector<bool>& seen) {
  Rewrite rewrite(disk, layout, checked, lost, seen);
  const Root& root = checked.root;
  const PageRef top{root.tree_page, root.tree_crc, static_cast<uint8_t>(root.tree_levels - 1)};
  TreeRoot tree;
  if (rewrite.is_lost(0, top.page)) co_return tree;
  const Result<PageRef> made = co_await rewrite.branch(top);
  if (!made.ok()) co_return made.error();
  if (made->page != 0) tree = {made->page, made->crc, root.tree_levels, 0};
  co_return tree;
}

}  // namespace ballast::bdev::pool
