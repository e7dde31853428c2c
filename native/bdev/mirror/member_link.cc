#include "bdev/mirror/member_link.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace ballast::bdev::mirror {

MemberLink::MemberLink(HeadAccess& access, std::shared_ptr<ReplicaConnector> connector,
                       const MemberName& name)
    : access_(access), connector_(std::move(connector)), name_(name) {}

MemberLink::~MemberLink() {
  BALLAST_ASSERT(session_ == nullptr);
  BALLAST_ASSERT(ending_.empty() && !is_attempt_under_way_);
}

// ---- sessions ----

void MemberLink::connect(const Action& action) {
  BALLAST_ASSERT(session_ == nullptr);
  session_ = std::make_unique<Session>(name_.volume, name_.node);
  session_->number = action.session;
  session_->commands.start(access_.head(), action);
  start_attempt();
}

// One at a time: what an attempt for a session that was given up brings is given up, too.
void MemberLink::start_attempt() {
  if (is_attempt_under_way_ || session_ == nullptr || session_->connection != nullptr) return;
  is_attempt_under_way_ = true;
  attempt_session_ = session_->number;
  connector_->connect(
      [this](Result<std::unique_ptr<ReplicaConnection>> connected) { on_connected(std::move(connected)); },
      [this, session = session_->number](const std::string& why) { fail(session, why); });
}

void MemberLink::on_connected(Result<std::unique_ptr<ReplicaConnection>> connected) {
  BALLAST_ASSERT(is_attempt_under_way_);
  is_attempt_under_way_ = false;
  if (session_ == nullptr || session_->number != attempt_session_) {
    if (connected.ok()) {
      auto unwanted = std::make_unique<Session>(name_.volume, name_.node);
      unwanted->connection = std::move(*connected);
      give_up(std::move(unwanted));
    }
    start_attempt();
    return tell_if_closed();
  }
  if (!connected.ok()) return fail(attempt_session_, connected.error().text);
  session_->connection = std::move(*connected);
  send_request(*session_);
}

// The head gives the session up then.
void MemberLink::fail(uint32_t session, const std::string& why) {
  if (session_ == nullptr || session_->number != session) return;
  note_trouble(why.empty() ? "the connection was lost" : why);
  access_.with_head(
      [this, session](Head& head, uint64_t now_ns) { head.on_member_failed(now_ns, name_.place, session); });
}

void MemberLink::disconnect() {
  if (session_ == nullptr) return;
  // What it was given up for the head knows; if nothing else was seen, it was too slow or failed an I/O.
  const HeadState state = access_.head().state();
  const bool is_over = state == HeadState::stopped || state == HeadState::fenced;
  const bool is_unwanted = is_over || access_.head().is_unwanted(name_.replica);
  if (trouble_.empty() && !is_unwanted) note_trouble("it did not answer in time, or failed an I/O");
  std::unique_ptr<Session> session = std::move(session_);
  if (session->connection != nullptr) return give_up(std::move(session));
  if (is_attempt_under_way_) connector_->cancel();
}

void MemberLink::give_up(std::unique_ptr<Session> session) {
  Session& ending = *session;
  ending_.push_back(std::move(session));
  ending.connection->close([this, &ending] {
    std::erase_if(ending_, [&ending](const auto& one) { return one.get() == &ending; });
    tell_if_closed();
  });
}

void MemberLink::when_closed(std::function<void()> closed) {
  closed_ = std::move(closed);
  tell_if_closed();
}

void MemberLink::tell_if_closed() {
  if (closed_ == nullptr || !is_closed()) return;
  std::exchange(closed_, nullptr)();
}

// ---- commands ----

void MemberLink::command(const Action& action) {
  BALLAST_ASSERT(session_ != nullptr && session_->connection != nullptr);
  session_->commands.start(access_.head(), action);
  send_request(*session_);
}

void MemberLink::send_request(Session& session) {
  const MemberCommands::Request& request = session.commands.request();
  session.answer.resize(request.answer_bytes);
  session.connection->request({request.words, request.data, MutableByteSpan(session.answer)},
                              [this, &session](const ReplicaAnswer& answer) { on_answer(session, answer); });
}

void MemberLink::on_answer(Session& session, const ReplicaAnswer& answer) {
  if (&session != session_.get()) return;  // given up
  bool goes_on = false;
  access_.with_head([&](Head& head, uint64_t now_ns) {
    goes_on = session.commands.on_answer(
        head, now_ns, {.status = answer.status, .refusal = answer.refusal, .data = session.answer});
    if (!goes_on) note_end(session.commands, answer);
  });
  // It may have been given up by what the head was told; its memory is there as long as its connection.
  if (goes_on && &session == session_.get()) send_request(session);
}

void MemberLink::note_end(const MemberCommands& commands, const ReplicaAnswer& answer) {
  if (commands.fault() != MemberFault::none) return note_trouble(member_fault_text(commands.fault()));
  if (answer.refusal != Refusal::none) return note_trouble(refusal_text(answer.refusal));
  if (answer.status != Status::ok)
    return note_trouble(std::string("it answers: ") + status_text(answer.status));
  trouble_.clear();
}

void MemberLink::note_trouble(std::string text) {
  if (text == trouble_) return;  // told once, however often it is tried
  trouble_ = std::move(text);
  log(LogLevel::warning, "mirror", "volume %s, member %s: %s", name_.volume.text().c_str(),
      name_.replica.text().c_str(), log_escape(trouble_).c_str());
}

void MemberLink::submit(Io& io) {
  if (session_ == nullptr || session_->connection == nullptr) return io.done(io, Status::aborted);
  session_->connection->submit(io);
}

void MemberLink::read_checksums(uint64_t lba, uint32_t blocks_count, uint32_t block_size_bytes,
                                std::span<uint32_t> sums, std::function<void(Status)> done) {
  if (session_ == nullptr || session_->connection == nullptr) return done(Status::aborted);
  const uint32_t bytes = blocks_count * block_size_bytes;
  BALLAST_ASSERT(sums.size() == checksums_count(bytes));
  const MutableByteSpan out(reinterpret_cast<uint8_t*>(sums.data()), sums.size_bytes());
  session_->connection->request({checksum_words(lba / (k_granule_bytes / block_size_bytes), bytes), {}, out},
                                [done = std::move(done)](const ReplicaAnswer& answer) {
                                  done(head_status(answer.status, answer.refusal));
                                });
}

void MemberLink::request(uint32_t session, const ReplicaRequest& request, ReplicaConnection::Done done) {
  const bool is_there = session_ != nullptr && session_->number == session;
  if (!is_there || session_->connection == nullptr) return done({.status = Status::aborted});
  session_->connection->request(request, std::move(done));
}

}  // namespace ballast::bdev::mirror
