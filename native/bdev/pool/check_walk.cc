#include "bdev/pool/check_walk.h"

#include <algorithm>
#include <deque>

namespace ballast::bdev::pool {
namespace {

constexpr size_t k_batch_pages = 32;  // read at a time, at each level: 8 x 128 KiB

TreePage view_of(ByteSpan bytes) { return TreePage(const_cast<uint8_t*>(bytes.data())); }

}  // namespace

TreeWalk::TreeWalk(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, WalkProgress* progress)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      progress_(progress),
      seen_(layout.pages_count, false) {}

Task<Errc> TreeWalk::run(TreeRoot root, Visitor& visitor) {
  if (root.levels == 0) co_return Errc::ok;
  std::vector<Child> top{{{root.page, root.crc, static_cast<uint8_t>(root.levels - 1)}, Key{}, k_key_end}};
  const Errc visited = co_await visit(std::move(top), visitor);
  co_return visited;
}

Task<Errc> TreeWalk::visit(std::vector<Child> children, Visitor& visitor) {
  PageBuffer buffer(std::min(children.size(), k_batch_pages) * k_page_bytes);
  for (size_t first = 0; first < children.size(); first += k_batch_pages) {
    const size_t count = std::min(children.size() - first, k_batch_pages);
    std::deque<Disk::Operation> reads;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t address = MetadataLayout::address(children[first + i].ref.page);
      const MutableByteSpan into = buffer.bytes().subspan(i * k_page_bytes, k_page_bytes);
      if (!layout_.is_tree_page(children[first + i].ref.page))
        std::fill(into.begin(), into.end(), uint8_t{0});
      reads.emplace_back(disk_, FileOp::Kind::read, address, Segment{into.data(), into.size()});
      if (layout_.is_tree_page(children[first + i].ref.page)) reads.back().start();
    }
    std::vector<Errc> results;
    for (size_t i = 0; i < count; ++i) {
      if (!layout_.is_tree_page(children[first + i].ref.page)) {
        results.push_back(Errc::invalid_argument);
        continue;
      }
      Disk::Operation& read = reads[i];
      const Errc result = co_await read;
      results.push_back(result);
    }
    const Errc visited = co_await visit_batch(children, first, count, buffer.bytes(), results, visitor);
    if (visited != Errc::ok) co_return visited;
  }
  co_return Errc::ok;
}

Task<Errc> TreeWalk::visit_batch(const std::vector<Child>& children, size_t first, size_t count,
                                 ByteSpan bytes, const std::vector<Errc>& read, Visitor& visitor) {
  for (size_t i = 0; i < count; ++i) {
    const Child& child = children[first + i];
    const ByteSpan page = bytes.subspan(i * k_page_bytes, k_page_bytes);
    const std::string why = check(child, read[i], page);
    if (!why.empty()) {
      visitor.on_lost({child.ref, path_, child.from, child.to, why});
      continue;
    }
    seen_[child.ref.page] = true;
    ++pages_count_;
    if (progress_ != nullptr) progress_->pages_read.store(pages_count_, std::memory_order_relaxed);
    if (child.ref.level == 0) {
      visit_leaf(page, visitor);
      continue;
    }
    path_.push_back(child.ref.page);
    std::vector<Child> below = children_of(child, page);
    const Errc visited = co_await visit(std::move(below), visitor);
    path_.pop_back();
    if (visited != Errc::ok) co_return visited;
  }
  co_return Errc::ok;
}

// Why the page is not what its parent says; empty: it is.
std::string TreeWalk::check(const Child& child, Errc read, ByteSpan bytes) const {
  if (!layout_.is_tree_page(child.ref.page)) return "is named by its parent and is no page of the tree";
  if (read != Errc::ok) return std::string("cannot be read: ") + errc_text(read);
  const uint64_t address = MetadataLayout::address(child.ref.page);
  if (!is_whole(bytes, k_tree_magic, address, pool_uuid_)) return "is damaged";
  if (!check_tree_page(bytes, address, pool_uuid_, child.ref.page, child.ref.crc, child.ref.level)) {
    return "is whole, but not what its parent says: an older one, or a lost write";
  }
  if (seen_[child.ref.page]) return "is used twice";
  const TreePage page = view_of(bytes);
  const uint32_t count = page.entries_count(), first = page.is_leaf() ? 0 : 1;
  if (first < count && (page.key(first) < child.from || page.key(count - 1) >= child.to)) {
    return "has keys that do not belong there";
  }
  return {};
}

void TreeWalk::visit_leaf(ByteSpan bytes, Visitor& visitor) {
  const TreePage page = view_of(bytes);
  const uint32_t count = page.entries_count();
  keys_count_ += count;
  for (uint32_t i = 0; i < count; ++i) visitor.on_entry(page.key(i), page.value(i));
}

std::vector<TreeWalk::Child> TreeWalk::children_of(const Child& parent, ByteSpan bytes) {
  const TreePage page = view_of(bytes);
  std::vector<Child> children;
  for (uint32_t i = 0; i < page.entries_count(); ++i) {
    const BranchEntry entry = page.child(i);
    const Key from = i == 0 ? parent.from : entry.key;
    const Key to = i + 1 == page.entries_count() ? parent.to : page.key(i + 1);
    children.push_back({{entry.page, entry.crc, static_cast<uint8_t>(parent.ref.level - 1)}, from, to});
  }
  return children;
}

}  // namespace ballast::bdev::pool
