// The commands in flight on a host queue pair: one slot each, allocated when the connection is opened. The
// command identifier names the slot and how often it was used, so that a late or repeated answer of the
// target is recognised as unknown instead of ending somebody else's command. Owned by HostQpair.
#pragma once

#include <array>
#include <bit>
#include <vector>

#include "transport/tcp/pdu.h"
#include "transport/transport.h"

namespace ballast::transport::tcp {

// MAXR2T is 0's based: this many R2T PDUs may be open per command. Four let a target keep data on its way
// while it asks for more; a slot pays 12 bytes for each.
inline constexpr uint32_t k_host_r2ts_max = 4;

// One R2T that has not been answered whole.
struct HostTransfer {
  uint16_t ttag = 0;
  uint32_t offset = 0;     // of what is still to be sent, in the command's data
  uint32_t remaining = 0;  // bytes
};

struct HostCommand {
  HostRequest* request = nullptr;  // null: the slot is free
  uint16_t cid = 0;
  nvme::DataDirection direction = nvme::DataDirection::none;
  bool in_capsule = false;          // the data travels in the capsule
  bool sent = false;                // the capsule has been handed to the sender's batch
  bool last_received = false;       // C2HData with LAST_PDU has come
  bool data_digest_failed = false;  // of any C2HData: the command must not succeed
  bool answered = false;            // completion is there, but sends_unfinished is not 0
  uint8_t transfers_count = 0;      // open R2Ts, in transfers[transfers_first ...], a ring
  uint8_t transfers_first = 0;
  uint16_t sends_unfinished = 0;  // PDUs that carry the caller's memory and have not left entirely
  uint32_t data_bytes = 0;        // of request->data
  uint32_t received_bytes = 0;    // C2HData so far, contiguous from 0
  uint32_t requested_bytes = 0;   // R2Ts so far, contiguous from 0
  std::array<HostTransfer, k_host_r2ts_max> transfers;
  nvme::Completion completion;
  ListNode send_node;
};

class HostCommandTable {
 public:
  explicit HostCommandTable(uint16_t entries)
      : commands_(entries), index_bits_(std::bit_width(static_cast<uint32_t>(entries - 1))) {
    free_.reserve(entries);
    for (uint16_t i = entries; i > 0; --i) {
      commands_[i - 1].cid = static_cast<uint16_t>(i - 1);
      free_.push_back(static_cast<uint16_t>(i - 1));
    }
  }

  HostCommand* try_acquire() {
    if (free_.empty()) return nullptr;
    HostCommand& command = commands_[free_.back()];
    free_.pop_back();
    return &command;
  }

  // Forgets the command; its identifier will not come again until the generations have wrapped.
  void release(HostCommand& command) {
    const auto index = static_cast<uint16_t>(&command - commands_.data());
    auto next_cid = static_cast<uint16_t>(command.cid + (1u << index_bits_));
    // FFFFh is what error log entries use for "no command".
    if (next_cid == 0xffff) next_cid = index;
    command.request = nullptr;
    command.cid = next_cid;
    free_.push_back(index);
  }

  // The command that a PDU of the target names; null if the target cannot mean one that is in flight.
  HostCommand* find(uint16_t cid) {
    const size_t index = cid & ((1u << index_bits_) - 1);
    if (index >= commands_.size()) return nullptr;
    HostCommand& command = commands_[index];
    const bool in_flight =
        command.request != nullptr && command.cid == cid && command.sent && !command.answered;
    return in_flight ? &command : nullptr;
  }

  uint16_t in_flight() const { return static_cast<uint16_t>(commands_.size() - free_.size()); }
  std::vector<HostCommand>& all() { return commands_; }

 private:
  std::vector<HostCommand> commands_;
  std::vector<uint16_t> free_;  // last in, first out
  uint32_t index_bits_;
};

}  // namespace ballast::transport::tcp
