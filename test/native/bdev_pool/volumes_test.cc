#include "bdev/pool/volumes.h"

#include "bdev/pool/layer_work.h"
#include "bdev/pool/resolve.h"
#include "native/bdev_pool/store_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

// What a volume or snapshot holds: a tag for each block that is not zero.
using Content = std::map<uint64_t, uint32_t>;

class PoolVolumes : public StoreFixture {
 protected:
  PoolVolumes() {
    needs_layer_ = false;
    EXPECT_TRUE(create().ok());
    attach();
  }
  void attach() {
    volumes_.emplace(*store_, turns_, k_mib);
    work_.emplace(*store_, turns_);
  }
  void reopen() {
    stage_->world.settle();
    volumes_.reset(), work_.reset();
    crash(UnsyncedWrites::random);
    const Outcome opened = open();
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    attach();
  }
  Result<uint32_t> make(const std::string& name, uint64_t size_bytes = 8 * k_mib) {
    return stage_->run([&] { return volumes_->create({name, uuid_of(1), size_bytes, 0, 5}); });
  }
  Result<uint32_t> snap(uint32_t volume, const std::string& name) {
    auto made = stage_->run([&] { return volumes_->snapshot({{volume, name, uuid_of(2)}}, 6); });
    if (!made.ok()) return made.error();
    return made->front();
  }
  Errc remove(uint32_t volume) {
    return stage_->run([&] { return volumes_->remove(volume); }).errc();
  }
  Errc remove_snapshot(uint32_t snapshot) {
    return stage_->run([&] { return volumes_->remove_snapshot(snapshot); }).errc();
  }
  uint32_t head_of(uint32_t volume) {
    return stage_->run([&] { return volumes_->get(volume); })->head_layer;
  }
  LayerWork::Progress work() {
    Result<LayerWork::Progress> progress = stage_->run([&] { return work_->step(); });
    EXPECT_TRUE(progress.ok()) << progress.error().text;
    return progress.ok() ? *progress : LayerWork::Progress::none;
  }
  // As a write does: data to an extent, then the record. False if the pool is full or the slot has no room.
  bool write(uint32_t volume, uint64_t block, uint32_t count, uint32_t tag) {
    const uint64_t slot = block / 256;
    const auto first = static_cast<uint16_t>(block % 256);
    const uint32_t head = head_of(volume);
    const Result<ResolvedSlot> resolved = stage_->run([&] { return resolve(*store_, head, slot); });
    EXPECT_TRUE(resolved.ok());
    Extent extent;
    if (resolved->head.fragments_count > 0) {
      extent = resolved->head.fragments[0].extent;
    } else {
      uint32_t reserved = 0;
      stage_->world.on(stage_->reactor, [&] { reserved = store_->extents().reserve({&extent, 1}); });
      if (reserved == 0) return false;
    }
    for (uint32_t i = first; i < first + count; ++i) disk_content_[{extent.packed, i}] = tag;
    TestCommit commit;
    const SlotMap map{head, first, static_cast<uint16_t>(count), slot, extent};
    commit.add(RecordType::slot_map, bytes_of(map));
    return finish(commit);
  }
  bool zero(uint32_t volume, uint64_t block, uint32_t count) {
    TestCommit commit;
    const SlotZero zeroes{head_of(volume), static_cast<uint16_t>(block % 256), static_cast<uint16_t>(count),
                          block / 256};
    commit.add(RecordType::slot_zero, bytes_of(zeroes));
    return finish(commit);
  }
  bool finish(TestCommit& commit) {
    start(commit);
    stage_->world.settle();
    return commit.result == Errc::ok;
  }
  Content read(uint32_t layer) {
    Content content;
    for (uint64_t slot = 0; slot < 4; ++slot) {
      const Result<ResolvedSlot> resolved = stage_->run([&] { return resolve(*store_, layer, slot); });
      EXPECT_TRUE(resolved.ok());
      for (uint32_t i = 0; i < 256; ++i) {
        const std::optional<Extent> extent = resolved->find(i);
        if (extent) content[slot * 256 + i] = disk_content_.at({extent->packed, i});
      }
    }
    return content;
  }
  // That every link has its other end, and every extent its slot.
  void expect_consistent() {
    std::map<uint32_t, LayerValue> layers;
    std::map<uint32_t, VolumeValue> volumes;
    std::set<std::pair<uint64_t, uint64_t>> children, snapshots;
    std::set<Extent> used;
    PoolValue pool;
    for (Key from{};;) {
      auto entry = stage_->run([&] { return store_->seek(from); });
      ASSERT_TRUE(entry.ok());
      if (!entry->has_value()) break;
      const Key key = (*entry)->key;
      const ByteSpan value = (*entry)->value;
      switch (static_cast<KeyType>(key.type())) {
        case KeyType::pool: ASSERT_TRUE(decode_value(value, pool)); break;
        case KeyType::volume:
          ASSERT_TRUE(decode_value(value, volumes[static_cast<uint32_t>(key.id())]));
          break;
        case KeyType::layer: ASSERT_TRUE(decode_value(value, layers[static_cast<uint32_t>(key.id())])); break;
        case KeyType::child: children.emplace(key.id(), key.low); break;
        case KeyType::snapshot: snapshots.emplace(key.id(), key.low); break;
        case KeyType::slot: {
          Slot slot;
          ASSERT_TRUE(decode(value, slot));
          ASSERT_TRUE(layers.contains(static_cast<uint32_t>(key.id()))) << "a slot of no layer";
          for (uint32_t i = 0; i < slot.fragments_count; ++i) {
            ASSERT_TRUE(used.insert(slot.fragments[i].extent).second) << "an extent of two slots";
          }
          break;
        }
        default: break;
      }
      from = key.low == UINT64_MAX ? Key{key.high + 1, 0} : Key{key.high, key.low + 1};
    }
    ASSERT_EQ(pool.volumes_count, volumes.size());
    ASSERT_EQ(pool.layers_count, layers.size());
    std::map<uint32_t, uint32_t> counts;
    for (const auto& [id, layer] : layers) {
      if (layer.parent != 0) {
        ASSERT_TRUE(layers.contains(layer.parent));
        ASSERT_TRUE(children.erase({layer.parent, id}) == 1);
        ++counts[layer.parent];
      }
      ASSERT_EQ(layer.state == LayerState::snapshot, snapshots.erase({layer.volume, id}) == 1);
    }
    ASSERT_TRUE(children.empty() && snapshots.empty());
    for (const auto& [id, layer] : layers) ASSERT_EQ(layer.children_count, counts[id]);
    for (const auto& [id, volume] : volumes) {
      ASSERT_EQ(layers.at(volume.head_layer).state, LayerState::head);
      ASSERT_EQ(*stage_->run([&] { return volumes_->find(std::string(name_text(volume.name))); }), id);
    }
    for (uint64_t i = 0; i < 30; ++i) {
      const Extent extent = Extent::of(0, i);
      ASSERT_EQ(store_->extents().is_used(extent), used.contains(extent)) << i;
    }
  }

  Turns turns_;
  std::optional<Volumes> volumes_;
  std::optional<LayerWork> work_;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> disk_content_;
};

TEST_F(PoolVolumes, refuses_what_cannot_be_and_changes_nothing) {
  EXPECT_EQ(make("").errc(), Errc::invalid_argument);
  EXPECT_EQ(make(std::string(65, 'x')).errc(), Errc::invalid_argument);
  EXPECT_EQ(make("a", 0).errc(), Errc::invalid_argument);
  EXPECT_EQ(make("a", 4097).errc(), Errc::invalid_argument);
  EXPECT_EQ(make("a", k_volume_bytes_max + 4096).errc(), Errc::invalid_argument);
  const uint32_t a = *make("a");
  EXPECT_EQ(make("a").errc(), Errc::already_exists);
  EXPECT_EQ(snap(a + 1, "s").errc(), Errc::not_found);
  const uint32_t s = *snap(a, "s");
  EXPECT_EQ(snap(a, "s").errc(), Errc::already_exists);
  EXPECT_EQ(remove(a), Errc::in_use);
  EXPECT_EQ(remove_snapshot(head_of(a)), Errc::not_found);
  const uint32_t b = *make("b");
  EXPECT_EQ(stage_->run([&] { return volumes_->revert(b, s, 1); }).errc(), Errc::not_found);
  EXPECT_EQ(stage_->run([&] { return volumes_->resize(a, 4095); }).errc(), Errc::invalid_argument);
  EXPECT_EQ(stage_->run([&] { return volumes_->rename(a, "b"); }).errc(), Errc::already_exists);
  EXPECT_EQ(stage_->run([&] {
                    return volumes_->clone(s, {"c", uuid_of(3), 4096, 0, 1});
                  })
                .errc(),
            Errc::invalid_argument);
  EXPECT_EQ(stage_->run([&] {
                    return volumes_->snapshot({{a, "x", {}}, {a, "y", {}}}, 1);
                  })
                .errc(),
            Errc::invalid_argument);
  EXPECT_EQ(stage_->run([&] { return volumes_->list(0, 10); })->size(), 2u);
  EXPECT_EQ(stage_->run([&] { return volumes_->snapshots(a, 0, 10); })->size(), 1u);
  expect_consistent();
}

TEST_F(PoolVolumes, names_follow_renames_and_survive_a_crash) {
  const uint32_t a = *make("a");
  ASSERT_TRUE(stage_->run([&] { return volumes_->rename(a, "z"); }).ok());
  ASSERT_TRUE(stage_->run([&] { return volumes_->resize(a, 16 * k_mib); }).ok());
  reopen();
  EXPECT_EQ(*stage_->run([&] { return volumes_->find("z"); }), a);
  EXPECT_EQ(stage_->run([&] { return volumes_->find("a"); }).errc(), Errc::not_found);
  EXPECT_EQ(stage_->run([&] { return volumes_->get(a); })->size_bytes, 16 * k_mib);
  EXPECT_EQ(*make("a"), a + 1);
  expect_consistent();
}

TEST_F(PoolVolumes, a_snapshot_is_one_group_whatever_the_volume_holds) {
  const uint32_t a = *make("a"), b = *make("b");
  for (uint64_t slot = 0; slot < 4; ++slot) ASSERT_TRUE(write(a, slot * 256, 256, 1));
  const uint64_t before = stage_->world.file_changes_count();
  auto made = stage_->run([&] { return volumes_->snapshot({{a, "s", {}}, {b, "s", {}}}, 1); });
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(stage_->world.file_changes_count() - before, 1u);
  ASSERT_TRUE(write(a, 0, 1, 2));
  EXPECT_EQ(read(made->front()).at(0), 1u);
  EXPECT_EQ(read(head_of(a)).at(0), 2u);
  EXPECT_EQ(read(head_of(a)).at(1), 1u);
}

TEST_F(PoolVolumes, a_deleted_snapshot_that_two_volumes_stand_on_is_merged_when_one_is_left) {
  const uint32_t a = *make("a");
  ASSERT_TRUE(write(a, 0, 200, 1));
  const uint32_t s = *snap(a, "s");
  ASSERT_TRUE(write(a, 100, 50, 2));
  const uint32_t clone = *stage_->run([&] { return volumes_->clone(s, {"c", uuid_of(3), 0, 0, 1}); });
  const Content held = read(head_of(a));
  ASSERT_EQ(remove_snapshot(s), Errc::ok);
  EXPECT_EQ(work(), LayerWork::Progress::none);  // both need it
  EXPECT_EQ(stage_->run([&] { return volumes_->layer(s); })->state, LayerState::hidden);
  ASSERT_EQ(remove(clone), Errc::ok);
  while (work() == LayerWork::Progress::some) {
  }
  EXPECT_EQ(stage_->run([&] { return volumes_->layer(s); }).errc(), Errc::not_found);
  EXPECT_EQ(stage_->run([&] { return volumes_->layer(head_of(a)); })->parent, 0u);
  EXPECT_EQ(read(head_of(a)), held);
  expect_consistent();
}

// Volumes, snapshots and clones against maps of blocks, with deletes in any order, background work between,
// and crashes (row D30).
TEST_F(PoolVolumes, D30_volumes_hold_what_was_written_whatever_is_snapshotted_cloned_reverted_or_deleted) {
  uint32_t steps = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    volumes_.reset(), work_.reset();
    restart(seed);
    ASSERT_TRUE(create().ok());
    attach();
    disk_content_.clear();
    std::map<uint32_t, Content> volumes;                         // by id
    std::map<uint32_t, std::pair<uint32_t, Content>> snapshots;  // by layer: of which volume
    uint32_t next = 1;
    const auto any = [&](auto& map) {
      return std::next(map.begin(), static_cast<long>(prng().below(map.size())));
    };
    for (int step = 0; step < 250; ++step) {
      const std::string name = "n" + std::to_string(next++);
      const uint64_t block = prng().below(1024);
      const auto count = static_cast<uint32_t>(1 + prng().below(256 - block % 256));
      switch (volumes.empty() ? 0 : prng().below(12)) {
        case 0:
          if (volumes.size() < 3) volumes[*make(name)] = {};
          break;
        case 1: {
          if (snapshots.size() > 5) break;
          const auto volume = any(volumes);
          snapshots[*snap(volume->first, name)] = {volume->first, volume->second};
          break;
        }
        case 2: {
          if (snapshots.empty() || volumes.size() > 3) break;
          const auto snapshot = any(snapshots);
          const Result<uint32_t> id = stage_->run([&] {
            return volumes_->clone(snapshot->first, {name, uuid_of(3), 0, 0, 1});
          });
          volumes[*id] = snapshot->second.second;
          break;
        }
        case 3: {
          if (snapshots.empty()) break;
          const auto snapshot = any(snapshots);
          const uint32_t volume = snapshot->second.first;
          ASSERT_TRUE(stage_->run([&] { return volumes_->revert(volume, snapshot->first, 1); }).ok());
          volumes[volume] = snapshot->second.second;
          break;
        }
        case 4: {
          if (snapshots.empty()) break;
          const auto snapshot = any(snapshots);
          ASSERT_EQ(remove_snapshot(snapshot->first), Errc::ok);
          snapshots.erase(snapshot);
          break;
        }
        case 5: {
          const auto volume = any(volumes);
          const Errc errc = remove(volume->first);
          const bool has_snapshots =
              std::any_of(snapshots.begin(), snapshots.end(),
                          [&](const auto& snapshot) { return snapshot.second.first == volume->first; });
          ASSERT_EQ(errc, has_snapshots ? Errc::in_use : Errc::ok);
          if (!has_snapshots) volumes.erase(volume);
          break;
        }
        case 6: {
          const auto volume = any(volumes);
          ASSERT_TRUE(zero(volume->first, block, count));
          for (uint64_t i = block; i < block + count; ++i) volume->second.erase(i);
          break;
        }
        case 7:
        case 8: {
          if (work() == LayerWork::Progress::some) ++steps;
          break;
        }
        default: {
          const auto volume = any(volumes);
          if (!write(volume->first, block, count, next)) break;
          for (uint64_t i = block; i < block + count; ++i) volume->second[i] = next;
          break;
        }
      }
      if (prng().chance(1, 40)) {
        ASSERT_NO_FATAL_FAILURE(reopen());
      }
      if (prng().chance(1, 5)) {
        for (const auto& [id, content] : volumes) ASSERT_EQ(read(head_of(id)), content) << "seed " << seed;
        for (const auto& [layer, held] : snapshots) ASSERT_EQ(read(layer), held.second) << "seed " << seed;
        ASSERT_NO_FATAL_FAILURE(expect_consistent());
      }
    }
    // All of it goes, in any order, and every extent comes back.
    while (!snapshots.empty()) {
      const auto snapshot = any(snapshots);
      ASSERT_EQ(remove_snapshot(snapshot->first), Errc::ok);
      snapshots.erase(snapshot);
    }
    for (const auto& [id, content] : volumes) ASSERT_EQ(remove(id), Errc::ok);
    while (work() == LayerWork::Progress::some) ASSERT_NO_FATAL_FAILURE(expect_consistent());
    EXPECT_EQ(work(), LayerWork::Progress::none);
    for (uint64_t i = 0; i < 30; ++i)
      ASSERT_FALSE(store_->extents().is_used(Extent::of(0, i))) << "seed " << seed;
    ASSERT_NO_FATAL_FAILURE(expect_consistent());
  }
  EXPECT_GT(steps, 50u);
}

// Row D30: the power fails in every write of a run of operations; each has happened or not.
TEST_F(PoolVolumes, D30_an_operation_that_a_crash_cuts_has_happened_or_not) {
  for (uint64_t cut = 0; cut < 40; ++cut) {
    volumes_.reset(), work_.reset();
    restart(9);
    disk_content_.clear();
    ASSERT_TRUE(create().ok());
    attach();
    stage_->world.cut_power_after(cut);
    const Result<uint32_t> a = make("a");
    if (a.ok() && write(*a, 0, 100, 1) && write(*a, 300, 100, 2)) {
      const Result<uint32_t> s = snap(*a, "s"), t = snap(*a, "t");
      if (s.ok() && t.ok() && write(*a, 50, 100, 3)) {
        static_cast<void>(stage_->run([&] { return volumes_->clone(*s, {"c", uuid_of(3), 0, 0, 1}); }).ok());
        static_cast<void>(stage_->run([&] { return volumes_->revert(*a, *t, 1); }).ok());
        static_cast<void>(remove_snapshot(*s));
        for (int i = 0; i < 8; ++i) static_cast<void>(stage_->run([&] { return work_->step(); }).ok());
        static_cast<void>(remove_snapshot(*t));
        for (int i = 0; i < 8; ++i) static_cast<void>(stage_->run([&] { return work_->step(); }).ok());
      }
    }
    ASSERT_NO_FATAL_FAILURE(reopen());
    ASSERT_NO_FATAL_FAILURE(expect_consistent()) << "cut " << cut;
    while (work() == LayerWork::Progress::some) {
    }
    ASSERT_NO_FATAL_FAILURE(expect_consistent()) << "cut " << cut;
  }
}

TEST_F(PoolVolumes, D26_the_policy_bounds_what_is_promised) {
  const auto policy = [&](uint32_t overcommit, uint32_t reserve) {
    return stage_->run([&] { return volumes_->set_policy({overcommit, reserve}); });
  };
  EXPECT_EQ(policy(1'000'001, 0).errc(), Errc::invalid_argument);
  EXPECT_EQ(policy(0, 91).errc(), Errc::invalid_argument);
  const uint64_t capacity = store_->extents().extents_count() * k_mib;
  ASSERT_TRUE(policy(150, 0).ok());
  const Result<uint32_t> volume = make("a", capacity);
  ASSERT_TRUE(volume.ok());
  EXPECT_EQ(make("b", capacity).errc(), Errc::no_space);
  const auto resize = [&](uint64_t bytes) {
    return stage_->run([&] { return volumes_->resize(*volume, bytes); }).errc();
  };
  EXPECT_EQ(resize(2 * capacity), Errc::no_space);
  EXPECT_EQ(resize(capacity + capacity / 2), Errc::ok);
  const Result<uint32_t> snapshot = snap(*volume, "s");
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(stage_->run([&] {
                    return volumes_->clone(*snapshot, {"c", uuid_of(3), 0, 0, 7});
                  })
                .errc(),
            Errc::no_space);
  reopen();
  EXPECT_EQ(make("b", k_mib).errc(), Errc::no_space);
  EXPECT_EQ(resize(k_mib), Errc::ok);  // smaller is always allowed

  // The reserve: everything but writes to what is there.
  ASSERT_TRUE(policy(0, 50).ok());
  std::vector<Extent> taken(store_->extents().extents_count() * 6 / 10);
  store_->extents().reserve(taken);
  EXPECT_EQ(make("b", k_mib).errc(), Errc::no_space);
  EXPECT_EQ(snap(*volume, "t").errc(), Errc::no_space);
  EXPECT_EQ(resize(2 * k_mib), Errc::no_space);
  for (const Extent extent : taken) store_->extents().unreserve(extent);
  EXPECT_TRUE(make("b", k_mib).ok());
  EXPECT_EQ(stage_->run([&] { return volumes_->totals(); })->policy.reserve_percent, 50u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
