// A controller of several paths behind one handle: a ControllerImpl over each, which comes and goes by
// itself, and above their I/O queues one MultipathQueue each. Decides which controllers are paths to the same
// subsystem, and tells the queues what can be used. Everything but the any-thread members of Controller runs
// on reactors[0], "home".
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "initiator/controller.h"
#include "initiator/multipath_queue.h"

namespace ballast::initiator {

class MultipathController final : public Controller,
                                  public std::enable_shared_from_this<MultipathController> {
 public:
  using Connected = std::function<void(Result<std::shared_ptr<Controller>>)>;
  // When a first path is live, others are waited for so long before the controller is said to be connected.
  static constexpr uint64_t k_other_paths_ns = 500 * k_ns_per_ms;

  MultipathController(std::vector<Reactor*> reactors, const ControllerOptions& options,
                      StateObserver observer, Connected connected);
  ~MultipathController() override;
  void start();  // on home; keeps itself alive until closed

  const ControllerInfo& info() const override { return info_; }
  IoQueue& io_queue(uint16_t index) override { return *queues_.at(index); }
  ControllerState state() const override { return state_.load(std::memory_order_relaxed); }
  void observe_namespaces(NamespaceObserver observer) override;
  void list_paths(std::function<void(std::vector<PathInfo>)> done) override;
  void submit_admin(const nvme::Command& command, Segment data,
                    std::function<void(nvme::Completion)> done) override;
  void close(std::function<void()> closed) override { end(true, std::move(closed)); }
  void abandon(std::function<void()> closed) override { end(false, std::move(closed)); }

 private:
  class Path final : public PathObserver {
   public:
    Path(MultipathController& owner, uint8_t index, const SocketAddress& address)
        : owner_(owner), index_(index), info{address, ControllerState::connecting, 0, {}} {}
    Outcome on_path_identified(ControllerInfo& identified) override;
    PathQueueObserver& queue_above(uint16_t index) override { return *owner_.queues_.at(index); }
    void on_path_queues(const std::vector<std::unique_ptr<IoQueueImpl>>& queues) override;
    void on_path_ana(const std::vector<AnaEntry>& entries) override;
    void on_path_lost(const Error& error) override;
    void on_state(ControllerState state, const std::string& text);

   private:
    MultipathController& owner_;
    const uint8_t index_;

   public:
    PathInfo info;
    std::shared_ptr<ControllerImpl> controller;
    std::optional<Error> first_error;  // why its first association could not be made
    bool was_live = false;
    bool is_identified = false;  // by the association that there is
  };

  Reactor& home() { return *reactors_[0]; }
  Outcome check_path(const Path& path, const ControllerInfo& identified) const;
  void make_queues();
  void tell_queues(uint8_t path);
  void on_path_changed(const std::string& text);
  void finish_connect_if_possible();
  void fail_first_connect(const Error& error);
  void set_state(ControllerState state, const std::string& text);
  void end_queues(std::function<void()> done);
  void end(bool properly, std::function<void()> closed);
  void close_all(bool properly, std::function<void()> done);
  void close_paths(bool properly, std::function<void()> done);
  void finish_close();

  const std::vector<Reactor*> reactors_;
  const ControllerOptions options_;
  StateObserver observer_;
  NamespaceObserver namespace_observer_;
  Connected connected_;  // null once called
  std::atomic<ControllerState> state_{ControllerState::connecting};
  ControllerInfo info_;  // of the first path that was identified; users hold references to it
  bool info_known_ = false;
  std::vector<std::unique_ptr<Path>> paths_;
  std::vector<std::unique_ptr<MultipathQueue>> queues_;
  Timer other_paths_timer_;
  bool others_waited_for_ = false;
  bool closing_ = false;
  std::vector<std::function<void()>> closed_;
  std::shared_ptr<MultipathController> self_;  // from start() to closed
};

// As Controller::connect(), whatever the number of paths.
std::weak_ptr<Controller> connect_multipath(std::vector<Reactor*> reactors, const ControllerOptions& options,
                                            Controller::StateObserver observer,
                                            MultipathController::Connected connected);

}  // namespace ballast::initiator
