// An association with a replica as the driver of a head uses it, local or remote: requests of the replica
// protocol and I/O. One association of the replica each, for one session of the head; it is never
// re-established, so that what was stuck in it cannot come after what was sent on the next one.
//
// On one reactor, the head's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "bdev/bdev.h"
#include "bdev/mirror/replica_command.h"

namespace ballast::bdev::mirror {

struct ReplicaRequest {
  CommandWords words;   // as transfer_of() takes them
  ByteSpan data;        // sent with it
  MutableByteSpan out;  // filled by the answer; as long as the words say
};

struct ReplicaAnswer {
  Status status = Status::ok;
  Refusal refusal = Refusal::none;
};

class ReplicaConnection {
 public:
  virtual ~ReplicaConnection() = default;  // when closed
  // Blocks and capabilities of the device behind it.
  virtual const Geometry& geometry() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  // A few at a time, which may be done in any order. What it points at stays valid until `done`, which is
  // called exactly once, never from inside this call. A connection that is lost: io_error.
  using Done = std::function<void(const ReplicaAnswer&)>;
  virtual void request(const ReplicaRequest& request, Done done) = 0;
  // As a Channel takes it: done exactly once, possibly from inside. Refused by the replica: fenced.
  virtual void submit(Io& io) = 0;
  // Ends at once: nothing more is sent, what is in work ends with an error when no byte of its memory is used
  // any more. `closed` comes after all of that, never from inside this call.
  virtual void close(std::function<void()> closed) = 0;
};

// A way to a replica. Outlives its connections.
class ReplicaConnector {
 public:
  virtual ~ReplicaConnector() = default;
  using Connected = std::function<void(Result<std::unique_ptr<ReplicaConnection>>)>;
  using Lost = std::function<void(const std::string& why)>;
  // `connected` is called exactly once, never from inside; within a bounded time, or after cancel(). `lost`
  // at most once, after `connected` and before close() was called: what is in work ends with errors by
  // itself. One attempt at a time.
  virtual void connect(Connected connected, Lost lost) = 0;
  virtual void cancel() = 0;
};

}  // namespace ballast::bdev::mirror
