#include "bdev/pool/chain_index.h"

#include "bdev/pool/resolve.h"
#include "native/bdev_pool/store_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_slots = 12;

// Where each block of a slot is; what reads zeroes is not in it.
using Places = std::map<uint32_t, uint64_t>;

// A chain of layers, made of records.
class PoolChainIndex : public StoreFixture {
 protected:
  PoolChainIndex() { needs_layer_ = false; }
  ~PoolChainIndex() override { leave(); }

  void begin(uint64_t seed, const ChainOptions& options) {
    leave();
    restart(seed);
    layers_ = {1};
    next_layer_ = 2;
    EXPECT_TRUE(create().ok());
    indexes_.emplace(stage_->reactor, *store_, options);
    store_->set_layers_listener(*indexes_);
    index_.emplace(*indexes_);
    commit_of(put_of(1, 0));
  }
  void leave() {
    index_.reset();
    indexes_.reset();
  }
  static std::pair<Key, LayerValue> put_of(uint32_t layer, uint32_t parent) {
    LayerValue value;
    value.parent = parent;
    return {Key::of(KeyType::layer, layer), value};
  }
  void commit_of(const std::pair<Key, LayerValue>& put) {
    TestCommit commit;
    commit.put(put.first, bytes_of(put.second));
    finish(commit);
  }
  void finish(TestCommit& commit) {
    start(commit);
    stage_->world.settle();
    ASSERT_EQ(commit.result, Errc::ok);
  }
  uint32_t head() const { return layers_.back(); }
  void snapshot() {
    commit_of(put_of(next_layer_, head()));
    layers_.push_back(next_layer_++);
  }
  // Of the head; zeroes where no extent is left, which a slot without a parent does not hold.
  void change(uint64_t slot, uint16_t first, uint16_t count) {
    TestCommit commit;
    Extent extent;
    uint32_t reserved = 0;
    const Result<ResolvedSlot> resolved = stage_->run([&] { return resolve(*store_, head(), slot); });
    ASSERT_TRUE(resolved.ok());
    if (resolved->head.fragments_count > 0) {
      extent = resolved->head.fragments[0].extent;
      reserved = 1;
    } else if (prng().chance(1, 2)) {
      stage_->world.on(stage_->reactor, [&] { reserved = store_->extents().reserve({&extent, 1}); });
    }
    if (reserved == 1 && prng().chance(2, 3)) {
      const SlotMap map{head(), first, count, slot, extent};
      commit.add(RecordType::slot_map, bytes_of(map));
    } else {
      if (reserved == 1 && resolved->head.fragments_count == 0) {
        stage_->world.on(stage_->reactor, [&] { store_->extents().unreserve(extent); });
      }
      const SlotZero zero{head(), first, count, slot};
      commit.add(RecordType::slot_zero, bytes_of(zero));
    }
    finish(commit);
  }
  bool holds(uint32_t layer, uint64_t slot) {
    const Key key = slot_key(layer, slot);
    const auto found = stage_->run([&] { return store_->seek(key); });
    return found->has_value() && (*found)->key == key;
  }
  static Places places_of(const ResolvedSlot& resolved) {
    Places places;
    for (uint32_t block = 0; block < 256; ++block) {
      if (const auto extent = resolved.find(block)) places[block] = extent->packed;
    }
    return places;
  }
  Places without_index(uint64_t slot) {
    const auto resolved = stage_->run([&] { return resolve(*store_, head(), slot); });
    EXPECT_TRUE(resolved.ok());
    return places_of(*resolved);
  }
  Places with_index(uint64_t slot) {
    const auto resolved = stage_->run([&] { return resolve(*store_, head(), slot, &*index_); });
    EXPECT_TRUE(resolved.ok());
    return places_of(*resolved);
  }
  std::optional<ChainIndex::Layers> find(uint64_t slot) {
    return stage_->run([&] { return index_->find(head(), slot); });
  }
  // The layer at this place of the chain moves into the one above it; `between` comes after each slot.
  template <typename Between>
  void merge(size_t at, Between between) {
    const uint32_t from = layers_[at], to = layers_[at + 1];
    for (uint64_t slot = 0; slot < k_slots; ++slot) {
      if (!holds(from, slot)) continue;
      const SlotMerge merge{from, to, slot};
      TestCommit commit;
      commit.add(RecordType::slot_merge, bytes_of(merge));
      between(commit, slot);
      if (holds(from, slot)) return;  // it would have five fragments
    }
    TestCommit commit;
    const auto put = put_of(to, at == 0 ? 0 : layers_[at - 1]);
    commit.put(put.first, bytes_of(put.second));
    commit.add(RecordType::remove, bytes_of(Key::of(KeyType::layer, from)));
    layers_.erase(layers_.begin() + static_cast<ptrdiff_t>(at));
    between(commit, prng().below(k_slots));
  }

  // A layer that is younger than those above it comes below the one at this place, as one that is received.
  template <typename Between>
  void receive(size_t at, Between between) {
    const uint32_t made = next_layer_++;
    TestCommit commit;
    for (const auto& put : {put_of(made, at == 0 ? 0 : layers_[at - 1]), put_of(layers_[at], made)}) {
      commit.put(put.first, bytes_of(put.second));
    }
    layers_.insert(layers_.begin() + static_cast<ptrdiff_t>(at), made);
    between(commit, prng().below(k_slots));
  }
  // The layer below gets all that this one has of a slot of which it has nothing.
  template <typename Between>
  void move_down(size_t at, uint64_t slot, Between between) {
    if (!holds(layers_[at], slot) || holds(layers_[at - 1], slot)) return;
    const SlotMerge merge{layers_[at], layers_[at - 1], slot};
    TestCommit commit;
    commit.add(RecordType::slot_merge, bytes_of(merge));
    between(commit, slot);
  }

  std::vector<uint32_t> layers_;  // from the first to the head
  uint32_t next_layer_ = 2;
  std::optional<ChainIndexes> indexes_;
  std::optional<ChainIndex> index_;
};

TEST_F(PoolChainIndex, names_the_layers_that_hold_a_slot_and_follows_snapshots_and_merges) {
  begin(1, {});
  snapshot();  // the first holds nothing: nothing is below it that zeroes could hide
  change(3, 0, 8);
  for (int i = 0; i < 30; ++i) snapshot();
  const uint32_t middle = head();
  change(3, 4, 8);
  for (int i = 0; i < 30; ++i) snapshot();
  EXPECT_EQ(index_->known(head(), 3), std::nullopt);
  EXPECT_EQ(find(3), (ChainIndex::Layers{middle, 2}));
  EXPECT_EQ(index_->known(head(), 5), ChainIndex::Layers{});
  // What was the head is found with the next snapshot.
  change(5, 0, 1);
  const uint32_t top = head();
  snapshot();
  EXPECT_EQ(index_->known(head(), 5), std::nullopt);
  EXPECT_EQ(find(5), ChainIndex::Layers{top});
  // The layer that a merge moves the slot to takes the place of the one that had it.
  const uint32_t above = layers_[32];
  ASSERT_EQ(layers_[31], middle);
  merge(31, [&](TestCommit& commit, uint64_t) { finish(commit); });
  EXPECT_EQ(index_->known(head(), 3), (ChainIndex::Layers{above, 2}));
  const uint32_t third = layers_[2];
  merge(1, [&](TestCommit& commit, uint64_t) { finish(commit); });
  EXPECT_EQ(index_->known(head(), 3), (ChainIndex::Layers{above, third}));
  merge(0, [&](TestCommit& commit, uint64_t) { finish(commit); });
  EXPECT_EQ(with_index(3), without_index(3));
}

// Its number is higher than those of the layers that stand on it.
TEST_F(PoolChainIndex, names_layers_that_were_received_in_the_order_of_the_chain) {
  begin(1, {});
  snapshot();
  for (int i = 0; i < 15; ++i) snapshot();
  change(3, 0, 8);
  const uint32_t above = head();
  for (int i = 0; i < 30; ++i) snapshot();
  const auto now = [&](TestCommit& commit, uint64_t) { finish(commit); };
  const size_t place = static_cast<size_t>(std::ranges::find(layers_, above) - layers_.begin());
  receive(place, now);
  const uint32_t received = layers_[place];
  ASSERT_GT(received, above);
  const SlotZero zero{received, 4, 8, 3};
  TestCommit commit;
  commit.add(RecordType::slot_zero, bytes_of(zero));
  finish(commit);
  EXPECT_EQ(find(3), (ChainIndex::Layers{above, received}));
  EXPECT_EQ(with_index(3), without_index(3));
  // What comes is known with it, and what was known is not lost by one more that is received elsewhere.
  change(5, 0, 1);
  const uint32_t top = head();
  snapshot();
  EXPECT_EQ(find(5), ChainIndex::Layers{top});
  receive(2, now);
  EXPECT_EQ(index_->known(head(), 3), std::nullopt);
  EXPECT_EQ(find(3), (ChainIndex::Layers{above, received}));
  merge(place, now);
  EXPECT_EQ(with_index(3), without_index(3));
}

TEST_F(PoolChainIndex, a_layer_that_is_hidden_is_asked_once) {
  begin(1, {});
  snapshot();
  for (int i = 0; i < 20; ++i) {
    change(0, 0, 1);
    snapshot();
  }
  for (int i = 0; i < 20; ++i) snapshot();
  ASSERT_EQ(find(0)->size(), 20u);
  EXPECT_EQ(with_index(0), without_index(0));
  EXPECT_EQ(index_->known(head(), 0)->size(), 1u);
  EXPECT_EQ(with_index(0), without_index(0));
}

TEST_F(PoolChainIndex, is_bounded_and_gives_up_where_every_layer_holds_everything) {
  ChainOptions options;
  options.holders_max = 4;
  options.region_slots_min = 4;
  begin(1, options);
  snapshot();
  for (int i = 0; i < 10; ++i) {
    for (uint64_t slot = 0; slot < k_slots; ++slot) change(slot, static_cast<uint16_t>(i), 1);
    snapshot();
  }
  EXPECT_EQ(find(0)->size(), 10u);  // 4 slots of it have 40 holders, which is not more than 52
  options.region_slots_min = 8;
  leave();
  indexes_.emplace(stage_->reactor, *store_, options);
  store_->set_layers_listener(*indexes_);
  index_.emplace(*indexes_);
  EXPECT_EQ(find(0), std::nullopt);
  EXPECT_EQ(with_index(0), without_index(0));
  options.bytes_max = 8;
  leave();
  indexes_.emplace(stage_->reactor, *store_, options);
  store_->set_layers_listener(*indexes_);
  index_.emplace(*indexes_);
  EXPECT_EQ(find(0), std::nullopt);
  EXPECT_EQ(indexes_->bytes(), 0u);
}

// Look-ups with an index beside those that ask every layer, while snapshots in the middle go, new ones come
// and others are received; some are under way when a merge takes effect, with pages that have to be read (row
// D30).
TEST_F(PoolChainIndex, D30_finds_what_a_walk_through_all_layers_finds_whatever_is_deleted) {
  frames_ = 24;
  uint64_t found_count = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Prng choice(seed);
    ChainOptions options;
    options.layers_asked = static_cast<uint32_t>(choice.below(3));
    options.region_slots_min = choice.chance(1, 2) ? 1 : 2;
    options.region_slots_max = choice.chance(1, 2) ? 4 : 16;
    options.holders_max = static_cast<uint32_t>(choice.below(8));
    if (choice.chance(1, 3)) options.bytes_max = 2400;
    begin(seed, options);
    const auto together = [&](TestCommit& commit, uint64_t slot) {
      const Places expected = without_index(slot);
      stage_->world.shuffle_file_operations(true);
      std::deque<Task<Result<ResolvedSlot>>> tasks;
      const auto look = [&] {
        stage_->world.on(stage_->reactor, [&] { tasks.push_back(resolve(*store_, head(), slot, &*index_)); });
      };
      look();
      start(commit);
      look();
      ASSERT_TRUE(stage_->world.run_until([&] {
        return std::all_of(tasks.begin(), tasks.end(), [](const auto& task) { return task.is_done(); });
      }));
      stage_->world.settle();
      ASSERT_EQ(commit.result, Errc::ok);
      for (auto& task : tasks) {
        ASSERT_TRUE(task.value().ok());
        ASSERT_EQ(places_of(*task.value()), expected) << "seed " << seed << " slot " << slot;
      }
    };
    for (int step = 0; step < 120; ++step) {
      const uint64_t slot = prng().below(k_slots);
      const auto first = static_cast<uint16_t>(prng().below(4));
      switch (prng().below(8)) {
        case 0:
        case 1:
          if (layers_.size() > 1) change(slot, first, static_cast<uint16_t>(1 + prng().below(4)));
          break;
        case 2:
          if (layers_.size() < 40) snapshot();
          break;
        case 3:
          if (layers_.size() > 6) merge(prng().below(layers_.size() - 1), together);
          break;
        case 4:
          if (layers_.size() > 2 && layers_.size() < 40) receive(prng().below(layers_.size()), together);
          break;
        case 5:
          if (layers_.size() > 2) move_down(1 + prng().below(layers_.size() - 2), slot, together);
          break;
        default:
          if (index_->known(head(), slot)) ++found_count;
          ASSERT_EQ(with_index(slot), without_index(slot)) << "seed " << seed << " step " << step;
      }
      if (HasFatalFailure()) return;
      ASSERT_LE(indexes_->bytes(), options.bytes_max);
    }
  }
  EXPECT_GT(found_count, 100u);  // the index was used
}

}  // namespace
}  // namespace ballast::bdev::pool::test
