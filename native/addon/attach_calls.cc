#include <sys/file.h>

#include <memory>

#include "addon/calls.h"
#include "addon/control_call.h"
#include "attach/fuse_mount.h"
#include "attach/loop_device.h"
#include "attach/ublk_device.h"

namespace ballast::addon {
namespace {

Napi::Value from_attachment(Napi::Env env, uint32_t id, const engine::AttachmentInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", Napi::Number::New(env, id));
  object.Set("device", info.device);
  object.Set("sizeBytes", Napi::BigInt::New(env, info.size_bytes));
  object.Set("blockSizeBytes", Napi::Number::New(env, info.block_size_bytes));
  return object;
}

// (engine, op, controller, {nsid, uuid, driver, path, readOnly}) -> {id, device, sizeBytes, blockSizeBytes}
// later
Napi::Value attachment_start(const Napi::CallbackInfo& info) {
  const auto object = info[3].As<Napi::Object>();
  engine::AttachmentConfig config;
  config.nsid = to_u32(object.Get("nsid"));
  config.uuid = to_uuid(object.Get("uuid"));
  const bool is_ublk = to_text(object.Get("driver")) == "ublk";
  config.driver = is_ublk ? engine::AttachmentDriver::ublk : engine::AttachmentDriver::fuse;
  config.path = to_text(object.Get("path"));
  config.read_only = object.Get("readOnly").ToBoolean();
  OperationEvent& begun = begin(info);
  ControllerHandle* const handle = Environment::of(info.Env()).find_controller(to_u32(info[2]));
  if (handle == nullptr) {
    begun.fail({Errc::shutting_down, "the controller is closed"});
    return info.Env().Undefined();
  }
  on_control_thread(
      info, begun, [config, controller = handle->controller](engine::Engine& engine, OperationEvent& event) {
        const auto id = engine.attach(*controller, config);
        if (!id.ok()) return event.fail(id.error());
        const engine::AttachmentInfo made = engine.find_attachment(id.value())->info();
        event.value = [id = id.value(), made](Napi::Env env) { return from_attachment(env, id, made); };
        event.succeed();
      });
  return info.Env().Undefined();
}

// (engine, op, attachment) -> as attachmentStart
Napi::Value attachment_refresh(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info), [id = to_u32(info[2])](engine::Engine& engine, OperationEvent& event) {
    engine::Attachment* const attachment = engine.find_attachment(id);
    if (attachment == nullptr) return event.fail({Errc::not_found, "it is not attached"});
    finish(event, attachment->refresh(),
           [id](Napi::Env env, const engine::AttachmentInfo& now) { return from_attachment(env, id, now); });
  });
  return info.Env().Undefined();
}

// (engine, op, attachment)
Napi::Value attachment_stop(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info), [id = to_u32(info[2])](engine::Engine& engine, OperationEvent& event) {
    event.finish(engine.detach(id));
  });
  return info.Env().Undefined();
}

// A call that blocks, on a thread of Node's pool; fails as an operation of an engine does.
template <typename Body>
class Blocking final : public Napi::AsyncWorker {
 public:
  Blocking(OperationEvent& event, Napi::Env env, Body body)
      : Napi::AsyncWorker(env), event_(event), body_(std::move(body)) {}
  void Execute() override { outcome_ = body_(); }    // pool thread
  void OnOK() override { event_.finish(outcome_); }  // JavaScript thread
  void OnError(const Napi::Error&) override { event_.finish(outcome_); }

 private:
  OperationEvent& event_;
  Body body_;
  Outcome outcome_ = Errc::aborted;
};

// The event is delivered after the call from JavaScript has returned.
template <typename Body>
OperationEvent& run_blocking(const Napi::CallbackInfo& info, Body body) {
  auto& event = *new OperationEvent(Environment::of(info.Env()), to_u32(info[0]));
  (new Blocking<Body>(event, info.Env(), std::move(body)))->Queue();
  return event;
}

// (op, path, dead)
Napi::Value unmount_path(const Napi::CallbackInfo& info) {
  run_blocking(info, [path = to_text(info[1]), dead = info[2].ToBoolean().Value()] {
    return attach::unmount(path, dead);
  });
  return info.Env().Undefined();
}

// (op, device, file, evenIfUsed)
Napi::Value loop_remove(const Napi::CallbackInfo& info) {
  run_blocking(info,
               [device = to_text(info[1]), file = to_text(info[2]), even = info[3].ToBoolean().Value()] {
                 return attach::remove_loop_device(device, file, even);
               });
  return info.Env().Undefined();
}

// (op) -> what the ublk driver can do, as bits, later
Napi::Value ublk_features(const Napi::CallbackInfo& info) {
  const auto features = std::make_shared<uint64_t>(0);
  OperationEvent& event = run_blocking(info, [features]() -> Outcome {
    TRY(*features, attach::ublk_features());
    return Unit{};
  });
  event.value = [features](Napi::Env env) { return Napi::BigInt::New(env, *features); };
  return info.Env().Undefined();
}

// (op, uuid)
Napi::Value ublk_remove(const Napi::CallbackInfo& info) {
  run_blocking(info, [owner = to_uuid(info[1])] { return attach::remove_ublk_devices(owner); });
  return info.Env().Undefined();
}

// (descriptor) -> whether it has the lock now; whoever has it loses it when its last descriptor is closed
Napi::Value lock_descriptor(const Napi::CallbackInfo& info) {
  const bool locked = flock(static_cast<int>(to_u32(info[0])), LOCK_EX | LOCK_NB) == 0;
  return Napi::Boolean::New(info.Env(), locked);
}

}  // namespace

void export_attach_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("attachmentStart", Napi::Function::New(env, attachment_start));
  exports.Set("attachmentRefresh", Napi::Function::New(env, attachment_refresh));
  exports.Set("attachmentStop", Napi::Function::New(env, attachment_stop));
  exports.Set("unmountPath", Napi::Function::New(env, unmount_path));
  exports.Set("lockDescriptor", Napi::Function::New(env, lock_descriptor));
  exports.Set("loopRemove", Napi::Function::New(env, loop_remove));
  exports.Set("ublkFeatures", Napi::Function::New(env, ublk_features));
  exports.Set("ublkRemove", Napi::Function::New(env, ublk_remove));
}

}  // namespace ballast::addon
