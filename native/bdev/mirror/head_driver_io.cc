// From what the head submits to I/Os at the members, and back.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "bdev/mirror/head_driver.h"

namespace ballast::bdev::mirror {
namespace {

constexpr size_t k_alignment = 4096;

// Whether the first bytes of `data`, as many as `found` has, are these.
bool equals(std::span<const Segment> data, Segment found) {
  size_t at = 0;
  for (const Segment& segment : data) {
    const size_t bytes = std::min(segment.size_bytes, found.size_bytes - at);
    if (std::memcmp(segment.base, found.base + at, bytes) != 0) return false;
    at += bytes;
    if (at == found.size_bytes) break;
  }
  return true;
}

// Fills `to` with what follows the first `skipped` bytes of `data`.
void copy_from(std::span<const Segment> data, size_t skipped, Segment to) {
  size_t filled = 0;
  for (const Segment& segment : data) {
    const size_t skip = std::min(skipped, segment.size_bytes);
    skipped -= skip;
    const size_t bytes = std::min(segment.size_bytes - skip, to.size_bytes - filled);
    std::memcpy(to.base + filled, segment.base + skip, bytes);
    filled += bytes;
  }
}

bool carries_data(IoType type) { return type == IoType::read || type == IoType::write; }

}  // namespace

// ---- to a member ----

// What an earlier attempt has out may still fill this I/O's memory, or read it.
void HeadDriver::submit_child(const Action& action) {
  Work& work = works_[action.op];
  if (work.out_count > 0 && work.attempt != action.attempt) {
    if (work.held_count > 0 && work.held[0].attempt != action.attempt) work.held_count = 0;
    BALLAST_ASSERT(work.held_count < k_members_max);
    work.held[work.held_count++] = action;
    return;
  }
  start_child(action);
}

void HeadDriver::start_child(const Action& action) {
  Work& work = works_[action.op];
  Child& child = child_of(action.op, action.member);
  BALLAST_ASSERT(!child.is_out);
  work.attempt = action.attempt;
  ++work.out_count;
  child.is_out = true;
  child.session = action.session;
  child.attempt = action.attempt;
  child.io.lba = action.lba;
  child.io.blocks_count = action.blocks_count;
  child.sums = {};
  if (action.kind == Action::Kind::read_checksums) return start_checksums(child, work);
  set_data(child, work, action.io_type);
  members_[action.member].link->submit(child.io);
}

// Each member's in a part of its own.
void HeadDriver::start_checksums(Child& child, Work& work) {
  constexpr size_t k_part_bytes = k_checksums_max * sizeof(uint32_t);
  if (work.copy.base == nullptr) work.copy = take_copy_buffer(k_members_max * k_part_bytes);
  auto* const part = reinterpret_cast<uint32_t*>(work.copy.base + child.member * k_part_bytes);
  child.sums = {part, checksums_count(child.io.blocks_count * block_size_bytes_)};
  members_[child.member].link->read_checksums(child.io.lba, child.io.blocks_count, block_size_bytes_,
                                              child.sums,
                                              [&child](Status status) { child_done(child.io, status); });
}

// A comparison is a read here: a member need not be able to compare.
void HeadDriver::set_data(Child& child, Work& work, IoType type) {
  const size_t bytes = size_t{child.io.blocks_count} * block_size_bytes_;
  child.compares = type == IoType::compare;
  child.io.type = child.compares ? IoType::read : type;
  child.io.data = {};
  if (type == IoType::unmap && work.user == nullptr && set_zeroing(child)) return;
  if (!carries_data(child.io.type)) return;
  const bool is_half = work.user != nullptr && work.user->type == IoType::compare_and_write;
  if (work.user != nullptr && !child.compares && !is_half) {
    child.io.data = work.user->data;
    return;
  }
  if (work.copy.base == nullptr) work.copy = take_copy_buffer(bytes);
  if (type == IoType::unmap) std::memset(work.copy.base, 0, bytes);
  // What was compared is not needed any more: the second half, in one piece, takes its place.
  if (is_half && !child.compares) copy_from(work.user->data, bytes, work.copy);
  child.segment = work.copy;
  child.io.data = {&child.segment, 1};
}

// The head's own: the range is to read zeroes, by whatever this member has for it. False: it has nothing, and
// zeroes are written.
bool HeadDriver::set_zeroing(Child& child) {
  const Capabilities* const has = members_[child.member].link->capabilities();
  const bool unmaps = has == nullptr || has->unmap;
  child.io.type = unmaps ? IoType::unmap : has->write_zeroes ? IoType::write_zeroes : IoType::write;
  return child.io.type != IoType::write;
}

// ---- from a member ----

void HeadDriver::child_done(Io& io, Status status) {
  Child& child = *static_cast<Child*>(io.context);
  child.status = status;
  HeadDriver& driver = *child.driver;
  driver.ended_.push_back(child);
  driver.run();
}

void HeadDriver::on_child_done(Child& child) {
  Work& work = works_[child.op];
  BALLAST_ASSERT(child.is_out && work.out_count > 0);
  child.is_out = false;
  --work.out_count;
  if (child.compares && child.status == Status::ok && !equals(work.user->data, work.copy)) {
    child.status = Status::compare_mismatch;
  }
  if (!child.sums.empty() && child.status == Status::ok) {
    head_.on_checksums(child.member, child.session, child.op, child.attempt, child.sums);
  }
  head_.on_io_done(reactor_.clock().now_ns(), child.member, child.session, child.op, child.attempt,
                   child.status);
  if (work.out_count == 0) start_held(work);
  release_if_over(child.op);
}

void HeadDriver::start_held(Work& work) {
  const uint32_t count = std::exchange(work.held_count, 0);
  if (work.is_complete) return;
  const std::array<Action, k_members_max> held = work.held;
  for (uint32_t i = 0; i < count; ++i) {
    // Of a session that has been given up meanwhile the head expects nothing; sent on the next one, it could
    // land beside I/O that it is to come after.
    if (members_[held[i].member].link->session() == held[i].session) start_child(held[i]);
  }
}

// ---- the answer ----

void HeadDriver::complete(const Action& action) {
  Work& work = works_[action.op];
  work.is_complete = true;
  work.status = action.status;
  release_if_over(action.op);
}

void HeadDriver::release_if_over(OpIndex op) {
  Work& work = works_[op];
  if (!work.is_complete || work.out_count > 0) return;
  Io* const user = work.user;
  const Status status = work.status;
  if (work.copy.base != nullptr) give_copy_buffer_back(work.copy);
  work.user = nullptr;
  work.copy = {};
  work.is_complete = false;
  work.held_count = 0;
  head_.release(op);
  if (user == nullptr) return;
  --in_work_count_;
  user->done(*user, status);
}

// ---- memory of the head's own ----

Segment HeadDriver::take_copy_buffer(size_t size_bytes) {
  if (size_bytes > copy_bytes_ || free_copies_.empty()) {
    const size_t bytes = (std::max(size_bytes, copy_bytes_) + k_alignment - 1) / k_alignment * k_alignment;
    auto* const memory = static_cast<uint8_t*>(std::aligned_alloc(k_alignment, bytes));
    BALLAST_ASSERT(memory != nullptr);
    return {memory, size_bytes};
  }
  uint8_t* const memory = free_copies_.back();
  free_copies_.pop_back();
  return {memory, size_bytes};
}

// A larger one than the others is not kept.
void HeadDriver::give_copy_buffer_back(Segment buffer) {
  if (buffer.size_bytes > copy_bytes_) return std::free(buffer.base);
  free_copies_.push_back(buffer.base);
}

}  // namespace ballast::bdev::mirror
