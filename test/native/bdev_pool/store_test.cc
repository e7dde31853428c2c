#include "bdev/pool/store.h"

#include "native/bdev_pool/store_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

class PoolStore : public StoreFixture {
 protected:
  // Commits of one after another, some in flight together, until the power fails or there were enough. The
  // model that scan() must give is that of the first `k` commits, k between those acknowledged and all.
  void commit_some(uint64_t count) {
    StoreModel ahead = model_of(commits_.size());
    for (uint64_t i = 0; i < count && !stage_->world.power_is_off(); ++i) {
      TestCommit& commit = random_commit(ahead);
      for (const Record& record : commit.records) ahead.apply(record);
      start(commit);
      if (prng().chance(1, 3)) stage_->world.settle();
      if (prng().chance(1, 40)) checkpoint_in_the_background();
    }
    stage_->world.settle();
  }
  void checkpoint_in_the_background() {
    checkpoints_.remove_if([](const Task<Errc>& task) { return task.is_done(); });
    stage_->world.on(stage_->reactor, [&] { checkpoints_.push_back(store_->checkpoint()); });
  }
  StoreModel model_of(size_t commits_count) {
    StoreModel model;
    for (size_t i = 0; i < commits_count; ++i) {
      for (const Record& record : commits_[i].records) model.apply(record);
    }
    return model;
  }
  // Expects the state of an allowed number of commits, and goes on from there.
  void expect_what_was_acknowledged() {
    size_t acknowledged = 0;
    for (const TestCommit& commit : commits_) {
      ASSERT_TRUE(commit.result.has_value());
      if (commit.result != Errc::ok) break;
      ++acknowledged;
    }
    const StoreModel found = scan();
    StoreModel model = model_of(acknowledged);
    size_t k = acknowledged;
    while (without_empty_slots(model) != found) {
      ASSERT_LT(k, commits_.size()) << "is the state of no moment; " << acknowledged << " acknowledged";
      for (const Record& record : commits_[k].records) model.apply(record);
      ++k;
    }
    while (commits_.size() > k) commits_.pop_back();
    for (TestCommit& commit : commits_) commit.result = Errc::ok;
  }

  std::list<Task<Errc>> checkpoints_;
};

TEST_F(PoolStore, what_was_committed_is_there_after_a_kill_without_any_checkpoint) {
  ASSERT_TRUE(create().ok());
  commit_some(50);
  crash(UnsyncedWrites::dropped);
  ASSERT_TRUE(open().ok());
  expect_what_was_acknowledged();
  EXPECT_EQ(commits_.size(), 51u);
}

TEST_F(PoolStore, a_closed_store_opens_without_a_journal_to_replay) {
  ASSERT_TRUE(create().ok());
  commit_some(50);
  ASSERT_EQ(stage_->run([&] { return store_->close(); }), Errc::ok);
  EXPECT_EQ(store_->metadata().root().flags, k_root_closed);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(store_->metadata().root().flags, 0);
  expect_what_was_acknowledged();
}

TEST_F(PoolStore, goes_on_for_many_laps_of_the_journal) {
  ASSERT_TRUE(create().ok());
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 700; ++i) {
      commits_.emplace_back();
      commits_.back().put(Key::of(KeyType::volume, prng().below(2000)),
                          std::vector<uint8_t>(900, uint8_t(round)));
      start(commits_.back());
      stage_->world.settle();  // a block for each
    }
    stage_->world.settle();
  }
  EXPECT_GT(store_->metadata().root().journal_sequence, 2 * 2048u);
  crash(UnsyncedWrites::dropped);
  ASSERT_TRUE(open().ok());
  expect_what_was_acknowledged();
}

// Rows D1, D2, D7, D30: the power fails in every single write and sync of a run, one run for each.
TEST_F(PoolStore, D1_a_crash_in_every_write_leaves_all_that_was_acknowledged_and_no_half_group) {
  uint64_t crashes = 0;
  for (uint64_t cut = 0;; ++cut) {
    restart(77);
    checkpoints_.clear();
    ASSERT_TRUE(create().ok());
    stage_->world.cut_power_after(cut);
    commit_some(200);
    if (!stage_->world.power_is_off()) break;
    ++crashes;
    crash(UnsyncedWrites::random);
    const Outcome opened = open();
    ASSERT_TRUE(opened.ok()) << "cut " << cut << ": " << opened.error().text;
    expect_what_was_acknowledged();
    ASSERT_FALSE(HasFatalFailure()) << "cut " << cut;
  }
  EXPECT_GT(crashes, 60u);
}

// Row D1: what a killed process wrote last, its root too, may be in the disk's cache only; and what the next
// opening writes goes to pages that the root before that one names.
TEST_F(PoolStore, D1_a_power_failure_in_an_opening_after_a_kill_loses_nothing) {
  uint64_t failures = 0;
  // False: it would have been killed later, or the opening had ended.
  const auto kill_and_cut = [&](uint64_t seed, uint64_t killed_in, uint64_t cut_in) {
    restart(seed);
    checkpoints_.clear();
    EXPECT_TRUE(create().ok());
    commit_some(60);
    EXPECT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::ok);
    commit_some(20);
    stage_->world.cut_power_after(killed_in);
    checkpoint_in_the_background();
    commit_some(1);
    if (!stage_->world.power_is_off()) return false;
    drop();
    stage_->world.restart_process();
    disk_ = stage_->open("a", k_size);
    stage_->world.cut_power_after(cut_in);
    static_cast<void>(open().ok());
    if (!stage_->world.power_is_off()) return false;
    ++failures;
    crash(UnsyncedWrites::random);
    return true;
  };
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (uint64_t killed_in = 0; killed_in < 6; ++killed_in) {
      for (uint64_t cut_in = 0; kill_and_cut(seed, killed_in, cut_in); ++cut_in) {
        const Outcome opened = open();
        ASSERT_TRUE(opened.ok()) << "seed " << seed << ", killed in " << killed_in << ", cut in " << cut_in
                                 << ": " << opened.error().text;
        expect_what_was_acknowledged();
        ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(failures, 100u);
}

// Crash upon crash, also in the opening itself, which replays and writes a checkpoint.
TEST_F(PoolStore, D1_crashes_in_a_row_and_while_opening_lose_nothing) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    restart(seed);
    checkpoints_.clear();
    ASSERT_TRUE(create().ok());
    for (int round = 0; round < 12; ++round) {
      stage_->world.cut_power_after(prng().below(40));
      commit_some(60);
      crash(UnsyncedWrites::random);
      for (uint64_t cuts = prng().below(4); cuts > 0; --cuts) {
        stage_->world.cut_power_after(prng().below(6));
        static_cast<void>(open().ok());
        crash(UnsyncedWrites::random);
      }
      const Outcome opened = open();
      ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.error().text;
      expect_what_was_acknowledged();
      ASSERT_FALSE(HasFatalFailure()) << "seed " << seed << " round " << round;
    }
  }
}

// The ring is full again and again, so that checkpoints are written while commits take effect.
TEST_F(PoolStore, D1_a_crash_while_the_ring_is_full_loses_nothing) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    restart(seed);
    ASSERT_TRUE(create().ok());
    stage_->world.cut_power_after(150 + prng().below(60));
    for (uint64_t i = 0; !stage_->world.power_is_off(); ++i) {
      commits_.emplace_back();
      for (int part = 0; part < 60; ++part) {
        const Key key = Key::of(KeyType::volume, prng().below(200));
        commits_.back().put(key, std::vector<uint8_t>(k_value_bytes_max, static_cast<uint8_t>(i)));
      }
      start(commits_.back());
      if (i % 150 == 149) stage_->world.settle();
    }
    crash(UnsyncedWrites::random);
    const Outcome opened = open();
    ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.error().text;
    expect_what_was_acknowledged();
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

// Row D5.
TEST_F(PoolStore, D5_a_failed_sync_of_a_checkpoint_breaks_the_store_until_it_is_opened_again) {
  ASSERT_TRUE(create().ok());
  commit_some(20);
  stage_->world.fail_file_operations("a", FileOp::Kind::sync_data, EIO, 1);
  EXPECT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::io_error);
  EXPECT_TRUE(store_->is_broken());
  TestCommit refused;
  refused.put(Key::of(KeyType::volume, 1), {});
  start(refused);
  stage_->world.settle();
  EXPECT_EQ(refused.result, Errc::io_error);
  EXPECT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::io_error);
  crash(UnsyncedWrites::dropped);
  ASSERT_TRUE(open().ok());
  expect_what_was_acknowledged();
}

// Row D6: no room for metadata refuses what adds to it; deleting goes on and makes room again.
TEST_F(PoolStore, D6_full_metadata_refuses_creating_and_lets_deleting_go_on) {
  ASSERT_TRUE(create().ok());
  const std::vector<uint8_t> value(k_value_bytes_max, 1);
  uint64_t keys = 0;
  for (bool is_full = false; !is_full;) {
    ASSERT_LT(keys, 100'000u);
    for (int i = 0; i < 50; ++i) {
      commits_.emplace_back();
      commits_.back().put(Key::of(KeyType::volume, keys++), value);
      start(commits_.back());
    }
    stage_->world.settle();
    is_full = commits_.back().result == Errc::no_space;
    while (commits_.size() > 50) commits_.pop_front();
  }
  EXPECT_FALSE(store_->is_broken());
  for (uint64_t key = 0; key < keys; ++key) {
    const Key wanted = Key::of(KeyType::volume, key);
    TestCommit removal;
    removal.add(RecordType::remove, bytes_of(wanted));
    removal.commit.uses_reserve = true;
    start(removal);
    stage_->world.settle();
    ASSERT_EQ(removal.result, Errc::ok);
  }
  TestCommit again;
  again.put(Key::of(KeyType::volume, 1), value);
  start(again);
  stage_->world.settle();
  EXPECT_EQ(again.result, Errc::ok);
}

// Row D8: a root that the disk lost, or wrote elsewhere, does not stay unnoticed.
TEST_F(PoolStore, D8_a_lost_or_misdirected_root_breaks_the_checkpoint_and_loses_nothing) {
  for (const SimulatedFault::Kind kind : {SimulatedFault::Kind::lost, SimulatedFault::Kind::misdirected}) {
    restart(3);
    ASSERT_TRUE(create().ok());
    commit_some(20);
    stage_->world.spoil_file_operations("a", FileOp::Kind::write_durable, {kind, 0, 20 * k_mib}, 1);
    EXPECT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::io_error);
    crash(UnsyncedWrites::kept);
    ASSERT_TRUE(open().ok());
    expect_what_was_acknowledged();
  }
}

}  // namespace
}  // namespace ballast::bdev::pool::test
