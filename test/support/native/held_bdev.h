// A block device whose operations wait until a test lets them go. Data is not kept: reads give zeroes. For
// tests of what happens while I/O is at a device. Single-threaded (a simulated world). Header only.
#pragma once

#include <cstring>
#include <vector>

#include "bdev/bdev.h"
#include "reactor/reactor.h"

namespace ballast::test {

class HeldBdev final : public bdev::Bdev {
 public:
  explicit HeldBdev(uint64_t blocks_count, bool volatile_write_cache = false) {
    geometry_ = {4096, blocks_count};
    capabilities_ = {.unmap = true,
                     .write_zeroes = true,
                     .compare = true,
                     .copy = true,
                     .verify = true,
                     .volatile_write_cache = volatile_write_cache,
                     .persistent = false};
  }

  const bdev::Geometry& geometry() const override { return geometry_; }
  const bdev::Capabilities& capabilities() const override { return capabilities_; }
  const char* kind() const override { return "held"; }
  std::unique_ptr<bdev::Channel> open(Reactor& reactor) override {
    return std::make_unique<HeldChannel>(*this, reactor);
  }

  // Off lets everything held finish, each on its own reactor.
  void hold(bool on) {
    hold_ = on;
    if (on) return;
    std::vector<Held> held;
    held.swap(held_);
    for (const Held& one : held) {
      send_task(*one.reactor, [this, io = one.io] { finish(*io); });
    }
  }
  void resize(uint64_t blocks_count) { geometry_.blocks_count = blocks_count; }
  size_t held_count() const { return held_.size(); }
  uint32_t in_flight() const { return in_flight_; }
  uint32_t writes_count() const { return writes_count_; }
  uint32_t flushes_count() const { return flushes_count_; }

 private:
  struct Held {
    bdev::Io* io;
    Reactor* reactor;
  };
  class HeldChannel final : public bdev::Channel {
   public:
    HeldChannel(HeldBdev& device, Reactor& reactor) : device_(device), reactor_(reactor) {}
    void submit(bdev::Io& io) override {
      ++device_.in_flight_;
      if (device_.hold_) return device_.held_.push_back({&io, &reactor_});
      device_.finish(io);
    }

   private:
    HeldBdev& device_;
    Reactor& reactor_;
  };

  void finish(bdev::Io& io) {
    --in_flight_;
    if (io.type == bdev::IoType::write) ++writes_count_;
    if (io.type == bdev::IoType::flush) ++flushes_count_;
    if (io.type == bdev::IoType::read) {
      for (const Segment& segment : io.data) std::memset(segment.base, 0, segment.size_bytes);
    }
    io.done(io, bdev::Status::ok);
  }

  bdev::Geometry geometry_;
  bdev::Capabilities capabilities_;
  bool hold_ = false;
  std::vector<Held> held_;
  uint32_t in_flight_ = 0;
  uint32_t writes_count_ = 0;
  uint32_t flushes_count_ = 0;
};

}  // namespace ballast::test
