// Connections between heads and replicas, and what becomes of what is sent on them.
#include "sim/simulation.h"

namespace ballast::sim {

// ---- messages ----

void Simulator::deliver(const std::shared_ptr<Connection>& connection, bool to_member, Lane lane,
                        std::function<void()> what) {
  const uint64_t most_ns = world_.chance(20) ? 3 * k_ms : 100'000;
  world_.after(world_.delay(lane_of(connection->member, lane), 10'000, most_ns),
               [this, connection, to_member, what = std::move(what)]() mutable {
                 attempt_delivery(connection, to_member, std::move(what));
               });
}

void Simulator::attempt_delivery(const std::shared_ptr<Connection>& connection, bool to_member,
                                 std::function<void()> what) {
  const uint32_t from = to_member ? connection->head_node : connection->member;
  const uint32_t to = to_member ? connection->member : connection->head_node;
  Node& node = nodes_[to];
  const auto again = [&](uint64_t ns) {
    world_.after(ns, [this, connection, to_member, what = std::move(what)]() mutable {
      attempt_delivery(connection, to_member, std::move(what));
    });
  };
  // What is under way on a connection that was given up is lost, or comes when nobody expects it.
  if (!connection->open && !(to_member && has(fault_late))) return;
  if (!connection->open) met(fault_late);
  if (!connection->open && world_.chance(2)) return again(world_.between(k_ms, 2 * k_s));
  if (from != to && is_cut(from, to)) return again(world_.between(10 * k_ms, 60 * k_ms));
  if (node.up && node.paused_until_ns > world_.now_ns()) return again(node.paused_until_ns - world_.now_ns());
  const bool is_there =
      node.up && (to_member ? node.replica->is_up() && node.replica->life() == connection->member_life
                            : node.life == connection->head_life);
  if (!is_there) {
    if (to_member && connection->open) {
      deliver(connection, false, Lane::commands, [this, connection] { break_connection(connection); });
    }
    return;
  }
  if (to_member && !associate(connection)) return;
  what();
}

// False: the member does not hear this connection any more.
bool Simulator::associate(const std::shared_ptr<Connection>& connection) {
  if (connection->ended) return false;
  if (connection->association) return true;
  connection->association = nodes_[connection->member].replica->associate([this, connection] {
    world_.say("replica " + std::to_string(connection->member) + " drops connection " +
               std::to_string(connection->number));
    end_at_member(connection, world_.between(10'000, k_ms));
    deliver(connection, false, Lane::commands, [this, connection] { break_connection(connection); });
  });
  if (!connection->association)
    deliver(connection, false, Lane::commands, [this, connection] { break_connection(connection); });
  return connection->association.has_value();
}

// A member hears late that a head has given a connection up; until then it takes what comes by it.
void Simulator::end_at_member(const std::shared_ptr<Connection>& connection, uint64_t after_ns) {
  world_.after(after_ns, [this, connection] {
    const bool cut =
        connection->head_node != connection->member && is_cut(connection->head_node, connection->member);
    const Node& node = nodes_[connection->member];
    if (cut || node.paused_until_ns > world_.now_ns()) return end_at_member(connection, 50 * k_ms);
    if (std::exchange(connection->ended, true) || !connection->association) return;
    if (!node.replica->is_up() || node.replica->life() != connection->member_life) return;
    node.replica->close(*connection->association);
  });
}

void Simulator::break_connection(const std::shared_ptr<Connection>& connection) {
  if (!connection->open) return;
  const std::shared_ptr<HeadProcess> process = nodes_[connection->head_node].head;
  if (process == nullptr || process->connections[connection->place] != connection) return;
  world_.say("connection " + std::to_string(connection->number) + " breaks");
  with_head(process, [&](Head& head, uint64_t now_ns) {
    head.on_member_failed(now_ns, connection->place, connection->session);
  });
}

}  // namespace ballast::sim
