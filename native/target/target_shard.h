// One reactor's part of the target: its copy of the configuration, the connections that live on it, and the
// controllers whose admin queue does. Everything here runs on its reactor; shards reach each other by
// messages only, and an object of another shard is named by a reference that may be stale, never by pointer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "target/connect_request.h"
#include "target/countdown.h"
#include "target/error_log.h"
#include "target/host_claims.h"
#include "target/latency_recorder.h"
#include "target/subsystem_shard.h"
#include "target/target_context.h"

namespace ballast::target {

class ConnectingQueue;
class Controller;
class IoQueue;

// A controller, from any shard. `instance` tells it from every other one of this target, and from a later one
// of the same CNTLID; never 0.
struct ControllerRef {
  uint32_t shard = 0;
  uint16_t controller_id = 0;
  uint64_t instance = 0;
};
// A queue pair that is connecting or is an I/O queue, from any shard. Tokens are never used twice.
struct QueueRef {
  uint32_t shard = 0;
  uint64_t token = 0;
};
// What the owner of a controller says to a Connect of an I/O queue.
struct ConnectAnswer {
  ConnectRefusal refusal;  // status success: granted, and the queue counts as the controller's
  ControllerRef controller;
};

class TargetShard final : public transport::ConnectionObserver, private Flushable {
 public:
  // Built on any thread, before anything runs on it. The context outlives it.
  TargetShard(Reactor& reactor, uint32_t index, TargetContext& context);
  ~TargetShard() override;  // after drop_everything()

  Reactor& reactor() { return reactor_; }
  uint32_t index() const { return index_; }
  TargetContext& context() { return context_; }
  uint32_t shards_count() const { return static_cast<uint32_t>(context_.shards.size()); }
  // Runs task(TargetShard&) on a shard, this one included; always later, never from inside.
  template <typename Task>
  void send(uint32_t shard, Task task) {
    TargetShard* const receiver = context_.shards.at(shard);
    send_task(receiver->reactor_, [receiver, task = std::move(task)]() mutable { task(*receiver); });
  }

  // --- connections (target_shard.cc) ---
  transport::QpairObserver* on_connection(transport::TargetQpair& qpair) override;
  // The last thing that happens to a queue pair: nothing of it is outstanding.
  void release_connection(transport::TargetQpair& qpair);
  void retire_connecting(uint64_t token);
  IoQueue& add_io_queue(transport::TargetQpair& qpair, const ControllerRef& controller,
                        SubsystemShard& subsystem, uint64_t token, uint16_t qid);
  void retire_io_queue(uint64_t token);
  IoQueue* find_io_queue(uint64_t token);
  // A question to another shard whose answer is for a connecting queue: closing waits for the answer.
  void question_sent() { ++questions_; }
  ConnectingQueue* question_answered(uint64_t token);  // null: the connection has gone meanwhile

  // --- controllers ---
  bool controller_id_available() const { return controllers_.size() < controller_ids_.count(); }
  Controller& add_controller(transport::TargetQpair& qpair, SubsystemShard& subsystem,
                             const ConnectRequest& request);
  void retire_controller(Controller& controller);
  Controller* find_controller(uint16_t controller_id);
  Controller* find_controller(const ControllerRef& ref);  // null too when the instance differs
  // The I/O queue `queue` of another shard (or this one) asks to become a queue of a controller here.
  void connect_io_queue(const ConnectRequest& request, const QueueRef& queue);
  void answer_connect(const QueueRef& queue, const ConnectAnswer& answer, uint16_t qid);
  LatencyRecorder& latencies() { return latencies_; }
  HostClaims& claims() { return claims_; }  // of the subsystems whose home is this shard
  uint32_t home_of(const std::string& subsystem_nqn) const;
  void release_claim(const std::string& subsystem_nqn, const HostId& host_id);
  // Tells the owner of errors for its log; it tells the queue when they are in.
  void tell_io_errors(const ControllerRef& controller, const QueueRef& queue, const ErrorReport& report);
  // Tells the owner that a queue it granted is no more.
  void tell_queue_gone(const ControllerRef& controller, uint16_t qid, uint64_t token);

  // --- configuration (shard_configuration.cc); `parts` is finished when it has taken effect here ---
  SubsystemShard* find_subsystem(const std::string& nqn);
  const std::map<std::string, std::unique_ptr<SubsystemShard>>& subsystems() const { return subsystems_; }
  const std::vector<ListenerConfig>& listeners() const { return listeners_; }
  uint64_t discovery_generation() const { return discovery_generation_; }
  void add_subsystem(const SubsystemConfig& config);
  void close_subsystem(const std::string& nqn, Countdown& parts);  // no controller of it is left here
  void drop_subsystem(const std::string& nqn, Countdown& parts);   // after all shards have closed it
  void add_namespace(const std::string& nqn, const NamespaceConfig& config, IoCounters* counters);
  void announce_namespace(const std::string& nqn, uint32_t nsid, const IoCounters* counters_of_all);
  void remove_namespace(const std::string& nqn, uint32_t nsid, Countdown& parts);
  void update_namespace(const std::string& nqn, uint32_t nsid, bool read_only);
  // For I/O at once. The count of changes goes with it.
  void set_ana_state(const std::string& nqn, uint32_t nsid, nvme::AnaState state);
  // Tells the hosts connected here, if there is news; `parts` is finished when no I/O is left that the state
  // forbids.
  void finish_ana_change(const std::string& nqn, uint32_t nsid, bool is_news, Countdown& parts);
  // Tells the hosts connected here.
  void notify_namespace_changed(const std::string& nqn, uint32_t nsid);
  void set_hosts(const std::string& nqn, bool allow_any_host, const std::vector<std::string>& hosts,
                 Countdown& parts);
  void drop_controllers(const std::string& nqn, const std::string& host_nqn, Countdown& parts);
  std::vector<ConnectedHost> hosts_of(const std::string& nqn);  // once for each controller here
  void set_listeners(const std::vector<ListenerConfig>& listeners);
  void close_connections(Countdown& parts);  // no connection or controller is left here
  void drop_everything(Countdown& parts);    // after all shards have closed their connections

 private:
  void flush() override;  // destroys what was retired
  void retire(std::unique_ptr<transport::QpairObserver> observer);
  void notify_discovery_changed();
  void terminate_controllers(const std::function<bool(Controller&)>& chosen, Countdown& parts);
  uint16_t take_controller_id();
  void finish_closing_if_idle();

  Reactor& reactor_;
  const uint32_t index_;
  TargetContext& context_;
  const ControllerIdRange controller_ids_;

  std::map<std::string, std::unique_ptr<SubsystemShard>> subsystems_;  // the discovery subsystem too
  std::vector<ListenerConfig> listeners_;
  uint64_t discovery_generation_ = 0;
  HostClaims claims_;
  LatencyRecorder latencies_;

  std::unordered_map<uint64_t, std::unique_ptr<ConnectingQueue>> connecting_;  // by token
  std::unordered_map<uint64_t, std::unique_ptr<IoQueue>> io_queues_;           // by token
  std::map<uint16_t, std::unique_ptr<Controller>> controllers_;                // by CNTLID
  // Taken out of the tables, destroyed at the end of the turn: their members may still be on the stack.
  std::vector<std::unique_ptr<transport::QpairObserver>> retired_;
  uint64_t tokens_used_ = 0;
  uint32_t controller_id_next_;
  uint32_t questions_ = 0;
  Countdown* closing_ = nullptr;  // close_connections() was called
  bool closed_ = false;           // and no connection is taken any more
};

}  // namespace ballast::target
