#include "proxy.h"

#include <cerrno>

#include "check.h"

namespace ballast::fuzz {

class Proxy::Pipe {
 public:
  Pipe(Proxy& proxy, Descriptor accepted) : host_(*this, proxy.to_target_), target_(*this, proxy.to_host_) {
    host_.other = &target_;
    target_.other = &host_;
    host_.socket = std::move(proxy.reactor_.io().adopt(accepted, host_).value());
    target_.socket = std::move(proxy.reactor_.io().connect(proxy.upstream_, target_).value());
  }

 private:
  // One side: what is received here is passed on to the other.
  struct End final : SocketObserver {
    End(Pipe& of_pipe, Mutator& on_the_way) : pipe(of_pipe), mutator(on_the_way) {}

    bool on_readable() override {
      Bytes piece(64 * 1024);
      const Segment into{piece.data(), piece.size()};
      const int64_t received = socket->receive({&into, 1});
      if (received == -EAGAIN) return false;
      if (received <= 0) {
        pipe.end();
        return true;
      }
      piece.resize(static_cast<size_t>(received));
      test::append(in, piece);
      while (take_pdu()) {
      }
      other->write_out();
      return true;
    }
    void on_writable() override { write_out(); }
    void on_connected(Errc errc) override {
      if (errc != Errc::ok) return pipe.end();
      write_out();
    }
    bool take_pdu() {
      if (in.size() < sizeof(test::tcp::CommonHeader)) return false;
      const auto plen = load<test::tcp::CommonHeader>(in).plen;
      FUZZ_CHECK(plen >= sizeof(test::tcp::CommonHeader) && plen <= 256 * 1024);  // both ends are ours
      if (in.size() < plen) return false;
      for (const Bytes& pdu : mutator.apply(Bytes(in.begin(), in.begin() + plen)))
        test::append(other->out, pdu);
      in.erase(in.begin(), in.begin() + plen);
      return true;
    }
    void write_out() {
      while (socket != nullptr && !out.empty()) {
        const Segment segment{out.data(), out.size()};
        const int64_t sent = socket->send({&segment, 1});
        if (sent == -EAGAIN) return socket->notify_writable();
        if (sent < 0) return pipe.end();
        out.erase(out.begin(), out.begin() + sent);
      }
    }

    Pipe& pipe;
    Mutator& mutator;
    End* other = nullptr;
    std::unique_ptr<Socket> socket;
    Bytes in, out;
  };

  void end() {
    host_.socket.reset();
    target_.socket.reset();
  }

  End host_;
  End target_;
};

Proxy::Proxy(SimulatedWorld& world, Reactor& reactor, const SocketAddress& address, SocketAddress upstream,
             Mutator& to_host, Mutator& to_target)
    : world_(world),
      reactor_(reactor),
      upstream_(std::move(upstream)),
      to_host_(to_host),
      to_target_(to_target) {
  world_.on(reactor_, [&] { listener_ = std::move(reactor_.io().listen(address, *this).value()); });
}

Proxy::~Proxy() {
  world_.on(reactor_, [&] {
    pipes_.clear();
    listener_.reset();
  });
}

void Proxy::on_accepted(Descriptor accepted, const SocketAddress&) {
  pipes_.push_back(std::make_unique<Pipe>(*this, accepted));
}

}  // namespace ballast::fuzz
