#include "model/register_monitor.h"

#include "base/assert.h"

namespace ballast::model {

RegisterMonitor::RegisterMonitor() {
  Set set{};
  set[0] |= uint64_t{1} << index_of({});
  start_ = number_of(set);
}

uint32_t RegisterMonitor::index_of(const Config& config) {
  return ((config.value * 4u + config.writes) * 4u + config.reads[0]) * 4u + config.reads[1];
}

RegisterMonitor::Config RegisterMonitor::config_of(uint32_t index) {
  Config config;
  config.reads[1] = index % 4;
  config.reads[0] = index / 4 % 4;
  config.writes = index / 16 % 4;
  config.value = static_cast<uint8_t>(index / 64);
  return config;
}

Orders RegisterMonitor::number_of(const Set& set) {
  const auto [found, is_new] = numbers_.try_emplace(set, static_cast<Orders>(sets_.size()));
  if (is_new) {
    BALLAST_ASSERT(sets_.size() < UINT16_MAX);
    sets_.push_back(set);
  }
  return found->second;
}

// Whatever is under way may take effect now, in any order.
void RegisterMonitor::close(Set& set, Open open) {
  std::vector<uint32_t> todo;
  const auto add = [&](const Config& config) {
    const uint32_t index = index_of(config);
    uint64_t& word = set[index / 64];
    const uint64_t bit = uint64_t{1} << index % 64;
    if ((word & bit) != 0) return;
    word |= bit;
    todo.push_back(index);
  };
  for (uint32_t index = 0; index < k_configs; ++index) {
    if ((set[index / 64] >> index % 64 & 1) != 0) todo.push_back(index);
  }
  while (!todo.empty()) {
    const Config config = config_of(todo.back());
    todo.pop_back();
    for (uint8_t value = 1; value < k_values; ++value) {
      const auto bit = static_cast<uint8_t>(1u << (value - 1));
      if ((open.writes & bit) == 0 || (config.writes & bit) != 0) continue;
      Config next = config;
      next.value = value;
      next.writes |= bit;
      add(next);
    }
    for (uint32_t reader = 0; reader < k_readers; ++reader) {
      if ((open.reads >> reader & 1) == 0 || config.reads[reader] != 0) continue;
      Config next = config;
      next.reads[reader] = static_cast<uint8_t>(config.value + 1);
      add(next);
    }
  }
}

// keep(config): whether it stays; it may change it.
template <typename Keep>
Orders RegisterMonitor::change(Orders orders, Open open, Keep keep) {
  const Set before = sets_[orders];
  Set after{};
  for (uint32_t index = 0; index < k_configs; ++index) {
    if ((before[index / 64] >> index % 64 & 1) == 0) continue;
    Config config = config_of(index);
    if (!keep(config)) continue;
    const uint32_t to = index_of(config);
    after[to / 64] |= uint64_t{1} << to % 64;
  }
  close(after, open);
  return number_of(after);
}

Orders RegisterMonitor::asked(Orders orders, Open open) {
  return change(orders, open, [](Config&) { return true; });
}

Orders RegisterMonitor::written(Orders orders, Open open, uint8_t value) {
  return change(orders, open, [value](Config& config) { return (config.writes >> (value - 1) & 1) != 0; });
}

Orders RegisterMonitor::read(Orders orders, Open open, uint8_t reader, uint8_t value) {
  return change(orders, open, [reader, value](Config& config) {
    const bool is_it = config.reads[reader] == value + 1;
    config.reads[reader] = 0;
    return is_it;
  });
}

Orders RegisterMonitor::read_ended(Orders orders, Open open, uint8_t reader) {
  return change(orders, open, [reader](Config& config) {
    config.reads[reader] = 0;
    return true;
  });
}

}  // namespace ballast::model
