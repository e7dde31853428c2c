#include "base/errc.h"

#include <cerrno>

namespace ballast {

const char* errc_text(Errc errc) noexcept {
  switch (errc) {
    case Errc::ok: return "ok";
    case Errc::invalid_argument: return "invalid argument";
    case Errc::already_exists: return "already exists";
    case Errc::not_found: return "not found";
    case Errc::permission_denied: return "permission denied";
    case Errc::address_in_use: return "address in use";
    case Errc::address_unavailable: return "address unavailable";
    case Errc::connection_refused: return "connection refused";
    case Errc::connection_lost: return "connection lost";
    case Errc::timed_out: return "timed out";
    case Errc::is_a_directory: return "is a directory";
    case Errc::in_use: return "in use";
    case Errc::no_space: return "no space";
    case Errc::no_memory: return "out of memory";
    case Errc::too_many: return "limit reached";
    case Errc::unsupported: return "unsupported";
    case Errc::io_error: return "I/O error";
    case Errc::shutting_down: return "shutting down";
    case Errc::aborted: return "aborted";
    case Errc::protocol_error: return "protocol error";
    case Errc::refused_by_peer: return "refused by peer";
  }
  return "unknown error";
}

Errc errc_from_errno(int error) noexcept {
  switch (error) {
    case 0: return Errc::ok;
    case EINVAL: return Errc::invalid_argument;
    case EEXIST: return Errc::already_exists;
    case ENOENT:
    case ENXIO:
    case ENODEV: return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS: return Errc::permission_denied;
    case EADDRINUSE: return Errc::address_in_use;
    case EADDRNOTAVAIL:
    case ENETUNREACH:
    case EHOSTUNREACH: return Errc::address_unavailable;
    case ECONNREFUSED: return Errc::connection_refused;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED: return Errc::connection_lost;
    case ETIMEDOUT: return Errc::timed_out;
    case EISDIR: return Errc::is_a_directory;
    case EBUSY:
    case EWOULDBLOCK: return Errc::in_use;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case ENOMEM:
    case ENOBUFS: return Errc::no_memory;
    case EMFILE:
    case ENFILE: return Errc::too_many;
    case EOPNOTSUPP:
    case ENOSYS: return Errc::unsupported;
    case ECANCELED: return Errc::aborted;
    default: return Errc::io_error;
  }
}

}  // namespace ballast
