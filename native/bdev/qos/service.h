// What a volume with a minimum got from the device, and how long its I/O was in there. Written by all its
// channels, read by the node's home.
#pragma once

#include <atomic>
#include <cstdint>

namespace ballast::bdev::qos {

struct Served {
  uint64_t units = 0;
  uint64_t in_flight_ios = 0;  // now
  uint64_t in_device_ns = 0;   // of all its I/O together: over a time, how much was in there on average
};

class Service {
 public:
  void begin() { in_flight_ios_.fetch_add(1, std::memory_order_relaxed); }
  void end(uint64_t units, uint64_t in_device_ns) {
    in_flight_ios_.fetch_sub(1, std::memory_order_relaxed);
    units_.fetch_add(units, std::memory_order_relaxed);
    in_device_ns_.fetch_add(in_device_ns, std::memory_order_relaxed);
  }
  Served read() const {
    const auto value = [](const std::atomic<uint64_t>& cell) { return cell.load(std::memory_order_relaxed); };
    return {value(units_), value(in_flight_ios_), value(in_device_ns_)};
  }

 private:
  std::atomic<uint64_t> units_{0};
  std::atomic<uint64_t> in_flight_ios_{0};
  std::atomic<uint64_t> in_device_ns_{0};
};

}  // namespace ballast::bdev::qos
