// A blocking loopback socket that speaks just enough NVMe/TCP to see that an engine is there, without any
// code of ours on the host's side.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <vector>

namespace ballast::engine {

// A listening socket on loopback that nobody accepts from: who connects hears nothing.
class RawListener {
 public:
  RawListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    const bool listening = ::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                           ::listen(socket_, 16) == 0 &&
                           ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    EXPECT_TRUE(listening);
    port_ = ntohs(address.sin_port);
  }
  ~RawListener() { ::close(socket_); }
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;
  uint16_t port() const { return port_; }

 private:
  const int socket_;
  uint16_t port_ = 0;
};

class RawHost {
 public:
  explicit RawHost(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};  // a hang fails the test instead of the run
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawHost() { ::close(socket_); }
  RawHost(const RawHost&) = delete;
  RawHost& operator=(const RawHost&) = delete;

  bool connected() const { return connected_; }
  void send(const std::vector<uint8_t>& bytes) {
    ASSERT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Up to `bytes_count` bytes; fewer when the peer closes before.
  std::vector<uint8_t> receive(size_t bytes_count) {
    std::vector<uint8_t> bytes(bytes_count);
    size_t received = 0;
    while (received < bytes_count) {
      const ssize_t got = ::recv(socket_, bytes.data() + received, bytes_count - received, 0);
      if (got <= 0) break;
      received += static_cast<size_t>(got);
    }
    bytes.resize(received);
    return bytes;
  }

  // NVMe/TCP Transport Specification 1.0, "Initialize Connection Request PDU": 128 bytes, all zero but the
  // common header: no digests, MAXR2T 1.
  static std::vector<uint8_t> ic_req() {
    std::vector<uint8_t> pdu(128);
    pdu[0] = 0x00;  // PDU-Type
    pdu[2] = 128;   // HLEN
    pdu[4] = 128;   // PLEN
    return pdu;
  }
  static constexpr uint8_t k_ic_resp = 0x01;

 private:
  int socket_;
  bool connected_ = false;
};

}  // namespace ballast::engine
