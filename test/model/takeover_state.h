// One state of takeover_model.h, as bytes, and everything that may follow on it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "model/register_monitor.h"
#include "model/takeover_model.h"

namespace ballast::model {

inline constexpr uint32_t k_members = 3, k_heads = 2;
inline constexpr uint8_t k_nobody = 0xff;

// Sets of members.
inline uint8_t bit(uint8_t member) { return static_cast<uint8_t>(1u << member); }
inline bool holds(uint8_t set, uint8_t member) { return (set >> member & 1) != 0; }
inline bool covers(uint8_t set, uint8_t others) { return (others & ~set) == 0; }
inline uint8_t without(uint8_t set, uint8_t others) { return static_cast<uint8_t>(set & ~others); }

enum class Phase : uint8_t { down, claiming, sealing, waiting, serving };
enum class Wish : uint8_t { none, claim, agree, remove, add };
// Of a question to the store.
enum class Asked : uint8_t { none, sent, done, refused, doubt };

struct StoreRecord {
  uint8_t epoch = 0, head = 0, in_sync = 0;
  bool operator==(const StoreRecord&) const = default;
};

struct ModelMember {
  uint8_t max_epoch = 0;
  uint8_t head = k_nobody;  // whose session it has, of max_epoch
  uint8_t value = 0, mark = 0;
};

// What is on its way between a head and a member. What the member would refuse is taken off: nobody needs to
// hear of that.
struct Wire {
  uint8_t value = 0;  // 0: nothing
  uint8_t epoch = 0;
  uint8_t is_answer = 0;
  uint8_t is_old = 0;  // sent so long ago that its answer gives no lease any more
};

struct ModelHead {
  Phase phase = Phase::down;
  StoreRecord record;  // as it knows it
  uint8_t sealed = 0, leaving = 0, lease = 0;
  uint8_t joiner = k_nobody, is_copied = 0;
  uint8_t unreconciled = 0, source = k_nobody, reconciled = 0;
  uint8_t write = 0, pending = 0, done = 0;
  uint8_t reads = 0, read_from = k_nobody, read_value = k_nobody;
  Wish wish = Wish::none;
  Asked asked = Asked::none;
  uint8_t in_doubt = 0;
  StoreRecord expected, wanted;
};

struct State {
  StoreRecord store;
  std::array<ModelMember, k_members> members{};
  std::array<ModelHead, k_heads> heads{};
  std::array<std::array<Wire, k_members>, k_heads> wires{};
  uint8_t writes = 0;  // that were asked, a bit each
  uint8_t takeovers = 0, head_crashes = 0, member_crashes = 0, drops = 0, lost_answers = 0;  // left
  std::array<uint8_t, 2> orders{};

  bool operator==(const State& other) const { return std::memcmp(this, &other, sizeof(State)) == 0; }
};
static_assert(std::has_unique_object_representations_v<State>);  // compared and hashed as bytes

class Rules {
 public:
  Rules(const Bounds& bounds, Fault fault) : bounds_(bounds), fault_(fault) {}

  State start();
  struct Next {
    State state;
    uint8_t event = 0, head = 0, member = 0;  // what happened, for describe()
  };
  // All that may happen next.
  void follow(const State& state, std::vector<Next>& out);
  static std::string describe(const Next& next);
  bool is_violation(const State& state) const { return monitor_.is_impossible(orders_of(state)); }

 private:
  enum class Event : uint8_t {
    take_over,
    store_applies,
    store_answer_lost,
    store_never_heard,
    answer_of_store,
    retry_store,
    seal,
    agree,
    begin_serving,
    reconcile,
    write,
    member_writes,
    member_refuses,
    answer_arrives,
    write_answered,
    lost_late,
    read,
    data_read,
    read_answered,
    lease_ends,
    ping,
    drop,
    remove,
    join,
    copy,
    add,
    clear,
    crash_head,
    crash_member,
    count
  };
  bool has(Fault fault) const { return fault_ == fault; }
  static Orders orders_of(const State& state) {
    return static_cast<Orders>(state.orders[0] | state.orders[1] << 8);
  }
  static void set_orders(State& state, Orders orders) {
    state.orders = {static_cast<uint8_t>(orders & 0xff), static_cast<uint8_t>(orders >> 8)};
  }
  static RegisterMonitor::Open open_of(const State& state);
  bool is_heard(const State& state, uint8_t head, uint8_t member) const;
  void add(const State& state, Event event, uint8_t head, uint8_t member = 0);

  void follow_store(const State& state, uint8_t h);
  void on_answer(State& state, uint8_t h, bool ok);
  void begin_session(State& state, uint8_t h, uint8_t member) const;
  void end_head(State& state, uint8_t h);
  void ask(ModelHead& head, Wish wish, uint8_t in_sync) const;
  void follow_takeover(const State& state, uint8_t h);
  void follow_writes(const State& state, uint8_t h);
  void follow_reads(const State& state, uint8_t h);
  void follow_membership(const State& state, uint8_t h);
  void follow_wires(const State& state, uint8_t h);
  void follow_failures(const State& state, uint8_t h);

  const Bounds bounds_;
  const Fault fault_;
  RegisterMonitor monitor_;
  std::vector<Next>* out_ = nullptr;
};

}  // namespace ballast::model
