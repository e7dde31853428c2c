#include "addon/log_router.h"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <vector>

#include "addon/environment.h"
#include "base/log.h"

namespace ballast::addon {
namespace {

struct Router {
  std::mutex mutex;
  std::vector<Environment*> listeners;
};

// Never destroyed: reactors of a process that calls exit() log until its last instruction.
Router& router() {
  static Router& instance = *new Router;
  return instance;
}

const char* level_text(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warn";
    case LogLevel::error: return "error";
  }
  return "error";
}

void route(void*, LogLevel level, const char* room, std::string_view line) {
  Router& target = router();
  const std::lock_guard lock(target.mutex);
  for (Environment* listener : target.listeners) listener->post_log(level_text(level), room, line);
  if (target.listeners.empty() && level >= LogLevel::warning) {
    std::fprintf(stderr, "ballast %s: %s: %.*s\n", level_text(level), room, static_cast<int>(line.size()),
                 line.data());
  }
}

}  // namespace

void install_log_router() {
  static const bool installed = [] {
    set_log_sink(&route, nullptr);
    return true;
  }();
  static_cast<void>(installed);
}

void attach_log(Environment& environment) {
  Router& target = router();
  const std::lock_guard lock(target.mutex);
  if (std::find(target.listeners.begin(), target.listeners.end(), &environment) == target.listeners.end()) {
    target.listeners.push_back(&environment);
  }
}

void detach_log(Environment& environment) {
  Router& target = router();
  const std::lock_guard lock(target.mutex);
  std::erase(target.listeners, &environment);
}

}  // namespace ballast::addon
