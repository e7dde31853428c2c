// A replica behind our target, spoken to in raw commands; and as the engine keeps it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "bdev/mirror/replica_open.h"
#include "bdev/mirror/replica_port.h"
#include "engine/engine.h"
#include "engine/replica_service.h"
#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace mirror = bdev::mirror;
namespace status = nvme::status;

nvme::Status vendor(uint8_t code) { return nvme::make_status(nvme::StatusCodeType::vendor, code).with_dnr(); }

class ReplicaOverTarget : public ::testing::TestWithParam<uint32_t> {
 protected:
  ReplicaOverTarget() : target(GetParam()), held(std::make_shared<HeldBdev>(4096)) {
    const auto metadata = bdev::make_memory_bdev({*mirror::replica_metadata_bytes(16 << 20), 4096}).value();
    bool told = false;
    target.world().on(home(), [&] {
      mirror::open_replica(home(), held, metadata, {.uuid = uuid_of(0xaa), .volume_uuid = uuid_of(0xbb)}, {},
                           [&](auto opened) {
                             told = true;
                             replica = std::move(opened.value());
                           });
    });
    EXPECT_TRUE(target.world().run_until([&] { return told; }));
    target::SubsystemConfig config;
    config.nqn = k_subsystem;
    config.serial_number = "SERIAL";
    config.extension = std::make_shared<engine::ReplicaService>(*replica);
    EXPECT_TRUE(target.add_subsystem(config));
    EXPECT_TRUE(target.add_namespace(1, mirror::make_replica_bdev(*replica)));
  }
  ~ReplicaOverTarget() override {
    target.close();
    bool closed = false;
    target.world().on(home(), [&] { replica->close([&closed] { closed = true; }); });
    EXPECT_TRUE(target.world().run_until([&] { return closed; }));
    target.world().on(home(), [&] { replica.reset(); });
  }
  Reactor& home() { return target.reactor(GetParam() - 1); }
  static mirror::SealRequest request(uint64_t epoch, uint64_t session = 1) {
    return {.epoch = epoch,
            .session = session,
            .volume_uuid = uuid_of(0xbb),
            .replica_uuid = uuid_of(0xaa),
            .head_uuid = uuid_of(1),
            .blocks_count = 4096};
  }
  static uint16_t seal(RawController& controller, const mirror::SealRequest& request, uint32_t cdw10 = 0) {
    Bytes data(4096);
    store(MutableByteSpan(data), request);
    nvme::Command command = command_of(0xc1, 1);
    command.cdw10 = cdw10;
    return controller.execute(command, data).status().value;
  }
  TargetWorld target;
  std::shared_ptr<HeldBdev> held;
  std::unique_ptr<mirror::Replica> replica;
};
INSTANTIATE_TEST_SUITE_P(Reactors, ReplicaOverTarget, ::testing::Values(1, 3));

TEST_P(ReplicaOverTarget, refusals_have_their_exact_status) {
  RawController head(target, 0);
  const auto queue = head.connect_io(1, 0);
  const nvme::Command flush = io_command(nvme::NvmOpcode::flush, 1, 1, 0, 1);
  EXPECT_EQ(queue->execute(flush).status().value, vendor(0xc1).value);
  nvme::Command content = command_of(0xd9, 1);
  EXPECT_EQ(head.execute(content).status().value, vendor(0xc1).value);
  mirror::SealRequest wrong = request(1);
  wrong.replica_uuid = uuid_of(0xab);  // D23
  EXPECT_EQ(seal(head, wrong), vendor(0xc2).value);
  wrong = request(1);
  wrong.version = 2;
  const uint16_t invalid = status::invalid_field.with_dnr().value;
  EXPECT_EQ(seal(head, wrong), invalid);
  EXPECT_EQ(seal(head, request(1), 1), invalid);
  nvme::Command named = content;
  named.nsid = 1;
  EXPECT_EQ(head.execute(named).status().value, invalid);
  content.cdw10 = 4;
  EXPECT_EQ(head.execute(content).status().value, invalid);
  const nvme::Command state = with_transport_data(command_of(0xc2, 1), 376);
  EXPECT_EQ(head.execute(state).status().value, status::data_sgl_length_invalid.with_dnr().value);
  EXPECT_EQ(head.execute(command_of(0xc3, 1)).status().value, status::invalid_opcode.with_dnr().value);
  EXPECT_EQ(seal(head, request(1)), 0);
  EXPECT_TRUE(queue->execute(flush).status().ok());
  RawController late(target, 0, {.host_id_byte = 0x5b});
  EXPECT_EQ(seal(late, request(1)), vendor(0xc0).value);
  const Answer read = head.execute(with_transport_data(command_of(0xc2, 1), 4096));
  EXPECT_EQ(load<mirror::ReplicaState>(read.data).sealed_epoch, 1u);
}

// D12, D13: the seal waits for what an older one has in the device, which is then dropped.
TEST_P(ReplicaOverTarget, D12_seal_fences_the_controller_of_the_head_before) {
  auto old_head = std::make_unique<RawController>(target, 0);
  const auto queue = old_head->connect_io(1, GetParam() - 1);
  ASSERT_EQ(seal(*old_head, request(1)), 0);
  held->hold(true);
  queue->host().send_command(io_command(nvme::NvmOpcode::write_zeroes, 9, 1, 0, 1));
  ASSERT_TRUE(target.world().run_until([&] { return held->held_count() == 1; }));
  RawController new_head(target, 0, {.host_id_byte = 0x5b});
  Bytes data(4096);
  store(MutableByteSpan(data), request(2));
  new_head.admin().host().send_command(with_capsule_data(command_of(0xc1, 7), 4096), data);
  target.world().advance(k_ns_per_s);
  EXPECT_TRUE(closes_within(target, old_head->admin(), k_ns_per_s));
  EXPECT_TRUE(new_head.admin().peer().receive().empty());
  held->hold(false);
  EXPECT_TRUE(new_head.admin().host().receive_answer(7).status().ok());
}

// ---- the engine ----

class EngineReplica : public ::testing::Test {
 protected:
  EngineReplica() : folder(std::filesystem::temp_directory_path() / ("replica" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
    config.name = "r1";
    config.path = folder / "data";
    config.size_bytes = 8 << 20;
    config.uuid = uuid_of(0xaa);
    start();
  }
  ~EngineReplica() override {
    kept.reset();
    std::filesystem::remove_all(folder);
  }
  void start() {
    kept.reset();
    engine::EngineOptions options;
    options.reactors.reactors_count = 1;
    options.reactors.buffers = {.small_count = 256, .large_count = 64};
    auto started = engine::Engine::start(options);
    ASSERT_TRUE(started.ok());
    kept = std::move(*started);
  }
  std::filesystem::path folder;
  engine::ReplicaConfig config;
  std::unique_ptr<engine::Engine> kept;
};

TEST_F(EngineReplica, is_made_kept_and_opened_again) {
  const auto added = kept->add_replica(config);
  ASSERT_TRUE(added.ok()) << added.error().text;
  EXPECT_EQ(added->nqn, "nqn.2026-11.dev.ballast:replica:" + uuid_of(0xaa).text());
  EXPECT_EQ(added->content, mirror::Content::nothing);
  EXPECT_EQ(kept->add_replica(config).errc(), Errc::already_exists);
  EXPECT_TRUE(std::filesystem::exists(folder / "data.replica"));
  ASSERT_TRUE(kept->remove_replica("r1").ok());
  EXPECT_EQ(kept->replica_info("r1").errc(), Errc::not_found);
  start();
  config.uuid = {};
  const auto again = kept->add_replica(config);
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(again->uuid, uuid_of(0xaa));
}

// Whoever may be a head of it changes with the nodes of a cluster.
TEST_F(EngineReplica, may_be_used_by_other_heads_as_they_change) {
  const auto added = kept->add_replica(config);
  ASSERT_TRUE(added.ok()) << added.error().text;
  const std::string head = "nqn.2026-11.dev.ballast:host:1";
  EXPECT_TRUE(kept->set_hosts(added->nqn, false, {head}, [] {}).ok());
  EXPECT_EQ(kept->set_hosts(added->nqn, false, {"me"}, [] {}).errc(), Errc::invalid_argument);
  ASSERT_TRUE(kept->remove_replica("r1").ok());
  EXPECT_EQ(kept->set_hosts(added->nqn, false, {head}, [] {}).errc(), Errc::not_found);
}

// D23: an empty disk beside metadata that says it is not.
TEST_F(EngineReplica, D23_missing_data_beside_metadata_is_refused) {
  ASSERT_TRUE(kept->add_replica(config).ok());
  ASSERT_TRUE(kept->remove_replica("r1").ok());
  std::filesystem::remove(config.path);
  EXPECT_EQ(kept->add_replica(config).errc(), Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(config.path));
}

TEST_F(EngineReplica, what_is_refused_leaves_nothing_behind) {
  config.uuid = {};
  EXPECT_EQ(kept->add_replica(config).errc(), Errc::not_found);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(EngineReplica, volume_of_a_pool_is_served_or_is_a_replica_and_its_metadata_is_hidden) {
  engine::PoolConfig pool;
  pool.name = "p";
  pool.uuid = uuid_of(1);
  pool.devices = {{folder / "disk", uint64_t{1} << 30, uuid_of(2)}};
  ASSERT_TRUE(kept->pools().create(pool).ok());
  ASSERT_TRUE(
      kept->pools().create_volume("p", {.name = "v", .uuid = uuid_of(3), .size_bytes = 16 << 20}).ok());
  engine::ReplicaConfig of_pool{.name = "r2", .pool = "p", .volume = "v", .uuid = uuid_of(4)};
  const auto added = kept->add_replica(of_pool);
  ASSERT_TRUE(added.ok()) << added.error().text;
  EXPECT_EQ(kept->pools().volumes("p")->size(), 1u);
  engine::VolumeConfig plain;
  plain.name = "v";
  plain.kind = engine::VolumeKind::pool;
  plain.pool = "p";
  plain.nqn = "nqn.2026-11.dev.ballast:volume:v";
  plain.uuid = uuid_of(3);
  EXPECT_EQ(kept->add_volume(plain).errc(), Errc::in_use);
  ASSERT_TRUE(kept->remove_replica("r2").ok());
  EXPECT_TRUE(kept->add_volume(plain).ok());
  EXPECT_EQ(kept->add_replica(of_pool).errc(), Errc::in_use);
  ASSERT_TRUE(kept->remove_volume("v").ok());
  EXPECT_EQ(kept->pools().open_volume("p", ".replica." + uuid_of(3).text()).errc(), Errc::not_found);
  ASSERT_TRUE(kept->pools().delete_volume("p", "v", false).ok());
  EXPECT_EQ(kept->pools().info("p")->volumes_count, 0u);
}

}  // namespace
}  // namespace ballast::test
