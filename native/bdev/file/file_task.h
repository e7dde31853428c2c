// An operation on a file that takes several steps: compare, compare-and-write, copy, verify, zeroing, and
// reads that must not come from a volatile cache. A state machine that one file operation's end advances.
// Owned by a pool of its FileChannel.
#pragma once

#include <cstdint>

#include "bdev/bdev.h"
#include "bdev/range_lock.h"
#include "reactor/io_backend.h"

namespace ballast::bdev {

class FileChannel;

class FileTask {
 public:
  // Copies, compares and verifies go in pieces of this size, one buffer each.
  static constexpr uint64_t k_piece_bytes = 64 * 1024;

  // Once, before the first start.
  void bind(FileChannel& channel, uint8_t* buffer);
  // Works for `io` until FileChannel::finish_task(). It is in the gate already, except compare_and_write.
  void start(Io& io);

 private:
  enum class Stage : uint8_t {
    idle,
    locking,        // compare_and_write: waits until nothing else is in its range
    syncing_first,  // read with fua: what is in the cache goes to the medium
    reading,        // a piece into the buffer; the whole of a read into its data
    writing,        // a piece of a copy from the buffer; the second half of a compare_and_write
    zeroing,        // the range as one operation of the file system
    punching,       // the same, giving the space back
    filling,        // the file system can do neither: zeroes are written
    syncing,        // what was changed goes to the medium
    unlocking,
  };

  void advance(int64_t result);
  void advance_move(int64_t result);
  void next_piece();
  void on_read();
  void write_second_half();
  void on_written();
  void change_done();
  void end(Status status);

  uint64_t total() const;
  uint64_t piece_skip() const;
  void run_whole(Stage stage, FileOp::Kind kind);
  void run_sync(Stage stage);
  // `bytes` at block `lba` of the file, `file_skip_bytes` further on, to or from the start of `data`.
  void move(Stage stage, FileOp::Kind kind, std::span<const Segment> data, uint64_t file_skip_bytes,
            uint64_t lba, uint64_t bytes);
  void submit_move();
  void aim_zeroes();
  void fill();

  FileChannel* channel_ = nullptr;
  uint8_t* buffer_ = nullptr;
  Io* io_ = nullptr;
  Stage stage_ = Stage::idle;
  uint64_t done_bytes_ = 0;   // pieces finished
  uint64_t piece_bytes_ = 0;  // of the present piece

  // The present run of bytes.
  FileOp op_;
  Segment slice_;
  Segment buffer_segment_;
  std::span<const Segment> move_data_;
  uint64_t move_offset_ = 0;
  uint64_t move_bytes_ = 0;
  uint64_t moved_bytes_ = 0;

  RangeLockRequest lock_;
  Status status_after_unlock_ = Status::ok;
};

}  // namespace ballast::bdev
