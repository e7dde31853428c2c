// What IoDispatch keeps of one command, in Request::observer_state from on_request() to on_released().
#pragma once

#include <cstdint>
#include <new>

#include "bdev/bdev.h"
#include "target/io_command.h"
#include "transport/transport.h"

namespace ballast::target {

class IoDispatch;

struct IoContext {
  enum class Stage : uint8_t {
    fetching,        // the host's data is on its way
    waiting_buffer,  // a read waits for a buffer
    holding,         // half of a fused pair, with its data, waits for the other half
    device,          // device I/O is in flight, or pieces of it are left
    replying,        // reply() was called
  };

  IoContext(IoDispatch& owner, transport::Request& of) : dispatch(owner), request(of) {}
  static IoContext& of(transport::Request& request) {
    return *std::launder(reinterpret_cast<IoContext*>(request.observer_state.data()));
  }

  IoDispatch& dispatch;
  transport::Request& request;
  Stage stage = Stage::fetching;
  bool mapped = false;     // segments[0] is a mapped read
  bool in_submit = false;  // submit_next() is on the stack: a completion only leaves its status
  bool done_inside = false;
  bool in_flight = false;  // counted so
  bdev::Status status = bdev::Status::ok;
  IoCommand command;
  NamespaceShard* shard = nullptr;  // while the command is inside it
  uint64_t generation = 0;          // of the namespace that it was checked against
  uint64_t received_ns = 0;         // the start of the turn in which it came
  // The other half of a fused pair, once both have passed their checks.
  IoContext* partner = nullptr;
  // Its pair has failed while its data was on the way: the answer for when that has ended.
  nvme::Status doomed = nvme::status::success;

  // How far a command of several device I/Os is.
  uint64_t blocks_done = 0;
  uint32_t ranges_done = 0;

  bdev::Io io;
  Segment segments[2];
};
static_assert(sizeof(IoContext) <= transport::Request::k_observer_bytes);
static_assert(alignof(IoContext) <= 16);

}  // namespace ballast::target
