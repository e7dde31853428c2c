// A device of a pool as its owner reactor sees it: runs of bytes between memory and the file, whole or
// failed. Used for metadata; short counts go on where they stopped, and a failed sync is believed for ever.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "bdev/pool/format.h"
#include "reactor/reactor.h"

namespace ballast::bdev::pool {

// Zeroed memory that O_DIRECT takes. A large one costs address space until its pages are used.
class PageBuffer {
 public:
  explicit PageBuffer(size_t size_bytes);
  uint8_t* data() const { return base_; }
  size_t size() const { return size_bytes_; }
  MutableByteSpan bytes() const { return {base_, size_bytes_}; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t, Free> memory_;
  uint8_t* base_;
  size_t size_bytes_;
};

class Disk {
 public:
  // Awaitable; or start() several and await each later. Lives until it is done.
  class Operation {
   public:
    Operation(Disk& disk, FileOp::Kind kind, uint64_t offset, Segment memory);
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation() { BALLAST_ASSERT(state_ != State::running); }

    void start();
    // With a call at the end instead of a coroutine: without an allocation. May come within start().
    void start(void (*done)(void* context, Errc errc), void* context) {
      done_ = done;
      context_ = context;
      start();
      if (state_ == State::done && done_ != nullptr) std::exchange(done_, nullptr)(context_, errc_);
    }
    bool await_ready() {
      if (state_ == State::idle) start();
      return state_ == State::done;
    }
    void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
    Errc await_resume() const { return errc_; }

   private:
    void submit();
    void moved(int64_t result);
    void finish(Errc errc);

    enum class State : uint8_t { idle, running, done };
    Disk& disk_;
    FileOp op_;
    Segment memory_;
    Segment left_;
    uint64_t offset_;
    std::coroutine_handle<> waiter_;
    void (*done_)(void* context, Errc errc) = nullptr;
    void* context_ = nullptr;
    State state_ = State::idle;
    Errc errc_ = Errc::ok;
  };

  // The reactor must outlive the disk.
  Disk(Reactor& reactor, std::unique_ptr<File> file) : reactor_(reactor), file_(std::move(file)) {}
  ~Disk() { BALLAST_ASSERT(operations_count_ == 0); }

  uint64_t size_bytes() const { return file_->size_bytes(); }
  Reactor& reactor() { return reactor_; }
  Descriptor descriptor() const { return file_->descriptor(); }
  // Finished writes may be lost by a power failure until a sync.
  bool has_volatile_cache() const { return file_->volatile_write_cache(); }
  // After a sync or a durable write failed: what is on the disk is unknown, changes answer io_error.
  bool is_poisoned() const { return poisoned_; }
  void poison() { poisoned_ = true; }

  Operation read(uint64_t offset, MutableByteSpan into) {
    return {*this, FileOp::Kind::read, offset, {into.data(), into.size()}};
  }
  Operation write(uint64_t offset, ByteSpan bytes) {
    return {*this, FileOp::Kind::write, offset, {const_cast<uint8_t*>(bytes.data()), bytes.size()}};
  }
  // On stable media when done.
  FileOp::Kind durable_write_kind() const {
    return file_->volatile_write_cache() ? FileOp::Kind::write_durable : FileOp::Kind::write;
  }
  Operation write_durable(uint64_t offset, ByteSpan bytes) {
    return {*this, durable_write_kind(), offset, {const_cast<uint8_t*>(bytes.data()), bytes.size()}};
  }
  // Reads zeroes afterwards; durable after a sync.
  Operation zero(uint64_t offset, uint64_t length_bytes) {
    return {*this, FileOp::Kind::zero_range, offset, {nullptr, length_bytes}};
  }
  Operation sync() { return {*this, FileOp::Kind::sync_data, 0, {}}; }

 private:
  Reactor& reactor_;
  std::unique_ptr<File> file_;
  uint32_t operations_count_ = 0;
  bool poisoned_ = false;
};

}  // namespace ballast::bdev::pool
