// How an association reads the namespaces of a controller: the active list, then each one's structure and
// descriptors, one command at a time. Runs before the I/O queues are connected, and again when the controller
// says that a namespace changed.
#include "base/bytes.h"
#include "base/log.h"
#include "initiator/association.h"
#include "initiator/commands.h"

namespace ballast::initiator {

namespace {
constexpr char k_room[] = "initiator";
}

void Association::read_namespaces() {
  nsids_.clear();
  namespaces_.clear();
  nsid_at_ = 0;
  ask_active_namespaces();
}

void Association::ask_active_namespaces() {
  const uint32_t after = nsids_.empty() ? 0 : nsids_.back();
  send("Identify Active Namespace ID list", identify(nvme::Cns::active_namespaces, after), buffer(),
       &Association::on_active_namespaces);
}

void Association::on_active_namespaces(const nvme::Completion&) {
  const auto list = load<nvme::NamespaceList>(ByteSpan(buffer_.get(), nvme::k_identify_bytes));
  const Result<bool> more = append_active_namespaces(list, nsids_);
  if (!more.ok()) {
    fail(more.error());
  } else if (more.value()) {
    ask_active_namespaces();
  } else {
    if (nsids_.size() == k_host_namespaces_max) {
      log(LogLevel::warning, k_room, "%s: only the first %u namespaces are used",
          options_.address.text().c_str(), k_host_namespaces_max);
    }
    ask_next_namespace();
  }
}

void Association::ask_next_namespace() {
  if (nsid_at_ == nsids_.size()) {
    on_namespaces_read();
    return;
  }
  send("Identify Namespace", identify(nvme::Cns::name_space, nsids_[nsid_at_]), buffer(),
       &Association::on_identify_namespace);
}

void Association::on_identify_namespace(const nvme::Completion&) {
  const uint32_t nsid = nsids_[nsid_at_];
  const auto identified = load<nvme::IdentifyNamespace>(ByteSpan(buffer_.get(), nvme::k_identify_bytes));
  Result<NamespaceInfo> info = interpret_namespace(nsid, identified, oncs_);
  if (!info.ok()) {  // one namespace that cannot be used does not make the others useless
    log(LogLevel::warning, k_room, "%s: namespace %u is left out: %s", options_.address.text().c_str(), nsid,
        info.error().text.c_str());
    ++nsid_at_;
    ask_next_namespace();
    return;
  }
  namespaces_.push_back(std::move(info.value()));
  const bool taken = admin_.submit(identify(nvme::Cns::namespace_descriptors, nsid), buffer(),
                                   options_.command_timeout_ns, [this](nvme::Completion completion) {
                                     if (stage_ < Stage::ending) on_descriptors(completion);
                                   });
  if (!taken) fail({Errc::too_many, "the admin queue is full"});
}

// Controllers before revision 1.3 do not have the list: then there is no UUID.
void Association::on_descriptors(const nvme::Completion& completion) {
  if (completion.status().is(nvme::status::host_pathing_error)) return;  // on_admin_closed() follows
  if (completion.status().ok()) {
    interpret_descriptors(ByteSpan(buffer_.get(), nvme::k_identify_bytes), namespaces_.back());
  }
  ++nsid_at_;
  ask_next_namespace();
}

void Association::on_namespaces_read() {
  if (rereading_) {
    rereading_ = false;
    const Outcome same = owner_.on_namespaces_reread(namespaces_);
    if (!same.ok()) {
      fail(same.error());
    } else if (reread_again_) {
      reread_again_ = false;
      rereading_ = true;
      read_namespaces();
    }
    return;
  }
  info_.namespaces = namespaces_;
  if (!ana_log_.empty()) return read_ana();
  on_all_identified();
}

void Association::on_all_identified() {
  Result<std::vector<IoQueueImpl*>> queues = owner_.on_identified(info_);
  if (!queues.ok()) {
    fail(queues.error());
    return;
  }
  io_queues_ = std::move(queues.value());
  connect_io_queues();
}

}  // namespace ballast::initiator
