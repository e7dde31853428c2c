// Hosts that read and write through any head they find.
#include "sim/simulation.h"

namespace ballast::sim {

// ---- hosts ----

std::shared_ptr<HeadProcess> Simulator::some_head() {
  std::vector<std::shared_ptr<HeadProcess>> heads;
  for (const Node& node : nodes_) {
    if (node.up && node.head != nullptr) heads.push_back(node.head);
  }
  return heads.empty() ? nullptr : heads[world_.prng().below(heads.size())];
}

void Simulator::host_turn(uint32_t host) {
  if (issued_ >= options_.operations) return;
  world_.after(world_.between(10'000, world_.chance(10) ? 200 * k_ms : 3 * k_ms), [this, host] {
    const std::shared_ptr<HeadProcess> process = some_head();
    if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return host_turn(host);
    ++issued_;
    const bool is_read = world_.chance(2);
    // Mostly where others are, too; and at times where nobody has been.
    uint64_t lba =
        world_.chance(12) ? world_.prng().below(blocks_count_ - 2) : hot_[world_.prng().below(hot_.size())];
    // Where there was nothing when it began, at its border mostly.
    if (record_.blocks_count > blocks_count_ && growth_prng_.chance(1, 3)) {
      const uint64_t added = record_.blocks_count - blocks_count_;
      lba = blocks_count_ - 1 + (growth_prng_.chance(1, 2) ? 0 : growth_prng_.below(added));
    }
    issue(process, is_read, lba, world_.chance(4) && lba + 2 <= record_.blocks_count ? 2 : 1);
    world_.after(world_.between(2 * k_ms, world_.chance(8) ? 3 * k_s : 15 * k_ms),
                 [this, host] { host_turn(host); });
  });
}

std::shared_ptr<HostOp> Simulator::issue(const std::shared_ptr<HeadProcess>& process, bool is_read,
                                         uint64_t lba, uint32_t count) {
  const auto op = std::make_shared<HostOp>();
  op->is_read = is_read;
  op->lba = lba;
  op->count = count;
  op->value = is_read ? 0 : next_value_++;
  for (uint32_t i = 0; i < count; ++i) {
    history::Operation record;
    record.block = lba + i;
    record.kind = is_read ? history::OperationKind::read : history::OperationKind::write;
    record.value = op->value;
    record.invoked_ns = world_.now_ns();
    op->records.push_back(history_.size());
    history_.push_back(record);
  }
  OpIndex index = 0;
  bool taken = false;
  with_head(process, [&](Head& head, uint64_t now_ns) {
    taken = head.submit(now_ns, is_read ? IoType::read : IoType::write, lba, count, index);
    if (!taken) return;
    Work& work = process->works[index];
    work = {.used = true, .lba = lba, .buffer = {}, .host = op};
    if (!is_read) work.buffer.assign(count, op->value);
  });
  if (!taken) finish_host(*op, false, {});
  return op;
}

void Simulator::finish_host(HostOp& op, bool ok, const std::vector<uint64_t>& values) {
  op.is_finished = true;
  for (size_t i = 0; i < op.records.size(); ++i) {
    history::Operation& record = history_[op.records[i]];
    record.responded_ns = world_.now_ns();
    record.outcome = ok ? history::OperationOutcome::ok : history::OperationOutcome::failed;
    if (op.is_read) record.value = ok ? values[i] : 0;
  }
  if (ok && !op.is_read) ++report_.acknowledged;
}

}  // namespace ballast::sim
