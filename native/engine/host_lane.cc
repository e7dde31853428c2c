#include "engine/host_lane.h"

namespace ballast::engine {

HostLane::HostLane(initiator::IoQueue& queue)
    : queue_(queue),
      reactor_(queue.reactor()),
      retry_([](Timer&, void* context) { static_cast<HostLane*>(context)->pump(); }, this) {}

HostLane::~HostLane() {
  BALLAST_ASSERT(in_flight_ == 0);
  BALLAST_ASSERT(waiting_.empty());
}

void HostLane::accept(HostIo& io) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  waiting_.push_back(io);
  pump();
}

void HostLane::stop_retrying() {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  reactor_.cancel(retry_);
}

// A completion may come from inside submit() (a closed controller), and end the I/O: nothing of it is touched
// after submit() took it, and the loop, not the recursion, takes the next.
void HostLane::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (HostIo* const io = waiting_.pop_front()) {
    io->request_.host.command = io->command;
    io->request_.host.data = {&io->data, io->data.size_bytes == 0 ? size_t{0} : size_t{1}};
    io->request_.context = io;
    io->request_.done = [](initiator::IoRequest& request, nvme::Completion completion) {
      HostIo& ended = *static_cast<HostIo*>(request.context);
      ended.lane_->finish(ended, completion);
    };
    ++in_flight_;
    if (queue_.submit(io->request_)) continue;
    --in_flight_;
    waiting_.push_front(*io);
    if (in_flight_ == 0) reactor_.arm(retry_, k_retry_ns);
    break;
  }
  pumping_ = false;
}

void HostLane::finish(HostIo& io, const nvme::Completion& completion) {
  BALLAST_ASSERT(in_flight_ > 0);
  --in_flight_;
  io.done(io, completion);
  pump();
}

}  // namespace ballast::engine
