// What a pool may answer, block by block: every write that can be what a block holds, from the moment it was
// submitted until a later one that was acknowledged has taken its place. Used by Simulation; knows nothing of
// the pool.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ballast::bdev::pool::test {

inline constexpr uint64_t k_never = UINT64_MAX;

// What one write left, or may have left, in one block. Times count the events of a simulation.
struct Entry {
  uint64_t value = 0;  // in all words of the block, 0: zeroes; or a mix, see Mixes
  uint64_t write = 0;  // which one; 0: nobody has written since the volume was made
  uint64_t started = 0;
  uint64_t ended = 0;  // k_never while it is in flight
  uint64_t superseded = k_never;
  bool is_data = false;  // takes room; otherwise the block reads zeroes because nothing is there
};

// What one block may hold.
struct Cell {
  std::vector<Entry> entries{Entry{}};
  bool is_torn = false;  // power failed in a write to it: sectors of several entries may be there

  bool is_sure() const { return entries.size() == 1; }
  bool is_quiet() const {
    for (const Entry& entry : entries) {
      if (entry.ended == k_never) return false;
    }
    return true;
  }
  const Entry* find(uint64_t value) const {
    for (const Entry& entry : entries) {
      if (entry.value == value) return &entry;
    }
    return nullptr;
  }
  // The write has ended; what it certainly replaces goes, and is told to `gone`.
  template <typename Gone>
  void end_write(uint64_t write, bool is_acknowledged, uint64_t now, Gone gone) {
    uint64_t started = 0;
    for (Entry& entry : entries) {
      if (entry.write != write) continue;
      entry.ended = now;
      started = entry.started;
    }
    if (!is_acknowledged || started == 0) return;
    std::erase_if(entries, [&](const Entry& entry) {
      const bool is_gone = entry.ended < started;
      if (is_gone) gone(entry.write);
      return is_gone;
    });
    if (entries.size() == 1) is_torn = false;  // others may have been torn beside it
  }
  // It was read, and no write was in flight: it holds this from now on.
  void settle(uint64_t value) {
    std::erase_if(entries, [value](const Entry& entry) { return entry.value != value; });
    is_torn = false;
  }
  // What was in flight is there, or not, or in part.
  void crash(uint64_t now) {
    for (Entry& entry : entries) {
      if (entry.ended != k_never) continue;
      entry.ended = now;
      is_torn = true;
    }
  }
};

// Blocks that hold sectors of several writes, by their own numbers.
class Mixes {
 public:
  using Sectors = std::array<uint64_t, 8>;
  static constexpr uint64_t k_first = uint64_t{1} << 63;

  uint64_t number_of(const Sectors& sectors) {
    const auto [found, is_new] = numbers_.try_emplace(sectors, k_first + numbers_.size());
    if (is_new) mixes_.push_back(sectors);
    return found->second;
  }
  Sectors sectors_of(uint64_t value) const {
    if (value >= k_first) return mixes_.at(value - k_first);
    Sectors sectors;
    sectors.fill(value);
    return sectors;
  }

 private:
  std::map<Sectors, uint64_t> numbers_;
  std::vector<Sectors> mixes_;
};

struct ModelSnapshot {
  uint32_t layer = 0;
  std::string name;
  uint64_t size_blocks = 0;
  uint64_t room_from_block = k_never;  // of a clone that is larger
  std::vector<Cell> cells;
  std::vector<uint32_t> chain;  // snapshots below it, the nearest first; deleted ones too
  uint64_t group = 0;           // those made together; 0 once that was checked
};

struct ModelVolume {
  uint32_t id = 0;
  std::string name;
  uint64_t size_blocks = 0;
  bool is_thick = false;
  // A clone that is larger than a snapshot of a thick volume, or of such a clone: a growth that was cut short
  // may have left room.
  uint64_t room_from_block = k_never;
  bool has_room = false;  // every block of it has a place that is its own
  bool is_clone = false;
  std::vector<Cell> cells;  // as many as blocks
  std::vector<ModelSnapshot> snapshots;
  std::vector<uint32_t> chain;
};

// A snapshot that is being received: nobody sees it yet.
struct ModelReceived {
  uint32_t volume = 0;
  ModelSnapshot snapshot;
};

}  // namespace ballast::bdev::pool::test
