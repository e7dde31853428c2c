// Our own initiator through the proxy: whatever comes back, every request ends exactly once, close() ends,
// and with both digests no damaged byte is handed up as good.
#include "conversations.h"
#include "initiator/initiator.h"
#include "nvme/io_commands.h"
#include "proxy.h"

namespace ballast::fuzz {
namespace {

using initiator::Controller;

constexpr uint32_t k_filled_blocks = 64;

struct FuzzedIo {
  void submit(initiator::IoQueue& queue, Prng& prng, bool reads_only) {
    blocks = static_cast<uint32_t>(1 + (prng.chance(1, 4) ? prng.below(16) : 0));
    lba = prng.below(k_filled_blocks - blocks);
    writes = !reads_only && prng.chance(1, 2);
    memory =
        writes ? test::pattern(size_t{blocks} * k_block_bytes, 5) : Bytes(size_t{blocks} * k_block_bytes);
    segment = {memory.data(), memory.size()};
    request.host.command.opcode =
        static_cast<uint8_t>(writes ? nvme::NvmOpcode::write : nvme::NvmOpcode::read);
    request.host.command.nsid = 1;
    nvme::set_blocks(request.host.command, lba, blocks);
    request.host.data = {&segment, 1};
    request.context = this;
    request.done = [](initiator::IoRequest& io, nvme::Completion completion) {
      auto* const self = static_cast<FuzzedIo*>(io.context);
      ++self->done_count;
      self->status = completion.status();
    };
    FUZZ_CHECK(queue.submit(request));
  }
  bool holds_what_was_written() const {
    for (uint32_t i = 0; i < blocks; ++i) {
      const Bytes content = FuzzWorld::block_content(lba + i);
      if (!std::equal(content.begin(), content.end(), memory.begin() + i * k_block_bytes)) return false;
    }
    return true;
  }

  uint64_t lba = 0;
  uint32_t blocks = 0;
  bool writes = false;
  Bytes memory;
  Segment segment;
  initiator::IoRequest request;
  uint32_t done_count = 0;
  nvme::Status status;
};

initiator::ControllerOptions options_for(FuzzWorld& world, const SocketAddress& address, bool digests) {
  Prng& prng = world.prng();
  initiator::ControllerOptions options;
  options.address = address;
  options.subsystem_nqn = k_fuzzed_nqn;
  options.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:77777777-2222-3333-4444-555555555555";
  options.host_id.bytes.fill(0x77);
  options.queue_entries = prng.chance(1, 2) ? 8 : 32;
  options.header_digest = digests || prng.chance(1, 2);
  options.data_digest = digests || prng.chance(1, 2);
  options.keep_alive_ms = prng.chance(1, 2) ? 0 : 5'000;
  options.ctrl_loss_timeout_ns = 3 * k_ns_per_s;
  return options;
}

}  // namespace

void converse_with_host(FuzzWorld& world) {
  Prng& prng = world.prng();
  const bool integrity = prng.chance(1, 3);
  if (integrity) world.fill_blocks(k_filled_blocks);
  const MutationStyle style = integrity           ? MutationStyle::bit_flips
                              : prng.chance(1, 8) ? MutationStyle::none
                                                  : MutationStyle::structured;
  Mutator to_host(prng, style, prng.chance(1, 2) ? 8 : 40);
  Mutator to_target(prng, prng.chance(1, 4) ? style : MutationStyle::none, 40);
  const SocketAddress address{"10.0.0.1", 4420};
  Proxy proxy(world.world(), world.proxy_reactor(), address,
              world.address(static_cast<uint32_t>(prng.below(2))), to_host, to_target);
  world.shake_network();

  std::shared_ptr<Controller> controller;
  uint32_t answers = 0;
  Controller::connect(
      {&world.host_reactor()}, options_for(world, address, integrity),
      [](initiator::ControllerState, const std::string&) {},
      [&](Result<std::shared_ptr<Controller>> result) {
        ++answers;
        if (result.ok()) controller = result.value();
      });
  FUZZ_CHECK(world.world().run_until([&] { return answers != 0; }, 600 * k_ns_per_s));
  if (controller == nullptr) {
    FUZZ_CHECK(style != MutationStyle::none);
    return;
  }
  std::vector<std::unique_ptr<FuzzedIo>> ios;
  const auto finished = [&] {
    for (const auto& io : ios) {
      if (io->done_count == 0) return false;
    }
    return true;
  };
  for (uint64_t bursts = prng.below(4); bursts > 0 && controller->info().io_queues_count > 0; --bursts) {
    initiator::IoQueue& queue = controller->io_queue(0);
    for (uint64_t i = 1 + prng.below(6); i > 0 && ios.size() < queue.queue_entries(); --i) {
      ios.push_back(std::make_unique<FuzzedIo>());
      world.world().on(queue.reactor(), [&] { ios.back()->submit(queue, prng, integrity); });
    }
    const bool all = world.world().run_until(finished, 10 * k_ns_per_s);
    FUZZ_CHECK(all || style != MutationStyle::none);
    if (!all) break;
  }
  bool closed = false;
  controller->close([&closed] { closed = true; });
  FUZZ_CHECK(world.world().run_until([&] { return closed; }, 600 * k_ns_per_s));
  for (const auto& io : ios) {
    FUZZ_CHECK(io->done_count == 1);
    FUZZ_CHECK(!integrity || !io->status.ok() || io->holds_what_was_written());
    FUZZ_CHECK(style != MutationStyle::none || to_target.style() != style || io->status.ok());
  }
  controller.reset();
  world.world().settle();
}

}  // namespace ballast::fuzz
