#include "target/status_map.h"

namespace ballast::target {
namespace {

bool changes_medium(bdev::IoType type) {
  switch (type) {
    case bdev::IoType::write:
    case bdev::IoType::flush:
    case bdev::IoType::write_zeroes:
    case bdev::IoType::unmap:
    case bdev::IoType::compare_and_write:
    case bdev::IoType::copy: return true;
    case bdev::IoType::read:
    case bdev::IoType::compare:
    case bdev::IoType::verify:
    case bdev::IoType::read_allocation: return false;
  }
  return true;
}

}  // namespace

// Do Not Retry is set where the same command would fail again: a Linux host otherwise repeats it five times.
// It is clear where another path, or a moment later, may do better.
nvme::Status nvme_status(bdev::Status status, bdev::IoType type) {
  switch (status) {
    case bdev::Status::ok: return nvme::status::success;
    case bdev::Status::out_of_range: return nvme::status::lba_out_of_range.with_dnr();
    case bdev::Status::invalid: return nvme::status::invalid_field.with_dnr();
    case bdev::Status::unsupported: return nvme::status::invalid_opcode.with_dnr();
    case bdev::Status::read_only: return nvme::status::namespace_write_protected.with_dnr();
    case bdev::Status::compare_mismatch: return nvme::status::compare_failure.with_dnr();
    case bdev::Status::media_error:
      return changes_medium(type) ? nvme::status::write_fault : nvme::status::unrecovered_read_error;
    case bdev::Status::io_error: return nvme::status::internal_error;
    case bdev::Status::no_space: return nvme::status::capacity_exceeded.with_dnr();
    case bdev::Status::aborted: return nvme::status::abort_requested;
    case bdev::Status::fenced: return nvme::status::ana_inaccessible;
    case bdev::Status::busy: return nvme::status::namespace_not_ready;
  }
  return nvme::status::internal_error;
}

}  // namespace ballast::target
