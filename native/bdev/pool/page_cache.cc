#include "bdev/pool/page_cache.h"

namespace ballast::bdev::pool {

PageCache::PageCache(Disk& disk, const MetadataLayout& layout, const Uuid& pool_uuid, uint32_t frames_count)
    : disk_(disk),
      layout_(layout),
      pool_uuid_(pool_uuid),
      memory_(size_t{frames_count} * k_page_bytes),
      frames_(frames_count),
      clean_max_(frames_count) {
  by_page_.reserve(frames_count);
  for (uint32_t i = 0; i < frames_count; ++i) {
    frames_[i].bytes = memory_.data() + size_t{i} * k_page_bytes;
    empty_.push_back(frames_[i]);
  }
}

PageCache::~PageCache() {
  for (FrameList* const list : {&empty_, &clean_, &changed_, &unwritten_}) {
    while (list->pop_front() != nullptr) {
    }
  }
  for (const Frame& frame : frames_) BALLAST_ASSERT(frame.state != Frame::State::loading);
}

PageCache::FrameList* PageCache::list_of(Frame::State state) {
  switch (state) {
    case Frame::State::empty: return &empty_;
    case Frame::State::loading: return nullptr;
    case Frame::State::clean: return &clean_;
    case Frame::State::changed: return &changed_;
    case Frame::State::unwritten: return &unwritten_;
  }
  return nullptr;
}

void PageCache::move(Frame& frame, Frame::State state) {
  if (FrameList* const from = list_of(frame.state)) from->remove(frame);
  frame.state = state;
  FrameList* const to = list_of(state);
  if (to == nullptr) return;
  // Of empty frames those that have memory first.
  state == Frame::State::empty ? to->push_front(frame) : to->push_back(frame);
}

Frame* PageCache::find(uint32_t page) {
  const auto found = by_page_.find(page);
  if (found == by_page_.end()) return nullptr;
  Frame& frame = *found->second;
  if (frame.state == Frame::State::clean) move(frame, Frame::State::clean);  // the youngest
  return &frame;
}

Frame* PageCache::take_any() {
  if (empty_.empty() || (clean_.size() >= clean_max_ && !clean_.empty())) {
    if (Frame* const oldest = clean_.front()) drop(*oldest);
  }
  return empty_.front();
}

void PageCache::trim() {
  while (clean_.size() > clean_max_) drop(*clean_.front());
}

void PageCache::set_clean_max(uint64_t pages_count) {
  clean_max_ = pages_count;
  trim();
}

Frame& PageCache::take(uint32_t page) {
  Frame* const frame = take_any();
  BALLAST_ASSERT(frame != nullptr);
  frame->page = page;
  by_page_[page] = frame;
  move(*frame, Frame::State::changed);
  return *frame;
}

void PageCache::renumber(Frame& frame, uint32_t page) {
  by_page_.erase(frame.page);
  frame.page = page;
  by_page_[page] = &frame;
  move(frame, Frame::State::changed);
}

void PageCache::drop(Frame& frame) {
  by_page_.erase(frame.page);
  move(frame, Frame::State::empty);
}

void PageCache::settle() {
  ++epoch_;
  while (Frame* const frame = unwritten_.front()) move(*frame, Frame::State::clean);
  trim();
}

Task<Errc> PageCache::load(PageRef ref) {
  if (!layout_.is_tree_page(ref.page)) co_return Errc::io_error;
  Frame* const frame = take_any();
  if (frame == nullptr) co_return Errc::no_memory;
  move(*frame, Frame::State::loading);
  const uint64_t epoch = epoch_;
  const uint64_t address = MetadataLayout::address(ref.page);
  const MutableByteSpan bytes{frame->bytes, k_page_bytes};
  Errc errc = co_await disk_.read(address, bytes);
  if (epoch == epoch_ && errc == Errc::ok &&
      !check_tree_page(bytes, address, pool_uuid_, ref.page, ref.crc, ref.level)) {
    errc = Errc::io_error;
  }
  // Another may have loaded it meanwhile.
  if (epoch != epoch_ || errc != Errc::ok || by_page_.contains(ref.page)) {
    move(*frame, Frame::State::empty);
    co_return epoch != epoch_ ? Errc::ok : errc;
  }
  frame->page = ref.page;
  by_page_[ref.page] = frame;
  move(*frame, Frame::State::clean);
  co_return Errc::ok;
}

}  // namespace ballast::bdev::pool
