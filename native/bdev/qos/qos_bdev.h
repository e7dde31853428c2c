// A layer that limits what a volume may use and keeps what it was promised, over any device. Geometry,
// capabilities and kind are those of the device below, asked each time: it may grow while it is open.
// Order: what one channel submits of one direction (cost.h) goes down in that order. Reads do not wait for
// writes that only a limit of writes holds, nor writes for reads. Flushes never wait.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "bdev/bdev.h"
#include "bdev/qos/config.h"
#include "bdev/qos/node.h"
#include "bdev/qos/stats.h"

namespace ballast::bdev::qos {

class QosBdev : public Bdev {
 public:
  using Done = std::function<void()>;

  // --- control path, one thread at a time ---
  // In force when `done` runs, on the node's home; possibly null. I/O that waits goes on under the new
  // limits, in its order. Refusals change nothing: invalid_argument, too_many (promises above the budget).
  virtual Outcome set(const Config& config, Done done = nullptr) = 0;
  virtual const Config& config() const = 0;
  // Before a volume is taken away: what waits goes down at once, and nothing waits any more
  // until the next set().
  virtual void drain(Done done = nullptr) = 0;
  // What waits goes down at once, and nothing waits until the answer is called, once, on any thread: for who
  // has to wait for I/O to end. Limits that are set meanwhile hold after it.
  [[nodiscard]] virtual Done lift() = 0;

  // Any thread.
  virtual Stats stats() const = 0;
  // What stats() reads, for who looks at it beside the control path: it may outlive the device.
  virtual std::shared_ptr<const StatsCells> stats_cells() const = 0;
};

// Control path. `below` is open through here alone. The reactor that is the node's home must run until the
// device is closed. Errors as of set().
Result<std::shared_ptr<QosBdev>> make_qos_bdev(std::shared_ptr<Bdev> below, std::shared_ptr<Node> node,
                                               const Config& config);

}  // namespace ballast::bdev::qos
