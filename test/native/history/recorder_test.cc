#include "history/recorder.h"

#include <gtest/gtest.h>

#include "history/checker.h"

namespace ballast::history::test {
namespace {

class SetClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now; }
  uint64_t now = 0;
};

Operation to_write(uint64_t block, uint64_t value) {
  Operation operation;
  operation.block = block;
  operation.kind = OperationKind::write;
  operation.value = value;
  return operation;
}
Operation to_read(uint64_t block) {
  Operation operation;
  operation.block = block;
  return operation;
}

TEST(Recorder, stamps_both_ends_and_keeps_the_order_of_begin) {
  SetClock clock;
  Recorder recorder(clock, 4);
  clock.now = 10;
  const size_t write = *recorder.begin(to_write(3, 34));
  clock.now = 20;
  const size_t read = *recorder.begin(to_read(3));
  clock.now = 30;
  recorder.end(read, OperationOutcome::ok, 34);
  clock.now = 40;
  recorder.end(write, OperationOutcome::failed);
  const auto operations = recorder.operations();
  ASSERT_EQ(operations.size(), 2u);
  EXPECT_EQ(describe(operations[0]), "write of value 34 invoked at 10, failed at 40 (in doubt)");
  EXPECT_EQ(describe(operations[1]), "read of value 34 invoked at 20, ok at 30");
  EXPECT_TRUE(check(operations)->ok());
}

TEST(Recorder, what_was_not_ended_is_of_unknown_outcome) {
  SetClock clock;
  Recorder recorder(clock, 4);
  Operation operation = to_write(3, 34);
  operation.outcome = OperationOutcome::ok;  // the caller cannot know
  operation.responded_ns = 0;
  operation.path = "a";
  recorder.begin(operation);
  EXPECT_EQ(describe(recorder.operations()[0]),
            "write of value 34 invoked at 0, no answer (in doubt), path a");
}

TEST(Recorder, a_read_that_failed_has_no_value) {
  SetClock clock;
  Recorder recorder(clock, 4);
  recorder.end(*recorder.begin(to_read(3)), OperationOutcome::unknown, 34);
  EXPECT_EQ(recorder.operations()[0].value, 0u);
  EXPECT_EQ(describe(recorder.operations()[0]), "read invoked at 0, given up at 0");
}

TEST(Recorder, is_full_at_its_bound_and_empty_after_clear) {
  SetClock clock;
  Recorder recorder(clock, 2);
  const Operation* const memory = recorder.operations().data();
  EXPECT_TRUE(recorder.begin(to_write(0, 1)).has_value());
  EXPECT_TRUE(recorder.begin(to_write(0, 2)).has_value());
  EXPECT_FALSE(recorder.begin(to_write(0, 3)).has_value());
  EXPECT_EQ(recorder.operations().size(), 2u);
  EXPECT_EQ(recorder.operations().data(), memory);
  recorder.clear();
  EXPECT_TRUE(recorder.operations().empty());
  EXPECT_EQ(recorder.begin(to_write(0, 3)), 0u);
}

TEST(RecorderDeathTest, an_operation_ends_once) {
  SetClock clock;
  Recorder recorder(clock, 2);
  const size_t id = *recorder.begin(to_write(0, 1));
  recorder.end(id, OperationOutcome::ok);
  EXPECT_DEATH(recorder.end(id, OperationOutcome::ok), "responded_ns");
  EXPECT_DEATH(recorder.end(id + 1, OperationOutcome::ok), "size");
}

}  // namespace
}  // namespace ballast::history::test
