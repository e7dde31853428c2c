// Pools through the engine, on real reactors and files: what the control thread can do to them, and that a
// volume is served and let go.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/engine.h"

namespace ballast::engine {
namespace {

Uuid uuid_of(uint8_t fill) {
  Uuid uuid;
  uuid.bytes.fill(fill);
  return uuid;
}

class PoolTableTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ballast-pool-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    start();
  }
  void TearDown() override {
    engine_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start() {
    EngineOptions options;
    options.reactors.reactors_count = 2;
    options.reactors.spin_us = k_spin_us_never;
    options.reactors.buffers = {.small_count = 128, .large_count = 16};
    auto started = Engine::start(options);
    ASSERT_TRUE(started.ok());
    engine_ = std::move(*started);
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  Result<PoolInfo> create(const std::string& name, uint64_t size_bytes = 64 << 20) {
    PoolConfig config;
    config.name = name;
    config.uuid = uuid_of(0x11);
    config.devices = {{path(name), size_bytes, uuid_of(0x22)}};
    return engine_->pools().create(config);
  }
  Result<PoolVolumeInfo> add(const std::string& name, uint64_t size_bytes = 8 << 20) {
    PoolVolumeConfig config;
    config.name = name;
    config.uuid = uuid_of(static_cast<uint8_t>(name.front()));
    config.size_bytes = size_bytes;
    return engine_->pools().create_volume("p", config);
  }
  Result<VolumeInfo> serve(const std::string& name) {
    VolumeConfig config;
    config.name = name;
    config.kind = VolumeKind::pool;
    config.pool = "p";
    config.uuid = uuid_of(static_cast<uint8_t>(name.front()));
    config.nqn = "nqn.2026-11.dev.ballast:volume:" + name;
    return engine_->add_volume(config);
  }

  std::string folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(PoolTableTest, AVolumeIsMadeServedGrownAndDeleted) {
  const Result<PoolInfo> made = create("p");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->free_bytes, made->capacity_bytes);
  ASSERT_TRUE(add("v").ok());
  const Result<VolumeInfo> served = serve("v");
  ASSERT_TRUE(served.ok()) << served.error().text;
  EXPECT_EQ(served->size_bytes, 8u << 20);
  EXPECT_TRUE(served->durable);
  EXPECT_EQ(serve("v").errc(), Errc::already_exists);
  EXPECT_EQ(engine_->pools().delete_volume("p", "v", false).errc(), Errc::in_use);
  const Result<PoolVolumeInfo> grown = engine_->resize_pool_volume("p", "v", 16 << 20);
  ASSERT_TRUE(grown.ok());
  EXPECT_EQ(grown->size_bytes, 16u << 20);
  ASSERT_TRUE(engine_->remove_volume("v").ok());
  ASSERT_TRUE(engine_->pools().delete_volume("p", "v", false).ok());
  EXPECT_EQ(engine_->pools().info("p")->volumes_count, 0u);
}

TEST_F(PoolTableTest, SnapshotsClonesAndRevert) {
  ASSERT_TRUE(create("p").ok());
  ASSERT_TRUE(add("v").ok());
  ASSERT_TRUE(serve("v").ok());
  const auto made = engine_->pools().create_snapshots("p", {{"v", "s", uuid_of(0x33)}}, 5);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->front().created_at_s, 5u);
  EXPECT_EQ(engine_->pools().create_snapshots("p", {{"v", "s", uuid_of(0x34)}}, 5).errc(),
            Errc::already_exists);
  PoolVolumeConfig clone;
  clone.name = "c";
  clone.uuid = uuid_of('c');
  const Result<PoolVolumeInfo> cloned = engine_->pools().clone_volume("p", "v", "s", clone);
  ASSERT_TRUE(cloned.ok());
  EXPECT_EQ(cloned->origin, uuid_of(0x33));
  EXPECT_EQ(cloned->size_bytes, 8u << 20);
  EXPECT_EQ(engine_->pools().revert_volume("p", "v", "s", 6).errc(), Errc::in_use);
  ASSERT_TRUE(engine_->remove_volume("v").ok());
  EXPECT_TRUE(engine_->pools().revert_volume("p", "v", "s", 6).ok());
  EXPECT_EQ(engine_->pools().delete_volume("p", "v", false).errc(), Errc::in_use);
  ASSERT_TRUE(engine_->pools().delete_snapshot("p", "v", "s").ok());
  EXPECT_EQ(engine_->pools().delete_snapshot("p", "v", "s").errc(), Errc::not_found);
  EXPECT_EQ(engine_->pools().snapshots("p", "v")->size(), 0u);
  EXPECT_TRUE(engine_->pools().delete_volume("p", "v", false).ok());
}

TEST_F(PoolTableTest, ClosingServesItsVolumesNoMoreAndOpeningFindsThem) {
  ASSERT_TRUE(create("p").ok());
  ASSERT_TRUE(add("v").ok());
  ASSERT_TRUE(serve("v").ok());
  EXPECT_EQ(engine_->pools().close("p", false).errc(), Errc::in_use);
  ASSERT_TRUE(engine_->close_pool("p", true).ok());
  EXPECT_EQ(engine_->remove_volume("v").errc(), Errc::not_found);
  EXPECT_EQ(engine_->pools().info("p").errc(), Errc::not_found);
  const Result<PoolInfo> opened = engine_->pools().open({path("p")});
  ASSERT_TRUE(opened.ok()) << opened.error().text;
  EXPECT_EQ(opened->volumes_count, 1u);
  EXPECT_TRUE(serve("v").ok());
}

TEST_F(PoolTableTest, AClosedPoolIsCheckedAndAnOpenOneIsNot) {
  ASSERT_TRUE(create("p").ok());
  ASSERT_TRUE(add("v").ok());
  const bdev::pool::CheckOptions repair{.repair = true};
  EXPECT_EQ(engine_->pools().check({path("p")}, {}).errc(), Errc::in_use);
  EXPECT_EQ(engine_->pools().check({path("p")}, repair).errc(), Errc::in_use);
  ASSERT_TRUE(engine_->close_pool("p", false).ok());
  EXPECT_EQ(engine_->pools().check({path("none")}, {}).errc(), Errc::not_found);
  // The engine lets it go: it may be checked again, and opened.
  for (const bdev::pool::CheckOptions& options : {bdev::pool::CheckOptions{}, repair}) {
    const auto report = engine_->pools().check({path("p")}, options);
    ASSERT_TRUE(report.ok()) << report.error().text;
    EXPECT_TRUE(report->is_clean());
    EXPECT_EQ(report->pool_name, "p");
    EXPECT_EQ(report->counters.volumes, 1u);
  }
  EXPECT_TRUE(engine_->pools().open({path("p")}).ok());
}

TEST_F(PoolTableTest, AnEngineThatEndsWithVolumesServedLosesNothing) {
  ASSERT_TRUE(create("p").ok());
  ASSERT_TRUE(add("v").ok());
  ASSERT_TRUE(serve("v").ok());
  engine_.reset();
  start();
  ASSERT_TRUE(engine_->pools().open({path("p")}).ok());
  EXPECT_EQ(engine_->pools().volumes("p")->front().name, "v");
}

TEST_F(PoolTableTest, WhatIsRefusedLeavesNothingBehind) {
  EXPECT_EQ(create("tiny", 1 << 20).errc(), Errc::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path("tiny")));
  EXPECT_EQ(engine_->pools().open({path("none")}).errc(), Errc::not_found);
  ASSERT_TRUE(create("p").ok());
  EXPECT_EQ(create("p").errc(), Errc::already_exists);
  EXPECT_EQ(serve("v").errc(), Errc::not_found);
  EXPECT_EQ(add("v", 4095).errc(), Errc::invalid_argument);
  ASSERT_TRUE(add("v").ok());
  VolumeConfig other;
  other.name = "v";
  other.kind = VolumeKind::pool;
  other.pool = "p";
  other.uuid = uuid_of(0x77);
  other.nqn = "nqn.2026-11.dev.ballast:volume:v";
  EXPECT_EQ(engine_->add_volume(other).errc(), Errc::invalid_argument);
  EXPECT_TRUE(serve("v").ok());
}

TEST_F(PoolTableTest, AnEncryptedVolumeNeedsItsKey) {
  ASSERT_TRUE(create("p").ok());
  PoolVolumeConfig config;
  config.name = "v";
  config.uuid = uuid_of('v');
  config.size_bytes = 8 << 20;
  config.wrapped_key = {1, 2, 3};
  const Result<PoolVolumeInfo> made = engine_->pools().create_volume("p", config);
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(made->encrypted);
  EXPECT_EQ(made->wrapped_key, config.wrapped_key);
  EXPECT_EQ(serve("v").errc(), Errc::permission_denied);
  std::vector<uint8_t> bytes(bdev::CryptKey::k_size_bytes, 1);
  bytes.back() = 2;
  VolumeConfig served;
  served.name = "v";
  served.kind = VolumeKind::pool;
  served.pool = "p";
  served.uuid = uuid_of('v');
  served.nqn = "nqn.2026-11.dev.ballast:volume:v";
  served.key = std::make_shared<bdev::CryptKey>(std::move(*bdev::CryptKey::create(bytes)));
  EXPECT_TRUE(engine_->add_volume(served).ok());
  ASSERT_TRUE(engine_->remove_volume("v").ok());
  ASSERT_TRUE(engine_->pools().set_volume_key("p", "v", {}).ok());
  EXPECT_TRUE(engine_->pools().volumes("p")->front().wrapped_key.empty());
}

}  // namespace
}  // namespace ballast::engine
