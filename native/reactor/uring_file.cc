// The file half of UringBackend: what a FileOp becomes in the ring.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "reactor/uring_backend.h"

namespace ballast {
namespace {

// A disk that waits for the rest of a long turn is a disk that idles: with one submission a turn a file read
// at queue depth 32 had 0.8 of fio's IOPS, with one for each four it has them all (bench/pool.mjs).
constexpr uint32_t k_files_per_submission = 4;

const iovec* iovecs_of(const FileOp& op) { return reinterpret_cast<const iovec*>(op.data.data()); }

void prepare_read(io_uring_sqe& sqe, const FileOp& op, bool is_registered) {
  const Segment& first = op.data.front();
  if (op.data.size() > 1) {
    io_uring_prep_readv(&sqe, op.file, iovecs_of(op), static_cast<unsigned>(op.data.size()), op.offset);
  } else if (is_registered) {
    io_uring_prep_read_fixed(&sqe, op.file, first.base, static_cast<unsigned>(first.size_bytes), op.offset,
                             0);
  } else {
    io_uring_prep_read(&sqe, op.file, first.base, static_cast<unsigned>(first.size_bytes), op.offset);
  }
}

void prepare_write(io_uring_sqe& sqe, const FileOp& op, bool is_registered) {
  const Segment& first = op.data.front();
  if (op.data.size() > 1) {
    io_uring_prep_writev(&sqe, op.file, iovecs_of(op), static_cast<unsigned>(op.data.size()), op.offset);
  } else if (is_registered) {
    io_uring_prep_write_fixed(&sqe, op.file, first.base, static_cast<unsigned>(first.size_bytes), op.offset,
                              0);
  } else {
    io_uring_prep_write(&sqe, op.file, first.base, static_cast<unsigned>(first.size_bytes), op.offset);
  }
  if (op.kind == FileOp::Kind::write_durable) sqe.rw_flags = RWF_DSYNC;
}

void prepare_fallocate(io_uring_sqe& sqe, const FileOp& op, int mode) {
  io_uring_prep_fallocate(&sqe, op.file, mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(op.offset),
                          static_cast<off_t>(op.length_bytes));
}

void prepare_device_command(io_uring_sqe& sqe, const FileOp& op) {
  io_uring_prep_rw(IORING_OP_URING_CMD, &sqe, op.file, nullptr, 0, 0);
  sqe.cmd_op = static_cast<uint32_t>(op.offset);
  std::memcpy(sqe.cmd, op.data.front().base, k_device_argument_bytes);
}

}  // namespace

void UringBackend::submit(FileOp& op) {
  BALLAST_ASSERT(op.done != nullptr);
  BALLAST_ASSERT(op.data.size() <= k_file_segments_max);
  // Those that wait go first; the list is as long as what the submitters have in flight.
  if (!waiting_files_.empty() || !try_start(op)) return waiting_files_.push_back(&op);
  if (++unsubmitted_files_count_ < k_files_per_submission) return;
  unsubmitted_files_count_ = 0;
  ring_.submit();
}

bool UringBackend::try_start(FileOp& op) {
  const bool moves_data = op.kind == FileOp::Kind::read || op.kind == FileOp::Kind::write ||
                          op.kind == FileOp::Kind::write_durable;
  const bool is_command = op.kind == FileOp::Kind::device_command;
  BALLAST_ASSERT((moves_data || is_command) == !op.data.empty());
  BALLAST_ASSERT(!is_command || op.data.front().size_bytes == k_device_argument_bytes);
  const bool registered = moves_data && op.data.size() == 1 && is_registered(op.data.front());
  io_uring_sqe* const sqe = ring_.try_sqe();
  if (sqe == nullptr) return false;
  switch (op.kind) {
    case FileOp::Kind::read: prepare_read(*sqe, op, registered); break;
    case FileOp::Kind::write:
    case FileOp::Kind::write_durable: prepare_write(*sqe, op, registered); break;
    case FileOp::Kind::sync_data: io_uring_prep_fsync(sqe, op.file, IORING_FSYNC_DATASYNC); break;
    case FileOp::Kind::punch_hole: prepare_fallocate(*sqe, op, FALLOC_FL_PUNCH_HOLE); break;
    case FileOp::Kind::zero_range: prepare_fallocate(*sqe, op, FALLOC_FL_ZERO_RANGE); break;
    case FileOp::Kind::device_command: prepare_device_command(*sqe, op); break;
  }
  io_uring_sqe_set_data64(sqe, reinterpret_cast<uint64_t>(&op) | k_file_tag);
  return true;
}

// Registering pins the whole arena, so it waits for the first file I/O: a target of memory volumes never
// pays.
bool UringBackend::is_registered(const Segment& data) {
  const bool inside =
      data.base >= arena_.base && data.base + data.size_bytes <= arena_.base + arena_.size_bytes;
  if (!inside || registration_ == Registration::refused) return false;
  if (registration_ == Registration::done) return true;
  int error = 0;
  const bool done = ring_.register_memory(arena_.base, arena_.size_bytes, error);
  registration_ = done ? Registration::done : Registration::refused;
  if (!done) {
    log(LogLevel::warning, "reactor",
        "file I/O buffers are not registered (%s): each I/O pins its pages; raise RLIMIT_MEMLOCK to %zu "
        "bytes "
        "a reactor to avoid it",
        std::strerror(error), arena_.size_bytes);
  }
  return done;
}

}  // namespace ballast
