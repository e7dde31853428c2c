// One path of a controller, as a target that does odd things makes it: its ANA log page, and statuses that
// say something of the path. Rows H19, H23 and N26.
#include "initiator_fixture.h"
#include "nvme/log_pages.h"

namespace ballast::test {
namespace {

using nvme::AnaState;

class PathTest : public ControllerTest {
 protected:
  PathTest() {
    options_.fast_io_fail_timeout_ns = 300 * k_ns_per_s;  // with it one path is one of several
    target_->controller.cmic = nvme::k_cmic_ana;
    target_->controller.nanagrpid = 600;
    target_->controller.nn = target_->controller.mnan = 600;
    target_->controller.anatt = 10;
    target_->controller.oaes |= nvme::k_event_ana_change;
    target_->intercept = [this](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
      return connection.qid == 0 ? answer_log(connection, command) : answer_io(connection, command);
    };
  }

  bool answer_log(FakeConnection& connection, const nvme::Command& command) {
    if (command.opcode != static_cast<uint8_t>(nvme::AdminOpcode::get_log_page)) return false;
    const auto fields = nvme::GetLogPage::parse(command);
    if (fields.page != nvme::LogPage::ana) return false;
    ++pieces_read;
    if (change_at_piece == pieces_read) {
      ++change_count;
      state = AnaState::non_optimized;
    }
    const Bytes whole = log();
    const size_t from = std::min<size_t>(fields.offset_bytes, whole.size());
    const size_t bytes = std::min<size_t>(whole.size() - from, fields.length_bytes);
    connection.respond_data(command, ByteSpan(whole).subspan(from, bytes));
    return true;
  }
  // 500 groups of one namespace each; the last is namespace 1 in a page that comes in pieces.
  Bytes log() {
    Bytes bytes;
    const auto add = [&bytes](const auto& structure) { append(bytes, bytes_of(structure)); };
    nvme::AnaLogHeader header;
    header.change_count = change_count;
    header.groups_count = groups_told;
    add(header);
    for (uint32_t i = 0; i < 500; ++i) {
      nvme::AnaGroupDescriptor group;
      group.group_id = i + 1;
      group.nsids_count = 1;
      group.state = static_cast<uint8_t>(state);
      add(group);
      const uint32_t nsid = 500 - i;
      add(nsid);
    }
    return bytes;
  }
  bool answer_io(FakeConnection& connection, const nvme::Command& command) {
    if (refusals_left == 0) return false;
    --refusals_left;
    connection.respond(command, refusal);
    return true;
  }
  std::vector<initiator::PathInfo> paths() {
    std::vector<initiator::PathInfo> found;
    controller_->list_paths([&found](auto listed) { found = std::move(listed); });
    EXPECT_TRUE(world_.run_until([&found] { return !found.empty(); }));
    return found;
  }

  uint64_t change_count = 7;
  uint16_t groups_told = 500;
  AnaState state = AnaState::optimized;
  uint32_t pieces_read = 0;
  uint32_t change_at_piece = 0;
  uint32_t refusals_left = 0;
  nvme::Status refusal;
};

TEST_F(PathTest, a_log_page_beyond_a_transfer_is_read_in_pieces_that_belong_together) {
  target_->controller.mdts = 1;  // 8 KiB of 21.6
  change_at_piece = 2;
  connect_ok();
  const auto found = paths();
  ASSERT_EQ(found[0].ana.size(), 500u);
  for (uint32_t i = 0; i < 500; ++i) {
    EXPECT_EQ(found[0].ana[i].nsid, i + 1);
    EXPECT_EQ(found[0].ana[i].state, AnaState::non_optimized) << i;
  }
  EXPECT_GE(pieces_read, 2u * 4) << "three pieces and the header again, twice";
  TestIo read(k_io_read);
  execute(read);
  EXPECT_TRUE(read.ok());
}

TEST_F(PathTest, H23_a_log_page_that_makes_no_sense_is_not_used_and_tried_again) {
  groups_told = 0xffff;
  start_connect();
  world_.advance(5 * k_ns_per_s);
  EXPECT_EQ(controller_, nullptr);
  EXPECT_EQ(connected_count_, 1);
  EXPECT_EQ(error_.errc, Errc::protocol_error) << error_.text;
}

TEST_F(PathTest, H23_a_log_page_that_never_stands_still_is_given_up) {
  target_->controller.mdts = 1;
  target_->intercept = [this](FakeConnection& connection, const nvme::Command& command, ByteSpan) {
    ++change_count;
    return connection.qid == 0 && answer_log(connection, command);
  };
  connect();
  EXPECT_EQ(error_.errc, Errc::protocol_error) << error_.text;
}

TEST_F(PathTest, a_change_event_is_followed) {
  connect_ok();
  TestIo first(k_io_write, 0, 1, 1);
  execute(first);
  EXPECT_TRUE(first.ok());
  state = AnaState::inaccessible;
  target_->send_event(
      nvme::async_event(nvme::EventType::notice, nvme::k_notice_ana_change, nvme::LogPage::ana));
  world_.settle();
  TestIo waiting(k_io_write, 0, 1, 2);
  submit(waiting);
  world_.advance(20 * k_ns_per_s);
  EXPECT_EQ(waiting.done_count, 0);
  state = AnaState::optimized;
  target_->send_event(
      nvme::async_event(nvme::EventType::notice, nvme::k_notice_ana_change, nvme::LogPage::ana));
  EXPECT_TRUE(world_.run_until([&waiting] { return waiting.ok(); }));
}

TEST_F(PathTest, N26_io_that_is_refused_otherwise_than_the_page_says_asks_for_the_page_and_does_not_storm) {
  connect_ok();
  refusals_left = 1'000'000;
  refusal = nvme::status::ana_inaccessible;
  const uint32_t before = pieces_read;
  TestIo refused(k_io_write, 0, 1, 1);
  submit(refused);
  world_.advance(10 * k_ns_per_s);
  EXPECT_EQ(refused.done_count, 0);
  EXPECT_GE(pieces_read - before, 10u);
  EXPECT_LE(pieces_read - before, 110u) << "ten a second at most";
  EXPECT_LE(1'000'000 - refusals_left, 110u);
  refusals_left = 0;
  EXPECT_TRUE(world_.run_until([&refused] { return refused.ok(); }));
}

TEST_F(PathTest, errors_of_the_path_are_tried_again_a_bounded_number_of_times) {
  connect_ok();
  refusal = nvme::status::internal_path_error;
  refusals_left = 5;
  TestIo some(k_io_write, 0, 1, 1);
  execute(some);
  EXPECT_TRUE(some.ok());
  refusals_left = 1000;
  TestIo many(k_io_write, 0, 1, 1);
  execute(many);
  EXPECT_TRUE(many.completion.status().is(nvme::status::internal_path_error));
  EXPECT_EQ(1000 - refusals_left, 11u);
}

TEST_F(PathTest, what_is_not_of_the_path_or_not_to_be_retried_is_told_at_once) {
  connect_ok();
  for (const nvme::Status told :
       {nvme::status::lba_out_of_range, nvme::status::unrecovered_read_error,
        nvme::status::internal_path_error.with_dnr(), nvme::status::ana_inaccessible.with_dnr()}) {
    refusal = told;
    refusals_left = 1;
    TestIo io(k_io_read);
    execute(io);
    EXPECT_EQ(io.completion.status().value, told.value);
  }
}

}  // namespace
}  // namespace ballast::test
