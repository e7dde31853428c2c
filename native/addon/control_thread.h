// One thread that runs an engine's blocking calls in the order in which JavaScript asked for them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ballast::addon {

class ControlThread {
 public:
  ControlThread();
  ~ControlThread();  // runs what is queued, then joins; not on the thread itself

  using Task = std::function<void()>;
  void post(Task task);  // any thread

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ballast::addon
