// Copies one snapshot from a member that has it to one that lacks it, beside everything else that a head
// does: both are in sync, the snapshot does not change, and nobody reads what is received before it is
// finished. Of what the snapshot holds that moves which differs from the newest older one that both have and
// that may be below it: of a volume of the same size, as behind its end two members may hold what they like.
//
// On one reactor, the head's. It takes a piece at a time (128 KiB of data, and maps of 64 KiB) and asks each
// member for one thing at a time. What cannot be read ends it; what was received then is dropped by the
// target, also when that loses its association.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "bdev/mirror/replica_connection.h"
#include "bdev/mirror/snapshot_protocol.h"
#include "reactor/reactor.h"

namespace ballast::bdev::mirror {

// Why a snapshot is not begun to be carried.
enum class CarryRefusal : uint8_t {
  none,
  not_serving,
  busy,     // another one is being carried
  unknown,  // one of the two is no member, or both are the same
  away,     // one of the two is not in sync
};
const char* carry_refusal_text(CarryRefusal refusal);

enum class CarryState : uint8_t { none, running, done, cancelled, failed };
const char* carry_state_text(CarryState state);

struct CarryReport {
  CarryState state = CarryState::none;
  Uuid snapshot, from, to;
  uint64_t done_bytes = 0;   // of the snapshot, that were looked at
  uint64_t total_bytes = 0;  // of the snapshot; 0: not known yet
  uint64_t moved_bytes = 0;
  std::string trouble;  // failed: why, for people
};

class SnapshotCarrier {
 public:
  // A request to a member in the session in which it was when this began; as ReplicaConnection::request(),
  // but possibly done from inside, as `aborted` where that session is over.
  using Ask = std::function<void(const ReplicaRequest& request, ReplicaConnection::Done done)>;
  // Bytes a second that may be moved now; 0: no limit.
  using Rate = std::function<uint64_t()>;

  // `bases`: what may be below it.
  SnapshotCarrier(Reactor& reactor, const Uuid& snapshot, std::vector<Uuid> bases, const Uuid& from,
                  const Uuid& to, Ask source, Ask target, Rate rate);
  ~SnapshotCarrier();  // it has ended

  void start();
  // It ends soon, and what the target received is dropped. No error if it has ended.
  void cancel();
  bool is_running() const { return report_.state == CarryState::running; }
  const CarryReport& report() const { return report_; }

 private:
  static constexpr size_t k_snapshots_max = 4096;  // of a member

  using Next = void (SnapshotCarrier::*)();
  struct Buffer {
    static constexpr size_t k_alignment = 4096;
    alignas(k_alignment) std::array<uint8_t, k_map_read_bytes_max> map{};
    alignas(k_alignment) std::array<uint8_t, k_piece_granules * ReplicaLayout::k_granule_bytes> piece{};
    alignas(k_alignment) ReplicaBlock block{};
  };

  void ask(bool of_source, const ReplicaRequest& request, Next next);
  void ask_list(bool of_source);
  void on_list(bool of_source);
  void on_source_list() { on_list(true); }
  void on_target_list() { on_list(false); }
  void choose();
  void select();
  void begin_receive();
  void begun();
  void read_map();
  void next_piece();
  void wait_or_read();
  void send_piece();
  void piece_done();
  void finish();
  void finished();
  void fail(std::string trouble);
  void drop(CarryState state);
  std::string why(bool of_source, const ReplicaAnswer& answer) const;
  const Uuid& member(bool is_source) const { return is_source ? report_.from : report_.to; }

  Reactor& reactor_;
  const std::vector<Uuid> bases_;
  const Ask source_, target_;
  const Rate rate_;
  CarryReport report_;
  std::unique_ptr<Buffer> buffer_;
  std::vector<SnapshotEntry> at_source_, at_target_;
  SnapshotEntry snapshot_;
  Uuid below_;
  bool is_cancelled_ = false;
  bool has_begun_ = false;  // the target receives
  bool is_asking_ = false;  // an answer is to come
  uint64_t map_first_ = 0;  // granule of the first bit
  uint64_t map_granules_ = 0;
  uint64_t next_granule_ = 0;
  uint64_t piece_first_ = 0;
  uint32_t piece_mask_ = 0;
  uint64_t allowed_ns_ = 0;  // when the next piece may be moved
  Timer timer_;
};

}  // namespace ballast::bdev::mirror
