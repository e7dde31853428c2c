#include "reactor/uring_ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/clock.h"

namespace ballast {
namespace {

// Completions that may be there at once without the slower overflow list of the kernel: 16 queues x 128 file
// operations, each possibly two steps, and two polls of each of 1024 sockets.
constexpr uint32_t k_completions_count = 8192;

uint32_t setup_flags(UringLevel level) {
  constexpr uint32_t k_always = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr uint32_t k_coop = k_always | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG;
  switch (level) {
    case UringLevel::defer_taskrun: return k_coop | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    case UringLevel::single_issuer: return k_coop | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;
    case UringLevel::coop_taskrun: return k_coop | IORING_SETUP_COOP_TASKRUN;
    case UringLevel::plain: return k_always;
  }
  return k_always;
}

std::string refusal_text(int error) {
  switch (error) {
    case ENOSYS: return "this kernel has no io_uring; Linux 5.11 or later is needed";
    case EPERM:
      return "io_uring is not allowed here; check the sysctl kernel.io_uring_disabled and the container's "
             "seccomp profile";
    case ENOMEM: return "not enough memory for an io_uring; raise RLIMIT_MEMLOCK";
    default: return std::string("cannot set up an io_uring: ") + std::strerror(error);
  }
}

}  // namespace

const char* uring_level_text(UringLevel level) {
  switch (level) {
    case UringLevel::defer_taskrun: return "defer-taskrun single-issuer";
    case UringLevel::single_issuer: return "single-issuer coop-taskrun";
    case UringLevel::coop_taskrun: return "coop-taskrun";
    case UringLevel::plain: return "plain";
  }
  return "plain";
}

const char* uring_level_warning(UringLevel level) {
  switch (level) {
    case UringLevel::defer_taskrun: return "";
    case UringLevel::single_issuer:
      return "io_uring has no DEFER_TASKRUN here (Linux 6.1 has it): any system call may work off "
             "completions, "
             "so latency varies more";
    case UringLevel::coop_taskrun:
      return "io_uring has neither DEFER_TASKRUN (Linux 6.1) nor SINGLE_ISSUER (6.0) here: submitting takes "
             "locks and latency varies more";
    case UringLevel::plain:
      return "io_uring has none of DEFER_TASKRUN (Linux 6.1), SINGLE_ISSUER (6.0), COOP_TASKRUN (5.19) here: "
             "reactors are interrupted to learn of completions";
  }
  return "";
}

Outcome UringRing::open(uint32_t entries, UringLevel best) {
  int error = 0;
  for (auto step = static_cast<uint8_t>(best); step <= static_cast<uint8_t>(UringLevel::plain); ++step) {
    level_ = static_cast<UringLevel>(step);
    io_uring_params params{};
    params.flags = setup_flags(level_);
    params.cq_entries = std::max(k_completions_count, entries * 2);
    error = -io_uring_queue_init_params(entries, &ring_, &params);
    if (error == EINVAL) continue;  // a flag that this kernel does not know
    if (error != 0) break;
    is_open_ = true;
    // 5.11: sleeping with a timeout takes no entry of the ring. Everything older that we use came before it.
    if ((params.features & IORING_FEAT_EXT_ARG) == 0) {
      close();
      return Error{Errc::unsupported, refusal_text(ENOSYS)};
    }
    io_uring_register_ring_fd(&ring_);  // 5.18: saves a look-up per system call; no loss if it fails
    return Unit{};
  }
  return Error{error == ENOMEM ? Errc::no_memory : Errc::unsupported, refusal_text(error)};
}

void UringRing::close() {
  if (!is_open_) return;
  io_uring_queue_exit(&ring_);
  is_open_ = false;
}

io_uring_sqe* UringRing::try_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    submit();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

bool UringRing::wants_entering() const {
  return (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) !=
         0;
}

size_t UringRing::collect(std::span<RingCompletion> completions) {
  if (io_uring_cq_ready(&ring_) == 0) {
    if (!wants_entering()) return 0;
    io_uring_get_events(&ring_);
  }
  std::array<io_uring_cqe*, 64> ready;
  const auto wanted = static_cast<unsigned>(std::min(ready.size(), completions.size()));
  const unsigned count = io_uring_peek_batch_cqe(&ring_, ready.data(), wanted);
  for (unsigned i = 0; i < count; ++i) completions[i] = {ready[i]->user_data, ready[i]->res};
  io_uring_cq_advance(&ring_, count);
  return count;
}

void UringRing::submit() {
  if (io_uring_sq_ready(&ring_) == 0) return;
  // A refusal (EAGAIN, EBUSY) leaves the entries in the ring, to be tried at the end of the next turn.
  if (wants_entering()) {
    static_cast<void>(io_uring_submit_and_get_events(&ring_));
  } else {
    static_cast<void>(io_uring_submit(&ring_));
  }
}

void UringRing::submit_and_wait(uint64_t timeout_ns) {
  if (timeout_ns == UINT64_MAX) {
    static_cast<void>(io_uring_submit_and_wait(&ring_, 1));
    return;
  }
  io_uring_cqe* first = nullptr;
  __kernel_timespec timeout{static_cast<int64_t>(timeout_ns / k_ns_per_s),
                            static_cast<long long>(timeout_ns % k_ns_per_s)};
  static_cast<void>(io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr));
}

bool UringRing::register_memory(void* base, size_t size_bytes, int& error) {
  const iovec memory{base, size_bytes};
  error = -io_uring_register_buffers(&ring_, &memory, 1);
  return error == 0;
}

}  // namespace ballast
