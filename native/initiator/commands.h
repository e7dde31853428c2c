// The Fabrics and admin commands that a host sends to bring a controller up and keep it, ready but for what
// the transport fills in. Pure functions. NVMe Base Specification 2.1, "Fabrics Command Set", "Admin Command
// Set".
#pragma once

#include <string>

#include "initiator/initiator.h"
#include "nvme/fabrics.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_pages.h"

namespace ballast::initiator {

// "Connect Command". queue_entries is SQSIZE + 1. We ask for no flow control of the submission queue: a slot
// is free when its completion has come, and the target may leave out response capsules of reads.
nvme::Command connect_command(uint16_t qid, uint16_t queue_entries, uint32_t keep_alive_ms);
nvme::ConnectData connect_data(const ControllerOptions& options, uint16_t controller_id);

nvme::Command property_get(uint32_t offset, bool eight_bytes);
nvme::Command property_set(uint32_t offset, uint32_t value);
nvme::Command identify(nvme::Cns cns, uint32_t nsid);
nvme::Command set_feature(nvme::FeatureId feature, uint32_t value);
nvme::Command get_log_page(nvme::LogPage page, uint64_t offset_bytes, uint32_t length_bytes);
nvme::Command keep_alive();
nvme::Command async_event_request();

// "Connect: Connect Invalid Host (1/84h)": what was refused, by its specification name, and the numbers.
std::string describe(const char* what, nvme::Status status);

}  // namespace ballast::initiator
