// Asynchronous Event Request, and the events. NVMe Base Specification 2.1, "Asynchronous Event Request
// command". Row N24.
#include "nvme/identify.h"
#include "nvme/log_pages.h"
#include "target/admin_commands.h"
#include "target/async_events.h"

namespace ballast::target {
namespace {

struct EventWords {
  uint32_t enable_bit;  // in the Asynchronous Event Configuration feature
  uint32_t result;      // dword 0 of the completion
};

EventWords words_of(Event event) {
  using nvme::EventType;
  switch (event) {
    case Event::namespace_attribute:
      return {nvme::k_event_namespace_attribute,
              nvme::async_event(EventType::notice, nvme::k_notice_namespace_attribute,
                                nvme::LogPage::changed_namespaces)};
    case Event::ana_change:
      return {nvme::k_event_ana_change,
              nvme::async_event(EventType::notice, nvme::k_notice_ana_change, nvme::LogPage::ana)};
    case Event::discovery_change:
      return {
          nvme::k_event_discovery_change,
          nvme::async_event(EventType::notice, nvme::k_notice_discovery_change, nvme::LogPage::discovery)};
  }
  return {};
}

}  // namespace

void async_event_request(Controller& controller, transport::Request& request) {
  controller.events().add(request);
}

void AsyncEvents::add(transport::Request& request) {
  if (waiting_.size() >= nvme::k_async_event_requests_max) {
    return controller_.reply(request, nvme::status::async_event_request_limit_exceeded.with_dnr());
  }
  waiting_.push_back(request);
  send_pending();
}

void AsyncEvents::set_enabled(uint32_t mask) {
  enabled_ = mask;
  for (size_t i = 0; i < k_events_count; ++i) {
    if ((mask & words_of(static_cast<Event>(i)).enable_bit) == 0) kinds_[i] = {};
  }
}

void AsyncEvents::raise(Event event) {
  if ((enabled_ & words_of(event).enable_bit) == 0) return;
  Kind& kind = kinds_[static_cast<size_t>(event)];
  if (kind.silent) return;  // the host has yet to read the log page, and will find this there too
  kind.pending = true;
  send_pending();
}

void AsyncEvents::log_was_read(Event event) { kinds_[static_cast<size_t>(event)] = {}; }

void AsyncEvents::send_pending() {
  for (size_t i = 0; i < k_events_count; ++i) {
    if (!kinds_[i].pending || waiting_.empty()) continue;
    kinds_[i] = {.pending = false, .silent = true};
    controller_.reply(*waiting_.pop_front(), nvme::status::success, words_of(static_cast<Event>(i)).result);
  }
}

bool AsyncEvents::try_abort(uint16_t cid) {
  for (transport::Request* request = waiting_.front(); request != nullptr;
       request = waiting_.after(*request)) {
    if (request->command.cid != cid) continue;
    waiting_.remove(*request);
    controller_.reply(*request, nvme::status::abort_requested);
    return true;
  }
  return false;
}

void AsyncEvents::abort_all() {
  while (transport::Request* const request = waiting_.pop_front()) {
    controller_.reply(*request, nvme::status::abort_requested);
  }
}

}  // namespace ballast::target
