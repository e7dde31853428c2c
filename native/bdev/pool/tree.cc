#include "bdev/pool/tree.h"

namespace ballast::bdev::pool {

Frame* Tree::at(PageRef ref) {
  Frame* const frame = cache_.find(ref.page);
  if (frame == nullptr) missing_ = ref;
  return frame;
}

TreeStep Tree::descend(const Key& key, Path& path) {
  PageRef ref{root_.page, root_.crc, static_cast<uint8_t>(root_.levels - 1)};
  for (;;) {
    Frame* const frame = at(ref);
    if (frame == nullptr) return TreeStep::missing;
    path.frames[ref.level] = frame;
    if (ref.level == 0) return TreeStep::done;
    const uint32_t index = frame->view().child_index(key);
    path.children[ref.level] = index;
    const BranchEntry child = frame->view().child(index);
    ref = {child.page, child.crc, static_cast<uint8_t>(ref.level - 1)};
  }
}

TreeStep Tree::seek(const Key& key, std::optional<TreeEntry>& entry) {
  entry.reset();
  if (root_.levels == 0) return TreeStep::done;
  Path path;
  const TreeStep step = descend(key, path);
  if (step != TreeStep::done) return step;
  TreePage leaf = path.frames[0]->view();
  uint32_t index = leaf.lower_bound(key);
  if (index == leaf.entries_count()) {
    // The least key of the next leaf: up to where there is a next child, and down along its first ones.
    uint8_t level = 1;
    while (level < root_.levels && path.children[level] + 1 == path.frames[level]->view().entries_count()) {
      ++level;
    }
    if (level == root_.levels) return TreeStep::done;
    uint32_t child_index = path.children[level] + 1;
    Frame* frame = path.frames[level];
    for (; level > 0; --level, child_index = 0) {
      const BranchEntry child = frame->view().child(child_index);
      frame = at({child.page, child.crc, static_cast<uint8_t>(level - 1)});
      if (frame == nullptr) return TreeStep::missing;
    }
    leaf = frame->view();
    index = 0;
  }
  entry = TreeEntry{leaf.key(index), leaf.value(index)};
  return TreeStep::done;
}

bool Tree::has_room_for_changes() const {
  // A new number for every page of the path, and at worst a new page beside each and a new root.
  const uint32_t pages = 2 * root_.levels + 2u;
  return root_.levels < k_tree_levels_max && free_map_.free_count() >= pages && cache_.available() >= pages;
}

TreeStep Tree::put(const Key& key, ByteSpan value) {
  if (!has_room_for_changes()) return TreeStep::full;
  if (root_.levels == 0) {
    Frame& leaf = new_page(0);
    leaf.view().put(key, value);
    root_ = {leaf.page, 0, 1, 1};
    return TreeStep::done;
  }
  Path path;
  const TreeStep step = descend(key, path);
  if (step != TreeStep::done) return step;
  make_path_writable(path);
  TreePage leaf = path.frames[0]->view();
  if (!leaf.holds(leaf.lower_bound(key), key)) ++root_.keys_count;
  if (leaf.has_room(key, value.size())) {
    leaf.put(key, value);
  } else {
    split_leaf(path, key, value);
  }
  return TreeStep::done;
}

TreeStep Tree::remove(const Key& key) {
  if (root_.levels == 0) return TreeStep::done;
  Path path;
  const TreeStep step = descend(key, path);
  if (step != TreeStep::done) return step;
  const uint32_t index = path.frames[0]->view().lower_bound(key);
  if (!path.frames[0]->view().holds(index, key)) return TreeStep::done;
  if (!has_room_for_changes()) return TreeStep::full;
  make_path_writable(path);
  path.frames[0]->view().remove(index);
  --root_.keys_count;
  shrink(path);
  return TreeStep::done;
}

Frame& Tree::new_page(uint8_t level) {
  const uint32_t page = free_map_.allocate();
  BALLAST_ASSERT(page != 0);  // has_room_for_changes()
  Frame& frame = cache_.take(page);
  frame.view().init(page, level);
  return frame;
}

void Tree::make_writable(Frame& frame) {
  if (frame.state == Frame::State::changed) return;
  const uint32_t page = free_map_.allocate();
  BALLAST_ASSERT(page != 0);
  free_map_.free_later(frame.page);
  cache_.renumber(frame, page);
  TreeHead head = frame.view().head();
  head.page = page;
  frame.view().set_head(head);
}

void Tree::make_path_writable(Path& path) {
  for (uint8_t level = root_.levels; level-- > 0;) {
    Frame& frame = *path.frames[level];
    make_writable(frame);
    if (level + 1 == root_.levels) {
      root_.page = frame.page;
    } else {
      const TreePage parent = path.frames[level + 1]->view();
      BranchEntry entry = parent.child(path.children[level + 1]);
      entry.page = frame.page;
      TreePage(parent).set_child(path.children[level + 1], entry);
    }
  }
}

void Tree::retire(Frame& frame) {
  if (frame.state == Frame::State::changed) {
    free_map_.free_now(frame.page);
  } else {
    free_map_.free_later(frame.page);
  }
  cache_.drop(frame);
}

// Behind the leaf of this path no key of the same run follows.
bool Tree::ends_run(const Path& path, const Key& key) const {
  for (uint8_t level = 1; level < root_.levels; ++level) {
    const TreePage parent = path.frames[level]->view();
    const uint32_t next = path.children[level] + 1;
    if (next < parent.entries_count()) return !is_same_run(key, parent.key(next));
  }
  return true;
}

// A leaf in the middle of a run is cut in half even by a key behind all of its own: a leaf with a range of a
// single extent could never hold more than one (sizing.h counts on that).
void Tree::split_leaf(Path& path, const Key& key, ByteSpan value) {
  TreePage left = path.frames[0]->view();
  const uint32_t cut = left.split_index(key, value.size(), ends_run(path, key));
  Frame& right_frame = new_page(0);
  TreePage right = right_frame.view();
  left.move_tail(cut, right);
  const Key separator = right.entries_count() == 0 ? key : right.key(0);
  if (key < separator) {
    left.put(key, value);
  } else {
    right.put(key, value);
  }
  insert_above(path, 1, separator, right_frame);
}

// Puts `right`, whose keys begin with `key`, beside the child that the path took at `level`.
void Tree::insert_above(Path& path, uint8_t level, const Key& key, Frame& right) {
  const BranchEntry entry{key, right.page, 0};
  if (level == root_.levels) {
    Frame& top = new_page(level);
    top.view().insert_child(0, {{}, root_.page, 0});
    top.view().insert_child(1, entry);
    root_.page = top.page;
    ++root_.levels;
    return;
  }
  TreePage parent = path.frames[level]->view();
  const uint32_t index = path.children[level] + 1;
  if (!parent.is_full()) return parent.insert_child(index, entry);
  // Keys that only grow leave full branches behind, too.
  const uint32_t count = parent.entries_count();
  const uint32_t cut = index == count ? count : count / 2;
  Frame& beside_frame = new_page(level);
  TreePage beside = beside_frame.view();
  parent.move_tail(cut, beside);
  const Key separator = cut == count ? key : beside.key(0);
  if (index < cut || (index == cut && cut != count)) {
    parent.insert_child(index, entry);
  } else {
    beside.insert_child(index - cut, entry);
  }
  insert_above(path, static_cast<uint8_t>(level + 1), separator, beside_frame);
}

// After a removal: pages without entries go, small ones are joined with a neighbour that is in memory.
void Tree::shrink(Path& path) {
  for (uint8_t level = 0; level < root_.levels; ++level) {
    Frame& frame = *path.frames[level];
    const bool is_top = level + 1 == root_.levels;
    if (frame.view().entries_count() == 0) {
      retire(frame);
      if (is_top) {
        root_ = {};
        return;
      }
      path.frames[level + 1]->view().remove_child(path.children[level + 1]);
    } else if (is_top || frame.view().used_bytes() >= k_quarter_bytes || !join(path, level)) {
      break;
    }
  }
  // A root with one child is one level too many.
  while (root_.levels > 1) {
    Frame* const top = cache_.find(root_.page);
    if (top == nullptr || top->view().entries_count() > 1) return;
    const BranchEntry only = top->view().child(0);
    retire(*top);
    root_.page = only.page;
    root_.crc = only.crc;
    --root_.levels;
  }
}

// True if the page was joined with a neighbour and the parent has an entry less.
bool Tree::join(Path& path, uint8_t level) {
  TreePage parent = path.frames[level + 1]->view();
  const uint32_t index = path.children[level + 1];
  for (const uint32_t left_index : {index - 1, index}) {
    if (left_index == UINT32_MAX || left_index + 1 >= parent.entries_count()) continue;
    Frame* const left = cache_.find(parent.child(left_index).page);
    Frame* const right = cache_.find(parent.child(left_index + 1).page);
    if (left == nullptr || right == nullptr) continue;
    if (left->view().used_bytes() + right->view().used_bytes() > k_body_bytes) continue;
    make_writable(*left);
    BranchEntry entry = parent.child(left_index);
    entry.page = left->page;
    parent.set_child(left_index, entry);
    left->view().absorb(right->view(), parent.key(left_index + 1));
    retire(*right);
    parent.remove_child(left_index + 1);
    return true;
  }
  return false;
}

uint32_t Tree::seal_changed(uint32_t page, uint64_t generation, const Uuid& pool_uuid, uint32_t old_crc) {
  Frame* const frame = cache_.find(page);
  if (frame == nullptr || frame->state != Frame::State::changed) return old_crc;
  TreePage view = frame->view();
  for (uint32_t i = 0; !view.is_leaf() && i < view.entries_count(); ++i) {
    BranchEntry child = view.child(i);
    child.crc = seal_changed(child.page, generation, pool_uuid, child.crc);
    view.set_child(i, child);
  }
  TreeHead head = view.head();
  head.head = {k_tree_magic, 0, MetadataLayout::address(page), pool_uuid, generation};
  view.set_head(head);
  seal({frame->bytes, k_page_bytes});
  return view.head().head.crc;
}

}  // namespace ballast::bdev::pool
