// A small NVMe/TCP target for tests of the initiator: event driven on a reactor of the simulated world, right
// by default, and wrong where a test sets a field or intercepts a command. Memory namespaces; no digests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "nvme/fabrics.h"
#include "nvme/identify.h"
#include "nvme/log_pages.h"
#include "reactor/simulated_world.h"
#include "support/native/pdu_builder.h"

namespace ballast::test {

struct FakeNamespace {
  nvme::IdentifyNamespace identify;
  Uuid uuid;
  Bytes data;
};

class FakeTarget;

// One queue of the target.
class FakeConnection : public SocketObserver {
 public:
  FakeConnection(FakeTarget& target, Descriptor descriptor);
  bool on_readable() override;
  void on_writable() override { write_out(); }

  void respond(const nvme::Command& command, nvme::Status status = nvme::status::success, uint32_t dw0 = 0,
               uint32_t dw1 = 0);
  void respond_data(const nvme::Command& command, ByteSpan data);
  void send(const Bytes& bytes);
  void drop() { socket_.reset(); }
  bool open() const { return socket_ != nullptr; }

  uint16_t qid = 0;
  uint16_t queue_entries = 0;
  std::vector<nvme::Command> events;  // Async Event Requests that wait

 private:
  struct Transfer {
    nvme::Command command;
    Bytes data;
  };
  void on_pdu(ByteSpan pdu);
  void on_command(const nvme::Command& command, ByteSpan data);
  void write_out();

  FakeTarget& target_;
  std::unique_ptr<Socket> socket_;
  Bytes in_;
  Bytes out_;
  std::map<uint16_t, Transfer> transfers_;  // by CCCID
};

class FakeTarget : public AcceptObserver {
 public:
  FakeTarget(SimulatedWorld& world, Reactor& reactor, const SocketAddress& address);
  ~FakeTarget() override;
  void on_accepted(Descriptor accepted, const SocketAddress& peer) override;

  void listen();
  void stop_listening();    // new connections are refused
  void drop_connections();  // resets all there are
  void add_namespace(uint32_t nsid, uint8_t uuid_byte, uint32_t blocks_count = 2048);
  void send_event(uint32_t dw0);

  // How it behaves.
  nvme::IdentifyController controller;
  nvme::Capabilities capabilities;
  std::map<uint32_t, FakeNamespace> namespaces;
  uint32_t queues_granted = 128;
  uint32_t ready_after_reads = 0;  // of CSTS
  uint32_t csts_or = 0;            // bits always set in CSTS
  bool silent = false;             // takes connections and bytes, answers nothing
  uint32_t connect_response_or = 0;
  Bytes discovery_log;
  // True: the command has been dealt with, or is not to be.
  std::function<bool(FakeConnection&, const nvme::Command&, ByteSpan data)> intercept;

  // What it saw.
  uint32_t connections_count = 0;
  uint32_t keep_alives = 0;
  uint32_t writes = 0;
  uint32_t reads = 0;
  uint32_t log_reads = 0;
  uint32_t configuration = 0;           // CC
  std::vector<nvme::Command> commands;  // all but reads and writes
  std::vector<nvme::ConnectData> connects;

  FakeConnection* queue(uint16_t qid);

 private:
  friend class FakeConnection;
  void execute(FakeConnection& connection, const nvme::Command& command, ByteSpan data);
  void execute_fabrics(FakeConnection& connection, const nvme::Command& command, ByteSpan data);
  void execute_admin(FakeConnection& connection, const nvme::Command& command);
  void execute_identify(FakeConnection& connection, const nvme::Command& command);
  void execute_io(FakeConnection& connection, const nvme::Command& command, ByteSpan data);

  SimulatedWorld& world_;
  Reactor& reactor_;
  SocketAddress address_;
  std::unique_ptr<ListenSocket> listener_;
  std::vector<std::unique_ptr<FakeConnection>> connections_;
  uint32_t csts_reads_ = 0;
  uint64_t controllers_ = 0;
};

}  // namespace ballast::test
