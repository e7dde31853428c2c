// A command as the TCP target holds it: the Request that the observer sees, its transfer (R2T) state and its
// answer. Recycled through RequestPool; nothing here is cleared that the next command does not need cleared.
#pragma once

#include <array>

#include "reactor/buffer_arena.h"
#include "transport/tcp/pdu.h"
#include "transport/tcp/send_queue.h"
#include "transport/transport.h"

namespace ballast::transport::tcp {

// R2Ts of one command that may be outstanding at once, if the host's MAXR2T allows it: one being served and
// one behind it, so that the host never waits for a round trip.
inline constexpr uint32_t k_r2ts_per_command_max = 2;
inline constexpr uint32_t k_reply_segments_max = 8;

// One R2T and the H2CData that answer it. Named on the wire by a TTAG that is not used again for 65,533
// transfers of the connection, so a stale one is known as such.
struct Transfer {
  enum class State : uint8_t {
    free,
    queued,    // the R2T has not left: data for it is unsolicited
    awaiting,  // data may come
  };
  State state = State::free;
  uint16_t ttag = 0;
  uint32_t r2to = 0;
  uint32_t r2tl = 0;
  SendItem item;
  Segment part;
  std::array<uint8_t, sizeof(R2T) + k_digest_bytes> pdu;
};

struct TargetRequest : Request {
  // What is to be told to the observer at the next dispatch.
  enum class Event : uint8_t { none, arrived, fetched, buffer };
  // What a request in state waiting_buffer will do with its buffer.
  enum class Want : uint8_t { nothing, fetch, reply_buffer };

  using WaiterReady = BufferArena::Waiter::Ready;
  explicit TargetRequest(WaiterReady ready) : waiter(ready, this) {}

  // Makes a recycled one new.
  void begin(TargetQpair& owner, const nvme::Command& sqe);
  // The transfer that H2CData with this tag belongs to: only the oldest may be served.
  Transfer& oldest_transfer() { return transfers[transfer_first]; }

  ListNode in_flight_node;
  ListNode line_node;  // in the line of events, or of those that wait for their turn to be fetched, or for a
                       // share of the connection's buffer budget
  TargetRequest* next_in_bucket = nullptr;
  Event event = Event::none;
  Want want = Want::nothing;
  bool shown = false;       // the observer has seen it, and is owed on_released()
  bool findable = false;    // by its CID; a command that was refused for its CID is not
  bool given_back = false;  // the connection is over and the observer has been told about this one
  nvme::Status refusal;     // not ok: the transport answers this once the PDU has arrived

  Segment buffer;                 // the arena's, if it holds one; `data` lies in it, unless that was lent
  const uint8_t* lent = nullptr;  // capsule data that is still where it was received, and not in `buffer`
  BufferArena::Waiter waiter;
  uint32_t wanted_bytes = 0;
  uint32_t charged_bytes = 0;  // of the connection's buffer budget
  uint32_t window_bytes = 0;   // of what the connection is asked for, until all of it has arrived

  // Data from the host.
  uint32_t solicited_bytes = 0;  // covered by R2Ts
  uint32_t arrived_bytes = 0;    // whole H2CData PDUs
  bool data_digest_wrong = false;
  uint8_t transfer_first = 0;
  uint8_t transfers_count = 0;
  std::array<Transfer, k_r2ts_per_command_max> transfers;

  // The answer: [C2HData header][HDGST][PAD][data ...][DDGST][CapsuleResp][HDGST].
  SendItem answer;
  bool data_is_mapped = false;
  bool data_digest_pending = false;
  uint8_t data_part_first = 0;
  uint8_t data_parts_count = 0;
  uint32_t data_digest = 0;
  std::array<uint8_t, sizeof(C2HData) + k_digest_bytes> data_header;
  std::array<uint8_t, sizeof(CapsuleResp) + k_digest_bytes> response;
  std::array<Segment, k_reply_segments_max + 4> parts;
};

}  // namespace ballast::transport::tcp
