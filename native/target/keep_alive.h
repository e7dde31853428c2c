// The time a host has left. A member of its controller. NVMe Base Specification 2.1, "Keep Alive", command
// based: only the Keep Alive command, and a new time-out, restart the timer. Rows F24 to F26.
#pragma once

#include <cstdint>
#include <functional>

#include "nvme/limits.h"
#include "reactor/reactor.h"

namespace ballast::target {

// The time-out that a host gets for what it asks: rounded up to the granularity that Identify tells (KAS).
// The largest values are rounded down instead, so that the result can be told in 32 bits. 0 stays 0: none.
inline constexpr uint32_t granted_keep_alive_ms(uint32_t asked_ms) {
  constexpr uint64_t k_step = nvme::k_keep_alive_granularity_ms;
  constexpr uint64_t k_max = UINT32_MAX / k_step * k_step;
  const uint64_t rounded = (uint64_t{asked_ms} + k_step - 1) / k_step * k_step;
  return static_cast<uint32_t>(rounded < k_max ? rounded : k_max);
}

class KeepAlive {
 public:
  KeepAlive(Reactor& reactor, std::function<void()> expired)
      : reactor_(reactor),
        heard_ns_(reactor.clock().now_ns()),
        expired_(std::move(expired)),
        timer_([](Timer&, void* self) { static_cast<KeepAlive*>(self)->expired_(); }, this) {}
  ~KeepAlive() { reactor_.cancel(timer_); }

  uint32_t timeout_ms() const { return timeout_ms_; }
  // As granted. Takes effect on a running timer at once.
  void set_timeout_ms(uint32_t timeout_ms) {
    timeout_ms_ = timeout_ms;
    if (running_) restart();
  }
  void start() {
    running_ = true;
    restart();
  }
  void stop() {
    running_ = false;
    reactor_.cancel(timer_);
  }
  // Since the host has shown last that it lives, or since Connect.
  uint64_t silent_ns() const { return reactor_.clock().now_ns() - heard_ns_; }
  // The host has shown that it lives.
  void restart() {
    heard_ns_ = reactor_.clock().now_ns();
    if (!running_) return;
    if (timeout_ms_ == 0) return reactor_.cancel(timer_);
    reactor_.arm(timer_, uint64_t{timeout_ms_} * k_ns_per_ms);
  }

 private:
  Reactor& reactor_;
  uint64_t heard_ns_;
  std::function<void()> expired_;
  Timer timer_;
  uint32_t timeout_ms_ = 0;
  bool running_ = false;
};

}  // namespace ballast::target
