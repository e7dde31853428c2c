#include "native/history/random_history.h"

#include <algorithm>
#include <utility>

namespace ballast::history::test {
namespace {

constexpr uint64_t k_value_nobody_writes = 99;

void shuffle(Prng& prng, History& history) {
  for (size_t i = history.size(); i > 1; --i) std::swap(history[i - 1], history[prng.below(i)]);
}

OperationOutcome bad_outcome(Prng& prng) {
  return prng.chance(1, 2) ? OperationOutcome::failed : OperationOutcome::unknown;
}

// Not answered with success: its answer, if there is one, has nothing to do with when it took effect.
void fail(Prng& prng, Operation& operation) {
  operation.outcome = bad_outcome(prng);
  operation.responded_ns.reset();
  const bool is_answered = operation.outcome == OperationOutcome::failed || prng.chance(1, 2);
  if (is_answered) operation.responded_ns = operation.invoked_ns + prng.below(4);
}

// One register that operations reach in turn.
class Register {
 public:
  Register(Prng& prng, uint64_t block, uint64_t reach) : prng_(prng), block_(block), reach_(reach) {}

  // The next operation takes effect `later` after the last, at most `reach` from its invocation and answer.
  Operation next(uint64_t later) {
    moment_ += later;
    Operation operation;
    operation.block = block_;
    operation.kind = prng_.chance(1, 2) ? OperationKind::write : OperationKind::read;
    operation.invoked_ns = moment_ - std::min(moment_, prng_.below(reach_ + 1));
    operation.responded_ns = moment_ + prng_.below(reach_ + 1);
    operation.outcome = OperationOutcome::ok;
    const bool fails = prng_.chance(1, 4);
    if (fails) fail(prng_, operation);
    if (operation.is_write()) {
      operation.value = next_value_++;
      if (!fails || prng_.chance(1, 2)) present_ = operation.value;
    } else if (!fails) {
      operation.value = present_;
    }
    return operation;
  }

 private:
  Prng& prng_;
  uint64_t block_;
  uint64_t reach_;
  uint64_t moment_ = 0;
  uint64_t next_value_ = 1;
  uint64_t present_ = k_value_zeroes;
};

uint64_t any_value(Prng& prng, const History& history) {
  switch (prng.below(8)) {
    case 0: return k_value_zeroes;
    case 1: return prng.chance(1, 2) ? k_value_nobody_writes : k_value_mixed;
    default: return history[prng.below(history.size())].value;
  }
}

void mutate(Prng& prng, History& history) {
  if (history.empty()) return;
  Operation& operation = history[prng.below(history.size())];
  const bool is_ok = operation.outcome == OperationOutcome::ok;
  switch (prng.below(5)) {
    case 0:
    case 1:
      if (is_ok && operation.is_read()) operation.value = any_value(prng, history);
      return;
    case 2: {  // earlier or later
      const uint64_t shift = prng.below(12);
      const bool is_earlier = prng.chance(1, 2) && operation.invoked_ns >= shift;
      operation.invoked_ns = is_earlier ? operation.invoked_ns - shift : operation.invoked_ns + shift;
      if (operation.responded_ns) *operation.responded_ns += is_earlier ? uint64_t{0} - shift : shift;
      return;
    }
    case 3:  // what was in doubt is sure
      operation.outcome = OperationOutcome::ok;
      operation.responded_ns = operation.invoked_ns + prng.below(4);
      return;
    case 4:
      if (operation.is_write()) history.erase(history.begin() + (&operation - history.data()));
      return;
  }
}

}  // namespace

History legal_history(Prng& prng) {
  History history;
  const uint64_t blocks_count = 1 + prng.below(k_small_blocks_max);
  const uint64_t reach = prng.below(8);
  for (uint64_t block = 0; block < blocks_count; ++block) {
    Register one(prng, block, reach);
    const uint64_t count = 1 + prng.below(k_small_operations_per_block_max);
    for (uint64_t i = 0; i < count; ++i) history.push_back(one.next(prng.below(4)));
  }
  shuffle(prng, history);
  return history;
}

History mutated_history(Prng& prng) {
  History history = legal_history(prng);
  const uint64_t changes_count = 1 + prng.below(5);
  for (uint64_t i = 0; i < changes_count; ++i) mutate(prng, history);
  return history;
}

History wild_history(Prng& prng) {
  History history;
  const uint64_t count = 1 + prng.below(k_small_operations_per_block_max);
  const uint64_t values_count = 1 + prng.below(3);
  for (uint64_t i = 0; i < count; ++i) {
    Operation operation;
    const bool is_write = i < values_count;
    operation.kind = is_write ? OperationKind::write : OperationKind::read;
    operation.value = is_write ? i + 1 : prng.below(values_count + 1);
    operation.invoked_ns = prng.below(16);
    operation.responded_ns = operation.invoked_ns + prng.below(8);
    operation.outcome = OperationOutcome::ok;
    if (prng.chance(1, 6)) fail(prng, operation);
    history.push_back(std::move(operation));
  }
  shuffle(prng, history);
  return history;
}

History contended_history(Prng& prng) {
  History history;
  const uint64_t writes_count = 2 + prng.below(2);
  const uint64_t count = writes_count + prng.below(k_small_operations_per_block_max - writes_count + 1);
  uint64_t moment = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Operation operation;
    operation.outcome = OperationOutcome::ok;
    if (i < writes_count) {
      operation.kind = OperationKind::write;
      operation.value = i + 1;
      operation.invoked_ns = prng.below(3);
      operation.responded_ns = operation.invoked_ns + prng.below(40);
      if (prng.chance(1, 3)) fail(prng, operation);
    } else {
      operation.value = 1 + prng.below(writes_count);
      operation.invoked_ns = moment + prng.below(3);
      moment = operation.invoked_ns + 1 + prng.below(6);
      operation.responded_ns = moment;
    }
    history.push_back(std::move(operation));
  }
  shuffle(prng, history);
  return history;
}

History large_history(Prng& prng, uint64_t operations_count, uint64_t blocks_count) {
  constexpr uint64_t k_reach = 1000;
  constexpr uint64_t k_later_max = 200;
  History history;
  history.reserve(operations_count);
  std::vector<Register> registers;
  for (uint64_t block = 0; block < blocks_count; ++block) registers.emplace_back(prng, block, k_reach);
  for (uint64_t i = 0; i < operations_count; ++i) {
    history.push_back(registers[i % blocks_count].next(prng.below(k_later_max)));
  }
  return history;
}

}  // namespace ballast::history::test
