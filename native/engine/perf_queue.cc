#include "engine/perf_queue.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>

#include "engine/perf_pattern.h"
#include "reactor/reactor.h"

namespace ballast::engine {

namespace {
constexpr size_t k_page_bytes = 4096;
constexpr uint64_t k_retry_ns = k_ns_per_ms;

// Processor time of the calling thread. A measurement, so it may ask the kernel; twice per run.
uint64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * k_ns_per_s + static_cast<uint64_t>(now.tv_nsec);
}

size_t round_up_to_page(size_t size_bytes) { return (size_bytes + k_page_bytes - 1) & ~(k_page_bytes - 1); }

bool is_random(PerfWorkload workload) {
  return workload != PerfWorkload::read && workload != PerfWorkload::write;
}
}  // namespace

PerfQueue::PerfQueue(initiator::IoQueue& queue, const PerfOptions& options, const PerfQueueLimits& limits,
                     uint16_t index, const std::atomic<bool>& stop)
    : queue_(queue),
      options_(options),
      limits_(limits),
      stop_(stop),
      prng_(options.seed * 1000003 + index),
      slots_(new Slot[options.queue_depth]),
      retry_([](Timer&, void* context) { static_cast<PerfQueue*>(context)->on_retry(); }, this) {
  refused_.reserve(options.queue_depth);
  const size_t stride_bytes = round_up_to_page(options.block_bytes);
  memory_ = static_cast<uint8_t*>(std::aligned_alloc(k_page_bytes, stride_bytes * options.queue_depth));
  BALLAST_ASSERT(memory_ != nullptr);
  // Not zeroes: nothing below should find the data easy to store.
  for (size_t at = 0; at < stride_bytes * options.queue_depth; at += 8) {
    const uint64_t word = prng_.next();
    std::memcpy(memory_ + at, &word, 8);
  }
  for (uint16_t i = 0; i < options.queue_depth; ++i) {
    Slot& slot = slots_[i];
    slot.queue = this;
    slot.segment = {memory_ + i * stride_bytes, options.block_bytes};
    slot.io.done = &PerfQueue::io_done;
    slot.io.context = &slot;
  }
  if (options.verify) {
    sequences_.resize(limits.units_count);
    busy_.resize(limits.units_count);
    sequence_in_flight_.resize(options.queue_depth);
  }
}

PerfQueue::~PerfQueue() {
  BALLAST_ASSERT(in_flight_ == 0);
  std::free(memory_);
}

void PerfQueue::start(Finished finished) {
  BALLAST_ASSERT_ON_REACTOR(queue_.reactor());
  finished_ = std::move(finished);
  cpu_started_ns = thread_cpu_ns();
  started_ns = reactor().clock().now_ns();
  starting_ = true;
  for (uint16_t i = 0; i < options_.queue_depth && phase_ == Phase::measuring; ++i) {
    submit_next(slots_[i], started_ns);
  }
  starting_ = false;
  advance();
}

void PerfQueue::end_measuring() {
  if (phase_ != Phase::measuring) return;
  phase_ = Phase::draining;
  ended_ns = reactor().clock().now_ns();
  cpu_ended_ns = thread_cpu_ns();
}

void PerfQueue::io_done(initiator::IoRequest& request, nvme::Completion completion) {
  Slot& slot = *static_cast<Slot*>(request.context);
  slot.queue->on_done(slot, completion);
}

void PerfQueue::on_done(Slot& slot, nvme::Completion completion) {
  const uint64_t now_ns = reactor().clock().now_ns();
  --in_flight_;
  const bool ok = completion.status().ok();
  if (!ok) count_error(completion.status());
  if (options_.verify) {
    const auto slot_index = static_cast<size_t>(&slot - slots_.get());
    busy_[slot.unit] = false;
    if (slot.is_write) {
      sequences_[slot.unit] = ok ? sequence_in_flight_[slot_index] : k_sequence_unknown;
    } else if (ok) {
      check(slot);
    }
  }
  if (phase_ == Phase::measuring) {
    if (ok) {
      PerfSide& side = slot.is_write ? writes : reads;
      ++side.ios;
      side.bytes += options_.block_bytes;
      side.latency.record(now_ns - slot.started_ns);
      ios_so_far.store(++ios_count_, std::memory_order_relaxed);
    }
    const bool over = now_ns - started_ns >= options_.time_ns || stop_.load(std::memory_order_relaxed) ||
                      fatal.load(std::memory_order_relaxed);
    if (over) end_measuring();
  }
  const bool goes_on = !fatal.load(std::memory_order_relaxed);
  if (goes_on && (phase_ == Phase::measuring || phase_ == Phase::verifying)) {
    submit_next(slot, now_ns);
  }
  if (!starting_) advance();
}

// One step of the phases, when nothing is in flight.
void PerfQueue::advance() {
  if (in_flight_ != 0 || phase_ == Phase::finished) return;
  if (phase_ == Phase::measuring) end_measuring();  // every request failed for good
  if (phase_ == Phase::draining && options_.verify && !fatal.load(std::memory_order_relaxed)) {
    phase_ = Phase::verifying;
    starting_ = true;
    const uint64_t now_ns = reactor().clock().now_ns();
    for (uint16_t i = 0; i < options_.queue_depth; ++i) submit_next(slots_[i], now_ns);
    starting_ = false;
    if (in_flight_ != 0) return;
  }
  phase_ = Phase::finished;
  const Finished finished = std::move(finished_);
  finished();  // may destroy this
}

void PerfQueue::submit_next(Slot& slot, uint64_t now_ns) {
  if (phase_ == Phase::verifying) {
    slot.is_write = false;
    if (choose_unit_to_read_back(slot)) submit(slot, now_ns);
    return;
  }
  switch (options_.workload) {
    case PerfWorkload::randread:
    case PerfWorkload::read: slot.is_write = false; break;
    case PerfWorkload::randwrite:
    case PerfWorkload::write: slot.is_write = true; break;
    case PerfWorkload::randrw: slot.is_write = prng_.below(100) >= options_.rwmix_read_percent; break;
  }
  if (choose_unit(slot)) submit(slot, now_ns);
}

bool PerfQueue::choose_unit(Slot& slot) {
  uint64_t unit = 0;
  if (is_random(options_.workload)) {
    unit = prng_.below(limits_.units_count);
  } else {
    unit = next_sequential_;
    next_sequential_ = unit + 1 == limits_.units_count ? 0 : unit + 1;
  }
  if (options_.verify) {
    // Two requests in flight to one unit have no defined order, so the next free one is taken. There is one:
    // units_count is above queue_depth.
    while (busy_[unit]) unit = unit + 1 == limits_.units_count ? 0 : unit + 1;
    busy_[unit] = true;
  }
  slot.unit = unit;
  return true;
}

bool PerfQueue::choose_unit_to_read_back(Slot& slot) {
  while (next_read_back_ < limits_.units_count) {
    const uint64_t unit = next_read_back_++;
    if (sequences_[unit] == 0 || sequences_[unit] == k_sequence_unknown) continue;
    busy_[unit] = true;
    slot.unit = unit;
    return true;
  }
  return false;
}

void PerfQueue::submit(Slot& slot, uint64_t now_ns) {
  const uint32_t blocks_count = options_.block_bytes / limits_.logical_block_bytes;
  const uint64_t lba = (limits_.unit_first + slot.unit) * blocks_count;
  if (slot.is_write && options_.verify) stamp(slot);
  nvme::Command& command = slot.io.host.command;
  command = {};
  command.opcode = static_cast<uint8_t>(slot.is_write ? nvme::NvmOpcode::write : nvme::NvmOpcode::read);
  command.nsid = options_.nsid;
  command.cdw10 = static_cast<uint32_t>(lba);
  command.cdw11 = static_cast<uint32_t>(lba >> 32);
  command.cdw12 = blocks_count - 1;
  slot.io.host.data = {&slot.segment, 1};
  slot.started_ns = now_ns;
  ++in_flight_;
  if (queue_.submit(slot.io)) return;
  refused_.push_back(&slot);
  if (!retry_.armed()) reactor().arm(retry_, k_retry_ns);
}

void PerfQueue::on_retry() {
  while (!refused_.empty()) {
    Slot* const slot = refused_.back();
    refused_.pop_back();
    if (queue_.submit(slot->io)) continue;  // may have completed from inside
    refused_.push_back(slot);
    reactor().arm(retry_, k_retry_ns);
    return;
  }
}

void PerfQueue::count_error(nvme::Status status) {
  errors_so_far.store(++errors_count_, std::memory_order_relaxed);
  if (status.is(nvme::status::host_pathing_error)) fatal.store(true, std::memory_order_relaxed);
  const auto known = std::find_if(error_counts.begin(), error_counts.end(),
                                  [status](const PerfStatusCount& entry) { return entry.status.is(status); });
  if (known != error_counts.end()) {
    ++known->count;
  } else if (error_counts.size() < k_statuses_max) {
    error_counts.push_back({status, 1});
  }
}

void PerfQueue::stamp(Slot& slot) {
  const auto slot_index = static_cast<size_t>(&slot - slots_.get());
  sequence_in_flight_[slot_index] = ++sequence_last_;
  const uint64_t lba =
      (limits_.unit_first + slot.unit) * (options_.block_bytes / limits_.logical_block_bytes);
  for (uint32_t at = 0; at < options_.block_bytes; at += limits_.logical_block_bytes) {
    write_perf_block({slot.segment.base + at, limits_.logical_block_bytes},
                     lba + at / limits_.logical_block_bytes, sequence_last_, options_.seed);
  }
}

void PerfQueue::check(const Slot& slot) {
  const uint32_t sequence = sequences_[slot.unit];
  if (sequence == 0 || sequence == k_sequence_unknown) return;
  const uint64_t lba =
      (limits_.unit_first + slot.unit) * (options_.block_bytes / limits_.logical_block_bytes);
  for (uint32_t at = 0; at < options_.block_bytes; at += limits_.logical_block_bytes) {
    const uint64_t block_lba = lba + at / limits_.logical_block_bytes;
    const PerfVerdict verdict = check_perf_block({slot.segment.base + at, limits_.logical_block_bytes},
                                                 block_lba, sequence, options_.seed);
    ++blocks_checked;
    if (verdict == PerfVerdict::good) continue;
    if (mismatches++ == 0) {
      first_mismatch = "block " + std::to_string(block_lba) + ": " + perf_verdict_text(verdict) +
                       " (expected write " + std::to_string(sequence) + ")";
    }
    fatal.store(true, std::memory_order_relaxed);
  }
}

}  // namespace ballast::engine
