#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/blocking.h"
#include "nvme/limits.h"
#include "raw_host.h"

namespace ballast::engine {
namespace {

constexpr char k_nqn[] = "nqn.2026-11.dev.ballast:test:engine";
constexpr char k_host_nqn[] = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555";

BufferArenaSizes small_buffers() {
  BufferArenaSizes sizes;
  sizes.small_count = 256;
  sizes.large_count = 64;
  return sizes;
}

std::unique_ptr<Engine> start(uint32_t reactors_count = 1) {
  EngineOptions options;
  options.reactors.reactors_count = reactors_count;
  options.reactors.buffers = small_buffers();
  auto started = Engine::start(options);
  EXPECT_TRUE(started.ok());
  return std::move(started.value());
}

Uuid uuid_of(uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

VolumeConfig memory_volume(const std::string& name = "test", uint8_t number = 1) {
  VolumeConfig config;
  config.name = name;
  config.size_bytes = 4u << 20;
  config.nqn = k_nqn;
  config.uuid = uuid_of(number);
  return config;
}

SocketAddress listen(Engine& engine) {
  auto bound = engine.listen({{"127.0.0.1", 0}, {}});
  EXPECT_TRUE(bound.ok());
  return bound.value();
}

initiator::ControllerOptions host_options(const SocketAddress& address) {
  initiator::ControllerOptions options;
  options.address = address;
  options.subsystem_nqn = k_nqn;
  options.host_nqn = k_host_nqn;
  options.host_id = uuid_of(7);
  options.ctrl_loss_timeout_ns = 0;
  return options;
}

Result<HostController*> connect(Engine& engine, const initiator::ControllerOptions& options) {
  Result<HostController*> answer = Errc::io_error;
  wait_for([&](auto done) {
    engine.host_side().connect(options, {}, [&answer, done](Result<HostController*> result) {
      answer = std::move(result);
      done();
    });
  });
  return answer;
}

// Many I/Os at once from this thread, and their statuses.
class IoCrowd {
 public:
  IoCrowd(HostController& controller, size_t ios_count) : controller_(controller), ios_(ios_count) {}

  void submit(nvme::NvmOpcode opcode, uint32_t blocks_count, std::vector<uint8_t>& memory) {
    for (size_t i = 0; i < ios_.size(); ++i) {
      Io& io = ios_[i];
      io.crowd = this;
      io.command.opcode = static_cast<uint8_t>(opcode);
      io.command.nsid = 1;
      io.command.cdw10 = static_cast<uint32_t>(i % 32);
      io.command.cdw12 = blocks_count - 1;
      const size_t bytes_count = size_t{blocks_count} * 4096;
      io.data = {memory.data() + i * bytes_count % (memory.size() - bytes_count + 1), bytes_count};
      io.done = [](HostIo& ended, const nvme::Completion& completion) {
        Io& own = static_cast<Io&>(ended);
        own.status = completion.status();
        own.crowd->ended_.raise();
      };
      controller_.submit(io);
    }
  }
  void wait() {
    for (size_t i = 0; i < ios_.size(); ++i) ended_.wait();
  }
  template <typename Predicate>
  bool all(Predicate&& predicate) const {
    return std::all_of(ios_.begin(), ios_.end(), [&](const Io& io) { return predicate(io.status); });
  }

 private:
  struct Io : HostIo {
    IoCrowd* crowd = nullptr;
    nvme::Status status{0x7fff};
  };
  HostController& controller_;
  std::vector<Io> ios_;
  Signal ended_;
};

size_t open_descriptors_count() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

TEST(EngineStart, refuses_an_in_capsule_size_that_is_no_multiple_of_16_or_above_a_transfer) {
  EngineOptions options;
  options.in_capsule_bytes = 100;
  EXPECT_EQ(Engine::start(options).errc(), Errc::invalid_argument);
  options.in_capsule_bytes = nvme::k_transfer_bytes_max + 16;
  EXPECT_EQ(Engine::start(options).errc(), Errc::invalid_argument);
}

TEST(EngineStart, refuses_a_cpu_that_does_not_exist) {
  EngineOptions options;
  options.reactors.buffers = small_buffers();
  options.reactors.cpus = {4000};
  EXPECT_EQ(Engine::start(options).errc(), Errc::invalid_argument);
}

TEST(EngineVolumes, are_refused_by_name_uuid_and_nsid_and_leave_nothing_behind) {
  const auto engine = start();
  ASSERT_TRUE(engine->add_volume(memory_volume()).ok());
  EXPECT_EQ(engine->add_volume(memory_volume("test", 2)).errc(), Errc::already_exists);
  EXPECT_EQ(engine->add_volume(memory_volume("other", 1)).errc(), Errc::already_exists);
  VolumeConfig same_nsid = memory_volume("other", 2);
  same_nsid.nsid = 1;
  EXPECT_EQ(engine->add_volume(same_nsid).errc(), Errc::already_exists);
  const auto added = engine->add_volume(memory_volume("other", 2));
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added.value().nsid, 2u);
}

TEST(EngineVolumes, refuses_wrong_sizes_names_and_nqns) {
  const auto engine = start();
  const auto refused = [&](auto&& change) {
    VolumeConfig config = memory_volume();
    change(config);
    return engine->add_volume(config).errc() == Errc::invalid_argument;
  };
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.size_bytes = 0; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.size_bytes = 4095; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.block_size_bytes = 1024; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.name = ""; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.nqn = "x"; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.nqn = nvme::k_discovery_nqn; }));
  EXPECT_TRUE(refused(
      [](VolumeConfig& config) { config.nqn = std::string("nqn.2026-11.a:") + std::string(210, 'x'); }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.nsid = nvme::k_namespaces_per_subsystem_max + 1; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.uuid = Uuid{}; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.path = "/tmp/x"; }));
  EXPECT_TRUE(refused([](VolumeConfig& config) { config.hosts = {"me"}; }));
  EXPECT_TRUE(engine->add_volume(memory_volume()).ok());
}

TEST(EngineVolumes, a_subsystem_goes_with_its_last_volume) {
  const auto engine = start();
  const SocketAddress address = listen(*engine);
  ASSERT_TRUE(engine->add_volume(memory_volume()).ok());
  ASSERT_TRUE(engine->remove_volume("test").ok());
  EXPECT_EQ(engine->remove_volume("test").errc(), Errc::not_found);
  EXPECT_EQ(engine->set_hosts(k_nqn, true, {}, [] {}).errc(), Errc::not_found);
  EXPECT_EQ(engine->hosts(k_nqn).errc(), Errc::not_found);
  EXPECT_EQ(connect(*engine, host_options(address)).errc(), Errc::refused_by_peer);
}

TEST(EngineListen, refuses_a_port_in_use) {
  const auto engine = start();
  const SocketAddress address = listen(*engine);
  EXPECT_EQ(engine->listen({address, {}}).errc(), Errc::address_in_use);
  RawHost host(address.port);  // the first listener is as it was
  EXPECT_TRUE(host.connected());
}

TEST(EngineListen, answers_a_raw_connection_and_hands_each_to_the_next_reactor) {
  const auto engine = start(2);
  const SocketAddress address = listen(*engine);
  std::vector<std::unique_ptr<RawHost>> hosts;
  for (int i = 0; i < 4; ++i) {
    RawHost& host = *hosts.emplace_back(std::make_unique<RawHost>(address.port));
    ASSERT_TRUE(host.connected());
    host.send(RawHost::ic_req());
    const std::vector<uint8_t> answer = host.receive(128);
    ASSERT_EQ(answer.size(), 128u);
    EXPECT_EQ(answer[0], RawHost::k_ic_resp);
  }
  const Counters counters = engine->counters();
  ASSERT_EQ(counters.reactors.size(), 2u);
  EXPECT_EQ(counters.reactors[0].connections, 2u);
  EXPECT_EQ(counters.reactors[1].connections, 2u);
  EXPECT_EQ(counters.transport.connections, 4u);
  EXPECT_EQ(counters.transport.bytes_received, 4u * 128);
}

TEST(EngineListen, P5_icreq_of_a_wrong_hlen_is_counted_by_its_fatal_error_status) {
  const auto engine = start();
  RawHost host(listen(*engine).port);
  std::vector<uint8_t> broken = RawHost::ic_req();
  broken[2] = 100;  // HLEN: Invalid PDU Header Field
  host.send(broken);
  const std::vector<uint8_t> term = host.receive(24);
  ASSERT_EQ(term.size(), 24u);
  EXPECT_EQ(term[0], 0x03);
  EXPECT_EQ(engine->counters().transport.pdu_errors[1], 1u);
}

TEST(EngineClose, closes_connections_at_every_stage_and_gives_all_descriptors_back) {
  const size_t descriptors_before = open_descriptors_count();
  for (int round = 0; round < 3; ++round) {
    auto engine = start(2);
    ASSERT_TRUE(engine->add_volume(memory_volume()).ok());
    const SocketAddress address = listen(*engine);
    RawHost silent(address.port), half(address.port), ready(address.port);
    half.send({0x00, 0x00, 128});
    ready.send(RawHost::ic_req());
    ASSERT_EQ(ready.receive(128).size(), 128u);
    ASSERT_TRUE(connect(*engine, host_options(address)).ok());
    engine.reset();
    EXPECT_EQ(ready.receive(1).size(), 0u);
    EXPECT_FALSE(RawHost(address.port).connected());
  }
  EXPECT_EQ(open_descriptors_count(), descriptors_before);
}

TEST(EngineHost, is_told_that_nobody_listens) {
  const auto engine = start();
  const SocketAddress address = listen(*start());  // closed again
  EXPECT_EQ(connect(*engine, host_options(address)).errc(), Errc::connection_refused);
}

TEST(EngineHost, closing_does_not_wait_for_a_peer_that_never_answers) {
  const RawListener silent;  // accepts in the backlog, says nothing
  auto engine = start();
  initiator::ControllerOptions options = host_options({"127.0.0.1", silent.port()});
  options.connect_timeout_ns = 3600 * k_ns_per_s;
  Signal connect_told, discover_told;
  Errc connect_errc = Errc::ok, discover_errc = Errc::ok;
  engine->host_side().connect(options, nullptr, [&](Result<HostController*> result) {
    connect_errc = result.errc();
    connect_told.raise();
  });
  engine->host_side().discover(options, [&](Result<std::vector<initiator::DiscoveryEntry>> result) {
    discover_errc = result.errc();
    discover_told.raise();
  });
  engine.reset();
  connect_told.wait();
  discover_told.wait();
  EXPECT_EQ(connect_errc, Errc::shutting_down);
  EXPECT_EQ(discover_errc, Errc::shutting_down);
}

TEST(EngineHost, reads_what_it_wrote_with_more_in_flight_than_the_queues_hold) {
  const auto target = start(2);
  const auto volume = target->add_volume(memory_volume());
  ASSERT_TRUE(volume.ok());
  const auto host = start(2);
  initiator::ControllerOptions options = host_options(listen(*target));
  options.io_queues_count = 3;
  options.queue_entries = 4;
  const auto connected = connect(*host, options);
  ASSERT_TRUE(connected.ok());
  HostController& controller = *connected.value();
  EXPECT_EQ(controller.info().io_queues_count, 3);

  std::vector<uint8_t> written(4096), read(4096);
  for (size_t i = 0; i < written.size(); ++i) written[i] = static_cast<uint8_t>(i * 7);
  IoCrowd writes(controller, 300);
  writes.submit(nvme::NvmOpcode::write, 1, written);
  writes.wait();
  EXPECT_TRUE(writes.all([](nvme::Status status) { return status.ok(); }));
  IoCrowd reads(controller, 1);
  reads.submit(nvme::NvmOpcode::read, 1, read);
  reads.wait();
  EXPECT_EQ(written, read);
  const target::IoTotals counters = volume->counters.totals();
  EXPECT_EQ(counters.writes, 300u);
  EXPECT_EQ(counters.write_bytes, 300u * 4096);
  EXPECT_EQ(counters.in_flight, 0u);
}

TEST(EngineHost, closing_answers_every_io_that_was_submitted_before) {
  const auto target = start();
  ASSERT_TRUE(target->add_volume(memory_volume()).ok());
  auto host = start();
  initiator::ControllerOptions options = host_options(listen(*target));
  options.queue_entries = 2;
  const auto connected = connect(*host, options);
  ASSERT_TRUE(connected.ok());
  std::vector<uint8_t> memory(1u << 20);
  IoCrowd reads(*connected.value(), 500);
  reads.submit(nvme::NvmOpcode::read, 32, memory);
  host.reset();
  reads.wait();
  EXPECT_TRUE(reads.all([](nvme::Status status) {
    return status.ok() || status.is(nvme::status::host_pathing_error) ||
           status.is(nvme::status::aborted_sq_deletion);
  }));
}

TEST(EngineHost, closing_the_target_ends_its_hosts_io) {
  auto target = start();
  ASSERT_TRUE(target->add_volume(memory_volume()).ok());
  const auto host = start();
  const auto connected = connect(*host, host_options(listen(*target)));
  ASSERT_TRUE(connected.ok());
  std::vector<uint8_t> memory(1u << 20);
  IoCrowd writes(*connected.value(), 200);
  writes.submit(nvme::NvmOpcode::write, 32, memory);
  target.reset();
  writes.wait();
}

TEST(EngineHost, closing_ends_a_load_run) {
  const auto target = start();
  ASSERT_TRUE(target->add_volume(memory_volume()).ok());
  auto host = start();
  const auto connected = connect(*host, host_options(listen(*target)));
  ASSERT_TRUE(connected.ok());
  PerfOptions load;
  load.time_ns = 3600 * k_ns_per_s;
  Signal progressed, ended;
  std::atomic<bool> told = false;
  connected.value()->start_perf(
      1, load,
      [&](const PerfProgress&) {
        if (!told.exchange(true)) progressed.raise();
      },
      [&](Result<PerfResult> result) {
        EXPECT_TRUE(result.ok());
        ended.raise();
      });
  progressed.wait();
  host.reset();
  ended.wait();
}

TEST(EngineHost, refuses_a_load_with_wrong_options) {
  const auto target = start();
  ASSERT_TRUE(target->add_volume(memory_volume()).ok());
  const auto connected = connect(*target, host_options(listen(*target)));  // its own host
  ASSERT_TRUE(connected.ok());
  const auto refusal = [&](const PerfOptions& load) {
    Errc errc = Errc::ok;
    wait_for([&](auto done) {
      connected.value()->start_perf(1, load, {}, [&errc, done](Result<PerfResult> result) {
        errc = result.errc();
        done();
      });
    });
    return errc;
  };
  PerfOptions load;
  load.block_bytes = 512;
  EXPECT_EQ(refusal(load), Errc::invalid_argument);
  load.block_bytes = 4096;
  load.nsid = 77;
  EXPECT_EQ(refusal(load), Errc::not_found);
}

TEST(EngineHost, finds_what_is_advertised) {
  const auto engine = start();
  ASSERT_TRUE(engine->add_volume(memory_volume()).ok());
  const auto bound = engine->listen({{"127.0.0.1", 0}, {{"192.0.2.1", 4420}, {"192.0.2.2", 0}}});
  ASSERT_TRUE(bound.ok());
  std::vector<std::string> places;
  wait_for([&](auto done) {
    engine->host_side().discover(host_options(bound.value()),
                                 [&places, done](Result<std::vector<initiator::DiscoveryEntry>> result) {
                                   EXPECT_TRUE(result.ok());
                                   for (const auto& entry : result.value()) {
                                     if (entry.subsystem_nqn == k_nqn)
                                       places.push_back(entry.address + ":" + entry.port);
                                   }
                                   done();
                                 });
  });
  std::sort(places.begin(), places.end());
  EXPECT_EQ(places,
            (std::vector<std::string>{"192.0.2.1:4420", "192.0.2.2:" + std::to_string(bound.value().port)}));
}

}  // namespace
}  // namespace ballast::engine
