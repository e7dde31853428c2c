// How an operation of the control path of a simulation is started, and ended.
#pragma once

#include "native/bdev_pool/simulation_flight.h"

namespace ballast::bdev::pool::test {

template <typename T, typename Ended>
struct TaskControl final : Control {
  TaskControl(Task<T> of, Ended with) : task(std::move(of)), ended(std::move(with)) {}
  bool is_done() const override { return task.is_done(); }
  void end() override { ended(task.value()); }
  Task<T> task;
  Ended ended;
};

// `ended` is given the result. `doubt` when it failed because power did, or a fault was injected.
template <typename Make, typename Ended>
void Simulation::start(std::vector<uint32_t> volumes, Make make, Ended ended, Doubt doubt) {
  for (const uint32_t volume : volumes) busy_.insert(volume);
  ++now_;
  auto with = [this, volumes, ended, doubt](auto& result) {
    for (const uint32_t volume : volumes) busy_.erase(busy_.find(volume));
    ++now_;
    trace(result.ok() ? "an operation has ended" : "an operation has failed: " + result.error().text);
    if (!result.ok() && is_expected(result.errc())) return leave_in_doubt(doubt);
    ended(result);
  };
  std::unique_ptr<Control> control;
  world().on(stage_->reactor, [&] {
    auto task = make();
    using Value = std::remove_cvref_t<decltype(task.value())>;
    control = std::make_unique<TaskControl<Value, decltype(with)>>(std::move(task), with);
  });
  controls_.push_back(std::move(control));
}

}  // namespace ballast::bdev::pool::test
