// A member as the driver of a head reaches it: one session after the other over a ReplicaConnector. It moves
// what MemberCommands says; what the answers mean is told to the head by those.
//
// On the head's reactor. A session that was given up lives until its connection has ended, beside the next.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bdev/mirror/head.h"
#include "bdev/mirror/member_commands.h"
#include "bdev/mirror/replica_connection.h"

namespace ballast::bdev::mirror {

// Who has the head: everything that is told to it comes from outside of its own calls, and its actions are
// carried out after each.
class HeadAccess {
 public:
  using Call = std::function<void(Head& head, uint64_t now_ns)>;
  virtual Head& head() = 0;
  virtual void with_head(const Call& call) = 0;

 protected:
  ~HeadAccess() = default;
};

struct MemberName {
  Uuid volume, node, replica;
  uint32_t place = 0;  // in the record
};

class MemberLink {
 public:
  // `access` must outlive it.
  MemberLink(HeadAccess& access, std::shared_ptr<ReplicaConnector> connector, const MemberName& name);
  ~MemberLink();  // after closed()

  // --- actions of the head ---
  void connect(const Action& action);
  void disconnect();
  void command(const Action& action);
  // Ends exactly once, with an error when there is no session any more; possibly from inside.
  void submit(Io& io);

  // Read Checksums of blocks [lba, lba + blocks_count), beside commands; `sums` is filled. Ends as submit().
  void read_checksums(uint64_t lba, uint32_t blocks_count, uint32_t block_size_bytes,
                      std::span<uint32_t> sums, std::function<void(Status)> done);

  // A request beside commands, in this session alone; ends as submit(). What it points at stays valid until
  // then.
  void request(uint32_t session, const ReplicaRequest& request, ReplicaConnection::Done done);

  // 0: none.
  uint32_t session() const { return session_ == nullptr ? 0 : session_->number; }
  // Of what is connected; null: nothing is.
  const Capabilities* capabilities() const {
    return session_ == nullptr || session_->connection == nullptr ? nullptr
                                                                  : &session_->connection->capabilities();
  }
  // Calls back once, when no session of it is left; after disconnect(), and nothing is asked of it any more.
  void when_closed(std::function<void()> closed);
  bool is_closed() const { return session_ == nullptr && !is_attempt_under_way_ && ending_.empty(); }
  const Uuid& replica() const { return name_.replica; }
  // Why it is not connected; empty: it is, or has not been tried.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Session {
    Session(const Uuid& volume, const Uuid& node) : commands(volume, node) {}
    MemberCommands commands;
    uint32_t number = 0;
    std::unique_ptr<ReplicaConnection> connection;
    std::vector<uint8_t> answer;
  };

  void start_attempt();
  void on_connected(Result<std::unique_ptr<ReplicaConnection>> connected);
  void fail(uint32_t session, const std::string& why);
  void send_request(Session& session);
  void on_answer(Session& session, const ReplicaAnswer& answer);
  void give_up(std::unique_ptr<Session> session);
  void note_end(const MemberCommands& commands, const ReplicaAnswer& answer);
  void note_trouble(std::string text);
  void tell_if_closed();

  HeadAccess& access_;
  const std::shared_ptr<ReplicaConnector> connector_;
  const MemberName name_;
  std::unique_ptr<Session> session_;  // null: disconnected
  bool is_attempt_under_way_ = false;
  uint32_t attempt_session_ = 0;  // for which it was begun
  std::vector<std::unique_ptr<Session>> ending_;
  std::string trouble_;
  std::function<void()> closed_;
};

}  // namespace ballast::bdev::mirror
