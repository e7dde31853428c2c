#include "addon/event.h"

#include "addon/environment.h"
#include "addon/error_codes.h"

namespace ballast::addon {

void Batch::add(const Napi::Array& event) {
  if (events.IsEmpty()) events = Napi::Array::New(env);
  events.Set(events_count++, event);
}

Event::Event(Environment& owner)
    : Message([](Message& message) {
        Event& event = static_cast<Event&>(message);
        event.environment_.take(event);
      }),
      environment_(owner) {}

OperationEvent::OperationEvent(Environment& owner, uint32_t op) : Event(owner), op_(op) {
  environment_.hold();
}

void OperationEvent::succeed() {
  ok_ = true;
  environment_.post(*this);
}

void OperationEvent::fail(Error error) {
  error_ = std::move(error);
  environment_.post(*this);
}

void OperationEvent::deliver(Batch& batch) {
  if (settled) settled(ok_);
  const Napi::Value result = ok_ && value ? value(batch.env) : batch.env.Undefined();
  batch.add(tuple(batch.env, "op", op_, ok_ ? "" : error_code(error_.errc), error_.text, result));
  end(true);
}

void OperationEvent::discard() { end(false); }

void OperationEvent::end(bool delivered) {
  pinned.Reset();
  if (delivered) environment_.release();
  delete this;
}

void NoticeEvent::deliver(Batch& batch) {
  batch.add(make_(batch.env));
  delete this;
}

}  // namespace ballast::addon
