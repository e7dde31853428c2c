// A replica as an NVM subsystem of a target: the commands of docs/formats/replica-protocol.md, its status
// codes, and associations, which are controllers.
#pragma once

#include "bdev/mirror/replica.h"
#include "target/subsystem_extension.h"

namespace ballast::engine {

class ReplicaService final : public target::SubsystemExtension {
 public:
  // The replica must outlive the subsystem.
  explicit ReplicaService(bdev::mirror::Replica& replica) : replica_(replica) {}

  bool has_opcode(uint8_t opcode) const override;
  Transfer transfer_of(const nvme::Command& command) const override;
  nvme::Status fenced_status(uint8_t refusal) const override;
  void execute(target::ExtensionCommand command) override;
  void on_controller_began(uint64_t association, std::function<void()> drop) override;
  void on_controller_ended(uint64_t association) override;

 private:
  bdev::mirror::Replica& replica_;
};

}  // namespace ballast::engine
