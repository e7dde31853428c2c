// What each request of the kernel means for the device: the operations of the one file, whose number is that
// of the root.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "attach/fuse_session.h"
#include "base/bytes.h"
#include "base/log.h"

namespace ballast::attach {
namespace {

// The first version whose INIT is answered with all of fuse_init_out (Linux 3.15), long before io_uring.
constexpr uint32_t k_minor_min = 23;
constexpr uint32_t k_page_bytes = 4096;
// Without FUSE_MAX_PAGES (7.28) a request has at most 32 pages.
constexpr uint32_t k_pages_without_negotiation = 32;
// Discards that are no multiple of it do not come.
constexpr uint32_t k_status_block_bytes = 4096;

}  // namespace

uint64_t FuseSession::size_bytes() const {
  const bdev::Geometry& geometry = device_.geometry();
  return geometry.blocks_count * geometry.block_size_bytes;
}

bool FuseSession::is_aligned(uint64_t offset, uint64_t bytes) const {
  const uint32_t block_bytes = device_.geometry().block_size_bytes;
  return offset % block_bytes == 0 && bytes % block_bytes == 0 && bytes != 0;
}

// "FUSE_INIT": the newer side takes the version of the older one.
void FuseSession::initialize(Request& request) {
  fuse_init_in in{};
  std::memcpy(&in, request.head + sizeof(fuse_in_header), k_head_bytes - sizeof(fuse_in_header));
  if (minor_ != 0) return reply(request, EIO);
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = FUSE_KERNEL_MINOR_VERSION;
  if (in.major > FUSE_KERNEL_VERSION) return reply_with(request, out);  // it asks again, in our version
  if (in.major < FUSE_KERNEL_VERSION || in.minor < k_minor_min) {
    log(LogLevel::error, "attach", "the kernel speaks FUSE %u.%u; 7.%u is the least", in.major, in.minor,
        k_minor_min);
    return reply(request, EPROTO);
  }
  minor_ = std::min<uint32_t>(in.minor, FUSE_KERNEL_MINOR_VERSION);
  const uint32_t pages =
      (in.flags & FUSE_MAX_PAGES) != 0
          ? options_.transfer_bytes_max / k_page_bytes
          : std::min(options_.transfer_bytes_max / k_page_bytes, k_pages_without_negotiation);
  transfer_bytes_ = pages * k_page_bytes;
  out.minor = minor_;
  out.max_readahead = in.max_readahead;
  out.flags = in.flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES);
  out.max_background = options_.background_max;
  out.congestion_threshold = options_.background_max;
  out.max_write = transfer_bytes_;
  out.max_pages = static_cast<uint16_t>(pages);
  out.time_gran = 1;
  reply_with(request, out);
}

void FuseSession::open_file(Request& request) {
  const auto in = load<fuse_open_in>(ByteSpan(request.head + sizeof(fuse_in_header), sizeof(fuse_open_in)));
  if (options_.read_only && (in.flags & O_ACCMODE) != O_RDONLY) return reply(request, EROFS);
  fuse_open_out out{};
  out.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
  reply_with(request, out);
}

fuse_attr FuseSession::attributes() const {
  fuse_attr attributes{};
  attributes.ino = FUSE_ROOT_ID;
  attributes.size = size_bytes();
  attributes.blocks = attributes.size / 512;  // as stat(2) counts
  attributes.mode = S_IFREG | (options_.read_only ? 0400 : 0600);
  attributes.nlink = 1;
  attributes.blksize = device_.geometry().block_size_bytes;
  return attributes;
}

// Valid for no time: after a resize the next look sees it.
void FuseSession::get_attributes(Request& request) {
  fuse_attr_out out{};
  out.attr = attributes();
  reply_with(request, out);
}

void FuseSession::set_attributes(Request& request) {
  static_assert(offsetof(fuse_setattr_in, valid) == 0);
  const auto valid = load<uint32_t>(ByteSpan(request.head + sizeof(fuse_in_header), sizeof(uint32_t)));
  // Times are not kept; nothing else may be set.
  if ((valid & (FATTR_SIZE | FATTR_MODE | FATTR_UID | FATTR_GID)) != 0) return reply(request, EPERM);
  get_attributes(request);
}

void FuseSession::file_system_status(Request& request) {
  fuse_statfs_out out{};
  out.st.bsize = k_status_block_bytes;
  out.st.frsize = k_status_block_bytes;
  out.st.blocks = size_bytes() / k_status_block_bytes;
  out.st.namelen = 255;
  reply_with(request, out);
}

void FuseSession::read(Request& request) {
  const auto in = load<fuse_read_in>(ByteSpan(request.head + sizeof(fuse_in_header), sizeof(fuse_read_in)));
  if (in.size > transfer_bytes_ || !is_aligned(in.offset, in.size)) return reply(request, EINVAL);
  const uint64_t size = size_bytes();
  if (in.offset >= size) return reply(request, 0);  // nothing is there: the end of the file
  request.reply_bytes = static_cast<uint32_t>(std::min<uint64_t>(in.size, size - in.offset));
  submit(request, bdev::IoType::read, in.offset, request.reply_bytes);
}

void FuseSession::write(Request& request) {
  const auto in = load<fuse_write_in>(ByteSpan(request.head + sizeof(fuse_in_header), sizeof(fuse_write_in)));
  if (options_.read_only) return reply(request, EROFS);
  if (in.size != request.data_bytes || in.size > transfer_bytes_ || !is_aligned(in.offset, in.size)) {
    return reply(request, EINVAL);
  }
  const uint64_t size = size_bytes();
  if (in.offset > size || in.size > size - in.offset) return reply(request, ENOSPC);
  submit(request, bdev::IoType::write, in.offset, in.size);
}

// Both forms leave zeroes; a hole may lose its room, too.
void FuseSession::allocate(Request& request) {
  const auto in =
      load<fuse_fallocate_in>(ByteSpan(request.head + sizeof(fuse_in_header), sizeof(fuse_fallocate_in)));
  if (options_.read_only) return reply(request, EROFS);
  const bool is_hole = (in.mode & FALLOC_FL_PUNCH_HOLE) != 0;
  const bool is_zeroes = (in.mode & FALLOC_FL_ZERO_RANGE) != 0;
  if (is_hole == is_zeroes || (in.mode & FALLOC_FL_KEEP_SIZE) == 0 ||
      (in.mode & ~uint32_t{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}) != 0) {
    return reply(request, EOPNOTSUPP);
  }
  const uint64_t size = size_bytes();
  if (!is_aligned(in.offset, in.length) || in.offset > size || in.length > size - in.offset ||
      in.length / device_.geometry().block_size_bytes > UINT32_MAX) {
    return reply(request, EINVAL);
  }
  const bdev::Capabilities& can = device_.capabilities();
  if (is_hole ? can.unmap : can.write_zeroes) {
    submit(request, is_hole ? bdev::IoType::unmap : bdev::IoType::write_zeroes, in.offset, in.length);
  } else if (is_hole && can.write_zeroes) {
    submit(request, bdev::IoType::write_zeroes, in.offset, in.length);
  } else {
    reply(request, EOPNOTSUPP);
  }
}

// Without a volatile cache what was answered is on stable media already.
void FuseSession::synchronize(Request& request) {
  if (!device_.capabilities().volatile_write_cache) return reply(request, 0);
  submit(request, bdev::IoType::flush, 0, 0);
}

void FuseSession::submit(Request& request, bdev::IoType type, uint64_t offset, uint64_t bytes) {
  const uint32_t block_bytes = device_.geometry().block_size_bytes;
  bdev::Io& io = request.io;
  io.type = type;
  io.fua = false;
  io.lba = offset / block_bytes;
  io.blocks_count = static_cast<uint32_t>(bytes / block_bytes);
  request.io_data = {request.data.base, static_cast<size_t>(bytes)};
  io.data = {};
  if (type == bdev::IoType::read || type == bdev::IoType::write) io.data = {&request.io_data, 1};
  io.done = &FuseSession::io_done;
  io.context = &request;
  channel_->submit(io);
}

void FuseSession::io_done(bdev::Io& io, bdev::Status status) {
  Request& request = *static_cast<Request*>(io.context);
  FuseSession& session = *request.session;
  if (status == bdev::Status::ok && request.opcode == FUSE_WRITE) {
    fuse_write_out out{};
    out.size = static_cast<uint32_t>(request.io_data.size_bytes);
    return session.reply_with(request, out);
  }
  session.reply(request, errno_of(status));
}

}  // namespace ballast::attach
