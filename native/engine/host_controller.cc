#include "engine/host_controller.h"

#include "engine/host_lane.h"

namespace ballast::engine {

HostIo::Arrival::Arrival(HostIo& owner)
    : Message([](Message& message) {
        HostIo& arrived = static_cast<Arrival&>(message).io;
        arrived.lane_->accept(arrived);
      }),
      io(owner) {}

HostIo::HostIo() : arrival_(*this) {}

HostController::HostController(std::shared_ptr<initiator::Controller> controller,
                               std::vector<Reactor*> reactors)
    : controller_(std::move(controller)), reactors_(std::move(reactors)) {
  const uint16_t queues_count = controller_->info().io_queues_count;
  lanes_.reserve(queues_count);
  for (uint16_t i = 0; i < queues_count; ++i) {
    lanes_.push_back(std::make_unique<HostLane>(controller_->io_queue(i)));
  }
}

HostController::~HostController() { BALLAST_ASSERT(closing_ && closed_ == nullptr); }

void HostController::submit(HostIo& io) {
  BALLAST_ASSERT(!lanes_.empty());
  BALLAST_ASSERT(io.done != nullptr);
  const uint32_t turn = next_lane_.fetch_add(1, std::memory_order_relaxed);
  io.lane_ = lanes_[turn % lanes_.size()].get();
  io.lane_->reactor().send(io.arrival_);
}

void HostController::submit_admin(const nvme::Command& command, Segment data,
                                  std::function<void(nvme::Completion)> done) {
  controller_->submit_admin(command, data, std::move(done));
}

void HostController::start_perf(uint64_t run_id, const PerfOptions& options,
                                std::function<void(const PerfProgress&)> progress,
                                std::function<void(Result<PerfResult>)> done) {
  send_task(*reactors_.front(),
            [this, run_id, options, progress = std::move(progress), done = std::move(done)]() mutable {
              if (closing_) return done(Error{Errc::shutting_down, "the controller is being closed"});
              runs_.push_back({run_id, nullptr});
              // `done` runs from inside when the options are wrong: the run is found by its number, and is
              // gone then.
              auto run = run_perf(controller_, options, std::move(progress),
                                  [this, run_id, done = std::move(done)](Result<PerfResult> result) {
                                    done(std::move(result));
                                    end_perf(run_id);
                                  });
              for (Run& known : runs_) {
                if (known.id == run_id) known.run = std::move(run);
              }
            });
}

void HostController::stop_perf(uint64_t run_id) {
  send_task(*reactors_.front(), [this, run_id] {
    for (const Run& known : runs_) {
      if (known.id == run_id && known.run != nullptr) known.run->stop();
    }
  });
}

void HostController::end_perf(uint64_t run_id) {
  BALLAST_ASSERT_ON_REACTOR(*reactors_.front());
  const size_t erased_count = std::erase_if(runs_, [run_id](const Run& known) { return known.id == run_id; });
  BALLAST_ASSERT(erased_count == 1);
  end_if_closed();
}

void HostController::close(std::function<void()> closed) {
  BALLAST_ASSERT_ON_REACTOR(*reactors_.front());
  BALLAST_ASSERT(!closing_);
  closing_ = true;
  closed_ = std::move(closed);
  for (const Run& known : runs_) {
    if (known.run != nullptr) known.run->stop();
  }
  controller_->close([this] { pass_barrier(0); });
}

// I/O that was sent before close() may still be in a mailbox. A message behind it, through every reactor and
// back to the first, finds all of it answered: a closed controller answers from inside submit().
void HostController::pass_barrier(size_t reactor_index) {
  if (reactor_index < reactors_.size()) {
    send_task(*reactors_[reactor_index], [this, reactor_index] {
      for (const auto& lane : lanes_) {
        if (&lane->reactor() == reactors_[reactor_index]) lane->stop_retrying();
      }
      pass_barrier(reactor_index + 1);
    });
    return;
  }
  send_task(*reactors_.front(), [this] {
    barrier_passed_ = true;
    end_if_closed();
  });
}

// From a message of its own: the caller may be inside an object that `closed` destroys.
void HostController::end_if_closed() {
  if (!barrier_passed_ || !runs_.empty() || closed_ == nullptr) return;
  send_task(*reactors_.front(), [closed = std::exchange(closed_, nullptr)] { closed(); });
}

}  // namespace ballast::engine
