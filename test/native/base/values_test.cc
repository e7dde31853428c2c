// Values: result, errc, uuid, bytes, prng, log.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/errc.h"
#include "base/log.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/uuid.h"

namespace ballast {
namespace {

Result<std::unique_ptr<int>> make_number(bool good) {
  if (!good) return Error{Errc::no_space, "the number does not fit"};
  return std::make_unique<int>(7);
}
Result<int> doubled(bool good) {
  TRY(std::unique_ptr<int> number, make_number(good));
  return *number * 2;
}
Outcome changed(bool good, int& seen) {
  TRY(seen, doubled(good));
  return Unit{};
}

TEST(Result, try_passes_the_error_with_its_text_and_stops) {
  int seen = 0;
  const Outcome failed = changed(false, seen);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.errc(), Errc::no_space);
  EXPECT_EQ(failed.error().text, "the number does not fit");
  EXPECT_EQ(seen, 0);
}

TEST(Result, try_moves_what_cannot_be_copied) {
  int seen = 0;
  EXPECT_TRUE(changed(true, seen).ok());
  EXPECT_EQ(seen, 14);
  EXPECT_EQ(doubled(true).errc(), Errc::ok);
}

TEST(ResultDeathTest, taking_the_value_of_an_error_stops_the_program) {
  Result<int> failed(Errc::io_error);
  EXPECT_DEATH(static_cast<void>(failed.value()), "assertion failed");
  Result<int> good(1);
  EXPECT_DEATH(static_cast<void>(good.error()), "assertion failed");
}

TEST(Errc, every_error_has_a_text_of_its_own) {
  std::vector<std::string> texts;
  for (uint16_t i = 0; i <= static_cast<uint16_t>(Errc::refused_by_peer); ++i) {
    const std::string text = errc_text(static_cast<Errc>(i));
    EXPECT_NE(text, "unknown error") << i;
    for (const std::string& other : texts) EXPECT_NE(text, other);
    texts.push_back(text);
  }
  EXPECT_STREQ(errc_text(static_cast<Errc>(60'000)), "unknown error");
}

TEST(Errc, translates_errno_and_calls_the_unknown_an_io_error) {
  EXPECT_EQ(errc_from_errno(0), Errc::ok);
  EXPECT_EQ(errc_from_errno(EADDRINUSE), Errc::address_in_use);
  EXPECT_EQ(errc_from_errno(ECONNREFUSED), Errc::connection_refused);
  EXPECT_EQ(errc_from_errno(ENOENT), Errc::not_found);
  EXPECT_EQ(errc_from_errno(EISDIR), Errc::is_a_directory);
  EXPECT_EQ(errc_from_errno(ENOSPC), Errc::no_space);
  EXPECT_EQ(errc_from_errno(EIO), Errc::io_error);
  EXPECT_EQ(errc_from_errno(9999), Errc::io_error);
}

TEST(Uuid, refuses_everything_but_the_36_character_form) {
  for (const char* text :
       {"", "0", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bf66",
        "f81d4fae7dec11d0a76500a0c91e6bf6", "f81d4fae-7dec-11d0-a765_00a0c91e6bf6",
        "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", "{81d4fae-7dec-11d0-a765-00a0c91e6bf}",
        "f81d4fae-7dec-11d0-a765-00a0c91e6b-6", "f81d4fa-e7dec-11d0-a765-00a0c91e6bf6"}) {
    EXPECT_FALSE(Uuid::parse(text).has_value()) << text;
  }
}

TEST(Uuid, reads_either_case_and_writes_lower_case) {
  const auto uuid = Uuid::parse("F81D4fae-7dec-11d0-A765-00a0c91e6bf6");
  ASSERT_TRUE(uuid.has_value());
  EXPECT_EQ(uuid->bytes[0], 0xf8);
  EXPECT_EQ(uuid->bytes[15], 0xf6);
  EXPECT_EQ(uuid->text(), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_FALSE(uuid->is_nil());
  EXPECT_TRUE(Uuid::parse("00000000-0000-0000-0000-000000000000")->is_nil());
}

TEST(Uuid, random_ones_survive_the_way_to_text_and_back) {
  Prng prng(3);
  for (int i = 0; i < 1000; ++i) {
    Uuid uuid;
    for (uint8_t& byte : uuid.bytes) byte = static_cast<uint8_t>(prng.next());
    ASSERT_EQ(Uuid::parse(uuid.text()), uuid);
  }
}

TEST(Bytes, a_struct_is_read_and_written_at_any_alignment) {
  struct Wire {
    uint32_t first;
    uint16_t second;
    uint16_t third;
  };
  uint8_t bytes[9] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};
  const auto wire = load<Wire>(ByteSpan(bytes).subspan(1));
  EXPECT_EQ(wire.first, 0x04030201u);
  EXPECT_EQ(wire.third, 0x0807u);
  uint8_t copy[9] = {0xff};
  store(MutableByteSpan(copy).subspan(1), wire);
  EXPECT_EQ(std::memcmp(bytes, copy, sizeof(bytes)), 0);
  EXPECT_EQ(bytes_of(wire).size(), sizeof(Wire));
}

TEST(BytesDeathTest, reading_past_the_end_stops_the_program) {
  const uint8_t bytes[3] = {};
  EXPECT_DEATH(static_cast<void>(load<uint32_t>(bytes)), "assertion failed");
}

TEST(Prng, the_same_seed_gives_the_same_numbers_and_another_seed_others) {
  Prng one(42), same(42), other(43);
  int differences = 0;
  for (int i = 0; i < 100; ++i) {
    const uint64_t number = one.next();
    ASSERT_EQ(number, same.next());
    differences += number != other.next();
  }
  EXPECT_GT(differences, 95);
}

TEST(Prng, below_stays_below_and_reaches_everything) {
  Prng prng(7);
  int counts[10] = {};
  for (int i = 0; i < 10'000; ++i) ++counts[prng.below(10)];
  for (const int count : counts) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
  EXPECT_EQ(prng.below(1), 0u);
}

TEST(Clock, monotonic_time_does_not_go_back) {
  const MonotonicClock clock;
  uint64_t before = clock.now_ns();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = clock.now_ns();
    ASSERT_GE(now, before);
    before = now;
  }
}

struct Captured {
  LogLevel level = LogLevel::debug;
  std::string room;
  std::string line;
  static void sink(void* context, LogLevel level, const char* room, std::string_view line) {
    *static_cast<Captured*>(context) = {level, room, std::string(line)};
  }
};

class LogTest : public ::testing::Test {
 protected:
  LogTest() { set_log_sink(Captured::sink, &captured_); }
  ~LogTest() override { set_log_sink(nullptr, nullptr); }
  Captured captured_;
};

TEST_F(LogTest, a_line_reaches_the_sink_formatted) {
  log(LogLevel::warning, "base", "%s has %d", "it", 5);
  EXPECT_EQ(captured_.level, LogLevel::warning);
  EXPECT_EQ(captured_.room, "base");
  EXPECT_EQ(captured_.line, "it has 5");
}

TEST_F(LogTest, a_line_that_is_too_long_is_cut) {
  log(LogLevel::info, "base", "%s", std::string(10'000, 'x').c_str());
  EXPECT_LE(captured_.line.size(), k_log_line_bytes_max);
  EXPECT_GE(captured_.line.size(), k_log_line_bytes_max - 1);
}

TEST(LogEscape, a_hostile_name_cannot_forge_a_line_or_steer_a_terminal) {
  EXPECT_EQ(log_escape("nqn.2014-08.org:a"), "nqn.2014-08.org:a");
  EXPECT_EQ(log_escape("a\nerror: b"), "a\\x0aerror: b");
  EXPECT_EQ(log_escape("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(log_escape("\\x0a"), "\\x5cx0a") << "or it could be taken for an escape";
  EXPECT_EQ(log_escape("\x7f\x80\xff"), "\\x7f\\x80\\xff");
  EXPECT_EQ(log_escape(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(LogEscape, is_cut_between_characters_not_inside_an_escape) {
  EXPECT_EQ(log_escape("ab\ncd", 5), "ab");
  EXPECT_EQ(log_escape("ab\ncd", 6), "ab\\x0a");
  EXPECT_LE(log_escape(std::string(1000, '\n')).size(), 96u);
}

}  // namespace
}  // namespace ballast
