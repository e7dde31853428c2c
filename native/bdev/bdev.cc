#include "bdev/bdev.h"

namespace ballast::bdev {

const char* status_text(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::out_of_range: return "out of range";
    case Status::invalid: return "invalid";
    case Status::unsupported: return "unsupported";
    case Status::read_only: return "read only";
    case Status::compare_mismatch: return "compare mismatch";
    case Status::media_error: return "media error";
    case Status::io_error: return "I/O error";
    case Status::no_space: return "no space";
    case Status::aborted: return "aborted";
    case Status::fenced: return "fenced";
    case Status::busy: return "busy";
  }
  return "unknown";
}

}  // namespace ballast::bdev
