#include "initiator/remote_bdev.h"

#include <algorithm>

#include "base/bytes.h"
#include "initiator/remote_channel.h"
#include "nvme/identify.h"

namespace ballast::initiator {
namespace {

class RemoteBdevImpl final : public RemoteBdev {
 public:
  RemoteBdevImpl(std::shared_ptr<Controller> controller, const RemoteNamespace& remote)
      : controller_(std::move(controller)), remote_(remote) {}

  const bdev::Geometry& geometry() const override { return remote_.geometry; }
  const bdev::Capabilities& capabilities() const override { return remote_.capabilities; }
  const char* kind() const override { return "remote"; }
  void resize(uint64_t blocks_count) override { remote_.geometry.blocks_count = blocks_count; }

  std::unique_ptr<bdev::Channel> open(Reactor& reactor) override {
    BALLAST_ASSERT_ON_REACTOR(reactor);
    for (uint16_t i = 0; i < controller_->info().io_queues_count; ++i) {
      IoQueue& queue = controller_->io_queue(i);
      if (&queue.reactor() == &reactor) return std::make_unique<RemoteChannel>(queue, remote_);
    }
    BALLAST_ASSERT(!"an I/O queue of the controller lives on the reactor");
    return nullptr;
  }

 private:
  std::shared_ptr<Controller> controller_;
  RemoteNamespace remote_;
};

bool has_volatile_write_cache(const ControllerInfo& info) {
  if (info.identify_controller.size() < sizeof(nvme::IdentifyController)) return true;
  const auto identify = load<nvme::IdentifyController>(
      ByteSpan(info.identify_controller.data(), sizeof(nvme::IdentifyController)));
  return (identify.vwc & nvme::k_vwc_present) != 0;
}

}  // namespace

Result<std::shared_ptr<RemoteBdev>> make_remote_bdev(std::shared_ptr<Controller> controller, uint32_t nsid,
                                                     const RemoteBdevOptions& options) {
  const ControllerInfo& info = controller->info();
  const auto found = std::find_if(info.namespaces.begin(), info.namespaces.end(),
                                  [nsid](const NamespaceInfo& one) { return one.nsid == nsid; });
  if (found == info.namespaces.end()) {
    return Error{Errc::not_found, "there is no active namespace " + std::to_string(nsid)};
  }
  if (found->block_size_bytes != 512 && found->block_size_bytes != 4096) {
    return Error{Errc::unsupported, "blocks of " + std::to_string(found->block_size_bytes) + " bytes"};
  }
  if (info.io_queues_count == 0) return Error{Errc::unsupported, "the controller has no I/O queues"};
  RemoteNamespace remote;
  remote.nsid = nsid;
  remote.retries = options.retries;
  remote.fenced_code = options.fenced_code;
  remote.geometry = {found->block_size_bytes, found->blocks_count};
  remote.capabilities.unmap = found->supports_deallocate && found->deallocated_reads_zeroes;
  remote.capabilities.write_zeroes = found->supports_write_zeroes;
  remote.capabilities.volatile_write_cache = has_volatile_write_cache(info);
  remote.capabilities.persistent = true;
  remote.blocks_per_transfer = std::max<uint32_t>(1, info.transfer_bytes_max / found->block_size_bytes);
  return std::shared_ptr<RemoteBdev>(std::make_shared<RemoteBdevImpl>(std::move(controller), remote));
}

}  // namespace ballast::initiator
