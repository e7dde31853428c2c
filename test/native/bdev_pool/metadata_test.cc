#include "bdev/pool/metadata.h"

#include <map>

#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_size = 36 * k_mib;
constexpr uint32_t k_frames = 400;

using Model = std::map<Key, std::vector<uint8_t>>;

// Random operations on the tree and on a std::map beside it.
class PoolMetadata : public testing::Test {
 protected:
  ~PoolMetadata() override { metadata_.reset(); }

  void create() {
    metadata_.emplace(*disk_, layout_, k_pool_uuid, frames_);
    metadata_->create();
    ASSERT_EQ(checkpoint(), Errc::ok);
  }
  Outcome open() {
    metadata_.reset();
    metadata_.emplace(*disk_, layout_, k_pool_uuid, frames_);
    return stage_.run([&] { return metadata_->open(); });
  }
  Errc checkpoint() {
    return stage_.run([&] {
      metadata_->freeze({++position_, 0}, true, false);
      return metadata_->write_frozen();
    });
  }
  Errc put(const Key& key, const std::vector<uint8_t>& value) {
    return stage_.run([&] { return metadata_->put(key, value); });
  }
  Errc remove(const Key& key) {
    return stage_.run([&] { return metadata_->remove(key); });
  }
  // The value, or nothing.
  std::optional<std::vector<uint8_t>> get(const Key& key) {
    auto found = stage_.run([&] { return metadata_->seek(key); });
    EXPECT_TRUE(found.ok());
    if (!found.ok() || !found->has_value() || (*found)->key != key) return std::nullopt;
    return std::vector<uint8_t>((*found)->value.begin(), (*found)->value.end());
  }
  Key random_key() { return {prng().below(3) << 56, prng().below(key_space_)}; }
  std::vector<uint8_t> random_value() {
    const uint64_t size_max = prng().chance(1, 8) ? k_value_bytes_max : 90;
    return std::vector<uint8_t>(prng().below(size_max + 1), static_cast<uint8_t>(prng().next()));
  }
  // False when the power is off.
  bool change(Model& model) {
    const Key key = random_key();
    if (prng().chance(removals_, 10)) {
      const Errc errc = remove(key);
      if (errc != Errc::ok) return after(errc);
      model.erase(key);
    } else {
      const std::vector<uint8_t> value = random_value();
      const Errc errc = put(key, value);
      if (errc != Errc::ok) return after(errc);
      model[key] = value;
    }
    return true;
  }
  bool after(Errc errc) {
    EXPECT_TRUE(errc == Errc::no_space || stage_.world.power_is_off()) << errc_text(errc);
    return errc == Errc::no_space && checkpoint() == Errc::ok;
  }
  void expect_same(const Model& model) {
    EXPECT_EQ(scan(), model);
    EXPECT_EQ(metadata_->root().keys_count, model.size());
  }
  Model scan() {
    Model found;
    Key from{};
    for (;;) {
      auto entry = stage_.run([&] { return metadata_->seek(from); });
      EXPECT_TRUE(entry.ok());
      if (!entry.ok() || !entry->has_value()) return found;
      const Key key = (*entry)->key;
      EXPECT_TRUE(found.empty() || found.rbegin()->first < key);
      found[key] = {(*entry)->value.begin(), (*entry)->value.end()};
      from = {key.high + (key.low == UINT64_MAX ? 1 : 0), key.low + 1};
    }
  }
  void power_cycle(UnsyncedWrites unsynced) {
    metadata_.reset();
    disk_.reset();
    stage_.world.restore_power(unsynced);
    disk_ = stage_.open("a", k_size);
  }
  Prng& prng() { return stage_.world.prng(); }

  PoolStage stage_;
  std::unique_ptr<Disk> disk_ = stage_.open("a", k_size);
  MetadataLayout layout_ = *MetadataLayout::of(k_metadata_bytes_min);
  std::optional<Metadata> metadata_;
  uint32_t frames_ = k_frames;
  uint64_t key_space_ = 20000;
  uint64_t removals_ = 3;
  uint64_t position_ = 0;
};

TEST_F(PoolMetadata, a_new_tree_is_empty_and_opens_again) {
  create();
  EXPECT_EQ(get({1, 1}), std::nullopt);
  ASSERT_TRUE(open().ok());
  expect_same({});
  EXPECT_EQ(metadata_->root().head.generation, 1u);
}

TEST_F(PoolMetadata, a_device_without_a_root_is_refused) { EXPECT_EQ(open().errc(), Errc::io_error); }

TEST_F(PoolMetadata, of_clean_pages_the_oldest_go_when_there_are_more_than_may_be) {
  create();
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(put({0, i}, std::vector<uint8_t>(900, 1)), Errc::ok);
  ASSERT_EQ(checkpoint(), Errc::ok);
  EXPECT_GT(metadata_->clean_count(), 200u);
  metadata_->set_clean_max(20);
  EXPECT_EQ(metadata_->clean_count(), 20u);
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(get({0, i * 7 % 1000}).has_value());
    ASSERT_LE(metadata_->clean_count(), 20u);
  }
  // What has changed is not bounded by it, and comes under it when it is written.
  for (uint64_t i = 0; i < 300; ++i) ASSERT_EQ(put({0, i}, std::vector<uint8_t>(900, 2)), Errc::ok);
  EXPECT_GT(metadata_->changed_count(), 60u);
  ASSERT_EQ(checkpoint(), Errc::ok);
  EXPECT_EQ(metadata_->clean_count(), 20u);
  EXPECT_EQ(get({0, 299}), std::vector<uint8_t>(900, 2));
  EXPECT_EQ(get({0, 300}), std::vector<uint8_t>(900, 1));
}

TEST_F(PoolMetadata, is_a_map_whatever_is_in_memory) {
  create();
  Model model;
  for (int round = 0; round < 12; ++round) {
    removals_ = round % 3 == 2 ? 8 : 2;  // grows, and shrinks again
    for (int i = 0; i < 2500; ++i) ASSERT_TRUE(change(model));
    for (int i = 0; i < 200; ++i) {
      const Key key = random_key();
      const auto found = model.find(key);
      ASSERT_EQ(get(key), found == model.end() ? std::nullopt : std::make_optional(found->second));
    }
    if (round % 2 == 0) {
      ASSERT_EQ(checkpoint(), Errc::ok);
      ASSERT_TRUE(open().ok());
      expect_same(model);
    }
  }
}

TEST_F(PoolMetadata, a_tree_that_is_emptied_gives_every_page_back) {
  create();
  const uint32_t free_pages = metadata_->free_map().free_count();
  Model model;
  removals_ = 0;
  for (int i = 0; i < 6000; ++i) ASSERT_TRUE(change(model));
  ASSERT_EQ(checkpoint(), Errc::ok);
  EXPECT_LT(metadata_->free_map().free_count(), free_pages);
  EXPECT_GE(metadata_->root().tree_levels, 3);
  for (const auto& [key, value] : model) {
    Errc errc = remove(key);
    while (errc == Errc::no_space && checkpoint() == Errc::ok) errc = remove(key);
    ASSERT_EQ(errc, Errc::ok);
  }
  ASSERT_EQ(checkpoint(), Errc::ok);
  ASSERT_EQ(checkpoint(), Errc::ok);
  EXPECT_EQ(metadata_->root().tree_levels, 0);
  EXPECT_EQ(metadata_->free_map().free_count(), free_pages);
  EXPECT_EQ(metadata_->root().pages_used, 0u);
}

TEST_F(PoolMetadata, changes_go_on_while_a_checkpoint_is_written) {
  create();
  Model model;
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(change(model));
  ASSERT_EQ(checkpoint(), Errc::ok);
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(change(model));
    const Model frozen = model;
    std::optional<Task<Errc>> written;
    stage_.world.on(stage_.reactor, [&] {
      metadata_->freeze({++position_, 0}, true, false);
      written.emplace(metadata_->write_frozen());
    });
    // Nothing has reached the disk yet; what is changed now is of the next checkpoint.
    for (int i = 0; i < 30; ++i) {
      const Key key = random_key();
      const std::vector<uint8_t> value = random_value();
      ASSERT_EQ(put(key, value), Errc::ok);
      model[key] = value;
    }
    ASSERT_TRUE(stage_.world.run_until([&] { return written->is_done(); }));
    ASSERT_EQ(written->value(), Errc::ok);
    if (round % 2 == 0) {
      ASSERT_TRUE(open().ok());
      expect_same(frozen);
      model = frozen;
    }
  }
}

// Rows D1, D2, D7: the power fails in every change of a checkpoint, and sectors reach the disk in any way.
// What is found is the state of this checkpoint or of the one before, whole.
TEST_F(PoolMetadata, D7_a_crash_in_any_write_of_a_checkpoint_leaves_it_or_the_one_before) {
  create();
  Model model;
  key_space_ = 3000;
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(change(model));
  ASSERT_EQ(checkpoint(), Errc::ok);
  uint32_t kept = 0, lost = 0;
  for (uint64_t cut = 0, round = 0; round < 120; ++round) {
    Model changed = model;
    for (int i = 0; i < 25; ++i) ASSERT_TRUE(change(changed));
    stage_.world.cut_power_after(cut);
    if (checkpoint() == Errc::ok) {
      model = changed;
      cut = 0;  // it was longer than all its writes: from the first again
    } else {
      ++cut;
    }
    power_cycle(UnsyncedWrites::random);
    const Outcome opened = open();
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    const Model found = scan();
    ASSERT_TRUE(found == model || found == changed) << "round " << round;
    ++(found == changed ? kept : lost);
    model = found;
    // And goes on as if nothing had been.
    ASSERT_EQ(checkpoint(), Errc::ok);
  }
  EXPECT_GT(kept, 5u);
  EXPECT_GT(lost, 20u);
}

// Row D8: each page of the metadata, rotten.
TEST_F(PoolMetadata, D8_rot_in_any_page_is_found_and_never_believed) {
  create();
  Model model;
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(change(model));
  ASSERT_EQ(checkpoint(), Errc::ok);
  uint32_t refused = 0, unreadable = 0;
  for (uint32_t page = 0; page < layout_.pages_count; ++page) {
    if (page >= k_journal_first_page && page < layout_.free_map_first) continue;
    if (page > layout_.tree_first + 900) break;
    if (!prng().chance(1, 6)) continue;
    const uint64_t at = MetadataLayout::address(page) + prng().below(k_page_bytes);
    stage_.world.spoil_file("a", at, 0x10);
    const Outcome opened = open();
    if (!opened.ok()) {
      ++refused;
    } else if (metadata_->root().head.generation + 1 == position_) {
      // The root was hit: the one before serves, whose pages are still there.
    } else {
      for (const auto& [key, value] : model) {
        auto found = stage_.run([&] { return metadata_->seek(key); });
        if (!found.ok()) {
          ASSERT_EQ(found.errc(), Errc::io_error);
          ++unreadable;
          break;
        }
        ASSERT_TRUE(found->has_value() && (*found)->key == key);
        ASSERT_TRUE(std::equal((*found)->value.begin(), (*found)->value.end(), value.begin(), value.end()));
      }
    }
    stage_.world.spoil_file("a", at, 0x10);  // as it was
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(unreadable, 10u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
