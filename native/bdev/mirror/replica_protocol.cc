#include "bdev/mirror/replica_protocol.h"

#include <algorithm>

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
