#include "transport/tcp/target_qpair.h"

#include <algorithm>
#include <bit>
#include <new>

namespace ballast::transport::tcp {

TargetTcpQpair::TargetTcpQpair(TargetContext& context, const SocketAddress& peer)
    : context_(context),
      reader_(*this),
      capsule_waiter_(&TargetTcpQpair::capsule_buffer_ready, this),
      watchdog_([](Timer&, void* self) { static_cast<TargetTcpQpair*>(self)->on_watchdog(); }, this),
      peer_address_(peer) {
  FramingRules& rules = reader_.rules();
  rules.role = Role::controller;
  rules.capsule_data_bytes_max = k_admin_capsule_data_bytes_max;
  rules.data_bytes_max = context.options.max_h2c_data_bytes;
  rules.strict = context.options.strict;
}

TargetTcpQpair::~TargetTcpQpair() {
  BALLAST_ASSERT(stage_ == Stage::closed && in_flight_.empty());
  context_.requests.unreserve(requests_max_);
}

Outcome TargetTcpQpair::start(Descriptor accepted) {
  if (!context_.requests.reserve(requests_max_)) {
    requests_max_ = 0;
    stage_ = Stage::closed;
    context_.reactor.io().close_descriptor(accepted);
    return Errc::no_memory;
  }
  auto socket = context_.reactor.io().adopt(accepted, *this);
  if (!socket.ok()) {
    stage_ = Stage::closed;
    return socket.error();
  }
  socket_ = std::move(socket.value());
  local_address_ = socket_->local_address();
  watch(ic_deadline_ns_, context_.options.ic_timeout_ns);
  return Unit{};
}

void TargetTcpQpair::refuse() {
  stage_ = Stage::closed;
  stop_io();
  socket_.reset();
}

Outcome TargetTcpQpair::activate(const QpairParameters& parameters) {
  if (active_) return Errc::already_exists;
  if (parameters.queue_entries == 0) return Errc::invalid_argument;
  const uint32_t entries = parameters.queue_entries;
  const size_t buckets_count = std::bit_ceil(size_t{entries});
  std::unique_ptr<TargetRequest*[]> buckets(new (std::nothrow) TargetRequest*[buckets_count]());
  if (buckets == nullptr || !context_.requests.reserve(entries - 1)) return Errc::no_memory;
  for (TargetRequest* request = in_flight_.front(); request != nullptr;
       request = in_flight_.after(*request)) {
    if (!request->findable) continue;
    TargetRequest*& head = buckets[request->command.cid & (buckets_count - 1)];
    request->next_in_bucket = head;
    head = request;
  }
  buckets_ = std::move(buckets);
  bucket_mask_ = static_cast<uint16_t>(buckets_count - 1);
  requests_max_ = entries;
  parameters_ = parameters;
  active_ = true;
  if (parameters.qid != 0) {
    reader_.rules().capsule_data_bytes_max =
        std::max(context_.options.in_capsule_bytes, k_admin_capsule_data_bytes_max);
  }
  return Unit{};
}

}  // namespace ballast::transport::tcp
