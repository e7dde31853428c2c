// Members are compared at any moment, whatever goes wrong beside it, and nothing is ever said to differ that
// does not. At the end, when all is well, one of them is spoilt, and that is found.
#include "sim/simulation.h"

namespace ballast::sim {

using bdev::mirror::VerifyRefusal;
using bdev::mirror::VerifyReport;
using bdev::mirror::VerifyState;

void Simulator::draw_verify() {
  verify_prng_ = Prng(options_.seed ^ 0x76);
  const bool is_drawn = verify_prng_.chance(2, 5);
  if (!is_drawn || (options_.faults & fault_verify) == 0) return;
  faults_ |= fault_verify;
  verify_bytes_ = bdev::mirror::k_granule_bytes << verify_prng_.below(9);
  verify_some();
}

void Simulator::verify_some() {
  world_.after(k_ms + verify_prng_.below(900 * k_ms), [this] {
    if (stopping_ || healing_) return;
    verify_some();
    const std::shared_ptr<HeadProcess> process = serving_head();
    if (process == nullptr || nodes_[process->node].paused_until_ns > world_.now_ns()) return;
    const bool cancels = verify_prng_.chance(1, 6);
    met(fault_verify);
    with_head(process, [&](Head& head, uint64_t now_ns) {
      if (cancels) return head.cancel_verify();
      if (head.start_verify(now_ns) != VerifyRefusal::none) return;
      ++report_.verifies;
      world_.say("members are compared");
    });
  });
}

std::shared_ptr<HeadProcess> Simulator::serving_head() const {
  for (const Node& node : nodes_) {
    if (node.head != nullptr && node.head->head->state() == HeadState::serving) return node.head;
  }
  return nullptr;
}

void Simulator::check_verify(const Head& head) {
  const VerifyReport& report = head.verify_report();
  if (is_spoilt_ || report.different_granules == 0 || hopeless_) return;
  fail("members are said to differ from granule " + std::to_string(report.differences[0].first_granule) +
       " on");
}

void Simulator::read_checksums(const std::shared_ptr<HeadProcess>& process,
                               const std::shared_ptr<Connection>& connection, const Action& action) {
  const uint64_t granule_blocks = bdev::mirror::k_granule_bytes / block_size_bytes_;
  const auto words =
      bdev::mirror::checksum_words(action.lba / granule_blocks, action.blocks_count * block_size_bytes_);
  deliver(connection, true, Lane::commands, [this, process, connection, action, words] {
    const auto answered = [this, process, connection, action](Status status, Refusal refusal,
                                                              std::vector<uint8_t> said) {
      deliver(connection, false, Lane::commands, [=, this, said = std::move(said)] {
        if (connection->waiting.erase({action.op, action.attempt}) == 0) return;
        with_head(process, [&](Head& head, uint64_t now_ns) {
          const Status ended = bdev::mirror::head_status(status, refusal);
          std::vector<uint32_t> sums(said.size() / sizeof(uint32_t));
          if (!said.empty()) std::memcpy(sums.data(), said.data(), said.size());
          if (ended == Status::ok) {
            head.on_checksums(action.member, action.session, action.op, action.attempt, sums);
          }
          head.on_io_done(now_ns, action.member, action.session, action.op, action.attempt, ended);
        });
        release(process, action.op);
      });
    };
    nodes_[connection->member].replica->command(*connection->association, words, {}, answered);
  });
}

// False: it could not be begun, as nobody is there to be compared with, or something failed.
bool Simulator::verify_all() {
  const std::shared_ptr<HeadProcess> process = serving_head();
  if (process == nullptr) return false;
  VerifyRefusal refusal{};
  const auto is_done = [&] {
    return process->gone || process->head->verify_report().state != VerifyState::running;
  };
  // One that is under way goes no further than what it has out.
  with_head(process, [](Head& head, uint64_t) { head.cancel_verify(); });
  const uint64_t begin_ns = world_.now_ns() + k_s;
  run_until([&] { return process->gone || world_.now_ns() > begin_ns; });
  with_head(process, [&](Head& head, uint64_t now_ns) { refusal = head.start_verify(now_ns); });
  if (process->gone || refusal == VerifyRefusal::alone) return false;
  if (refusal != VerifyRefusal::none) fail("members cannot be compared");
  ++report_.verifies;
  const uint64_t until_ns = world_.now_ns() + 100 * k_s;
  run_until([&] { return is_done() || world_.now_ns() > until_ns; });
  if (!report_.ok || process->gone) return false;
  if (process->head->verify_report().state != VerifyState::done)
    fail("the comparison of members does not end");
  return report_.ok;
}

// No host does anything, and nothing is broken.
void Simulator::verify_to_the_end() {
  if ((faults_ & fault_verify) == 0 || hopeless_ || !report_.ok) return;
  if (!verify_all()) return;
  const uint64_t lba = verify_prng_.below(blocks_count_);
  const MemberSet members = record_.in_sync;
  uint32_t place = 0;
  do place = static_cast<uint32_t>(verify_prng_.below(k_members_max));
  while (!members.has(place));
  uint64_t& block = nodes_[node_at(place)].replica->disk().image().data[lba];
  const uint64_t before = block;
  is_spoilt_ = true;
  block ^= uint64_t{1} << verify_prng_.below(64);
  world_.say("block " + std::to_string(lba) + " is spoilt at member " + std::to_string(place));
  const bool ended = verify_all();
  block = before;
  const std::shared_ptr<HeadProcess> process = serving_head();
  if (!ended || process == nullptr) return;
  const VerifyReport& report = process->head->verify_report();
  const MemberSet odd = members.size() > 2 ? MemberSet::of(place) : MemberSet{};
  const bool is_found =
      report.different_granules == 1 &&
      report.differences[0].first_granule * bdev::mirror::k_granule_bytes / block_size_bytes_ ==
          lba - lba % (bdev::mirror::k_granule_bytes / block_size_bytes_) &&
      report.differences[0].odd == odd;
  if (!is_found) fail("the block that was spoilt is not found");
}

}  // namespace ballast::sim
