// The controller behind the handle, over one path: makes associations one after the other, decides when to
// try again and when to give up, and owns the I/O queues through all of it. Everything but the any-thread
// members of Controller runs on reactors[0], "home".
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "initiator/association.h"
#include "initiator/backoff.h"

namespace ballast::initiator {

// Who owns a controller that is one of several paths. Everything is called on the controller's home.
class PathObserver {
 public:
  // Who the controller is now, each time that it is connected. May lower info.io_queues_count. An error: it
  // is not to be used; it is tried again.
  virtual Outcome on_path_identified(ControllerInfo& info) = 0;
  // The queue above I/O queue `index`, of io_queues_count; and then once: the I/O queues.
  virtual PathQueueObserver& queue_above(uint16_t index) = 0;
  virtual void on_path_queues(const std::vector<std::unique_ptr<IoQueueImpl>>& queues) = 0;
  virtual void on_path_ana(const std::vector<AnaEntry>& entries) = 0;
  // Before the state changes that it brings. Also a first connection that could not be made.
  virtual void on_path_lost(const Error& error) = 0;

 protected:
  ~PathObserver() = default;
};

class ControllerImpl final : public Controller,
                             public AssociationOwner,
                             public std::enable_shared_from_this<ControllerImpl> {
 public:
  using Connected = std::function<void(Result<std::shared_ptr<Controller>>)>;

  // One of several paths has an observer that outlives it, and no `connected`: its first connection is tried
  // for as long as a lost one.
  ControllerImpl(std::vector<Reactor*> reactors, const ControllerOptions& options, StateObserver observer,
                 Connected connected, PathObserver* path = nullptr);
  ~ControllerImpl() override;
  void start();  // on home; keeps itself alive until closed

  const ControllerInfo& info() const override { return info_; }
  IoQueue& io_queue(uint16_t index) override { return *queues_.at(index); }
  ControllerState state() const override { return state_.load(std::memory_order_relaxed); }
  void observe_namespaces(NamespaceObserver observer) override;
  void list_paths(std::function<void(std::vector<PathInfo>)> done) override;
  void submit_admin(const nvme::Command& command, Segment data,
                    std::function<void(nvme::Completion)> done) override;
  // On home: I/O was answered otherwise than the ANA log page said.
  void reread_ana_soon();
  void close(std::function<void()> closed) override { end(true, std::move(closed)); }
  void abandon(std::function<void()> closed) override { end(false, std::move(closed)); }

 private:
  // Users' admin commands that wait for room in the admin queue; more are answered 3/71h.
  static constexpr size_t k_admin_waiting_max = 256;
  // Slots of the admin queue that users' commands leave to ours: keep alive, event request and its feature,
  // identify, ANA log page.
  static constexpr uint16_t k_admin_slots_reserved = 6;

  struct WaitingAdmin {
    nvme::Command command;
    Segment data;
    std::function<void(nvme::Completion)> done;
  };

  Result<std::vector<IoQueueImpl*>> on_identified(const ControllerInfo& info) override;
  void on_association_live() override;
  Outcome on_namespaces_reread(const std::vector<NamespaceInfo>& namespaces) override;
  void on_ana_read(const std::vector<AnaEntry>& entries) override;
  void on_association_ended(const Error& error) override;

  Reactor& home() { return *reactors_[0]; }
  void attempt();
  void set_state(ControllerState state, const std::string& text);
  Outcome check_namespaces(const std::vector<NamespaceInfo>& namespaces);
  void make_queues(const ControllerInfo& info);
  void reconnect_later(const Error& error);
  void give_up(const std::string& text);
  void die();
  void end_queues(std::function<void()> done);
  void fail_first_connect(const Error& error);
  void end(bool properly, std::function<void()> closed);
  void finish_close();
  void submit_admin_here(const nvme::Command& command, Segment data,
                         std::function<void(nvme::Completion)> done);
  void pump_admin();
  void refuse_waiting_admin();

  const std::vector<Reactor*> reactors_;
  const ControllerOptions options_;
  PathObserver* const path_;  // null: the only one
  StateObserver observer_;
  NamespaceObserver namespace_observer_;
  Connected connected_;  // null once called
  std::atomic<ControllerState> state_{ControllerState::connecting};
  ControllerInfo info_;  // of the first association; users hold references to it
  bool info_known_ = false;
  std::vector<std::unique_ptr<IoQueueImpl>> queues_;
  std::unique_ptr<Association> association_;
  Backoff backoff_;
  Timer reconnect_timer_;
  Timer loss_timer_;
  std::string permanent_text_;  // why trying again is of no use; empty: it may be
  std::deque<WaitingAdmin> admin_waiting_;
  bool closing_ = false;
  std::vector<std::function<void()>> closed_;
  std::shared_ptr<ControllerImpl> self_;  // from start() to closed
};

}  // namespace ballast::initiator
