// How an association of one of several paths knows how good the path is: the ANA log page, when it is brought
// up, after events, and when I/O says otherwise. NVMe Base Specification 2.1, "Asymmetric Namespace Access
// Reporting
// - Host Considerations".
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "initiator/association.h"
#include "initiator/commands.h"

namespace ballast::initiator {

namespace {
// A page that changes while it is read in pieces is read again this often.
constexpr uint32_t k_reads_max = 5;
// From one reading that I/O asks for to the next: a target whose page and whose answers differ is not asked
// faster.
constexpr uint64_t k_reread_interval_ns = 100 * k_ns_per_ms;
}  // namespace

// The first reading, before the I/O queues are connected.
void Association::start_reading_ana(const nvme::IdentifyController& identify) {
  const bool has_ana = (identify.cmic & nvme::k_cmic_ana) != 0;
  if (!reports_ana_ || !has_ana) return;
  ana_transition_ns_max_ = std::max<uint64_t>(identify.anatt, 1) * k_ns_per_s;
  ana_log_.resize(ana_log_bytes_max(identify));
}

void Association::reread_ana() {
  if (ana_log_.empty() || stage_ != Stage::live) return;
  if (ana_reading_) {
    ana_read_again_ = true;
    return;
  }
  reactor_.cancel(ana_reread_timer_);
  ana_reads_count_ = 0;
  read_ana();
}

void Association::reread_ana_soon() {
  if (ana_log_.empty() || stage_ != Stage::live || ana_reread_timer_.armed()) return;
  reactor_.arm(ana_reread_timer_, k_reread_interval_ns);
}

void Association::read_ana() {
  ana_reading_ = true;
  ana_bytes_read_ = 0;
  if (++ana_reads_count_ > k_reads_max) {
    fail({Errc::protocol_error, "the ANA log page changes faster than it can be read"});
    return;
  }
  ask_ana_piece();
}

void Association::ask_ana_piece() {
  const size_t left = ana_log_.size() - ana_bytes_read_;
  const auto bytes = static_cast<uint32_t>(std::min<size_t>(left, info_.transfer_bytes_max));
  send("ANA log page", get_log_page(nvme::LogPage::ana, ana_bytes_read_, bytes),
       {ana_log_.data() + ana_bytes_read_, bytes}, &Association::on_ana_piece);
  ana_bytes_read_ += bytes;
}

void Association::on_ana_piece(const nvme::Completion&) {
  if (ana_bytes_read_ < ana_log_.size()) return ask_ana_piece();
  if (ana_log_.size() <= info_.transfer_bytes_max) return on_ana_read();
  // In pieces: they belong together if nothing has changed since the first.
  send("ANA log page", get_log_page(nvme::LogPage::ana, 0, sizeof(nvme::AnaLogHeader)),
       {ana_header_, sizeof(ana_header_)}, &Association::on_ana_header_again);
}

void Association::on_ana_header_again(const nvme::Completion&) {
  if (ana_log_change_count(ana_header_) != ana_log_change_count(ana_log_)) return read_ana();
  on_ana_read();
}

void Association::on_ana_read() {
  ana_reading_ = false;
  Result<std::vector<AnaEntry>> entries = parse_ana_log(ana_log_);
  if (!entries.ok()) {
    fail(entries.error());
    return;
  }
  watch_transitions(entries.value());
  owner_.on_ana_read(entries.value());
  if (stage_ == Stage::identifying) {
    on_all_identified();
  } else if (std::exchange(ana_read_again_, false)) {
    reread_ana();
  }
}

// "Host ANA Change Notice Operation": a transition that takes longer than ANATT has failed. What is known of
// the controller is forgotten then, and it starts anew.
void Association::watch_transitions(const std::vector<AnaEntry>& entries) {
  const bool in_transition = std::any_of(entries.begin(), entries.end(), [](const AnaEntry& entry) {
    return entry.state == nvme::AnaState::change;
  });
  if (!in_transition) return reactor_.cancel(ana_transition_timer_);
  if (!ana_transition_timer_.armed()) reactor_.arm(ana_transition_timer_, ana_transition_ns_max_);
}

}  // namespace ballast::initiator
