// The driver `fuse`: a loop device over the file of a FUSE file system.
#include "attach/fuse_mount.h"
#include "attach/fuse_session.h"
#include "attach/loop_device.h"
#include "base/log.h"
#include "engine/blocking.h"
#include "engine/served_device.h"

namespace ballast::engine {
namespace {

class FuseDevice final : public ServedDevice {
 public:
  FuseDevice(Reactor& reactor, bdev::Bdev& device, const ServedDeviceConfig& config)
      : reactor_(reactor), device_(device), config_(config) {}

  ~FuseDevice() override {
    if (session_ != nullptr) close_session();
    if (mounted_) static_cast<void>(attach::unmount(config_.path, true));
  }

  Result<std::string> start() override {
    const attach::FuseOptions defaults;
    TRY(const int fuse, attach::mount_fuse({config_.path, "ballast-" + config_.uuid.text(),
                                            defaults.transfer_bytes_max, config_.read_only}));
    mounted_ = true;
    TRY(const Unit served, start_session(fuse));
    static_cast<void>(served);
    TRY(loop_,
        attach::make_loop_device({config_.path, device_.geometry().block_size_bytes, config_.read_only}));
    return loop_;
  }

  Outcome stop() override {
    TRY(const Unit removed, attach::remove_loop_device(loop_, config_.path, false));
    static_cast<void>(removed);
    // The kernel may let the file go a moment later: out of sight it is at once.
    TRY(const Unit unmounted, attach::unmount(config_.path, true));
    static_cast<void>(unmounted);
    mounted_ = false;
    close_session();
    return Unit{};
  }

  Outcome resize(uint64_t) override { return attach::update_loop_device(loop_, config_.path); }

 private:
  Outcome start_session(int fuse) {
    Outcome outcome = Unit{};
    run_on(reactor_, [&] {
      attach::FuseOptions options;
      options.read_only = config_.read_only;
      auto session = attach::FuseSession::start(
          reactor_, device_, fuse, options, [path = config_.path](const Error& why) {
            log(LogLevel::warning, "attach", "%s: %s", path.c_str(), why.text.c_str());
          });
      if (session.ok()) {
        session_ = std::move(*session);
      } else {
        outcome = session.error();
      }
    });
    return outcome;
  }

  void close_session() {
    wait_for([&](auto done) { send_task(reactor_, [this, done] { session_->close(done); }); });
    run_on(reactor_, [&] { session_.reset(); });
  }

  Reactor& reactor_;
  bdev::Bdev& device_;
  const ServedDeviceConfig config_;
  std::unique_ptr<attach::FuseSession> session_;
  std::string loop_;
  bool mounted_ = false;
};

}  // namespace

std::unique_ptr<ServedDevice> make_fuse_device(Reactor& reactor, bdev::Bdev& device,
                                               const ServedDeviceConfig& config) {
  return std::make_unique<FuseDevice>(reactor, device, config);
}

}  // namespace ballast::engine
