#include "fake_target.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "nvme/io_commands.h"

namespace ballast::test {

FakeConnection::FakeConnection(FakeTarget& target, Descriptor descriptor) : target_(target) {
  socket_ = std::move(target.reactor_.io().adopt(descriptor, *this).value());
}

bool FakeConnection::on_readable() {
  uint8_t bytes[65536];
  const Segment segment{bytes, sizeof(bytes)};
  const int64_t received = socket_->receive({&segment, 1});
  if (received == -EAGAIN) return false;
  if (received <= 0) {
    socket_.reset();
    return true;
  }
  append(in_, ByteSpan(bytes, static_cast<size_t>(received)));
  while (socket_ != nullptr && in_.size() >= 8) {
    const auto header = load<tcp::CommonHeader>(in_);
    if (in_.size() < header.plen) break;
    const Bytes pdu(in_.begin(), in_.begin() + header.plen);
    in_.erase(in_.begin(), in_.begin() + header.plen);
    if (!target_.silent) on_pdu(pdu);
  }
  return true;
}

void FakeConnection::on_pdu(ByteSpan pdu) {
  const auto header = load<tcp::CommonHeader>(pdu);
  switch (header.type) {
    case tcp::PduType::ic_req: send(build_ic_resp()); break;
    case tcp::PduType::capsule_cmd: {
      const auto capsule = load<tcp::CapsuleCmd>(pdu);
      const bool wants_data = nvme::data_direction(capsule.ccsqe) == nvme::DataDirection::host_to_controller;
      if (header.plen > sizeof(tcp::CapsuleCmd)) {
        on_command(capsule.ccsqe, pdu.subspan(header.pdo));
      } else if (wants_data && capsule.ccsqe.sgl.length_bytes > 0) {
        transfers_[capsule.ccsqe.cid] = {capsule.ccsqe, Bytes(capsule.ccsqe.sgl.length_bytes)};
        send(build_r2t(capsule.ccsqe.cid, 1, 0, capsule.ccsqe.sgl.length_bytes));
      } else {
        on_command(capsule.ccsqe, {});
      }
      break;
    }
    case tcp::PduType::h2c_data: {
      const auto data = load<tcp::H2CData>(pdu);
      Transfer& transfer = transfers_.at(data.cccid);
      std::copy(pdu.begin() + header.pdo, pdu.end(), transfer.data.begin() + data.datao);
      if ((header.flags & tcp::k_flag_last_pdu) == 0) break;
      const Transfer whole = std::move(transfer);
      transfers_.erase(data.cccid);
      on_command(whole.command, whole.data);
      break;
    }
    default: break;
  }
}

void FakeConnection::on_command(const nvme::Command& command, ByteSpan data) {
  if (target_.intercept && target_.intercept(*this, command, data)) return;
  target_.execute(*this, command, data);
}

void FakeConnection::respond(const nvme::Command& command, nvme::Status status, uint32_t dw0, uint32_t dw1) {
  nvme::Completion completion;
  completion.cid = command.cid;
  completion.dw0 = dw0;
  completion.dw1 = dw1;
  completion.set_status(status);
  send(build_response(completion));
}

void FakeConnection::respond_data(const nvme::Command& command, ByteSpan data) {
  Bytes padded(data.begin(), data.end());
  padded.resize(command.sgl.length_bytes);
  send(build_data({.type = tcp::PduType::c2h_data, .cccid = command.cid, .success = true}, padded));
}

void FakeConnection::send(const Bytes& bytes) {
  append(out_, bytes);
  write_out();
}

void FakeConnection::write_out() {
  while (socket_ != nullptr && !out_.empty()) {
    const Segment segment{out_.data(), out_.size()};
    const int64_t sent = socket_->send({&segment, 1});
    if (sent == -EAGAIN) socket_->notify_writable();
    if (sent <= 0) return;
    out_.erase(out_.begin(), out_.begin() + sent);
  }
}

FakeTarget::FakeTarget(SimulatedWorld& world, Reactor& reactor, const SocketAddress& address)
    : world_(world), reactor_(reactor), address_(address) {
  std::memcpy(controller.serial_number, "FAKE1               ", 20);
  std::memset(controller.model_number, ' ', sizeof(controller.model_number));
  std::memcpy(controller.model_number, "Fake target", 11);
  std::memcpy(controller.firmware_revision, "1.0     ", 8);
  controller.mdts = 5;
  controller.kas = 10;
  controller.ioccsz = (64 + 8192) / 16;
  controller.iorcsz = 1;
  controller.nn = 1024;
  controller.oncs = nvme::k_oncs_compare | nvme::k_oncs_write_zeroes;
  controller.sgls = 1u | nvme::k_sgls_offset_address | nvme::k_sgls_transport_data_block;
  controller.oaes = nvme::k_event_namespace_attribute;
  capabilities.set_mqes(1023);
  capabilities.set_timeout_500ms(4);
  capabilities.set_css(nvme::Capabilities::k_css_nvm);
  add_namespace(1, 0x11);
  listen();
}

FakeTarget::~FakeTarget() { drop_connections(); }

void FakeTarget::listen() {
  world_.on(reactor_, [this] { listener_ = std::move(reactor_.io().listen(address_, *this).value()); });
}

void FakeTarget::stop_listening() { listener_.reset(); }

void FakeTarget::drop_connections() {
  for (auto& connection : connections_) connection->drop();
}

void FakeTarget::on_accepted(Descriptor accepted, const SocketAddress&) {
  ++connections_count;
  connections_.push_back(std::make_unique<FakeConnection>(*this, accepted));
}

void FakeTarget::add_namespace(uint32_t nsid, uint8_t uuid_byte, uint32_t blocks_count) {
  FakeNamespace& ns = namespaces[nsid];
  ns.identify.nsze = ns.identify.ncap = ns.identify.nuse = blocks_count;
  ns.identify.lba_formats[0].data_size_log2 = 9;
  ns.uuid.bytes.fill(uuid_byte);
  std::fill_n(ns.identify.nguid, 16, uuid_byte);
  ns.data.assign(size_t{blocks_count} * 512, 0);
}

FakeConnection* FakeTarget::queue(uint16_t qid) {
  for (auto at = connections_.rbegin(); at != connections_.rend(); ++at) {
    if ((*at)->open() && (*at)->qid == qid) return at->get();
  }
  return nullptr;
}

void FakeTarget::send_event(uint32_t dw0) {
  FakeConnection* const admin = queue(0);
  if (admin == nullptr || admin->events.empty()) return;
  const nvme::Command request = admin->events.back();
  admin->events.pop_back();
  admin->respond(request, nvme::status::success, dw0);
}

void FakeTarget::execute(FakeConnection& connection, const nvme::Command& command, ByteSpan data) {
  if (command.opcode == nvme::k_opcode_fabrics) {
    commands.push_back(command);
    execute_fabrics(connection, command, data);
  } else if (connection.qid == 0) {
    commands.push_back(command);
    execute_admin(connection, command);
  } else {
    execute_io(connection, command, data);
  }
}

void FakeTarget::execute_fabrics(FakeConnection& connection, const nvme::Command& command, ByteSpan data) {
  switch (static_cast<nvme::FabricsType>(command.nsid & 0xff)) {
    case nvme::FabricsType::connect: {
      connects.push_back(load<nvme::ConnectData>(data));
      const auto connect = load<nvme::ConnectCommand>(bytes_of(command));
      connection.qid = connect.qid;
      connection.queue_entries = static_cast<uint16_t>(connect.sqsize + 1);
      if (connect.qid == 0) {
        ++controllers_;
        configuration = 0;
        csts_reads_ = 0;
      }
      connection.respond(command, nvme::status::success,
                         static_cast<uint32_t>(controllers_) | connect_response_or);
      break;
    }
    case nvme::FabricsType::property_get: {
      const auto get = load<nvme::PropertyGetCommand>(bytes_of(command));
      uint64_t value = 0;
      if (get.offset == nvme::property::cap) value = capabilities.value;
      if (get.offset == nvme::property::vs) value = nvme::k_version_2_0;
      if (get.offset == nvme::property::cc) value = configuration;
      if (get.offset == nvme::property::csts) {
        nvme::ControllerStatus status{csts_or};
        const nvme::ControllerConfiguration cc{configuration};
        if (cc.enabled() && csts_reads_++ >= ready_after_reads) status.set_ready(true);
        if (cc.shutdown() != 0) status.set_shutdown(nvme::ControllerStatus::k_shutdown_complete);
        value = status.value;
      }
      connection.respond(command, nvme::status::success, static_cast<uint32_t>(value),
                         static_cast<uint32_t>(value >> 32));
      break;
    }
    case nvme::FabricsType::property_set: {
      const auto set = load<nvme::PropertySetCommand>(bytes_of(command));
      if (set.offset == nvme::property::cc) configuration = static_cast<uint32_t>(set.value);
      connection.respond(command);
      break;
    }
    default: connection.respond(command, nvme::status::invalid_opcode.with_dnr());
  }
}

void FakeTarget::execute_admin(FakeConnection& connection, const nvme::Command& command) {
  switch (static_cast<nvme::AdminOpcode>(command.opcode)) {
    case nvme::AdminOpcode::identify: execute_identify(connection, command); break;
    case nvme::AdminOpcode::set_features:
      connection.respond(command, nvme::status::success,
                         (command.cdw10 & 0xff) == 7 ? (queues_granted - 1) * 0x10001 : 0);
      break;
    case nvme::AdminOpcode::keep_alive:
      ++keep_alives;
      connection.respond(command);
      break;
    case nvme::AdminOpcode::async_event_request: connection.events.push_back(command); break;
    case nvme::AdminOpcode::get_log_page: {
      ++log_reads;
      const auto fields = nvme::GetLogPage::parse(command);
      const bool is_discovery = fields.page == nvme::LogPage::discovery;
      const size_t from = std::min<size_t>(fields.offset_bytes, is_discovery ? discovery_log.size() : 0);
      connection.respond_data(command, is_discovery ? ByteSpan(discovery_log)
                                                          .subspan(from)
                                                          .first(std::min<size_t>(discovery_log.size() - from,
                                                                                  fields.length_bytes))
                                                    : ByteSpan());
      break;
    }
    default: connection.respond(command, nvme::status::invalid_opcode.with_dnr());
  }
}

void FakeTarget::execute_identify(FakeConnection& connection, const nvme::Command& command) {
  Bytes page(nvme::k_identify_bytes);
  const auto found = namespaces.find(command.nsid);
  switch (static_cast<nvme::Cns>(command.cdw10 & 0xff)) {
    case nvme::Cns::controller: store(page, controller); break;
    case nvme::Cns::active_namespaces: {
      size_t at = 0;
      for (const auto& [nsid, ns] : namespaces) {
        if (nsid > command.nsid && at < 1024) std::memcpy(&page[4 * at++], &nsid, 4);
      }
      break;
    }
    case nvme::Cns::name_space:
      if (found != namespaces.end()) store(page, found->second.identify);
      break;
    case nvme::Cns::namespace_descriptors:
      if (found != namespaces.end()) {
        page[0] = 3;
        page[1] = 16;
        std::copy(found->second.uuid.bytes.begin(), found->second.uuid.bytes.end(), page.begin() + 4);
      }
      break;
    default: connection.respond(command, nvme::status::invalid_field.with_dnr()); return;
  }
  connection.respond_data(command, page);
}

void FakeTarget::execute_io(FakeConnection& connection, const nvme::Command& command, ByteSpan data) {
  const auto found = namespaces.find(command.nsid);
  if (found == namespaces.end()) {
    connection.respond(command, nvme::status::invalid_namespace_or_format.with_dnr());
    return;
  }
  Bytes& memory = found->second.data;
  const size_t from = nvme::starting_lba(command) * 512;
  const size_t length = nvme::blocks_count(command) * size_t{512};
  switch (static_cast<nvme::NvmOpcode>(command.opcode)) {
    case nvme::NvmOpcode::read:
    case nvme::NvmOpcode::write:
      if (from + length > memory.size()) {
        connection.respond(command, nvme::status::lba_out_of_range.with_dnr());
      } else if (command.opcode == static_cast<uint8_t>(nvme::NvmOpcode::read)) {
        ++reads;
        connection.respond_data(command, ByteSpan(memory).subspan(from, length));
      } else {
        ++writes;
        std::copy(data.begin(), data.end(), memory.begin() + static_cast<ptrdiff_t>(from));
        connection.respond(command);
      }
      break;
    default: connection.respond(command);
  }
}

}  // namespace ballast::test
