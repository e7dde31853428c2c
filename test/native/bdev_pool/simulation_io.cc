// I/O of a simulation: what goes out, and whether what comes back is one of what the model allows.
#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_garbage = UINT64_MAX;  // not a block that anybody has written
constexpr size_t k_sector_bytes = 512;

bool is_one_number(const uint8_t* data, size_t bytes) { return std::memcmp(data, data + 8, bytes - 8) == 0; }

std::string text_of(uint64_t value) {
  if (value == k_garbage) return "garbage";
  return value >= Mixes::k_first ? "mix " + std::to_string(value - Mixes::k_first) : std::to_string(value);
}

const char* name_of(IoType type) {
  static constexpr const char* k_names[] = {
      "read", "write", "flush", "write_zeroes", "unmap", "compare", "compare_and_write", "copy", "verify"};
  return k_names[static_cast<size_t>(type)];
}

std::string text_of(const Flight& flight) {
  std::string text = std::string(name_of(flight.io.type)) + " of " + std::to_string(flight.io.blocks_count) +
                     " blocks at " + std::to_string(flight.io.lba) + " of volume " +
                     std::to_string(flight.volume);
  if (flight.io.type == IoType::copy) text += " from " + std::to_string(flight.io.copy_source_lba);
  if (flight.write != 0) text += " (write " + std::to_string(flight.write) + ")";
  return text;
}

}  // namespace

// --- blocks ---

uint64_t Simulation::number_of_block(const uint8_t* data) {
  uint64_t number = 0;
  std::memcpy(&number, data, 8);
  if (is_one_number(data, k_page_bytes)) return number;
  Mixes::Sectors sectors;
  for (uint64_t& sector : sectors) {
    std::memcpy(&sector, data, 8);
    if (!is_one_number(data, k_sector_bytes)) return k_garbage;
    data += k_sector_bytes;
  }
  return mixes_.number_of(sectors);
}

void Simulation::fill_block(uint8_t* data, uint64_t value) const {
  for (const uint64_t sector : mixes_.sectors_of(value)) {
    for (size_t word = 0; word < k_sector_bytes / 8; ++word, data += 8) std::memcpy(data, &sector, 8);
  }
}

// `value` was read where the model allows `allowed`. Without a write in flight the cell has it from now on.
bool Simulation::settle_cell(Cell& cell, const Cell& allowed, uint64_t value, const std::string& where,
                             bool may_settle) {
  if (allowed.find(value) != nullptr) {
    if (may_settle) cell.settle(value);
    return true;
  }
  if (allowed.is_torn && value != k_garbage) {
    std::set<uint64_t> sectors;
    for (const Entry& entry : allowed.entries) {
      if (!entry.is_data) continue;
      for (const uint64_t sector : mixes_.sectors_of(entry.value)) sectors.insert(sector);
    }
    const Mixes::Sectors found = mixes_.sectors_of(value);
    if (std::all_of(found.begin(), found.end(), [&](uint64_t one) { return sectors.contains(one); })) {
      if (may_settle) cell = {{Entry{value, next_write_++, 0, now_, k_never, true}}, false};
      return true;
    }
  }
  std::string text = where + " is " + text_of(value);
  if (value >= Mixes::k_first && value != k_garbage) {
    for (const uint64_t sector : mixes_.sectors_of(value)) text += " " + std::to_string(sector);
  }
  text += ", may be";
  for (const Entry& entry : allowed.entries) {
    text += " " + text_of(entry.value) + "(write " + std::to_string(entry.write) +
            (entry.is_data ? ")" : ", nothing)");
  }
  fail(text + (allowed.is_torn ? ", torn" : ""));
  return false;
}

// --- which ranges are taken ---

bool Simulation::has_change(uint32_t volume, uint64_t lba, uint64_t blocks) const {
  return std::any_of(flights_.begin(), flights_.end(), [&](const auto& flight) {
    return flight->volume == volume && flight->is_change() && flight->overlaps(lba, blocks);
  });
}

bool Simulation::has_alone(uint32_t volume, uint64_t lba, uint64_t blocks) const {
  return std::any_of(flights_.begin(), flights_.end(), [&](const auto& flight) {
    return flight->volume == volume && flight->is_alone &&
           (flight->overlaps(lba, blocks) || flight->overlaps_source(lba, blocks));
  });
}

bool Simulation::is_alone(uint32_t volume, uint64_t lba, uint64_t blocks) const {
  return !has_change(volume, lba, blocks) && !has_alone(volume, lba, blocks);
}

bool Simulation::are_sure(uint32_t volume, uint64_t lba, uint32_t blocks) const {
  const std::vector<Cell>& cells = volumes_.at(volume).cells;
  return std::all_of(cells.begin() + static_cast<ptrdiff_t>(lba),
                     cells.begin() + static_cast<ptrdiff_t>(lba + blocks),
                     [](const Cell& cell) { return cell.is_sure() && !cell.is_torn; });
}

// --- going out ---

std::unique_ptr<Flight> Simulation::new_flight(IoType type, uint32_t volume, uint64_t lba, uint32_t blocks) {
  const uint64_t pieces = type == IoType::compare_and_write ? 2 : 1;
  const bool has_data = type == IoType::read || type == IoType::write || type == IoType::compare ||
                        type == IoType::compare_and_write;
  const uint64_t bytes = has_data ? pieces * blocks * k_page_bytes : 0;
  auto flight = std::make_unique<Flight>(bytes + k_page_bytes);
  flight->simulation = this;
  flight->volume = volume;
  flight->started = ++now_;
  flight->io.type = type;
  flight->io.lba = lba;
  flight->io.blocks_count = blocks;
  if (bytes > 0) give_data(*flight, bytes);
  return flight;
}

// In one piece, in pages, or cut at any sector.
void Simulation::give_data(Flight& flight, uint64_t bytes) {
  const uint64_t shape = prng_.below(4);
  flight.data = flight.memory.data() + (shape == 0 ? prng_.below(8) * k_sector_bytes : 0);
  std::memset(flight.data, 0xee, bytes);
  for (uint64_t at = 0; at < bytes;) {
    uint64_t piece = bytes;
    if (shape == 0) piece = k_sector_bytes * (1 + prng_.below(12));
    if (shape == 1) piece = k_page_bytes;
    piece = std::min(piece, bytes - at);
    flight.segments.push_back({flight.data + at, piece});
    at += piece;
  }
  flight.io.data = flight.segments;
}

void Simulation::submit(std::unique_ptr<Flight> flight, uint32_t reactor) {
  Flight& submitted = *flight;
  submitted.io.context = &submitted;
  submitted.io.done = [](Io& io, Status status) {
    Flight& done = *static_cast<Flight*>(io.context);
    done.simulation->ended(done, status);
  };
  trace(text_of(submitted) + " begins on reactor " + std::to_string(reactor));
  ServedVolume& served = served_.at(submitted.volume);
  ++served.flights_count;
  flights_.push_back(std::move(flight));
  Reactor& on = reactor == 0 ? stage_->reactor : remote_;
  world().on(on, [&] { served.channels[reactor]->submit(submitted.io); });
}

// What the write may leave is there for all who read from now on.
void Simulation::start_change(Flight& flight, const std::vector<Entry>& entries) {
  flight.write = next_write_++;
  ModelVolume& volume = volumes_.at(flight.volume);
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const uint64_t lba = flight.io.lba + i;
    Entry entry = entries[i];
    entry.write = flight.write;
    entry.started = flight.started;
    entry.ended = k_never;
    volume.cells[lba].entries.push_back(entry);
    for (const auto& other : flights_) {
      if (other->volume == flight.volume && !other->allowed.empty() && other->overlaps(lba, 1)) {
        other->allowed[lba - other->io.lba].entries.push_back(entry);
      }
    }
    for (const auto& [group, captures] : captures_) {
      for (Capture& capture : *captures) {
        if (capture.volume == flight.volume && lba < capture.cells.size()) {
          capture.cells[lba].entries.push_back(entry);
        }
      }
    }
  }
}

void Simulation::write(uint32_t volume, uint64_t lba, uint32_t blocks, uint32_t reactor) {
  if (has_alone(volume, lba, blocks)) return;
  auto flight = new_flight(IoType::write, volume, lba, blocks);
  std::vector<Entry> entries(blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    entries[i].value = next_value_++;
    entries[i].is_data = true;
    fill_block(flight->data + size_t{i} * k_page_bytes, entries[i].value);
  }
  start_change(*flight, entries);
  submit(std::move(flight), reactor);
}

void Simulation::read(uint32_t volume, uint64_t lba, uint32_t blocks, uint32_t reactor, bool verify) {
  auto flight = new_flight(verify ? IoType::verify : IoType::read, volume, lba, blocks);
  const auto first = volumes_.at(volume).cells.begin() + static_cast<ptrdiff_t>(lba);
  flight->allowed.assign(first, first + blocks);
  submit(std::move(flight), reactor);
}

void Simulation::zero(uint32_t volume, uint64_t lba, uint32_t blocks, IoType type, uint32_t reactor) {
  if (has_alone(volume, lba, blocks)) return;
  auto flight = new_flight(type, volume, lba, blocks);
  Entry entry;
  entry.is_data = volumes_.at(volume).is_thick;
  start_change(*flight, std::vector<Entry>(blocks, entry));
  submit(std::move(flight), reactor);
}

void Simulation::compare(uint32_t volume, uint64_t lba, uint32_t blocks, bool equal, uint32_t reactor) {
  if (!is_alone(volume, lba, blocks) || !are_sure(volume, lba, blocks)) return;
  auto flight = new_flight(IoType::compare, volume, lba, blocks);
  flight->is_alone = true;
  flight->is_mismatch = !equal;
  const std::vector<Cell>& cells = volumes_.at(volume).cells;
  for (uint32_t i = 0; i < blocks; ++i) {
    fill_block(flight->data + size_t{i} * k_page_bytes, cells[lba + i].entries.front().value);
  }
  if (!equal) flight->data[prng_.below(blocks * k_page_bytes)] ^= 0x40;
  submit(std::move(flight), reactor);
}

void Simulation::compare_and_write(uint32_t volume, uint64_t lba, uint32_t blocks, bool equal,
                                   uint32_t reactor) {
  if (!is_alone(volume, lba, blocks) || !are_sure(volume, lba, blocks)) return;
  auto flight = new_flight(IoType::compare_and_write, volume, lba, blocks);
  flight->is_alone = true;
  flight->is_mismatch = !equal;
  const std::vector<Cell>& cells = volumes_.at(volume).cells;
  std::vector<Entry> entries(blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    fill_block(flight->data + size_t{i} * k_page_bytes, cells[lba + i].entries.front().value);
    entries[i].value = next_value_++;
    entries[i].is_data = true;
    fill_block(flight->data + (size_t{blocks} + i) * k_page_bytes, entries[i].value);
  }
  if (!equal) flight->data[prng_.below(blocks * k_page_bytes)] ^= 0x40;
  start_change(*flight, entries);
  submit(std::move(flight), reactor);
}

void Simulation::copy(uint32_t volume, uint64_t from, uint64_t to, uint32_t blocks, uint32_t reactor) {
  if (!is_alone(volume, from, blocks) || !is_alone(volume, to, blocks)) return;
  if (!are_sure(volume, from, blocks)) return;
  auto flight = new_flight(IoType::copy, volume, to, blocks);
  flight->is_alone = true;
  flight->io.copy_source_lba = from;
  const std::vector<Cell>& cells = volumes_.at(volume).cells;
  std::vector<Entry> entries(blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    entries[i].value = cells[from + i].entries.front().value;
    entries[i].is_data = true;
  }
  start_change(*flight, entries);
  submit(std::move(flight), reactor);
}

void Simulation::flush(uint32_t volume, uint32_t reactor) {
  submit(new_flight(IoType::flush, volume, 0, 0), reactor);
}

// --- coming back ---

void Simulation::ended(Flight& flight, Status status) {
  ++now_;
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&](const auto& held) { return held.get() == &flight; });
  if (found == flights_.end()) return fail("an I/O ended twice");
  // Nothing of it may be touched by anybody after this.
  const std::unique_ptr<Flight> held = std::move(*found);
  flights_.erase(found);
  --served_.at(flight.volume).flights_count;
  trace(text_of(flight) + ": " + status_text(status));
  if (!check_status(flight, status)) {
    return fail(text_of(flight) + ": " + status_text(status) + ", " +
                std::to_string(pool_->facts().extents_free) + " extents are free");
  }
  if (flight.is_change()) return end_change(flight, status);
  if (flight.io.type == IoType::read && status == Status::ok) check_read(flight);
}

bool Simulation::check_status(const Flight& flight, Status status) {
  const ModelVolume& volume = volumes_.at(flight.volume);
  if (status == Status::ok) return !flight.is_mismatch;
  if (status == Status::compare_mismatch) return flight.is_mismatch;
  if (may_fail_ || power_is_off()) return true;
  if (status == Status::out_of_range) {
    return is_busy(flight.volume) || flight.io.lba + flight.io.blocks_count > volume.size_blocks;
  }
  if (status == Status::media_error) return may_rot_ && flight.io.type != IoType::write;
  // Extents that were reserved, or have come back since.
  if (status == Status::no_space) {
    return flight.is_change() && (!volume.has_room || is_busy(flight.volume)) &&
           pool_->facts().extents_free <= flights_.size() + controls_.size() + 16;
  }
  return false;
}

void Simulation::end_change(Flight& flight, Status status) {
  ModelVolume& volume = volumes_.at(flight.volume);
  const bool is_acknowledged = status == Status::ok;
  const bool is_nothing = status == Status::compare_mismatch || status == Status::out_of_range;
  for (uint64_t lba = flight.io.lba; lba < flight.io.lba + flight.io.blocks_count; ++lba) {
    if (lba >= volume.cells.size()) {
      if (is_acknowledged && flight.io.type == IoType::write) {
        return fail("a write of block " + std::to_string(lba) +
                    " was acknowledged beyond the end of volume " + std::to_string(flight.volume));
      }
      continue;
    }
    Cell& cell = volume.cells[lba];
    if (is_nothing) {
      std::erase_if(cell.entries, [&](const Entry& entry) { return entry.write == flight.write; });
      continue;
    }
    // No space writes nothing; but then another part of it may have been there when the power failed.
    if (!is_acknowledged && (status != Status::no_space || world().power_is_off())) cell.is_torn = true;
    cell.end_write(flight.write, is_acknowledged, now_, [&](uint64_t gone) {
      for (const auto& [group, captures] : captures_) {
        for (Capture& capture : *captures) {
          if (capture.volume != flight.volume || lba >= capture.cells.size()) continue;
          for (Entry& entry : capture.cells[lba].entries) {
            if (entry.write == gone && entry.superseded == k_never) entry.superseded = now_;
          }
        }
      }
    });
  }
}

void Simulation::check_read(Flight& flight) {
  ModelVolume& volume = volumes_.at(flight.volume);
  const bool is_calm = !may_fail_ && !power_is_off() && !is_broken();
  for (uint32_t i = 0; i < flight.io.blocks_count; ++i) {
    const uint64_t lba = flight.io.lba + i;
    const uint64_t value = number_of_block(flight.data + size_t{i} * k_page_bytes);
    Cell none;
    Cell& cell = lba < volume.cells.size() ? volume.cells[lba] : none;
    const bool is_quiet = std::all_of(cell.entries.begin(), cell.entries.end(),
                                      [&](const Entry& entry) { return entry.ended < flight.started; });
    if (cell.is_sure() && is_quiet && cell.entries.front().value == value) continue;
    const std::string where = "block " + std::to_string(lba) + " of volume " + std::to_string(flight.volume);
    // A write that the disk cuts short goes on where it stopped; who reads meanwhile sees a part of it.
    flight.allowed[i].is_torn |= may_fail_;
    if (!settle_cell(cell, flight.allowed[i], value, where, is_calm && is_quiet)) return;
  }
}

}  // namespace ballast::bdev::pool::test
