// A pool of two devices with volumes, snapshots, a clone and data, closed or left as a crash leaves it, and
// ways to damage it. For the tests of check().
#pragma once

#include <algorithm>
#include <deque>

#include "bdev/pool/check.h"
#include "bdev/pool/check_root.h"
#include "bdev/pool/superblock_set.h"
#include "bdev/pool/volumes.h"
#include "native/bdev_pool/store_fixture.h"

namespace ballast::bdev::pool::test {

class CheckFixture : public testing::Test {
 protected:
  static constexpr uint64_t k_sizes[] = {256 * k_mib, 64 * k_mib};
  static constexpr const char* k_paths[] = {"a", "b"};
  static constexpr uint32_t k_frames = 512;

  explicit CheckFixture(uint64_t seed = 1) { restart(seed); }
  ~CheckFixture() override {
    leave();
    disks_.clear();
  }

  // A new world with a new pool that is open.
  void restart(uint64_t seed) {
    leave();
    disks_.clear();
    stage_ = std::make_unique<PoolStage>(seed);
    superblock_ = sample_superblock();
    superblock_.devices[0] = {uuid_of(0x20), k_sizes[0], 33 * k_mib, 222};
    superblock_.devices[1] = {uuid_of(0x21), k_sizes[1], k_mib, 62};
    superblock_.read_only_compatible = k_read_only_compatible_checksums | k_read_only_compatible_allocations;
    for (uint16_t i = 0; i < 2; ++i) {
      disks_.push_back(stage_->open(k_paths[i], k_sizes[i]));
      Superblock own = superblock_;
      own.device_index = i;
      own.device_uuid = superblock_.devices[i].uuid;
      EXPECT_EQ(stage_->run([&] { return write_superblocks(*disks_[i], own); }), Errc::ok);
    }
    make_store();
    EXPECT_TRUE(stage_->run([&] { return store_->create(); }).ok());
    attach();
  }
  void make_store() { store_.emplace(*disks_[0], superblock_, StoreOptions{k_frames}); }
  void attach() { volumes_.emplace(*store_, turns_, k_mib); }
  Outcome open() {
    leave();
    make_store();
    Outcome opened = stage_->run([&] { return store_->open(); });
    if (opened.ok()) attach();
    return opened;
  }
  // As a crash of the process.
  void leave() {
    if (stage_ == nullptr || !store_) return;
    stage_->world.settle();
    volumes_.reset();
    stage_->world.on(stage_->reactor, [&] { store_.reset(); });
  }
  void close() {
    EXPECT_EQ(stage_->run([&] { return store_->close(); }), Errc::ok);
    leave();
  }
  CheckReport check(const CheckOptions& options = {.frames_count = k_frames}) {
    leave();
    std::vector<CheckDisk> disks;
    for (auto& disk : disks_) disks.push_back({disk.get(), "disk " + std::to_string(disks.size())});
    return stage_->run([&] { return pool::check(disks, options); });
  }

  // --- content ---
  uint32_t make_volume(const std::string& name) {
    return *stage_->run([&] { return volumes_->create({name, uuid_of(1), 64 * k_mib, 0, 5}); });
  }
  uint32_t snap(uint32_t volume, const std::string& name) {
    return stage_->run([&] { return volumes_->snapshot({{volume, name, uuid_of(2)}}, 6); })->front();
  }
  uint32_t clone(uint32_t snapshot, const std::string& name) {
    return *stage_->run([&] { return volumes_->clone(snapshot, {name, uuid_of(3), 0, 0, 1}); });
  }
  uint32_t head_of(uint32_t volume) {
    return stage_->run([&] { return volumes_->get(volume); })->head_layer;
  }
  Extent write(uint32_t volume, uint64_t slot, uint16_t first = 0, uint16_t count = 256) {
    Extent extent;
    uint32_t reserved = 0;
    stage_->world.on(stage_->reactor, [&] { reserved = store_->extents().reserve({&extent, 1}); });
    EXPECT_EQ(reserved, 1u);
    TestCommit commit;
    const SlotMap map{head_of(volume), first, count, slot, extent};
    commit.add(RecordType::slot_map, bytes_of(map));
    commit.put(checksums_key(extent), std::vector<uint8_t>(1024, 0x33));
    EXPECT_TRUE(finish(commit));
    return extent;
  }
  bool put(Key key, ByteSpan value) {
    TestCommit commit;
    commit.put(key, value);
    return finish(commit);
  }
  bool remove(Key key) {
    TestCommit commit;
    commit.add(RecordType::remove, bytes_of(key));
    return finish(commit);
  }
  bool finish(TestCommit& commit) {
    commit.commit.records = commit.records;
    stage_->world.on(stage_->reactor, [&] { store_->commit(commit.commit); });
    stage_->world.settle();
    return commit.result == Errc::ok;
  }
  template <typename Value>
  Value value_of(Key key) {
    const auto found = stage_->run([&] { return store_->seek(key); });
    Value value;
    EXPECT_TRUE(found.ok() && found->has_value() && (*found)->key == key &&
                decode_value((*found)->value, value));
    return value;
  }
  bool has_key(Key key) {
    const auto found = stage_->run([&] { return store_->seek(key); });
    return found.ok() && found->has_value() && (*found)->key == key;
  }

  // Two volumes, two snapshots, a clone, a deleted snapshot under it; data in all of them.
  void fill() {
    db_ = make_volume("db"), web_ = make_volume("web");
    for (uint64_t slot = 0; slot < 40; ++slot) write(db_, slot);
    noon_ = snap(db_, "noon");
    for (uint64_t slot = 0; slot < 20; ++slot) write(db_, slot, 10, 100);
    for (uint64_t slot = 0; slot < 30; ++slot) write(web_, 2 * slot, 7, 9);
    const uint32_t old = snap(web_, "old");
    copy_ = clone(old, "copy");
    write(copy_, 3);
    EXPECT_TRUE(stage_->run([&] { return volumes_->remove_snapshot(old); }).ok());
  }

  // --- damage ---
  Root root_in_force() {
    CheckReport ignored;
    CheckedRoot checked;
    EXPECT_TRUE(stage_->run([&] { return check_root(*disks_[0], layout(), k_pool_uuid, ignored, checked); }));
    return checked.root;
  }
  MetadataLayout layout() const { return *MetadataLayout::of(superblock_.metadata_bytes); }
  PageBuffer page(uint32_t number) {
    PageBuffer buffer(k_page_bytes);
    EXPECT_EQ(stage_->read(*disks_[0], MetadataLayout::address(number), buffer), Errc::ok);
    return buffer;
  }
  // The leaf that has this key, or would have it.
  uint32_t leaf_of(Key key) {
    const Root root = root_in_force();
    uint32_t number = root.tree_page;
    BALLAST_ASSERT(root.tree_levels > 0);
    for (uint32_t level = root.tree_levels; --level > 0;) {
      const PageBuffer buffer = page(number);
      const TreePage view(buffer.data());
      number = view.child(view.child_index(key)).page;
    }
    return number;
  }
  void spoil_page(uint32_t number, uint32_t at = 100) {
    stage_->world.spoil_file("a", MetadataLayout::address(number) + at, 0x40);
  }

  static bool has(const CheckReport& report, CheckSeverity severity, const std::string& where,
                  const std::string& what) {
    return std::any_of(report.findings.begin(), report.findings.end(), [&](const CheckFinding& finding) {
      return finding.severity == severity && finding.where.find(where) != std::string::npos &&
             finding.what.find(what) != std::string::npos;
    });
  }
  static std::string text(const CheckReport& report) {
    std::string text;
    for (const CheckFinding& finding : report.findings) {
      text += "\n  " + std::to_string(static_cast<int>(finding.severity)) +
              std::to_string(static_cast<int>(finding.repair)) + (finding.is_repaired ? "R " : "  ") +
              finding.where + ": " + finding.what;
    }
    return text;
  }

  std::unique_ptr<PoolStage> stage_;
  Superblock superblock_;
  std::vector<std::unique_ptr<Disk>> disks_;
  std::optional<Store> store_;
  Turns turns_;
  std::optional<Volumes> volumes_;
  uint32_t db_ = 0, web_ = 0, copy_ = 0, noon_ = 0;
};

}  // namespace ballast::bdev::pool::test
