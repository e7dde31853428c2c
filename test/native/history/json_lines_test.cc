#include "history/json_lines.h"

#include <gtest/gtest.h>

#include <string>

#include "base/prng.h"
#include "native/history/history_builder.h"
#include "native/history/random_history.h"

namespace ballast::history::test {
namespace {

constexpr const char* k_good = R"({"op":"write","block":1,"value":2,"start":3,"end":4,"outcome":"ok"})";

std::string text_of(const History& history) {
  std::string text;
  for (const Operation& operation : history) append_json_line(text, operation);
  return text;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

void expect_refused(const std::string& text, const std::string& error) {
  const Result<History> history = parse_json_lines(text);
  ASSERT_FALSE(history.ok()) << text;
  EXPECT_EQ(history.errc(), Errc::invalid_argument);
  EXPECT_EQ(history.error().text, error) << text;
}

void expect_refused(const std::string& what, const std::string& by, const std::string& error) {
  expect_refused(replaced(k_good, what, by), error);
}

TEST(JsonLines, refuses_what_is_not_an_object_and_names_the_line) {
  const std::string good = std::string(k_good) + "\n";
  expect_refused("\n", "line 1, column 1: expected '{'");
  expect_refused(good + good + "\n" + good, "line 3, column 1: expected '{'");
  expect_refused(good + "null", "line 2, column 1: expected '{'");
  expect_refused("{}", "line 1, column 2: expected '\"'");
  expect_refused(good + good.substr(0, 20), "line 2, column 21: a string without its end");
  expect_refused(good + R"({"op)", "line 2, column 5: a string without its end");
  expect_refused(std::string(k_good) + "}", "line 1, column 68: text after the object");
  expect_refused(std::string(k_good) + k_good, "line 1, column 68: text after the object");
  expect_refused(replaced(k_good, "\"ok\"}", "\"ok\",}"), "line 1, column 68: expected '\"'");
  expect_refused(replaced(k_good, "\"ok\"}", "\"ok\""), "line 1, column 67: expected '}'");
}

TEST(JsonLines, refuses_fields_that_are_missing_twice_or_unknown) {
  expect_refused("\"op\":\"write\",", "", "line 1, column 55: no field \"op\"");
  expect_refused("\"block\":1,", "", "line 1, column 58: no field \"block\"");
  expect_refused("\"value\":2,", "", "line 1, column 58: no field \"value\"");
  expect_refused("\"start\":3,", "", "line 1, column 58: no field \"start\"");
  expect_refused("\"end\":4,", "", "line 1, column 60: no field \"end\"");
  expect_refused(",\"outcome\":\"ok\"", "", "line 1, column 53: no field \"outcome\"");
  expect_refused("\"start\"", "\"block\"", "line 1, column 42: the field before this is there twice");
  expect_refused("\"start\"", "\"Start\"", "line 1, column 42: the field before this is not known");
}

TEST(JsonLines, refuses_values_of_the_wrong_type) {
  const std::string number = "expected a whole number";
  for (const char* wrong : {"\"1\"", "-1", "+1", "true", "[1]", "", ".5", "0x"}) {
    const std::string column = wrong == std::string("0x") ? "24" : "23";
    const std::string error = wrong == std::string("0x") ? "expected '}'" : number;
    expect_refused("\"block\":1", std::string("\"block\":") + wrong,
                   "line 1, column " + column + ": " + error);
  }
  expect_refused("\"block\":1", "\"block\":null", "line 1, column 23: " + number);
  expect_refused("\"start\":3", "\"start\":null", "line 1, column 43: " + number);
  expect_refused("\"block\":1", "\"block\":1.0", "line 1, column 24: " + number);
  expect_refused("\"block\":1", "\"block\":1e3", "line 1, column 24: " + number);
  expect_refused("\"block\":1", "\"block\":01", "line 1, column 23: a number that begins with 0");
  expect_refused("\"block\":1", "\"block\":18446744073709551616",
                 "line 1, column 23: a number above 2^64 - 1");
  expect_refused("\"write\"", "\"trim\"", "line 1, column 13: \"op\" is \"read\" or \"write\"");
  expect_refused("\"write\"", "1", "line 1, column 7: expected '\"'");
  expect_refused("\"ok\"", "\"OK\"", "line 1, column 67: \"outcome\" is \"ok\", \"failed\" or \"unknown\"");
}

TEST(JsonLines, refuses_what_cannot_have_happened) {
  expect_refused("\"end\":4", "\"end\":2",
                 "line 1, column 68: an operation was answered before it was invoked");
  expect_refused("\"end\":4", "\"end\":null",
                 "line 1, column 71: an operation that was answered has no time of its answer");
  expect_refused("\"value\":2", "\"value\":0",
                 "line 1, column 68: a write may not carry value 0, which means the initial zeroes");
  expect_refused("\"value\":2", "\"value\":null", "line 1, column 71: \"value\" is null, but there was one");
  expect_refused(R"({"op":"read","block":1,"value":2,"start":3,"end":4,"outcome":"failed"})",
                 "line 1, column 71: \"value\" of a read that is not ok must be null");
}

TEST(JsonLines, refuses_strings_that_are_not_printable_ascii) {
  const std::string with_path = replaced(k_good, "\"ok\"", "\"ok\",\"path\":\"a\"");
  const auto path = [&with_path](const std::string& text) { return replaced(with_path, "\"a\"", text); };
  expect_refused(path("\"\t\""), "line 1, column 76: a byte in a string that is not printable ASCII");
  expect_refused(path("\"\xc3\xa4\""), "line 1, column 76: a byte in a string that is not printable ASCII");
  expect_refused(path("\"\\n\""), "line 1, column 77: an escape that is not known here");
  expect_refused(path("\"\\u00e4\""), "line 1, column 77: an escape of what is not printable ASCII");
  expect_refused(path("\"\\u004\""), "line 1, column 77: \\u without four digits");
  expect_refused(path("\"\\u-041\""), "line 1, column 77: \\u without four digits");
  expect_refused(path("\"\\"), "line 1, column 77: an escape that is not known here");
  expect_refused(path("null"), "line 1, column 75: expected '\"'");
  expect_refused(path("\"" + std::string(256, 'a') + "\""),
                 "line 1, column 334: the name of a path is above 255 bytes");
}

TEST(JsonLines, an_empty_text_is_an_empty_history) { EXPECT_TRUE(parse_json_lines("")->empty()); }

TEST(JsonLines, writes_a_line_per_operation) {
  Operation with_path = write(34, 100, 120);
  with_path.block = 12;
  with_path.path = "a\"b\\c";
  EXPECT_EQ(text_of({with_path, lost_write(35, 7), failed_read(1, 2)}),
            R"({"op":"write","block":12,"value":34,"start":100,"end":120,"outcome":"ok","path":"a\"b\\c"})"
            "\n"
            R"({"op":"write","block":0,"value":35,"start":7,"end":null,"outcome":"unknown","path":""})"
            "\n"
            R"({"op":"read","block":0,"value":null,"start":1,"end":2,"outcome":"failed","path":""})"
            "\n");
}

TEST(JsonLines, takes_fields_in_any_order_with_space_and_escapes) {
  const Result<History> history = parse_json_lines(
      "\t{ \"path\" : \"\\u0041\\/\\\"\\\\\" , \"outcome\":\"ok\",\"end\":4,\"start\":3,\"value\":"
      "18446744073709551615,\"block\":18446744073709551615,\"op\":\"read\" } \r\n" +
      std::string(k_good));
  ASSERT_TRUE(history.ok()) << history.error().text;
  Operation first = at_block(UINT64_MAX, read(k_value_mixed, 3, 4));
  first.path = "A/\"\\";
  EXPECT_EQ(*history, (History{first, at_block(1, write(2, 3, 4))}));
}

TEST(JsonLines, what_is_written_is_read_again) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    const History history = mutated_history(prng);
    const Result<History> again = parse_json_lines(text_of(history));
    ASSERT_TRUE(again.ok()) << again.error().text;
    ASSERT_EQ(*again, history);
  }
}

// Damage is refused, or makes another history that is written and read as what it is.
TEST(JsonLines, damaged_text_is_refused_or_another_history) {
  uint64_t refused_count = 0;
  constexpr uint64_t k_cases = 5000;
  for (uint64_t seed = 1; seed <= k_cases; ++seed) {
    Prng prng(seed);
    std::string text = text_of(legal_history(prng));
    switch (prng.below(3)) {
      case 0: text.resize(prng.below(text.size())); break;
      case 1: text[prng.below(text.size())] = static_cast<char>(prng.below(256)); break;
      case 2: text.erase(prng.below(text.size()), 1 + prng.below(4)); break;
    }
    const Result<History> history = parse_json_lines(text);
    refused_count += history.ok() ? 0 : 1;
    if (!history.ok()) continue;
    ASSERT_EQ(*parse_json_lines(text_of(*history)), *history) << "seed " << seed << "\n" << text;
  }
  EXPECT_GT(refused_count, k_cases / 2);
  EXPECT_LT(refused_count, k_cases);
}

}  // namespace
}  // namespace ballast::history::test
