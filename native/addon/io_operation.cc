#include "addon/io_operation.h"

namespace ballast::addon {

IoOperation::IoOperation(Environment& owner) : Event(owner), io_(*this) {}

void IoOperation::start(uint32_t op, ControllerHandle& handle, const nvme::Command& command,
                        const Napi::Value& buffer) {
  op_ = op;
  controller_id_ = handle.id;
  io_.command = command;
  io_.data = {};
  if (buffer.IsBuffer()) {
    const auto bytes = buffer.As<Napi::Buffer<uint8_t>>();
    io_.data = {bytes.Data(), bytes.Length()};
    pinned_ = Napi::Persistent(buffer.As<Napi::Object>());
  }
  environment_.hold();
  if (handle.ios_in_flight >= Environment::k_ios_in_flight_max || !handle.controller->has_io_queues()) {
    ++handle.ios_in_flight;
    status_ = k_status_errc + static_cast<uint32_t>(Errc::too_many);
    return environment_.post(*this);
  }
  ++handle.ios_in_flight;
  // On the queue's reactor.
  io_.done = [](engine::HostIo& io, const nvme::Completion& completion) {
    IoOperation& self = static_cast<Io&>(io).operation;
    self.status_ = completion.status().value;
    self.environment_.post(self);
  };
  handle.controller->submit(io_);
}

void IoOperation::deliver(Batch& batch) {
  batch.ios[2 * batch.ios_count] = op_;
  batch.ios[2 * batch.ios_count + 1] = status_;
  ++batch.ios_count;
  environment_.release();
  end();
}

void IoOperation::discard() { end(); }

void IoOperation::end() {
  pinned_.Reset();
  if (ControllerHandle* const handle = environment_.find_controller(controller_id_)) --handle->ios_in_flight;
  environment_.recycle_io(std::unique_ptr<IoOperation>(this));
}

}  // namespace ballast::addon
