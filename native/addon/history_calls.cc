// Histories of I/O, judged (native/history). On the JavaScript thread: who asks waits for nothing else.
#include <string_view>

#include "addon/calls.h"
#include "addon/convert.h"
#include "history/checker.h"
#include "history/json_lines.h"

namespace ballast::addon {
namespace {

Napi::Object from_violation(Napi::Env env, const history::Violation& violation) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", history::violation_text(violation.kind));
  object.Set("block", Napi::BigInt::New(env, violation.block));
  object.Set("text", violation.text);
  std::string witness;
  for (const history::Operation& operation : violation.witness) {
    history::append_json_line(witness, operation);
  }
  object.Set("witness", witness);
  return object;
}

// (bytes of JSON lines) -> { operations, blocks, blocksViolated, violation } | what is wrong with them
Napi::Value history_check(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const std::string_view text(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  const auto operations = history::parse_json_lines(text);
  if (!operations.ok()) return Napi::String::New(env, operations.error().text);
  const auto verdict = history::check(*operations);
  if (!verdict.ok()) return Napi::String::New(env, verdict.error().text);
  Napi::Object object = Napi::Object::New(env);
  object.Set("operations", static_cast<double>(operations->size()));
  object.Set("blocks", static_cast<double>(verdict->blocks_count));
  object.Set("blocksViolated", static_cast<double>(verdict->blocks_violated_count));
  if (verdict->first) object.Set("violation", from_violation(env, *verdict->first));
  return object;
}

}  // namespace

void export_history_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("historyCheck", Napi::Function::New(env, history_check));
}

}  // namespace ballast::addon
