#include "engine/pool_table.h"

#include "base/log.h"
#include "engine/pool_call.h"
#include "engine/pool_questions.h"

namespace ballast::engine {
namespace {

using bdev::pool::Pool;

// Files that are opened, and those that this made: they go again when it comes to nothing.
class OpenedFiles {
 public:
  explicit OpenedFiles(FileSystem& files) : files_(files) {}
  ~OpenedFiles() {
    for (const std::string& path : made_) files_.remove(path);
  }
  Outcome open(const std::string& path, uint64_t size_bytes, bool read_only = false) {
    FileOptions options;
    options.create = size_bytes > 0;
    options.create_size_bytes = size_bytes;
    options.read_only = read_only;
    TRY(std::unique_ptr<File> file, files_.open(path, options));
    if (file->created()) made_.push_back(path);
    if (size_bytes > 0 && file->size_bytes() != size_bytes) {
      return Error{Errc::invalid_argument, path + ": has " + std::to_string(file->size_bytes()) +
                                               " bytes, not " + std::to_string(size_bytes)};
    }
    if (file->direct_alignment_bytes() > bdev::pool::k_page_bytes) {
      return Error{Errc::unsupported, path + ": has sectors of more than 4 KiB"};
    }
    opened_.push_back({path, std::move(file)});
    return Unit{};
  }
  std::vector<bdev::pool::PoolFile> take() { return std::move(opened_); }
  void keep() { made_.clear(); }

 private:
  FileSystem& files_;
  std::vector<bdev::pool::PoolFile> opened_;
  std::vector<std::string> made_;
};

}  // namespace

PoolTable::PoolTable(ReactorSet& reactors, uint64_t map_bytes) : reactors_(reactors) {
  options_.store.map_bytes = options_.data.map_bytes = map_bytes;
}

PoolTable::~PoolTable() {
  for (auto& [name, entry] : pools_) {
    while (!entry.open.empty()) close_volume(name, std::string(entry.open.begin()->first));
    const Outcome closed = call_on(*entry.reactor, [&pool = *entry.pool] { return pool.close(); });
    if (!closed.ok()) {
      log(LogLevel::error, "engine", "pool %s: %s", log_escape(name).c_str(),
          log_escape(closed.error().text).c_str());
    }
    drop(entry);
  }
}

void PoolTable::drop(Entry& entry) {
  run_on(*entry.reactor, [&entry] { entry.pool.reset(); });
}

Reactor& PoolTable::next_reactor() {
  const auto reactors = reactors_.reactors();
  return *reactors[next_reactor_++ % reactors.size()];
}

Result<PoolTable::Entry*> PoolTable::find(const std::string& pool) {
  const auto found = pools_.find(pool);
  if (found == pools_.end()) return Error{Errc::not_found, "no pool of this name is open"};
  return &found->second;
}

// --- pools ---

Result<PoolInfo> PoolTable::take(Entry entry) {
  Result<PoolInfo> info = call_on(*entry.reactor, [&pool = *entry.pool] { return describe(pool); });
  const std::string name = info.ok() ? info->name : std::string();
  if (info.ok() && !pools_.contains(name)) {
    pools_.emplace(name, std::move(entry));
    return info;
  }
  static_cast<void>(call_on(*entry.reactor, [&pool = *entry.pool] { return pool.close(); }));
  drop(entry);
  if (!info.ok()) return info;
  return Error{Errc::already_exists, "a pool of this name is open"};
}

Result<PoolInfo> PoolTable::create(const PoolConfig& config) {
  if (pools_.contains(config.name)) return Error{Errc::already_exists, "a pool of this name is open"};
  OpenedFiles files(reactors_.files());
  bdev::pool::PoolSettings settings;
  settings.name = config.name;
  settings.uuid = config.uuid;
  settings.keeps_checksums = config.checksums;
  settings.extent_bytes = config.extent_bytes;
  settings.grows_to_bytes = config.grows_to_bytes;
  settings.policy = config.policy;
  settings.now_s = config.now_s;
  settings.overwrites = config.force;
  for (const PoolDeviceConfig& device : config.devices) {
    TRY(const Unit opened, files.open(device.path, device.size_bytes));
    static_cast<void>(opened);
    settings.device_uuids.push_back(device.uuid);
  }
  Entry entry;
  entry.reactor = &next_reactor();
  bdev::pool::PoolOptions options = options_;
  options.fills_journal = true;
  auto made =
      call_on(*entry.reactor, [&] { return Pool::create(*entry.reactor, files.take(), settings, options); });
  if (!made.ok()) return made.error();
  files.keep();
  entry.pool = std::move(*made);
  return take(std::move(entry));
}

Result<PoolInfo> PoolTable::open(const std::vector<std::string>& paths) {
  OpenedFiles files(reactors_.files());
  for (const std::string& path : paths) {
    TRY(const Unit opened, files.open(path, 0));
    static_cast<void>(opened);
  }
  Entry entry;
  entry.reactor = &next_reactor();
  auto opened = call_on(*entry.reactor, [&] { return Pool::open(*entry.reactor, files.take(), options_); });
  if (!opened.ok()) return opened.error();
  entry.pool = std::move(*opened);
  return take(std::move(entry));
}

Outcome PoolTable::close(const std::string& pool, bool exported) {
  TRY(Entry* const entry, find(pool));
  if (!entry->open.empty()) return Error{Errc::in_use, "a volume of the pool is served"};
  const auto state = exported ? bdev::pool::PoolState::exported : bdev::pool::PoolState::active;
  const Outcome closed =
      call_on(*entry->reactor, [&pool = *entry->pool, state] { return pool.close(state); });
  drop(*entry);
  pools_.erase(pool);
  return closed;
}

Outcome PoolTable::destroy(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  if (!entry->open.empty()) return Error{Errc::in_use, "a volume of the pool is served"};
  const Outcome destroyed = call_on(*entry->reactor, [&pool = *entry->pool] { return pool.destroy(); });
  if (destroyed.errc() == Errc::in_use) return destroyed;  // before anything was done
  drop(*entry);
  pools_.erase(pool);
  return destroyed;
}

Result<PoolInfo> PoolTable::add_device(const std::string& pool, const PoolDeviceConfig& config) {
  TRY(Entry* const entry, find(pool));
  OpenedFiles files(reactors_.files());
  TRY(const Unit opened, files.open(config.path, config.size_bytes));
  static_cast<void>(opened);
  TRY(const Unit added, call_on(*entry->reactor, [&] {
        return entry->pool->add_device(std::move(files.take().front()), config.uuid);
      }));
  static_cast<void>(added);
  files.keep();
  return info(pool);
}

Result<PoolInfo> PoolTable::info(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  return call_on(*entry->reactor, [&pool = *entry->pool] { return describe(pool); });
}

Result<PoolInfo> PoolTable::set_policy(const std::string& pool, const bdev::pool::PoolPolicy& policy) {
  TRY(Entry* const entry, find(pool));
  const Outcome set =
      call_on(*entry->reactor, [&pool = *entry->pool, &policy] { return pool.volumes().set_policy(policy); });
  if (!set.ok()) return set.error();
  return info(pool);
}

Outcome PoolTable::start_scrub(const std::string& pool, uint64_t bytes_per_second) {
  TRY(Entry* const entry, find(pool));
  Outcome outcome = Unit{};
  run_on(*entry->reactor, [&] { outcome = entry->pool->start_scrub(bytes_per_second); });
  return outcome;
}

Outcome PoolTable::stop_scrub(const std::string& pool) {
  TRY(Entry* const entry, find(pool));
  run_on(*entry->reactor, [&] { entry->pool->stop_scrub(); });
  return Unit{};
}

Result<bdev::pool::CheckReport> PoolTable::check(const std::vector<std::string>& paths,
                                                 const bdev::pool::CheckOptions& options) {
  OpenedFiles files(reactors_.files());
  for (const std::string& path : paths) {
    TRY(const Unit opened, files.open(path, 0, !options.repair));
    static_cast<void>(opened);
  }
  Reactor& reactor = next_reactor();
  check_progress_.begin(0);
  bdev::pool::CheckOptions shown = options;
  shown.progress = &check_progress_;
  return call_on(reactor, [&] { return bdev::pool::check(reactor, files.take(), shown); });
}

}  // namespace ballast::engine
