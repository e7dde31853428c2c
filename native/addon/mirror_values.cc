#include "addon/mirror_values.h"

#include "addon/convert.h"
#include "base/assert.h"

namespace ballast::addon {
namespace {

Napi::BigInt big(Napi::Env env, uint64_t number) { return Napi::BigInt::New(env, number); }
double count(uint64_t number) { return static_cast<double>(number); }

bdev::mirror::Content to_content(const Napi::Value& value) {
  const std::string text = to_text(value);
  BALLAST_ASSERT(text == "complete" || text == "partial" || text == "nothing");
  if (text == "complete") return bdev::mirror::Content::complete;
  return text == "partial" ? bdev::mirror::Content::partial : bdev::mirror::Content::nothing;
}

const char* content_text(bdev::mirror::Content content) {
  switch (content) {
    case bdev::mirror::Content::complete: return "complete";
    case bdev::mirror::Content::partial: return "partial";
    case bdev::mirror::Content::nothing: return "nothing";
  }
  return "nothing";
}

bdev::mirror::Record to_record(const Napi::Object& object) {
  bdev::mirror::Record record;
  record.revision = to_u64(object.Get("revision"));
  record.epoch = to_u64(object.Get("epoch"));
  record.head = to_uuid(object.Get("head"));
  record.head_stopped = object.Get("headStopped").ToBoolean();
  const auto members = object.Get("members").As<Napi::Array>();
  record.members_count = members.Length();
  BALLAST_ASSERT(record.members_count >= 1);
  BALLAST_ASSERT(record.members_count <= bdev::mirror::k_members_max);
  for (uint32_t i = 0; i < record.members_count; ++i) {
    const auto member = members.Get(i).As<Napi::Object>();
    record.members[i] = to_uuid(member.Get("uuid"));
    record.sealed_epoch[i] = to_u64(member.Get("sealedEpoch"));
    if (member.Get("inSync").ToBoolean()) record.in_sync.add(i);
  }
  BALLAST_ASSERT(!record.in_sync.empty());
  record.min_in_sync = to_u32(object.Get("minInSync"));
  record.block_size_bytes = to_u32(object.Get("blockSizeBytes"));
  record.blocks_count = to_u64(object.Get("blocksCount"));
  return record;
}

}  // namespace

engine::ReplicaConfig to_replica_config(const Napi::Object& object) {
  engine::ReplicaConfig config;
  config.name = to_text(object.Get("name"));
  config.path = to_text(object.Get("path"));
  config.pool = to_text(object.Get("pool"));
  config.volume = to_text(object.Get("volume"));
  config.size_bytes = to_u64(object.Get("sizeBytes"));
  config.block_size_bytes = to_u32(object.Get("blockSizeBytes"));
  config.uuid = to_uuid(object.Get("uuid"));
  config.volume_uuid = to_uuid(object.Get("volumeUuid"));
  config.content = to_content(object.Get("content"));
  config.hosts = to_texts(object.Get("hosts"));
  return config;
}

engine::MirrorMemberConfig to_mirror_member(const Napi::Object& object) {
  engine::MirrorMemberConfig member;
  member.uuid = to_uuid(object.Get("uuid"));
  member.local_replica = to_text(object.Get("replica"));
  member.address.host = to_text(object.Get("host"));
  member.address.port = static_cast<uint16_t>(to_u32(object.Get("port")));
  return member;
}

engine::MirrorConfig to_mirror_config(const Napi::Object& object) {
  engine::MirrorConfig config;
  config.is_head = object.Get("isHead").ToBoolean();
  const auto members = object.Get("members").As<Napi::Array>();
  for (uint32_t i = 0; i < members.Length(); ++i) {
    config.members.push_back(to_mirror_member(members.Get(i).As<Napi::Object>()));
  }
  config.record = to_record(object.Get("record").As<Napi::Object>());
  BALLAST_ASSERT(config.members.size() == config.record.members_count);
  config.node = to_uuid(object.Get("node"));
  config.host_nqn = to_text(object.Get("hostNqn"));
  config.host_id = to_uuid(object.Get("hostId"));
  config.lease_ms = to_u32(object.Get("leaseMs"));
  config.latency_budget_ms = to_u32(object.Get("latencyBudgetMs"));
  config.resync_bytes_per_s = to_u64(object.Get("resyncBytesPerSecond"));
  config.fail_below_min = object.Get("failBelowMin").ToBoolean();
  return config;
}

engine::StoreAnswer to_store_answer(const Napi::Value& kind, const Napi::Value& current) {
  const std::string text = to_text(kind);
  BALLAST_ASSERT(text == "stored" || text == "differs" || text == "unavailable");
  engine::StoreAnswer answer;
  if (text == "unavailable") return answer;
  answer.kind = text == "stored" ? engine::StoreAnswer::Kind::stored : engine::StoreAnswer::Kind::differs;
  answer.current = to_record(current.As<Napi::Object>());
  return answer;
}

Napi::Value from_replica_info(Napi::Env env, const engine::ReplicaInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("uuid", info.uuid.text());
  if (!info.volume_uuid.is_nil()) object.Set("volumeUuid", info.volume_uuid.text());
  object.Set("nqn", info.nqn);
  object.Set("sizeBytes", big(env, info.size_bytes));
  object.Set("sizeMaxBytes", big(env, info.size_max_bytes));
  object.Set("blockSizeBytes", info.block_size_bytes);
  object.Set("maxEpoch", big(env, info.max_epoch));
  object.Set("content", content_text(info.content));
  object.Set("unusable", info.is_unusable);
  object.Set("markedRegions", count(info.marked_regions));
  object.Set("absentMembers", count(info.absent.size()));
  Napi::Array absent = Napi::Array::New(env, info.absent.size());
  for (uint32_t i = 0; i < info.absent.size(); ++i) {
    Napi::Object member = Napi::Object::New(env);
    member.Set("uuid", info.absent[i].uuid.text());
    member.Set("sinceEpoch", big(env, info.absent[i].since_epoch));
    absent.Set(i, member);
  }
  object.Set("absent", absent);
  object.Set("sealed", info.is_sealed);
  return object;
}

Napi::Object from_record(Napi::Env env, const bdev::mirror::Record& record) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("revision", big(env, record.revision));
  object.Set("epoch", big(env, record.epoch));
  object.Set("head", record.head.text());
  object.Set("headStopped", record.head_stopped);
  Napi::Array members = Napi::Array::New(env, record.members_count);
  for (uint32_t i = 0; i < record.members_count; ++i) {
    Napi::Object member = Napi::Object::New(env);
    member.Set("uuid", record.members[i].text());
    member.Set("inSync", record.in_sync.has(i));
    member.Set("sealedEpoch", big(env, record.sealed_epoch[i]));
    members.Set(i, member);
  }
  object.Set("members", members);
  object.Set("minInSync", record.min_in_sync);
  object.Set("blockSizeBytes", record.block_size_bytes);
  object.Set("blocksCount", big(env, record.blocks_count));
  return object;
}

Napi::Value from_uuids(Napi::Env env, const std::vector<Uuid>& uuids) {
  Napi::Array list = Napi::Array::New(env, uuids.size());
  for (uint32_t i = 0; i < uuids.size(); ++i) list.Set(i, uuids[i].text());
  return list;
}

namespace {

Napi::Object from_verify_info(Napi::Env env, const engine::MirrorVerifyInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("state", info.state);
  object.Set("doneBytes", big(env, info.done_bytes));
  object.Set("totalBytes", big(env, info.total_bytes));
  object.Set("differentBytes", big(env, info.different_bytes));
  object.Set("unreadableBytes", big(env, info.unreadable_bytes));
  object.Set("unable", from_uuids(env, info.unable));
  Napi::Array differences = Napi::Array::New(env, info.differences.size());
  for (uint32_t i = 0; i < info.differences.size(); ++i) {
    Napi::Object one = Napi::Object::New(env);
    one.Set("offsetBytes", big(env, info.differences[i].offset_bytes));
    one.Set("sizeBytes", big(env, info.differences[i].size_bytes));
    one.Set("odd", from_uuids(env, info.differences[i].odd));
    differences.Set(i, one);
  }
  object.Set("differences", differences);
  return object;
}

Napi::Object from_snapshot_info(Napi::Env env, const engine::MirrorSnapshotInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("uuid", info.uuid.text());
  object.Set("state", info.state);
  if (!info.trouble.empty()) object.Set("trouble", info.trouble);
  object.Set("sizeBytes", big(env, info.size_bytes));
  object.Set("heldMs", static_cast<double>(info.held_ns) / 1e6);
  object.Set("members", from_uuids(env, info.members));
  return object;
}

Napi::Object from_carry_info(Napi::Env env, const engine::MirrorCarryInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("snapshot", info.snapshot.text());
  object.Set("from", info.from.text());
  object.Set("to", info.to.text());
  object.Set("state", info.state);
  if (!info.trouble.empty()) object.Set("trouble", info.trouble);
  object.Set("doneBytes", big(env, info.done_bytes));
  object.Set("totalBytes", big(env, info.total_bytes));
  object.Set("movedBytes", big(env, info.moved_bytes));
  return object;
}

Napi::Object from_removal_info(Napi::Env env, const engine::MirrorSnapshotRemovalInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("uuid", info.uuid.text());
  object.Set("running", info.is_running);
  object.Set("members", from_uuids(env, info.members));
  return object;
}

}  // namespace

Napi::Value from_mirror_info(Napi::Env env, const engine::MirrorInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("volume", info.volume);
  object.Set("state", info.state);
  object.Set("activity", info.activity);
  object.Set("record", from_record(env, info.record));
  object.Set("resyncBytesPerSecond", big(env, info.resync_bytes_per_s));
  object.Set("changing", info.is_changing);
  Napi::Array members = Napi::Array::New(env, info.members.size());
  for (uint32_t i = 0; i < info.members.size(); ++i) {
    const engine::MirrorMemberInfo& one = info.members[i];
    Napi::Object member = Napi::Object::New(env);
    member.Set("uuid", one.uuid.text());
    member.Set("state", one.state);
    if (!one.text.empty()) member.Set("text", one.text);
    member.Set("resyncDoneBytes", big(env, one.resync_done_bytes));
    member.Set("resyncTotalBytes", big(env, one.resync_total_bytes));
    members.Set(i, member);
  }
  object.Set("members", members);
  if (!info.change_trouble.empty()) object.Set("changeTrouble", info.change_trouble);
  if (info.verify) object.Set("verify", from_verify_info(env, *info.verify));
  if (info.snapshot) object.Set("snapshot", from_snapshot_info(env, *info.snapshot));
  if (info.snapshot_removal) {
    object.Set("snapshotRemoval", from_removal_info(env, *info.snapshot_removal));
  }
  if (info.carry) object.Set("carry", from_carry_info(env, *info.carry));
  object.Set("unreconciledRegions", count(info.unreconciled_regions));
  object.Set("markedRegions", count(info.marked_regions));
  return object;
}

}  // namespace ballast::addon
