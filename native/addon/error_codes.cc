#include "addon/error_codes.h"

namespace ballast::addon {

const char* error_code(Errc errc) {
  switch (errc) {
    case Errc::ok: return "";
    case Errc::invalid_argument: return "INVALID_ARGUMENT";
    case Errc::already_exists: return "ALREADY_EXISTS";
    case Errc::not_found: return "NOT_FOUND";
    case Errc::permission_denied: return "PERMISSION_DENIED";
    case Errc::address_in_use: return "ADDRESS_IN_USE";
    case Errc::address_unavailable: return "ADDRESS_UNAVAILABLE";
    case Errc::connection_refused: return "CONNECTION_REFUSED";
    case Errc::connection_lost: return "CONNECTION_LOST";
    case Errc::timed_out: return "TIMED_OUT";
    case Errc::is_a_directory: return "IS_A_DIRECTORY";
    case Errc::in_use: return "IN_USE";
    case Errc::no_space: return "NO_SPACE";
    case Errc::no_memory: return "NO_MEMORY";
    case Errc::too_many: return "TOO_MANY";
    case Errc::unsupported: return "UNSUPPORTED";
    case Errc::io_error: return "IO_ERROR";
    case Errc::shutting_down: return "SHUTTING_DOWN";
    case Errc::aborted: return "ABORTED";
    case Errc::protocol_error: return "PROTOCOL_ERROR";
    case Errc::refused_by_peer: return "REFUSED_BY_PEER";
  }
  return "IO_ERROR";
}

}  // namespace ballast::addon
