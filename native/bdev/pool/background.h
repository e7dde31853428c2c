// Coroutines that nobody awaits; a frame goes once its coroutine has ended.
#pragma once

#include <vector>

#include "base/errc.h"
#include "bdev/pool/task.h"

namespace ballast::bdev::pool {

class Background {
 public:
  void start(Task<Errc> task) {
    drop_ended();
    tasks_.push_back(std::move(task));
  }
  bool is_idle() {
    drop_ended();
    return tasks_.empty();
  }

 private:
  void drop_ended() {
    std::erase_if(tasks_, [](const Task<Errc>& ended) { return ended.is_done(); });
  }
  std::vector<Task<Errc>> tasks_;
};

}  // namespace ballast::bdev::pool
