#include "target/target_shard.h"

#include <functional>

#include "base/log.h"
#include "target/connecting_queue.h"
#include "target/controller.h"
#include "target/controller_queue.h"

namespace ballast::target {

TargetShard::TargetShard(Reactor& reactor, uint32_t index, TargetContext& context)
    : reactor_(reactor),
      index_(index),
      context_(context),
      controller_ids_(controller_ids_of_shard(context.options, index, shards_count())),
      latencies_(reactor),
      controller_id_next_(controller_ids_.first) {
  SubsystemConfig discovery;
  discovery.nqn = nvme::k_discovery_nqn;
  discovery.serial_number = "discovery";
  subsystems_.emplace(discovery.nqn,
                      std::make_unique<SubsystemShard>(reactor, discovery, SubsystemShard::Kind::discovery));
}

TargetShard::~TargetShard() {
  BALLAST_ASSERT(connecting_.empty());
  BALLAST_ASSERT(io_queues_.empty());
  BALLAST_ASSERT(controllers_.empty());
  BALLAST_ASSERT(retired_.empty());
}

transport::QpairObserver* TargetShard::on_connection(transport::TargetQpair& qpair) {
  if (closed_) return nullptr;
  if (!context_.limits.try_add(qpair.peer_address().host)) {
    log(LogLevel::warning, "target", "refused a connection from %s: too many connections",
        qpair.peer_address().text().c_str());
    return nullptr;
  }
  const uint64_t token = ++tokens_used_;
  auto queue = std::make_unique<ConnectingQueue>(*this, qpair, token);
  return connecting_.emplace(token, std::move(queue)).first->second.get();
}

void TargetShard::release_connection(transport::TargetQpair& qpair) {
  context_.limits.remove(qpair.peer_address().host);
  qpair.detach();
}

void TargetShard::retire_connecting(uint64_t token) {
  const auto found = connecting_.find(token);
  BALLAST_ASSERT(found != connecting_.end());
  retire(std::move(found->second));
  connecting_.erase(found);
}

ConnectingQueue* TargetShard::question_answered(uint64_t token) {
  BALLAST_ASSERT(questions_ > 0);
  --questions_;
  finish_closing_if_idle();
  const auto found = connecting_.find(token);
  return found == connecting_.end() ? nullptr : found->second.get();
}

IoQueue& TargetShard::add_io_queue(transport::TargetQpair& qpair, const ControllerRef& controller,
                                   SubsystemShard& subsystem, uint64_t token, uint16_t qid) {
  auto queue = std::make_unique<IoQueue>(*this, qpair, controller, subsystem, token, qid);
  const auto [added, is_new] = io_queues_.emplace(token, std::move(queue));
  BALLAST_ASSERT(is_new);
  return *added->second;
}

void TargetShard::retire_io_queue(uint64_t token) {
  const auto found = io_queues_.find(token);
  BALLAST_ASSERT(found != io_queues_.end());
  retire(std::move(found->second));
  io_queues_.erase(found);
}

IoQueue* TargetShard::find_io_queue(uint64_t token) {
  const auto found = io_queues_.find(token);
  return found == io_queues_.end() ? nullptr : found->second.get();
}

Controller& TargetShard::add_controller(transport::TargetQpair& qpair, SubsystemShard& subsystem,
                                        const ConnectRequest& request) {
  const uint64_t instance = 1 + context_.instances_used.fetch_add(1, std::memory_order_relaxed);
  const ControllerRef ref{index_, take_controller_id(), instance};
  auto controller = std::make_unique<Controller>(*this, subsystem, qpair, request, ref);
  context_.controllers_count.fetch_add(1, std::memory_order_relaxed);
  return *controllers_.emplace(ref.controller_id, std::move(controller)).first->second;
}

// In turn, so that a CNTLID is not used again soon after its controller is gone.
uint16_t TargetShard::take_controller_id() {
  BALLAST_ASSERT(controller_id_available());
  uint32_t id;
  do {
    id = controller_id_next_;
    controller_id_next_ = id == controller_ids_.last ? controller_ids_.first : id + 1;
  } while (controllers_.contains(static_cast<uint16_t>(id)));
  return static_cast<uint16_t>(id);
}

void TargetShard::retire_controller(Controller& controller) {
  const auto found = controllers_.find(controller.id());
  BALLAST_ASSERT(found != controllers_.end());
  context_.controllers_count.fetch_sub(1, std::memory_order_relaxed);
  retire(std::move(found->second));
  controllers_.erase(found);
}

Controller* TargetShard::find_controller(uint16_t controller_id) {
  const auto found = controllers_.find(controller_id);
  return found == controllers_.end() ? nullptr : found->second.get();
}

Controller* TargetShard::find_controller(const ControllerRef& ref) {
  Controller* const controller = find_controller(ref.controller_id);
  return controller != nullptr && controller->ref().instance == ref.instance ? controller : nullptr;
}

void TargetShard::connect_io_queue(const ConnectRequest& request, const QueueRef& queue) {
  Controller* const controller = find_controller(request.controller_id);
  if (controller != nullptr) return controller->connect_io_queue(request, queue);
  answer_connect(queue, {invalid_data_field(offsetof(nvme::ConnectData, controller_id)), {}}, request.qid);
}

void TargetShard::answer_connect(const QueueRef& queue, const ConnectAnswer& answer, uint16_t qid) {
  send(queue.shard, [answer, queue, qid](TargetShard& shard) {
    ConnectingQueue* const connecting = shard.question_answered(queue.token);
    if (connecting != nullptr) return connecting->on_connect_answer(answer);
    if (answer.refusal.status.ok()) shard.tell_queue_gone(answer.controller, qid, queue.token);
  });
}

void TargetShard::tell_io_errors(const ControllerRef& controller, const QueueRef& queue,
                                 const ErrorReport& report) {
  send(controller.shard, [controller, queue, report](TargetShard& owner) {
    Controller* const found = owner.find_controller(controller);
    BALLAST_ASSERT(found != nullptr);  // as tell_queue_gone(), which comes later
    found->errors().add(report);
    owner.send(queue.shard, [token = queue.token](TargetShard& shard) {
      if (IoQueue* const told = shard.find_io_queue(token)) told->errors_were_logged();
    });
  });
}

void TargetShard::tell_queue_gone(const ControllerRef& controller, uint16_t qid, uint64_t token) {
  send(controller.shard, [controller, qid, token](TargetShard& owner) {
    Controller* const found = owner.find_controller(controller);
    BALLAST_ASSERT(found != nullptr);  // it waits for every queue it granted
    found->on_queue_gone(qid, token);
  });
}

uint32_t TargetShard::home_of(const std::string& subsystem_nqn) const {
  return static_cast<uint32_t>(std::hash<std::string>{}(subsystem_nqn) % shards_count());
}

void TargetShard::release_claim(const std::string& subsystem_nqn, const HostId& host_id) {
  send(home_of(subsystem_nqn),
       [subsystem_nqn, host_id](TargetShard& home) { home.claims().release(subsystem_nqn, host_id); });
}

void TargetShard::retire(std::unique_ptr<transport::QpairObserver> observer) {
  retired_.push_back(std::move(observer));
  reactor_.queue_flush(*this);
}

void TargetShard::flush() {
  retired_.clear();
  finish_closing_if_idle();
}

void TargetShard::close_connections(Countdown& parts) {
  BALLAST_ASSERT(!closed_);
  closed_ = true;
  closing_ = &parts;
  std::vector<uint64_t> tokens;
  for (const auto& [token, queue] : connecting_) tokens.push_back(token);
  for (const uint64_t token : tokens) {
    const auto found = connecting_.find(token);
    if (found != connecting_.end()) found->second->close();
  }
  terminate_controllers([](Controller&) { return true; }, Countdown::start(1, {}));
  finish_closing_if_idle();
}

// A controller goes after its queues, wherever they are, so once all shards are idle nothing is left.
void TargetShard::finish_closing_if_idle() {
  if (closing_ == nullptr || questions_ > 0) return;
  if (!connecting_.empty() || !io_queues_.empty() || !controllers_.empty() || !retired_.empty()) return;
  Countdown* const parts = closing_;
  closing_ = nullptr;
  parts->finish();
}

}  // namespace ballast::target
