#include "engine/perf.h"

#include <algorithm>
#include <map>

#include "engine/perf_queue.h"
#include "reactor/reactor.h"

namespace ballast::engine {

namespace {

constexpr uint64_t k_progress_interval_ns = k_ns_per_s;

Error invalid(std::string text) { return {Errc::invalid_argument, std::move(text)}; }

// The namespace to use, or why these options do not fit this controller.
Result<const initiator::NamespaceInfo*> check(const initiator::ControllerInfo& info,
                                              const PerfOptions& options, uint16_t queues_count,
                                              uint16_t queue_entries_min) {
  const auto found = std::find_if(info.namespaces.begin(), info.namespaces.end(),
                                  [&options](const auto& ns) { return ns.nsid == options.nsid; });
  if (found == info.namespaces.end()) {
    return Error{Errc::not_found, "no namespace " + std::to_string(options.nsid)};
  }
  if (options.block_bytes == 0 || options.block_bytes % found->block_size_bytes != 0) {
    return invalid("block size " + std::to_string(options.block_bytes) + " is not a multiple of " +
                   std::to_string(found->block_size_bytes));
  }
  if (options.block_bytes > info.transfer_bytes_max) {
    return invalid("block size " + std::to_string(options.block_bytes) +
                   " is above the controller's limit of " + std::to_string(info.transfer_bytes_max));
  }
  if (queues_count == 0) return invalid("the controller has no I/O queues");
  if (options.queues > info.io_queues_count) {
    return invalid("asked for " + std::to_string(options.queues) + " queues, the controller has " +
                   std::to_string(info.io_queues_count));
  }
  if (options.queue_depth == 0 || options.queue_depth > queue_entries_min) {
    return invalid("queue depth must be 1 to " + std::to_string(queue_entries_min));
  }
  if (options.rwmix_read_percent > 100) return invalid("rwmix is a percentage");
  if (options.time_ns == 0) return invalid("time must be above 0");
  const bool writes = options.workload != PerfWorkload::randread && options.workload != PerfWorkload::read;
  if (options.verify && !writes)
    return invalid("verify needs a workload that writes: randwrite, randrw or write");
  const uint64_t units = found->blocks_count / (options.block_bytes / found->block_size_bytes);
  if (units < uint64_t{queues_count} * (options.queue_depth + 1u)) {
    return invalid("the namespace is too small for this many queues and this depth");
  }
  return &*found;
}

// One run: starts the queues on their reactors, counts them home, merges. Lives, apart from stop(), on the
// reactor of the first queue.
class PerfRunner final : public PerfRun {
 public:
  PerfRunner(std::shared_ptr<initiator::Controller> controller, const PerfOptions& options,
             std::function<void(const PerfProgress&)> progress, std::function<void(Result<PerfResult>)> done)
      : controller_(std::move(controller)),
        options_(options),
        progress_(std::move(progress)),
        done_(std::move(done)),
        tick_([](Timer&, void* context) { static_cast<PerfRunner*>(context)->on_tick(); }, this) {}

  void stop() override { stop_.store(true, std::memory_order_relaxed); }

  void make_queues(const initiator::NamespaceInfo& ns, uint16_t queues_count);
  void start(std::shared_ptr<PerfRunner> self);

 private:
  void queue_finished();
  void on_tick();
  PerfResult merged() const;

  std::shared_ptr<initiator::Controller> controller_;
  const PerfOptions options_;
  std::function<void(const PerfProgress&)> progress_;
  std::function<void(Result<PerfResult>)> done_;
  std::vector<std::unique_ptr<PerfQueue>> queues_;
  std::atomic<bool> stop_{false};
  Timer tick_;
  size_t queues_running_ = 0;
  uint64_t started_ns_ = 0;
  uint64_t last_tick_ns_ = 0;
  uint64_t last_tick_ios_ = 0;
  std::shared_ptr<PerfRunner> self_;  // from start() to done
};

void PerfRunner::make_queues(const initiator::NamespaceInfo& ns, uint16_t queues_count) {
  const uint64_t units = ns.blocks_count / (options_.block_bytes / ns.block_size_bytes);
  const bool shares_all = !options_.verify && (options_.workload == PerfWorkload::randread ||
                                               options_.workload == PerfWorkload::randwrite ||
                                               options_.workload == PerfWorkload::randrw);
  for (uint16_t i = 0; i < queues_count; ++i) {
    PerfQueueLimits limits;
    limits.logical_block_bytes = ns.block_size_bytes;
    // Random load goes everywhere; sequential and verified load has a part of its own for each queue.
    limits.unit_first = shares_all ? 0 : units / queues_count * i;
    limits.units_count = shares_all ? units : units / queues_count;
    if (options_.verify) limits.units_count = std::min<uint64_t>(limits.units_count, k_perf_verify_units_max);
    queues_.push_back(std::make_unique<PerfQueue>(controller_->io_queue(i), options_, limits, i, stop_));
  }
}

void PerfRunner::start(std::shared_ptr<PerfRunner> self) {
  self_ = std::move(self);
  queues_running_ = queues_.size();
  Reactor& home = queues_[0]->reactor();
  send_task(home, [this, &home] {
    started_ns_ = last_tick_ns_ = home.clock().now_ns();
    if (progress_) home.arm(tick_, k_progress_interval_ns);
    for (const auto& owned : queues_) {
      PerfQueue* const queue = owned.get();
      send_task(queue->reactor(), [this, queue, &home] {
        queue->start([this, &home] { send_task(home, [this] { queue_finished(); }); });
      });
    }
  });
}

void PerfRunner::queue_finished() {
  // One that ended for a reason ends the others.
  for (const auto& queue : queues_) {
    if (queue->fatal.load(std::memory_order_relaxed)) stop();
  }
  if (--queues_running_ != 0) return;
  queues_[0]->reactor().cancel(tick_);
  const PerfResult result = merged();
  const auto self = std::move(self_);  // dies at the end of this function, after done()
  done_(result);
}

void PerfRunner::on_tick() {
  Reactor& home = queues_[0]->reactor();
  const uint64_t now_ns = home.clock().now_ns();
  uint64_t ios = 0;
  PerfProgress progress;
  for (const auto& queue : queues_) {
    ios += queue->ios_so_far.load(std::memory_order_relaxed);
    progress.errors += queue->errors_so_far.load(std::memory_order_relaxed);
    if (queue->fatal.load(std::memory_order_relaxed)) stop();
  }
  const double seconds = static_cast<double>(now_ns - last_tick_ns_) / static_cast<double>(k_ns_per_s);
  progress.elapsed_ns = now_ns - started_ns_;
  progress.iops = seconds > 0 ? static_cast<double>(ios - last_tick_ios_) / seconds : 0;
  progress.mib_per_s = progress.iops * options_.block_bytes / (1 << 20);
  last_tick_ns_ = now_ns;
  last_tick_ios_ = ios;
  home.arm(tick_, k_progress_interval_ns);
  progress_(progress);
}

PerfResult PerfRunner::merged() const {
  PerfResult result;
  uint64_t measured_ns = 0;
  struct CpuSpan {
    uint64_t from_ns, to_ns;
  };
  std::map<uint32_t, CpuSpan> cpu_by_reactor;  // queues may share a reactor: its time counts once
  for (const auto& queue : queues_) {
    measured_ns = std::max(measured_ns, queue->ended_ns - queue->started_ns);
    for (auto [into, from] : {std::pair{&result.reads, &queue->reads}, {&result.writes, &queue->writes}}) {
      into->ios += from->ios;
      into->bytes += from->bytes;
      into->latency.merge(from->latency);
    }
    const auto [at, added] = cpu_by_reactor.try_emplace(queue->reactor().index(),
                                                        CpuSpan{queue->cpu_started_ns, queue->cpu_ended_ns});
    if (!added) {
      at->second.from_ns = std::min(at->second.from_ns, queue->cpu_started_ns);
      at->second.to_ns = std::max(at->second.to_ns, queue->cpu_ended_ns);
    }
    for (const PerfStatusCount& counted : queue->error_counts) {
      const auto known =
          std::find_if(result.error_counts.begin(), result.error_counts.end(),
                       [&counted](const auto& entry) { return entry.status.is(counted.status); });
      if (known != result.error_counts.end()) {
        known->count += counted.count;
      } else {
        result.error_counts.push_back(counted);
      }
    }
    result.errors += queue->errors_so_far.load(std::memory_order_relaxed);
    result.blocks_checked += queue->blocks_checked;
    result.mismatches += queue->mismatches;
    if (result.first_mismatch.empty()) result.first_mismatch = queue->first_mismatch;
  }
  result.latency.merge(result.reads.latency);
  result.latency.merge(result.writes.latency);
  result.seconds = static_cast<double>(measured_ns) / static_cast<double>(k_ns_per_s);
  for (const auto& [index, span] : cpu_by_reactor) {
    result.cpu_seconds += static_cast<double>(span.to_ns - span.from_ns) / static_cast<double>(k_ns_per_s);
  }
  return result;
}

}  // namespace

Result<PerfWorkload> parse_perf_workload(const std::string& text) {
  for (const PerfWorkload workload : {PerfWorkload::randread, PerfWorkload::randwrite, PerfWorkload::randrw,
                                      PerfWorkload::read, PerfWorkload::write}) {
    if (text == perf_workload_text(workload)) return workload;
  }
  return invalid("workload must be randread, randwrite, randrw, read or write");
}

const char* perf_workload_text(PerfWorkload workload) {
  switch (workload) {
    case PerfWorkload::randread: return "randread";
    case PerfWorkload::randwrite: return "randwrite";
    case PerfWorkload::randrw: return "randrw";
    case PerfWorkload::read: return "read";
    case PerfWorkload::write: return "write";
  }
  return "unknown";
}

std::shared_ptr<PerfRun> run_perf(std::shared_ptr<initiator::Controller> controller,
                                  const PerfOptions& options,
                                  std::function<void(const PerfProgress&)> progress,
                                  std::function<void(Result<PerfResult>)> done) {
  const initiator::ControllerInfo& info = controller->info();
  const uint16_t queues_count = options.queues == 0 ? info.io_queues_count : options.queues;
  uint16_t queue_entries_min = UINT16_MAX;
  for (uint16_t i = 0; i < std::min(queues_count, info.io_queues_count); ++i) {
    queue_entries_min = std::min(queue_entries_min, controller->io_queue(i).queue_entries());
  }
  const auto ns = check(info, options, queues_count, queue_entries_min);
  if (!ns.ok()) {
    done(ns.error());
    return nullptr;
  }
  auto runner = std::make_shared<PerfRunner>(controller, options, std::move(progress), std::move(done));
  runner->make_queues(*ns.value(), queues_count);
  runner->start(runner);
  return runner;
}

}  // namespace ballast::engine
