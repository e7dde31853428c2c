#include "bdev/mirror/replica_protocol.h"

#include <algorithm>

#include "base/assert.h"

namespace ballast::bdev::mirror {
namespace {

bool is_zero(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

const char* refusal_text(Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return "not refused";
    case Refusal::fenced: return "fenced: another head, or a later session of this one, has sealed it";
    case Refusal::not_sealed: return "not sealed by this association";
    case Refusal::wrong_replica: return "a replica of another volume, or of another block size or size";
    case Refusal::no_slot: return "it notes what seven absent members miss already";
    case Refusal::unusable: return "its metadata was lost";
    case Refusal::exists: return "it has a snapshot of this name or UUID";
    case Refusal::no_snapshot: return "it has no such snapshot";
  }
  return "unknown";
}

std::optional<SealRequest> parse_seal_request(ByteSpan bytes) {
  if (bytes.size() != k_protocol_bytes || !is_zero(bytes.subspan(sizeof(SealRequest)))) return std::nullopt;
  const auto request = load<SealRequest>(bytes);
  if (request.version != k_protocol_version) return std::nullopt;
  if (request.epoch == 0 || request.sealed_epoch > request.epoch || request.session == 0 ||
      request.head_uuid.is_nil() || request.volume_uuid.is_nil())
    return std::nullopt;
  return request;
}

std::string_view SnapshotRequest::name_text() const { return {name.begin(), std::ranges::find(name, '\0')}; }

bool is_snapshot_name(std::string_view name) {
  return !name.empty() && name.size() <= SnapshotRequest::k_name_bytes_max && name.find('\0') == name.npos;
}

SnapshotRequest snapshot_request(const Uuid& uuid, uint64_t created_at_s, std::string_view name) {
  BALLAST_ASSERT(!uuid.is_nil() && is_snapshot_name(name));
  SnapshotRequest request{.uuid = uuid, .created_at_s = created_at_s};
  std::ranges::copy(name, request.name.begin());
  return request;
}

std::optional<SnapshotRequest> parse_snapshot_request(ByteSpan bytes) {
  if (bytes.size() != k_protocol_bytes || !is_zero(bytes.subspan(sizeof(SnapshotRequest)))) {
    return std::nullopt;
  }
  const auto request = load<SnapshotRequest>(bytes);
  const size_t size = request.name_text().size();
  const auto behind = bytes.subspan(offsetof(SnapshotRequest, name) + size);
  if (request.uuid.is_nil() || size == 0 || !is_zero(behind)) return std::nullopt;
  return request;
}

std::optional<RegionList> parse_region_list(ByteSpan bytes, uint64_t regions_count) {
  if (bytes.size() != k_protocol_bytes) return std::nullopt;
  const auto list = load<RegionList>(bytes);
  if (list.reserved != 0 || list.count > RegionList::k_regions_max) return std::nullopt;
  for (uint32_t i = 0; i < list.count; ++i) {
    if (list.regions[i] >= regions_count) return std::nullopt;
    if (i > 0 && list.regions[i] <= list.regions[i - 1]) return std::nullopt;
  }
  if (!is_zero(bytes.subspan(offsetof(RegionList, regions) + list.count * sizeof(uint32_t)))) {
    return std::nullopt;
  }
  return list;
}

std::optional<AbsentRequest> parse_absent_request(ByteSpan bytes, uint64_t granules_count) {
  if (bytes.size() != k_protocol_bytes) return std::nullopt;
  const auto request = load<AbsentRequest>(bytes);
  constexpr uint8_t k_flags = AbsentRequest::k_everything | AbsentRequest::k_copying;
  if (request.member_uuid.is_nil() || (request.flags & ~k_flags) != 0) return std::nullopt;
  if (!is_zero(request.reserved) || request.count > AbsentRequest::k_ranges_max) return std::nullopt;
  for (uint32_t i = 0; i < request.count; ++i) {
    const GranuleRange& range = request.ranges[i];
    if (range.count == 0 || range.count > granules_count) return std::nullopt;
    if (range.first > granules_count - range.count) return std::nullopt;
  }
  if (!is_zero(bytes.subspan(offsetof(AbsentRequest, ranges) + request.count * sizeof(GranuleRange)))) {
    return std::nullopt;
  }
  return request;
}

}  // namespace ballast::bdev::mirror
