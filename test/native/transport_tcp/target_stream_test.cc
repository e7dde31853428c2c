// Rows P58 and P59 of the refusals: a stream may be cut anywhere, by segmentation without any effect, by FIN
// or RST without anything left behind.
#include "native/transport_tcp/refusal.h"

namespace ballast::test {
namespace {

class PduStream : public Refusal {
 protected:
  // Ends a connection after every prefix of `pdu`, by FIN and by RST.
  template <typename Connect>
  void cut_everywhere(const Bytes& pdu, Connect connect) {
    for (size_t cut = 0; cut <= pdu.size(); ++cut) {
      for (const bool reset : {false, true}) {
        std::unique_ptr<RawHost> host = connect();
        host->send({pdu.begin(), pdu.begin() + static_cast<ptrdiff_t>(cut)});
        if (cut % 2 == 0) target().world.settle();
        reset ? host->peer().reset() : host->peer().close();
        target().world.settle();
        ASSERT_TRUE(newest().closed) << cut;
        ASSERT_EQ(newest().shown, newest().released) << cut;
      }
    }
    target().expect_released();
    EXPECT_EQ(target().counters().connections.load(), 1u);  // the witness
  }
};

TEST_F(PduStream, P58_fin_or_rst_at_every_byte_of_ic_req_leaves_nothing) {
  cut_everywhere(build_ic_req(),
                 [&] { return std::make_unique<RawHost>(target().world, target().address()); });
}

TEST_F(PduStream, P58_fin_or_rst_at_every_byte_of_connect_leaves_nothing) {
  cut_everywhere(build_capsule(with_capsule_data(connect_command({}), 1024), connect_data({})), [&] {
    auto host = std::make_unique<RawHost>(target().world, target().address());
    EXPECT_TRUE(host->initialize());
    return host;
  });
}

TEST_F(PduStream, P58_fin_or_rst_at_every_byte_of_a_write_leaves_nothing) {
  cut_everywhere(build_capsule(with_capsule_data(write_command(1, 0, 1), 512), pattern(512)),
                 [&] { return target().connect(); });
}

TEST_F(PduStream, P58_fin_or_rst_at_every_byte_of_h2c_data_leaves_nothing) {
  cut_everywhere(build_data({.cccid = 1, .ttag = 1}, pattern(512)), [&] {
    auto host = target().connect();
    host->send_command(with_transport_data(write_command(1, 0, 1), 512));
    const auto pdu = host->receive_pdu();
    EXPECT_TRUE(pdu && pdu->is(tcp::PduType::r2t));
    return host;
  });
}

// A whole session in one burst after Connect; every byte that the target answers.
Bytes session(size_t receive_bytes_max, bool random_cuts, uint64_t seed, bool digests) {
  EchoTarget target({}, {}, seed);
  SimulatedNetworkOptions& network = target.world.network();
  network.receive_bytes_max = receive_bytes_max;
  network.random_cuts = random_cuts;
  const auto host = target.connect({.header_digest = digests, .data_digest = digests}, {.sqsize = 127});
  Bytes burst;
  for (uint16_t cid = 0; cid < 64; ++cid) {
    const PduOptions& options = host->options();
    switch (cid % 4) {
      case 0:
        append(burst,
               build_capsule(with_capsule_data(write_command(cid, cid, 1), 512), pattern(512, cid), options));
        break;
      case 1: append(burst, build_capsule(read_command(cid, cid - 1u, 1), {}, options)); break;
      case 2: append(burst, build_capsule(command_of(0x99, cid), {}, options)); break;
      default:
        append(burst, build_capsule(with_transport_data(write_command(cid, cid, 2), 1024), {}, options));
    }
  }
  host->send(burst);
  target.world.settle();
  Bytes answers = host->peer().receive();
  // The R2Ts are among the answers: their tags are those of a fresh connection, in order.
  for (uint16_t i = 0; i < 16; ++i) {
    const DataFields fields{.cccid = static_cast<uint16_t>(i * 4 + 3), .ttag = static_cast<uint16_t>(i + 1)};
    host->send(build_data(fields, pattern(1024, i), host->options()));
  }
  target.world.settle();
  append(answers, host->peer().receive());
  EXPECT_EQ(target.qpairs[0]->shown, 65u);
  EXPECT_EQ(target.qpairs[0]->released, 65u);
  append(answers, ByteSpan(target.device).first(128 * 512));
  return answers;
}

TEST(PduSplit, P59_every_split_of_a_stream_gives_the_same_answers) {
  for (const bool digests : {false, true}) {
    const Bytes whole = session(0, false, 1, digests);
    ASSERT_GT(whole.size(), 16u * (24 + 512));
    for (size_t bytes = 1; bytes <= 600; bytes += bytes < 32 ? 1 : 41) {
      ASSERT_EQ(session(bytes, false, 1, digests), whole) << "receives of " << bytes;
    }
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      ASSERT_EQ(session(seed % 2 == 0 ? 0 : 700, true, seed, digests), whole) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ballast::test
