#include "reactor/uring_backend.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "reactor/socket_address.h"
#include "reactor/uring_listener.h"
#include "reactor/uring_socket.h"

namespace ballast {
namespace {

constexpr uint32_t k_submissions_count = 1024;
// Bounds of one poll(), so that timers and messages get their turn.
constexpr uint32_t k_hot_per_poll_max = 64;
constexpr uint32_t k_completion_batches_max = 4;
constexpr size_t k_completions_per_batch = 64;
// A hot socket that had nothing for so many polls in a row cools. Together all hot sockets may cost this many
// fruitless calls between two useful ones, about 50 us.
constexpr uint32_t k_misses_total = 256;
constexpr uint32_t k_misses_min = 4;
// When the ring took not every poll, sleep only so long before trying again.
constexpr uint64_t k_retry_ns = k_ns_per_ms;

// The user data of a completion is the address of its RingOp, or of its FileOp with the tag, or this.
constexpr uint64_t k_ignored = 0;

}  // namespace

UringBackend::UringBackend(Clock& clock)
    : clock_(clock),
      wake_op_(this, [](void* owner, int32_t) { static_cast<UringBackend*>(owner)->start_wake_read(); }),
      hot_(std::make_unique<HotSockets>()) {}

Result<std::unique_ptr<UringBackend>> UringBackend::create(Clock& clock, UringLevel best) {
  std::unique_ptr<UringBackend> backend(new UringBackend(clock));
  TRY(const Unit opened, backend->open(best));
  static_cast<void>(opened);
  return backend;
}

Outcome UringBackend::open(UringLevel best) {
  TRY(const Unit opened, ring_.open(k_submissions_count, best));
  static_cast<void>(opened);
  wake_descriptor_ = eventfd(0, EFD_CLOEXEC);
  if (wake_descriptor_ < 0) {
    return Error{errc_from_errno(errno), std::string("cannot make an eventfd: ") + std::strerror(errno)};
  }
  start_wake_read();
  return Unit{};
}

UringBackend::~UringBackend() {
  BALLAST_ASSERT(hot_->list.empty());
  if (wake_op_.state == RingOp::State::waiting) waiting_.remove(wake_op_);
  ring_.close();  // cancels and waits: no completion can name an operation afterwards
  while (RingOp* const orphan = orphans_.pop_front()) delete orphan;
  if (wake_descriptor_ >= 0) close(wake_descriptor_);
}

// ---- making sockets ----

Result<std::unique_ptr<ListenSocket>> UringBackend::listen(const SocketAddress& address,
                                                           AcceptObserver& observer) {
  SocketAddress bound;
  TRY(const int descriptor, UringListener::open_descriptor(address, bound));
  return std::unique_ptr<ListenSocket>(new UringListener(*this, descriptor, bound, observer));
}

Result<std::unique_ptr<Socket>> UringBackend::adopt(Descriptor accepted, SocketObserver& observer) {
  return std::unique_ptr<Socket>(new UringSocket(*this, accepted, observer, UringSocket::Start::connected));
}

Result<std::unique_ptr<Socket>> UringBackend::connect(const SocketAddress& address,
                                                      SocketObserver& observer) {
  TRY(const KernelAddress kernel, to_kernel_address(address));
  const int descriptor =
      socket(kernel.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return Error{errc_from_errno(errno), std::string("no socket: ") + std::strerror(errno)};
  const int result = ::connect(descriptor, kernel.get(), kernel.size_bytes);
  const int error = result == 0 || errno == EINPROGRESS ? 0 : errno;
  const auto start = error == 0 ? UringSocket::Start::connecting : UringSocket::Start::connect_failed;
  return std::unique_ptr<Socket>(new UringSocket(*this, descriptor, observer, start, error));
}

Result<std::unique_ptr<Socket>> UringBackend::adopt_device(Descriptor device, SocketObserver& observer) {
  return std::unique_ptr<Socket>(new UringSocket(*this, device, observer, UringSocket::Start::device));
}

void UringBackend::close_descriptor(Descriptor accepted) { close(accepted); }

// ---- ring operations ----

void UringBackend::start_poll(RingOp& op, int descriptor, uint32_t events) {
  op.kind = RingOp::Kind::poll;
  op.descriptor = descriptor;
  op.poll_events = events;
  start(op);
}

void UringBackend::start_timeout(RingOp& op, uint64_t after_ns) {
  op.kind = RingOp::Kind::timeout;
  op.after = {static_cast<int64_t>(after_ns / k_ns_per_s), static_cast<long long>(after_ns % k_ns_per_s)};
  start(op);
}

void UringBackend::start_nop(RingOp& op) {
  op.kind = RingOp::Kind::nop;
  start(op);
}

void UringBackend::start_wake_read() {
  wake_op_.kind = RingOp::Kind::read;
  wake_op_.descriptor = wake_descriptor_;
  wake_op_.into = {reinterpret_cast<uint8_t*>(&wake_value_), sizeof(wake_value_)};
  start(wake_op_);
}

void UringBackend::start(RingOp& op) {
  BALLAST_ASSERT(op.state == RingOp::State::idle);
  if (waiting_.empty() && try_start(op)) return;
  op.state = RingOp::State::waiting;
  waiting_.push_back(op);
}

bool UringBackend::try_start(RingOp& op) {
  io_uring_sqe* const sqe = ring_.try_sqe();
  if (sqe == nullptr) return false;
  switch (op.kind) {
    case RingOp::Kind::poll: io_uring_prep_poll_add(sqe, op.descriptor, op.poll_events); break;
    case RingOp::Kind::timeout: io_uring_prep_timeout(sqe, &op.after, 0, 0); break;
    case RingOp::Kind::read:
      io_uring_prep_read(sqe, op.descriptor, op.into.base, static_cast<unsigned>(op.into.size_bytes), 0);
      break;
    case RingOp::Kind::nop: io_uring_prep_nop(sqe); break;
  }
  io_uring_sqe_set_data(sqe, &op);
  op.state = RingOp::State::in_flight;
  return true;
}

void UringBackend::start_waiting() {
  while (RingOp* const op = waiting_.front()) {
    if (!try_start(*op)) return;
    waiting_.remove(*op);
  }
  size_t started = 0;
  while (started < waiting_files_.size() && try_start(*waiting_files_[started])) ++started;
  waiting_files_.erase(waiting_files_.begin(), waiting_files_.begin() + static_cast<ptrdiff_t>(started));
}

void UringBackend::abandon(std::unique_ptr<RingOp> op) {
  if (op->state == RingOp::State::waiting) waiting_.remove(*op);
  if (op->state != RingOp::State::in_flight) return;
  // Without room for the cancellation, closing the descriptor or time ends the operation.
  if (io_uring_sqe* const sqe = ring_.try_sqe()) {
    io_uring_prep_cancel(sqe, op.get(), 0);
    io_uring_sqe_set_data64(sqe, k_ignored);
  }
  op->owner = nullptr;
  orphans_.push_back(*op.release());
}

// ---- hot sockets ----

void UringBackend::heat(UringSocket& socket) {
  socket.misses_count_ = 0;
  if (!socket.hot_node_.is_linked()) hot_->list.push_back(socket);
}

void UringBackend::leave_hot(UringSocket& socket) {
  if (socket.hot_node_.is_linked()) hot_->list.remove(socket);
}

void UringBackend::forget(UringSocket& socket) {
  leave_hot(socket);
  if (hot_->calling == &socket) hot_->calling = nullptr;
}

// From now on the ring tells when there is something to read; it looks once when it takes the poll, so
// nothing is lost.
void UringBackend::cool(UringSocket& socket) {
  leave_hot(socket);
  if (socket.poll_in_->state == RingOp::State::idle) {
    start_poll(*socket.poll_in_, socket.descriptor_, POLLIN | POLLRDHUP);
  }
}

// Observers may destroy any socket and make new ones: the list is taken from the front, one at a time, and
// what was called goes to the back. Each is called at most once.
uint32_t UringBackend::poll_hot() {
  const size_t hot_count = hot_->list.size();
  if (hot_count == 0) return 0;
  const auto misses_max = std::max(k_misses_min, static_cast<uint32_t>(k_misses_total / hot_count));
  const uint64_t poll_number = ++hot_->poll_number;
  uint32_t handled = 0;
  for (uint32_t i = 0; i < k_hot_per_poll_max; ++i) {
    UringSocket* const socket = hot_->list.front();
    if (socket == nullptr || socket->polled_number_ == poll_number) break;
    socket->polled_number_ = poll_number;
    hot_->list.remove(*socket);
    hot_->list.push_back(*socket);
    hot_->calling = socket;
    const bool gave_something = socket->observer_.on_readable();
    if (gave_something) ++handled;
    if (hot_->calling == nullptr) continue;  // destroyed
    hot_->calling = nullptr;
    if (gave_something) {
      socket->misses_count_ = 0;
    } else if (socket->hot_node_.is_linked() && ++socket->misses_count_ >= misses_max) {
      cool(*socket);
    }
  }
  return handled;
}

void UringBackend::arm_all_hot() {
  while (UringSocket* const socket = hot_->list.front()) cool(*socket);
}

// ---- completions ----

uint32_t UringBackend::poll_completions() {
  uint32_t handled = 0;
  std::array<RingCompletion, k_completions_per_batch> batch;
  for (uint32_t i = 0; i < k_completion_batches_max; ++i) {
    const size_t count = ring_.collect(batch);
    for (size_t j = 0; j < count; ++j) handled += complete(batch[j]) ? 1 : 0;
    if (count < batch.size()) break;
  }
  return handled;
}

// True if it was something that its owner waits for.
bool UringBackend::complete(const RingCompletion& completion) {
  if (completion.user_data == k_ignored) return false;
  if ((completion.user_data & k_file_tag) != 0) {
    FileOp& op = *reinterpret_cast<FileOp*>(completion.user_data & ~k_file_tag);
    op.done(op, completion.result);
    return true;
  }
  RingOp& op = *reinterpret_cast<RingOp*>(completion.user_data);
  op.state = RingOp::State::idle;
  if (op.owner == nullptr) {
    orphans_.remove(op);
    delete &op;
    return false;
  }
  op.complete(op.owner, completion.result);  // may destroy op
  return true;
}

uint32_t UringBackend::poll() {
  // Completions first: a socket that the ring reports is read in the same turn.
  const uint32_t handled = poll_completions();
  return handled + poll_hot();
}

void UringBackend::flush() {
  start_waiting();
  unsubmitted_files_count_ = 0;
  ring_.submit();
}

void UringBackend::sleep(uint64_t deadline_ns) {
  arm_all_hot();
  start_waiting();
  uint64_t timeout_ns = UINT64_MAX;
  if (deadline_ns != k_no_deadline) {
    const uint64_t now_ns = clock_.now_ns();
    timeout_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  }
  if (!waiting_.empty() || !waiting_files_.empty()) timeout_ns = std::min(timeout_ns, k_retry_ns);
  if (timeout_ns == 0) return ring_.submit();
  ring_.submit_and_wait(timeout_ns);
}

void UringBackend::wake() {
  const uint64_t one = 1;
  // Fails only if the counter is at its end, and then the reactor will wake anyway.
  static_cast<void>(!write(wake_descriptor_, &one, sizeof(one)));
}

}  // namespace ballast
