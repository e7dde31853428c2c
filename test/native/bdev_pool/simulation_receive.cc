// Snapshots that a simulated pool receives from elsewhere, and those that are read for another pool.
#include <algorithm>

#include "native/bdev_pool/simulation_start.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_slot_blocks = 64;

struct ReceivedData {
  explicit ReceivedData(size_t bytes) : memory(bytes) {}
  Buffer memory;
  uint64_t lba = 0;
  std::vector<uint64_t> values;
};

// Keeps the data until then.
Task<Outcome> receive_all(Pool& pool, uint32_t layer, std::shared_ptr<std::vector<ReceivedData>> data,
                          std::set<uint32_t>& now) {
  std::vector<ReceivedRun> runs;
  for (ReceivedData& one : *data) {
    runs.push_back({one.lba * k_page_bytes, {one.memory.data(), one.values.size() * k_page_bytes}});
  }
  Outcome outcome = co_await pool.receive(layer, std::move(runs));
  now.erase(layer);
  co_return outcome;
}

Task<Outcome> read_all(Pool& pool, uint32_t layer, uint64_t lba, uint64_t blocks,
                       std::shared_ptr<Buffer> into) {
  co_return co_await pool.read_snapshot(layer, lba * k_page_bytes, {into->data(), blocks * k_page_bytes});
}

// Zeroes may be there as data or as nothing.
Cell cell_of(uint64_t value, uint64_t write, uint64_t now) {
  Cell cell;
  cell.entries = {Entry{value, write, 0, now, k_never, true}};
  if (value == 0) cell.entries.push_back(Entry{value, write, 0, now, k_never, false});
  return cell;
}

}  // namespace

// --- a snapshot is read ---

void Simulation::start_read_snapshot(uint32_t volume, uint32_t layer) {
  const uint64_t size = find_snapshot(volume, layer)->size_blocks;
  const uint64_t lba = prng_.below(size);
  const uint64_t blocks = 1 + prng_.below(std::min<uint64_t>(size - lba, 200));
  trace("read snapshot " + std::to_string(layer) + " at " + std::to_string(lba) + "+" +
        std::to_string(blocks));
  auto memory = std::make_shared<Buffer>(blocks * k_page_bytes);
  start(
      {}, [&] { return read_all(*pool_, layer, lba, blocks, memory); },
      [this, volume, layer, lba, blocks, memory](const Outcome& outcome) {
        const bool is_there = volumes_.contains(volume) && find_snapshot(volume, layer) != nullptr;
        if (!outcome.ok()) {
          const bool may_go = !is_there || is_busy(volume);
          if (outcome.errc() == Errc::not_found ? may_go : may_rot_) return;
          return fail("read snapshot: " + outcome.error().text);
        }
        if (!is_there) return;
        ModelSnapshot& snapshot = *find_snapshot(volume, layer);
        const bool is_calm = !may_fail_ && !power_is_off() && !is_broken();
        for (uint64_t i = 0; i < blocks && !has_failed(); ++i) {
          Cell& cell = snapshot.cells[lba + i];
          const Cell allowed = cell;
          settle_cell(cell, allowed, number_of_block(memory->data() + i * k_page_bytes),
                      "block " + std::to_string(lba + i) + " of snapshot " + snapshot.name, is_calm);
        }
      },
      [] {});
}

// --- one is received ---

std::optional<uint32_t> Simulation::received_of(uint32_t volume) const {
  for (const auto& [layer, received] : received_) {
    if (received.volume == volume) return layer;
  }
  return std::nullopt;
}

void Simulation::forget_received(uint32_t volume) {
  std::erase_if(received_, [volume](const auto& one) { return one.second.volume == volume; });
}

void Simulation::start_begin_receive(uint32_t volume) {
  const ModelVolume& model = volumes_.at(volume);
  std::vector<uint32_t> places;
  if (!model.is_clone) places.push_back(0);
  for (const ModelSnapshot& snapshot : model.snapshots) {
    const auto found = std::find(model.chain.begin(), model.chain.end(), snapshot.layer);
    if (found != model.chain.end()) places.push_back(snapshot.layer);
  }
  if (places.empty()) return;
  ReceiveRequest request;
  request.volume = volume;
  request.name = "r" + std::to_string(next_name_++);
  request.uuid = uuid_of(static_cast<uint8_t>(next_name_), static_cast<uint8_t>(next_name_ >> 8 | 0xc0));
  request.after = places[prng_.below(places.size())];
  uint64_t size_blocks = model.size_blocks;
  if (prng_.chance(1, 4)) size_blocks = 1 + prng_.below(model.is_thick ? size_blocks : 400);
  request.size_bytes = size_blocks * k_page_bytes;
  trace("receive for " + std::to_string(volume) + " after " + std::to_string(request.after));
  ModelReceived received;
  received.volume = volume;
  received.snapshot.name = request.name;
  received.snapshot.size_blocks = size_blocks;
  start(
      {volume}, [&] { return pool_->begin_receive(request); },
      [this, received, after = request.after](const Result<uint32_t>& made) {
        if (!made.ok()) return fail("begin to receive: " + made.error().text);
        add_received(*made, received, after);
      },
      [] {});
}

void Simulation::add_received(uint32_t layer, ModelReceived received, uint32_t after) {
  ModelVolume& volume = volumes_.at(received.volume);
  ModelSnapshot& snapshot = received.snapshot;
  snapshot.layer = layer;
  snapshot.room_from_block = volume.is_thick ? 0 : volume.room_from_block;
  const ModelSnapshot* const below = after == 0 ? nullptr : find_snapshot(received.volume, after);
  if (below != nullptr) {
    snapshot.room_from_block = std::min(snapshot.room_from_block, below->room_from_block);
    snapshot.chain = below->chain;
    snapshot.chain.insert(snapshot.chain.begin(), after);
  }
  for (uint64_t lba = 0; lba < snapshot.size_blocks; ++lba) {
    const bool is_below = below != nullptr && lba < below->cells.size();
    Cell cell = is_below ? below->cells[lba] : cell_of(0, next_write_++, now_);
    for (Entry& entry : cell.entries) entry.superseded = k_never;
    snapshot.cells.push_back(std::move(cell));
  }
  // What is below beyond its end, it shows as zeroes.
  const uint64_t end_below = below == nullptr ? 0 : below->cells.size();
  for (uint64_t lba = snapshot.size_blocks; lba < end_below; ++lba) received_lbas_.insert(lba);
  volume.has_room = false;
  put_below(received.volume, after, layer);
  received_[layer] = std::move(received);
}

// All that stands on the layer above, by what the chains say, stands on this one too.
void Simulation::put_below(uint32_t id, uint32_t after, uint32_t layer) {
  std::vector<uint32_t>& chain = volumes_.at(id).chain;
  const auto place = after == 0 ? chain.end() : std::find(chain.begin(), chain.end(), after);
  if (place == chain.begin()) {
    chain.insert(place, layer);
    return;
  }
  const uint32_t above = *std::prev(place);
  const auto put = [&](std::vector<uint32_t>& of) {
    const auto found = std::find(of.begin(), of.end(), above);
    if (found != of.end()) of.insert(found + 1, layer);
  };
  for (auto& [other, volume] : volumes_) {
    put(volume.chain);
    for (ModelSnapshot& snapshot : volume.snapshots) {
      put(snapshot.chain);
      if (snapshot.layer == above) snapshot.chain.insert(snapshot.chain.begin(), layer);
    }
  }
  for (auto& [other, received] : received_) put(received.snapshot.chain);
}

// Of many kinds, so that all ways of receiving are gone: what the volume holds, so that whole extents are the
// same; what is below; zeroes; and others.
uint64_t Simulation::value_to_receive(const ModelReceived& received, uint32_t after, uint64_t lba,
                                      uint64_t kind) {
  const ModelVolume& volume = volumes_.at(received.volume);
  const ModelSnapshot* const below = after == 0 ? nullptr : find_snapshot(received.volume, after);
  const bool is_live = lba < volume.cells.size();
  if (kind < 5) return is_live ? volume.cells[lba].entries.back().value : 0;
  if (kind < 6 && below != nullptr && lba < below->cells.size())
    return below->cells[lba].entries.back().value;
  if (kind < 7) return received.snapshot.cells[lba].entries.back().value;
  return kind < 8 ? 0 : next_value_++;
}

void Simulation::start_receive(uint32_t layer) {
  ModelReceived& received = received_.at(layer);
  const uint64_t size = received.snapshot.size_blocks;
  const uint32_t after = received.snapshot.chain.empty() ? 0 : received.snapshot.chain.front();
  auto data = std::make_shared<std::vector<ReceivedData>>();
  const uint64_t write = next_write_++;
  for (uint64_t left = 1 + prng_.below(3); left > 0; --left) {
    uint64_t lba = prng_.below(size), blocks = 1 + prng_.below(80);
    if (prng_.chance(2, 3)) {
      lba = lba / k_slot_blocks * k_slot_blocks;
      blocks = k_slot_blocks * (1 + prng_.below(3));
    }
    if (prng_.chance(1, 5)) lba = 0, blocks = size;
    blocks = std::min(blocks, size - lba);
    ReceivedData& one = data->emplace_back(blocks * k_page_bytes);
    one.lba = lba;
    const uint64_t kind = prng_.below(9);
    const bool mixes = prng_.chance(1, 4);
    for (uint64_t i = 0; i < blocks; ++i) {
      const uint64_t of = mixes && prng_.chance(1, 20) ? prng_.below(9) : kind;
      const uint64_t value = value_to_receive(received, after, lba + i, of);
      one.values.push_back(value);
      fill_block(one.memory.data() + i * k_page_bytes, value);
      received_lbas_.insert(lba + i);
      // It may be there or not until the end is known.
      for (const Entry& entry : cell_of(value, write, now_).entries) {
        received.snapshot.cells[lba + i].entries.push_back(entry);
      }
    }
    trace("receive " + std::to_string(layer) + " at " + std::to_string(lba) + "+" + std::to_string(blocks));
  }
  receiving_now_.insert(layer);
  start(
      {}, [&] { return receive_all(*pool_, layer, data, receiving_now_); },
      [this, layer, volume = received.volume, data, write](const Outcome& outcome) {
        const auto found = received_.find(layer);
        if (!outcome.ok()) {
          if (outcome.errc() == Errc::not_found && (found == received_.end() || is_busy(volume))) return;
          if (outcome.errc() == Errc::no_space && pool_->facts().extents_free <= 32) return;
          return fail("receive: " + outcome.error().text);
        }
        if (found == received_.end()) return;
        for (const ReceivedData& one : *data) {
          for (uint64_t i = 0; i < one.values.size(); ++i) {
            found->second.snapshot.cells[one.lba + i] = cell_of(one.values[i], write, now_);
          }
        }
      },
      [] {});
}

void Simulation::add_finished(ModelReceived received) {
  for (Cell& cell : received.snapshot.cells) {
    const Entry* const zero = cell.find(0);
    if (zero == nullptr) continue;
    Entry other = *zero;
    other.is_data = !other.is_data;
    cell.entries.push_back(other);
  }
  // Zeroes that are stored below beyond its end read as they must, and are not made nothing.
  ModelSnapshot& snapshot = received.snapshot;
  snapshot.room_from_block = std::min(snapshot.room_from_block, snapshot.size_blocks);
  volumes_.at(received.volume).snapshots.push_back(std::move(snapshot));
}

void Simulation::start_finish_receive(uint32_t layer) {
  trace("finish receiving " + std::to_string(layer));
  const uint32_t volume = received_.at(layer).volume;
  // As it is by then: if this fails, more may be received before it is tried again.
  const auto add = [this, layer] {
    const auto found = received_.find(layer);
    if (found != received_.end()) add_finished(found->second);
  };
  start(
      {volume}, [&] { return pool_->finish_receive(layer); },
      [this, layer, add](const Outcome& outcome) {
        // What is below beyond its end may have to be copied to who stands on it. It goes on being received.
        if (outcome.errc() == Errc::no_space && pool_->facts().extents_free <= 32) return;
        if (!outcome.ok()) return fail("finish receiving: " + outcome.error().text);
        add();
        received_.erase(layer);
      },
      [this, layer, volume, add] {
        if (listing_.snapshots[volume].contains(layer)) add();
      });
}

void Simulation::start_stop_receive(uint32_t layer) {
  trace("stop receiving " + std::to_string(layer));
  const uint32_t volume = received_.at(layer).volume;
  received_.erase(layer);
  start(
      {volume}, [&] { return pool_->remove_snapshot(layer); },
      [this](const Outcome& outcome) {
        if (!outcome.ok()) return fail("stop receiving: " + outcome.error().text);
      },
      [] {});
}

}  // namespace ballast::bdev::pool::test
