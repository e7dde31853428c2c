// What a Connect command asks, out of the command and its data, and the refusals that need no state. NVMe
// Base Specification 2.1, "Connect Command". Called by the connecting queue; rows F2 to F5, F7, F14 and F15.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "nvme/command.h"
#include "nvme/fabrics.h"
#include "nvme/status.h"

namespace ballast::target {

using HostId = std::array<uint8_t, 16>;

struct ConnectRequest {
  uint16_t qid = 0;
  uint16_t queue_entries = 0;
  bool flow_control_disabled = false;
  uint32_t keep_alive_ms = 0;  // as asked, 0: none
  uint16_t controller_id = 0;
  HostId host_id{};
  std::string host_nqn;
  std::string subsystem_nqn;
};

struct ConnectRefusal {
  nvme::Status status;
  uint32_t dw0 = 0;  // which field, for Connect Invalid Parameters
};

// The parameters of a command or of its data that are wrong, by offset in ConnectCommand or ConnectData.
// Wrong forms are not worth a retry; what depends on state is.
ConnectRefusal invalid_command_field(size_t offset);
ConnectRefusal invalid_data_field(size_t offset);
// What a refusal is about, for the log: the status by name, and the field where there is one.
std::string refusal_text(const ConnectRefusal& refusal);

// `data` is at least sizeof(ConnectData) long. nullopt: `request` is filled.
std::optional<ConnectRefusal> parse_connect(const nvme::Command& command, ByteSpan data,
                                            ConnectRequest& request);

}  // namespace ballast::target
