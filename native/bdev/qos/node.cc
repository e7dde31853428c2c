#include "bdev/qos/node.h"

#include <string>
#include <utility>

namespace ballast::bdev::qos {

std::shared_ptr<Node> Node::create(Reactor& home) { return std::shared_ptr<Node>(new Node(home)); }

Node::Node(Reactor& home)
    : home_(home),
      scheduler_(home, budget_),
      fence_(home, budget_),
      room_message_([](Message& message) {
        const std::shared_ptr<Node> node = std::move(static_cast<NodeMessage&>(message).node);
        node->scheduler_.on_room();
      }),
      look_message_([](Message& message) {
        const std::shared_ptr<Node> node = std::move(static_cast<NodeMessage&>(message).node);
        node->fence_.look();
        node->scheduler_.reconsider_depth();
      }) {}

Outcome Node::set_budget(const NodeBudget& budget, Done done) {
  TRY([[maybe_unused]] const Unit checked, check_budget(budget));
  budget_iops_.store(budget.iops, std::memory_order_relaxed);
  send_task(home_, [self = shared_from_this(), budget, done = std::move(done)] {
    self->budget_.configure(self->home_.now_ns(), budget);
    self->scheduler_.reconsider_all();
    if (done) done();
  });
  return Unit{};
}

NodeStats Node::stats() const {
  return {.in_flight_units = budget_.in_flight_units(),
          .depth_units = budget_.depth(),
          .waiting_volumes = scheduler_.waiting_volumes(),
          .guaranteed_iops = promised_iops_.load(std::memory_order_relaxed),
          .rate_waits = scheduler_.rate_waits(),
          .depth_waits = scheduler_.depth_waits()};
}

Outcome Node::check_promise(uint64_t min_iops_before, uint64_t min_iops) const {
  const uint64_t others = promised_iops_.load(std::memory_order_relaxed) - min_iops_before;
  const uint64_t budget = budget_iops_.load(std::memory_order_relaxed);
  if (budget != 0 && min_iops > min_iops_before && (others > budget || min_iops > budget - others)) {
    return Error{Errc::too_many, "guaranteed IOPS would be " + std::to_string(others + min_iops) +
                                     " on this node, its budget is " + std::to_string(budget) + ": " +
                                     std::to_string(others) + " are promised to others"};
  }
  return Unit{};
}

Outcome Node::promise(uint64_t min_iops_before, uint64_t min_iops) {
  TRY([[maybe_unused]] const Unit fits, check_promise(min_iops_before, min_iops));
  const uint64_t before = promised_iops_.load(std::memory_order_relaxed);
  promised_iops_.store(before - min_iops_before + min_iops, std::memory_order_relaxed);
  return Unit{};
}

void Node::add_volume() {
  const uint32_t count = volumes_count_.fetch_add(1, std::memory_order_relaxed) + 1;
  send_task(home_, [self = shared_from_this(), count] { self->scheduler_.reserve(count); });
}

void Node::tell_home() {
  room_message_.node = shared_from_this();
  home_.send(room_message_);
}

void Node::look() {
  look_message_.node = shared_from_this();
  home_.send(look_message_);
}

}  // namespace ballast::bdev::qos
