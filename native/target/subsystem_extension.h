// What an NVM subsystem can have beyond the specification: vendor specific admin commands, and a device that
// asks who an I/O comes from. One object for all reactors; what it does with a command is its own matter.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "nvme/command.h"
#include "nvme/status.h"

namespace ballast::target {

// NVMe Base Specification 2.1, "Opcodes": the two low bits say which way data goes.
enum class TransferDirection : uint8_t { none = 0, host_to_controller = 1, controller_to_host = 2 };
inline constexpr uint8_t k_vendor_opcode_first = 0xc0;

struct ExtensionCommand {
  uint64_t association = 0;  // as Io::association of this controller's I/O
  nvme::Command command;
  // What the host has sent, or zeroes that are to be filled; as long as transfer_of() said. Valid until the
  // answer.
  MutableByteSpan data;
  // To be called exactly once, on the reactor that execute() was called on, possibly from inside. The data
  // goes to the host with success alone.
  std::function<void(nvme::Status)> answer;
};

class SubsystemExtension {
 public:
  virtual ~SubsystemExtension() = default;

  // --- on any reactor, at any time ---
  virtual bool has_opcode(uint8_t opcode) const = 0;  // of C0h .. FFh
  struct Transfer {
    nvme::Status status;  // not success: the command is answered so
    uint32_t bytes = 0;   // in the direction of its opcode
  };
  virtual Transfer transfer_of(const nvme::Command& command) const = 0;
  // What an I/O is answered with that a device has ended with `fenced`, by its Io::refusal.
  virtual nvme::Status fenced_status(uint8_t refusal) const = 0;

  // --- on the reactor of the controller's admin queue ---
  virtual void execute(ExtensionCommand command) = 0;
  // `drop` closes the controller; any thread, also when it has gone. Its first command comes later.
  virtual void on_controller_began(uint64_t association, std::function<void()> drop) = 0;
  // After its last command and its last I/O.
  virtual void on_controller_ended(uint64_t association) = 0;
};

}  // namespace ballast::target
