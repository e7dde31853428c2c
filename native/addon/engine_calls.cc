#include "addon/calls.h"
#include "addon/control_call.h"
#include "base/assert.h"

namespace ballast::addon {
namespace {

// (op, options) -> engine
Napi::Value engine_start(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  auto& event = *new OperationEvent(environment, to_u32(info[0]));
  EngineHandle& handle = environment.add_engine();
  event.settled = [&environment, id = handle.id](bool ok) {
    if (!ok) environment.remove_engine(id);
  };
  handle.thread->post(
      [&handle, &event, &environment, options = to_engine_options(info[1].As<Napi::Object>())] {
        auto started = engine::Engine::start(options);
        if (!started.ok()) return event.fail(started.error());
        handle.engine = std::move(started.value());
        handle.engine->set_store_request_sink(store_request_sink(environment, handle.id));
        handle.engine->set_head_state_sink(head_state_sink(environment, handle.id));
        handle.engine->set_replica_seal_sink(replica_seal_sink(environment, handle.id));
        handle.engine->set_host_lost_sink(host_lost_sink(environment, handle.id));
        event.succeed();
      });
  return Napi::Number::New(info.Env(), handle.id);
}

// (engine, op)
Napi::Value engine_close(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  OperationEvent& event = begin(info);
  EngineHandle* const handle = environment.find_engine(to_u32(info[0]));
  if (handle == nullptr) {
    event.succeed();
    return info.Env().Undefined();
  }
  handle->closing = true;
  event.settled = [&environment, id = handle->id](bool) { environment.remove_engine(id); };
  handle->thread->post([handle, &event] {
    handle->engine.reset();
    event.succeed();
  });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value engine_add_volume(const Napi::CallbackInfo& info) {
  const auto volume = info[2].As<Napi::Object>();
  engine::VolumeConfig config = to_volume_config(volume);
  OperationEvent& event = begin(info);
  if (!volume.Get("key").IsUndefined()) {
    const auto bytes = volume.Get("key").As<Napi::Uint8Array>();
    auto key = bdev::CryptKey::create({bytes.Data(), bytes.ElementLength()});
    if (!key.ok()) {
      event.fail(key.error());
      return info.Env().Undefined();
    }
    config.key = std::make_shared<bdev::CryptKey>(std::move(*key));
  }
  on_control_thread(info, event, [config](engine::Engine& engine, OperationEvent& ended) {
    finish(ended, engine.add_volume(config), from_volume_info);
  });
  return info.Env().Undefined();
}

// (engine, op, name)
Napi::Value engine_remove_volume(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.remove_volume(name));
                    });
  return info.Env().Undefined();
}

// Ends the operation when `begun` says that it never began; else its end has been, or will be, told.
void fail_unless(const Outcome& begun, OperationEvent& event) {
  if (!begun.ok()) event.fail(begun.error());
}

// (engine, op, nqn, hosts | undefined)
Napi::Value engine_set_hosts(const Napi::CallbackInfo& info) {
  const bool any = info[3].IsUndefined();
  std::vector<std::string> hosts;
  if (!any) hosts = to_texts(info[3]);
  on_control_thread(info, begin(info),
                    [nqn = to_text(info[2]), any, hosts](engine::Engine& engine, OperationEvent& event) {
                      fail_unless(engine.set_hosts(nqn, any, hosts, [&event] { event.succeed(); }), event);
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, state)
Napi::Value engine_set_ana_state(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [volume = to_text(info[2]), state = to_ana_state(info[3])](engine::Engine& engine,
                                                                               OperationEvent& event) {
                      fail_unless(engine.set_ana_state(volume, state, [&event] { event.succeed(); }), event);
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, NQN of a host)
Napi::Value engine_drop_host(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [volume = to_text(info[2]), host = to_text(info[3])](engine::Engine& engine, OperationEvent& event) {
        fail_unless(engine.drop_host(volume, host, [&event] { event.succeed(); }), event);
      });
  return info.Env().Undefined();
}

// (engine, op, nqn): [{nqn, keepAliveMs, silentMs, ending}]
Napi::Value engine_hosts(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [nqn = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      finish(event, engine.hosts(nqn), from_hosts);
                    });
  return info.Env().Undefined();
}

// (engine, op, name, limits)
Napi::Value engine_set_qos(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [name = to_text(info[2]), config = to_qos_config(info[3].As<Napi::Object>())](
          engine::Engine& engine, OperationEvent& event) { event.finish(engine.set_qos(name, config)); });
  return info.Env().Undefined();
}

// (engine, op, IOPS, depth); 0: none
Napi::Value engine_set_qos_budget(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [budget = bdev::qos::NodeBudget{to_count(info[2]), to_u32(info[3])}](
          engine::Engine& engine, OperationEvent& event) { event.finish(engine.set_qos_budget(budget)); });
  return info.Env().Undefined();
}

// (engine, op, {host, port, advertisedHosts, advertisedPort}); a listener keeps the process alive
Napi::Value engine_listen(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  OperationEvent& begun = begin(info);
  begun.settled = [&environment, id = to_u32(info[0])](bool ok) {
    EngineHandle* const handle = environment.find_engine(id);
    if (!ok || handle == nullptr) return;
    ++handle->listeners_count;
    environment.hold();
  };
  on_control_thread(
      info, begun,
      [config = to_listen_config(info[2].As<Napi::Object>())](engine::Engine& engine, OperationEvent& event) {
        auto bound = engine.listen(config);
        if (!bound.ok()) return event.fail(bound.error());
        event.value = [address = bound.value()](Napi::Env env) { return from_address(env, address); };
        event.succeed();
      });
  return info.Env().Undefined();
}

// (engine, the `stats` of volumes, whether with their latency) -> BigUint64Array, laid out as
// src/native/stats.ts reads it; undefined when the engine is closed
Napi::Value engine_stats(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  EngineHandle* const handle = environment.find_engine(to_u32(info[0]));
  if (handle == nullptr) return info.Env().Undefined();
  const auto volumes = info[1].As<Napi::Array>();
  const bool with_latency = info[2].As<Napi::Boolean>();

  const engine::Counters counters = handle->engine->counters();
  std::vector<uint64_t> words{counters.reactors.size(), counters.controllers, counters.keep_alive_timeouts,
                              environment.log_lines_dropped()};
  const engine::TransportCounters& tcp = counters.transport;
  words.insert(words.end(), {tcp.connections, tcp.connections_total, tcp.bytes_received, tcp.bytes_sent,
                             tcp.receives, tcp.sends, tcp.flushes, tcp.data_digest_errors});
  words.insert(words.end(), tcp.pdu_errors.begin(), tcp.pdu_errors.end());
  const bdev::qos::NodeStats node = handle->engine->qos_stats();
  words.insert(words.end(), {node.in_flight_units, node.waiting_volumes, node.guaranteed_iops,
                             node.rate_waits, node.depth_waits});
  for (const engine::ReactorCounters& reactor : counters.reactors) {
    words.insert(words.end(),
                 {reactor.turns, reactor.sleeps, reactor.messages, reactor.busy_ns, reactor.connections});
  }
  const uint32_t volumes_count = volumes.Length();
  const size_t words_count = words.size() + volumes_count * volume_stats_words(with_latency);
  const Napi::BigUint64Array array = Napi::BigUint64Array::New(info.Env(), words_count);
  // With ten thousand volumes these are 9 MB, and JavaScript waits: they are written where they will lie.
  uint64_t* const begin = const_cast<uint64_t*>(array.Data());
  uint64_t* end = std::copy(words.begin(), words.end(), begin);
  for (uint32_t i = 0; i < volumes_count; ++i) end = write_volume_stats(end, volumes.Get(i), with_latency);
  BALLAST_ASSERT(end == begin + words_count);
  return array;
}

}  // namespace

void export_engine_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("engineStart", Napi::Function::New(env, engine_start));
  exports.Set("engineClose", Napi::Function::New(env, engine_close));
  exports.Set("engineAddVolume", Napi::Function::New(env, engine_add_volume));
  exports.Set("engineRemoveVolume", Napi::Function::New(env, engine_remove_volume));
  exports.Set("engineSetHosts", Napi::Function::New(env, engine_set_hosts));
  exports.Set("engineSetAnaState", Napi::Function::New(env, engine_set_ana_state));
  exports.Set("engineDropHost", Napi::Function::New(env, engine_drop_host));
  exports.Set("engineHosts", Napi::Function::New(env, engine_hosts));
  exports.Set("engineSetQos", Napi::Function::New(env, engine_set_qos));
  exports.Set("engineSetQosBudget", Napi::Function::New(env, engine_set_qos_budget));
  exports.Set("engineListen", Napi::Function::New(env, engine_listen));
  exports.Set("engineStats", Napi::Function::New(env, engine_stats));
}

}  // namespace ballast::addon
