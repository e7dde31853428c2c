// The requests of one reactor's connections. Each queue pair reserves its depth when it is activated, so that
// taking one cannot fail; they are handed out last in, first out from what all share, so that an idle
// connection's requests cost address space only.
#pragma once

#include <memory>
#include <vector>

#include "transport/tcp/target_request.h"

namespace ballast::transport::tcp {

class RequestPool {
 public:
  explicit RequestPool(TargetRequest::WaiterReady ready) : ready_(ready) {}
  ~RequestPool();
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  // Control path: may allocate. False if there is no memory; then nothing is reserved.
  [[nodiscard]] bool reserve(uint32_t requests_count);
  void unreserve(uint32_t requests_count);
  // Within what is reserved; never fails.
  TargetRequest& acquire();
  void release(TargetRequest& request);

  uint32_t reserved() const { return reserved_; }
  uint32_t in_use() const { return in_use_; }

 private:
  static constexpr uint32_t k_chunk_requests = 128;
  struct Chunk {
    struct Free {
      void operator()(void* memory) const { ::operator delete(memory, std::align_val_t{64}); }
    };
    std::unique_ptr<void, Free> memory;
    uint32_t constructed = 0;
  };
  static TargetRequest* slot(Chunk& chunk, uint32_t index);

  TargetRequest::WaiterReady ready_;
  std::vector<Chunk> chunks_;
  size_t filling_ = 0;  // the first chunk that is not wholly constructed
  std::vector<TargetRequest*> free_;
  uint32_t reserved_ = 0;
  uint32_t in_use_ = 0;
};

}  // namespace ballast::transport::tcp
