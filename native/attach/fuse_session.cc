#include "attach/fuse_session.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"

namespace ballast::attach {
namespace {

// Bounds of one call: other connections of the reactor get their turn.
constexpr uint32_t k_requests_per_call_max = 32;

std::string text_of(int64_t result) {
  return result == 0 ? "end of file" : std::strerror(static_cast<int>(-result));
}

}  // namespace

int errno_of(bdev::Status status) {
  switch (status) {
    case bdev::Status::ok: return 0;
    case bdev::Status::out_of_range: return ENOSPC;  // what a block device gives beyond its end
    case bdev::Status::invalid: return EINVAL;
    case bdev::Status::unsupported: return EOPNOTSUPP;
    case bdev::Status::read_only: return EROFS;
    case bdev::Status::no_space: return ENOSPC;
    case bdev::Status::busy: return EAGAIN;
    case bdev::Status::compare_mismatch:
    case bdev::Status::media_error:
    case bdev::Status::io_error:
    case bdev::Status::aborted:
    case bdev::Status::fenced: return EIO;
  }
  return EIO;
}

FuseSession::FuseSession(Reactor& reactor, bdev::Bdev& device, const FuseOptions& options, Ended ended)
    : reactor_(reactor), device_(device), options_(options), ended_(std::move(ended)) {
  BALLAST_ASSERT(options_.transfer_bytes_max >= 4096);
  BALLAST_ASSERT(options_.transfer_bytes_max % 4096 == 0);
}

FuseSession::~FuseSession() { BALLAST_ASSERT(fuse_ == nullptr && requests_in_flight() == 0); }

Result<std::unique_ptr<FuseSession>> FuseSession::start(Reactor& reactor, bdev::Bdev& device, Descriptor fuse,
                                                        const FuseOptions& options, Ended ended) {
  BALLAST_ASSERT_ON_REACTOR(reactor);
  std::unique_ptr<FuseSession> session(new FuseSession(reactor, device, options, std::move(ended)));
  TRY(const Unit opened, session->open(fuse));
  static_cast<void>(opened);
  return session;
}

Outcome FuseSession::open(Descriptor fuse) {
  const size_t count = size_t{options_.background_max} + options_.foreground_max;
  auto memory = AnonymousMemory::map(count * options_.transfer_bytes_max);
  if (!memory.ok()) {
    reactor_.io().close_descriptor(fuse);
    return memory.error();
  }
  memory_ = std::move(*memory);
  requests_ = std::vector<Request>(count);
  for (size_t i = 0; i < count; ++i) {
    Request& request = requests_[i];
    request.session = this;
    request.data = {memory_.base() + i * options_.transfer_bytes_max, options_.transfer_bytes_max};
    free_.push_back(&request);
  }
  auto adopted = reactor_.io().adopt_device(fuse, *this);
  if (!adopted.ok()) {
    reactor_.io().close_descriptor(fuse);
    return adopted.error();
  }
  fuse_ = std::move(*adopted);
  descriptor_ = fuse;
  channel_ = device_.open(reactor_);
  return Unit{};
}

// ---- receiving ----

bool FuseSession::on_readable() {
  bool gave_something = false;
  for (uint32_t i = 0; i < k_requests_per_call_max && !closing_; ++i) {
    if (free_.empty()) {
      reading_ = false;
      fuse_->set_reading(false);
      break;
    }
    Request& request = *free_.back();
    const Segment into[] = {{request.head, k_head_bytes}, request.data};
    const int64_t received = fuse_->receive(into);
    if (received == -EAGAIN) break;
    gave_something = true;
    if (received <= 0) {
      end({received == -ENODEV ? Errc::shutting_down : Errc::io_error,
           received == -ENODEV ? "unmounted" : "/dev/fuse: " + text_of(received)});
      break;
    }
    free_.pop_back();
    take(request, static_cast<size_t>(received));
  }
  return gave_something;
}

void FuseSession::take(Request& request, size_t bytes) {
  fuse_in_header header{};
  if (bytes >= sizeof(header)) header = load<fuse_in_header>(ByteSpan(request.head, sizeof(header)));
  request.unique = header.unique;
  request.opcode = header.opcode;
  request.reply_bytes = 0;
  request.data_bytes = bytes > k_head_bytes ? static_cast<uint32_t>(bytes - k_head_bytes) : 0;
  // What is missing of a short request is zeroes, never what an earlier one left.
  if (bytes < k_head_bytes) std::memset(request.head + bytes, 0, k_head_bytes - bytes);
  if (bytes < sizeof(header)) {  // nobody to answer
    log(LogLevel::warning, "attach", "a request of %zu bytes is shorter than its header", bytes);
    release(request);
  } else if (header.len != bytes) {
    log(LogLevel::warning, "attach", "request %u says that it has %u bytes and has %zu", header.opcode,
        header.len, bytes);
    reply(request, EINVAL);
  } else if (minor_ == 0 && header.opcode != FUSE_INIT) {
    reply(request, EIO);
  } else {
    dispatch(request, header.nodeid);
  }
}

void FuseSession::dispatch(Request& request, uint64_t node) {
  switch (request.opcode) {
    case FUSE_INIT: return initialize(request);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    // What a device has begun cannot be taken back, and what waits for a connection has to be done after all.
    case FUSE_INTERRUPT: return release(request);  // none of the three is answered
    case FUSE_DESTROY:
    case FUSE_RELEASE:
    case FUSE_FLUSH: return reply(request, 0);
    case FUSE_STATFS: return file_system_status(request);
    default: break;
  }
  if (node != FUSE_ROOT_ID) return reply(request, ESTALE);
  switch (request.opcode) {
    case FUSE_GETATTR: return get_attributes(request);
    case FUSE_SETATTR: return set_attributes(request);
    case FUSE_OPEN: return open_file(request);
    case FUSE_READ: return read(request);
    case FUSE_WRITE: return write(request);
    case FUSE_FALLOCATE: return allocate(request);
    case FUSE_FSYNC: return synchronize(request);
    default: return reply(request, ENOSYS);
  }
}

// ---- answering ----

// By the ring and not at once: what an answer wakes in the kernel, of a loop device a thread that completes
// its I/O, runs once for several answers instead of taking the CPU away from us after each.
void FuseSession::reply(Request& request, int error) {
  if (error != 0) request.reply_bytes = 0;
  request.answer = {static_cast<uint32_t>(sizeof(fuse_out_header) + request.reply_bytes), -error,
                    request.unique};
  request.answer_parts[0] = {reinterpret_cast<uint8_t*>(&request.answer), sizeof(request.answer)};
  request.answer_parts[1] = {request.data.base, request.reply_bytes};
  FileOp& op = request.answering;
  op.kind = FileOp::Kind::write;
  op.file = descriptor_;
  op.data = {request.answer_parts, request.reply_bytes == 0 ? size_t{1} : size_t{2}};
  op.done = &FuseSession::answered;
  op.context = &request;
  reactor_.io().submit(op);
}

// An answer that the kernel does not want (ENOENT: the request was interrupted, ENODEV: unmounted) has
// reached its end; EAGAIN never comes of /dev/fuse.
void FuseSession::answered(FileOp& op, int64_t result) {
  Request& request = *static_cast<Request*>(op.context);
  if (result < 0 && result != -ENOENT && result != -ENODEV) {
    log(LogLevel::error, "attach", "the answer to opcode %u of %u bytes is refused: %s", request.opcode,
        request.answer.len, text_of(result).c_str());
  }
  request.session->release(request);
}

void FuseSession::release(Request& request) {
  free_.push_back(&request);
  if (!reading_ && !closing_) {
    reading_ = true;
    fuse_->set_reading(true);
  }
  if (closing_) end_if_closed();
}

// ---- the end ----

void FuseSession::end(Error why) {
  fuse_->set_reading(false);
  if (ended_) std::exchange(ended_, nullptr)(why);
}

void FuseSession::close(std::function<void()> closed) {
  BALLAST_ASSERT_ON_REACTOR(reactor_);
  BALLAST_ASSERT(!closing_);
  closing_ = true;
  closed_ = std::move(closed);
  ended_ = nullptr;
  fuse_->set_reading(false);
  end_if_closed();
}

void FuseSession::end_if_closed() {
  if (requests_in_flight() != 0 || closed_ == nullptr) return;
  // From a message of its own: the caller may be inside an object that `closed` destroys.
  send_task(reactor_, [this, closed = std::exchange(closed_, nullptr)] {
    fuse_.reset();  // closes /dev/fuse: what the kernel still waits for ends with an error
    channel_.reset();
    closed();
  });
}

}  // namespace ballast::attach
