// The host end of one NVMe/TCP connection: ICReq and ICResp, capsules, data in both directions, fatal errors,
// time-outs. Made by connect_host_qpair(); belongs to one reactor. What a target sends is judged here
// (host_pdus.cc) before it can touch a command, its memory or another command.
// NVMe/TCP Transport Specification 1.0, "Setup & Initialization", "Data Transfer Model", "Error Handling
// Model".
#pragma once

#include <memory>
#include <string>

#include "transport/tcp/host_receiver.h"
#include "transport/tcp/host_sender.h"
#include "transport/tcp/tcp.h"

namespace ballast::transport::tcp {

class TcpHostQpair final : public HostQpair, SocketObserver, HostPduHandler, Flushable {
 public:
  TcpHostQpair(Reactor& reactor, const HostQpairOptions& options, HostQpairObserver& observer);
  ~TcpHostQpair() override;
  void connect();

  Reactor& reactor() override { return reactor_; }
  bool submit(HostRequest& request) override;
  uint16_t in_flight() const override { return commands_.in_flight(); }
  void set_in_capsule_bytes(uint32_t bytes) override { in_capsule_bytes_ = bytes; }
  void close(CloseReason reason) override;
  Errc connect_error() const override { return connect_error_; }
  bool is_closing() const override { return !is_open(); }

 private:
  enum class State : uint8_t {
    connecting,    // TCP
    initializing,  // ICReq sent, waiting for ICResp
    ready,
    terminating,  // H2CTermReq sent; the target has a moment to close
    closing,      // on_closed() is due at the end of this turn
    closed,
  };

  // SocketObserver
  bool on_readable() override;
  void on_writable() override;
  void on_connected(Errc errc) override;
  // Flushable
  void flush() override;
  // HostPduHandler
  bool on_header(const PduLayout& layout, ByteSpan header, HostCommand*& destination,
                 uint32_t& destination_offset) override;
  bool on_data_end(const PduLayout& layout, HostCommand* destination, bool digest_ok) override;
  void on_fatal(Fatal fatal, ByteSpan header) override;
  void on_bad_term_req() override;

  // host_pdus.cc: one function per PDU of the target. False: the connection is being ended.
  bool on_ic_resp(ByteSpan header);
  bool on_c2h_term_req(ByteSpan header);
  bool on_capsule_resp(ByteSpan header);
  bool on_c2h_data(ByteSpan header, const PduLayout& layout, HostCommand*& destination,
                   uint32_t& destination_offset);
  bool on_r2t(ByteSpan header);
  bool refuse(Fatal fatal, ByteSpan header);

  bool is_open() const { return state_ <= State::ready; }
  void prepare(HostCommand& command, HostRequest& request);
  void send_ready();
  void answer(HostCommand& command, const nvme::Completion& completion);
  void finish_if_unsent_is_none(HostCommand& command);
  void finish(HostCommand& command);
  // Ends the connection: nothing of any request can be sent or written afterwards, so all of them are failed.
  void end(CloseReason reason, std::string text);
  void fail_requests();
  void report_close_later(CloseReason reason, std::string text);
  void on_timer();

  // From H2CTermReq to a reset when the target does not close.
  static constexpr uint64_t k_terminate_linger_ns = k_ns_per_s;
  // A turn serves other connections too.
  static constexpr uint32_t k_receives_per_turn_max = 8;
  static constexpr uint32_t k_sends_per_turn_max = 8;

  Reactor& reactor_;
  const HostQpairOptions options_;
  HostQpairObserver& observer_;
  State state_ = State::connecting;
  std::unique_ptr<Socket> socket_;
  HostCommandTable commands_;
  HostSender sender_;
  HostReceiver receiver_;
  uint32_t in_capsule_bytes_;
  bool waits_for_writable_ = false;
  Errc connect_error_ = Errc::ok;
  CloseReason close_reason_ = CloseReason::local_request;
  std::string close_text_;
  Timer timer_;  // connecting and initializing: their limit; terminating: the linger
};

}  // namespace ballast::transport::tcp
