// One association with a controller: from opening the admin queue over Connect, enabling and Identify to live
// I/O queues, and to the end of the last connection. One object per attempt; ControllerImpl makes the next
// one when it reconnects. Lives on the controller's first reactor. NVMe Base Specification 2.1,
// "Message-based Controller Initialization" and "Shutdown".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "initiator/admin_queue.h"
#include "initiator/ana_log.h"
#include "initiator/interpret.h"
#include "initiator/io_queue.h"

namespace ballast::initiator {

class AssociationOwner {
 public:
  // Everything is identified. Returns the I/O queues to connect (info.io_queues_count of them, each of
  // info.queue_entries), or why this is not the controller that is wanted.
  virtual Result<std::vector<IoQueueImpl*>> on_identified(const ControllerInfo& info) = 0;
  virtual void on_association_live() = 0;
  // A namespace may have changed while live; `namespaces` is how they are now. An error ends the association.
  virtual Outcome on_namespaces_reread(const std::vector<NamespaceInfo>& namespaces) = 0;
  // How its namespaces are reached now: before on_identified(), and after changes. Not of a controller
  // without ANA, whose namespaces are all reached well.
  virtual void on_ana_read(const std::vector<AnaEntry>& entries) = 0;
  // No connection is left. The association may be destroyed.
  virtual void on_association_ended(const Error& error) = 0;

 protected:
  ~AssociationOwner() = default;
};

class Association final : AdminQueueObserver {
 public:
  // options and owner must outlive it. reports_ana: one of several paths, whose owner hears on_ana_read().
  Association(Reactor& reactor, const ControllerOptions& options, AssociationOwner& owner, bool reports_ana);
  ~Association();

  void start();
  // Ends it at once; on_association_ended() comes later with this error.
  void fail(Error error);
  // Ends it properly: I/O queues first, then CC.SHN, then the admin queue.
  void shut_down();
  // I/O was answered otherwise than the ANA log page said.
  void reread_ana_soon();
  bool live() const { return stage_ == Stage::live; }
  AdminQueue& admin() { return admin_; }

 private:
  enum class Stage : uint8_t {
    opening,        // transport connection of the admin queue
    connecting,     // Connect command
    reading,        // CAP, VS
    enabling,       // CC.EN set, CSTS.RDY not yet
    identifying,    // controller, number of queues, namespaces
    connecting_io,  // I/O queues
    live,
    shutting_down,  // I/O queues are gone, CC.SHN is set
    ending,         // connections are being closed
    ended,
  };
  using Next = void (Association::*)(const nvme::Completion& completion);

  // AdminQueueObserver
  void on_admin_ready() override;
  void on_admin_closed(const Error& error) override;

  // Each step sends a command and names the function that takes its successful completion.
  void send(const char* what, const nvme::Command& command, Segment data, Next next);
  void on_connected(const nvme::Completion& completion);
  void on_capabilities(const nvme::Completion& completion);
  void on_version(const nvme::Completion& completion);
  void on_configured(const nvme::Completion& completion);
  void ask_ready();
  void on_status(const nvme::Completion& completion);
  void on_identify_controller(const nvme::Completion& completion);
  void on_number_of_queues(const nvme::Completion& completion);
  void read_namespaces();
  void ask_active_namespaces();
  void on_active_namespaces(const nvme::Completion& completion);
  void ask_next_namespace();
  void on_identify_namespace(const nvme::Completion& completion);
  void on_descriptors(const nvme::Completion& completion);
  void on_namespaces_read();
  void on_all_identified();

  // association_ana.cc
  void start_reading_ana(const nvme::IdentifyController& identify);
  void reread_ana();
  void read_ana();
  void ask_ana_piece();
  void on_ana_piece(const nvme::Completion& completion);
  void on_ana_header_again(const nvme::Completion& completion);
  void on_ana_read();
  void watch_transitions(const std::vector<AnaEntry>& entries);

  void connect_io_queues();
  void on_io_connected(const Outcome& outcome);
  void on_live();
  void start_keep_alive();
  void arm_keep_alive();
  void on_keep_alive_timer();
  void ask_for_events();
  void on_event(const nvme::Completion& completion);
  void handle_event(uint32_t dw0);
  void on_namespaces_changed();
  void on_changed_namespaces(const nvme::Completion& completion);

  void disconnect_io_queues();
  void on_io_disconnected();
  void end_if_nothing_left();
  void on_timer();
  Segment buffer();

  Reactor& reactor_;
  const ControllerOptions& options_;
  AssociationOwner& owner_;
  AdminQueue admin_;
  Stage stage_ = Stage::opening;
  bool admin_open_ = false;
  Error error_;
  ControllerInfo info_;
  nvme::Capabilities capabilities_;
  uint16_t oncs_ = 0;
  uint16_t kas_ = 0;
  uint32_t oaes_ = 0;
  uint64_t stage_deadline_ns_ = 0;  // enabling, shutting_down

  std::vector<uint32_t> nsids_;
  size_t nsid_at_ = 0;
  std::vector<NamespaceInfo> namespaces_;
  bool rereading_ = false;
  bool reread_again_ = false;

  const bool reports_ana_;
  std::vector<uint8_t> ana_log_;  // empty: there is none, or nobody wants it
  uint8_t ana_header_[sizeof(nvme::AnaLogHeader)] = {};
  size_t ana_bytes_read_ = 0;
  uint32_t ana_reads_count_ = 0;
  bool ana_reading_ = false;
  bool ana_read_again_ = false;
  uint64_t ana_transition_ns_max_ = 0;  // ANATT

  std::vector<IoQueueImpl*> io_queues_;
  size_t io_queues_connecting_ = 0;
  size_t io_queues_connected_ = 0;  // connect() was called and disconnect() has not ended
  bool keep_alive_in_flight_ = false;

  Timer timer_;  // the next look at CSTS
  Timer keep_alive_timer_;
  Timer ana_reread_timer_;
  Timer ana_transition_timer_;
  std::unique_ptr<uint8_t[]> buffer_;  // 4 KiB: one Identify or log page at a time
};

}  // namespace ballast::initiator
