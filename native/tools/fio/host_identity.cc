#include "tools/fio/host_identity.h"

#include <sys/random.h>

#include <string_view>

namespace ballast::fio {
namespace {

constexpr std::string_view k_uuid_nqn_prefix = "nqn.2014-08.org.nvmexpress:uuid:";

// RFC 9562, version 4.
Uuid random_uuid() {
  Uuid uuid;
  static_cast<void>(!getrandom(uuid.bytes.data(), uuid.bytes.size(), 0));
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace

Result<HostIdentity> host_identity(const std::string& nqn, const std::string& id) {
  static const Uuid of_this_process = random_uuid();
  Uuid uuid = of_this_process;
  if (!id.empty()) {
    const auto parsed = Uuid::parse(id);
    if (!parsed || parsed->is_nil()) {
      return Error{Errc::invalid_argument, "hostid=" + id + " is not a UUID"};
    }
    uuid = *parsed;
  } else if (!nqn.empty()) {
    const bool is_uuid_nqn = nqn.starts_with(k_uuid_nqn_prefix);
    const auto parsed =
        is_uuid_nqn ? Uuid::parse(std::string_view(nqn).substr(k_uuid_nqn_prefix.size())) : std::nullopt;
    if (!parsed)
      return Error{Errc::invalid_argument, "hostnqn=" + nqn + " has no UUID, so hostid= is needed"};
    uuid = *parsed;
  }
  return HostIdentity{nqn.empty() ? std::string(k_uuid_nqn_prefix) + uuid.text() : nqn, uuid};
}

}  // namespace ballast::fio
