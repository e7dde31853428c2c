#include "addon/control_thread.h"

#include <pthread.h>

#include "base/assert.h"

namespace ballast::addon {

ControlThread::ControlThread() : thread_([this] { run(); }) {}

ControlThread::~ControlThread() {
  BALLAST_ASSERT(std::this_thread::get_id() != thread_.get_id());
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ControlThread::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    BALLAST_ASSERT(!ending_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void ControlThread::run() {
  pthread_setname_np(pthread_self(), "ballast-control");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    {
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    lock.lock();
  }
}

}  // namespace ballast::addon
