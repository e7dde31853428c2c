#include "tools/fio/status_errno.h"

#include <cerrno>

namespace ballast::fio {
namespace {

struct Row {
  nvme::Status status;
  int error;
};
constexpr Row k_rows[] = {
    {nvme::status::invalid_opcode, EOPNOTSUPP},
    {nvme::status::invalid_field, EOPNOTSUPP},
    {nvme::status::invalid_namespace_or_format, ENXIO},
    {nvme::status::namespace_write_protected, EROFS},
    {nvme::status::lba_out_of_range, EREMOTEIO},
    {nvme::status::capacity_exceeded, ENOSPC},
    {nvme::status::reservation_conflict, EBADE},
    {nvme::status::write_fault, ENODATA},
    {nvme::status::unrecovered_read_error, ENODATA},
    {nvme::status::access_denied, EACCES},
    {nvme::status::host_pathing_error, ENOLINK},
    {nvme::status::internal_path_error, ENOLINK},
    {nvme::status::ana_persistent_loss, ENOLINK},
    {nvme::status::ana_inaccessible, ENOLINK},
    {nvme::status::ana_transition, ENOLINK},
};

}  // namespace

int errno_of(nvme::Status status) {
  if (status.ok()) return 0;
  for (const Row& row : k_rows) {
    if (status.is(row.status)) return row.error;
  }
  return EIO;
}

int errno_of(Errc errc) {
  switch (errc) {
    case Errc::ok: return 0;
    case Errc::invalid_argument: return EINVAL;
    case Errc::not_found: return ENXIO;
    case Errc::permission_denied: return EACCES;
    case Errc::address_unavailable: return EHOSTUNREACH;
    case Errc::connection_refused: return ECONNREFUSED;
    case Errc::connection_lost: return ECONNRESET;
    case Errc::timed_out: return ETIMEDOUT;
    case Errc::no_memory: return ENOMEM;
    case Errc::unsupported: return EOPNOTSUPP;
    case Errc::aborted: return ECANCELED;
    case Errc::protocol_error: return EPROTO;
    case Errc::refused_by_peer: return ECONNABORTED;
    default: return EIO;
  }
}

}  // namespace ballast::fio
