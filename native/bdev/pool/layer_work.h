// What is left to do after a volume or snapshot was deleted: its extents become free, or what its only child
// still needs of it moves there. In bounded steps, each a group in the journal; a crash goes on where it was.
#pragma once

#include "bdev/pool/changes.h"

namespace ballast::bdev::pool {

class LayerWork {
 public:
  // Both must outlive this; the turns are shared with Volumes.
  LayerWork(Store& store, Turns& turns) : store_(store), turns_(turns) {}

  enum class Progress : uint8_t {
    some,     // ask again
    none,     // nothing to do
    blocked,  // only slots are left that would get more than four fragments: their blocks must be copied
              // first
  };
  // One step, of at most 64 slots.
  Task<Result<Progress>> step();

 private:
  struct Found {
    uint32_t layer = 0;  // 0: none
    LayerValue value;
  };
  Task<Result<Found>> find_work(uint32_t from);
  Task<Result<LayerValue>> read_layer(Changes& changes, uint32_t layer);
  Task<Result<Progress>> delete_step(uint32_t layer, LayerValue value);
  Task<Result<Progress>> merge_step(uint32_t layer, LayerValue value);
  Task<Result<Progress>> finish_delete(uint32_t layer, LayerValue value);
  Task<Result<Progress>> finish_merge(uint32_t layer, LayerValue value, uint32_t child);
  Task<Result<uint32_t>> only_child(uint32_t layer);
  Task<Errc> drop_layer(Changes& changes, uint32_t layer);

  Store& store_;
  Turns& turns_;
  uint32_t next_layer_ = 0;  // where the search goes on
};

}  // namespace ballast::bdev::pool
