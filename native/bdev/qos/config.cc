#include "bdev/qos/config.h"

#include <bit>
#include <string>

namespace ballast::bdev::qos {
namespace {

Error invalid(std::string text) { return {Errc::invalid_argument, std::move(text)}; }

Outcome check_rate(const char* name, uint64_t rate) {
  if (rate <= k_rate_max) return Unit{};
  return invalid(std::string(name) + " is " + std::to_string(rate) + ", at most " +
                 std::to_string(k_rate_max) + " is possible");
}

Outcome check_rates(const std::string& name, const Rates& rates) {
  TRY([[maybe_unused]] const Unit iops, check_rate((name + " IOPS").c_str(), rates.iops));
  return check_rate((name + " bytes a second").c_str(), rates.bytes);
}

// Reads and writes may have a limit each and none together.
uint64_t iops_limit(const Config& config) {
  const uint64_t apart =
      config.read.iops != 0 && config.write.iops != 0 ? config.read.iops + config.write.iops : 0;
  if (config.total.iops == 0) return apart;
  return apart != 0 && apart < config.total.iops ? apart : config.total.iops;
}

}  // namespace

Outcome check_config(const Config& config) {
  TRY([[maybe_unused]] const Unit total, check_rates("total", config.total));
  TRY([[maybe_unused]] const Unit read, check_rates("read", config.read));
  TRY([[maybe_unused]] const Unit write, check_rates("write", config.write));
  TRY([[maybe_unused]] const Unit promised, check_rate("guaranteed IOPS", config.min_iops));
  if (config.burst_ms > k_burst_ms_max) {
    return invalid("burst is " + std::to_string(config.burst_ms) + " ms, at most " +
                   std::to_string(k_burst_ms_max) + " is possible");
  }
  if (config.weight == 0 || config.weight > k_weight_max) {
    return invalid("weight is 1 to " + std::to_string(k_weight_max) + ", not " +
                   std::to_string(config.weight));
  }
  if (config.unit_bytes < k_unit_bytes_min || config.unit_bytes > k_unit_bytes_max ||
      !std::has_single_bit(config.unit_bytes)) {
    return invalid("an I/O unit is a power of two from 4096 to 1048576 bytes, not " +
                   std::to_string(config.unit_bytes));
  }
  const uint64_t limit = iops_limit(config);
  if (limit != 0 && config.min_iops > limit) {
    return invalid("guaranteed IOPS of " + std::to_string(config.min_iops) + " are above the limit of " +
                   std::to_string(limit));
  }
  return Unit{};
}

Outcome check_budget(const NodeBudget& budget) {
  TRY([[maybe_unused]] const Unit iops, check_rate("the node's IOPS", budget.iops));
  if (budget.depth > k_depth_max) {
    return invalid("the node's depth is " + std::to_string(budget.depth) + ", at most " +
                   std::to_string(k_depth_max) + " is possible");
  }
  return Unit{};
}

}  // namespace ballast::bdev::qos
