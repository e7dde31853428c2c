#include "transport/transport.h"

namespace ballast::transport {

const char* close_reason_text(CloseReason reason) {
  switch (reason) {
    case CloseReason::peer_closed: return "closed by peer";
    case CloseReason::protocol_error: return "protocol error";
    case CloseReason::peer_terminated: return "terminated by peer";
    case CloseReason::timed_out: return "timed out";
    case CloseReason::local_request: return "closed";
    case CloseReason::no_memory: return "out of memory";
  }
  return "unknown";
}

}  // namespace ballast::transport
