// check(): each kind of damage is found and named, what can be repaired is, and nothing is written otherwise.
#include "bdev/pool/check.h"

#include "bdev/pool/pool.h"
#include "native/bdev_pool/check_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr CheckOptions k_repair{.repair = true, .frames_count = 512};
constexpr CheckOptions k_discard{.repair = true, .discard_damaged = true, .frames_count = 512};

class PoolCheck : public CheckFixture {
 protected:
  // The pool is whole afterwards: checked, and opened.
  void expect_clean() {
    const CheckReport report = check();
    EXPECT_TRUE(report.is_clean()) << text(report);
    const Outcome opened = open();
    EXPECT_TRUE(opened.ok()) << opened.error().text;
  }
  void expect_repaired(const CheckReport& report) {
    for (const CheckFinding& finding : report.findings) EXPECT_TRUE(finding.is_repaired) << text(report);
    EXPECT_EQ(report.errors_count(), 0u);
    expect_clean();
  }
  // As the next process does: one that has failed is poisoned.
  void reopen_disks() {
    disks_.clear();
    for (int i = 0; i < 2; ++i) disks_.push_back(stage_->open(k_paths[i], k_sizes[i]));
  }
};

// ---- nothing wrong ----

TEST_F(PoolCheck, a_new_pool_is_clean) {
  close();
  const CheckReport report = check();
  EXPECT_TRUE(report.is_clean()) << text(report);
  EXPECT_EQ(report.pool_name, "tank");
  EXPECT_EQ(report.counters.devices, 2u);
  EXPECT_EQ(report.counters.superblock_copies, 8u);
}

TEST_F(PoolCheck, a_pool_in_use_is_clean_closed_and_after_a_crash_and_counts_add_up) {
  fill();
  leave();
  const CheckReport crashed = check();
  EXPECT_TRUE(crashed.is_clean()) << text(crashed);
  EXPECT_GT(crashed.counters.journal_groups, 80u);
  ASSERT_TRUE(open().ok());
  close();
  CheckReport closed = check();
  EXPECT_TRUE(closed.is_clean()) << text(closed);
  EXPECT_EQ(closed.counters.journal_groups, 0u);
  EXPECT_GT(closed.counters.tree_pages, 10u);
  EXPECT_EQ(closed.counters.volumes, 3u);
  EXPECT_EQ(closed.counters.layers, 5u);
  EXPECT_EQ(closed.counters.slots, 91u);
  EXPECT_EQ(closed.counters.extents_used, 91u);
  // The journal in memory over the tree is what an opening makes of it.
  closed.counters.journal_groups = crashed.counters.journal_groups;
  EXPECT_EQ(closed.counters.slots, crashed.counters.slots);
  EXPECT_EQ(closed.counters.extents_used, crashed.counters.extents_used);
  EXPECT_EQ(closed.counters.layers, crashed.counters.layers);
}

TEST_F(PoolCheck, writes_nothing_without_repair_and_nothing_with_it_when_all_is_well) {
  fill();
  close();
  ASSERT_TRUE(open().ok());
  write(web_, 60);
  leave();
  const uint64_t changes = stage_->world.file_changes_count();
  check();
  check(k_repair);
  check(k_discard);
  EXPECT_EQ(stage_->world.file_changes_count(), changes);
  spoil_page(leaf_of(Key::of(KeyType::slot, 1)));
  stage_->world.spoil_file("a", 512 * k_kib + 9, 1);
  check();
  EXPECT_EQ(stage_->world.file_changes_count(), changes);
}

TEST_F(PoolCheck, finds_devices_in_any_order_and_names_a_missing_one) {
  fill();
  leave();
  std::swap(disks_[0], disks_[1]);
  EXPECT_TRUE(check().is_clean());
  std::swap(disks_[0], disks_[1]);
  disks_.pop_back();
  const CheckReport report = check();
  EXPECT_TRUE(has(report, CheckSeverity::error, "devices", uuid_of(0x21).text() + " of the pool is missing"))
      << text(report);
}

TEST_F(PoolCheck, says_that_a_disk_is_of_no_pool_and_leaves_it_alone) {
  leave();
  disks_.clear();
  disks_.push_back(stage_->open("other", 64 * k_mib));
  const uint64_t changes = stage_->world.file_changes_count();
  const CheckReport report = check(k_discard);
  EXPECT_EQ(report.errors_count(), 1u) << text(report);
  EXPECT_TRUE(report.pool_name.empty());
  EXPECT_EQ(report.findings[0].where, "disk 0");
  EXPECT_EQ(stage_->world.file_changes_count(), changes);
}

// ---- superblocks, row by row of four copies on two devices ----

TEST_F(PoolCheck, rewrites_worn_superblock_copies_of_each_device_whichever_three_they_are) {
  fill();
  close();
  for (int device = 0; device < 2; ++device) {
    const auto offsets = superblock_offsets(k_sizes[device]);
    for (size_t good = 0; good < 4; ++good) {
      for (size_t copy = 0; copy < 4; ++copy) {
        if (copy != good) stage_->world.spoil_file(k_paths[device], offsets[copy] + 300 + copy, 0x80);
      }
      CheckReport report = check();
      EXPECT_EQ(report.findings.size(), 3u) << text(report);
      EXPECT_EQ(report.counters.superblock_copies, 5u);
      EXPECT_EQ(report.errors_count(), 0u);
      report = check(k_repair);
      EXPECT_EQ(report.findings.size(), 3u);
      ASSERT_NO_FATAL_FAILURE(expect_repaired(report));
      close();
    }
  }
}

TEST_F(PoolCheck, brings_an_older_device_up_to_date) {
  close();
  superblock_.head.generation = 9;
  ASSERT_EQ(stage_->run([&] { return write_superblocks(*disks_[0], superblock_); }), Errc::ok);
  EXPECT_TRUE(has(check(), CheckSeverity::warning, "device 1", "generation 7"));
  expect_repaired(check(k_repair));
}

TEST_F(PoolCheck, ends_what_adding_a_device_has_left) {
  close();
  Superblock joining = superblock_;
  joining.device_index = 1;
  joining.device_uuid = uuid_of(0x21);
  joining.state = PoolState::joining;
  ASSERT_EQ(stage_->run([&] { return write_superblocks(*disks_[1], joining); }), Errc::ok);
  EXPECT_TRUE(has(check(), CheckSeverity::warning, "device 1", "cut short"));
  expect_repaired(check(k_repair));
}

TEST_F(PoolCheck, takes_files_and_closes_them) {
  fill();
  close();
  disks_.clear();
  std::vector<PoolFile> files;
  for (const char* const path : k_paths)
    files.push_back({path, std::move(*stage_->world.files().open(path, {}))});
  const CheckReport report = stage_->run([&] { return pool::check(stage_->reactor, std::move(files), {}); });
  EXPECT_TRUE(report.is_clean()) << text(report);
  EXPECT_TRUE(stage_->world.files().open("a", {}).ok());
}

TEST_F(PoolCheck, refuses_an_old_image_of_the_first_device) {
  close();
  Superblock newer = superblock_;
  newer.head.generation = 9;
  newer.device_index = 1;
  newer.device_uuid = uuid_of(0x21);
  ASSERT_EQ(stage_->run([&] { return write_superblocks(*disks_[1], newer); }), Errc::ok);
  const CheckReport report = check(k_discard);
  EXPECT_EQ(report.errors_count(), 1u) << text(report);
  EXPECT_TRUE(has(report, CheckSeverity::error, "devices", "newer than"));
}

// ---- roots and the free map ----

TEST_F(PoolCheck, one_torn_root_is_a_note_and_two_are_the_end) {
  fill();
  close();
  const uint64_t in_force = root_in_force().head.generation % 2;
  const auto spoil = [&](uint64_t slot) { spoil_page(MetadataLayout::root_page(slot), 200); };
  spoil(1 - in_force);
  const CheckReport one = check();
  EXPECT_EQ(one.errors_count(), 0u) << text(one);
  EXPECT_TRUE(has(one, CheckSeverity::note, "root slot", "not whole"));
  EXPECT_TRUE(open().ok());
  close();
  spoil(0), spoil(1);
  const CheckReport two = check(k_discard);
  EXPECT_EQ(two.errors_count(), 2u) << text(two);
  EXPECT_FALSE(open().ok());
}

TEST_F(PoolCheck, an_older_root_is_no_substitute_once_the_journal_went_on_beyond_it) {
  fill();
  close();
  ASSERT_TRUE(open().ok());
  write(web_, 60);
  leave();
  spoil_page(MetadataLayout::root_page(root_in_force().head.generation), 200);
  const CheckReport report = check(k_discard);
  EXPECT_TRUE(has(report, CheckSeverity::error, "journal block", "later root, which is lost"))
      << text(report);
  EXPECT_GT(report.errors_count(), 0u);
}

TEST_F(PoolCheck, makes_a_damaged_free_map_page_anew) {
  fill();
  for (const bool is_crash : {false, true}) {
    is_crash ? leave() : close();
    const Root root = root_in_force();
    spoil_page(layout().free_map_page(0, root.home(0)));
    const CheckReport found = check();
    EXPECT_TRUE(has(found, CheckSeverity::error, "free map page 0", "is damaged")) << text(found);
    EXPECT_EQ(found.errors_count(), 1u);
    EXPECT_FALSE(open().ok());
    expect_repaired(check(k_repair));
    EXPECT_EQ(head_of(db_), 3u);
  }
}

TEST_F(PoolCheck, frees_leaked_pages_and_marks_those_that_are_not_marked) {
  fill();
  close();
  CheckReport ignored;
  CheckedRoot checked;
  ASSERT_TRUE(stage_->run([&] { return check_root(*disks_[0], layout(), k_pool_uuid, ignored, checked); }));
  const Root& root = checked.root;
  NewRoot wrong{{root.tree_page, root.tree_crc, root.tree_levels, root.keys_count}, checked.marked};
  wrong.used[layout().pages_count - 1] = wrong.used[layout().pages_count - 9] = true;
  wrong.used[leaf_of(Key::of(KeyType::slot, 1, 5))] = false;
  ASSERT_EQ(stage_->run([&] { return write_root(*disks_[0], layout(), checked, wrong); }), Errc::ok);
  const CheckReport found = check();
  EXPECT_EQ(found.counters.pages_leaked, 2u);
  EXPECT_TRUE(has(found, CheckSeverity::warning, "free map", "2 pages are marked used")) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "free map", "1 pages of the tree are marked free"));
  expect_repaired(check(k_repair));
}

// ---- tree pages ----

TEST_F(PoolCheck, names_what_a_lost_leaf_held_and_gives_it_up_only_when_asked) {
  fill();
  close();
  const uint32_t head = 1;  // of db before the snapshot: now noon's layer
  const uint32_t leaf = leaf_of(Key::of(KeyType::slot, head, 25));
  const Key first = TreePage(page(leaf).data()).key(0);
  spoil_page(leaf);
  const CheckReport found = check();
  EXPECT_TRUE(has(found, CheckSeverity::error, "tree page " + std::to_string(leaf), "is damaged"))
      << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "snapshot of volume db",
                  "from byte " + std::to_string((first.id() == head ? first.low : 0) * k_mib)))
      << text(found);
  const CheckReport kept = check(k_repair);
  EXPECT_GT(kept.errors_count(), 0u);
  EXPECT_TRUE(has(check(), CheckSeverity::error, "tree page " + std::to_string(leaf), "is damaged"));
  const CheckReport given_up = check(k_discard);
  EXPECT_EQ(given_up.errors_count(), 0u) << text(given_up);
  expect_clean();
  EXPECT_FALSE(has_key(Key::of(KeyType::slot, head, 25)));
  EXPECT_TRUE(has_key(Key::of(KeyType::slot, head_of(copy_), 3)));
}

// Every leaf of the tree in turn, each in a new world: check names it, and discarding leaves a pool that
// opens or says that it cannot.
TEST_F(PoolCheck, every_page_of_the_tree_may_be_lost) {
  std::vector<uint32_t> pages;
  for (size_t index = 0; index == 0 || index < pages.size(); ++index) {
    restart(3);
    fill();
    close();
    if (pages.empty()) {
      CheckReport ignored;
      CheckedRoot checked;
      ASSERT_TRUE(
          stage_->run([&] { return check_root(*disks_[0], layout(), k_pool_uuid, ignored, checked); }));
      for (uint32_t i = layout().tree_first; i < layout().pages_count; ++i) {
        if (checked.marked[i]) pages.push_back(i);
      }
    }
    spoil_page(pages[index], 4000);
    const CheckReport found = check();
    ASSERT_TRUE(has(found, CheckSeverity::error, "tree page " + std::to_string(pages[index]), "is damaged"));
    const CheckReport last = check(k_discard);
    const CheckReport again = check();
    ASSERT_FALSE(has(again, CheckSeverity::error, "tree page", "")) << text(again);
    ASSERT_TRUE(open().ok()) << pages[index];
    ASSERT_EQ(last.errors_count(), again.errors_count()) << text(last) << text(again);
  }
  EXPECT_GT(pages.size(), 10u);
}

TEST_F(PoolCheck, a_page_that_is_whole_but_older_is_not_taken) {
  fill();
  close();
  const uint32_t leaf = leaf_of(Key::of(KeyType::slot, 1, 5));
  const PageBuffer buffer = page(leaf);
  TreeHead head = TreePage(buffer.data()).head();
  --head.head.generation;
  TreePage(buffer.data()).set_head(head);
  seal(buffer.bytes());
  ASSERT_EQ(stage_->write(*disks_[0], MetadataLayout::address(leaf), buffer), Errc::ok);
  const CheckReport found = check();
  EXPECT_TRUE(has(found, CheckSeverity::error, "tree page " + std::to_string(leaf), "lost write"))
      << text(found);
}

// ---- the journal ----

TEST_F(PoolCheck, a_torn_end_of_the_journal_is_a_crash_and_no_damage) {
  fill();
  leave();
  const Root root = root_in_force();
  const uint64_t groups = check().counters.journal_groups;
  uint64_t sequence = root.journal_sequence;
  while (load<Head>(page(layout().journal_page(sequence)).bytes()).generation == sequence) ++sequence;
  spoil_page(layout().journal_page(sequence - 1));
  const CheckReport found = check();
  EXPECT_TRUE(found.is_clean()) << text(found);
  EXPECT_EQ(found.counters.journal_groups, groups - 1);
}

// Row D4: the end of the journal is there, and a sector behind it is bad.
TEST_F(PoolCheck, a_bad_sector_behind_the_end_of_the_journal_is_no_damage_and_one_before_it_is) {
  fill();
  leave();
  const Root root = root_in_force();
  const uint64_t groups = check().counters.journal_groups;
  uint64_t end = root.journal_sequence;
  while (load<Head>(page(layout().journal_page(end)).bytes()).generation == end) ++end;
  const auto make_unreadable = [&](uint64_t sequence) {
    stage_->world.make_unreadable("a", MetadataLayout::address(layout().journal_page(sequence)));
  };
  make_unreadable(end + 1);
  CheckReport found = check();
  EXPECT_TRUE(found.is_clean()) << text(found);
  EXPECT_EQ(found.counters.journal_groups, groups);
  make_unreadable(root.journal_sequence + 1);
  found = check();
  EXPECT_TRUE(has(found, CheckSeverity::error, "journal block " + std::to_string(root.journal_sequence + 1),
                  "cannot be read"))
      << text(found);
  EXPECT_FALSE(open().ok());
  EXPECT_EQ(check(k_discard).errors_count(), 0u);
  expect_clean();
}

TEST_F(PoolCheck, a_damaged_journal_names_what_is_lost_and_is_cut_only_when_asked) {
  fill();
  close();
  ASSERT_TRUE(open().ok());
  write(web_, 60);
  write(db_, 50, 0, 16), write(db_, 51);
  make_volume("late");
  leave();
  const Root root = root_in_force();
  spoil_page(layout().journal_page(root.journal_sequence + 1));  // the write to 50
  const CheckReport found = check();
  EXPECT_TRUE(has(found, CheckSeverity::error, "journal block " + std::to_string(root.journal_sequence + 1),
                  "was acknowledged"))
      << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "volume db", "bytes 53477376 to 54525951")) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "journal block", "changes of volumes"));
  EXPECT_FALSE(open().ok());
  EXPECT_GT(check(k_repair).errors_count(), 0u);
  EXPECT_FALSE(open().ok());
  const CheckReport cut = check(k_discard);
  EXPECT_EQ(cut.errors_count(), 0u) << text(cut);
  expect_clean();
  const auto late = stage_->run([&] { return volumes_->find("late"); });
  EXPECT_EQ(late.errc(), Errc::not_found);
  EXPECT_TRUE(has_key(Key::of(KeyType::slot, head_of(web_), 60)));
  EXPECT_FALSE(has_key(Key::of(KeyType::slot, head_of(db_), 51)));
}

// ---- what values say of each other ----

TEST_F(PoolCheck, frees_extents_that_nobody_has) {
  fill();
  const Extent kept = write(db_, 45), lost = write(db_, 46);
  close();
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(remove(Key::of(KeyType::slot, head_of(db_), 46)));
  const CheckReport found = check();
  EXPECT_EQ(found.counters.extents_leaked, 1u);
  EXPECT_TRUE(has(found, CheckSeverity::warning, "map of extents",
                  std::to_string(lost.number()) + " of device " + std::to_string(lost.device())))
      << text(found);
  expect_repaired(check(k_repair));
  EXPECT_FALSE(store_->extents().is_used(lost));
  EXPECT_TRUE(store_->extents().is_used(kept));
  EXPECT_FALSE(has_key(checksums_key(lost)));
}

TEST_F(PoolCheck, marks_extents_that_somebody_has) {
  fill();
  const Extent extent = write(db_, 45, 3, 5);
  TestCommit commit;
  commit.add(RecordType::extent_free, bytes_of(extent));
  ASSERT_TRUE(finish(commit));
  const CheckReport found = check();
  EXPECT_TRUE(has(found, CheckSeverity::error, "volume db has at slot 45", "marked free")) << text(found);
  expect_repaired(check(k_repair));
  EXPECT_TRUE(store_->extents().is_used(extent));
  const Slot slot = [&] {
    const auto entry = stage_->run([&] { return store_->seek(slot_key(head_of(db_), 45)); });
    Slot decoded;
    EXPECT_TRUE(decode((*entry)->value, decoded));
    return decoded;
  }();
  BlockMask mask;
  mask.set(3, 5);
  EXPECT_EQ(slot.fragments[0].mask, mask);
}

TEST_F(PoolCheck, cannot_repair_an_extent_of_two_slots) {
  fill();
  const Extent extent = write(db_, 45);
  TestCommit commit;
  const SlotMap map{head_of(web_), 0, 4, 100, extent};
  commit.add(RecordType::slot_map, bytes_of(map));
  ASSERT_TRUE(finish(commit));
  const CheckReport found = check(k_discard);
  EXPECT_EQ(found.errors_count(), 1u) << text(found);
  EXPECT_TRUE(
      has(found, CheckSeverity::error, "extent " + std::to_string(extent.number()), "another slot's, too"));
}

TEST_F(PoolCheck, removes_sums_and_marks_of_free_extents) {
  fill();
  close();
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(put(dirty_key(Extent::of(1, 60)), {}));
  const CheckReport found = check();
  EXPECT_TRUE(has(found, CheckSeverity::warning, "extent 60 of device 1", "marked as being written"))
      << text(found);
  expect_repaired(check(k_repair));
  EXPECT_FALSE(has_key(dirty_key(Extent::of(1, 60))));
}

TEST_F(PoolCheck, counts_children_anew_and_lets_a_layer_go_that_hid_behind_a_wrong_count) {
  fill();
  const Key noon = Key::of(KeyType::layer, noon_);
  LayerValue value = value_of<LayerValue>(noon);
  value.children_count = 7;
  ASSERT_TRUE(put(noon, bytes_of(value)));
  // `old` was deleted with a clone and the head on it: hidden. It becomes "to be deleted".
  const uint32_t old = value_of<LayerValue>(Key::of(KeyType::layer, head_of(copy_))).parent;
  LayerValue hidden = value_of<LayerValue>(Key::of(KeyType::layer, old));
  EXPECT_EQ(hidden.state, LayerState::hidden);
  hidden.state = LayerState::deleting;
  ASSERT_TRUE(put(Key::of(KeyType::layer, old), bytes_of(hidden)));
  const CheckReport found = check();
  EXPECT_EQ(found.errors_count(), 2u) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "snapshot of volume db", "counts 7 layers")) << text(found);
  expect_repaired(check(k_repair));
  EXPECT_EQ(value_of<LayerValue>(noon).children_count, 1u);
  EXPECT_EQ(value_of<LayerValue>(Key::of(KeyType::layer, old)).state, LayerState::hidden);
}

TEST_F(PoolCheck, rebuilds_the_index_of_names) {
  fill();
  const uint32_t wrong = 99;
  ASSERT_TRUE(remove(Key::of(KeyType::name, 0, name_hash("db"))));
  ASSERT_TRUE(put(Key::of(KeyType::name, 0, name_hash("nobody")), bytes_of(wrong)));
  ASSERT_TRUE(put(Key::of(KeyType::name, db_, name_hash("noon")), bytes_of(wrong)));
  const CheckReport found = check();
  EXPECT_EQ(found.errors_count(), 4u) << text(found);
  expect_repaired(check(k_repair));
  EXPECT_EQ(*stage_->run([&] { return volumes_->find("db"); }), db_);
  EXPECT_FALSE(has_key(Key::of(KeyType::name, 0, name_hash("nobody"))));
}

TEST_F(PoolCheck, rebuilds_the_lists_of_snapshots_and_clones_and_the_numbers_of_the_pool) {
  fill();
  ASSERT_TRUE(remove(Key::of(KeyType::snapshot, db_, noon_)));
  ASSERT_TRUE(put(Key::of(KeyType::snapshot, web_, 77), {}));
  ASSERT_TRUE(remove(Key::of(KeyType::child, noon_, head_of(db_))));
  ASSERT_TRUE(put(Key::of(KeyType::child, noon_, 78), {}));
  PoolValue pool = value_of<PoolValue>(Key::of(KeyType::pool, 0));
  pool.volumes_count = 9;
  pool.next_layer = 2;
  ASSERT_TRUE(put(Key::of(KeyType::pool, 0), bytes_of(pool)));
  const CheckReport found = check();
  EXPECT_EQ(found.errors_count(), 5u) << text(found);
  expect_repaired(check(k_repair));
  EXPECT_TRUE(has_key(Key::of(KeyType::snapshot, db_, noon_)));
  EXPECT_FALSE(has_key(Key::of(KeyType::child, noon_, 78)));
  pool = value_of<PoolValue>(Key::of(KeyType::pool, 0));
  EXPECT_EQ(pool.volumes_count, 3u);
  EXPECT_EQ(pool.next_layer, 6u);
}

TEST_F(PoolCheck, tells_of_an_encrypted_volume_without_its_key_and_removes_a_key_of_no_volume) {
  fill();
  VolumeValue web = value_of<VolumeValue>(Key::of(KeyType::volume, web_));
  web.flags |= k_volume_encrypted;
  ASSERT_TRUE(put(Key::of(KeyType::volume, web_), bytes_of(web)));
  ASSERT_TRUE(put(Key::of(KeyType::wrapped_key, 70), {}));
  CheckReport found = check(k_repair);
  EXPECT_EQ(found.errors_count(), 1u) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "volume web", "its key is not there"));
  EXPECT_TRUE(has(found, CheckSeverity::warning, "keys", "volume 70"));
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(put(Key::of(KeyType::wrapped_key, web_), std::vector<uint8_t>(100, 1)));
  expect_repaired(check(k_repair));
  EXPECT_FALSE(has_key(Key::of(KeyType::wrapped_key, 70)));
}

TEST_F(PoolCheck, corrects_what_layers_count) {
  fill();
  const uint32_t head = head_of(db_);
  ASSERT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::ok);
  const uint64_t wrong = 7;
  ASSERT_TRUE(put(allocation_key(head), bytes_of(wrong)));
  ASSERT_TRUE(put(allocation_key(70), bytes_of(wrong)));
  ASSERT_TRUE(remove(allocation_key(noon_)));
  write(db_, 50);  // counted on top, before and after
  const CheckReport found = check(k_repair);
  EXPECT_TRUE(has(found, CheckSeverity::warning, "volume db", "has 21 extents, and counts 8")) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::warning, "layer 70", "has 0 extents, and counts 7"));
  EXPECT_TRUE(has(found, CheckSeverity::warning, "snapshot", "has 40 extents, and counts 0"));
  expect_repaired(found);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(**stage_->run([&] { return store_->layer_extents(head); }), 21u);
  EXPECT_EQ(**stage_->run([&] { return store_->layer_extents(noon_); }), 40u);
  EXPECT_FALSE(has_key(allocation_key(70)));
}

TEST_F(PoolCheck, tells_of_a_circle_a_missing_layer_and_a_wrong_head_and_changes_nothing) {
  fill();
  const Key noon = Key::of(KeyType::layer, noon_);
  LayerValue value = value_of<LayerValue>(noon);
  value.parent = head_of(db_);
  ASSERT_TRUE(put(noon, bytes_of(value)));
  VolumeValue web = value_of<VolumeValue>(Key::of(KeyType::volume, web_));
  web.head_layer = 88;
  ASSERT_TRUE(put(Key::of(KeyType::volume, web_), bytes_of(web)));
  const CheckReport found = check(k_repair);
  EXPECT_TRUE(has(found, CheckSeverity::error, "db", "in a circle")) << text(found);
  EXPECT_TRUE(has(found, CheckSeverity::error, "volume web", "has lost its layer 88")) << text(found);
  EXPECT_GT(found.errors_count(), 2u);
}

TEST_F(PoolCheck, frees_nothing_while_something_is_named_that_is_not_there) {
  fill();
  const Extent leaked = write(db_, 46);
  ASSERT_TRUE(remove(Key::of(KeyType::slot, head_of(db_), 46)));
  const uint32_t head = head_of(copy_);
  ASSERT_TRUE(remove(Key::of(KeyType::layer, head)));
  const CheckReport kept = check(k_repair);
  EXPECT_TRUE(has(kept, CheckSeverity::error, "volume copy", "has lost its layer")) << text(kept);
  EXPECT_TRUE(has(kept, CheckSeverity::error, "slot 3", "which is not there")) << text(kept);
  ASSERT_TRUE(open().ok());
  EXPECT_TRUE(store_->extents().is_used(leaked));
  check(k_discard);
  ASSERT_TRUE(open().ok());
  EXPECT_FALSE(store_->extents().is_used(leaked));
}

TEST_F(PoolCheck, tells_of_values_that_are_not_of_their_form) {
  fill();
  const std::vector<uint8_t> junk(33, 5);
  const Key keys[] = {Key::of(KeyType::volume, 50),        Key::of(KeyType::layer, 60),
                      Key::of(KeyType::slot, 1, 900),      Key::of(KeyType::name, 0, 5),
                      Key::of(KeyType::child, 1, 1 << 20), checksums_key(Extent::of(0, 3))};
  for (const Key& key : keys) ASSERT_TRUE(put(key, junk));
  const CheckReport found = check(k_repair);
  EXPECT_EQ(found.errors_count(), std::size(keys)) << text(found);
  for (const CheckFinding& finding : found.findings) EXPECT_EQ(finding.repair, CheckRepair::impossible);
}

TEST_F(PoolCheck, the_number_of_findings_is_bounded) {
  fill();
  const std::vector<uint8_t> junk(3, 5);
  for (uint64_t i = 0; i < 1100; ++i) ASSERT_TRUE(put(Key::of(KeyType::volume, 1000 + i), junk));
  const CheckReport found = check();
  EXPECT_EQ(found.findings.size(), CheckReport::k_findings_max);
  EXPECT_EQ(found.findings_left_out, 100u);
}

// A repair that the power cuts has done part of its work, or none; the next one ends it.
TEST_F(PoolCheck, a_repair_may_be_cut_at_any_write) {
  for (uint64_t cut = 0; cut < 24; ++cut) {
    restart(5);
    fill();
    const uint32_t wrong = 99;
    ASSERT_TRUE(put(Key::of(KeyType::name, 0, name_hash("nobody")), bytes_of(wrong)));
    ASSERT_TRUE(remove(Key::of(KeyType::slot, head_of(db_), 3)));
    leave();
    stage_->world.spoil_file("a", 512 * k_kib + 9, 1);
    const Root root = root_in_force();
    spoil_page(layout().free_map_page(0, root.home(0)));
    stage_->world.cut_power_after(cut);
    static_cast<void>(check(k_repair).is_clean());
    stage_->world.settle();
    stage_->world.restore_power(UnsyncedWrites::random);
    reopen_disks();
    const CheckReport report = check(k_repair);
    ASSERT_EQ(report.errors_count(), 0u) << "cut " << cut << text(report);
    ASSERT_NO_FATAL_FAILURE(expect_clean()) << "cut " << cut;
    EXPECT_EQ(*stage_->run([&] { return volumes_->find("db"); }), db_);
  }
}

// The last root of a killed process is in the disk's cache only: a power failure in the repair brings back
// the one before it, whose pages the repair may have written over.
TEST_F(PoolCheck, a_repair_after_a_kill_may_be_cut_at_any_write_and_loses_nothing_else) {
  uint64_t failures = 0;
  for (uint64_t cut = 0;; ++cut) {
    restart(5);
    fill();
    ASSERT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::ok);
    const uint32_t last = make_volume("last");
    write(last, 3);
    const SimulatedFault in_cache_only{SimulatedFault::Kind::unsynced, EIO};
    stage_->world.spoil_file_operations("a", FileOp::Kind::write_durable, in_cache_only, 1);
    ASSERT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::io_error);
    leave();
    reopen_disks();
    spoil_page(leaf_of(Key::of(KeyType::slot, 1, 39)));  // of noon
    stage_->world.cut_power_after(cut);
    static_cast<void>(check(k_discard).is_clean());
    if (!stage_->world.power_is_off()) break;
    ++failures;
    stage_->world.settle();
    stage_->world.restore_power(UnsyncedWrites::random);
    reopen_disks();
    const CheckReport report = check(k_discard);
    ASSERT_EQ(report.errors_count(), 0u) << "cut " << cut << text(report);
    ASSERT_NO_FATAL_FAILURE(expect_clean()) << "cut " << cut;
    for (const auto& [name, volume] : {std::pair{"db", db_}, {"web", web_}, {"last", last}}) {
      const Result<uint32_t> found = stage_->run([&] { return volumes_->find(name); });
      ASSERT_TRUE(found.ok()) << name << " is gone, cut " << cut;
      EXPECT_EQ(*found, volume);
    }
    EXPECT_TRUE(has_key(Key::of(KeyType::slot, head_of(last), 3)));
  }
  EXPECT_GT(failures, 3u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
