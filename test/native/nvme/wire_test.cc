#include <gtest/gtest.h>

#include "base/bytes.h"
#include "nvme/fabrics.h"
#include "nvme/io_commands.h"
#include "nvme/log_pages.h"

namespace ballast::nvme {
namespace {

TEST(GetLogPage, the_largest_number_of_dwords_does_not_overflow) {
  Command command;
  command.cdw10 = 0xffff0002;
  command.cdw11 = 0x0000ffff;
  EXPECT_EQ(GetLogPage::parse(command).length_bytes, 0x1'0000'0000ull * 4);
}

TEST(GetLogPage, fields_survive_encoding) {
  GetLogPage fields;
  fields.page = LogPage::ana;
  fields.specific = 1;
  fields.retain_event = true;
  fields.length_bytes = 0x50004;
  fields.offset_bytes = 0x1'2345'6788;
  Command command;
  fields.encode(command);
  const GetLogPage parsed = GetLogPage::parse(command);
  EXPECT_EQ(parsed.page, LogPage::ana);
  EXPECT_EQ(parsed.specific, 1);
  EXPECT_TRUE(parsed.retain_event);
  EXPECT_EQ(parsed.length_bytes, 0x50004u);
  EXPECT_EQ(parsed.offset_bytes, 0x1'2345'6788u);
}

TEST(Capabilities, fields_are_where_the_specification_puts_them) {
  Capabilities cap;
  cap.set_mqes(1023);
  cap.set_cqr();
  cap.set_timeout_500ms(30);
  cap.set_css(Capabilities::k_css_nvm | Capabilities::k_css_several);
  cap.set_crwms();
  EXPECT_EQ(cap.value, 0x3ffull | 1ull << 16 | 30ull << 24 | 1ull << 37 | 1ull << 43 | 1ull << 59);
  EXPECT_EQ(cap.mqes(), 1023);
  EXPECT_EQ(cap.timeout_500ms(), 30);
}

TEST(ControllerConfiguration, setting_one_field_leaves_the_others) {
  ControllerConfiguration cc{0xffffffff};
  cc.set_enabled(false);
  cc.set_css(0);
  cc.set_shutdown(1);
  cc.set_iosqes(6);
  cc.set_iocqes(4);
  EXPECT_EQ(cc.value, 0xff467f8eu);
}

TEST(IoCommands, blocks_are_counted_from_one) {
  Command command;
  command.cdw12 = k_cdw12_force_unit_access;
  set_blocks(command, 0x1'0000'0002ull, 65'536);
  EXPECT_EQ(starting_lba(command), 0x1'0000'0002ull);
  EXPECT_EQ(blocks_count(command), 65'536u);
  EXPECT_EQ(command.cdw12, k_cdw12_force_unit_access | 0xffffu);
}

}  // namespace
}  // namespace ballast::nvme
