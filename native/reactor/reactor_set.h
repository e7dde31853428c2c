// The reactors of a process, each on its own thread over a UringBackend. Built and ended by the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "reactor/reactor.h"

namespace ballast {

struct ReactorSetOptions {
  uint32_t reactors_count = 1;  // 1 .. k_reactors_max
  std::vector<int> cpus;        // empty: not pinned; else one CPU number per reactor
  uint32_t spin_us = k_spin_us_default;
  BufferArenaSizes buffers;
};
inline constexpr uint32_t k_reactors_max = 64;

class ReactorSet {
 public:
  // Starts the threads; returns when all of them run. Errc: invalid_argument (a CPU that does not exist),
  // unsupported (no io_uring), no_memory.
  static Result<std::unique_ptr<ReactorSet>> start(const ReactorSetOptions& options);
  // Stops and joins the threads. Everything on the reactors must have been closed.
  ~ReactorSet();

  uint32_t count() const { return static_cast<uint32_t>(reactors_.size()); }
  Reactor& at(uint32_t index) { return *reactors_.at(index); }
  std::span<Reactor* const> reactors() const { return reactors_; }
  // Opens real files.
  FileSystem& files();

 private:
  struct Thread;
  ReactorSet();
  std::unique_ptr<FileSystem> files_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Reactor*> reactors_;
};

// Which optional io_uring features this kernel gave, e.g. "defer-taskrun single-issuer", for the log and
// `ballast serve`.
std::string uring_features_text();

}  // namespace ballast
