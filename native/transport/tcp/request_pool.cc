#include "transport/tcp/request_pool.h"

#include <new>

namespace ballast::transport::tcp {

RequestPool::~RequestPool() {
  BALLAST_ASSERT(in_use_ == 0 && reserved_ == 0);
  for (Chunk& chunk : chunks_) {
    for (uint32_t i = 0; i < chunk.constructed; ++i) slot(chunk, i)->~TargetRequest();
  }
}

TargetRequest* RequestPool::slot(Chunk& chunk, uint32_t index) {
  constexpr size_t k_stride = (sizeof(TargetRequest) + 63) / 64 * 64;
  return reinterpret_cast<TargetRequest*>(static_cast<uint8_t*>(chunk.memory.get()) + index * k_stride);
}

bool RequestPool::reserve(uint32_t requests_count) {
  constexpr size_t k_stride = (sizeof(TargetRequest) + 63) / 64 * 64;
  while (chunks_.size() * k_chunk_requests < reserved_ + size_t{requests_count}) {
    void* const memory = ::operator new(k_stride* k_chunk_requests, std::align_val_t{64}, std::nothrow);
    if (memory == nullptr) return false;
    chunks_.push_back({std::unique_ptr<void, Chunk::Free>(memory), 0});
    free_.reserve(chunks_.size() * k_chunk_requests);
  }
  reserved_ += requests_count;
  return true;
}

void RequestPool::unreserve(uint32_t requests_count) {
  BALLAST_ASSERT(requests_count <= reserved_);
  reserved_ -= requests_count;
}

TargetRequest& RequestPool::acquire() {
  BALLAST_ASSERT(in_use_ < reserved_);
  ++in_use_;
  if (!free_.empty()) {
    TargetRequest* const request = free_.back();
    free_.pop_back();
    return *request;
  }
  if (chunks_[filling_].constructed == k_chunk_requests) ++filling_;
  Chunk& chunk = chunks_[filling_];
  return *new (slot(chunk, chunk.constructed++)) TargetRequest(ready_);
}

void RequestPool::release(TargetRequest& request) {
  BALLAST_ASSERT(in_use_ > 0);
  request.state = Request::State::free;
  --in_use_;
  free_.push_back(&request);
}

}  // namespace ballast::transport::tcp
