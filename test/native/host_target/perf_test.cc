// The load generator: refusals, what it counts, and that --verify finds every kind of lost data.
#include "engine/perf.h"

#include "engine/perf_pattern.h"
#include "host_target_fixture.h"

namespace ballast::test {
namespace {

using engine::PerfOptions;
using engine::PerfProgress;
using engine::PerfResult;
using engine::PerfWorkload;

constexpr auto k_read_opcode = static_cast<uint8_t>(nvme::NvmOpcode::read);
constexpr auto k_write_opcode = static_cast<uint8_t>(nvme::NvmOpcode::write);

class Perf : public ControllerTest {
 protected:
  Perf() {
    options_.io_queues_count = 2;
    perf_.block_bytes = 4096;
    perf_.queue_depth = 8;
    perf_.time_ns = 20 * k_ns_per_ms;
    world_.network().delay_ns = 20 * k_ns_per_us;
  }
  void start() {
    run_ = engine::run_perf(
        controller_, perf_, [this](const PerfProgress& progress) { progress_.push_back(progress); },
        [this](Result<PerfResult> result) {
          ++done_count_;
          if (result.ok()) {
            result_ = std::make_unique<PerfResult>(result.value());
          } else {
            error_ = result.error();
          }
        });
  }
  void run() {
    start();
    ASSERT_TRUE(world_.run_until([this] { return done_count_ > 0; }, 300 * k_ns_per_s));
    ASSERT_EQ(done_count_, 1);
  }
  void run_ok() {
    run();
    ASSERT_NE(result_, nullptr) << error_.text;
  }

  PerfOptions perf_;
  std::shared_ptr<engine::PerfRun> run_;
  std::vector<PerfProgress> progress_;
  std::unique_ptr<PerfResult> result_;
  int done_count_ = 0;
};

TEST_F(Perf, options_that_do_not_fit_the_controller_are_refused_at_once) {
  connect_ok();
  const PerfOptions good = perf_;
  const std::function<void()> damages[] = {
      [this] { perf_.block_bytes = 0; },
      [this] { perf_.block_bytes = 1000; },
      [this] { perf_.block_bytes = 256 * 1024; },
      [this] { perf_.queue_depth = 0; },
      [this] { perf_.queue_depth = 129; },
      [this] { perf_.queues = 3; },
      [this] { perf_.rwmix_read_percent = 101; },
      [this] { perf_.time_ns = 0; },
      [this] { perf_.verify = true; },             // with randread
      [this] { perf_.block_bytes = 128 * 1024; },  // 8 units for 2 queues of depth 8
  };
  for (const auto& damage : damages) {
    perf_ = good;
    damage();
    done_count_ = 0;
    start();
    EXPECT_EQ(run_, nullptr);
    EXPECT_EQ(done_count_, 1);
    EXPECT_EQ(error_.errc, Errc::invalid_argument) << error_.text;
  }
  perf_ = good;
  perf_.nsid = 9;
  start();
  EXPECT_EQ(error_.errc, Errc::not_found);
  EXPECT_EQ(target_->reads, 0u);
}

TEST_F(Perf, every_queue_keeps_its_depth_in_flight) {
  connect_ok();
  std::map<uint16_t, int> in_flight;
  std::vector<std::pair<FakeConnection*, nvme::Command>> held;
  target_->intercept = [&](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0) return false;
    ++in_flight[connection.qid];
    held.emplace_back(&connection, command);
    return true;
  };
  start();
  world_.advance(k_ns_per_ms);
  EXPECT_EQ(in_flight[1], 8);
  EXPECT_EQ(in_flight[2], 8);
  held[0].first->respond_data(held[0].second, {});
  world_.advance(k_ns_per_ms);
  EXPECT_EQ(in_flight[1] + in_flight[2], 17) << "the one that ended was replaced";
  run_->stop();
  target_->intercept = nullptr;
  const auto all = held;
  for (size_t i = 1; i < all.size(); ++i) all[i].first->respond_data(all[i].second, {});
  EXPECT_TRUE(world_.run_until([this] { return done_count_ == 1; }));
}

TEST_F(Perf, reads_are_counted_and_timed) {
  connect_ok();
  run_ok();
  EXPECT_GT(result_->reads.ios, 100u);
  EXPECT_EQ(result_->writes.ios, 0u);
  EXPECT_EQ(result_->reads.bytes, result_->reads.ios * 4096);
  EXPECT_EQ(result_->reads.latency.count(), result_->reads.ios);
  EXPECT_EQ(result_->latency.count(), result_->reads.ios);
  EXPECT_GE(result_->latency.percentile_ns(1), 39 * k_ns_per_us) << "two ways of 20 us";
  EXPECT_NEAR(result_->seconds, 0.02, 0.002);
  EXPECT_EQ(result_->errors, 0u);
}

TEST_F(Perf, a_mix_has_about_the_share_of_reads_asked_for) {
  connect_ok();
  perf_.workload = PerfWorkload::randrw;
  perf_.rwmix_read_percent = 70;
  run_ok();
  const double share = static_cast<double>(result_->reads.ios) / static_cast<double>(result_->ios());
  EXPECT_NEAR(share, 0.7, 0.05);
}

TEST_F(Perf, progress_comes_once_a_second) {
  connect_ok();
  world_.network().delay_ns = 2 * k_ns_per_ms;
  perf_.time_ns = 3500 * k_ns_per_ms;
  perf_.queue_depth = 2;
  run_ok();
  ASSERT_EQ(progress_.size(), 3u);
  EXPECT_GT(progress_[1].iops, 500);
  EXPECT_LT(progress_[1].iops, 1100);
  EXPECT_NEAR(static_cast<double>(progress_[2].elapsed_ns) / 1e9, 3.0, 0.01);
}

TEST_F(Perf, stop_ends_the_run_early) {
  connect_ok();
  perf_.time_ns = 1000 * k_ns_per_s;
  start();
  world_.advance(5 * k_ns_per_ms);
  run_->stop();
  ASSERT_TRUE(world_.run_until([this] { return done_count_ == 1; }, k_ns_per_s));
  EXPECT_LT(result_->seconds, 0.1);
}

TEST_F(Perf, errors_are_counted_by_status) {
  connect_ok();
  uint32_t count = 0;
  target_->intercept = [&count](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0 || ++count % 10 != 0) return false;
    connection.respond(command,
                       count % 20 == 0 ? nvme::status::unrecovered_read_error : nvme::status::internal_error);
    return true;
  };
  run_ok();
  EXPECT_EQ(result_->errors, count / 10);
  ASSERT_EQ(result_->error_counts.size(), 2u);
  EXPECT_EQ(result_->error_counts[0].count + result_->error_counts[1].count, result_->errors);
}

TEST_F(Perf, a_controller_that_dies_ends_the_run) {
  options_.ctrl_loss_timeout_ns = k_ns_per_s;
  connect_ok();
  perf_.time_ns = 1000 * k_ns_per_s;
  start();
  world_.advance(5 * k_ns_per_ms);
  target_->stop_listening();
  target_->drop_connections();
  ASSERT_TRUE(world_.run_until([this] { return done_count_ == 1; }, 10 * k_ns_per_s));
  ASSERT_NE(result_, nullptr);
  EXPECT_GE(result_->errors, 16u);
  EXPECT_TRUE(result_->error_counts[0].status.is(nvme::status::host_pathing_error));
}

TEST_F(Perf, verify_of_a_good_target_checks_everything_and_finds_nothing) {
  for (const PerfWorkload workload : {PerfWorkload::randwrite, PerfWorkload::randrw, PerfWorkload::write}) {
    done_count_ = 0;
    if (controller_ == nullptr) {
      connect_ok();
    }
    perf_.workload = workload;
    perf_.verify = true;
    run_ok();
    EXPECT_GT(result_->writes.ios, 50u);
    EXPECT_GE(result_->blocks_checked, 8u * 50);
    EXPECT_EQ(result_->mismatches, 0u) << result_->first_mismatch;
  }
}

TEST_F(Perf, verify_finds_a_flipped_bit) {
  connect_ok();
  perf_.workload = PerfWorkload::randwrite;
  perf_.verify = true;
  uint32_t count = 0;
  target_->intercept = [&](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0 || command.opcode != k_read_opcode || ++count != 20) return false;
    const size_t from = nvme::starting_lba(command) * 512;
    target_->namespaces[1].data[from + 1000] ^= 4;
    return false;
  };
  run_ok();
  EXPECT_EQ(result_->mismatches, 1u);
  EXPECT_NE(result_->first_mismatch.find("damaged"), std::string::npos) << result_->first_mismatch;
}

TEST_F(Perf, verify_finds_a_write_that_was_acknowledged_and_dropped) {
  connect_ok();
  perf_.workload = PerfWorkload::randrw;
  perf_.verify = true;
  uint32_t count = 0;
  uint64_t lost_lba = 0;
  target_->intercept = [&](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0 || command.opcode != k_write_opcode) return false;
    // From the hundredth write on nothing reaches its blocks: a later write must not hide the loss.
    if (++count == 100) lost_lba = nvme::starting_lba(command);
    if (count < 100 || nvme::starting_lba(command) != lost_lba) return false;
    connection.respond(command);
    return true;
  };
  run_ok();
  EXPECT_GT(result_->mismatches, 0u);
}

TEST_F(Perf, verify_does_not_blame_a_write_that_failed) {
  connect_ok();
  perf_.workload = PerfWorkload::randwrite;
  perf_.verify = true;
  uint32_t count = 0;
  target_->intercept = [&](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    if (connection.qid == 0 || command.opcode != k_write_opcode || ++count % 7 != 0) return false;
    connection.respond(command, nvme::status::write_fault);
    return true;
  };
  run_ok();
  EXPECT_GT(result_->errors, 0u);
  EXPECT_EQ(result_->mismatches, 0u) << result_->first_mismatch;
}

TEST_F(Perf, verify_holds_through_lost_connections) {
  options_.reconnect_delay_max_ns = 200 * k_ns_per_ms;
  connect_ok();
  perf_.workload = PerfWorkload::randrw;
  perf_.verify = true;
  perf_.time_ns = 2 * k_ns_per_s;
  world_.network().delay_ns = 500 * k_ns_per_us;
  start();
  for (int i = 0; i < 5; ++i) {
    world_.advance(150 * k_ns_per_ms);
    target_->drop_connections();
  }
  ASSERT_TRUE(world_.run_until([this] { return done_count_ == 1; }));
  EXPECT_EQ(result_->mismatches, 0u) << result_->first_mismatch;
  EXPECT_EQ(result_->errors, 0u);
  EXPECT_GT(result_->blocks_checked, 0u);
}

class PerfOnOurTarget : public testing::Test, public HostTargetWorld {
 protected:
  PerfOnOurTarget() : HostTargetWorld(3, 2, 2) {}
};

TEST_F(PerfOnOurTarget, a_verified_run_with_digests_finds_nothing) {
  options_.io_queues_count = 3;
  options_.header_digest = options_.data_digest = true;
  world_.network().delay_ns = 20 * k_ns_per_us;
  connect();
  PerfOptions options;
  options.workload = PerfWorkload::randrw;
  options.block_bytes = 2048;
  options.queue_depth = 16;
  options.time_ns = 10 * k_ns_per_ms;
  options.verify = true;
  std::unique_ptr<PerfResult> told;
  engine::run_perf(controller_, options, nullptr, [&told](Result<PerfResult> result) {
    ASSERT_TRUE(result.ok()) << result.error().text;
    told = std::make_unique<PerfResult>(result.value());
  });
  ASSERT_TRUE(world_.run_until([&told] { return told != nullptr; }));
  EXPECT_GT(told->ios(), 1000u);
  EXPECT_EQ(told->errors, 0u);
  EXPECT_EQ(told->mismatches, 0u) << told->first_mismatch;
  EXPECT_GT(told->blocks_checked, 1000u);
}

TEST(PerfPattern, every_kind_of_wrong_block_is_told_apart) {
  Bytes block(512);
  engine::write_perf_block(block, 10, 3, 7);
  using engine::check_perf_block;
  using engine::PerfVerdict;
  EXPECT_EQ(check_perf_block(block, 10, 3, 7), PerfVerdict::good);
  EXPECT_EQ(check_perf_block(block, 11, 3, 7), PerfVerdict::other_address);
  EXPECT_EQ(check_perf_block(block, 10, 4, 7), PerfVerdict::other_sequence);
  EXPECT_EQ(check_perf_block(block, 10, 3, 8), PerfVerdict::not_ours);
  EXPECT_EQ(check_perf_block(Bytes(512), 10, 3, 7), PerfVerdict::not_ours);
  for (size_t at = 0; at < block.size(); at += 5) {
    Bytes damaged = block;
    damaged[at] ^= 0x20;
    EXPECT_NE(check_perf_block(damaged, 10, 3, 7), PerfVerdict::good) << at;
  }
}

TEST(PerfWorkloadText, is_parsed_and_anything_else_is_refused) {
  EXPECT_EQ(engine::parse_perf_workload("randrw").value(), PerfWorkload::randrw);
  EXPECT_EQ(engine::parse_perf_workload("trim").errc(), Errc::invalid_argument);
  EXPECT_EQ(engine::parse_perf_workload("").errc(), Errc::invalid_argument);
}

}  // namespace
}  // namespace ballast::test
