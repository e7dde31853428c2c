// One I/O on an encrypted device: a state machine around one Io of its own for the device below, which that
// one's end advances. Owned by a pool of its CryptChannel.
//
//   read                  below reads into the host's memory, decrypted there
//   write, compare        pieces: encrypted into the buffer, passed down
//   write_zeroes, unmap   passed down: zeroes are zeroes on both sides
//   copy                  pieces: read into the buffer, decrypted, encrypted for the other place, written
//   compare_and_write     under the lock of its range; as one below if it fits the buffer, else compared in
//                         pieces and then written in pieces
#pragma once

#include <cstdint>
#include <span>

#include "bdev/bdev.h"
#include "bdev/range_lock.h"
#include "reactor/mailbox.h"

namespace ballast::bdev {

class CryptChannel;

class CryptTask {
 public:
  // One transfer of the largest size we advertise.
  static constexpr uint64_t k_piece_bytes = 128 * 1024;

  CryptTask();
  // Once, before the first start.
  void bind(CryptChannel& channel, uint8_t* buffer);
  // Works for `io` until CryptChannel::finish_task(). It is in the gate already, except compare_and_write.
  void start(Io& io);

 private:
  enum class Stage : uint8_t {
    idle,
    locking,    // compare_and_write: waits until nothing else is in its range
    whole,      // below does all of it: reads, zeroes, compares and writes what fits
    reading,    // a piece of a copy
    comparing,  // a piece, and more may come
    writing,    // a piece, and more may come
    unlocking,
  };

  void on_locked();
  void run_whole(std::span<const Segment> data);
  void next_piece();
  void encrypt_piece(Stage stage, uint64_t data_skip_bytes);
  void submit(Stage stage, IoType type, uint64_t lba, uint64_t bytes, std::span<const Segment> data);
  static void below_done(Io& below, Status status);
  void advance(Status status);
  void write_copied();
  void piece_done();
  void go_on();
  void end(Status status);

  uint32_t block() const;
  uint64_t total() const;
  // From where in the Io's range the present piece is.
  uint64_t piece_skip() const;

  CryptChannel* channel_ = nullptr;
  uint8_t* buffer_ = nullptr;
  Io* io_ = nullptr;
  Stage stage_ = Stage::idle;
  bool is_comparing_ = false;  // compare_and_write in pieces: the first half's turn
  bool answered_in_submit_ = false;
  bool* answered_ = nullptr;  // of the submit() below that has not returned yet
  uint64_t done_bytes_ = 0;
  uint64_t piece_bytes_ = 0;

  Io below_;
  Segment buffer_segment_;
  RangeLockRequest lock_;
  Status status_after_unlock_ = Status::ok;
  // A device that answers within submit() gets one piece a turn, so that a large copy leaves room for others.
  struct GoOn : Message {
    using Message::Message;
    CryptTask* task = nullptr;
  } go_on_;
};

}  // namespace ballast::bdev
