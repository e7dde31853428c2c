// Heads as processes: what they ask for is carried out, and what comes of it is told to them.
#include "sim/simulation.h"

namespace ballast::sim {

// ---- heads ----

HeadOptions Simulator::head_options(uint32_t number) {
  HeadOptions options;
  options.node = name_of(k_head_names + number);
  options.near_member = world_.chance(2) ? record_.place_of(name_of(number)) : k_members_max;
  options.ops_max = 16;
  options.fail_below_min = world_.chance(4);
  options.latency_budget_ns = world_.between(1, 10) * k_s;
  options.lease_ns = lease_ns_;
  // Not drawn by itself: seeds of before stay what they were.
  if (lease_ns_ / k_ms % 2 == 0) options.quiet_ns = lease_ns_;
  options.seal_timeout_ns = world_.between(20, 2000) * k_ms;
  options.intent_idle_ns = world_.between(100 * k_ms, 3 * k_s);
  options.intent_regions_max = 1 + world_.prng().below(4);
  options.copy_bytes = 128 * 1024;
  options.copies_max = static_cast<uint32_t>(1 + world_.prng().below(4));
  options.probe_one_in = static_cast<uint32_t>(1 + world_.prng().below(4));
  options.settle_bytes = uint64_t{1} << world_.between(12, 22);
  options.verify_bytes = verify_bytes_;
  if (snapshot_hold_ns_ != 0) options.snapshot_hold_ns = snapshot_hold_ns_;
  return options;
}

void Simulator::start_head(uint32_t number) {
  Node& node = nodes_[number];
  const auto process = std::make_shared<HeadProcess>();
  process->node = number;
  process->life = node.life;
  process->head = std::make_unique<Head>(head_options(number), record_, process->actions);
  node.head = process;
  ++report_.takeovers;
  world_.say("node " + std::to_string(number) + " wants to be head after epoch " +
             std::to_string(record_.epoch));
  with_head(process, [](Head& head, uint64_t now_ns) { head.start(now_ns); });
  tick(process);
}

void Simulator::tick(std::shared_ptr<HeadProcess> process) {
  if (process->gone) return;
  Node& node = nodes_[process->node];
  if (node.paused_until_ns > world_.now_ns()) {
    world_.after(node.paused_until_ns - world_.now_ns(), [this, process] { tick(process); });
    return;
  }
  with_head(process, [](Head& head, uint64_t now_ns) { head.on_tick(now_ns); });
  if (process->gone) return;
  if (has(fault_clock_rate)) met(fault_clock_rate);
  const uint64_t next_ns = process->head->next_tick_ns(), now_ns = clock_of(process->node);
  if (next_ns == UINT64_MAX) return;
  const uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
  world_.after(std::max<uint64_t>(wait_ns, 100'000), [this, process] { tick(process); });
}

// Adds the node's replica to the volume, or takes it out; by whatever head there is.
void Simulator::change_members(uint32_t number) {
  const std::shared_ptr<HeadProcess> process = some_head();
  if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return;
  const Uuid replica = name_of(number);
  const bool is_member = process->head->record().place_of(replica) != k_members_max;
  world_.say("node " + std::to_string(number) + (is_member ? " is to leave" : " is to be a member"));
  with_head(process, [&](Head& head, uint64_t now_ns) {
    const auto refusal =
        is_member ? head.remove_member(now_ns, replica) : head.add_member(now_ns, replica, world_.chance(2));
    world_.note(static_cast<uint64_t>(refusal));
  });
}

// As its driver does: what it carries is not wanted any more.
void Simulator::stop_head(const std::shared_ptr<HeadProcess>& process) {
  if (process->is_carrying()) process->carrier->cancel();
  with_head(process, [](Head& head, uint64_t now_ns) { head.stop(now_ns); });
}

void Simulator::end_process(HeadProcess& process) {
  process.gone = true;
  for (const std::shared_ptr<Connection>& connection : process.connections) {
    if (connection != nullptr) end_asking(*connection);
  }
}

// What a controller would do: whenever nobody is head, somebody becomes it.
void Simulator::keep_a_head() {
  world_.after(world_.between(50 * k_ms, 800 * k_ms), [this] { keep_a_head(); });
  tend_heads();
  if (some_head() != nullptr || stopping_) return;
  const auto number = static_cast<uint32_t>(world_.prng().below(nodes_.size()));
  if (nodes_[number].up) start_head(number);
}

// Heads are told of the record, and of those that are none any more nothing stays.
void Simulator::tend_heads() {
  for (Node& node : nodes_) {
    const std::shared_ptr<HeadProcess> process = node.head;
    if (process == nullptr || store_out_ || store_cut_.contains(process->node)) continue;
    if (node.paused_until_ns > world_.now_ns()) continue;
    with_head(process, [&](Head& head, uint64_t now_ns) { head.on_record(now_ns, record_); });
  }
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].head != nullptr && nodes_[i].head->head->state() == HeadState::fenced) {
      end_process(*nodes_[i].head);
      nodes_[i].head.reset();
    }
  }
}

void Simulator::carry_out(const std::shared_ptr<HeadProcess>& process) {
  while (!process->actions.empty()) {
    Actions actions;
    actions.swap(process->actions);
    for (const Action& action : actions) {
      if (!process->gone) carry_out(process, action);
    }
  }
}

void Simulator::carry_out(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  world_.note(static_cast<uint64_t>(action.kind) << 32 | action.member << 16 | action.op);
  if (world_.traces()) say_action(*process, action);
  if (ambushes_ && !healing_) ambush(*process, action);
  switch (action.kind) {
    case Action::Kind::connect: return connect(process, action);
    case Action::Kind::disconnect: return close(process, action.member);
    case Action::Kind::command: return command(process, action);
    case Action::Kind::submit:
    case Action::Kind::read_checksums: return submit(process, action);
    case Action::Kind::complete: return complete(process, action);
    case Action::Kind::compare_and_set: return ask_store(process, action);
    case Action::Kind::stopped:
      ended_in_order_ = process->head->state() == HeadState::stopped && record_.in_sync == record_.all();
      end_process(*process);
      nodes_[process->node].head.reset();
  }
}

void Simulator::say_action(const HeadProcess& process, const Action& action) {
  static constexpr std::array<const char*, 8> k_kinds = {"connects to",    "gives up",   "tells",
                                                         "submits to",     "compares",   "completes",
                                                         "asks the store", "has stopped"};
  static constexpr std::array<const char*, 17> k_commands = {
      "read-intent", "mark-intent", "clear-intent",    "begin-absent",    "end-absent",   "read-absent",
      "set-syncing", "dismiss",     "begin-copying",   "set-partial",     "clear-absent", "forget-copied",
      "grow",        "snapshot",    "delete-snapshot", "read-allocation", "ping"};
  std::string text = "head " + std::to_string(process.node) + " " +
                     k_kinds[static_cast<size_t>(action.kind)] + " " + std::to_string(action.member);
  if (action.kind == Action::Kind::command) {
    if (action.command == CommandKind::ping) return;
    text += std::string(" ") + k_commands[static_cast<size_t>(action.command)] + " " +
            std::to_string(action.about);
    text += action.flag ? " on" : " off";
  }
  if (action.kind == Action::Kind::read_checksums) {
    text += " op " + std::to_string(action.op) + " of " + std::to_string(action.lba) + " + " +
            std::to_string(action.blocks_count);
  }
  if (action.kind == Action::Kind::submit) {
    text += " op " + std::to_string(action.op) +
            (action.io_type == IoType::read    ? " read"
             : action.io_type == IoType::unmap ? " unmap"
                                               : " write") +
            " of " + std::to_string(action.lba) + " + " + std::to_string(action.blocks_count);
  }
  if (action.kind == Action::Kind::complete) {
    text += " op " + std::to_string(action.op) + ", status " +
            std::to_string(static_cast<uint32_t>(action.status));
  }
  if (action.kind == Action::Kind::compare_and_set) {
    text += " for epoch " + std::to_string(process.head->wanted_record().epoch) + ", in sync " +
            std::to_string(process.head->wanted_record().in_sync.bits());
  }
  world_.say(text);
}

void Simulator::connect(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const auto connection = std::make_shared<Connection>();
  connection->number = next_connection_++;
  connection->head_node = process->node;
  connection->head_life = process->life;
  connection->place = action.member;
  connection->member = node_of(process->head->replica_at(action.member));
  connection->member_life = nodes_[connection->member].replica->life();
  connection->session = action.session;
  connection->commands =
      std::make_unique<MemberCommands>(name_of(k_volume_name), name_of(k_head_names + process->node));
  process->connections[action.member] = connection;
  connections_.push_back(connection);
  if (connections_.size() > 16) connections_.erase(connections_.begin());
  connection->commands->start(*process->head, action);
  send_request(process, connection);
}

void Simulator::close(const std::shared_ptr<HeadProcess>& process, uint32_t member) {
  const std::shared_ptr<Connection> connection = std::exchange(process->connections[member], nullptr);
  if (connection == nullptr) return;
  end_at_member(connection, has(fault_late) && world_.chance(2) ? world_.between(k_ms, 3 * k_s)
                                                                : world_.between(10'000, 100'000));
  connection->open = false;
  end_asking(*connection);
  const auto waiting = std::exchange(connection->waiting, {});
  for (const auto& [key, unused] : waiting) release(process, key.first);
}

void Simulator::command(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const std::shared_ptr<Connection> connection = process->connections[action.member];
  if (connection == nullptr) return fail("a command without a connection");
  connection->commands->start(*process->head, action);
  send_request(process, connection);
}

void Simulator::send_request(const std::shared_ptr<HeadProcess>& process,
                             const std::shared_ptr<Connection>& connection) {
  const MemberCommands::Request& request = connection->commands->request();
  std::vector<uint8_t> data(request.data.begin(), request.data.end());
  deliver(connection, true, Lane::commands,
          [this, process, connection, words = request.words, data = std::move(data)] {
            nodes_[connection->member].replica->command(
                *connection->association, words, data,
                [this, process, connection](Status status, Refusal refusal, std::vector<uint8_t> said) {
                  deliver(
                      connection, false, Lane::commands,
                      [this, process, connection, status, refusal, said = std::move(said)] {
                        with_head(process, [&](Head& head, uint64_t now_ns) {
                          const MemberAnswer answer{status, refusal, said};
                          if (connection->commands->on_answer(head, now_ns, answer))
                            return send_request(process, connection);
                          const auto fault = connection->commands->fault();
                          if (fault == bdev::mirror::MemberFault::none) return;
                          fail(std::string("a member is refused: ") + bdev::mirror::member_fault_text(fault));
                        });
                      });
                });
          });
}

void Simulator::submit(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const std::shared_ptr<Connection> connection = process->connections[action.member];
  if (connection == nullptr) return fail("an I/O without a connection");
  Work& work = process->works[action.op];
  if (!work.used) work = {.used = true, .lba = action.lba, .buffer = {}, .host = nullptr};
  work.attempt = action.attempt;
  ++work.out;
  ++report_.ios;
  connection->waiting[{action.op, action.attempt}] = true;
  const auto ended = [this, process, connection, action](Status status) {
    deliver(connection, false, Lane::io, [this, process, connection, action, status] {
      if (connection->waiting.erase({action.op, action.attempt}) == 0) return;
      with_head(process, [&](Head& head, uint64_t now_ns) {
        head.on_io_done(now_ns, action.member, action.session, action.op, action.attempt, status);
      });
      release(process, action.op);
    });
  };
  if (action.kind == Action::Kind::read_checksums) {
    read_checksums(process, connection, action);
  } else if (action.io_type == IoType::read) {
    deliver(connection, true, Lane::io, [this, process, connection, action, ended] {
      nodes_[connection->member].replica->read(
          *connection->association, action.lba, action.blocks_count,
          [process, action, ended](Status status, std::vector<uint64_t> values) {
            Work& reading = process->works[action.op];
            if (status == Status::ok && reading.attempt == action.attempt) reading.buffer = std::move(values);
            ended(status);
          });
    });
  } else {
    std::vector<uint64_t> values = work.buffer;
    if (action.io_type == IoType::unmap) values.assign(action.blocks_count, 0);
    deliver(connection, true, Lane::io, [this, connection, action, ended, values = std::move(values)] {
      nodes_[connection->member].replica->write(*connection->association, action.lba, values, ended);
    });
  }
}

void Simulator::complete(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  Work& work = process->works[action.op];
  work.used = true;
  work.complete = true;
  if (work.host != nullptr) {
    const std::shared_ptr<HostOp> host = work.host;
    const bool ok = action.status == Status::ok;
    world_.say("head " + std::to_string(process->node) + (ok ? " answers " : " refuses ") +
               (host->is_read ? "read" : "write") + " of block " + std::to_string(host->lba));
    finish_host(*host, ok, work.buffer);
  }
  ++work.out;
  release(process, action.op);
}

void Simulator::release(const std::shared_ptr<HeadProcess>& process, OpIndex op) {
  Work& work = process->works[op];
  if (--work.out > 0 || !work.complete || process->gone) return;
  process->works.erase(op);
  process->head->release(op);
}

void Simulator::ask_store(const std::shared_ptr<HeadProcess>& process, const Action& action) {
  const uint64_t there_ns = world_.between(50'000, world_.chance(5) ? 200 * k_ms : 2 * k_ms);
  world_.after(there_ns, [this, process, action, wanted = process->head->wanted_record()] {
    // It may be done, and the answer lost.
    const bool lost = store_out_ || store_cut_.contains(process->node);
    if (lost && world_.chance(2)) {
      world_.after(500 * k_ms, [this, process] {
        with_head(process, [](Head& head, uint64_t now_ns) { head.on_store_unavailable(now_ns); });
      });
      return;
    }
    const bool ok = record_.revision == action.expected_revision;
    const uint64_t before = record_.blocks_count;
    if (ok) {
      record_ = wanted;
      record_.revision = action.expected_revision + 1;
      if (intact().empty()) hopeless_ = true;
      world_.note(record_.epoch << 8 | record_.in_sync.bits());
      world_.say("record: epoch " + std::to_string(record_.epoch) + ", in sync " +
                 std::to_string(record_.in_sync.bits()) + ", blocks " + std::to_string(record_.blocks_count));
      if (record_.blocks_count != before) ++report_.growths;
    }
    world_.after(lost ? 500 * k_ms : world_.between(50'000, 2 * k_ms),
                 [this, process, ok, lost, now = record_] {
                   const Node& node = nodes_[process->node];
                   const auto answer = [this, process, ok, lost, now] {
                     with_head(process, [&](Head& head, uint64_t now_ns) {
                       if (lost) return head.on_store_unavailable(now_ns);
                       head.on_stored(now_ns, ok, now);
                     });
                   };
                   if (node.paused_until_ns > world_.now_ns()) {
                     world_.after(node.paused_until_ns - world_.now_ns(), answer);
                   } else {
                     answer();
                   }
                 });
  });
}

}  // namespace ballast::sim
