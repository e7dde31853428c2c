// Where devices are tested: some reactors to run code on, simulated or real, and the files they can reach.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "bdev/bdev.h"
#include "reactor/reactor_set.h"
#include "reactor/simulated_world.h"

namespace ballast::bdev::test {

class Stage {
 public:
  virtual ~Stage() = default;
  virtual uint32_t reactors_count() const = 0;
  virtual Reactor& reactor(uint32_t index) = 0;
  // Runs `body` on the reactor and returns when it has run.
  virtual void on(uint32_t index, const std::function<void()>& body) = 0;
  // Returns when the flag is set by code on some reactor.
  virtual void wait(std::atomic<bool>& flag) = 0;
  // Lets the messages that are on their way arrive, and the answers to them.
  virtual void settle() = 0;
  virtual FileSystem& files() = 0;
  // A path of a file that does not exist yet.
  virtual std::string path() = 0;
};

class SimulatedStage final : public Stage {
 public:
  explicit SimulatedStage(uint32_t count, uint64_t seed = 1) : world(seed) {
    for (uint32_t i = 0; i < count; ++i) reactors_.push_back(&world.add_reactor());
  }
  uint32_t reactors_count() const override { return static_cast<uint32_t>(reactors_.size()); }
  Reactor& reactor(uint32_t index) override { return *reactors_.at(index); }
  void on(uint32_t index, const std::function<void()>& body) override { world.on(reactor(index), body); }
  void wait(std::atomic<bool>& flag) override {
    ASSERT_TRUE(world.run_until([&flag] { return flag.load(); })) << "the world stands still";
  }
  void settle() override { world.settle(); }
  FileSystem& files() override { return world.files(); }
  std::string path() override { return "disk"; }

  SimulatedWorld world;

 private:
  std::vector<Reactor*> reactors_;
};

class RealStage final : public Stage {
 public:
  explicit RealStage(uint32_t count) {
    ReactorSetOptions options;
    options.reactors_count = count;
    options.spin_us = k_spin_us_never;  // leaves the cores to the tests beside us
    options.buffers = {.small_count = 128, .large_count = 16};
    Result<std::unique_ptr<ReactorSet>> started = ReactorSet::start(options);
    BALLAST_ASSERT(started.ok());
    set_ = std::move(*started);
    std::string name = (std::filesystem::temp_directory_path() / "ballast-bdev-XXXXXX").string();
    BALLAST_ASSERT(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~RealStage() override {
    set_.reset();
    std::filesystem::remove_all(folder_);
  }
  uint32_t reactors_count() const override { return set_->count(); }
  Reactor& reactor(uint32_t index) override { return set_->at(index); }
  void on(uint32_t index, const std::function<void()>& body) override {
    std::promise<void> ran;
    send_task(reactor(index), [&body, &ran] {
      body();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  void wait(std::atomic<bool>& flag) override { flag.wait(false); }
  void settle() override {
    for (uint32_t round = 0; round < 2; ++round) {
      for (uint32_t i = 0; i < reactors_count(); ++i) on(i, [] {});
    }
  }
  FileSystem& files() override { return set_->files(); }
  std::string path() override { return folder_ / "disk"; }

 private:
  std::unique_ptr<ReactorSet> set_;
  std::filesystem::path folder_;
};

// Page-aligned memory, as a device wants it.
class Buffer {
 public:
  explicit Buffer(size_t size_bytes, uint8_t fill = 0)
      : base_(static_cast<uint8_t*>(std::aligned_alloc(4096, (size_bytes + 4095) / 4096 * 4096))),
        size_bytes_(size_bytes) {
    std::memset(base_.get(), fill, size_bytes);
  }
  uint8_t* data() { return base_.get(); }
  size_t size() const { return size_bytes_; }
  Segment segment() { return {base_.get(), size_bytes_}; }
  std::vector<uint8_t> bytes() const { return {base_.get(), base_.get() + size_bytes_}; }
  void fill_from(const std::vector<uint8_t>& bytes) { std::memcpy(base_.get(), bytes.data(), bytes.size()); }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t, Free> base_;
  size_t size_bytes_;
};

// One Io of a test, and whether it is done.
struct TestIo {
  explicit TestIo(IoType type, uint64_t lba = 0, uint32_t blocks_count = 0,
                  std::vector<Segment> segments_of_data = {})
      : segments(std::move(segments_of_data)) {
    io.type = type;
    io.lba = lba;
    io.blocks_count = blocks_count;
    io.data = segments;
    io.context = this;
    io.done = [](Io& finished, Status with) {
      TestIo& self = *static_cast<TestIo*>(finished.context);
      ++self.dones_count;
      self.status = with;
      self.done = true;
      self.done.notify_all();
    };
  }
  Io io;
  std::vector<Segment> segments;
  Status status = Status::busy;
  uint32_t dones_count = 0;
  std::atomic<bool> done{false};
};

// A device opened on every reactor of a stage.
class Opened {
 public:
  Opened(Stage& stage, std::shared_ptr<Bdev> device, uint32_t reactors_count)
      : stage_(stage), device_(std::move(device)), channels_(reactors_count) {
    for (uint32_t i = 0; i < reactors_count; ++i) {
      stage_.on(i, [&] { channels_[i] = device_->open(stage_.reactor(i)); });
    }
  }
  Opened(Stage& stage, std::shared_ptr<Bdev> device)
      : Opened(stage, std::move(device), stage.reactors_count()) {}
  ~Opened() {
    for (uint32_t i = 0; i < channels_.size(); ++i) {
      stage_.on(i, [&] { channels_[i].reset(); });
    }
    stage_.settle();
  }
  Bdev& device() { return *device_; }
  uint32_t block() const { return device_->geometry().block_size_bytes; }
  uint64_t blocks_count() const { return device_->geometry().blocks_count; }
  Channel& channel(uint32_t index = 0) { return *channels_.at(index); }

  void submit(TestIo& io, uint32_t reactor = 0) {
    stage_.on(reactor, [&] { channel(reactor).submit(io.io); });
  }
  Status run(TestIo& io, uint32_t reactor = 0) {
    submit(io, reactor);
    stage_.wait(io.done);
    EXPECT_EQ(io.dones_count, 1u);
    return io.status;
  }

  // `bytes` is a whole number of blocks.
  Status write(uint64_t lba, const std::vector<uint8_t>& bytes, uint32_t reactor = 0, bool fua = false) {
    Buffer buffer(bytes.size());
    buffer.fill_from(bytes);
    TestIo io(IoType::write, lba, static_cast<uint32_t>(bytes.size() / block()), {buffer.segment()});
    io.io.fua = fua;
    return run(io, reactor);
  }
  std::vector<uint8_t> read(uint64_t lba, uint32_t blocks, uint32_t reactor = 0) {
    Buffer buffer(uint64_t{blocks} * block(), 0xee);
    TestIo io(IoType::read, lba, blocks, {buffer.segment()});
    EXPECT_EQ(run(io, reactor), Status::ok);
    return buffer.bytes();
  }
  Status simple(IoType type, uint64_t lba = 0, uint32_t blocks = 0, uint32_t reactor = 0) {
    TestIo io(type, lba, blocks);
    return run(io, reactor);
  }
  Status compare(uint64_t lba, const std::vector<uint8_t>& bytes, uint32_t reactor = 0) {
    Buffer buffer(bytes.size());
    buffer.fill_from(bytes);
    TestIo io(IoType::compare, lba, static_cast<uint32_t>(bytes.size() / block()), {buffer.segment()});
    return run(io, reactor);
  }
  Status compare_and_write(uint64_t lba, const std::vector<uint8_t>& expected,
                           const std::vector<uint8_t>& wanted, uint32_t reactor = 0) {
    Buffer compare(expected.size()), write(wanted.size());
    compare.fill_from(expected);
    write.fill_from(wanted);
    TestIo io(IoType::compare_and_write, lba, static_cast<uint32_t>(expected.size() / block()),
              {compare.segment(), write.segment()});
    return run(io, reactor);
  }
  Status copy(uint64_t from, uint64_t to, uint32_t blocks, uint32_t reactor = 0) {
    TestIo io(IoType::copy, to, blocks);
    io.io.copy_source_lba = from;
    return run(io, reactor);
  }

 private:
  Stage& stage_;
  std::shared_ptr<Bdev> device_;
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace ballast::bdev::test
