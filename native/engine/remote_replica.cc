#include "engine/remote_replica.h"

#include <utility>

#include "base/assert.h"
#include "initiator/remote_bdev.h"

namespace ballast::engine {
namespace {

namespace mirror = bdev::mirror;

constexpr uint32_t k_nsid = 1;
constexpr uint16_t k_queue_entries = 256;
// How soon a silent peer is noticed, on both sides: hosts wait for that.
constexpr uint32_t k_keep_alive_ms = 3'000;

// Of a refusal of the replica, or of anything else that ends a command.
mirror::ReplicaAnswer answer_of(nvme::Status status) {
  if (status.ok()) return {};
  if (status.type() == nvme::StatusCodeType::vendor) {
    const mirror::Refusal refusal = mirror::refusal_of(status.code());
    if (refusal != mirror::Refusal::none) return {bdev::Status::io_error, refusal};
  }
  return {initiator::status_of(status), mirror::Refusal::none};
}

class RemoteConnection final : public mirror::ReplicaConnection {
 public:
  RemoteConnection(Reactor& reactor, std::shared_ptr<initiator::Controller> controller,
                   std::shared_ptr<initiator::RemoteBdev> device)
      : reactor_(reactor),
        controller_(std::move(controller)),
        device_(std::move(device)),
        channel_(device_->open(reactor)) {}
  ~RemoteConnection() override { BALLAST_ASSERT(is_closed_); }

  const bdev::Geometry& geometry() const override { return device_->geometry(); }
  const bdev::Capabilities& capabilities() const override { return device_->capabilities(); }

  void request(const mirror::ReplicaRequest& request, Done done) override {
    BALLAST_ASSERT_ON_REACTOR(reactor_);
    nvme::Command command;
    command.opcode = static_cast<uint8_t>(request.words.opcode);
    command.cdw10 = request.words.cdw10;
    command.cdw11 = request.words.cdw11;
    command.cdw12 = request.words.cdw12;
    command.cdw13 = request.words.cdw13;
    // What is sent is not written to: the opcode says in which direction the data goes.
    const Segment data = request.data.empty()
                             ? Segment{request.out.data(), request.out.size()}
                             : Segment{const_cast<uint8_t*>(request.data.data()), request.data.size()};
    controller_->submit_admin(command, data, [done = std::move(done)](nvme::Completion completion) {
      done(answer_of(completion.status()));
    });
  }

  void submit(bdev::Io& io) override { channel_->submit(io); }

  void close(std::function<void()> closed) override {
    controller_->abandon([this, closed = std::move(closed)] {
      channel_.reset();
      is_closed_ = true;
      // Later: the controller is still on the stack.
      send_task(reactor_, closed);
    });
  }

 private:
  Reactor& reactor_;
  const std::shared_ptr<initiator::Controller> controller_;
  const std::shared_ptr<initiator::RemoteBdev> device_;
  std::unique_ptr<bdev::Channel> channel_;
  bool is_closed_ = false;
};

class RemoteConnector final : public mirror::ReplicaConnector {
 public:
  RemoteConnector(Reactor& reactor, const RemoteReplicaConfig& config) : reactor_(reactor) {
    options_.address = config.address;
    options_.subsystem_nqn = replica_nqn(config.replica);
    options_.host_nqn = config.host_nqn;
    options_.host_id = config.host_id;
    options_.io_queues_count = 1;
    options_.queue_entries = k_queue_entries;
    // What changes on the way would be stored as it came, with checksums that fit, and members would differ;
    // a block number that changes would even write elsewhere. Always: TCP's own checksum is too weak for
    // that.
    options_.header_digest = true;
    options_.data_digest = true;
    options_.connect_timeout_ns = config.connect_timeout_ns;
    options_.command_timeout_ns = config.command_timeout_ns;
    // Lost is lost: a session does not outlive its connections.
    options_.keep_alive_ms = k_keep_alive_ms;
    options_.ctrl_loss_timeout_ns = 0;
    options_.reconnect_delay_first_ns = options_.reconnect_delay_max_ns;
  }
  ~RemoteConnector() override { BALLAST_ASSERT(!connected_); }

  void connect(Connected connected, Lost lost) override {
    BALLAST_ASSERT_ON_REACTOR(reactor_);
    BALLAST_ASSERT(!connected_);
    connected_ = std::move(connected);
    attempt_ = initiator::Controller::connect(
        {&reactor_}, options_,
        // Known to be lost from the first word of it; later ones say nothing new.
        [lost = std::move(lost), is_told = false](initiator::ControllerState state,
                                                  const std::string& text) mutable {
          const bool is_lost =
              state == initiator::ControllerState::reconnecting || state == initiator::ControllerState::dead;
          if (!is_lost || std::exchange(is_told, true)) return;
          lost(text);
        },
        [this](Result<std::shared_ptr<initiator::Controller>> result) { on_connected(std::move(result)); });
  }

  void cancel() override {
    if (const auto controller = attempt_.lock()) controller->abandon([] {});
  }

 private:
  void on_connected(Result<std::shared_ptr<initiator::Controller>> result) {
    if (!result.ok()) return tell(result.error());
    const std::shared_ptr<initiator::Controller> controller = std::move(*result);
    // The head decides what is tried again.
    auto device = initiator::make_remote_bdev(
        controller, k_nsid,
        {.retries = false, .fenced_code = mirror::status_code_of(mirror::Refusal::fenced)});
    if (!device.ok()) {
      return controller->abandon([this, controller, error = device.error()] { tell(error); });
    }
    tell(std::unique_ptr<mirror::ReplicaConnection>(
        std::make_unique<RemoteConnection>(reactor_, controller, std::move(*device))));
  }
  void tell(Result<std::unique_ptr<mirror::ReplicaConnection>> result) {
    const Connected connected = std::exchange(connected_, nullptr);
    connected(std::move(result));
  }

  Reactor& reactor_;
  initiator::ControllerOptions options_;
  std::weak_ptr<initiator::Controller> attempt_;
  Connected connected_;
};

}  // namespace

std::string replica_nqn(const Uuid& uuid) { return "nqn.2026-11.dev.ballast:replica:" + uuid.text(); }

std::unique_ptr<mirror::ReplicaConnector> make_remote_connector(Reactor& reactor,
                                                                const RemoteReplicaConfig& config) {
  return std::make_unique<RemoteConnector>(reactor, config);
}

}  // namespace ballast::engine
