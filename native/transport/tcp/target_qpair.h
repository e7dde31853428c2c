// The controller's end of one NVMe/TCP connection: a TargetQpair over a Socket. Receiving is in
// target_receive.cc and target_capsule.cc, transfers and buffers in target_transfer.cc, answers in
// target_reply.cc and target_send.cc, end and time-outs in target_close.cc.
//
// What must stay true: observers are called from dispatch(), from inside their own calls and at the end,
// never while received bytes are being parsed; nothing is read from the socket that has no place; every
// request that the observer has seen gets exactly one on_released().
#pragma once

#include "transport/tcp/pdu_reader.h"
#include "transport/tcp/target_context.h"

namespace ballast::transport::tcp {

class TargetTcpQpair final : public TargetQpair, private SocketObserver, private PduSink, private Flushable {
 public:
  TargetTcpQpair(TargetContext& context, const SocketAddress& peer);
  ~TargetTcpQpair() override;

  // Takes over an accepted descriptor. An error leaves the descriptor closed.
  Outcome start(Descriptor accepted);
  // A connection that was refused before it had an observer: only destroying it is left.
  void refuse();
  static void request_buffer_ready(BufferArena::Waiter& waiter, Segment buffer);

  Reactor& reactor() override { return context_.reactor; }
  Outcome activate(const QpairParameters& parameters) override;
  void set_observer(QpairObserver& observer) override { observer_ = &observer; }
  void fetch(Request& request, uint32_t size_bytes, DataUse use) override;
  void alloc_reply_buffer(Request& request, uint32_t size_bytes) override;
  void reply(Request& request, nvme::Completion completion, std::span<const Segment> data,
             bool data_is_mapped) override;
  bool try_withdraw(Request& request) override;
  Request* find_request(uint16_t cid) override;
  // After a fatal error the connection lingers for its TermReq to arrive; a close() then cuts that short.
  void close(CloseReason reason) override;
  void detach() override;
  const SocketAddress& peer_address() const override { return peer_address_; }
  const SocketAddress& local_address() const override { return local_address_; }

  ListNode transport_node;

 private:
  enum class Stage : uint8_t {
    initializing,  // ICReq has not arrived
    established,   // PDUs flow
    lingering,     // C2HTermReq is leaving or has left; waiting for the host to close
    closed,        // no socket; requests may still be with the observer
  };
  // Why parsing stopped; acted on when the parser has returned.
  enum class End : uint8_t { none, terminate, peer_terminated, flow_control_broken, no_memory };
  struct ControlPdu {
    SendItem item;
    Segment part;
    std::array<uint8_t, k_term_plen_max> bytes;
  };
  // Every public call and every call of the reactor holds one: the qpair is destroyed when the outermost
  // ends.
  class Entered {
   public:
    explicit Entered(TargetTcpQpair& qpair) : qpair_(qpair) { ++qpair_.depth_; }
    ~Entered() {
      if (--qpair_.depth_ == 0) qpair_.leave();
    }

   private:
    TargetTcpQpair& qpair_;
  };

  // target_receive.cc: from the socket to the parser
  bool on_readable() override;
  enum class Received : uint8_t { nothing, drained, more };
  Received receive_once();
  bool drain_while_lingering();
  bool has_room_for(size_t bytes_count) const;
  size_t scratch_limit(size_t direct_bytes) const;
  void consume(ByteSpan bytes);
  void stall(ByteSpan rest);
  void resume();
  void end_parsing();
  void dispatch();
  void queue_event(TargetRequest& request, TargetRequest::Event event);
  void update_reading();
  static void capsule_buffer_ready(BufferArena::Waiter& waiter, Segment buffer);

  // target_capsule.cc: what PDUs mean
  Placement on_header(const PduLayout& layout, ByteSpan header) override;
  bool on_pdu(const PduLayout& layout, bool data_digest_ok) override;
  void on_fatal(Fatal fatal, ByteSpan header) override;
  void on_impossible_term() override { end_ = End::peer_terminated; }
  Placement stop_with(Fatal fatal, ByteSpan header);
  Placement on_ic_req(ByteSpan header);
  Placement on_term_req(ByteSpan header);
  Placement on_capsule(const PduLayout& layout, ByteSpan header);
  Placement on_h2c_data(const PduLayout& layout, ByteSpan header);
  Fatal check_h2c_data(const PduLayout& layout, const H2CData& header, TargetRequest*& request);
  nvme::Status check_sgl(const nvme::Command& command, uint32_t capsule_data_bytes) const;
  void finish_capsule(bool data_digest_ok);
  void finish_h2c_data(const PduLayout& layout, bool data_digest_ok);
  // One bucket until Connect tells the depth.
  TargetRequest** bucket(uint16_t cid) {
    return buckets_ == nullptr ? &first_bucket_ : &buckets_[cid & bucket_mask_];
  }
  TargetRequest* find(uint16_t cid);
  void make_findable(TargetRequest& request);
  void make_unfindable(TargetRequest& request);

  // target_transfer.cc: buffers and R2Ts
  void want_buffer(TargetRequest& request, uint32_t size_bytes, TargetRequest::Want want);
  static void keep_lent(TargetRequest& request);
  bool may_solicit(uint32_t size_bytes) const;
  void enter_window(TargetRequest& request);
  void leave_window(TargetRequest& request);
  void ask_within_budget(TargetRequest& request);
  bool may_hold(uint32_t size_bytes) const;
  bool may_admit() const { return socket_ != nullptr && stage_ != Stage::lingering; }
  void take_from_arena(TargetRequest& request);
  void buffer_arrived(TargetRequest& request, Segment buffer);
  void start_transfer(TargetRequest& request);
  void issue_r2ts(TargetRequest& request);
  void drop_r2ts(TargetRequest& request);
  void withdraw_from_lines(TargetRequest& request);
  void release_buffer(TargetRequest& request);
  void uncharge(TargetRequest& request);
  void admit_over_budget();

  // target_reply.cc: answers
  void build_answer(TargetRequest& request, nvme::Completion completion, std::span<const Segment> data);
  void answer_refused(TargetRequest& request, nvme::Status status);
  void push_answer(TargetRequest& request);
  uint16_t sqhd_for(const TargetRequest& request);
  void finish_request(TargetRequest& request);

  // target_send.cc
  void flush() override;
  void on_writable() override;
  void send_pending();
  bool send_once();
  void item_sent(SendItem& item);
  bool protect_mapped_head();
  void queue_control(std::unique_ptr<ControlPdu>& control, size_t bytes_count);

  // target_close.cc
  void terminate();
  void finish_linger();
  void stop_io();
  void abandon_all(CloseReason reason);
  void give_back(TargetRequest& request);
  void leave();
  void watch(uint64_t& deadline_ns, uint64_t delay_ns);
  void on_watchdog();
  void update_pdu_deadline();

  TargetContext& context_;
  QpairObserver* observer_ = nullptr;
  std::unique_ptr<Socket> socket_;
  PduReader reader_;
  Stage stage_ = Stage::initializing;
  End end_ = End::none;
  bool reading_ = true;
  bool stalled_ = false;         // a capsule waits for its buffer
  bool resume_pending_ = false;  // it got one
  bool blocked_ = false;         // the socket takes no more for now
  bool active_ = false;          // Connect has succeeded
  bool detached_ = false;
  bool dispatching_ = false;
  uint32_t depth_ = 0;

  // Agreed in ICReq, ICResp and Connect.
  uint8_t hpda_ = 0;
  uint32_t r2ts_per_command_ = 1;
  QpairParameters parameters_;
  uint16_t sqhd_ = 0;
  uint32_t requests_max_ = 1;

  // Commands in flight; those that are settled at the end are behind the others.
  IntrusiveList<TargetRequest, &TargetRequest::in_flight_node> in_flight_;
  IntrusiveList<TargetRequest, &TargetRequest::line_node> events_;
  std::unique_ptr<TargetRequest*[]> buckets_;
  uint16_t bucket_mask_ = 0;
  TargetRequest* first_bucket_ = nullptr;
  TargetRequest* current_ = nullptr;  // whose PDU is arriving

  // Receiving while memory is short.
  BufferArena::Waiter capsule_waiter_;
  Segment granted_;  // the buffer that the stalled capsule waited for
  std::unique_ptr<uint8_t[]> spill_;
  size_t spill_begin_ = 0;
  size_t spill_end_ = 0;
  uint64_t linger_bytes_left_ = 0;

  // Transfers.
  IntrusiveList<TargetRequest, &TargetRequest::line_node> over_window_;
  uint64_t window_bytes_ = 0;  // of commands that are being fetched or wait for a buffer to be
  IntrusiveList<TargetRequest, &TargetRequest::line_node> over_budget_;
  uint64_t charged_bytes_ = 0;
  uint64_t awaited_bytes_ = 0;  // solicited by R2Ts that have left, not arrived yet
  uint32_t awaited_count_ = 0;  // such R2Ts
  uint16_t ttag_last_ = 0;

  // Sending.
  SendQueue queue_;
  std::unique_ptr<ControlPdu> ic_resp_;
  std::unique_ptr<ControlPdu> term_;
  size_t term_bytes_ = 0;
  Segment stable_;  // the copy of mapped data that a send left over: the arena's, or
  std::unique_ptr<uint8_t[]> stable_heap_;

  // Deadlines; 0: not running.
  Timer watchdog_;
  uint64_t ic_deadline_ns_ = 0;
  uint64_t pdu_deadline_ns_ = 0;
  uint64_t send_deadline_ns_ = 0;
  uint64_t transfer_deadline_ns_ = 0;
  uint64_t linger_deadline_ns_ = 0;
  uint64_t pdu_watched_ = 0;

  SocketAddress peer_address_;
  SocketAddress local_address_;
};

}  // namespace ballast::transport::tcp
