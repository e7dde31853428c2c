#include "engine/host_side.h"

#include <algorithm>

namespace ballast::engine {

namespace {
Error closing_error() { return {Errc::shutting_down, "the engine is closing"}; }
}  // namespace

HostSide::HostSide(std::vector<Reactor*> reactors) : reactors_(std::move(reactors)) {
  BALLAST_ASSERT(!reactors_.empty());
}

HostSide::~HostSide() {
  BALLAST_ASSERT(controllers_.empty());
  BALLAST_ASSERT(pending_.empty());
}

void HostSide::connect(const initiator::ControllerOptions& options,
                       initiator::Controller::StateObserver observer, Connected connected) {
  send_task(*reactors_.front(),
            [this, options, observer = std::move(observer), connected = std::move(connected)]() mutable {
              start_connect(options, std::move(observer), std::move(connected));
            });
}

void HostSide::start_connect(const initiator::ControllerOptions& options,
                             initiator::Controller::StateObserver observer, Connected connected) {
  if (closing_) return connected(closing_error());
  const Pending::iterator pending = pending_.emplace(pending_.end());
  *pending = initiator::Controller::connect(reactors_, options, std::move(observer),
                                            [this, pending, connected = std::move(connected)](
                                                Result<std::shared_ptr<initiator::Controller>> result) {
                                              pending_.erase(pending);
                                              take_connected(std::move(result), connected);
                                            });
}

void HostSide::take_connected(Result<std::shared_ptr<initiator::Controller>> result,
                              const Connected& connected) {
  BALLAST_ASSERT_ON_REACTOR(*reactors_.front());
  if (!result.ok()) {
    connected(closing_ ? closing_error() : result.error());
    return end_if_idle();
  }
  controllers_.push_back(std::make_unique<HostController>(std::move(result.value()), reactors_));
  HostController& controller = *controllers_.back();
  if (!closing_) return connected(&controller);
  connected(closing_error());
  start_close(controller, [] {});
}

void HostSide::discover(const initiator::ControllerOptions& options, Discovered done) {
  send_task(*reactors_.front(), [this, options, done = std::move(done)] {
    if (closing_) return done(closing_error());
    const Pending::iterator pending = pending_.emplace(pending_.end());
    *pending =
        initiator::discover(*reactors_.front(), options,
                            [this, pending, done](Result<std::vector<initiator::DiscoveryEntry>> result) {
                              pending_.erase(pending);
                              if (closing_) result = closing_error();
                              done(std::move(result));
                              end_if_idle();
                            });
  });
}

void HostSide::close_controller(HostController& controller, std::function<void()> closed) {
  send_task(*reactors_.front(), [this, &controller, closed = std::move(closed)]() mutable {
    start_close(controller, std::move(closed));
  });
}

void HostSide::start_close(HostController& controller, std::function<void()> closed) {
  controller.close([this, &controller, closed = std::move(closed)] {
    remove(controller);
    closed();
    end_if_idle();
  });
}

void HostSide::remove(HostController& controller) {
  const auto found = std::find_if(controllers_.begin(), controllers_.end(),
                                  [&](const auto& owned) { return owned.get() == &controller; });
  BALLAST_ASSERT(found != controllers_.end());
  controllers_.erase(found);
}

void HostSide::close(std::function<void()> closed) {
  send_task(*reactors_.front(), [this, closed = std::move(closed)]() mutable {
    BALLAST_ASSERT(!closing_);
    closing_ = true;
    closed_ = std::move(closed);
    std::vector<HostController*> open;
    for (const auto& controller : controllers_) {
      if (!controller->closing()) open.push_back(controller.get());
    }
    for (HostController* controller : open) start_close(*controller, [] {});
    for (const auto& pending : pending_) {
      if (const auto controller = pending.lock()) controller->close([] {});
    }
    end_if_idle();
  });
}

void HostSide::end_if_idle() {
  if (!closing_ || !pending_.empty() || !controllers_.empty() || closed_ == nullptr) return;
  const std::function<void()> closed = std::exchange(closed_, nullptr);
  closed();  // may destroy this
}

}  // namespace ballast::engine
