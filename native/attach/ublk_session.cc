#include "attach/ublk_session.h"

#include <linux/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "attach/fuse_session.h"
#include "attach/ublk_request.h"
#include "base/log.h"

namespace ballast::attach {
namespace {

constexpr uint32_t k_fetch = _IOWR('u', UBLK_IO_FETCH_REQ, ublksrv_io_cmd);
constexpr uint32_t k_answer_and_fetch = _IOWR('u', UBLK_IO_COMMIT_AND_FETCH_REQ, ublksrv_io_cmd);

}  // namespace

UblkSession::UblkSession(Reactor& reactor, bdev::Bdev& device, const UblkSessionConfig& config,
                         std::function<void()> ended)
    : reactor_(reactor), device_(device), config_(config), ended_(std::move(ended)) {}

UblkSession::~UblkSession() { BALLAST_ASSERT(ended_count_ == slots_.size()); }

Result<std::unique_ptr<UblkSession>> UblkSession::start(Reactor& reactor, bdev::Bdev& device,
                                                        const UblkSessionConfig& config,
                                                        std::function<void()> ended) {
  BALLAST_ASSERT_ON_REACTOR(reactor);
  std::unique_ptr<UblkSession> session(new UblkSession(reactor, device, config, std::move(ended)));
  const size_t count = config.descriptors.size();
  TRY(session->memory_, AnonymousMemory::map(count * config.transfer_bytes_max));
  session->channel_ = device.open(reactor);
  session->slots_ = std::vector<Slot>(count);
  for (size_t i = 0; i < count; ++i) {
    Slot& slot = session->slots_[i];
    slot.session = session.get();
    slot.tag = static_cast<uint16_t>(i);
    slot.buffer = {session->memory_.base() + i * config.transfer_bytes_max, config.transfer_bytes_max};
    session->command(slot, k_fetch, 0);
  }
  return session;
}

// Of a write the kernel copies the data into the buffer before it ends the command; of a read it takes what
// is there while it handles the answer.
void UblkSession::command(Slot& slot, uint32_t opcode, int32_t result) {
  static_assert(sizeof(slot.argument) == k_device_argument_bytes);
  slot.argument = {};
  slot.argument.tag = slot.tag;
  slot.argument.result = result;
  slot.argument.addr = reinterpret_cast<uint64_t>(slot.buffer.base);
  slot.argument_segment = {reinterpret_cast<uint8_t*>(&slot.argument), sizeof(slot.argument)};
  slot.op.kind = FileOp::Kind::device_command;
  slot.op.file = config_.queue;
  slot.op.offset = opcode;
  slot.op.data = {&slot.argument_segment, 1};
  slot.op.done = &UblkSession::fetched;
  slot.op.context = &slot;
  reactor_.io().submit(slot.op);
}

void UblkSession::fetched(FileOp& op, int64_t result) {
  Slot& slot = *static_cast<Slot*>(op.context);
  if (result == UBLK_IO_RES_OK) return slot.session->serve(slot);
  slot.session->end_slot(result);
}

void UblkSession::serve(Slot& slot) {
  const UblkRequest request = decode_ublk_request(config_.descriptors[slot.tag], device_, config_.read_only,
                                                  config_.transfer_bytes_max);
  if (request.error != 0 || request.is_done) return command(slot, k_answer_and_fetch, -request.error);
  bdev::Io& io = slot.io;
  io.type = request.type;
  io.fua = request.fua;
  io.lba = request.lba;
  io.blocks_count = request.blocks_count;
  slot.io_data = {slot.buffer.base, request.data_bytes};
  io.data = {};
  if (request.data_bytes != 0) io.data = {&slot.io_data, 1};
  io.done = &UblkSession::io_done;
  io.context = &slot;
  channel_->submit(io);
}

void UblkSession::io_done(bdev::Io& io, bdev::Status status) {
  Slot& slot = *static_cast<Slot*>(io.context);
  const int error = errno_of(status);
  // What moves no data is answered with 0.
  const auto bytes = static_cast<int32_t>(slot.io_data.size_bytes);
  slot.session->command(slot, k_answer_and_fetch, error == 0 ? bytes : -error);
}

// Whatever ends a fetch, the kernel has taken the tag back: UBLK_IO_RES_ABORT when the device was stopped.
void UblkSession::end_slot(int64_t why) {
  if (why != UBLK_IO_RES_ABORT) {
    log(LogLevel::error, "attach", "ublk refuses a fetch: %s", std::strerror(static_cast<int>(-why)));
  }
  if (++ended_count_ < slots_.size()) return;
  // From a message of its own: the caller is inside an object that `ended` destroys.
  send_task(reactor_, [this, ended = std::exchange(ended_, nullptr)] {
    channel_.reset();
    ended();
  });
}

}  // namespace ballast::attach
