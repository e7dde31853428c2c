#include "fuzz_world.h"

#include "bdev/memory/memory_bdev.h"
#include "nvme/fabrics.h"

namespace ballast::fuzz {
namespace {

using test::Answer;

constexpr uint32_t k_target_reactors = 2;
constexpr uint32_t k_cc_enable = 1 | 6 << 16 | 4 << 20;  // EN, IOSQES, IOCQES

BufferArenaSizes plenty() {
  BufferArenaSizes sizes;
  sizes.small_count = 512;
  sizes.large_count = 64;
  return sizes;
}

BufferArenaSizes hardly_any() {
  BufferArenaSizes sizes;
  sizes.small_count = 4;
  sizes.small_reserved_for_capsules = 2;
  sizes.large_count = 3;
  sizes.large_reserved_for_capsules = 1;
  return sizes;
}

uint32_t pick(Prng& prng, std::initializer_list<uint32_t> values) {
  return values.begin()[prng.below(values.size())];
}

Uuid uuid_of(uint8_t byte) {
  Uuid uuid;
  uuid.bytes.fill(byte);
  return uuid;
}

}  // namespace

FuzzWorld::FuzzWorld(uint64_t seed) : prng_(seed), world_(seed) {
  memory_is_short_ = prng_.chance(1, 3);
  options_.in_capsule_bytes = pick(prng_, {4096, 8192, 8192, 16384});
  options_.max_h2c_data_bytes = pick(prng_, {4096, 16384, 128 * 1024});
  options_.strict = prng_.chance(1, 4);
  options_.send_queue_bytes_max = pick(prng_, {64 * 1024, 1 << 20, 4 << 20});
  for (uint32_t i = 0; i < k_target_reactors; ++i) {
    reactors_.push_back(&world_.add_reactor(memory_is_short_ ? hardly_any() : plenty()));
  }
  reactors_.push_back(&world_.add_reactor(plenty()));
  reactors_.push_back(&world_.add_reactor(plenty()));
  for (Reactor* reactor : reactors_) {
    small_free_.push_back(reactor->buffers().small_free());
    large_free_.push_back(reactor->buffers().large_free());
  }
  target::TargetOptions target_options;
  target_options.in_capsule_bytes = options_.in_capsule_bytes;
  target_ = target::Target::create({reactors_[0], reactors_[1]}, target_options);
  for (uint32_t i = 0; i < k_target_reactors; ++i) {
    nodes_.push_back(std::make_unique<Node>());
    Node& node = *nodes_.back();
    world_.on(*reactors_[i], [&] {
      node.transport =
          transport::tcp::TargetTransport::create(*reactors_[i], options_, target_->connection_observer(i));
      node.listener = std::move(reactors_[i]->io().listen(address(i), node).value());
    });
  }
  add_volume(k_fuzzed_nqn);
  add_volume(k_witness_nqn);
  witness_ = make_host(k_witness_nqn, true);
}

FuzzWorld::~FuzzWorld() {
  calm_network();
  witness_ = {};
  bool closed = false;
  target_->close([&closed] { closed = true; });
  FUZZ_CHECK(world_.run_until([&] { return closed; }, 300 * k_ns_per_s));
  target_.reset();
  for (uint32_t i = 0; i < k_target_reactors; ++i) {
    closed = false;
    world_.on(*reactors_[i], [&] {
      nodes_[i]->listener.reset();
      nodes_[i]->transport->close_all(transport::CloseReason::local_request, [&closed] { closed = true; });
    });
    FUZZ_CHECK(world_.run_until([&] { return closed; }));
    world_.on(*reactors_[i], [&] { nodes_[i]->transport.reset(); });
  }
}

SocketAddress FuzzWorld::address(uint32_t reactor) const {
  return {"127.0.0.1", static_cast<uint16_t>(4420 + reactor)};
}

void FuzzWorld::add_volume(const char* nqn) {
  target::SubsystemConfig config;
  config.nqn = nqn;
  config.serial_number = "FUZZ";
  uint32_t done = 0;
  FUZZ_CHECK(target_->add_subsystem(config, [&done] { ++done; }).ok());
  auto device = bdev::make_memory_bdev({uint64_t{k_blocks_count} * k_block_bytes, k_block_bytes});
  FUZZ_CHECK(device.ok());
  FUZZ_CHECK(target_->add_namespace(nqn, {1, uuid_of(7), device.value(), false}, [&done] { ++done; }).ok());
  FUZZ_CHECK(world_.run_until([&] { return done == 2; }));
}

ProperHost FuzzWorld::make_host(const char* nqn, bool with_io_queue) {
  ProperHost host;
  host.fields.subsystem_nqn = nqn;
  host.admin = std::make_unique<test::RawHost>(world_, address(0));
  FUZZ_CHECK(host.admin->initialize());
  const Answer connected =
      host.admin->execute(test::connect_command(host.fields), test::connect_data(host.fields));
  FUZZ_CHECK(connected.answered && connected.status().ok());
  host.fields.cntlid = static_cast<uint16_t>(connected.completion.dw0);
  nvme::Command enable =
      test::command_of(nvme::k_opcode_fabrics, 1, static_cast<uint32_t>(nvme::FabricsType::property_set));
  enable.cdw11 = nvme::property::cc;
  enable.cdw12 = k_cc_enable;
  FUZZ_CHECK(host.admin->execute(enable).status().ok());
  world_.settle();
  host.fields.qid = 1;
  if (with_io_queue) {
    host.io = std::make_unique<test::RawHost>(world_, address(1));
    FUZZ_CHECK(host.io->initialize());
    FUZZ_CHECK(
        host.io->execute(test::connect_command(host.fields), test::connect_data(host.fields)).status().ok());
  }
  return host;
}

void FuzzWorld::fill_blocks(uint32_t blocks_count) {
  const ProperHost host = make_host(k_fuzzed_nqn, true);
  for (uint32_t lba = 0; lba < blocks_count; ++lba) {
    const nvme::Command write = test::io_command(nvme::NvmOpcode::write, 1, 1, lba, 1);
    FUZZ_CHECK(host.io->execute(write, block_content(lba)).status().ok());
  }
}

void FuzzWorld::shake_network() {
  SimulatedNetworkOptions& network = world_.network();
  network.receive_bytes_max = prng_.chance(1, 4) ? 1 + prng_.below(200) : 0;
  network.random_cuts = prng_.chance(1, 4);
  network.window_bytes = pick(prng_, {4096, 64 * 1024, 256 * 1024});
  network.delay_ns = prng_.chance(1, 4) ? prng_.below(k_ns_per_ms) : 0;
}

bool FuzzWorld::is_at_rest() {
  for (size_t i = 0; i < reactors_.size(); ++i) {
    if (reactors_[i]->buffers().small_free() != small_free_[i]) return false;
    if (reactors_[i]->buffers().large_free() != large_free_[i]) return false;
  }
  // The witness's two connections and its controller.
  uint64_t connections = 0;
  for (const auto& node : nodes_) connections += node->transport->counters().connections.load();
  return connections == 2 && target_->controllers_count() == 1;
}

void FuzzWorld::check() {
  calm_network();
  // Where memory is short the witness may have to wait for what hosts are given time for.
  const uint64_t patience_ns = (memory_is_short_ ? 60 : 1) * k_ns_per_s;
  const Bytes data = test::pattern(k_block_bytes, ++rounds_);
  test::RawHost& io = *witness_.io;
  io.send_command(
      test::with_capsule_data(test::io_command(nvme::NvmOpcode::write, 1, 1, rounds_ % 64, 1), k_block_bytes),
      data);
  FUZZ_CHECK(io.receive_answer(1, {}, patience_ns).status().ok());
  const nvme::Command read = test::io_command(nvme::NvmOpcode::read, 2, 1, rounds_ % 64, 1);
  io.send_command(test::with_transport_data(read, k_block_bytes));
  const Answer answer = io.receive_answer(2, {}, patience_ns);
  FUZZ_CHECK(answer.answered && answer.status().ok() && answer.data == data);
  FUZZ_CHECK(world_.run_until([this] { return is_at_rest(); }, 130 * k_ns_per_s));
}

}  // namespace ballast::fuzz
