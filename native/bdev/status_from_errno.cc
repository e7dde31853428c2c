#include "bdev/status_from_errno.h"

#include <cerrno>

namespace ballast::bdev {

Status status_from_errno(int error, bool is_read) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return Status::no_space;
    case EROFS:
    case EPERM:
    case EACCES: return Status::read_only;
    case ENODATA:  // what the kernel makes of a critical medium error
    case EILSEQ:   // and of a failed protection check
    case EBADMSG: return Status::media_error;
    case EAGAIN:
    case EINTR:
    case ENOMEM:
    case EBUSY: return Status::busy;
    case EINVAL: return Status::invalid;
    case ECANCELED: return Status::aborted;
    default: return is_read ? Status::media_error : Status::io_error;
  }
}

}  // namespace ballast::bdev
