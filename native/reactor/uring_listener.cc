#include "reactor/uring_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "reactor/socket_address.h"

namespace ballast {
namespace {

constexpr int k_backlog = 1024;
// A storm of connections must not hold up those that are served: the rest comes in the next turn.
constexpr uint32_t k_accepts_per_turn_max = 32;
// How long accepting rests when the process has no descriptor left: the kernel would report the waiting
// connection again at once.
constexpr uint64_t k_back_off_ns = 100 * k_ns_per_ms;

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

Error error_of(int error, const SocketAddress& address) {
  if (error == EADDRINUSE) {
    return {Errc::address_in_use, "cannot listen on " + address.text() + ": another process does already"};
  }
  return {errc_from_errno(error), "cannot listen on " + address.text() + ": " + std::strerror(error)};
}

}  // namespace

Result<int> UringListener::open_descriptor(const SocketAddress& address, SocketAddress& bound) {
  TRY(KernelAddress kernel, to_kernel_address(address));
  const int descriptor =
      socket(kernel.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return error_of(errno, address);
  const int on = 1;
  static_cast<void>(setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  // "::" means IPv6 alone, so that "0.0.0.0" beside it is no conflict.
  if (kernel.storage.ss_family == AF_INET6) {
    static_cast<void>(setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
  }
  if (bind(descriptor, kernel.get(), kernel.size_bytes) != 0 || listen(descriptor, k_backlog) != 0 ||
      getsockname(descriptor, kernel.get(), &kernel.size_bytes) != 0) {
    const int error = errno;
    close(descriptor);
    return error_of(error, address);
  }
  bound = from_kernel_address(kernel);
  return descriptor;
}

UringListener::UringListener(UringBackend& backend, int descriptor, SocketAddress address,
                             AcceptObserver& observer)
    : backend_(backend),
      descriptor_(descriptor),
      address_(std::move(address)),
      observer_(observer),
      poll_(std::make_unique<RingOp>(
          this, [](void* owner, int32_t) { static_cast<UringListener*>(owner)->accept_some(); })),
      back_off_(std::make_unique<RingOp>(
          this, [](void* owner, int32_t) { static_cast<UringListener*>(owner)->watch(); })) {
  watch();
}

UringListener::~UringListener() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  backend_.abandon(std::move(poll_));
  backend_.abandon(std::move(back_off_));
  // A poll in flight would keep the port open for a moment.
  shutdown(descriptor_, SHUT_RDWR);
  close(descriptor_);
}

void UringListener::watch() { backend_.start_poll(*poll_, descriptor_, POLLIN); }

void UringListener::accept_some() {
  bool destroyed = false;
  for (uint32_t i = 0; i < k_accepts_per_turn_max; ++i) {
    KernelAddress peer;
    const int accepted = accept4(descriptor_, peer.get(), &peer.size_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (is_shortage(errno)) return back_off(errno);
      continue;  // this one connection failed before it was taken
    }
    is_short_of_files_ = false;
    destroyed_ = &destroyed;
    observer_.on_accepted(accepted, from_kernel_address(peer));
    if (destroyed) return;
    destroyed_ = nullptr;
  }
  watch();
}

void UringListener::back_off(int error) {
  if (!is_short_of_files_) {
    log(LogLevel::warning, "reactor", "%s accepts no connection for now: %s", address_.text().c_str(),
        std::strerror(error));
    is_short_of_files_ = true;
  }
  backend_.start_timeout(*back_off_, k_back_off_ns);
}

}  // namespace ballast
