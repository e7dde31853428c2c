// Values of replicas and mirrored volumes, to JavaScript's and back; as convert.h, whose rules hold here.
#pragma once

#include <napi.h>

#include "engine/mirror_config.h"

namespace ballast::addon {

engine::ReplicaConfig to_replica_config(const Napi::Object& object);
engine::MirrorMemberConfig to_mirror_member(const Napi::Object& object);
engine::MirrorConfig to_mirror_config(const Napi::Object& object);
// `kind`: stored, differs or unavailable; `current` is a record but for the last.
engine::StoreAnswer to_store_answer(const Napi::Value& kind, const Napi::Value& current);

Napi::Value from_replica_info(Napi::Env env, const engine::ReplicaInfo& info);
Napi::Value from_mirror_info(Napi::Env env, const engine::MirrorInfo& info);
Napi::Value from_uuids(Napi::Env env, const std::vector<Uuid>& uuids);
Napi::Object from_record(Napi::Env env, const bdev::mirror::Record& record);

}  // namespace ballast::addon
