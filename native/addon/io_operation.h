// One read, write or other NVM command of JavaScript, from the call to its completion. Reused by its
// environment.
#pragma once

#include <napi.h>

#include "addon/environment.h"
#include "addon/event.h"
#include "engine/host_controller.h"

namespace ballast::addon {

class IoOperation final : public Event {
 public:
  // Statuses from here on are an Errc of ours, not a status of NVMe (which has 15 bits).
  static constexpr uint32_t k_status_errc = 0x10000;

  explicit IoOperation(Environment& owner);
  ~IoOperation() override = default;

  // JavaScript thread. `buffer` may be empty; it is pinned until the completion is delivered, whatever the
  // promise did meanwhile.
  void start(uint32_t op, ControllerHandle& handle, const nvme::Command& command, const Napi::Value& buffer);

  void deliver(Batch& batch) override;
  void discard() override;

 private:
  struct Io : engine::HostIo {
    explicit Io(IoOperation& owner) : operation(owner) {}
    IoOperation& operation;
  };
  void end();

  Io io_;
  uint32_t op_ = 0;
  uint32_t controller_id_ = 0;
  uint32_t status_ = 0;
  Napi::ObjectReference pinned_;
};

}  // namespace ballast::addon
