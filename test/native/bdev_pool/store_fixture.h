// A store on a simulated disk, random commits to it, and a model that says what must be there.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <set>

#include "bdev/pool/store.h"
#include "bdev/pool/value.h"
#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {

inline constexpr uint32_t k_test_layer = 5;

struct StoreModel {
  std::map<Key, std::vector<uint8_t>> values;
  std::map<uint64_t, Slot> slots;

  bool operator==(const StoreModel&) const = default;
  std::set<Extent> extents() const {
    std::set<Extent> used;
    for (const auto& [number, slot] : slots) {
      for (uint32_t i = 0; i < slot.fragments_count; ++i) used.insert(slot.fragments[i].extent);
    }
    return used;
  }
  void apply(const Record& record) {
    std::vector<Extent> freed;
    if (record.type == RecordType::put) {
      values[record.key()] = {record.value().begin(), record.value().end()};
    } else if (record.type == RecordType::remove) {
      values.erase(record.key());
    } else if (record.type == RecordType::slot_map) {
      const SlotMap map = load<SlotMap>(record.payload);
      BALLAST_ASSERT(slots[map.slot].map(map.first, map.count, map.extent, freed));
    } else if (record.type == RecordType::slot_zero) {
      const SlotZero zero = load<SlotZero>(record.payload);
      slots[zero.slot].unmap(zero.first, zero.count, true, freed);
    }
  }
};

// A commit of a test, with the memory of its records.
struct TestCommit {
  TestCommit() {
    commit.context = this;
    commit.done = [](Commit& done, Errc with) {
      TestCommit& self = *static_cast<TestCommit*>(done.context);
      BALLAST_ASSERT(!self.result.has_value());
      self.result = with;
    };
  }
  void add(RecordType type, ByteSpan payload) {
    payloads.emplace_back(payload.begin(), payload.end());
    records.push_back({type, false, payloads.back()});
  }
  void put(const Key& key, ByteSpan value) {
    std::vector<uint8_t> payload(sizeof(Key) + value.size());
    store(payload, key);
    std::copy(value.begin(), value.end(), payload.begin() + sizeof(Key));
    add(RecordType::put, payload);
  }
  std::deque<std::vector<uint8_t>> payloads;
  std::vector<Record> records;
  Commit commit;
  std::optional<Errc> result;
};

class StoreFixture : public testing::Test {
 protected:
  explicit StoreFixture(uint64_t seed = 1) : seed_(seed) { restart(seed); }
  ~StoreFixture() override { drop(); }

  // A new world and an empty disk.
  void restart(uint64_t seed) {
    drop();
    stage_ = std::make_unique<PoolStage>(seed);
    superblock_ = sample_superblock();
    superblock_.devices_count = 1;
    superblock_.devices[0] = {uuid_of(0x20), k_size, 33 * k_mib, 30};
    superblock_.read_only_compatible = k_read_only_compatible_checksums;
    disk_ = stage_->open("a", k_size);
    commits_.clear();
    model_ = {};
  }
  void drop() {
    if (stage_ != nullptr) stage_->world.on(stage_->reactor, [&] { store_.reset(); });
    disk_.reset();
  }
  Outcome create() {
    make();
    Outcome outcome = stage_->run([&] { return store_->create(); });
    if (outcome.ok() && needs_layer_) put_layer();
    return outcome;
  }
  void make() {
    stage_->world.on(stage_->reactor, [&] { store_.reset(); });
    store_.emplace(*disk_, superblock_, StoreOptions{frames_});
  }
  Outcome open() {
    make();
    return stage_->run([&] { return store_->open(); });
  }
  void crash(UnsyncedWrites unsynced) {
    stage_->world.settle();
    drop();
    stage_->world.restore_power(unsynced);
    disk_ = stage_->open("a", k_size);
  }
  // slot_zero asks whether its layer has a parent.
  void put_layer() {
    LayerValue layer;
    layer.parent = 4;
    commits_.emplace_back();
    commits_.back().put(Key::of(KeyType::layer, k_test_layer), bytes_of(layer));
    start(commits_.back());
    stage_->world.settle();
  }
  void start(TestCommit& commit) {
    commit.commit.records = commit.records;
    stage_->world.on(stage_->reactor, [&] { store_->commit(commit.commit); });
  }
  // A group of one to four records.
  TestCommit& random_commit(const StoreModel& after_all) {
    commits_.emplace_back();
    TestCommit& commit = commits_.back();
    StoreModel model = after_all;
    for (uint64_t left = 1 + prng().below(4); left > 0; --left) {
      const Key key = Key::of(KeyType::volume, prng().below(300));
      const uint64_t slot = prng().below(10);
      const auto first = static_cast<uint16_t>(prng().below(250));
      const auto count = static_cast<uint16_t>(1 + prng().below(256u - first));
      switch (prng().below(6)) {
        case 0:
        case 1:
          commit.put(key, std::vector<uint8_t>(prng().below(400), static_cast<uint8_t>(prng().next())));
          break;
        case 2: commit.add(RecordType::remove, bytes_of(key)); break;
        case 3: {
          const SlotZero zero{k_test_layer, first, count, slot};
          commit.add(RecordType::slot_zero, bytes_of(zero));
          break;
        }
        default: {
          Slot changed = model.slots[slot];
          Extent extent = changed.fragments_count > 0 ? changed.fragments[0].extent : Extent{};
          if (changed.fragments_count == 0 ||
              (changed.fragments_count < k_fragments_max && prng().chance(1, 3))) {
            uint32_t reserved = 0;
            stage_->world.on(stage_->reactor, [&] { reserved = store_->extents().reserve({&extent, 1}); });
            if (reserved == 0) continue;
          }
          const SlotMap map{k_test_layer, first, count, slot, extent};
          commit.add(RecordType::slot_map, bytes_of(map));
          break;
        }
      }
      if (!commit.records.empty()) model.apply(commit.records.back());
    }
    if (commit.records.empty()) commit.put(Key::of(KeyType::volume, 0), {});
    return commit;
  }
  // What the store holds, and that the map of extents agrees with it.
  StoreModel scan() {
    StoreModel found;
    for (Key from{};;) {
      auto entry = stage_->run([&] { return store_->seek(from); });
      EXPECT_TRUE(entry.ok());
      if (!entry.ok() || !entry->has_value()) break;
      const Key key = (*entry)->key;
      const ByteSpan value = (*entry)->value;
      if (key.type() == static_cast<uint8_t>(KeyType::slot)) {
        EXPECT_TRUE(decode(value, found.slots[key.low]));
      } else if (key.type() <= static_cast<uint8_t>(KeyType::layer)) {
        found.values[key] = {value.begin(), value.end()};
      }
      from = {key.high, key.low + 1};
      if (key.low == UINT64_MAX) from = {key.high + 1, 0};
    }
    const std::set<Extent> used = found.extents();
    for (uint64_t i = 0; i < 30; ++i) {
      EXPECT_EQ(store_->extents().is_used(Extent::of(0, i)), used.contains(Extent::of(0, i)))
          << "extent " << i;
    }
    return found;
  }
  static StoreModel without_empty_slots(StoreModel model) {
    std::erase_if(model.slots, [](const auto& slot) { return slot.second.is_empty(); });
    return model;
  }
  Prng& prng() { return stage_->world.prng(); }

  static constexpr uint64_t k_size = 64 * k_mib;
  uint64_t seed_;
  uint32_t frames_ = 512;
  bool needs_layer_ = true;
  std::unique_ptr<PoolStage> stage_;
  Superblock superblock_;
  std::unique_ptr<Disk> disk_;
  std::deque<TestCommit> commits_;
  std::optional<Store> store_;
  StoreModel model_;
};

}  // namespace ballast::bdev::pool::test
