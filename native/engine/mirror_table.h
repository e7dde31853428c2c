// The mirrored volumes of this process, and the heads of them that it runs. Used by the engine's control
// thread alone, which may block, but for answer_store().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bdev/mirror/mirror_bdev.h"
#include "engine/blocking.h"
#include "engine/mirror_config.h"
#include "engine/replica_table.h"
#include "reactor/reactor_set.h"

namespace ballast::engine {

class MirrorTable {
 public:
  // Both must outlive it.
  MirrorTable(ReactorSet& reactors, ReplicaTable& replicas);
  ~MirrorTable();  // the devices are gone

  // Before the first open(); called on reactors.
  void set_store_request_sink(StoreRequestSink sink) { sink_ = std::move(sink); }
  void set_head_state_sink(HeadStateSink sink) { state_sink_ = std::move(sink); }

  // Makes the volume's device, and starts its head if it is to be here. Errc: as promote().
  Result<std::shared_ptr<bdev::Bdev>> open(const std::string& volume, const Uuid& uuid,
                                           const MirrorConfig& config);
  // Starts a head; one that has fenced itself is ended before. I/O waits until it serves, which the store,
  // the members and one lease decide. Errc: invalid_argument, also of another size than the volume's;
  // not_found (the volume, or a replica of this process); too_many; already_exists: a head runs.
  Outcome promote(const std::string& volume, const MirrorConfig& config);
  // Ends the head, as end() does; I/O ends with `fenced` until there is another. No error if none runs.
  // not_found: the volume.
  Outcome demote(const std::string& volume);
  // Heads that are to end together begin to: each of them waits for the store, demote() for one of them.
  // Nothing of those that are not there.
  void begin_demotions(const std::vector<std::string>& volumes);
  // Ends the head: properly if that is possible within a few seconds, which leaves nothing for the next one
  // to reconcile. I/O in flight ends, later I/O with `fenced`. No error if there is none.
  void end(const std::string& volume);
  void end_all();
  // After end(); the device and its channels are gone.
  void close(const std::string& volume);
  Result<MirrorInfo> info(const std::string& volume);
  // Begins it; done when the record in info() says so, given up when is_changing ends without. Errc:
  // not_found, too_many (members), already_exists, in_use (another change is under way, or the head does not
  // serve), permission_denied (too few would be left).
  Outcome add_member(const std::string& volume, const MirrorMemberConfig& member);
  Outcome remove_member(const std::string& volume, const Uuid& replica);
  // To `size_bytes`, by the same rules; all members in sync are made larger first. Errc: also
  // invalid_argument (smaller, or too large). What hosts see of the size: grow_device().
  Outcome grow(const std::string& volume, uint64_t size_bytes);
  // Its device is as large as the record says, and never smaller than before; the new size.
  Result<uint64_t> grow_device(const std::string& volume);
  // Compares all members in sync; how far it is: info(). Errc: not_found, in_use (one is under way, or the
  // head does not serve), permission_denied (only one is in sync).
  Outcome start_verify(const std::string& volume);
  // No error if none is under way.
  Outcome cancel_verify(const std::string& volume);

  // As MirrorConfig::resync_bytes_per_s, of the head that runs here, until it ends. Errc: not_found, in_use
  // (no head runs here).
  Outcome set_resync_rate(const std::string& volume, uint64_t bytes_per_s);

  // Of all members in sync, of one moment; what comes of it: info(). Errc: not_found, in_use (another one or
  // another change is under way, or the head does not serve), invalid_argument (name).
  Outcome snapshot(const std::string& volume, const Uuid& uuid, const std::string& name, uint64_t now_s);
  // Of all members that can be reached, as info() says.
  Outcome delete_snapshot(const std::string& volume, const Uuid& uuid);
  // From one member in sync that has it to one that lacks it, in the background; how far it is: info().
  // `bases`: other snapshots of when the volume was as large, of which the newest that both have need not be
  // moved. Errc: not_found, in_use (another one is carried, or the head does not serve), invalid_argument
  // (the members), permission_denied (one of the two is not in sync).
  Outcome carry_snapshot(const std::string& volume, const Uuid& snapshot, const Uuid& from, const Uuid& to,
                         std::vector<Uuid> bases);
  // What a member in sync says that it has, the oldest first; nothing: it cannot say. `listed` once, on any
  // thread, possibly from inside. Errc: as of carry_snapshot(), and io_error (the member was lost, or cannot
  // say).
  using Listed = std::function<void(Result<std::optional<std::vector<Uuid>>>)>;
  void list_snapshots(const std::string& volume, const Uuid& replica, Listed listed);
  // No error if none is carried.
  Outcome cancel_carry(const std::string& volume);

  // Any thread. No error if nobody waits for it.
  void answer_store(const std::string& volume, const StoreAnswer& answer);

 private:
  struct Entry {
    Reactor* home = nullptr;
    Uuid uuid;
    std::unique_ptr<bdev::mirror::HeadSlot> slot;
    MirrorConfig config;                               // of its head: the latest
    std::unique_ptr<bdev::mirror::HeadDriver> driver;  // made, used and destroyed on home
    std::shared_ptr<Signal> ending;  // it was told to end, and nobody has waited for that yet
    bool is_ended = false;
    bdev::mirror::Record known;  // of no head: as it was when there was one here, or at the beginning
  };
  // By name of the volume; each of its reactor alone.
  using Drivers = std::map<std::string, bdev::mirror::HeadDriver*>;

  uint32_t home_of(const std::string& volume) const;
  Outcome start_head(const std::string& volume, Entry& entry, const MirrorConfig& config);
  static void begin_end(Entry& entry);
  void drop_head(const std::string& volume, Entry& entry);
  bool runs(Entry& entry);
  Result<Entry*> find(const std::string& volume);
  using Connector = std::shared_ptr<bdev::mirror::ReplicaConnector>;
  Result<Connector> connector(Reactor& home, const MirrorConfig& config, const MirrorMemberConfig& member);
  Result<std::vector<Connector>> connectors(Reactor& home, const MirrorConfig& config);
  // A connector ends where it is used.
  static void release(Reactor& home, std::vector<Connector> connectors);

  ReactorSet& reactors_;
  ReplicaTable& replicas_;
  StoreRequestSink sink_;
  HeadStateSink state_sink_;
  std::map<std::string, Entry> mirrors_;
  std::vector<Drivers> drivers_;  // by reactor
};

// Outcome of what a config says by itself.
Outcome check_mirror_config(const MirrorConfig& config);

}  // namespace ballast::engine
