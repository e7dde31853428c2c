// The errors that rooms below the protocol can meet: system calls, limits, arguments. 0 is ok.
// Rooms with errors of their own (bdev::Status, nvme::Status, tcp::FatalError) keep them; borders translate
// by table.
#pragma once

#include <cstdint>

namespace ballast {

enum class Errc : uint16_t {
  ok = 0,
  invalid_argument,     // an argument breaks a documented bound
  already_exists,       // a name, NQN or NSID is taken
  not_found,            // no such name, NQN, file or controller
  permission_denied,    // EACCES, EPERM
  address_in_use,       // EADDRINUSE
  address_unavailable,  // EADDRNOTAVAIL, or the host name has no address
  connection_refused,   // ECONNREFUSED
  connection_lost,      // peer closed or reset
  timed_out,            // a deadline passed
  is_a_directory,       // a file path names a directory
  in_use,               // another process or volume holds the device
  no_space,             // ENOSPC, EDQUOT
  no_memory,            // ENOMEM, or a bounded pool is empty
  too_many,             // a configured limit is reached
  unsupported,          // the kernel, device or peer cannot do it
  io_error,             // EIO and anything not listed
  shutting_down,        // the object is being closed
  aborted,              // the caller withdrew the request
  protocol_error,       // the peer broke the protocol
  refused_by_peer,      // the peer answered with an error status
};

// One of the words above with spaces, e.g. "address in use". Never null.
const char* errc_text(Errc errc) noexcept;

// errno (positive) to Errc; 0 is ok, anything unknown is io_error.
Errc errc_from_errno(int error) noexcept;

}  // namespace ballast
