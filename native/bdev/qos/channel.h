// A governed volume as one reactor sees it. What may go now goes from here, with a few atomics and no
// message; the rest waits on the node's home and comes back.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/object_pool.h"
#include "bdev/bdev.h"
#include "bdev/qos/node.h"
#include "bdev/qos/volume.h"
#include "reactor/reactor.h"

namespace ballast::bdev::qos {

class QosChannel final : public Channel {
 public:
  // All must outlive the channel.
  QosChannel(Reactor& reactor, const Bdev& device_below, Volume& volume, std::unique_ptr<Channel> below);
  ~QosChannel() override;

  void submit(Io& io) override {
    if (is_free()) return below_->submit(io);
    submit_governed(io);
  }
  bool takes_data_at_submit() const override;
  Segment map_read(uint64_t lba, uint32_t blocks_count) override;
  void unmap_read(Segment mapped) override { below_->unmap_read(mapped); }

  // On the scheduler's reactor, `home`: its turn has come.
  void go_on(Waiting& waiting, Reactor& home);

 private:
  // An I/O in the device that is arbitrated: its submitter's fields, while ours stand in for them.
  struct Tracked {
    IoDone done = nullptr;
    void* context = nullptr;
    QosChannel* channel = nullptr;
    uint64_t since_ns = 0;
    uint32_t units = 0;
    bool is_counted = false;  // in the node's depth
    bool is_watched = false;  // in what its volume got
  };
  // More than this many at once of one channel go untracked.
  static constexpr size_t k_tracked_max = 512;
  static constexpr uint64_t k_never = UINT64_MAX;

  // Nothing here has to wait, and nothing does that a new one could overtake.
  bool is_free() const { return volume_.is_free() && !budget_.arbitrates() && away_count_ == 0; }
  bool is_away(Direction direction) const { return away_[static_cast<uint32_t>(direction)] != 0; }
  void submit_governed(Io& io);
  std::optional<Passage> try_pass(const Cost& cost, uint64_t now_ns);
  Passage pass(const Cost& cost, uint64_t now_ns);
  void wait(Io& io, const Cost& cost, uint64_t now_ns);
  void come_back(Waiting& waiting);
  void start(Io& io, uint32_t units, Passage passage);
  static void below_done(Io& io, Status status);
  void leave_depth(uint32_t units);
  bool would_pass(uint64_t now_ns) const;

  Reactor& reactor_;
  const Bdev& device_below_;
  Volume& volume_;
  Node& node_;
  Budget& budget_;
  std::unique_ptr<Channel> below_;
  // On home or on the way there or back. While one is, those of its direction follow it.
  uint32_t away_count_ = 0;
  std::array<uint32_t, k_directions_count> away_{};
  // The turn in which takes_data_at_submit() was answered with yes: the write that follows in it does not
  // wait, whatever has changed.
  mutable uint64_t lent_ns_ = k_never;
  std::unique_ptr<ObjectPool<Tracked>> tracked_;  // since the first that was arbitrated
};

}  // namespace ballast::bdev::qos
