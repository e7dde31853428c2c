#include "transport/tcp/target_request.h"

namespace ballast::transport::tcp {

void TargetRequest::begin(TargetQpair& owner, const nvme::Command& sqe) {
  command = sqe;
  qpair = &owner;
  state = State::receiving;
  data = {};
  sgl_length_bytes = 0;
  data_in_capsule = false;
  abandoned = false;
  next_in_bucket = nullptr;
  event = Event::none;
  want = Want::nothing;
  shown = false;
  findable = false;
  buffer = {};
  lent = nullptr;
  given_back = false;
  refusal = {};
  charged_bytes = 0;
  window_bytes = 0;
  solicited_bytes = 0;
  arrived_bytes = 0;
  data_digest_wrong = false;
  transfer_first = 0;
  transfers_count = 0;
}

}  // namespace ballast::transport::tcp
