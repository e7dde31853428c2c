#include <isa-l.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/environment.h"
#include "addon/log_router.h"
#include "addon/service_manager.h"

namespace ballast::addon {
namespace {

// (deliver) -> Float64Array
Napi::Value set_deliver(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).set_deliver(info.Env(), to_function(info[0]));
}

// () : lines go to deliver() from now on
Napi::Value take_log(const Napi::CallbackInfo& info) {
  attach_log(Environment::of(info.Env()));
  return info.Env().Undefined();
}

// (status) -> the specification's name of it
Napi::Value status_name(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), nvme::status_name({static_cast<uint16_t>(to_u32(info[0]))}));
}

// (state) -> whether it was told
Napi::Value tell_service_manager(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), notify_service_manager(to_text(info[0])));
}

Napi::Value features(const Napi::CallbackInfo& info) {
  Napi::Object openssl = Napi::Object::New(info.Env());
  openssl.Set("header", OPENSSL_VERSION_TEXT);
  openssl.Set("runtime", OpenSSL_version(OPENSSL_VERSION));
  Napi::Object features = Napi::Object::New(info.Env());
  features.Set("uring", uring_features_text());
  features.Set("openssl", openssl);
  features.Set("isal", std::to_string(ISAL_MAJOR_VERSION) + "." + std::to_string(ISAL_MINOR_VERSION) + "." +
                           std::to_string(ISAL_PATCH_VERSION));
  return features;
}

}  // namespace

void export_process_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("setDeliver", Napi::Function::New(env, set_deliver));
  exports.Set("takeLog", Napi::Function::New(env, take_log));
  exports.Set("statusName", Napi::Function::New(env, status_name));
  exports.Set("notifyServiceManager", Napi::Function::New(env, tell_service_manager));
  exports.Set("features", Napi::Function::New(env, features));
}

}  // namespace ballast::addon
