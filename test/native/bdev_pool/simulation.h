// A pool over simulated disks beside a model that says what it may answer: I/O from two reactors, operations
// of the control path, power failures, faults, and checks of everything against the model. The random walk
// (simulation_walk.h) and the exhaustive sequences drive it. One seed, one run; the first thing that is wrong
// ends it.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "native/bdev_pool/pool_fixture.h"
#include "native/bdev_pool/simulation_model.h"

namespace ballast::bdev::pool::test {

struct SimulationOptions {
  std::vector<uint64_t> device_sizes_bytes{36 * k_mib};
  bool keeps_checksums = true;
  bool direct = true;
  uint32_t frames_count = 64;
  uint32_t ios_max = 16;
  uint32_t slots_max = 8;
  ChainOptions chains;
  CleanerOptions cleaner;
  bool shuffles = false;  // file operations end in any order
};

// An I/O while it is in flight.
struct Flight;

// A coroutine of the control path while it runs.
struct Control {
  virtual ~Control() = default;
  virtual bool is_done() const = 0;
  virtual void end() = 0;
};

// What may have happened or not: looks when the pool was opened again, and tells the model.
using Doubt = std::function<void()>;

class Simulation {
 public:
  Simulation(uint64_t seed, SimulationOptions options);
  ~Simulation();

  // --- the pool comes and goes ---
  void create();
  void open();
  // In order; then what lies on the disks is looked through.
  void close();
  // Power fails. What is in flight ends first.
  void crash(UnsyncedWrites unsynced);
  // The process is killed: what it wrote and did not sync is in the disks' caches, is read from there by the
  // next, and lost if power fails before anybody syncs.
  void kill();
  bool is_open() const { return pool_ != nullptr; }

  // --- I/O; nothing happens where the range is taken by an I/O that stands alone ---
  void write(uint32_t volume, uint64_t lba, uint32_t blocks, uint32_t reactor = 0);
  void read(uint32_t volume, uint64_t lba, uint32_t blocks, uint32_t reactor = 0, bool verify = false);
  void zero(uint32_t volume, uint64_t lba, uint32_t blocks, IoType type, uint32_t reactor = 0);
  void compare(uint32_t volume, uint64_t lba, uint32_t blocks, bool equal, uint32_t reactor = 0);
  void compare_and_write(uint32_t volume, uint64_t lba, uint32_t blocks, bool equal, uint32_t reactor = 0);
  void copy(uint32_t volume, uint64_t from, uint64_t to, uint32_t blocks, uint32_t reactor = 0);
  void flush(uint32_t volume, uint32_t reactor = 0);
  size_t flights_count() const { return flights_.size(); }

  // --- control path: started, and ended by turns() or finish() ---
  void start_create_volume(uint64_t size_blocks, bool is_thick);
  void start_snapshot(const std::vector<uint32_t>& volumes);
  void start_clone(uint32_t volume, uint32_t layer);
  void start_revert(uint32_t volume, uint32_t layer);
  void start_resize(uint32_t volume, uint64_t size_blocks);
  void start_rename(uint32_t volume);
  void start_remove(uint32_t volume, bool erase);
  void start_remove_snapshot(uint32_t volume, uint32_t layer);
  void start_read_snapshot(uint32_t volume, uint32_t layer);
  // A snapshot from elsewhere, put above one that the volume stands on, or below all; parts of it; its end.
  void start_begin_receive(uint32_t volume);
  void start_receive(uint32_t layer);
  void start_finish_receive(uint32_t layer);
  void start_stop_receive(uint32_t layer);
  // Of this volume, if one is being received.
  std::optional<uint32_t> received_of(uint32_t volume) const;
  bool is_receiving(uint32_t layer) const { return receiving_now_.contains(layer); }
  void start_add_device(uint64_t size_bytes);
  void start_scrub();
  bool is_busy(uint32_t volume) const { return busy_.contains(volume); }
  size_t controls_count() const { return controls_.size(); }
  void serve(uint32_t volume);
  // Waits for the I/O of this volume.
  void stop_serving(uint32_t volume);
  bool is_served(uint32_t volume) const { return served_.contains(volume); }

  // --- time ---
  void turns(uint32_t count);
  void advance(uint64_t ns);
  // All I/O and all control operations have ended.
  void finish();

  // --- faults ---
  // From now on, until calm(): operations may fail, and the pool may break.
  void expect_errors() { may_fail_ = is_scrub_unsure_ = true; }
  // No fault is waiting any more, and what was in flight has ended.
  void calm();
  // After calm(), or on a pool that is opened anew: errors are not expected any more.
  void forgive() { may_fail_ = false; }
  // Data may be media errors from now on, and is never wrong.
  void expect_media_errors() { may_rot_ = true; }
  SimulatedWorld& world() { return stage_->world; }
  bool is_broken() const { return pool_ != nullptr && pool_->facts().is_broken; }
  bool power_is_off() { return world().power_is_off(); }

  // --- checks ---
  // All that can be read, with snapshots through clones.
  void check_all(bool with_snapshots);
  void check_volume(uint32_t volume);
  void check_snapshot(uint32_t volume, uint32_t layer);
  void check_ranges(uint32_t volume);
  void finish_layer_work();

  bool has_failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  void fail(const std::string& text);
  // What happens, line by line, with BALLAST_SIM_TRACE=1.
  void trace(const std::string& text) const;

  Prng& prng() { return prng_; }
  std::map<uint32_t, ModelVolume>& volumes() { return volumes_; }
  const std::vector<std::string>& paths() const { return paths_; }
  PoolFacts facts() const { return pool_->facts(); }
  uint64_t data_offset(size_t device) const { return pool_->facts().superblock.devices[device].data_offset; }

 private:
  struct ServedVolume {
    OpenVolume* opened = nullptr;
    std::shared_ptr<Bdev> device;
    std::array<std::unique_ptr<Channel>, 2> channels;
    uint32_t flights_count = 0;
    bool is_stopping = false;
  };
  // A snapshot that is being made: what each block may hold at its moment.
  struct Capture {
    uint32_t volume = 0;
    std::vector<Cell> cells;
  };
  struct Listing {
    std::map<uint32_t, VolumeValue> volumes;
    std::map<uint32_t, std::map<uint32_t, LayerValue>> snapshots;  // by volume, by layer
  };

  PoolFile file(const std::string& path, uint64_t create_bytes = 0);
  PoolOptions pool_options() const;
  void drop_pool();
  void end_process();
  void restore_power(UnsyncedWrites unsynced);
  void restart_process();
  void crash_model();
  void clear_faults();
  std::unique_ptr<Flight> new_flight(IoType type, uint32_t volume, uint64_t lba, uint32_t blocks);
  void give_data(Flight& flight, uint64_t bytes);
  void submit(std::unique_ptr<Flight> flight, uint32_t reactor);
  void ended(Flight& flight, Status status);
  void start_change(Flight& flight, const std::vector<Entry>& entries);
  void end_change(Flight& flight, Status status);
  void check_read(Flight& flight);
  bool check_status(const Flight& flight, Status status);
  bool is_alone(uint32_t volume, uint64_t lba, uint64_t blocks) const;
  bool has_change(uint32_t volume, uint64_t lba, uint64_t blocks) const;
  bool has_alone(uint32_t volume, uint64_t lba, uint64_t blocks) const;
  bool are_sure(uint32_t volume, uint64_t lba, uint32_t blocks) const;
  uint64_t number_of_block(const uint8_t* data);
  void fill_block(uint8_t* data, uint64_t value) const;
  bool settle_cell(Cell& cell, const Cell& allowed, uint64_t value, const std::string& where,
                   bool may_settle);

  template <typename Make, typename Ended>
  void start(std::vector<uint32_t> volumes, Make make, Ended ended, Doubt doubt);
  void end_controls();
  // Its effect is seen at the next opening.
  void leave_in_doubt(Doubt doubt) { doubts_.push_back(std::move(doubt)); }
  bool is_expected(Errc errc) const;
  void add_volume(uint32_t id, const std::string& name, uint64_t size_blocks, bool is_thick);
  void add_snapshots(uint64_t group, const std::vector<Capture>& captures,
                     const std::vector<std::string>& names, const std::vector<uint32_t>& layers,
                     const std::vector<uint64_t>& sizes);
  void revert_model(uint32_t volume, uint32_t layer);
  void resize_model(uint32_t volume, uint64_t size_blocks);
  ModelSnapshot* find_snapshot(uint32_t volume, uint32_t layer);
  void add_received(uint32_t layer, ModelReceived received, uint32_t after);
  void put_below(uint32_t volume, uint32_t after, uint32_t layer);
  void add_finished(ModelReceived received);
  void forget_received(uint32_t volume);
  uint64_t value_to_receive(const ModelReceived& received, uint32_t after, uint64_t lba, uint64_t kind);

  Listing list();
  void resolve_doubts();
  void check_listing();
  void check_group(uint64_t group);
  void check_disks(bool is_closed);
  std::string check_pages(Disk& disk, const Root& root, const Superblock& superblock);
  void wait_until(const std::function<bool()>& done, const char* what);

  const SimulationOptions options_;
  std::unique_ptr<PoolStage> stage_;
  Reactor& remote_;
  Prng prng_;
  std::vector<std::string> paths_;
  std::string joining_;  // a device that may or may not be of the pool
  std::unique_ptr<Pool> pool_;
  std::map<uint32_t, ServedVolume> served_;
  std::map<uint32_t, ModelVolume> volumes_;
  Listing listing_;  // at the last opening
  std::vector<std::unique_ptr<Flight>> flights_;
  std::vector<std::unique_ptr<Control>> controls_;
  std::multiset<uint32_t> busy_;
  std::map<uint64_t, std::vector<Capture>*> captures_;  // by group
  std::vector<Doubt> doubts_;
  std::map<uint32_t, ModelReceived> received_;  // by layer
  std::set<uint32_t> receiving_now_;            // a part of these is on its way
  // Blocks of a received snapshot: what is above them may be shown as changed and be the same.
  std::set<uint64_t> received_lbas_;
  Mixes mixes_;
  uint64_t now_ = 1;
  uint64_t next_value_ = 1;
  uint64_t next_write_ = 1;
  uint64_t next_name_ = 1;
  uint64_t next_group_ = 1;
  bool may_fail_ = false;
  bool may_rot_ = false;
  bool is_scrub_unsure_ = false;
  std::string failure_;
};

}  // namespace ballast::bdev::pool::test
