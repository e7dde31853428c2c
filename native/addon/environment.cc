#include "addon/environment.h"

#include "addon/io_operation.h"
#include "addon/log_router.h"

namespace ballast::addon {

// The thread-safe function registers a cleanup hook of its own. Hooks run last in, first out: ours, added
// after it, ends every thread that could call the function before the function goes.
Environment::Environment(Napi::Env env) : env_(env) {
  function_ = Function::New(env, "ballast", 0, 1, this);
  function_.Unref(env);
  env.AddCleanupHook([](Environment* self) { self->shut_down(); }, this);
}

Environment::~Environment() { BALLAST_ASSERT(ended_); }

Environment& Environment::of(Napi::Env env) {
  Environment* const self = env.GetInstanceData<Environment>();
  BALLAST_ASSERT(self != nullptr);
  return *self;
}

Napi::Value Environment::set_deliver(Napi::Env env, Napi::Function deliver) {
  deliver_ = Napi::Persistent(deliver);
  const Napi::Float64Array completions = Napi::Float64Array::New(env, size_t{2} * k_batch_events_max);
  completions_ = Napi::Reference<Napi::Float64Array>::New(completions, 1);
  return completions;
}

// One call of the thread-safe function per filling of the mailbox: whoever finds it empty makes it.
void Environment::post(Event& event) {
  if (mailbox_.push(event)) function_.NonBlockingCall();
}

void Environment::post_log(const char* level, const char* room, std::string_view text) {
  if (log_lines_waiting_.fetch_add(1, std::memory_order_relaxed) >= k_log_lines_max) {
    log_lines_waiting_.fetch_sub(1, std::memory_order_relaxed);
    log_lines_dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  post(*new NoticeEvent(*this,
                        [this, level, room = std::string(room), line = std::string(text)](Napi::Env env) {
                          log_lines_waiting_.fetch_sub(1, std::memory_order_relaxed);
                          return tuple(env, "log", level, room, line);
                        }));
}

void Environment::hold() {
  if (holds_count_++ == 0) function_.Ref(env_);
}

void Environment::release() {
  BALLAST_ASSERT(holds_count_ > 0);
  if (--holds_count_ == 0) function_.Unref(env_);
}

void Environment::call_js(Napi::Env env, Napi::Function, Environment* self, void*) {
  if (env == nullptr || self->ended_) return;
  self->deliver_batch(env);
}

void Environment::deliver_batch(Napi::Env env) {
  const Napi::HandleScope scope(env);
  Batch batch{env, completions_.Value().Data(), 0, Napi::Array(), 0};
  batch_ = &batch;
  const uint32_t taken_count = mailbox_.run(k_batch_events_max);
  batch_ = nullptr;
  if (!mailbox_.empty()) function_.NonBlockingCall();
  if (taken_count == 0) return;
  const Napi::Value events = batch.events.IsEmpty() ? env.Undefined() : batch.events.As<Napi::Value>();
  // What it throws is pending when we return, and Node reports it as an uncaught exception.
  static_cast<void>(deliver_.Call({Napi::Number::New(env, batch.ios_count), events}));
}

void Environment::take(Event& event) { batch_ != nullptr ? event.deliver(*batch_) : event.discard(); }

// Destroying a handle joins its control thread, whose last task is to close the engine: afterwards no thread
// knows this environment. What was posted meanwhile is freed without JavaScript, which must not run any more.
void Environment::shut_down() {
  detach_log(*this);
  for (const auto& [id, handle] : engines_) {
    handle->closing = true;
    handle->thread->post([handle = handle.get()] { handle->engine.reset(); });
  }
  for (const auto& [id, handle] : engines_) handle->thread.reset();
  while (mailbox_.run(k_batch_events_max) > 0) {
  }
  controllers_.clear();
  engines_.clear();
  ios_free_.clear();
  deliver_.Reset();
  completions_.Reset();
  ended_ = true;
}

EngineHandle& Environment::add_engine() {
  auto handle = std::make_unique<EngineHandle>();
  handle->id = next_id_++;
  handle->thread = std::make_unique<ControlThread>();
  EngineHandle& added = *handle;
  engines_.emplace(added.id, std::move(handle));
  return added;
}

EngineHandle* Environment::find_engine(uint32_t id) {
  const auto found = engines_.find(id);
  return found == engines_.end() || found->second->closing ? nullptr : found->second.get();
}

void Environment::remove_engine(uint32_t id) {
  const auto found = engines_.find(id);
  if (found == engines_.end()) return;
  for (; found->second->listeners_count > 0; --found->second->listeners_count) release();
  std::erase_if(controllers_, [id](const auto& entry) { return entry.second->engine_id == id; });
  engines_.erase(found);
}

ControllerHandle& Environment::add_controller(uint32_t engine_id) {
  auto handle = std::make_unique<ControllerHandle>();
  handle->id = next_id_++;
  handle->engine_id = engine_id;
  ControllerHandle& added = *handle;
  controllers_.emplace(added.id, std::move(handle));
  return added;
}

ControllerHandle* Environment::find_controller(uint32_t id) {
  const auto found = controllers_.find(id);
  if (found == controllers_.end() || found->second->closing || found->second->controller == nullptr) {
    return nullptr;
  }
  return find_engine(found->second->engine_id) == nullptr ? nullptr : found->second.get();
}

void Environment::set_connected(uint32_t id, engine::HostController& controller) {
  const auto found = controllers_.find(id);
  if (found != controllers_.end()) found->second->controller = &controller;  // else its engine is gone
}

std::unique_ptr<IoOperation> Environment::acquire_io() {
  if (ios_free_.empty()) return std::make_unique<IoOperation>(*this);
  std::unique_ptr<IoOperation> io = std::move(ios_free_.back());
  ios_free_.pop_back();
  return io;
}

void Environment::recycle_io(std::unique_ptr<IoOperation> io) {
  if (ios_free_.size() < k_batch_events_max) ios_free_.push_back(std::move(io));
}

}  // namespace ballast::addon
