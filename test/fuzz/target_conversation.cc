// A raw host that holds a conversation with our target, in full knowledge of the protocol and with some of
// its PDUs damaged.
#include "conversations.h"
#include "nvme/fabrics.h"

namespace ballast::fuzz {
namespace {

using namespace test;

class FuzzedHost {
 public:
  FuzzedHost(FuzzWorld& world, const SocketAddress& address, Mutator& mutator)
      : world_(world), prng_(world.prng()), mutator_(mutator), peer_(world.world(), address) {}

  SimulatedPeer& peer() { return peer_; }
  void initialize() {
    IcReqFields fields;
    fields.header_digest = prng_.chance(1, 2);
    fields.data_digest = prng_.chance(1, 2);
    fields.hpda = prng_.chance(1, 4) ? static_cast<uint8_t>(prng_.below(32)) : 0;
    fields.maxr2t = prng_.chance(1, 2) ? 0 : static_cast<uint32_t>(prng_.below(4));
    send(build_ic_req(fields));
    pump();
  }
  void connect(ConnectFields fields) {
    fields.sqsize = static_cast<uint16_t>(prng_.chance(1, 4) ? 3 : 31);
    fields.cattr = prng_.chance(1, 2) ? 4 : 0;
    send(build_capsule(with_capsule_data(connect_command(fields), 1024), connect_data(fields), options_));
    pump();
  }
  void burst(bool admin) {
    const uint64_t commands = 1 + prng_.below(12);
    for (uint64_t i = 0; i < commands; ++i) admin ? admin_command() : io_command_of_some_kind();
    if (!prng_.chance(1, 8)) pump();
  }
  // Reads what came, and answers R2Ts.
  void pump() {
    for (int round = 0; round < 8; ++round) {
      world_.world().settle();
      const Bytes arrived = peer_.receive();
      if (arrived.empty()) return;
      append(inbox_, arrived);
      while (take_pdu()) {
      }
    }
  }

 private:
  void send(const Bytes& pdu) {
    for (const Bytes& piece : mutator_.apply(pdu)) peer_.send(piece);
  }
  bool take_pdu() {
    if (inbox_.size() < sizeof(tcp::CommonHeader)) return false;
    const auto header = load<tcp::CommonHeader>(inbox_);
    // The target is never damaged: what it sends must be sound.
    FUZZ_CHECK(header.plen >= sizeof(header) && header.plen <= 256 * 1024);
    if (inbox_.size() < header.plen) return false;
    const Bytes pdu(inbox_.begin(), inbox_.begin() + header.plen);
    inbox_.erase(inbox_.begin(), inbox_.begin() + header.plen);
    on_pdu(header, pdu);
    return true;
  }
  void on_pdu(const tcp::CommonHeader& header, const Bytes& pdu) {
    if (header.type == tcp::PduType::ic_resp) {
      const auto response = load<tcp::IcResp>(pdu);
      options_.header_digest = (response.dgst & tcp::k_dgst_header) != 0;
      options_.data_digest = (response.dgst & tcp::k_dgst_data) != 0;
      options_.alignment_field = response.cpda;
    } else if (header.type == tcp::PduType::r2t) {
      answer_r2t(load<tcp::R2T>(pdu));
    } else if (header.type == tcp::PduType::c2h_term_req) {
      FUZZ_CHECK(mutator_.style() != MutationStyle::none);
      FUZZ_CHECK(header.plen <= tcp::k_term_plen_max);
    }
  }
  void answer_r2t(const tcp::R2T& r2t) {
    // Out of turn is damage too: a later R2T of the command may then be served first.
    if (mutator_.style() != MutationStyle::none && prng_.chance(1, 32)) return;
    const uint32_t piece_max = world_.options().max_h2c_data_bytes;
    for (uint32_t done = 0; done < r2t.r2tl;) {
      uint32_t piece = std::min(piece_max, r2t.r2tl - done);
      if (prng_.chance(1, 2)) piece = std::max(4u, static_cast<uint32_t>(prng_.below(piece + 1)) & ~3u);
      const DataFields fields{
          .cccid = r2t.cccid, .ttag = r2t.ttag, .datao = r2t.r2to + done, .last = done + piece == r2t.r2tl};
      send(build_data(fields, pattern(piece, r2t.cccid), options_));
      done += piece;
    }
  }
  uint16_t next_cid() {
    // Over more than a queue's worth, so that a host without damage does not use one twice.
    return prng_.chance(1, 64) && mutator_.style() != MutationStyle::none ? cid_
                                                                          : static_cast<uint16_t>(++cid_);
  }
  void send_with_data(nvme::Command command, uint32_t bytes, bool in_capsule) {
    if (in_capsule) {
      send(build_capsule(with_capsule_data(command, bytes), pattern(bytes, command.cid), options_));
    } else {
      send(build_capsule(with_transport_data(command, bytes), {}, options_));
    }
  }
  void io_command_of_some_kind() {
    static constexpr nvme::NvmOpcode k_opcodes[] = {
        nvme::NvmOpcode::write,        nvme::NvmOpcode::write,
        nvme::NvmOpcode::read,         nvme::NvmOpcode::read,
        nvme::NvmOpcode::compare,      nvme::NvmOpcode::flush,
        nvme::NvmOpcode::write_zeroes, nvme::NvmOpcode::verify,
        nvme::NvmOpcode::copy,         nvme::NvmOpcode::dataset_management};
    const nvme::NvmOpcode opcode = k_opcodes[prng_.below(std::size(k_opcodes))];
    const auto blocks = static_cast<uint32_t>(1 + (prng_.chance(1, 8) ? prng_.below(32) : prng_.below(2)));
    nvme::Command command = io_command(opcode, next_cid(), 1, prng_.below(k_blocks_count + 8), blocks);
    if (prng_.chance(1, 16)) command.flags |= static_cast<uint8_t>(prng_.below(4));  // FUSE
    const uint32_t bytes = blocks * k_block_bytes;
    switch (opcode) {
      case nvme::NvmOpcode::read: return send_with_data(command, bytes, false);
      case nvme::NvmOpcode::write:
      case nvme::NvmOpcode::compare:
        return send_with_data(command, bytes,
                              bytes <= world_.options().in_capsule_bytes && prng_.chance(1, 2));
      case nvme::NvmOpcode::dataset_management:
      case nvme::NvmOpcode::copy:
        command.cdw10 = static_cast<uint32_t>(prng_.below(4));
        return send_with_data(command, 32 * (command.cdw10 + 1), prng_.chance(1, 2));
      default: return send(build_capsule(with_transport_data(command, 0), {}, options_));
    }
  }
  void admin_command() {
    static constexpr nvme::AdminOpcode k_opcodes[] = {nvme::AdminOpcode::identify,
                                                      nvme::AdminOpcode::get_log_page,
                                                      nvme::AdminOpcode::set_features,
                                                      nvme::AdminOpcode::get_features,
                                                      nvme::AdminOpcode::abort,
                                                      nvme::AdminOpcode::keep_alive,
                                                      nvme::AdminOpcode::async_event_request};
    if (prng_.chance(1, 3)) return fabrics_command();
    const nvme::AdminOpcode opcode = k_opcodes[prng_.below(std::size(k_opcodes))];
    nvme::Command command = command_of(static_cast<uint8_t>(opcode), next_cid(),
                                       prng_.chance(1, 2)   ? 1
                                       : prng_.chance(1, 2) ? 0
                                                            : 0xffffffff);
    command.cdw10 = static_cast<uint32_t>(prng_.below(32));
    command.cdw11 = static_cast<uint32_t>(prng_.below(4));
    const bool reads = nvme::data_direction(command) == nvme::DataDirection::controller_to_host;
    if (opcode == nvme::AdminOpcode::get_log_page) command.cdw10 |= 0x3ff << 16;
    send_with_data(command, reads ? 4096 : 0, false);
  }
  void fabrics_command() {
    const bool get = prng_.chance(1, 2);
    nvme::Command command = command_of(
        nvme::k_opcode_fabrics, next_cid(),
        static_cast<uint32_t>(get ? nvme::FabricsType::property_get : nvme::FabricsType::property_set));
    static constexpr uint32_t k_offsets[] = {0, 8, 0x14, 0x14, 0x1c, 0x20, 0x100};
    command.cdw11 = k_offsets[prng_.below(std::size(k_offsets))];
    command.cdw10 = command.cdw11 == 0 ? 1 : 0;
    command.cdw12 = prng_.chance(1, 2) ? 1 | 6 << 16 | 4 << 20 : static_cast<uint32_t>(prng_.next());
    send(build_capsule(with_transport_data(command, 0), {}, options_));
  }

  FuzzWorld& world_;
  Prng& prng_;
  Mutator& mutator_;
  SimulatedPeer peer_;
  PduOptions options_;
  Bytes inbox_;
  uint16_t cid_ = 0;
};

void end_conversation(FuzzWorld& world, FuzzedHost& host) {
  Prng& prng = world.prng();
  switch (prng.below(5)) {
    case 0: host.peer().reset(); break;
    case 1:
      host.peer().send(build_term(tcp::PduType::h2c_term_req, static_cast<uint16_t>(prng.below(9)), 0));
      break;
    case 2: world.world().advance(prng.below(40) * k_ns_per_s); break;
    default: host.peer().close();
  }
}

}  // namespace

void converse_with_target(FuzzWorld& world) {
  Prng& prng = world.prng();
  const auto style = prng.chance(1, 8) ? MutationStyle::none : MutationStyle::structured;
  Mutator mutator(prng, style, prng.chance(1, 2) ? 4 : 24);
  const bool admin = prng.chance(1, 3);
  // An I/O queue needs a controller, which a proper host makes.
  ProperHost owner;
  if (!admin) owner = world.make_host(k_fuzzed_nqn, false);
  ConnectFields fields = owner.fields;
  if (admin) fields.subsystem_nqn = k_fuzzed_nqn;
  world.shake_network();
  FuzzedHost host(world, world.address(static_cast<uint32_t>(prng.below(2))), mutator);
  host.initialize();
  host.connect(fields);
  if (prng.chance(1, 8)) host.peer().stop_receiving(true);
  for (uint64_t bursts = prng.below(5); bursts > 0; --bursts) host.burst(admin);
  end_conversation(world, host);
  host.peer().stop_receiving(false);
}

}  // namespace ballast::fuzz
