// Puts the checksums of extents that are not written any more into the tree and takes their dirty mark away,
// so that few have to be computed again after a crash. After one it computes them: blocks that nobody has
// written since are read. On the owner reactor, in the background.
#pragma once

#include "bdev/pool/data_path.h"
#include "bdev/pool/sleep.h"

namespace ballast::bdev::pool {

struct CleanerOptions {
  uint64_t idle_ns = 10 * k_ns_per_s;  // an extent that was not written for so long is cleaned
  uint64_t every_ns = k_ns_per_s;
  // More dirty extents than this are not left to be: the oldest are cleaned however young. Bounds the memory
  // of their sums (1.2 KiB each) and what is read after a crash, 16 GiB.
  uint32_t dirty_max = 16'384;
};

class Cleaner {
 public:
  Cleaner(DataPath& path, const CleanerOptions& options)
      : path_(path), options_(options), sleeper_(path.reactor) {}

  void start() { background_.start(run()); }
  // Returns when it has ended.
  Task<Errc> stop();
  // All that is dirty and has no write in flight, however young.
  Task<Errc> clean_all() { return clean(0, UINT32_MAX); }

 private:
  Task<Errc> run();
  Task<Errc> clean(uint64_t idle_ns, uint32_t kept_max);
  Task<Errc> compute_unknown(BlockSumsPointer sums);
  Task<Errc> put(std::vector<BlockSumsPointer> batch);
  Task<Errc> drop_premarks(uint64_t idle_ns);

  DataPath& path_;
  const CleanerOptions options_;
  Sleeper sleeper_;
  bool is_stopping_ = false;
  bool is_cleaning_ = false;
  Signal rested_;
  Background background_;
};

}  // namespace ballast::bdev::pool
