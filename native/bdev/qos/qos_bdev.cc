#include "bdev/qos/qos_bdev.h"

#include <utility>

#include "base/assert.h"
#include "bdev/qos/channel.h"

namespace ballast::bdev::qos {
namespace {

class QosBdevImpl final : public QosBdev {
 public:
  QosBdevImpl(std::shared_ptr<Bdev> below, std::shared_ptr<Node> node, const Config& config)
      : below_(std::move(below)), volume_(std::make_shared<Volume>(std::move(node))), config_(config) {
    // No channel is open: nobody else looks at it yet.
    volume_->configure(home().clock().now_ns(), config);
    volume_->node().add_volume();
    if (config.min_iops != 0) on_home([](Volume& volume, uint64_t) { volume.node().watch(volume); }, nullptr);
  }
  ~QosBdevImpl() override {
    volume_->node().remove_volume();
    const Outcome less = volume_->node().promise(config_.min_iops, 0);
    BALLAST_ASSERT(less.ok());
  }

  const Geometry& geometry() const override { return below_->geometry(); }
  const Capabilities& capabilities() const override { return below_->capabilities(); }
  const char* kind() const override { return below_->kind(); }
  std::unique_ptr<Channel> open(Reactor& reactor) override {
    return std::make_unique<QosChannel>(reactor, *below_, *volume_, below_->open(reactor));
  }

  Outcome set(const Config& config, Done done) override {
    TRY([[maybe_unused]] const Unit checked, check_config(config));
    TRY([[maybe_unused]] const Unit promised, volume_->node().promise(config_.min_iops, config.min_iops));
    config_ = config;
    const auto configure = [config](Volume& volume, uint64_t now_ns) {
      volume.configure(now_ns, config);
      volume.node().watch(volume);
    };
    on_home(configure, std::move(done));
    return Unit{};
  }
  const Config& config() const override { return config_; }
  void drain(Done done) override {
    on_home([](Volume& volume, uint64_t) { volume.exempt(); }, std::move(done));
  }
  Done lift() override {
    on_home([](Volume& volume, uint64_t) { volume.lift(); }, nullptr);
    return [volume = volume_] {
      send_task(volume->node().home(), [volume] {
        volume->settle();
        volume->node().scheduler().reconsider(*volume);
      });
    };
  }
  Stats stats() const override { return volume_->stats().read(); }
  std::shared_ptr<const StatsCells> stats_cells() const override { return volume_->shared_stats(); }

 private:
  Reactor& home() { return volume_->node().home(); }
  template <typename Change>
  void on_home(Change change, Done done) {
    send_task(home(), [volume = volume_, change, done = std::move(done)] {
      Node& node = volume->node();
      change(*volume, node.home().now_ns());
      node.scheduler().reconsider(*volume);
      if (done) done();
    });
  }

  std::shared_ptr<Bdev> below_;
  std::shared_ptr<Volume> volume_;  // and of changes on their way to home
  Config config_;
};

}  // namespace

Result<std::shared_ptr<QosBdev>> make_qos_bdev(std::shared_ptr<Bdev> below, std::shared_ptr<Node> node,
                                               const Config& config) {
  BALLAST_ASSERT(below != nullptr);
  BALLAST_ASSERT(node != nullptr);
  TRY([[maybe_unused]] const Unit checked, check_config(config));
  TRY([[maybe_unused]] const Unit promised, node->promise(0, config.min_iops));
  return std::shared_ptr<QosBdev>(new QosBdevImpl(std::move(below), std::move(node), config));
}

}  // namespace ballast::bdev::qos
