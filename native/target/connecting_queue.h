// A new connection until Connect has made it an admin queue or an I/O queue. Takes nothing but Connect (row
// F1) and gives it a limited time (P55). NVMe Base Specification 2.1, "Connect Command".
//
//   waiting -> fetching -> asking -> handed over to a Controller or an IoQueue
//
// A refused Connect goes back to waiting: the host may try again while the time lasts.
#pragma once

#include <cstdint>

#include "target/connect_request.h"
#include "target/target_shard.h"

namespace ballast::target {

class ConnectingQueue final : public transport::QpairObserver {
 public:
  ConnectingQueue(TargetShard& shard, transport::TargetQpair& qpair, uint64_t token);
  ~ConnectingQueue() override;

  void on_request(transport::Request& request) override;
  void on_fetched(transport::Request& request, nvme::Status status) override;
  void on_buffer(transport::Request& request) override;
  void on_released(transport::Request& request) override;
  void on_closed(transport::TargetQpair& qpair, transport::CloseReason reason) override;

  void close() { qpair_.close(transport::CloseReason::local_request); }
  // Answers to the questions that were asked of other shards.
  void on_claim_answer(bool granted);
  void on_connect_answer(const ConnectAnswer& answer);

 private:
  enum class State : uint8_t {
    waiting,   // for a Connect command
    fetching,  // its data is on the way
    asking,    // another shard decides
    over,      // handed over, or closed
  };
  void connect();
  void ask_home();
  void ask_owner();
  void finish_admin();
  void refuse(const ConnectRefusal& refusal);
  void hand_over(transport::QpairObserver& observer, uint16_t controller_id);
  void retire_if_over();

  TargetShard& shard_;
  transport::TargetQpair& qpair_;
  const uint64_t token_;
  State state_ = State::waiting;
  bool closed_ = false;
  bool retired_ = false;
  uint32_t outstanding_ = 0;               // requests not released yet
  transport::Request* request_ = nullptr;  // the Connect under way
  ConnectRequest asked_;
  Timer timer_;
};

}  // namespace ballast::target
