// A pool over simulated disks, volumes of it that are served, and I/O to them. Every block that is written
// carries a number in all of its words: a model needs to know only the numbers. 0 is a block of zeroes.
#pragma once

#include <deque>
#include <map>

#include "bdev/pool/pool.h"
#include "bdev/pool/volume_bdev.h"
#include "native/bdev/stage.h"
#include "native/bdev_pool/pool_stage.h"

namespace ballast::bdev::pool::test {

using bdev::test::Buffer;
using bdev::test::TestIo;

inline void number_blocks(uint8_t* data, std::span<const uint64_t> numbers) {
  for (const uint64_t number : numbers) {
    for (size_t word = 0; word < k_page_bytes / 8; ++word, data += 8) std::memcpy(data, &number, 8);
  }
}

// The numbers; UINT64_MAX for a block that is not of one number.
inline std::vector<uint64_t> numbers_of(const uint8_t* data, uint32_t blocks) {
  std::vector<uint64_t> numbers;
  for (uint32_t block = 0; block < blocks; ++block) {
    uint64_t first = 0;
    std::memcpy(&first, data, 8);
    for (size_t word = 0; word < k_page_bytes / 8; ++word, data += 8) {
      uint64_t number = 0;
      std::memcpy(&number, data, 8);
      if (number != first) first = UINT64_MAX;
    }
    numbers.push_back(first);
  }
  return numbers;
}

struct Served {
  uint32_t id = 0;
  OpenVolume* opened = nullptr;
  std::shared_ptr<Bdev> device;
  std::unique_ptr<Channel> channel;
};

class PoolFixture : public testing::Test {
 protected:
  explicit PoolFixture(uint64_t seed = 1) { restart(seed); }
  ~PoolFixture() override { drop(); }

  void restart(uint64_t seed) {
    drop();
    stage_ = std::make_unique<PoolStage>(seed);
    options_.store.frames_count = 512;
    options_.data.ios_max = 64;
    options_.data.slots_max = 64;
    settings_.name = "pool0";
    settings_.uuid = uuid_of(0x10);
    settings_.extent_bytes = 256 * 1024;
  }
  // A pool that is not closed is lost as in a crash, after what is in flight has ended.
  void drop() {
    if (stage_ == nullptr) return;
    stage_->world.settle();
    stop_serving();
    if (pool_ != nullptr) static_cast<void>(stage_->run([&] { return pool_->close(); }));
    stage_->world.on(stage_->reactor, [&] { pool_.reset(); });
  }
  void stop_serving() {
    stage_->world.on(stage_->reactor, [&] {
      for (auto& [id, served] : served_) served.channel.reset();
    });
    for (auto& [id, served] : served_) stage_->run([&] { return pool_->close_volume(served.id); });
    served_.clear();
  }

  PoolFile file(const std::string& path, uint64_t size_bytes = 0) {
    FileOptions options;
    options.create = size_bytes > 0;
    options.create_size_bytes = size_bytes;
    Result<std::unique_ptr<File>> opened = stage_->world.files().open(path, options);
    BALLAST_ASSERT(opened.ok());
    return {path, std::move(*opened)};
  }
  Outcome create(const std::vector<std::string>& paths, uint64_t size_bytes) {
    std::vector<PoolFile> files;
    settings_.device_uuids.clear();
    for (const std::string& path : paths) {
      files.push_back(file(path, size_bytes));
      settings_.device_uuids.push_back(uuid_of(static_cast<uint8_t>(0x20 + files.size())));
    }
    auto made =
        stage_->run([&] { return Pool::create(stage_->reactor, std::move(files), settings_, options_); });
    if (!made.ok()) return made.error();
    pool_ = std::move(*made);
    return Unit{};
  }
  Outcome open(const std::vector<std::string>& paths) {
    std::vector<PoolFile> files;
    for (const std::string& path : paths) files.push_back(file(path));
    auto opened = stage_->run([&] { return Pool::open(stage_->reactor, std::move(files), options_); });
    if (!opened.ok()) return opened.error();
    pool_ = std::move(*opened);
    return Unit{};
  }
  Uuid next_uuid() {
    ++volumes_made_;
    return uuid_of(static_cast<uint8_t>(volumes_made_), static_cast<uint8_t>(0x80 + (volumes_made_ >> 8)));
  }
  Result<uint32_t> add_volume(const std::string& name, uint64_t size_bytes, uint32_t flags = 0) {
    VolumeRequest request;
    request.name = name;
    request.uuid = next_uuid();
    request.size_bytes = size_bytes;
    request.flags = flags;
    return stage_->run([&] { return pool_->create_volume(request); });
  }
  Served& serve(uint32_t id) {
    Result<OpenVolume*> opened = stage_->run([&] { return pool_->open_volume(id); });
    BALLAST_ASSERT(opened.ok());
    Served& served = served_[id];
    served.id = id;
    served.opened = *opened;
    served.device = make_volume_bdev(**opened);
    stage_->world.on(stage_->reactor, [&] { served.channel = served.device->open(stage_->reactor); });
    return served;
  }
  void stop_serving(uint32_t id) {
    Served& served = served_.at(id);
    stage_->world.on(stage_->reactor, [&] { served.channel.reset(); });
    stage_->run([&] { return pool_->close_volume(id); });
    served_.erase(id);
  }

  Status run(Served& served, TestIo& io) {
    stage_->world.on(stage_->reactor, [&] { served.channel->submit(io.io); });
    EXPECT_TRUE(stage_->world.run_until([&] { return io.done.load(); })) << "the I/O does not end";
    EXPECT_EQ(io.dones_count, 1u);
    return io.status;
  }
  Status write(Served& served, uint64_t lba, const std::vector<uint64_t>& numbers) {
    Buffer buffer(numbers.size() * k_page_bytes);
    number_blocks(buffer.data(), numbers);
    TestIo io(IoType::write, lba, static_cast<uint32_t>(numbers.size()), {buffer.segment()});
    return run(served, io);
  }
  Result<std::vector<uint64_t>> read(Served& served, uint64_t lba, uint32_t blocks) {
    Buffer buffer(size_t{blocks} * k_page_bytes, 0xee);
    TestIo io(IoType::read, lba, blocks, {buffer.segment()});
    const Status status = run(served, io);
    if (status != Status::ok) return Error{Errc::io_error, status_text(status)};
    return numbers_of(buffer.data(), blocks);
  }
  Status simple(Served& served, IoType type, uint64_t lba, uint32_t blocks) {
    TestIo io(type, lba, blocks);
    return run(served, io);
  }
  Result<uint32_t> snapshot(uint32_t volume, const std::string& name) {
    SnapshotRequest request;
    request.volume = volume;
    request.name = name;
    auto made = stage_->run([&] { return pool_->snapshot({request}, 1); });
    if (!made.ok()) return made.error();
    return made->front();
  }
  Result<std::vector<uint64_t>> read_snapshot(uint32_t layer, uint64_t lba, uint32_t blocks) {
    Buffer buffer(size_t{blocks} * k_page_bytes, 0xee);
    const MutableByteSpan out{buffer.data(), size_t{blocks} * k_page_bytes};
    const Outcome outcome = stage_->run([&] { return pool_->read_snapshot(layer, lba * k_page_bytes, out); });
    if (!outcome.ok()) return outcome.error();
    return numbers_of(buffer.data(), blocks);
  }
  void expect_snapshot(uint32_t layer, uint64_t lba, const std::vector<uint64_t>& wanted) {
    const auto found = read_snapshot(layer, lba, static_cast<uint32_t>(wanted.size()));
    ASSERT_TRUE(found.ok()) << found.error().text;
    EXPECT_EQ(*found, wanted);
  }
  Outcome remove_snapshot(uint32_t layer) {
    return stage_->run([&] { return pool_->remove_snapshot(layer); });
  }
  Result<uint32_t> clone(uint32_t snapshot, const std::string& name) {
    VolumeRequest request;
    request.name = name;
    request.uuid = next_uuid();
    return stage_->run([&] { return pool_->volumes().clone(snapshot, request); });
  }
  void finish_layer_work() {
    stage_->run([&] { return pool_->finish_layer_work(); });
  }
  Prng& prng() { return stage_->world.prng(); }

  std::unique_ptr<PoolStage> stage_;
  PoolSettings settings_;
  PoolOptions options_;
  std::unique_ptr<Pool> pool_;
  std::map<uint32_t, Served> served_;
  uint32_t volumes_made_ = 0;
};

}  // namespace ballast::bdev::pool::test
