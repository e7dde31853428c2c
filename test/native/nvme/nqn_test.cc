#include "nvme/nqn.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "nvme/limits.h"

namespace ballast::nvme {
namespace {

std::array<char, 256> field_of(std::string_view text) {
  std::array<char, 256> field{};
  std::copy(text.begin(), text.end(), field.begin());
  return field;
}

TEST(Nqn, refuses_what_is_not_of_the_format) {
  for (const char* const text : {"",
                                 "nqn.",
                                 "nqn.2014-08",
                                 "nqn.2014-08.",
                                 "nqn.2014-8.org.a",
                                 "nqn.20140-8.org",
                                 "nqn.2014-00.org",
                                 "nqn.2014-13.org",
                                 "NQN.2014-08.org.a",
                                 "nqn.2014-08.org..a",
                                 "nqn.2014-08.-org",
                                 "nqn.2014-08.org-",
                                 "nqn.2014-08.org.a:",
                                 "nqn.2014-08.o rg",
                                 "nqn.2014-08.org_a",
                                 "nqn.2014_08.org",
                                 "iqn.2014-08.org.a",
                                 "nqn.2014-08.org.a:\x01",
                                 "nqn.2014-08.org.a:line\nbreak",
                                 "nqn.2014-08:x"}) {
    EXPECT_FALSE(is_valid_nqn(text)) << text;
  }
}

TEST(Nqn, refuses_a_name_of_224_bytes_and_takes_one_of_223) {
  const std::string start = "nqn.2014-08.org.example:";
  EXPECT_TRUE(is_valid_nqn(start + std::string(k_nqn_bytes_max - start.size(), 'x')));
  EXPECT_FALSE(is_valid_nqn(start + std::string(k_nqn_bytes_max + 1 - start.size(), 'x')));
}

TEST(Nqn, refuses_broken_utf8) {
  const std::string start = "nqn.2014-08.org.example:";
  for (const char* const tail :
       {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xff", "a\xc3("}) {
    EXPECT_FALSE(is_valid_nqn(start + tail)) << tail;
  }
}

TEST(Nqn, takes_names_that_hosts_use) {
  for (const char* const text :
       {k_discovery_nqn, "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555",
        "nqn.2026-11.dev.ballast:volume:6e3f", "nqn.2001-04.com.example-host:tail.with:colons / and spaces",
        "nqn.2014-08.org.example:gr\xc3\xbc\xc3\x9f"}) {
    EXPECT_TRUE(is_valid_nqn(text)) << text;
  }
}

TEST(Nqn, field_without_its_nul_is_refused) {
  std::array<char, 256> field = field_of("nqn.2014-08.org.example:");
  std::fill(field.begin() + 24, field.end(), 'x');
  EXPECT_FALSE(parse_nqn_field(field));
}

TEST(Nqn, field_gives_the_text_before_its_nul) {
  std::array<char, 256> field = field_of("nqn.2014-08.org.example:a");
  field[30] = 'z';  // after the NUL
  EXPECT_EQ(parse_nqn_field(field), "nqn.2014-08.org.example:a");
  store_nqn_field(field, "nqn.2014-08.org.example:b");
  EXPECT_EQ(parse_nqn_field(field), "nqn.2014-08.org.example:b");
  EXPECT_EQ(field[30], '\0');
}

}  // namespace
}  // namespace ballast::nvme
