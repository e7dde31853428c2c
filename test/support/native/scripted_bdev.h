// A block device over another one: notes every I/O, holds it or answers it with an error when a test wants
// so, and can pretend another size and other capabilities. Single-threaded. Header only.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/bdev.h"

namespace ballast::test {

class ScriptedBdev final : public bdev::Bdev {
 public:
  struct Seen {
    bdev::IoType type;
    uint64_t lba;
    uint32_t blocks_count;
    uint64_t copy_source_lba;
    bool fua;
  };

  explicit ScriptedBdev(std::shared_ptr<bdev::Bdev> below)
      : below_(std::move(below)),
        shown_geometry(below_->geometry()),
        shown_capabilities(below_->capabilities()) {}

  const bdev::Geometry& geometry() const override { return shown_geometry; }
  const bdev::Capabilities& capabilities() const override { return shown_capabilities; }
  const char* kind() const override { return "scripted"; }
  std::unique_ptr<bdev::Channel> open(Reactor& reactor) override {
    return std::make_unique<ScriptedChannel>(*this, below_->open(reactor));
  }

  // Lets the oldest held I/O go on.
  void release_one() {
    const auto [channel, io] = held.front();
    held.pop_front();
    channel->go_on(*io);
  }

 private:
  class ScriptedChannel;
  std::shared_ptr<bdev::Bdev> below_;

 public:
  bdev::Geometry shown_geometry;
  bdev::Capabilities shown_capabilities;
  std::vector<Seen> seen;
  std::deque<std::pair<ScriptedChannel*, bdev::Io*>> held;
  bool hold = false;
  bool allow_maps = true;
  bool takes_data_at_submit = false;       // says so; not to be combined with hold
  uint32_t maps_count = 0;                 // mapped and not unmapped
  bdev::Status answer = bdev::Status::ok;  // not ok: every I/O is answered so and does nothing
  uint32_t answer_after_count = 0;         // I/Os that still go through before
  uint32_t channels_count = 0;

 private:
  class ScriptedChannel final : public bdev::Channel {
   public:
    ScriptedChannel(ScriptedBdev& device, std::unique_ptr<bdev::Channel> below)
        : device_(device), below_(std::move(below)) {
      ++device_.channels_count;
    }
    ~ScriptedChannel() override { --device_.channels_count; }
    void submit(bdev::Io& io) override {
      device_.seen.push_back({io.type, io.lba, io.blocks_count, io.copy_source_lba, io.fua});
      if (device_.hold) {
        device_.held.emplace_back(this, &io);
      } else {
        go_on(io);
      }
    }
    void go_on(bdev::Io& io) {
      if (device_.answer == bdev::Status::ok) return below_->submit(io);
      if (device_.answer_after_count == 0) return io.done(io, device_.answer);
      --device_.answer_after_count;
      below_->submit(io);
    }
    bool takes_data_at_submit() const override { return device_.takes_data_at_submit; }
    Segment map_read(uint64_t lba, uint32_t blocks_count) override {
      if (!device_.allow_maps) return {};
      const Segment mapped = below_->map_read(lba, blocks_count);
      if (mapped.base != nullptr) ++device_.maps_count;
      return mapped;
    }
    void unmap_read(Segment mapped) override {
      --device_.maps_count;
      below_->unmap_read(mapped);
    }

   private:
    ScriptedBdev& device_;
    std::unique_ptr<bdev::Channel> below_;
  };
};

}  // namespace ballast::test
