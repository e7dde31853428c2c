// Replicas, and what heads of mirrored volumes want of the store. A mirrored volume itself is added as others
// are, in engine_calls.cc.
#include "addon/calls.h"
#include "addon/control_call.h"
#include "addon/convert.h"
#include "addon/mirror_values.h"

namespace ballast::addon {
namespace {

// (engine, op, replica)
Napi::Value replica_add(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [config = to_replica_config(info[2].As<Napi::Object>())](engine::Engine& engine,
                                                                             OperationEvent& event) {
                      finish(event, engine.add_replica(config), from_replica_info);
                    });
  return info.Env().Undefined();
}

// (engine, op, name)
Napi::Value replica_remove(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.remove_replica(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, name)
Napi::Value replica_info(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      finish(event, engine.replica_info(name), from_replica_info);
                    });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_info(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      finish(event, engine.mirror_info(name), from_mirror_info);
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, mirror)
Napi::Value mirror_promote(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2]), config = to_mirror_config(info[3].As<Napi::Object>())](
                        engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.promote_mirror(name, config));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, member)
Napi::Value mirror_add_member(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2]), member = to_mirror_member(info[3].As<Napi::Object>())](
                        engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.add_mirror_member(name, member));
                    });
  return info.Env().Undefined();
}

// (engine, op, volumes)
Napi::Value mirror_begin_demotions(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [names = to_texts(info[2])](engine::Engine& engine, OperationEvent& event) {
                      engine.begin_demotions(names);
                      event.finish(Outcome(Unit{}));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_demote(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.demote_mirror(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, uuid)
Napi::Value mirror_remove_member(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [name = to_text(info[2]), replica = to_uuid(info[3])](engine::Engine& engine, OperationEvent& event) {
        event.finish(engine.remove_mirror_member(name, replica));
      });
  return info.Env().Undefined();
}

// (engine, op, volume, sizeBytes)
Napi::Value mirror_grow(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [name = to_text(info[2]), size_bytes = to_u64(info[3])](engine::Engine& engine, OperationEvent& event) {
        event.finish(engine.grow_mirror(name, size_bytes));
      });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_resize(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      finish(event, engine.resize_mirror(name), [](Napi::Env env, uint64_t size_bytes) {
                        return Napi::Value(Napi::BigInt::New(env, size_bytes));
                      });
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, uuid, name, createdAt in seconds)
Napi::Value mirror_snapshot(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [volume = to_text(info[2]), uuid = to_uuid(info[3]), name = to_text(info[4]),
                     now_s = to_u64(info[5])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.snapshot_mirror(volume, uuid, name, now_s));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, uuid)
Napi::Value mirror_delete_snapshot(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [volume = to_text(info[2]), uuid = to_uuid(info[3])](engine::Engine& engine, OperationEvent& event) {
        event.finish(engine.delete_mirror_snapshot(volume, uuid));
      });
  return info.Env().Undefined();
}

// (engine, op, volume, uuid of the snapshot, of the replica that has it, of the one that lacks it, of those
// snapshots that may be below it)
Napi::Value mirror_carry_snapshot(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [volume = to_text(info[2]), snapshot = to_uuid(info[3]), from = to_uuid(info[4]), to = to_uuid(info[5]),
       bases = to_uuids(info[6])](engine::Engine& engine, OperationEvent& event) {
        event.finish(engine.carry_mirror_snapshot(volume, snapshot, from, to, bases));
      });
  return info.Env().Undefined();
}

// (engine, op, volume, uuid of the replica)
Napi::Value mirror_member_snapshots(const Napi::CallbackInfo& info) {
  on_control_thread(
      info, begin(info),
      [volume = to_text(info[2]), replica = to_uuid(info[3])](engine::Engine& engine, OperationEvent& event) {
        engine.list_mirror_snapshots(
            volume, replica, [&event](Result<std::optional<std::vector<Uuid>>> found) {
              finish(event, std::move(found),
                     [](Napi::Env env, const std::optional<std::vector<Uuid>>& uuids) {
                       return uuids ? from_uuids(env, *uuids) : env.Undefined();
                     });
            });
      });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_cancel_carry(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.cancel_mirror_carry(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_start_verify(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.start_mirror_verify(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume)
Napi::Value mirror_cancel_verify(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2])](engine::Engine& engine, OperationEvent& event) {
                      event.finish(engine.cancel_mirror_verify(name));
                    });
  return info.Env().Undefined();
}

// (engine, op, volume, bytesPerSecond)
Napi::Value mirror_set_resync_rate(const Napi::CallbackInfo& info) {
  on_control_thread(info, begin(info),
                    [name = to_text(info[2]), bytes_per_s = to_u64(info[3])](engine::Engine& engine,
                                                                             OperationEvent& event) {
                      event.finish(engine.set_mirror_resync_rate(name, bytes_per_s));
                    });
  return info.Env().Undefined();
}

// (engine, volume, kind, record | undefined). Not by the control thread, which may be waiting for this: it
// ends a head that ends when it is answered.
Napi::Value mirror_answer_store(const Napi::CallbackInfo& info) {
  EngineHandle* const handle = Environment::of(info.Env()).find_engine(to_u32(info[0]));
  if (handle != nullptr) {
    handle->engine->answer_store(to_text(info[1]), to_store_answer(info[2], info[3]));
  }
  return info.Env().Undefined();
}

}  // namespace

engine::StoreRequestSink store_request_sink(Environment& environment, uint32_t engine_id) {
  return [&environment, engine_id](engine::StoreRequest request) {
    environment.post(*new NoticeEvent(environment, [engine_id, request = std::move(request)](Napi::Env env) {
      return tuple(env, "store", engine_id, request.volume, Napi::BigInt::New(env, request.expected_revision),
                   from_record(env, request.wanted));
    }));
  };
}

engine::HeadStateSink head_state_sink(Environment& environment, uint32_t engine_id) {
  return [&environment, engine_id](const std::string& volume, const std::string& state) {
    environment.post(*new NoticeEvent(environment, [engine_id, volume, state](Napi::Env env) {
      return tuple(env, "head", engine_id, volume, state);
    }));
  };
}

engine::ReplicaSealSink replica_seal_sink(Environment& environment, uint32_t engine_id) {
  return [&environment, engine_id](const std::string& replica, bool is_sealed) {
    environment.post(*new NoticeEvent(environment, [engine_id, replica, is_sealed](Napi::Env env) {
      return tuple(env, "seal", engine_id, replica, is_sealed);
    }));
  };
}

engine::HostLostSink host_lost_sink(Environment& environment, uint32_t engine_id) {
  return [&environment, engine_id](const target::LostHost& host) {
    environment.post(*new NoticeEvent(environment, [engine_id, host](Napi::Env env) {
      return tuple(env, "lost", engine_id, host.subsystem_nqn, host.nqn, host.keep_alive_ms,
                   static_cast<double>(host.silent_ns / k_ns_per_ms));
    }));
  };
}

void export_mirror_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("replicaAdd", Napi::Function::New(env, replica_add));
  exports.Set("replicaRemove", Napi::Function::New(env, replica_remove));
  exports.Set("replicaInfo", Napi::Function::New(env, replica_info));
  exports.Set("mirrorInfo", Napi::Function::New(env, mirror_info));
  exports.Set("mirrorPromote", Napi::Function::New(env, mirror_promote));
  exports.Set("mirrorBeginDemotions", Napi::Function::New(env, mirror_begin_demotions));
  exports.Set("mirrorDemote", Napi::Function::New(env, mirror_demote));
  exports.Set("mirrorAddMember", Napi::Function::New(env, mirror_add_member));
  exports.Set("mirrorRemoveMember", Napi::Function::New(env, mirror_remove_member));
  exports.Set("mirrorGrow", Napi::Function::New(env, mirror_grow));
  exports.Set("mirrorResize", Napi::Function::New(env, mirror_resize));
  exports.Set("mirrorSnapshot", Napi::Function::New(env, mirror_snapshot));
  exports.Set("mirrorDeleteSnapshot", Napi::Function::New(env, mirror_delete_snapshot));
  exports.Set("mirrorCarrySnapshot", Napi::Function::New(env, mirror_carry_snapshot));
  exports.Set("mirrorMemberSnapshots", Napi::Function::New(env, mirror_member_snapshots));
  exports.Set("mirrorCancelCarry", Napi::Function::New(env, mirror_cancel_carry));
  exports.Set("mirrorSetResyncRate", Napi::Function::New(env, mirror_set_resync_rate));
  exports.Set("mirrorStartVerify", Napi::Function::New(env, mirror_start_verify));
  exports.Set("mirrorCancelVerify", Napi::Function::New(env, mirror_cancel_verify));
  exports.Set("mirrorAnswerStore", Napi::Function::New(env, mirror_answer_store));
}

}  // namespace ballast::addon
