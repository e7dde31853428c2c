// Client from its making to its end: reactor, controller, namespace, and what happens while the target is
// away.
#include <sys/random.h>

#include <algorithm>
#include <bit>

#include "base/log.h"
#include "nvme/limits.h"
#include "tools/fio/client.h"
#include "tools/fio/host_identity.h"
#include "tools/fio/target_uri.h"

namespace ballast::fio {
namespace {

constexpr char k_room[] = "fio";
// How soon a user who wants to stop is heard while the target is away.
constexpr uint64_t k_tick_ns = 100 * k_ns_per_ms;

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) seed = MonotonicClock().now_ns();
  return seed;
}

}  // namespace

Client::Client(const ClientOptions& options)
    : options_(options),
      prng_(random_seed()),
      tick_([](Timer&, void* context) { static_cast<Client*>(context)->on_tick(); }, this),
      requests_(new Request[options.queue_depth]),
      // Those that fio holds and those that finish meanwhile.
      finished_(std::bit_ceil(size_t{2} * options.queue_depth)),
      finished_mask_(static_cast<uint32_t>(finished_.size() - 1)) {
  reported_.reserve(k_reported_max);
}

Client::~Client() {
  close();
  if (reactor_ != nullptr) reactor_->cancel(tick_);
  controller_.reset();
  entered_.reset();
  reactor_.reset();
}

Result<std::unique_ptr<Client>> Client::connect(const ClientOptions& options) {
  BALLAST_ASSERT(options.queue_depth > 0);
  std::unique_ptr<Client> client(new Client(options));
  TRY(const Unit opened, client->open());
  static_cast<void>(opened);
  return client;
}

Outcome Client::open() {
  initiator::ControllerOptions controller;
  TRY(const TargetUri uri, parse_target_uri(options_.uri));
  TRY(const HostIdentity host, host_identity(options_.host_nqn, options_.host_id));
  TRY(controller.address, resolve(uri));
  controller.subsystem_nqn = uri.subsystem_nqn;
  controller.host_nqn = host.nqn;
  controller.host_id = host.id;
  controller.queue_entries =
      static_cast<uint16_t>(std::clamp<uint32_t>(options_.queue_depth, 2, nvme::k_queue_entries_max));
  controller.header_digest = options_.header_digest;
  controller.data_digest = options_.data_digest;
  controller.keep_alive_ms = options_.keep_alive_ms;
  controller.ctrl_loss_timeout_ns = options_.ctrl_loss_timeout_ns;

  TRY(backend_, UringBackend::create(clock_));
  // A host receives into its callers' memory: the arena is never asked.
  BufferArenaSizes sizes;
  sizes.small_count = sizes.large_count = 1;
  sizes.small_reserved_for_capsules = sizes.large_reserved_for_capsules = 0;
  TRY(std::unique_ptr<BufferArena> buffers, BufferArena::create(sizes));
  const ReactorOptions reactor{.index = 0, .spin_us = options_.spin_us, .buffers = sizes};
  reactor_ = std::make_unique<Reactor>(reactor, *backend_, clock_, prng_, std::move(buffers));
  entered_ = std::make_unique<Reactor::Entered>(*reactor_);
  reactor_->arm(tick_, k_tick_ns);

  bool answered = false;
  Outcome outcome = Unit{};
  const auto attempt = initiator::Controller::connect(
      {reactor_.get()}, controller,
      [this](initiator::ControllerState state, const std::string&) { on_state(state); },
      [&](Result<std::shared_ptr<initiator::Controller>> result) {
        answered = true;
        if (result.ok()) {
          controller_ = std::move(result.value());
        } else {
          outcome = std::move(result.error());
        }
      });
  reactor_->run_until([&] { return answered || gives_up_; });
  if (!answered) {
    if (const auto pending = attempt.lock()) pending->close([] {});
    reactor_->run_until([&] { return answered; });
  }
  if (!outcome.ok()) return outcome;
  return choose_namespace();
}

Outcome Client::choose_namespace() {
  const initiator::ControllerInfo& info = controller_->info();
  const auto found = std::find_if(info.namespaces.begin(), info.namespaces.end(),
                                  [this](const auto& ns) { return ns.nsid == options_.nsid; });
  if (found == info.namespaces.end()) {
    return Error{Errc::not_found, "the subsystem has no namespace " + std::to_string(options_.nsid)};
  }
  if (info.io_queues_count == 0) return Error{Errc::too_many, "the target grants no I/O queue"};
  queue_ = &controller_->io_queue(0);
  volume_.size_bytes = found->blocks_count * found->block_size_bytes;
  volume_.block_bytes = found->block_size_bytes;
  volume_.transfer_bytes_max = info.transfer_bytes_max;
  volume_.supports_deallocate = found->supports_deallocate;
  return Unit{};
}

void Client::on_tick() {
  reactor_->arm(tick_, k_tick_ns);
  const bool is_away =
      controller_ == nullptr || controller_->state() == initiator::ControllerState::reconnecting;
  if (is_away && options_.stop_requested != nullptr && options_.stop_requested(options_.context)) {
    gives_up_ = true;
  }
}

void Client::on_state(initiator::ControllerState state) {
  if (state == initiator::ControllerState::reconnecting && lost_ns_ == 0) {
    lost_ns_ = clock_.now_ns();
  } else if (state == initiator::ControllerState::live && lost_ns_ != 0) {
    const uint64_t away_ms = (clock_.now_ns() - lost_ns_) / k_ns_per_ms;
    log(LogLevel::warning, k_room, "%s: back after %llu ms", options_.uri.c_str(),
        static_cast<unsigned long long>(away_ms));
    lost_ns_ = 0;
  }
}

// Everything that is in flight is answered, with a pathing error, before it is closed.
void Client::close() {
  if (controller_ == nullptr || controller_->state() == initiator::ControllerState::closed) return;
  bool closed = false;
  controller_->close([&closed] { closed = true; });
  reactor_->run_until([&closed] { return closed; });
}

}  // namespace ballast::fio
