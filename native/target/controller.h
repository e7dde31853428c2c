// One controller: an association of a host with a subsystem. Lives on the reactor of its admin queue, which
// it observes; its I/O queues may be on others and are known by reference. NVMe Base Specification 2.1,
// "Controller Properties", "Controller Initialization", "Shutdown", "Association".
//
// What must stay true: CSTS.RDY falls, and CSTS.SHST says complete, only after every I/O queue has told that
// its last device I/O is over; and the controller is destroyed only after that too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "nvme/fabrics.h"
#include "target/async_events.h"
#include "target/cache_flush.h"
#include "target/error_log.h"
#include "target/features.h"
#include "target/keep_alive.h"
#include "target/target_shard.h"

namespace ballast::target {

class Controller final : public transport::QpairObserver {
 public:
  // The request of the Connect that made it counts as outstanding.
  Controller(TargetShard& shard, SubsystemShard& subsystem, transport::TargetQpair& admin,
             const ConnectRequest& request, const ControllerRef& ref);
  ~Controller() override;

  uint16_t id() const { return ref_.controller_id; }
  const ControllerRef& ref() const { return ref_; }
  SubsystemShard& subsystem() { return subsystem_; }
  TargetShard& shard() { return shard_; }
  transport::TargetQpair& admin() { return admin_; }
  const std::string& host_nqn() const { return host_nqn_; }
  const HostId& host_id() const { return host_id_; }

  // --- the admin queue (controller.cc) ---
  void on_request(transport::Request& request) override;
  void on_fetched(transport::Request& request, nvme::Status status) override;
  void on_buffer(transport::Request& request) override;
  void on_released(transport::Request& request) override;
  void on_closed(transport::TargetQpair& qpair, transport::CloseReason reason) override;
  // Closes everything; when_gone() callbacks run at the end. Again is nothing.
  void terminate(transport::CloseReason reason);
  void when_gone(std::function<void()> gone) { when_gone_.push_back(std::move(gone)); }

  // --- for the admin commands, one file each ---
  using Fill = nvme::Status (*)(Controller&, const nvme::Command&, MutableByteSpan data);
  using Use = nvme::Status (*)(Controller&, const nvme::Command&, ByteSpan data);
  void reply(transport::Request& request, nvme::Status status, uint32_t dw0 = 0, uint32_t dw1 = 0);
  // Answers with `bytes` of data that `fill` makes, from zeroes, later or at once.
  void reply_with_data(transport::Request& request, uint64_t bytes, Fill fill);
  // Gets `bytes` of the host's data, then answers what `use` says.
  void take_data(transport::Request& request, uint32_t bytes, Use use);
  bool has_extended(uint8_t opcode) const { return extension_for(opcode) != nullptr; }
  Features& features() { return features_; }
  KeepAlive& keep_alive() { return keep_alive_; }
  AsyncEvents& events() { return events_; }
  ErrorLog& errors() { return errors_; }
  std::set<uint32_t>& changed_namespaces() { return changed_namespaces_; }
  uint32_t aborts_under_way = 0;

  // --- what happens elsewhere ---
  void namespace_changed(uint32_t nsid);
  void ana_changed() { events_.raise(Event::ana_change); }
  void discovery_changed() { events_.raise(Event::discovery_change); }

  // --- I/O queues (controller_queues.cc) ---
  void connect_io_queue(const ConnectRequest& request, const QueueRef& queue);
  void on_queue_gone(uint16_t qid, uint64_t token);
  bool has_io_queues() const { return queues_in_use_ > 0; }
  bool is_terminating() const { return terminating_; }
  // Null if there is no such queue.
  const QueueRef* find_queue(uint16_t qid) const;

 private:
  // A second Connect for a queue identifier that is taken: a host that reconnects may be ahead of the end of
  // its old queue, so it waits a little (row F6).
  struct WaitingConnect {
    WaitingConnect(Controller& waiting_at, const ConnectRequest& asked, const QueueRef& from);
    ~WaitingConnect();
    Controller& controller;
    ConnectRequest request;
    QueueRef queue;
    Timer timer;
  };
  struct QueueSlot {
    bool in_use = false;
    bool told_to_close = false;
    QueueRef queue;
    std::unique_ptr<WaitingConnect> waiting;
  };

  // controller_properties.cc
  void answer_fabrics(transport::Request& request);
  void get_property(transport::Request& request);
  void set_property(transport::Request& request);
  nvme::Status write_configuration(nvme::ControllerConfiguration next);
  void enable();
  void reset();
  void shut_down(uint8_t kind);
  void advance();
  void on_keep_alive_expired();
  void on_association_timeout();

  // controller_queues.cc
  ConnectRefusal check_io_connect(const ConnectRequest& request) const;
  void wait_for_queue(QueueSlot& slot, const ConnectRequest& request, const QueueRef& queue);
  void close_io_queues();

  // extension_command.cc
  SubsystemExtension* extension_for(uint8_t opcode) const;
  void start_extended(transport::Request& request);
  void execute_extended(transport::Request& request);
  void tell_extension_of_begin();

  // controller.cc
  void tell_if_lost(transport::CloseReason reason) const;
  void retire_if_over();

  TargetShard& shard_;
  SubsystemShard& subsystem_;
  transport::TargetQpair& admin_;
  const ControllerRef ref_;
  const std::string host_nqn_;
  const HostId host_id_;

  nvme::ControllerConfiguration cc_;
  nvme::ControllerStatus csts_;
  bool caches_flushed_ = false;  // for the shutdown under way
  bool draining_ = false;        // I/O queues are closing for a reset or shutdown: none may connect
  bool terminating_ = false;     // everything is closing for good
  bool admin_closed_ = false;
  bool retired_ = false;
  uint32_t outstanding_ = 1;       // admin requests not released yet
  std::vector<QueueSlot> queues_;  // by QID
  uint32_t queues_in_use_ = 0;
  CacheFlush cache_flush_;
  std::vector<std::function<void()>> when_gone_;

  Features features_;
  KeepAlive keep_alive_;
  Timer association_timer_;
  AsyncEvents events_;
  ErrorLog errors_;
  std::set<uint32_t> changed_namespaces_;
};

}  // namespace ballast::target
