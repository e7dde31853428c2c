// A mirrored volume in one engine: one member of its own, one over NVMe/TCP, which is the same engine again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine.h"

namespace ballast::engine {
namespace {

namespace mirror = bdev::mirror;

Uuid number_uuid(uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  uuid.bytes[0] = 1;
  return uuid;
}

class EngineMirror : public ::testing::Test {
 protected:
  static constexpr uint64_t k_size_bytes = 8 << 20;

  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("mirror" + std::to_string(getpid()));
    std::filesystem::create_directory(folder_);
    EngineOptions options;
    options.reactors.reactors_count = 2;
    auto started = Engine::start(options);
    ASSERT_TRUE(started.ok()) << started.error().text;
    engine_ = std::move(*started);
    // The store: answers on the reactor that asks, as long as it is there.
    engine_->set_store_request_sink([this, engine = engine_.get()](const StoreRequest& request) {
      if (!store_answers_) return;
      StoreAnswer answer{.kind = StoreAnswer::Kind::stored, .current = request.wanted};
      answer.current.revision = request.expected_revision + 1;
      {
        const std::lock_guard lock(mutex_);
        stored_ = answer.current;
      }
      engine->answer_store(request.volume, answer);
    });
    engine_->set_head_state_sink([this](const std::string& volume, const std::string& state) {
      const std::lock_guard lock(mutex_);
      events_.push_back(volume + " " + state);
    });
    engine_->set_replica_seal_sink([this](const std::string& replica, bool is_sealed) {
      const std::lock_guard lock(mutex_);
      events_.push_back(replica + (is_sealed ? " sealed" : " left"));
    });
    auto bound = engine_->listen({.address = {"127.0.0.1", 0}});
    ASSERT_TRUE(bound.ok());
    address_ = *bound;
    for (const std::string name : {"r0", "r1"}) {
      const auto number = static_cast<uint8_t>(name[1] - '0');
      const auto added = engine_->add_replica({.name = name,
                                               .path = folder_ / name,
                                               .size_bytes = k_size_bytes,
                                               .uuid = number_uuid(number + 10),
                                               .volume_uuid = number_uuid(1),
                                               .content = mirror::Content::complete});
      ASSERT_TRUE(added.ok()) << added.error().text;
    }
  }
  void TearDown() override {
    engine_.reset();
    std::filesystem::remove_all(folder_);
  }

  VolumeConfig volume() const {
    VolumeConfig config;
    config.name = "v";
    config.kind = VolumeKind::mirror;
    config.nqn = "nqn.2026-11.dev.ballast:volume:test";
    config.uuid = number_uuid(1);
    MirrorConfig& members = config.mirror.emplace();
    members.members = {{.uuid = number_uuid(10), .local_replica = "r0"},
                       {.uuid = number_uuid(11), .address = address_}};
    members.record.revision = 1;
    members.record.members_count = 2;
    members.record.members = {number_uuid(10), number_uuid(11)};
    members.record.in_sync = members.record.all();
    members.record.blocks_count = k_size_bytes / 4096;
    members.node = number_uuid(2);
    members.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:01000000-0000-0000-0000-000000000002";
    members.host_id = number_uuid(2);
    members.lease_ms = 100;
    return config;
  }
  static bool eventually(const std::function<bool()>& is_so) {
    for (int turn = 0; turn < 600; ++turn) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool becomes(const std::string& state) {
    return eventually([&] {
      const auto info = engine_->mirror_info("v");
      return info.ok() && info->state == state;
    });
  }
  bool has_members(uint32_t count) {
    return eventually([&] {
      const auto info = engine_->mirror_info("v");
      return !info->is_changing && info->record.all().size() == count && info->members.size() == count;
    });
  }

  bool happened(const std::string& event) {
    for (int turn = 0; turn < 600; ++turn) {
      {
        const std::lock_guard lock(mutex_);
        if (std::ranges::count(events_, event) > 0) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  mirror::Record stored() {
    const std::lock_guard lock(mutex_);
    return stored_;
  }

  std::mutex mutex_;
  mirror::Record stored_;
  std::vector<std::string> events_;
  std::filesystem::path folder_;
  std::unique_ptr<Engine> engine_;
  SocketAddress address_;
  std::atomic<bool> store_answers_{true};
};

TEST_F(EngineMirror, ServesOverAMemberOfItsOwnAndOneOverTcp) {
  const auto added = engine_->add_volume(volume());
  ASSERT_TRUE(added.ok()) << added.error().text;
  EXPECT_EQ(added->size_bytes, k_size_bytes);
  EXPECT_TRUE(added->durable);
  ASSERT_TRUE(becomes("serving"));
  const auto info = engine_->mirror_info("v");
  EXPECT_EQ(info->record.epoch, 1u);
  for (const MirrorMemberInfo& member : info->members) EXPECT_EQ(member.state, "in_sync");
  EXPECT_TRUE(engine_->replica_info("r1")->is_sealed);
  EXPECT_EQ(engine_->remove_replica("r0").errc(), Errc::in_use);  // a head of this process has it
  EXPECT_TRUE(engine_->remove_volume("v").ok());
  EXPECT_EQ(engine_->mirror_info("v").errc(), Errc::not_found);
  EXPECT_TRUE(engine_->remove_replica("r0").ok());
}

TEST_F(EngineMirror, StaysWhileItsHeadComesAndGoes) {
  VolumeConfig config = volume();
  config.mirror->is_head = false;
  ASSERT_TRUE(engine_->add_volume(config).ok());
  EXPECT_EQ(engine_->mirror_info("v")->state, "standby");
  EXPECT_FALSE(engine_->replica_info("r0")->is_sealed);

  ASSERT_TRUE(engine_->promote_mirror("v", *config.mirror).ok());
  EXPECT_TRUE(happened("v serving"));
  EXPECT_TRUE(happened("r0 sealed"));
  EXPECT_TRUE(happened("r1 sealed"));
  EXPECT_FALSE(stored().head_stopped);
  EXPECT_EQ(engine_->promote_mirror("v", *config.mirror).errc(), Errc::already_exists);

  ASSERT_TRUE(engine_->demote_mirror("v").ok());
  EXPECT_EQ(engine_->mirror_info("v")->state, "standby");
  EXPECT_EQ(engine_->mirror_info("v")->record, stored());
  EXPECT_TRUE(stored().head_stopped);  // the next one waits for no lease
  EXPECT_TRUE(happened("r0 left"));
  EXPECT_TRUE(happened("r1 left"));
  EXPECT_TRUE(engine_->demote_mirror("v").ok());

  config.mirror->record = stored();
  ASSERT_TRUE(engine_->promote_mirror("v", *config.mirror).ok());
  ASSERT_TRUE(becomes("serving"));
  EXPECT_EQ(stored().epoch, 2u);
}

TEST_F(EngineMirror, PromotesNothingThatDoesNotFit) {
  VolumeConfig config = volume();
  config.mirror->is_head = false;
  EXPECT_EQ(engine_->promote_mirror("v", *config.mirror).errc(), Errc::not_found);
  EXPECT_EQ(engine_->demote_mirror("v").errc(), Errc::not_found);
  ASSERT_TRUE(engine_->add_volume(config).ok());
  MirrorConfig other = *config.mirror;
  other.record.blocks_count /= 2;
  EXPECT_EQ(engine_->promote_mirror("v", other).errc(), Errc::invalid_argument);
  other = *config.mirror;
  other.members[0].local_replica = "r9";
  EXPECT_EQ(engine_->promote_mirror("v", other).errc(), Errc::not_found);
  EXPECT_EQ(engine_->mirror_info("v")->state, "standby");
  EXPECT_TRUE(engine_->promote_mirror("v", *config.mirror).ok());
}

TEST_F(EngineMirror, ChangesItsMembersWhileItServes) {
  ASSERT_TRUE(engine_->add_volume(volume()).ok());
  ASSERT_TRUE(becomes("serving"));
  const MirrorMemberConfig remote{.uuid = number_uuid(11), .address = address_};
  EXPECT_EQ(engine_->add_mirror_member("w", remote).errc(), Errc::not_found);
  EXPECT_EQ(engine_->add_mirror_member("v", remote).errc(), Errc::already_exists);
  EXPECT_EQ(engine_->remove_mirror_member("v", number_uuid(12)).errc(), Errc::not_found);
  ASSERT_TRUE(engine_->remove_mirror_member("v", number_uuid(11)).ok());
  ASSERT_TRUE(has_members(1));
  EXPECT_EQ(engine_->remove_mirror_member("v", number_uuid(10)).errc(), Errc::permission_denied);
  const auto is_nothing = [&] {
    return engine_->replica_info("r1")->content == bdev::mirror::Content::nothing;
  };
  EXPECT_TRUE(eventually(is_nothing));
  // Back, by another way.
  ASSERT_TRUE(engine_->add_mirror_member("v", {.uuid = number_uuid(11), .local_replica = "r1"}).ok());
  ASSERT_TRUE(has_members(2));
  EXPECT_TRUE(eventually([&] {
    const auto info = engine_->mirror_info("v");
    return info->record.in_sync == info->record.all() && info->members[1].state == "in_sync";
  }));
  EXPECT_EQ(engine_->remove_replica("r1").errc(), Errc::in_use);
}

// Nobody may be there to answer any more when a process ends.
TEST_F(EngineMirror, TakesSnapshotsOfMembersThatAreVolumesOfPools) {
  ASSERT_TRUE(engine_->pools()
                  .create({.name = "p",
                           .uuid = number_uuid(20),
                           .devices = {{folder_ / "disk", uint64_t{1} << 30, number_uuid(21)}}})
                  .ok());
  VolumeConfig config = volume();
  config.uuid = number_uuid(3);
  config.mirror->members[0].local_replica = "p0";
  for (const std::string number : {"0", "1"}) {
    const auto index = static_cast<uint8_t>(number[0] - '0');
    const Uuid uuid = number_uuid(index + 40);
    config.mirror->members[index].uuid = config.mirror->record.members[index] = uuid;
    ASSERT_TRUE(
        engine_->pools()
            .create_volume(
                "p", {.name = "v" + number, .uuid = number_uuid(index + 30), .size_bytes = k_size_bytes})
            .ok());
    const auto added = engine_->add_replica({.name = "p" + number,
                                             .pool = "p",
                                             .volume = "v" + number,
                                             .uuid = uuid,
                                             .volume_uuid = number_uuid(3),
                                             .content = mirror::Content::complete});
    ASSERT_TRUE(added.ok()) << added.error().text;
  }
  EXPECT_EQ(engine_->snapshot_mirror("v", number_uuid(50), "s", 7).errc(), Errc::not_found);
  ASSERT_TRUE(engine_->add_volume(config).ok());
  ASSERT_TRUE(becomes("serving"));
  const auto taken = [&](uint8_t number) {
    const Outcome asked = engine_->snapshot_mirror("v", number_uuid(number), "s", 7);
    EXPECT_TRUE(asked.ok()) << asked.error().text;
    EXPECT_TRUE(eventually([&] {
      const auto info = engine_->mirror_info("v");
      return info->snapshot->state == "done" || info->snapshot->state == "failed";
    }));
    return *engine_->mirror_info("v")->snapshot;
  };
  const auto in_pool = [&](const std::string& of) { return *engine_->pools().snapshots("p", of); };
  const auto removed = [&] {
    EXPECT_TRUE(eventually([&] { return !engine_->mirror_info("v")->snapshot_removal->is_running; }));
    return engine_->mirror_info("v")->snapshot_removal->members.size();
  };
  EXPECT_EQ(engine_->snapshot_mirror("v", number_uuid(50), "", 7).errc(), Errc::invalid_argument);
  const MirrorSnapshotInfo first = taken(50);
  EXPECT_EQ(first.state, "done") << first.trouble;
  EXPECT_EQ(first.members.size(), 2u);
  EXPECT_EQ(first.size_bytes, k_size_bytes);
  for (const std::string of : {"v0", "v1"}) {
    ASSERT_EQ(in_pool(of).size(), 1u);
    EXPECT_EQ(in_pool(of)[0].name, "s");
    EXPECT_EQ(in_pool(of)[0].uuid, number_uuid(50));
    EXPECT_EQ(in_pool(of)[0].created_at_s, 7u);
  }
  // The name is taken at one of them, which says so over the wire: nothing of it is left at the other.
  ASSERT_TRUE(engine_->pools().delete_snapshot("p", "v0", "s").ok());
  const MirrorSnapshotInfo second = taken(51);
  EXPECT_EQ(second.state, "failed");
  EXPECT_EQ(second.trouble, "member " + number_uuid(41).text() + " has a snapshot of this name already");
  removed();
  EXPECT_TRUE(in_pool("v0").empty());
  EXPECT_EQ(in_pool("v1").size(), 1u);
  ASSERT_TRUE(engine_->delete_mirror_snapshot("v", number_uuid(50)).ok());
  EXPECT_EQ(removed(), 2u);  // none is no error
  EXPECT_TRUE(in_pool("v1").empty());
  EXPECT_EQ(engine_->mirror_info("v")->record.in_sync.size(), 2u);
}

TEST_F(EngineMirror, TakesNoSnapshotOfFiles) {
  ASSERT_TRUE(engine_->add_volume(volume()).ok());
  ASSERT_TRUE(becomes("serving"));
  ASSERT_TRUE(engine_->snapshot_mirror("v", number_uuid(50), "s", 7).ok());
  ASSERT_TRUE(eventually([&] { return engine_->mirror_info("v")->snapshot->state == "failed"; }));
  const std::string trouble = engine_->mirror_info("v")->snapshot->trouble;
  EXPECT_NE(trouble.find("takes no snapshots: it is not a volume of a pool"), std::string::npos) << trouble;
  EXPECT_EQ(engine_->mirror_info("v")->record.in_sync.size(), 2u);
}

TEST_F(EngineMirror, ClosesWithoutAStoreAndWithoutAMember) {
  ASSERT_TRUE(engine_->add_volume(volume()).ok());
  ASSERT_TRUE(becomes("serving"));
  store_answers_ = false;
  ASSERT_TRUE(engine_->remove_replica("r1").ok());  // the head is about to ask the store
  engine_->close();
}

TEST_F(EngineMirror, RefusesWhatDoesNotFit) {
  const auto refuses = [&](const std::function<void(VolumeConfig&)>& spoil) {
    VolumeConfig config = volume();
    spoil(config);
    const auto added = engine_->add_volume(config);
    if (added.ok()) static_cast<void>(engine_->remove_volume("v"));
    return added.errc();
  };
  const Errc wrong = Errc::invalid_argument;
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror.reset(); }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.kind = VolumeKind::memory; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.size_bytes = 4096; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->members.pop_back(); }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->record.members[1] = number_uuid(9); }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->record.in_sync = {}; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->record.min_in_sync = 3; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->record.blocks_count = 0; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->lease_ms = 1; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->latency_budget_ms = 10; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->node = {}; }), wrong);
  EXPECT_EQ(refuses([](VolumeConfig& config) { config.mirror->members[0].local_replica = "r9"; }),
            Errc::not_found);
  // Nothing of the refused ones is left.
  EXPECT_TRUE(engine_->add_volume(volume()).ok());
}

}  // namespace
}  // namespace ballast::engine
