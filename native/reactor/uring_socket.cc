#include "reactor/uring_socket.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.h"
#include "reactor/socket_address.h"

namespace ballast {
namespace {

// The kernel takes a Segment for an iovec (asserted in io_backend.h), and does not write to the array.
msghdr message_of(std::span<const Segment> segments) {
  msghdr message{};
  message.msg_iov = reinterpret_cast<iovec*>(const_cast<Segment*>(segments.data()));
  message.msg_iovlen = segments.size();
  return message;
}

int64_t result_of(ssize_t result) {
  if (result >= 0) return result;
  return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

}  // namespace

UringSocket::UringSocket(UringBackend& backend, int descriptor, SocketObserver& observer, Start start,
                         int error)
    : backend_(backend),
      descriptor_(descriptor),
      observer_(observer),
      poll_in_(std::make_unique<RingOp>(
          this, [](void* owner, int32_t) { static_cast<UringSocket*>(owner)->poll_in_done(); })),
      poll_out_(std::make_unique<RingOp>(
          this, [](void* owner, int32_t) { static_cast<UringSocket*>(owner)->poll_out_done(); })),
      connect_error_(error),
      connecting_(start == Start::connecting || start == Start::connect_failed),
      is_device_(start == Start::device) {
  const int on = 1;
  if (!is_device_) {
    static_cast<void>(setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
  }
  switch (start) {
    case Start::connected:
    case Start::device: backend_.heat(*this); break;
    case Start::connecting: watch_writable(); break;
    case Start::connect_failed: backend_.start_nop(*poll_out_); break;
  }
}

UringSocket::~UringSocket() {
  backend_.forget(*this);
  // A poll in flight holds the socket open in the kernel until its cancellation is worked off, at the latest
  // in the next turn.
  backend_.abandon(std::move(poll_in_));
  backend_.abandon(std::move(poll_out_));
  close(descriptor_);
}

int64_t UringSocket::receive(std::span<const Segment> into) {
  if (connecting_) return -EAGAIN;
  ssize_t received;
  if (is_device_) {
    received = readv(descriptor_, reinterpret_cast<const iovec*>(into.data()), static_cast<int>(into.size()));
    // A request of /dev/fuse that was withdrawn while it was being read: there may be another.
    if (received < 0 && errno == ENOENT) errno = EAGAIN;
  } else if (into.size() == 1) {
    received = recv(descriptor_, into[0].base, into[0].size_bytes, MSG_DONTWAIT);
  } else {
    msghdr message = message_of(into);
    received = recvmsg(descriptor_, &message, MSG_DONTWAIT);
  }
  const int64_t result = result_of(received);
  if (result == 0 || (result < 0 && result != -EAGAIN)) {
    ended_ = true;
    backend_.leave_hot(*this);
  }
  return result;
}

int64_t UringSocket::send(std::span<const Segment> data) {
  BALLAST_ASSERT(data.size() <= k_send_segments_max);
  if (connecting_) return -EAGAIN;
  if (is_device_) {
    return result_of(
        writev(descriptor_, reinterpret_cast<const iovec*>(data.data()), static_cast<int>(data.size())));
  }
  if (data.size() == 1) {
    return result_of(::send(descriptor_, data[0].base, data[0].size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  const msghdr message = message_of(data);
  return result_of(sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void UringSocket::set_reading(bool on) {
  if (reading_ == on) return;
  reading_ = on;
  // A poll that is in flight stays: its completion is ignored while reading is off.
  if (wants_reading()) {
    backend_.heat(*this);
  } else {
    backend_.leave_hot(*this);
  }
}

void UringSocket::notify_writable() {
  wants_writable_ = true;
  if (!connecting_) watch_writable();
}

void UringSocket::discard_unsent_on_close() {
  const linger now{1, 0};
  static_cast<void>(setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
}

void UringSocket::shutdown_send() { static_cast<void>(shutdown(descriptor_, SHUT_WR)); }

SocketAddress UringSocket::local_address() const {
  KernelAddress address;
  if (getsockname(descriptor_, address.get(), &address.size_bytes) != 0) return {};
  return from_kernel_address(address);
}

SocketAddress UringSocket::peer_address() const {
  KernelAddress address;
  if (getpeername(descriptor_, address.get(), &address.size_bytes) != 0) return {};
  return from_kernel_address(address);
}

void UringSocket::watch_writable() {
  if (poll_out_->state == RingOp::State::idle) backend_.start_poll(*poll_out_, descriptor_, POLLOUT);
}

// Readable, or the poll failed: receive() tells which.
void UringSocket::poll_in_done() {
  if (wants_reading()) backend_.heat(*this);
}

void UringSocket::poll_out_done() {
  if (connecting_) return connect_done();
  if (!wants_writable_) return;
  wants_writable_ = false;
  observer_.on_writable();  // may destroy this
}

void UringSocket::connect_done() {
  int error = connect_error_;
  socklen_t size_bytes = sizeof(error);
  if (error == 0 && getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size_bytes) != 0) error = errno;
  connecting_ = false;
  if (error != 0) {
    ended_ = true;
  } else {
    if (wants_reading()) backend_.heat(*this);
    if (wants_writable_) watch_writable();
  }
  observer_.on_connected(errc_from_errno(error));  // may destroy this
}

}  // namespace ballast
