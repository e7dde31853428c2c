#include "reactor/simulated_backend.h"

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "reactor/socket_address.h"

namespace ballast::simulated {

class Backend::BackendSocket final : public Socket {
 public:
  BackendSocket(Backend& backend, ConnectionPointer connection, End& end, SocketObserver& observer,
                bool connecting)
      : backend_(backend),
        connection_(std::move(connection)),
        end_(end),
        observer_(observer),
        id_(backend.next_id_++),
        connecting_(connecting) {
    backend_.sockets_.emplace(id_, this);
  }
  ~BackendSocket() override {
    discards_unsent_ ? backend_.network_.reset(end_) : backend_.network_.close(end_);
    backend_.sockets_.erase(id_);
  }

  int64_t receive(std::span<const Segment> into) override {
    if (connecting_) return -EAGAIN;
    const int64_t result = backend_.network_.receive(end_, into);
    if (result == 0 || (result < 0 && result != -EAGAIN)) ended_ = true;
    return result;
  }
  int64_t send(std::span<const Segment> data) override {
    return connecting_ ? -EAGAIN : backend_.network_.send(end_, data);
  }
  void set_reading(bool on) override { reading_ = on; }
  void notify_writable() override { wants_writable_ = true; }
  void discard_unsent_on_close() override { discards_unsent_ = true; }
  void shutdown_send() override { backend_.network_.shutdown_send(end_); }
  SocketAddress local_address() const override { return end_.local; }
  SocketAddress peer_address() const override { return end_.peer; }

  // Each makes at most one observer call, which may destroy this; true if it did.
  bool poll_connected() {
    if (!connecting_ || !connection_->connect_ends_ns) return false;
    if (*connection_->connect_ends_ns > backend_.clock_.now_ns()) return false;
    connecting_ = false;
    if (connection_->connect_result != Errc::ok) ended_ = true;
    observer_.on_connected(connection_->connect_result);
    return true;
  }
  bool poll_readable() {
    if (connecting_ || ended_ || !reading_ || !backend_.network_.readable(end_)) return false;
    observer_.on_readable();
    return true;
  }
  bool poll_writable() {
    if (connecting_ || !wants_writable_ || !backend_.network_.writable(end_)) return false;
    wants_writable_ = false;
    observer_.on_writable();
    return true;
  }

 private:
  Backend& backend_;
  ConnectionPointer connection_;
  End& end_;
  SocketObserver& observer_;
  uint64_t id_;
  bool connecting_;
  bool ended_ = false;  // receive() gave the end or an error
  bool discards_unsent_ = false;
  bool reading_ = true;
  bool wants_writable_ = false;
};

class Backend::BackendListener final : public ListenSocket {
 public:
  BackendListener(Backend& backend, std::shared_ptr<Listener> listener, AcceptObserver& observer)
      : backend_(backend), listener_(std::move(listener)), observer_(observer), id_(backend.next_id_++) {
    backend_.listeners_.emplace(id_, this);
  }
  ~BackendListener() override {
    backend_.network_.stop_listening(*listener_);
    backend_.listeners_.erase(id_);
  }
  SocketAddress local_address() const override { return listener_->address; }

  bool accept_one() {
    if (listener_->backlog.empty()) return false;
    const ConnectionPointer connection = listener_->backlog.front();
    listener_->backlog.pop_front();
    const Descriptor descriptor = backend_.descriptors_.next++;
    backend_.descriptors_.accepted.emplace(descriptor, connection);
    observer_.on_accepted(descriptor, connection->server.peer);
    return true;
  }

 private:
  Backend& backend_;
  std::shared_ptr<Listener> listener_;
  AcceptObserver& observer_;
  uint64_t id_;
};

Backend::~Backend() {
  BALLAST_ASSERT(sockets_.empty());
  BALLAST_ASSERT(listeners_.empty());
}

Result<std::unique_ptr<ListenSocket>> Backend::listen(const SocketAddress& address,
                                                      AcceptObserver& observer) {
  TRY(std::shared_ptr<Listener> listener, network_.listen(address));
  return std::unique_ptr<ListenSocket>(new BackendListener(*this, std::move(listener), observer));
}

Result<std::unique_ptr<Socket>> Backend::adopt(Descriptor accepted, SocketObserver& observer) {
  const auto found = descriptors_.accepted.find(accepted);
  BALLAST_ASSERT(found != descriptors_.accepted.end());
  const ConnectionPointer connection = found->second;
  descriptors_.accepted.erase(found);
  return std::unique_ptr<Socket>(new BackendSocket(*this, connection, connection->server, observer, false));
}

Result<std::unique_ptr<Socket>> Backend::connect(const SocketAddress& address, SocketObserver& observer) {
  TRY(const KernelAddress checked, to_kernel_address(address));
  static_cast<void>(checked);
  const ConnectionPointer connection = network_.connect(address);
  return std::unique_ptr<Socket>(new BackendSocket(*this, connection, connection->client, observer, true));
}

void Backend::close_descriptor(Descriptor accepted) {
  const auto found = descriptors_.accepted.find(accepted);
  BALLAST_ASSERT(found != descriptors_.accepted.end());
  network_.close(found->second->server);
  descriptors_.accepted.erase(found);
}

// Observers make and destroy sockets meanwhile: those there at the start are looked up one by one.
template <typename Body>
uint32_t Backend::for_each_socket(Body body) {
  std::vector<uint64_t> ids;
  for (const auto& [id, socket] : sockets_) ids.push_back(id);
  uint32_t handled = 0;
  for (const uint64_t id : ids) {
    const auto found = sockets_.find(id);
    if (found != sockets_.end() && body(*found->second)) ++handled;
  }
  return handled;
}

uint32_t Backend::accept() {
  std::vector<uint64_t> ids;
  for (const auto& [id, listener] : listeners_) ids.push_back(id);
  uint32_t handled = 0;
  for (const uint64_t id : ids) {
    const auto found = listeners_.find(id);
    if (found != listeners_.end() && found->second->accept_one()) ++handled;
  }
  return handled;
}

uint32_t Backend::complete_files() {
  if (files_.held) return 0;
  uint32_t handled = 0;
  for (size_t left = file_ops_.size(); left > 0; --left) {
    FileOp& op = *file_ops_.front();
    file_ops_.pop_front();
    if (files_.is_held(op)) {
      file_ops_.push_back(&op);
      continue;
    }
    ++handled;
    if (files_.shuffled_by != nullptr && files_.shuffled_by->chance(1, 3)) {
      file_ops_.push_back(&op);
      continue;
    }
    op.done(op, files_.execute(op));
  }
  if (handled > 0) files_.end_batch();
  return handled;
}

uint32_t Backend::poll() {
  uint32_t handled = accept();
  handled += complete_files();
  handled += for_each_socket([](BackendSocket& socket) { return socket.poll_connected(); });
  handled += for_each_socket([](BackendSocket& socket) { return socket.poll_readable(); });
  handled += for_each_socket([](BackendSocket& socket) { return socket.poll_writable(); });
  return handled;
}

void Backend::sleep(uint64_t) { BALLAST_ASSERT(!"a simulated reactor is turned by its world"); }

}  // namespace ballast::simulated
