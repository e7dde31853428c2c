// The log pages a controller has: one row each in log_page.cc, which names its functions.
#pragma once

#include <cstdint>

#include "nvme/log_pages.h"
#include "target/controller.h"
#include "target/log_window.h"

namespace ballast::target {

struct LogPageInfo {
  nvme::LogPage page;
  bool on_nvm;        // I/O controllers have it
  bool on_discovery;  // discovery controllers have it
  bool per_namespace;
  uint8_t specific_mask;  // bits of LSP that mean something
  uint64_t (*size_bytes)(Controller&);
  void (*write)(Controller&, uint32_t nsid, uint8_t specific, LogWindow&);
  void (*was_read)(Controller&);  // the host has read it and wants to hear of news again; may be null
};

// Null: the controller has no such page.
const LogPageInfo* find_log_page(Controller& controller, nvme::LogPage page);

// log_health.cc
void write_error_log(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void write_smart_log(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void write_firmware_log(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
// log_namespaces.cc
void write_changed_namespaces(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void changed_namespaces_were_read(Controller& controller);
uint64_t ana_log_bytes(Controller& controller);
void write_ana_log(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void ana_log_was_read(Controller& controller);
// log_effects.cc
void write_command_effects(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void write_feature_effects(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
// log_discovery.cc
uint64_t discovery_log_bytes(Controller& controller);
void write_discovery_log(Controller& controller, uint32_t nsid, uint8_t specific, LogWindow& window);
void discovery_log_was_read(Controller& controller);

}  // namespace ballast::target
