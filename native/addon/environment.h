// The addon's state in one JavaScript environment (the main thread, or a worker): its engines and
// controllers, and the way back: a mailbox, and one thread-safe function that is called once per batch. Made
// when the addon is loaded there, ended by a cleanup hook, which closes every engine before it returns.
// Everything belongs to the JavaScript thread but post() and post_log().
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "addon/control_thread.h"
#include "addon/event.h"
#include "engine/engine.h"
#include "reactor/mailbox.h"

namespace ballast::addon {

class IoOperation;

struct EngineHandle {
  uint32_t id = 0;
  // Written by the control thread; read here once the start was delivered and until the close is asked for.
  std::unique_ptr<engine::Engine> engine;
  bool closing = false;
  uint32_t listeners_count = 0;           // each holds the event loop
  std::unique_ptr<ControlThread> thread;  // last: it runs on what is above
};

struct ControllerHandle {
  uint32_t id = 0;
  uint32_t engine_id = 0;
  engine::HostController* controller = nullptr;  // null until connected
  bool closing = false;
  uint32_t ios_in_flight = 0;
};

class Environment {
 public:
  // The most events of one call into JavaScript, so that other things of its event loop get their turn.
  static constexpr uint32_t k_batch_events_max = 1024;
  // Log lines that may wait for JavaScript; more are dropped and counted.
  static constexpr uint32_t k_log_lines_max = 1024;
  // I/Os of one controller that JavaScript may have asked for and not got back: the depth of 16 full queues.
  static constexpr uint32_t k_ios_in_flight_max = 16'384;

  explicit Environment(Napi::Env env);
  ~Environment();
  static Environment& of(Napi::Env env);

  // deliver(iosCount, events | undefined); answers the array that I/O completions are written to.
  Napi::Value set_deliver(Napi::Env env, Napi::Function deliver);

  // --- any thread ---
  void post(Event& event);
  void post_log(const char* level, const char* room, std::string_view text);  // drops when too many wait
  uint64_t log_lines_dropped() const { return log_lines_dropped_.load(std::memory_order_relaxed); }

  // The event loop stays alive while anything holds it.
  void hold();
  void release();
  void take(Event& event);  // from the mailbox

  EngineHandle& add_engine();
  EngineHandle* find_engine(uint32_t id);  // null if it is closed or being closed
  void remove_engine(uint32_t id);         // and its controllers
  ControllerHandle& add_controller(uint32_t engine_id);
  ControllerHandle* find_controller(uint32_t id);  // null if it is closed, being closed, or its engine is
  void set_connected(uint32_t id, engine::HostController& controller);
  void remove_controller(uint32_t id) { controllers_.erase(id); }

  std::unique_ptr<IoOperation> acquire_io();
  void recycle_io(std::unique_ptr<IoOperation> io);

 private:
  static void call_js(Napi::Env env, Napi::Function callback, Environment* self, void* data);
  using Function = Napi::TypedThreadSafeFunction<Environment, void, &Environment::call_js>;
  void deliver_batch(Napi::Env env);
  void shut_down();  // the cleanup hook

  Napi::Env env_;
  Mailbox mailbox_;
  Function function_;
  Napi::FunctionReference deliver_;
  Napi::Reference<Napi::Float64Array> completions_;
  Batch* batch_ = nullptr;
  uint32_t holds_count_ = 0;
  bool ended_ = false;
  std::map<uint32_t, std::unique_ptr<EngineHandle>> engines_;
  std::map<uint32_t, std::unique_ptr<ControllerHandle>> controllers_;
  uint32_t next_id_ = 1;
  std::vector<std::unique_ptr<IoOperation>> ios_free_;
  std::atomic<uint32_t> log_lines_waiting_{0};
  std::atomic<uint64_t> log_lines_dropped_{0};
};

}  // namespace ballast::addon
