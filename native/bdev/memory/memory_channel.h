// A memory device as one reactor sees it. Small I/O is done inside submit(); zeroing and copying of large
// ranges goes on in bounded pieces, one a message, so that it never holds the reactor up.
#pragma once

#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/memory/memory_store.h"

namespace ballast::bdev {

class MemoryChannel final : public Channel {
 public:
  MemoryChannel(Reactor& reactor, const Geometry& geometry, std::shared_ptr<MemoryStore> store);
  ~MemoryChannel() override;

  void submit(Io& io) override;
  bool takes_data_at_submit() const override { return ready_; }
  Segment map_read(uint64_t lba, uint32_t blocks_count) override;
  void unmap_read(Segment mapped) override;

 private:
  // In Io::layer_scratch.
  struct Progress {
    ListNode node;
    uint64_t done_bytes = 0;
  };
  using Line = IntrusiveList<Progress, &Progress::node>;
  static Progress& begin(Io& io);
  static Io& io_of(Progress& progress);

  void start(Io& io);
  void start_held();
  Status execute(Io& io);
  void transfer(Io& io);
  Status compare(const Io& io);
  // Does one bounded piece of a write_zeroes, unmap or copy; true when it was the last.
  bool step(Io& io, Progress& progress);
  bool step_zero(const Io& io, Progress& progress);
  bool step_copy(const Io& io, Progress& progress);
  void copy_piece(uint64_t from, uint64_t to, uint64_t bytes);
  static void finish(Io& io, Progress& progress);
  void go_on();

  uint64_t bytes_of(const Io& io) const { return uint64_t{io.blocks_count} * geometry_.block_size_bytes; }
  uint64_t offset_of(uint64_t lba) const { return lba * geometry_.block_size_bytes; }
  template <typename Visit>
  void for_each_run(uint64_t offset, uint64_t bytes, Visit visit);

  Reactor& reactor_;
  const Geometry& geometry_;
  std::shared_ptr<MemoryStore> store_;
  bool ready_;  // false: another reactor has not agreed yet, I/O is held
  Line held_;
  Line going_on_;  // has pieces left, round robin
  // Tells itself to go on; on its way exactly while going_on_ is not empty.
  struct GoOn : Message {
    using Message::Message;
    MemoryChannel* channel = nullptr;
  } go_on_message_;
  // Lets the answer of join() find out that the channel is gone.
  struct Alive {
    MemoryChannel* channel;
  };
  std::shared_ptr<Alive> alive_;
};

}  // namespace ballast::bdev
