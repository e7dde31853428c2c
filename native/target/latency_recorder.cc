#include "target/latency_recorder.h"

namespace ballast::target {

void LatencyRecorder::settle() {
  if (count_ == 0) return;
  const uint64_t now_ns = reactor_.clock().now_ns();
  for (uint32_t i = 0; i < count_; ++i) {
    const Sample& sample = samples_[i];
    sample.histogram->record(now_ns - sample.received_ns);
  }
  count_ = 0;
}

}  // namespace ballast::target
