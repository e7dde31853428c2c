#include "engine/attachment.h"

#include <algorithm>

#include "base/bytes.h"
#include "engine/blocking.h"
#include "nvme/identify.h"

namespace ballast::engine {
namespace {

const initiator::NamespaceInfo* find(const initiator::ControllerInfo& info, uint32_t nsid) {
  const auto found = std::find_if(info.namespaces.begin(), info.namespaces.end(),
                                  [nsid](const auto& one) { return one.nsid == nsid; });
  return found == info.namespaces.end() ? nullptr : &*found;
}

}  // namespace

Attachment::Attachment(std::shared_ptr<initiator::Controller> controller, const AttachmentConfig& config)
    : controller_(std::move(controller)), config_(config), reactor_(controller_->io_queue(0).reactor()) {}

Attachment::~Attachment() = default;

Result<std::unique_ptr<Attachment>> Attachment::start(std::shared_ptr<initiator::Controller> controller,
                                                      const AttachmentConfig& config) {
  if (controller->info().io_queues_count == 0) {
    return Error{Errc::unsupported, "the controller has no I/O queues"};
  }
  std::unique_ptr<Attachment> attachment(new Attachment(std::move(controller), config));
  TRY(const Unit opened, attachment->open());
  static_cast<void>(opened);
  return attachment;
}

// The number of a namespace may have been given to another one: what is attached is known by its UUID.
Outcome Attachment::check_identity() const {
  const initiator::NamespaceInfo* const info = find(controller_->info(), config_.nsid);
  if (info == nullptr) return Error{Errc::not_found, "there is no namespace " + std::to_string(config_.nsid)};
  if (info->uuid == config_.uuid || info->nguid == config_.uuid.bytes) return Unit{};
  return Error{Errc::not_found, "namespace " + std::to_string(config_.nsid) + " is not " +
                                    config_.uuid.text() + " but " + info->uuid.text()};
}

Outcome Attachment::open() {
  TRY(const Unit identified, check_identity());
  static_cast<void>(identified);
  TRY(device_, initiator::make_remote_bdev(controller_, config_.nsid));
  const auto make = config_.driver == AttachmentDriver::ublk ? make_ublk_device : make_fuse_device;
  served_ = make(reactor_, *device_, {config_.uuid, config_.path, config_.read_only});
  TRY(info_.device, served_->start());
  const bdev::Geometry& geometry = device_->geometry();
  info_.block_size_bytes = geometry.block_size_bytes;
  info_.size_bytes = geometry.blocks_count * geometry.block_size_bytes;
  return Unit{};
}

Outcome Attachment::detach() { return served_->stop(); }

Result<uint64_t> Attachment::ask_blocks_count() {
  nvme::IdentifyNamespace identify;
  nvme::Command command;
  command.opcode = static_cast<uint8_t>(nvme::AdminOpcode::identify);
  command.nsid = config_.nsid;
  command.cdw10 = static_cast<uint32_t>(nvme::Cns::name_space);
  nvme::Completion completion;
  const MutableByteSpan bytes = mutable_bytes_of(identify);
  wait_for([&](auto done) {
    controller_->submit_admin(command, {bytes.data(), bytes.size()}, [&, done](nvme::Completion answer) {
      completion = answer;
      done();
    });
  });
  if (!completion.status().ok()) {
    return Error{Errc::refused_by_peer,
                 std::string("Identify Namespace: ") + nvme::status_name(completion.status())};
  }
  if (identify.nsze == 0) return Error{Errc::not_found, "the namespace is not active"};
  if (identify.nsze > UINT64_MAX / info_.block_size_bytes) {
    return Error{Errc::protocol_error, "the namespace has more than 2^64 bytes"};
  }
  return identify.nsze;
}

Result<AttachmentInfo> Attachment::refresh() {
  TRY(const uint64_t blocks_count, ask_blocks_count());
  const uint64_t size_bytes = blocks_count * info_.block_size_bytes;
  run_on(reactor_, [&] { device_->resize(blocks_count); });
  if (size_bytes == info_.size_bytes) return info_;
  TRY(const Unit updated, served_->resize(size_bytes));
  static_cast<void>(updated);
  info_.size_bytes = size_bytes;
  return info_;
}

}  // namespace ballast::engine
