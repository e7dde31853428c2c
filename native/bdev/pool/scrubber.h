// Walks all data of a pool and compares it with its checksums, at a set rate. On the owner reactor, in the
// background. What it finds is logged and counted; reads of those blocks are media errors already.
#pragma once

#include "bdev/pool/data_path.h"
#include "bdev/pool/sleep.h"

namespace ballast::bdev::pool {

struct ScrubProgress {
  bool is_running = false;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // of extents in use when it began
  uint64_t errors = 0;       // blocks
};

class Scrubber {
 public:
  explicit Scrubber(DataPath& path) : path_(path), sleeper_(path.reactor) {}

  // in_use while one is running; unsupported where no checksums are kept. 0: as fast as it goes.
  Outcome start(uint64_t bytes_per_second);
  void stop() {
    is_stopping_ = true;
    sleeper_.wake();
  }
  // After stop(): returns when it has ended.
  Task<Errc> ended();
  const ScrubProgress& progress() const { return progress_; }

 private:
  Task<Errc> run(uint64_t bytes_per_second);
  Task<Errc> scrub(uint32_t layer, Fragment fragment);
  Task<Result<bool>> is_deleted(uint32_t layer);
  Task<Result<uint32_t>> count_wrong(const Fragment& fragment, const PageBuffer& buffer);

  DataPath& path_;
  Sleeper sleeper_;
  ScrubProgress progress_;
  bool is_stopping_ = false;
  Background background_;
};

}  // namespace ballast::bdev::pool
