// The driver `ublk`: a block device of the kernel's ublk driver.
#include <optional>

#include "attach/ublk_device.h"
#include "attach/ublk_request.h"
#include "attach/ublk_session.h"
#include "base/log.h"
#include "engine/blocking.h"
#include "engine/served_device.h"

namespace ballast::engine {
namespace {

class UblkServed final : public ServedDevice {
 public:
  UblkServed(Reactor& reactor, bdev::Bdev& device, const ServedDeviceConfig& config)
      : reactor_(reactor), device_(device), config_(config) {}

  ~UblkServed() override {
    if (session_ == nullptr) return;
    const Outcome stopped = made_->stop(true);
    if (!stopped.ok()) log(LogLevel::error, "attach", "%s", stopped.error().text.c_str());
    end_session();
  }

  Result<std::string> start() override {
    attach::UblkDeviceConfig config;
    config.owner = config_.uuid;
    config.parameters = attach::ublk_parameters(device_, config_.read_only, config.transfer_bytes_max);
    TRY(auto made, attach::UblkDevice::add(config));
    made_.emplace(std::move(made));
    TRY(const Unit served, start_session(config.transfer_bytes_max));
    static_cast<void>(served);
    TRY(const Unit started, made_->start());
    static_cast<void>(started);
    return made_->path();
  }

  Outcome stop() override {
    TRY(const Unit stopped, made_->stop(false));
    static_cast<void>(stopped);
    end_session();
    made_.reset();
    return Unit{};
  }

  Outcome resize(uint64_t size_bytes) override { return made_->resize(size_bytes); }

 private:
  Outcome start_session(uint32_t transfer_bytes_max) {
    Outcome outcome = Unit{};
    run_on(reactor_, [&] {
      auto session = attach::UblkSession::start(
          reactor_, device_, {made_->queue(), made_->descriptors(), transfer_bytes_max, config_.read_only},
          [this, path = made_->path()] {
            log(LogLevel::info, "attach", "%s has ended", path.c_str());
            ended_.raise();
          });
      if (session.ok()) {
        session_ = std::move(*session);
      } else {
        outcome = session.error();
      }
    });
    return outcome;
  }

  // After the device was stopped, by whomever.
  void end_session() {
    ended_.wait();
    run_on(reactor_, [&] { session_.reset(); });
  }

  Reactor& reactor_;
  bdev::Bdev& device_;
  const ServedDeviceConfig config_;
  std::optional<attach::UblkDevice> made_;  // outlives the session
  std::unique_ptr<attach::UblkSession> session_;
  Signal ended_;
};

}  // namespace

std::unique_ptr<ServedDevice> make_ublk_device(Reactor& reactor, bdev::Bdev& device,
                                               const ServedDeviceConfig& config) {
  return std::make_unique<UblkServed>(reactor, device, config);
}

}  // namespace ballast::engine
