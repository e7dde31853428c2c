// Pools and what is in them: (engine, op, pool, ...), volumes and snapshots by name.
#include "addon/calls.h"
#include "addon/control_call.h"

namespace ballast::addon {
namespace {

// A verb of the pool table: `body(engine)` answers a Result, `convert` makes it JavaScript's.
template <typename Body, typename Convert>
Napi::Value answer(const Napi::CallbackInfo& info, Body body, Convert convert) {
  on_control_thread(info, begin(info),
                    [body = std::move(body), convert](engine::Engine& engine, OperationEvent& event) {
                      finish(event, body(engine), convert);
                    });
  return info.Env().Undefined();
}

template <typename Body>
Napi::Value act(const Napi::CallbackInfo& info, Body body) {
  on_control_thread(info, begin(info),
                    [body = std::move(body)](engine::Engine& engine, OperationEvent& event) {
                      event.finish(body(engine));
                    });
  return info.Env().Undefined();
}

// (engine, op, options)
Napi::Value pool_create(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [config = to_pool_config(info[2].As<Napi::Object>())](auto& e) { return e.pools().create(config); },
      from_pool_info);
}

// (engine, op, paths)
Napi::Value pool_open(const Napi::CallbackInfo& info) {
  return answer(
      info, [paths = to_texts(info[2])](auto& e) { return e.pools().open(paths); }, from_pool_info);
}

// (engine, op, pool, exported)
Napi::Value pool_close(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2]), exported = info[3].ToBoolean().Value()](auto& e) {
    return e.close_pool(pool, exported);
  });
}

// (engine, op, pool)
Napi::Value pool_destroy(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2])](auto& e) { return e.pools().destroy(pool); });
}

// (engine, op, pool, device)
Napi::Value pool_add_device(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), device = to_pool_device(info[3].As<Napi::Object>())](auto& e) {
        return e.pools().add_device(pool, device);
      },
      from_pool_info);
}

// (engine, op, pool)
Napi::Value pool_info(const Napi::CallbackInfo& info) {
  return answer(
      info, [pool = to_text(info[2])](auto& e) { return e.pools().info(pool); }, from_pool_info);
}

// (engine, op, pool, over-commitment, reserve)
Napi::Value pool_set_policy(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), policy = bdev::pool::PoolPolicy{to_u32(info[3]), to_u32(info[4])}](auto& e) {
        return e.pools().set_policy(pool, policy);
      },
      from_pool_info);
}

// (engine, op, pool, bytes per second)
Napi::Value pool_start_scrub(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2]), rate = to_u64(info[3])](auto& e) {
    return e.pools().start_scrub(pool, rate);
  });
}

// (engine, op, pool)
Napi::Value pool_stop_scrub(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2])](auto& e) { return e.pools().stop_scrub(pool); });
}

// (engine, op, paths, repair, discard what is damaged)
Napi::Value pool_check(const Napi::CallbackInfo& info) {
  bdev::pool::CheckOptions options;
  options.repair = info[3].ToBoolean().Value();
  options.discard_damaged = info[4].ToBoolean().Value();
  return answer(
      info, [paths = to_texts(info[2]), options](auto& e) { return e.pools().check(paths, options); },
      from_check_report);
}

// (engine, op, pool)
Napi::Value pool_volumes(const Napi::CallbackInfo& info) {
  return answer(
      info, [pool = to_text(info[2])](auto& e) { return e.pools().volumes(pool); }, from_pool_volumes);
}

// (engine, op, pool, volume or '')
Napi::Value pool_allocations(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3])](auto& e) {
        return e.pools().allocations(pool, volume);
      },
      from_pool_allocations);
}

// (engine, op, pool, options)
Napi::Value pool_create_volume(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), config = to_pool_volume_config(info[3].As<Napi::Object>())](auto& e) {
        return e.pools().create_volume(pool, config);
      },
      from_pool_volume);
}

// (engine, op, pool, volume, snapshot, options)
Napi::Value pool_clone_volume(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3]), snapshot = to_text(info[4]),
       config = to_pool_volume_config(info[5].As<Napi::Object>())](auto& e) {
        return e.pools().clone_volume(pool, volume, snapshot, config);
      },
      from_pool_volume);
}

// (engine, op, pool, volume, bytes)
Napi::Value pool_resize_volume(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3]), bytes = to_u64(info[4])](auto& e) {
        return e.resize_pool_volume(pool, volume, bytes);
      },
      from_pool_volume);
}

// (engine, op, pool, volume, name)
Napi::Value pool_rename_volume(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3]), name = to_text(info[4])](auto& e) {
        return e.pools().rename_volume(pool, volume, name);
      },
      from_pool_volume);
}

// (engine, op, pool, volume, snapshot, now)
Napi::Value pool_revert_volume(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3]), snapshot = to_text(info[4]),
       now = to_u64(info[5])](auto& e) { return e.pools().revert_volume(pool, volume, snapshot, now); },
      from_pool_volume);
}

// (engine, op, pool, volume, erase)
Napi::Value pool_delete_volume(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2]), volume = to_text(info[3]), erase = info[4].ToBoolean().Value()](
                       auto& e) { return e.pools().delete_volume(pool, volume, erase); });
}

// (engine, op, pool, volume, wrapped key)
Napi::Value pool_set_volume_key(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2]), volume = to_text(info[3]), key = to_bytes(info[4])](auto& e) {
    return e.pools().set_volume_key(pool, volume, key);
  });
}

// (engine, op, pool, volume)
Napi::Value pool_snapshots(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), volume = to_text(info[3])](auto& e) {
        return e.pools().snapshots(pool, volume);
      },
      from_pool_snapshots);
}

// (engine, op, pool, snapshots, now)
Napi::Value pool_create_snapshots(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), configs = to_pool_snapshots(info[3]), now = to_u64(info[4])](auto& e) {
        return e.pools().create_snapshots(pool, configs, now);
      },
      from_pool_snapshots);
}

// (engine, op, pool, volume, snapshot)
Napi::Value pool_delete_snapshot(const Napi::CallbackInfo& info) {
  return act(info, [pool = to_text(info[2]), volume = to_text(info[3]), snapshot = to_text(info[4])](
                       auto& e) { return e.pools().delete_snapshot(pool, volume, snapshot); });
}

// (engine, op, pool, options)
Napi::Value pool_ranges(const Napi::CallbackInfo& info) {
  return answer(
      info,
      [pool = to_text(info[2]), config = to_pool_ranges(info[3].As<Napi::Object>())](auto& e) {
        return e.pools().ranges(pool, config);
      },
      from_pool_ranges);
}

// (engine) -> [pages read, pages in all] of the check under way; undefined when the engine is closed
Napi::Value pool_check_progress(const Napi::CallbackInfo& info) {
  EngineHandle* const handle = Environment::of(info.Env()).find_engine(to_u32(info[0]));
  if (handle == nullptr) return info.Env().Undefined();
  const bdev::pool::WalkProgress& progress = handle->engine->pools().check_progress();
  Napi::BigUint64Array array = Napi::BigUint64Array::New(info.Env(), 2);
  array.Data()[0] = progress.pages_read.load(std::memory_order_relaxed);
  array.Data()[1] = progress.pages_count.load(std::memory_order_relaxed);
  return array;
}

}  // namespace

void export_pool_calls(Napi::Env env, Napi::Object exports) {
  const auto set = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call));
  };
  set("poolCreate", pool_create);
  set("poolOpen", pool_open);
  set("poolClose", pool_close);
  set("poolDestroy", pool_destroy);
  set("poolAddDevice", pool_add_device);
  set("poolInfo", pool_info);
  set("poolSetPolicy", pool_set_policy);
  set("poolStartScrub", pool_start_scrub);
  set("poolStopScrub", pool_stop_scrub);
  set("poolCheck", pool_check);
  set("poolCheckProgress", pool_check_progress);
  set("poolVolumes", pool_volumes);
  set("poolAllocations", pool_allocations);
  set("poolCreateVolume", pool_create_volume);
  set("poolCloneVolume", pool_clone_volume);
  set("poolResizeVolume", pool_resize_volume);
  set("poolRenameVolume", pool_rename_volume);
  set("poolRevertVolume", pool_revert_volume);
  set("poolDeleteVolume", pool_delete_volume);
  set("poolSetVolumeKey", pool_set_volume_key);
  set("poolSnapshots", pool_snapshots);
  set("poolCreateSnapshots", pool_create_snapshots);
  set("poolDeleteSnapshot", pool_delete_snapshot);
  set("poolRanges", pool_ranges);
}

}  // namespace ballast::addon
