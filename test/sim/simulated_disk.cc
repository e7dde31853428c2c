#include "sim/simulated_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ballast::sim {

SimulatedDisk::SimulatedDisk(World& world, uint64_t data_blocks, uint64_t metadata_blocks) : world_(world) {
  image_.data.assign(data_blocks, 0);
  image_.metadata.assign(metadata_blocks, ReplicaBlock{});
}

uint64_t SimulatedDisk::delay(Lane lane) {
  if (options.slow_one_in != 0 && !options.heals && world_.chance(options.slow_one_in)) {
    options.slow();
    return world_.between(10'000'000, 8'000'000'000);
  }
  return world_.delay(lane_of(options.member, lane), options.delay_least_ns, options.delay_most_ns);
}

bool SimulatedDisk::fails(uint32_t one_in) { return one_in != 0 && !options.heals && world_.chance(one_in); }

void SimulatedDisk::later(Lane lane, std::function<void()> what) {
  world_.after(delay(lane), [this, life = life_, what = std::move(what)] {
    if (life == life_) what();
  });
}

void SimulatedDisk::heal() {
  options.heals = true;
  options.data_full_until_ns = options.metadata_full_until_ns = 0;
  spoiled_.clear();
}

bool SimulatedDisk::is_spoiled(uint64_t lba, uint64_t count) const {
  for (auto at = spoiled_.lower_bound(lba); at != spoiled_.end() && at->first < lba + count; ++at) {
    if (world_.now_ns() < at->second) return true;
  }
  return false;
}

void SimulatedDisk::crash() {
  for (const auto& [number, write] : data_writes_) tear(write);
  for (const auto& [number, write] : metadata_writes_) tear(write);
  data_writes_.clear();
  metadata_writes_.clear();
  ++life_;
}

void SimulatedDisk::tear(const DataWrite& write) {
  for (size_t i = 0; i < write.values.size(); ++i) {
    uint64_t& block = image_.data[write.lba + i];
    if (block != write.values[i] && world_.choose(2) == 1) block = write.values[i];
  }
}

void SimulatedDisk::tear(const MetadataWrite& write) {
  uint8_t* const block = image_.metadata[write.block].data();
  for (size_t at = 0; at < write.bytes.size(); at += k_sector_bytes) {
    if (std::memcmp(block + at, write.bytes.data() + at, k_sector_bytes) == 0) continue;
    if (world_.choose(2) == 1) std::memcpy(block + at, write.bytes.data() + at, k_sector_bytes);
  }
}

void SimulatedDisk::write(uint64_t lba, std::vector<uint64_t> values, Done done) {
  const uint64_t number = next_number_++;
  data_writes_[number] = {lba, std::move(values)};
  const bool is_bad = fails(options.write_error_one_in);
  later(Lane::data, [this, number, is_bad, done = std::move(done)] {
    const DataWrite ended = std::move(data_writes_.extract(number).mapped());
    if (world_.now_ns() < options.data_full_until_ns) {
      tear(ended);
      return done(Status::no_space);
    }
    if (is_bad) {
      options.write_error();
      tear(ended);
      return done(Status::io_error);
    }
    std::ranges::copy(ended.values, image_.data.begin() + static_cast<int64_t>(ended.lba));
    if (!spoiled_.empty()) {
      for (uint64_t i = 0; i < ended.values.size(); ++i) spoiled_.erase(ended.lba + i);
    }
    done(Status::ok);
  });
}

void SimulatedDisk::read(uint64_t lba, uint32_t count, ReadDone done) {
  const bool is_bad = fails(options.read_error_one_in);
  later(Lane::data, [this, lba, count, is_bad, done = std::move(done)] {
    if (is_bad || is_spoiled(lba, count)) {
      options.read_error();
      return done(Status::media_error, {});
    }
    const auto begin = image_.data.begin() + static_cast<int64_t>(lba);
    done(Status::ok, {begin, begin + count});
  });
}

void SimulatedDisk::write_metadata(uint64_t block, const ReplicaBlock& bytes, Done done) {
  const uint64_t number = next_number_++;
  metadata_writes_[number] = {block, bytes};
  // Less often than of data: each of these ends the replica's process.
  const bool is_bad = fails(options.write_error_one_in * 4);
  later(Lane::metadata, [this, number, is_bad, done = std::move(done)] {
    const MetadataWrite ended = std::move(metadata_writes_.extract(number).mapped());
    if (world_.now_ns() < options.metadata_full_until_ns) {
      tear(ended);
      return done(Status::no_space);
    }
    if (is_bad) {
      options.write_error();
      tear(ended);
      return done(Status::io_error);
    }
    image_.metadata[ended.block] = ended.bytes;
    done(Status::ok);
  });
}

std::vector<uint8_t> SimulatedDisk::read_metadata(uint64_t block) {
  const ReplicaBlock& bytes = image_.metadata[block];
  return {bytes.begin(), bytes.end()};
}

}  // namespace ballast::sim
