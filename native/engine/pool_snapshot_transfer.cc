#include "engine/pool_snapshot_transfer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/pool_call.h"
#include "engine/pool_questions.h"

namespace ballast::engine {
namespace {

namespace mirror = bdev::mirror;
using bdev::Status;
using bdev::pool::Pool;
using bdev::pool::SnapshotListing;
using bdev::pool::Task;
using mirror::Refusal;
using Ended = mirror::SnapshotTransfer::Ended;

constexpr uint64_t k_granule_bytes = mirror::ReplicaLayout::k_granule_bytes;
constexpr uint32_t k_ranges_at_once = 512;
// What a pool receives is durable when it answers: pieces of a MiB, which is an extent at most, go there at
// once.
constexpr uint64_t k_gathered_granules = 256;

// On the pool's reactor.
struct State {
  Reactor& home;
  const VolumeAccess access;
  // The snapshot that was looked for last.
  Uuid known_uuid;
  uint32_t known_layer = 0;

  uint32_t receiving = 0;  // layer; 0: none
  uint64_t receiving_bytes = 0;
  // What came of the MiB that it is at, and is not in the pool yet.
  uint64_t gathered = 0;  // its number
  std::array<uint32_t, k_gathered_granules / mirror::k_piece_granules> masks{};
  std::vector<uint8_t> data;

  Pool& pool() const { return *access.pool; }
};

struct Answer {
  Status status = Status::ok;
  Refusal refusal = Refusal::none;
};

Answer answer_of(const Outcome& outcome) {
  switch (outcome.errc()) {
    case Errc::ok: return {};
    case Errc::not_found: return {Status::ok, Refusal::no_snapshot};
    case Errc::already_exists: return {Status::ok, Refusal::exists};
    case Errc::no_space:
    case Errc::too_many: return {Status::no_space};
    case Errc::invalid_argument: return {Status::invalid};
    case Errc::in_use: return {Status::busy};
    default: return {Status::io_error};
  }
}

// `device` keeps the volume open meanwhile.
Detached conduct(Task<Outcome> task, std::shared_ptr<State> state, std::shared_ptr<bdev::Bdev> device,
                 Ended ended) {
  Outcome outcome = Unit{};
  {
    Task<Outcome> running = std::move(task);
    outcome = co_await running;
  }
  device.reset();
  if (!outcome.ok()) {
    log(LogLevel::warning, "engine", "a snapshot that is carried: %s",
        log_escape(outcome.error().text).c_str());
  }
  send_task(state->home, [ended = std::move(ended), answer = answer_of(outcome)] {
    ended(answer.status, answer.refusal);
  });
}

Error no_snapshot() { return Error{Errc::not_found, "the volume has no such snapshot"}; }

// ---- what is there ----

Task<Outcome> list(State& state, Uuid after, MutableByteSpan out) {
  auto chain = co_await state.pool().volumes().snapshots_below(state.access.volume);
  if (!chain.ok()) co_return chain.error();
  std::ranges::reverse(*chain);  // the oldest first
  auto next = chain->begin();
  if (!after.is_nil()) {
    const auto uuid_of = [](const SnapshotListing& one) { return one.value.snapshot_uuid; };
    next = std::ranges::find(*chain, after, uuid_of);
    if (next == chain->end()) co_return no_snapshot();
    ++next;
  }
  mirror::SnapshotList answer;
  for (; next != chain->end() && answer.count < mirror::SnapshotList::k_entries_max; ++next) {
    mirror::SnapshotEntry& entry = answer.entries[answer.count++];
    entry.uuid = next->value.snapshot_uuid;
    entry.created_at_s = next->value.created_at_s;
    entry.size_bytes = next->value.size_bytes;
    const auto name = bdev::pool::name_text(next->value.name);
    std::copy_n(name.begin(), std::min(name.size(), entry.name.size()), entry.name.begin());
  }
  answer.has_more = next != chain->end() ? 1 : 0;
  store(out, answer);
  co_return Unit{};
}

// The layer of the snapshot.
Task<Result<uint32_t>> find(State& state, Uuid uuid) {
  if (state.known_uuid == uuid) {
    const auto known = co_await state.pool().volumes().layer(state.known_layer);
    const bool is_it = known.ok() && known->state == bdev::pool::LayerState::snapshot &&
                       known->snapshot_uuid == uuid && known->volume == state.access.volume;
    if (is_it) co_return state.known_layer;
  }
  const auto found = co_await find_snapshot(state.pool(), state.access.volume, uuid);
  if (!found.ok()) co_return found.error();
  if (!found->has_value()) co_return no_snapshot();
  state.known_uuid = uuid;
  state.known_layer = **found;
  co_return **found;
}

Task<Outcome> read_map(State& state, mirror::SnapshotSelection selection, uint64_t first,
                       MutableByteSpan out) {
  std::optional<uint32_t> since;
  if (!selection.since.is_nil()) {
    const auto found = co_await find_snapshot(state.pool(), state.access.volume, selection.since);
    if (!found.ok()) co_return found.error();
    if (!found->has_value()) co_return no_snapshot();
    since = **found;
  }
  const auto layer = co_await find(state, selection.uuid);
  if (!layer.ok()) co_return layer.error();
  const auto value = co_await state.pool().volumes().layer(*layer);
  if (!value.ok()) co_return value.error();
  if (first >= value->size_bytes / k_granule_bytes) co_return Errc::invalid_argument;
  const uint64_t end_bytes = std::min(value->size_bytes, (first + out.size() * 8) * k_granule_bytes);
  for (std::optional<uint64_t> offset = first * k_granule_bytes; offset && *offset < end_bytes;) {
    const auto found = co_await state.pool().ranges(*layer, since, end_bytes, *offset, k_ranges_at_once);
    if (!found.ok()) co_return found.error();
    for (const bdev::pool::ByteRange& range : found->ranges) {
      const uint64_t bit = range.offset_bytes / k_granule_bytes - first;
      for (uint64_t i = bit; i < bit + range.length_bytes / k_granule_bytes; ++i) {
        out[i / 8] = static_cast<uint8_t>(out[i / 8] | 1u << i % 8);
      }
    }
    offset = found->next_offset_bytes;
  }
  co_return Unit{};
}

// Runs of set bits.
struct MaskRun {
  uint32_t first = 0, count = 0;
};
std::optional<MaskRun> next_run(uint32_t mask) {
  if (mask == 0) return std::nullopt;
  const auto first = static_cast<uint32_t>(std::countr_zero(mask));
  return MaskRun{first, static_cast<uint32_t>(std::countr_one(mask >> first))};
}
uint32_t without(uint32_t mask, const MaskRun& run) {
  const uint64_t bits = ((uint64_t{1} << run.count) - 1) << run.first;
  return mask & ~static_cast<uint32_t>(bits);
}

Task<Outcome> read(State& state, mirror::SnapshotSelection selection, uint64_t first, uint32_t mask,
                   MutableByteSpan out) {
  const auto layer = co_await find(state, selection.uuid);
  if (!layer.ok()) co_return layer.error();
  while (const auto run = next_run(mask)) {
    mask = without(mask, *run);
    const size_t bytes = run->count * k_granule_bytes;
    const Outcome done =
        co_await state.pool().read_snapshot(*layer, (first + run->first) * k_granule_bytes, out.first(bytes));
    if (!done.ok()) co_return done;
    out = out.subspan(bytes);
  }
  co_return Unit{};
}

// ---- one that comes ----

void forget_received(State& state) {
  state.receiving = 0;
  state.masks = {};
  state.data = {};
}

// If it fails it is tried again before the next one.
Task<Outcome> drop_received(State& state) {
  if (state.receiving == 0) co_return Unit{};
  const Outcome removed = co_await state.pool().remove_snapshot(state.receiving);
  if (!removed.ok() && removed.errc() != Errc::not_found) co_return removed;
  forget_received(state);
  co_return Unit{};
}

Task<Outcome> begin_receive(State& state, mirror::ReceiveRequest request) {
  const Outcome dropped = co_await drop_received(state);
  if (!dropped.ok()) co_return dropped;
  bdev::pool::ReceiveRequest wanted;
  wanted.volume = state.access.volume;
  wanted.name = request.name_text();
  wanted.uuid = request.uuid;
  wanted.created_at_s = request.created_at_s;
  wanted.size_bytes = request.size_bytes;
  if (!request.below.is_nil()) {
    const auto below = co_await find(state, request.below);
    if (!below.ok()) co_return below.error();
    wanted.after = *below;
  }
  const auto begun = co_await state.pool().begin_receive(std::move(wanted));
  if (!begun.ok()) co_return begun.error();
  forget_received(state);
  state.receiving = *begun;
  state.receiving_bytes = request.size_bytes;
  state.data.resize(k_gathered_granules * k_granule_bytes);
  co_return Unit{};
}

Task<Outcome> store_gathered(State& state) {
  std::vector<bdev::pool::ReceivedRun> runs;
  const uint64_t first = state.gathered * k_gathered_granules;
  for (uint64_t i = 0; i < k_gathered_granules; ++i) {
    if ((state.masks[i / mirror::k_piece_granules] >> i % mirror::k_piece_granules & 1) == 0) continue;
    const ByteSpan granule = ByteSpan(state.data).subspan(i * k_granule_bytes, k_granule_bytes);
    const uint64_t offset_bytes = (first + i) * k_granule_bytes;
    if (!runs.empty() && runs.back().offset_bytes + runs.back().data.size() == offset_bytes) {
      runs.back().data = {runs.back().data.data(), runs.back().data.size() + k_granule_bytes};
    } else {
      runs.push_back({offset_bytes, granule});
    }
  }
  state.masks = {};
  if (runs.empty()) co_return Unit{};
  co_return co_await state.pool().receive(state.receiving, std::move(runs));
}

Task<Outcome> receive(State& state, uint64_t first, uint32_t mask, ByteSpan data) {
  if (state.receiving == 0) co_return no_snapshot();
  const uint64_t end = first + mirror::k_piece_granules - static_cast<uint32_t>(std::countl_zero(mask));
  if (end > state.receiving_bytes / k_granule_bytes) co_return Errc::invalid_argument;
  if (first / k_gathered_granules != state.gathered) {
    const Outcome stored = co_await store_gathered(state);
    if (!stored.ok()) co_return stored;
    state.gathered = first / k_gathered_granules;
  }
  const uint64_t at = first % k_gathered_granules;
  state.masks[at / mirror::k_piece_granules] |= mask;
  while (const auto run = next_run(mask)) {
    mask = without(mask, *run);
    const size_t bytes = run->count * k_granule_bytes;
    std::copy_n(data.begin(), bytes,
                state.data.begin() + static_cast<ptrdiff_t>((at + run->first) * k_granule_bytes));
    data = data.subspan(bytes);
  }
  co_return Unit{};
}

Task<Outcome> finish_receive(State& state) {
  if (state.receiving == 0) co_return no_snapshot();
  const Outcome stored = co_await store_gathered(state);
  if (!stored.ok()) co_return stored;
  const Outcome finished = co_await state.pool().finish_receive(state.receiving);
  if (finished.ok()) forget_received(state);
  co_return finished;
}

class PoolSnapshotTransfer final : public mirror::SnapshotTransfer {
 public:
  PoolSnapshotTransfer(Reactor& home, VolumeAccess access)
      : state_(std::make_shared<State>(State{.home = home, .access = std::move(access)})) {}

  void list(const Uuid& after, MutableByteSpan out, Ended ended) override {
    run([after, out](State& state) { return engine::list(state, after, out); }, std::move(ended));
  }
  void read_map(const mirror::SnapshotSelection& selection, uint64_t first_granule, MutableByteSpan out,
                Ended ended) override {
    run([=](State& state) { return engine::read_map(state, selection, first_granule, out); },
        std::move(ended));
  }
  void read(const mirror::SnapshotSelection& selection, uint64_t first_granule, uint32_t mask,
            MutableByteSpan out, Ended ended) override {
    run([=](State& state) { return engine::read(state, selection, first_granule, mask, out); },
        std::move(ended));
  }
  void begin_receive(const mirror::ReceiveRequest& request, Ended ended) override {
    run([request](State& state) { return engine::begin_receive(state, request); }, std::move(ended));
  }
  void receive(uint64_t first_granule, uint32_t mask, ByteSpan data, Ended ended) override {
    run([=](State& state) { return engine::receive(state, first_granule, mask, data); }, std::move(ended));
  }
  void finish_receive(Ended ended) override {
    run([](State& state) { return engine::finish_receive(state); }, std::move(ended));
  }
  void drop_received(Ended ended) override {
    run([](State& state) { return engine::drop_received(state); }, std::move(ended));
  }

 private:
  template <typename Make>
  void run(Make make, Ended ended) {
    send_task(*state_->access.reactor, [state = state_, make, ended = std::move(ended)]() mutable {
      std::shared_ptr<bdev::Bdev> device = state->access.device.lock();
      if (device == nullptr) {
        send_task(state->home, [ended = std::move(ended)] { ended(Status::io_error, Refusal::none); });
        return;
      }
      conduct(make(*state), state, std::move(device), std::move(ended));
    });
  }

  const std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<mirror::SnapshotTransfer> make_pool_snapshot_transfer(Reactor& home, VolumeAccess access) {
  return std::make_unique<PoolSnapshotTransfer>(home, std::move(access));
}

}  // namespace ballast::engine
