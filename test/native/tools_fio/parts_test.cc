// What the fio client is made of, without a connection: uri=, who we are, errors as errno.
#include <gtest/gtest.h>

#include <cerrno>

#include "tools/fio/host_identity.h"
#include "tools/fio/status_errno.h"
#include "tools/fio/target_uri.h"

namespace ballast::fio {
namespace {

TEST(TargetUri, takes_names_addresses_and_ports) {
  struct Row {
    const char* uri;
    const char* host;
    uint16_t port;
    const char* nqn;
  };
  const Row rows[] = {
      {"tcp://127.0.0.1:4421/nqn.2026-11.dev.ballast:a", "127.0.0.1", 4421, "nqn.2026-11.dev.ballast:a"},
      {"tcp://storage/nqn.2026-11.dev.ballast:a", "storage", 4420, "nqn.2026-11.dev.ballast:a"},
      {"tcp://[::1]:65535/nqn.2026-11.dev.ballast:a", "::1", 65535, "nqn.2026-11.dev.ballast:a"},
      {"tcp://[fe80::1]/nqn.2026-11.dev.ballast:a/b", "fe80::1", 4420, "nqn.2026-11.dev.ballast:a/b"},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_target_uri(row.uri);
    ASSERT_TRUE(parsed.ok()) << parsed.error().text;
    EXPECT_EQ(parsed.value().host, row.host);
    EXPECT_EQ(parsed.value().port, row.port);
    EXPECT_EQ(parsed.value().subsystem_nqn, row.nqn);
  }
}

TEST(TargetUri, says_what_is_wrong_with_others) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "expected tcp://HOST:PORT/NQN"},
      {"nbd://x/nqn.2026-11.dev.ballast:a", "expected tcp://HOST:PORT/NQN"},
      {"tcp://127.0.0.1:4420", "the NQN is missing"},
      {"tcp://127.0.0.1:4420/", "the NQN is missing"},
      {"tcp://127.0.0.1:4420/volume", "not an NQN"},
      {"tcp:///nqn.2026-11.dev.ballast:a", "the host is missing"},
      {"tcp://:4420/nqn.2026-11.dev.ballast:a", "the host is missing"},
      {"tcp://h:/nqn.2026-11.dev.ballast:a", "'' is not a port"},
      {"tcp://h:0/nqn.2026-11.dev.ballast:a", "'0' is not a port"},
      {"tcp://h:65536/nqn.2026-11.dev.ballast:a", "'65536' is not a port"},
      {"tcp://h:12x/nqn.2026-11.dev.ballast:a", "'12x' is not a port"},
      {"tcp://::1/nqn.2026-11.dev.ballast:a", "stands in brackets"},
      {"tcp://[::1/nqn.2026-11.dev.ballast:a", "is not closed"},
      {"tcp://[::1]4420/nqn.2026-11.dev.ballast:a", "expected :PORT"},
  };
  for (const auto& [uri, reason] : rows) {
    const auto parsed = parse_target_uri(uri);
    ASSERT_FALSE(parsed.ok()) << uri;
    EXPECT_EQ(parsed.errc(), Errc::invalid_argument);
    EXPECT_NE(parsed.error().text.find(reason), std::string::npos) << parsed.error().text;
  }
}

TEST(TargetUri, resolves_to_a_numeric_address) {
  const auto resolved = resolve({"127.0.0.1", 7, "nqn.2026-11.dev.ballast:a"});
  ASSERT_TRUE(resolved.ok());
  EXPECT_EQ(resolved.value(), (SocketAddress{"127.0.0.1", 7}));
  const auto six = resolve({"0:0::1", 7, "nqn.2026-11.dev.ballast:a"});
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six.value().host, "::1");
  EXPECT_EQ(resolve({"300.1.1.1.", 7, ""}).errc(), Errc::address_unavailable);
}

TEST(HostIdentity, is_one_for_the_process_unless_given) {
  const auto made = host_identity("", "");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made.value().nqn, "nqn.2014-08.org.nvmexpress:uuid:" + made.value().id.text());
  EXPECT_FALSE(made.value().id.is_nil());
  EXPECT_EQ(host_identity("", "").value().nqn, made.value().nqn);

  const std::string id = "11111111-2222-4333-8444-555555555555";
  const std::string nqn = "nqn.2014-08.org.nvmexpress:uuid:" + id;
  EXPECT_EQ(host_identity(nqn, "").value().id.text(), id);
  EXPECT_EQ(host_identity("", id).value().nqn, nqn);
  EXPECT_EQ(host_identity("nqn.2026-11.dev.ballast:h", id).value().nqn, "nqn.2026-11.dev.ballast:h");
  EXPECT_EQ(host_identity("nqn.2026-11.dev.ballast:h", "").errc(), Errc::invalid_argument);
  EXPECT_EQ(host_identity("", "1234").errc(), Errc::invalid_argument);
  EXPECT_EQ(host_identity("", "00000000-0000-0000-0000-000000000000").errc(), Errc::invalid_argument);
}

TEST(StatusErrno, is_0_for_success_only_and_eio_for_what_has_no_row) {
  EXPECT_EQ(errno_of(nvme::status::success), 0);
  EXPECT_EQ(errno_of(nvme::status::lba_out_of_range), EREMOTEIO);
  EXPECT_EQ(errno_of(nvme::status::lba_out_of_range.with_dnr()), EREMOTEIO);
  EXPECT_EQ(errno_of(nvme::status::host_pathing_error), ENOLINK);
  EXPECT_EQ(errno_of(nvme::status::internal_error), EIO);
  EXPECT_EQ(errno_of(Errc::ok), 0);
  EXPECT_EQ(errno_of(Errc::connection_refused), ECONNREFUSED);
  EXPECT_EQ(errno_of(Errc::already_exists), EIO);
}

}  // namespace
}  // namespace ballast::fio
