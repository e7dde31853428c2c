// Asynchronous events of one controller: the requests that wait for one, and the events that wait for a
// request. After an event is told, its kind is silent until the host reads the log page that goes with it.
// NVMe Base Specification 2.1, "Asynchronous Event Request command".
#pragma once

#include <array>
#include <cstdint>

#include "nvme/status.h"
#include "transport/transport.h"

namespace ballast::target {

class Controller;

enum class Event : uint8_t { namespace_attribute, ana_change, discovery_change };
inline constexpr size_t k_events_count = 3;

class AsyncEvents {
 public:
  explicit AsyncEvents(Controller& controller) : controller_(controller) {}

  // An Asynchronous Event Request: waits here, or is answered.
  void add(transport::Request& request);
  // Which kinds the host wants: bits of the Asynchronous Event Configuration feature.
  void set_enabled(uint32_t mask);
  uint32_t enabled() const { return enabled_; }
  void raise(Event event);
  // The host has read the log page, without Retain Asynchronous Event.
  void log_was_read(Event event);
  // True if the request waited here; it has been answered Command Abort Requested.
  bool try_abort(uint16_t cid);
  void abort_all();

 private:
  struct Kind {
    bool pending = false;
    bool silent = false;  // told, and its log page has not been read
  };
  void send_pending();

  Controller& controller_;
  IntrusiveList<transport::Request, &transport::Request::observer_node> waiting_;
  std::array<Kind, k_events_count> kinds_;
  uint32_t enabled_ = 0;
};

}  // namespace ballast::target
