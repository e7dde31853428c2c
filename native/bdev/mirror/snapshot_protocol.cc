#include "bdev/mirror/snapshot_protocol.h"

#include <algorithm>

namespace ballast::bdev::mirror {
namespace {

using Name = std::array<char, SnapshotRequest::k_name_bytes_max>;

bool is_zero(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

std::string_view text_of(const Name& name) { return {name.begin(), std::ranges::find(name, '\0')}; }

// 1 to 64 bytes, then zeroes.
bool is_name(const Name& name) {
  const size_t size = text_of(name).size();
  return size > 0 && std::all_of(name.begin() + size, name.end(), [](char byte) { return byte == 0; });
}

bool is_size(uint64_t bytes) { return bytes != 0 && bytes % ReplicaLayout::k_granule_bytes == 0; }

}  // namespace

std::string_view SnapshotEntry::name_text() const { return text_of(name); }
std::string_view ReceiveRequest::name_text() const { return text_of(name); }

std::optional<std::vector<SnapshotEntry>> parse_snapshot_list(ByteSpan bytes, bool& has_more) {
  if (bytes.size() != k_protocol_bytes) return std::nullopt;
  const auto list = load<SnapshotList>(bytes);
  if (list.count > SnapshotList::k_entries_max || list.has_more > 1 || !is_zero(list.reserved)) {
    return std::nullopt;
  }
  if (list.has_more == 1 && list.count == 0) return std::nullopt;
  if (!is_zero(bytes.subspan(offsetof(SnapshotList, entries) + list.count * sizeof(SnapshotEntry)))) {
    return std::nullopt;
  }
  std::vector<SnapshotEntry> entries(list.entries.begin(), list.entries.begin() + list.count);
  for (size_t i = 0; i < entries.size(); ++i) {
    const SnapshotEntry& entry = entries[i];
    if (entry.uuid.is_nil() || !is_name(entry.name) || !is_size(entry.size_bytes)) return std::nullopt;
    const auto is_same = [&entry](const SnapshotEntry& other) { return other.uuid == entry.uuid; };
    if (std::any_of(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(i), is_same)) {
      return std::nullopt;
    }
  }
  has_more = list.has_more == 1;
  return entries;
}

std::optional<SnapshotSelection> parse_snapshot_selection(ByteSpan bytes) {
  if (bytes.size() != k_protocol_bytes || !is_zero(bytes.subspan(sizeof(SnapshotSelection)))) {
    return std::nullopt;
  }
  const auto selection = load<SnapshotSelection>(bytes);
  if (selection.uuid.is_nil() || selection.since == selection.uuid) return std::nullopt;
  return selection;
}

std::optional<ReceiveRequest> parse_receive_request(ByteSpan bytes) {
  if (bytes.size() != k_protocol_bytes || !is_zero(bytes.subspan(sizeof(ReceiveRequest)))) {
    return std::nullopt;
  }
  const auto request = load<ReceiveRequest>(bytes);
  if (request.uuid.is_nil() || request.below == request.uuid) return std::nullopt;
  if (!is_name(request.name) || !is_size(request.size_bytes)) return std::nullopt;
  return request;
}

}  // namespace ballast::bdev::mirror
