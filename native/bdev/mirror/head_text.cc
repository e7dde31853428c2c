// What a head is about, in words.
#include <array>
#include <string>

#include "bdev/mirror/head.h"

namespace ballast::bdev::mirror {

const char* head_state_text(HeadState state) {
  switch (state) {
    case HeadState::claiming: return "claiming";
    case HeadState::sealing: return "sealing";
    case HeadState::agreeing: return "agreeing";
    case HeadState::waiting: return "waiting";
    case HeadState::serving: return "serving";
    case HeadState::stopping: return "stopping";
    case HeadState::fenced: return "fenced";
    case HeadState::stopped: return "stopped";
  }
  return "unknown";
}

Activity Head::activity() const {
  switch (state_) {
    case HeadState::claiming: return Activity::claiming;
    case HeadState::sealing: return Activity::sealing;
    case HeadState::agreeing: return Activity::agreeing;
    case HeadState::waiting: return Activity::waiting;
    case HeadState::stopping: return Activity::stopping;
    case HeadState::fenced:
    case HeadState::stopped: return Activity::over;
    case HeadState::serving: break;
  }
  if (!leaving_.empty()) return Activity::removing;
  if (!left_.empty()) return Activity::telling;
  if (is_in_barrier()) return Activity::snapshotting;
  if (join_.step >= JoinStep::tell) return Activity::adding;
  if (join_.step == JoinStep::copy) return Activity::copying;
  if (join_.step != JoinStep::none) return Activity::preparing;
  if (!unreconciled_.empty()) return Activity::reconciling;
  if (!clearing_.empty()) return Activity::clearing;
  if (verify_.report.state == VerifyState::running) return Activity::verifying;
  return record_.in_sync == record_.all() ? Activity::serving : Activity::degraded;
}

const char* activity_text(Activity activity) {
  static constexpr std::array<const char*, k_activities_count> k_texts = {
      "claiming",     "sealing",  "agreeing",  "waiting",  "removing",    "telling",
      "snapshotting", "adding",   "preparing", "copying",  "reconciling", "clearing",
      "verifying",    "degraded", "serving",   "stopping", "over"};
  return k_texts[static_cast<size_t>(activity)];
}

std::string Head::describe() const {
  static constexpr std::array<const char*, 6> k_states = {"down",    "connecting", "sealed",
                                                          "in sync", "joining",    "leaving"};
  std::string text = head_state_text(state_);
  text += ", epoch " + std::to_string(record_.epoch);
  record_.all().for_each([&](uint32_t member) {
    const MemberWork& work = members_[member];
    text += "; member " + std::to_string(member) + " " + k_states[static_cast<size_t>(work.state)];
    if (work.in_command) text += ", in command " + std::to_string(static_cast<uint32_t>(work.command));
  });
  text += "; leaving " + std::to_string(leaving_.bits()) + ", left " + std::to_string(left_.bits());
  if (store_asked_) text += "; asks the store";
  if (join_.member != k_nobody) {
    text += "; " + std::to_string(join_.member) + " joins, step " +
            std::to_string(static_cast<uint32_t>(join_.step));
    text += ", " + std::to_string(join_.copies) + " copies";
    if (join_.map != nullptr) text += ", " + std::to_string(join_.map->count()) + " granules left";
  }
  if (snapshot_.report.state != SnapshotState::none) {
    text += std::string("; snapshot ") + snapshot_state_text(snapshot_.report.state) + ", told " +
            std::to_string(snapshot_.sent.bits()) + ", has " + std::to_string(snapshot_.has.bits()) +
            ", to be deleted " + std::to_string(snapshot_.removal.left.bits());
  }
  text += "; " + std::to_string(unreconciled_.count()) + " regions to reconcile, " +
          std::to_string(reconcile_copies_) + " copies; " + std::to_string(active_.size()) + " I/Os, " +
          std::to_string(waiting_count_) + " wait, " + std::to_string(held_count_) + " held; " +
          std::to_string(clearing_.size()) + " regions are cleared, " + std::to_string(clear_left_.bits()) +
          " left";
  for (const Op& op : ops_) {
    if (op.phase == Phase::free || op.phase == Phase::answered) continue;
    text += "\n    I/O " + std::to_string(index_of(op)) + ": phase " +
            std::to_string(static_cast<uint32_t>(op.phase)) + ", purpose " +
            std::to_string(static_cast<uint32_t>(op.purpose)) + ", type " +
            std::to_string(static_cast<uint32_t>(op.type)) + ", blocks " + std::to_string(op.lba) + " + " +
            std::to_string(op.blocks_count) + ", members asked " + std::to_string(op.targets.bits()) +
            ", pending " + std::to_string(op.pending.bits()) + ", done " + std::to_string(op.done.bits());
  }
  return text;
}

}  // namespace ballast::bdev::mirror
