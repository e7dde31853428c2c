// One read or write of a volume while it is in work. It goes slot by slot; within a slot up to four runs are
// in flight. A state machine that the end of a run, a commit or a wait advances; of a pool of the data path.
#pragma once

#include "bdev/bdev.h"
#include "bdev/pool/data_path.h"

namespace ballast::bdev::pool {

class VolumeIo {
 public:
  // `finished` comes once, after this object was given back. May come from inside.
  using Finished = void (*)(Io& io, Status status);
  void start(OpenVolume& volume, Io& io, Finished finished);

 private:
  static constexpr uint32_t k_runs_max = 4;

  void wait_in(WaitList& list, void (VolumeIo::*then)());
  void next_piece();
  void look_up_again();
  void leave_piece();
  void end(Status status);
  bool is_write() const { return io_->type == IoType::write; }
  BlockMask piece_mask() const;
  void lock_blocks();
  void unlock_blocks();

  void read_piece();
  void read_again();
  void reads_ended();
  void verify(const DataRun& run);

  void write_piece();
  bool choose_place();
  bool choose_target();
  void touch(Extent extent);
  void mark_places();
  bool must_be_settled() const;
  void wait_settled();
  void write_data();
  void commit(const Record& record);
  void writes_ended();
  void mapped(Errc errc);
  void keep_target_sums();
  void leave_target(bool is_mapped);
  void note_sums();
  void leave_write();

  void start_runs();
  void start_run();
  void run_ended(DataRun& run, Status status);

  OpenVolume* volume_ = nullptr;
  DataPath* path_ = nullptr;
  Io* io_ = nullptr;
  Finished finished_ = nullptr;
  Grace::Entry grace_;
  Waiter waiter_;
  void (VolumeIo::*then_)() = nullptr;
  Status status_ = Status::ok;
  uint32_t blocks_done_ = 0;  // of the Io, in pieces before

  // The piece: blocks [first_, first_ + count_) of a slot.
  CachedSlot* slot_ = nullptr;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  uint32_t started_ = 0;   // blocks of it that are done or in a run
  bool has_lock_ = false;  // on its blocks
  bool has_wrong_sum_ = false;
  bool has_lost_sums_ = false;

  // A write: all of the piece goes to the target and is mapped there, or, without one, in place.
  std::optional<Extent> target_;
  bool target_is_pending_ = false;
  std::array<BlockSumsPointer, k_fragments_max> touched_;  // sums of where it goes
  uint32_t touched_count_ = 0;
  uint32_t marks_count_ = 0;
  SlotMapSums map_;
  Record record_;
  Commit commit_;
  bool is_together_ = false;    // the record is written at the same time as the data
  bool is_committing_ = false;  // until mapped()
  bool has_written_ = false;    // the data, or it has failed

  std::array<DataRun, k_runs_max> runs_;
  uint32_t runs_busy_ = 0;  // a bit for each
  bool is_starting_ = false;
};

}  // namespace ballast::bdev::pool
