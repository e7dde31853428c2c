// The suite of native/bdev/conformance.h over a volume of a pool: with checksums and without, thin and thick,
// alone and over a snapshot whose data it must not show. Afterwards the closed pool is looked through.
#include <utility>

#include "bdev/crypt/crypt_bdev.h"
#include "bdev/pool/check.h"
#include "bdev/pool/pool.h"
#include "bdev/pool/volume_bdev.h"
#include "native/bdev/conformance.h"
#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

using bdev::test::BdevConformance;
using bdev::test::ConformanceCase;
using bdev::test::k_conformance_bytes;
using bdev::test::Opened;
using bdev::test::Stage;

struct PoolKind {
  bool keeps_checksums = true;
  bool is_thick = false;
  // The first is full of data, which is unmapped in the volume and in the second.
  uint32_t snapshots_count = 0;
  bool is_encrypted = false;
  bool is_short_of_memory = false;  // and cleans what was just written
  uint32_t devices_count = 1;
  uint32_t extent_bytes = 256 * 1024;
};

template <typename Make, typename Value>
Task<Unit> tell(Make make, std::optional<Value>& value, std::atomic<bool>& is_done) {
  value.emplace(co_await make());
  is_done = true;
  is_done.notify_all();
  co_return Unit{};
}

// `make` starts a task on the reactor; returns what it ends with.
template <typename Make>
auto run_on(Stage& stage, uint32_t reactor, Make make) {
  std::optional<std::remove_cvref_t<decltype(make().value())>> value;
  std::atomic<bool> is_done{false};
  std::optional<Task<Unit>> task;
  stage.on(reactor, [&] { task.emplace(tell(make, value, is_done)); });
  stage.wait(is_done);
  BALLAST_ASSERT(value.has_value());
  stage.on(reactor, [&] { task.reset(); });
  return std::move(*value);
}

// A pool with one volume, on the last reactor of the stage.
class PoolOfOne {
 public:
  PoolOfOne(Stage& stage, const PoolKind& kind)
      : stage_(stage), kind_(kind), owner_(stage.reactors_count() - 1) {}
  ~PoolOfOne() {
    if (pool_ != nullptr) close();
  }

  Outcome create() {
    PoolSettings settings;
    settings.name = "tank";
    settings.uuid = uuid_of(0x10);
    settings.keeps_checksums = kind_.keeps_checksums;
    settings.extent_bytes = kind_.extent_bytes;
    for (uint32_t i = 0; i < kind_.devices_count; ++i) {
      settings.device_uuids.push_back(uuid_of(static_cast<uint8_t>(0x20 + i)));
    }
    PoolOptions options;
    options.store.frames_count = 512;
    options.data = {.ios_max = 64, .slots_max = 64};
    if (kind_.is_short_of_memory) {
      options.data = {.ios_max = 2, .slots_max = 2};
      options.cleaner = {.idle_ns = 0, .every_ns = 1000, .dirty_max = 1};
    }
    TRY(std::vector<PoolFile> devices, files(true));
    auto made =
        run_on(stage_, owner_, [&] { return Pool::create(owner(), std::move(devices), settings, options); });
    if (!made.ok()) return made.error();
    pool_ = std::move(*made);
    VolumeRequest request;
    request.name = "one";
    request.uuid = uuid_of(0x40);
    request.size_bytes = k_conformance_bytes;
    request.flags = kind_.is_thick ? k_volume_thick : 0;
    const Result<uint32_t> id = run_on(stage_, owner_, [&] { return pool_->create_volume(request); });
    if (!id.ok()) return id.error();
    id_ = *id;
    TRY(OpenVolume* const opened, run_on(stage_, owner_, [&] { return pool_->open_volume(id_); }));
    device_ = make_volume_bdev(*opened);
    return kind_.snapshots_count > 0 ? add_snapshots() : Outcome(Unit{});
  }
  const std::shared_ptr<Bdev>& device() { return device_; }

 private:
  Reactor& owner() { return stage_.reactor(owner_); }
  Result<std::vector<PoolFile>> files(bool create) {
    std::vector<PoolFile> files;
    for (uint32_t i = 0; i < kind_.devices_count; ++i) {
      FileOptions options;
      options.create = create;
      options.create_size_bytes = (i == 0 ? 48 : 8) * k_mib;
      const std::string path = stage_.path() + std::to_string(i);
      TRY(std::unique_ptr<File> file, stage_.files().open(path, options));
      files.push_back({path, std::move(file)});
    }
    return files;
  }
  Outcome add_snapshots() {
    Opened opened(stage_, device_);
    const std::vector<uint8_t> data(k_conformance_bytes, 0x5a);
    EXPECT_EQ(opened.write(0, data), Status::ok);
    for (uint32_t i = 0; i < kind_.snapshots_count; ++i) {
      SnapshotRequest request;
      request.volume = id_;
      request.name = "snapshot " + std::to_string(i);
      request.uuid = uuid_of(static_cast<uint8_t>(0x50 + i));
      const auto made = run_on(stage_, owner_, [&] { return pool_->snapshot({request}, 1); });
      if (!made.ok()) return made.error();
      const auto blocks = static_cast<uint32_t>(opened.blocks_count());
      EXPECT_EQ(opened.simple(IoType::unmap, 0, blocks), Status::ok);
    }
    return Unit{};
  }
  void close() {
    device_.reset();
    const Errc left = run_on(stage_, owner_, [&] { return pool_->close_volume(id_); });
    EXPECT_EQ(left, Errc::ok);
    const Outcome closed = run_on(stage_, owner_, [&] { return pool_->close(); });
    EXPECT_TRUE(closed.ok()) << closed.error().text;
    stage_.on(owner_, [&] { pool_.reset(); });
    Result<std::vector<PoolFile>> devices = files(false);
    ASSERT_TRUE(devices.ok()) << devices.error().text;
    const CheckReport report =
        run_on(stage_, owner_, [&] { return check(owner(), std::move(*devices), {.frames_count = 256}); });
    EXPECT_EQ(report.counters.volumes, 1u);
    EXPECT_TRUE(report.is_clean());
    for (const CheckFinding& finding : report.findings) {
      ADD_FAILURE() << finding.where << ": " << finding.what;
    }
  }

  Stage& stage_;
  const PoolKind kind_;
  const uint32_t owner_;
  std::unique_ptr<Pool> pool_;
  std::shared_ptr<Bdev> device_;
  uint32_t id_ = 0;
};

// The pool goes with its device.
Result<std::shared_ptr<Bdev>> make(const PoolKind& kind, Stage& stage) {
  const auto pool = std::make_shared<PoolOfOne>(stage, kind);
  const Outcome created = pool->create();
  if (!created.ok()) return created.error();
  std::shared_ptr<Bdev> device(pool, pool->device().get());
  if (!kind.is_encrypted) return device;
  std::vector<uint8_t> key(CryptKey::k_size_bytes, 0x21);
  key.back() = 0x22;
  return make_crypt_bdev(std::move(device), std::move(*CryptKey::create(key)));
}

ConformanceCase tested(const char* name, const PoolKind& kind, uint32_t reactors_count = 1,
                       bool real = false) {
  return {name, k_page_bytes, reactors_count, real, [kind](Stage& stage) { return make(kind, stage); }};
}

INSTANTIATE_TEST_SUITE_P(
    PoolVolumes, BdevConformance,
    testing::Values(tested("thin", {}), tested("thin_without_checksums", {.keeps_checksums = false}),
                    tested("thick", {.is_thick = true}),
                    tested("thick_without_checksums", {.keeps_checksums = false, .is_thick = true}),
                    tested("over_a_snapshot", {.snapshots_count = 1}),
                    tested("over_a_snapshot_without_checksums",
                           {.keeps_checksums = false, .snapshots_count = 1}),
                    tested("thick_over_a_snapshot", {.is_thick = true, .snapshots_count = 1}),
                    tested("short_of_memory", {.snapshots_count = 2, .is_short_of_memory = true}),
                    tested("large_extents_of_2_devices", {.devices_count = 2, .extent_bytes = 1 << 20}),
                    tested("encrypted", {.is_encrypted = true}), tested("thin_on_3_reactors", {}, 3),
                    tested("over_2_snapshots_on_3_reactors", {.snapshots_count = 2}, 3),
                    tested("thin_of_the_kernel", {}, 1, true),
                    tested("over_a_snapshot_of_the_kernel_on_2_threads", {.snapshots_count = 1}, 2, true),
                    tested("thick_of_the_kernel_without_checksums",
                           {.keeps_checksums = false, .is_thick = true}, 1, true)),
    bdev::test::name_of);

}  // namespace
}  // namespace ballast::bdev::pool::test
