#include "bdev/pool/check.h"

#include <algorithm>

#include "bdev/pool/check_devices.h"
#include "bdev/pool/check_discard.h"
#include "bdev/pool/check_links.h"
#include "bdev/pool/check_root.h"
#include "bdev/pool/pool.h"

namespace ballast::bdev::pool {
namespace {

// What one look at a pool has found, and what a repair needs to know of it.
struct Looked {
  CheckReport report;
  CheckedDevices devices;
  bool has_root = false;
  CheckedRoot root;
  TreeRoot tree;
  CheckedJournal journal;
  std::vector<LostPage> lost;
  std::vector<bool> pages_seen;
  uint64_t keys_seen = 0;
  bool is_whole = false;          // tree, values and journal: what is missing elsewhere is missing
  bool must_write_root = false;   // free map or sums are wrong
  bool has_broken_links = false;  // something is named that is not there, for whatever reason
  std::vector<CheckFix> fixes;    // safe ones
  std::vector<Extent> leaked;

  Disk& disk() const { return *devices.disks[0]; }
  MetadataLayout layout() const { return *MetadataLayout::of(devices.superblock.metadata_bytes); }
};

constexpr uint64_t k_leaked_shown_max = 4;

std::string leaked_text(const std::vector<Extent>& leaked) {
  std::string text = std::to_string(leaked.size()) + " extents are marked used and belong to nobody: ";
  for (size_t i = 0; i < leaked.size() && i < k_leaked_shown_max; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(leaked[i].number()) + " of device " + std::to_string(leaked[i].device());
  }
  return leaked.size() > k_leaked_shown_max ? text + ", ..." : text;
}

void report_extents_damage(const Result<std::optional<Key>>& loaded, CheckReport& report) {
  if (!loaded.ok()) {
    report.add(CheckSeverity::error, CheckRepair::discards, "the map of extents",
               "cannot be read as a whole: the pages are named below");
  } else if (loaded->has_value()) {
    report.add(CheckSeverity::error, CheckRepair::impossible, "the map of extents",
               "makes no sense for device " + std::to_string((*loaded)->id()) + ", part " +
                   std::to_string((*loaded)->low));
  }
}

// Writes nothing.
Task<Errc> look(const std::vector<CheckDisk>& disks, const CheckOptions& options, Looked& looked) {
  CheckReport& report = looked.report;
  const bool has_devices = co_await check_devices(disks, report, looked.devices);
  if (!has_devices) co_return Errc::ok;
  const Superblock& superblock = looked.devices.superblock;
  const Uuid& pool_uuid = superblock.head.pool_uuid;
  const MetadataLayout layout = looked.layout();
  looked.has_root = co_await check_root(looked.disk(), layout, pool_uuid, report, looked.root);
  if (!looked.has_root) co_return Errc::ok;
  const Root& root = looked.root.root;
  looked.tree = {root.tree_page, root.tree_crc, root.tree_levels, root.keys_count};

  ScanTerms terms;
  terms.blocks_per_extent = (1u << superblock.extent_size_log2) / k_page_bytes;
  for (uint32_t i = 0; i < superblock.devices_count; ++i) {
    terms.extents_counts.push_back(superblock.devices[i].extents_count);
  }
  const bool keeps_checksums = (superblock.read_only_compatible & k_read_only_compatible_checksums) != 0;
  ExtentMap extents(terms.extents_counts);
  CheckView view(looked.disk(), layout, pool_uuid, looked.tree, extents,
                 {terms.blocks_per_extent, keeps_checksums, options.frames_count});
  const Result<std::optional<Key>> loaded = co_await view.load_extents();
  report_extents_damage(loaded, report);
  terms.keeps_allocations = (superblock.read_only_compatible & k_read_only_compatible_allocations) != 0;
  terms.is_map_known = loaded.ok() && !loaded->has_value();
  looked.journal =
      co_await check_journal(looked.disk(), layout, root, ReplayData::of(superblock), view, report);
  if (looked.journal.is_root_old) {
    looked.has_root = false;  // nothing is written over what somebody may still bring back
    co_return Errc::ok;
  }

  CheckScan scan(view, extents, terms, report);
  if (options.progress != nullptr) options.progress->begin(root.pages_used);
  TreeWalk walk(looked.disk(), layout, pool_uuid, options.progress);
  const Errc walked = co_await walk.run(looked.tree, scan);
  if (walked != Errc::ok) co_return walked;
  scan.finish();
  report.counters.tree_pages = walk.pages_count();
  const uint64_t extent_bytes = view.extent_bytes();
  for (const LostPage& lost : scan.lost) report_lost(lost, scan, extent_bytes, report);
  looked.lost = scan.lost;
  looked.pages_seen = walk.seen();
  looked.keys_seen = walk.keys_count();
  // Where pages are missing, what is below them looks as if nobody had it.
  if (scan.lost.empty()) looked.must_write_root = compare_with_walk(looked.root, layout, walk, report);
  looked.is_whole = scan.is_whole() && looked.journal.is_read && terms.is_map_known;
  if (!looked.is_whole) co_return Errc::ok;

  const auto is_impossible = [](const CheckFinding& finding) {
    return finding.repair == CheckRepair::impossible;
  };
  CheckLinks links(view, scan, report);
  const Errc linked = co_await links.run();
  if (linked != Errc::ok) co_return linked;
  scan.for_each_leaked([&](Extent extent) { looked.leaked.push_back(extent); });
  report.counters.extents_leaked = looked.leaked.size();
  if (!looked.leaked.empty()) {
    report.add(CheckSeverity::warning, CheckRepair::safe, "the map of extents", leaked_text(looked.leaked));
  }
  looked.has_broken_links = report.findings_left_out > 0 ||
                            std::any_of(report.findings.begin(), report.findings.end(), is_impossible);
  looked.fixes = std::move(scan.fixes);
  co_return Errc::ok;
}

// --- repair ---

// Superblocks, the journal's end, the tree's pages, free map and root: what an opening needs.
Task<Errc> repair_structure(const Looked& looked, const CheckOptions& options, bool& has_changed) {
  has_changed = !looked.devices.worn.empty();
  Errc errc = co_await repair_devices(looked.devices);
  if (errc != Errc::ok || !looked.has_root) co_return errc;
  const MetadataLayout layout = looked.layout();
  if (options.discard_damaged && !looked.journal.is_read && looked.journal.can_be_cut) {
    has_changed = true;
    errc = co_await cut_journal(looked.disk(), layout, looked.root.root, looked.journal);
    if (errc != Errc::ok) co_return errc;
  }
  if (!looked.lost.empty() && !options.discard_damaged) co_return Errc::ok;
  if (looked.lost.empty() && !looked.must_write_root) co_return Errc::ok;
  has_changed = true;
  NewRoot wanted{looked.tree, looked.pages_seen};
  if (!looked.lost.empty()) {
    const Result<TreeRoot> made =
        co_await discard_pages(looked.disk(), layout, looked.root, looked.lost, wanted.used);
    if (!made.ok()) co_return made.errc();
    wanted.tree = *made;
  }
  wanted.tree.keys_count = looked.keys_seen;
  errc = co_await write_root(looked.disk(), layout, looked.root, std::move(wanted));
  co_return errc;
}

struct Waited : Commit {
  bool await_ready() const { return is_done; }
  void await_suspend(std::coroutine_handle<> of) { waiter = of; }
  Errc await_resume() const { return result; }
  bool is_done = false;
  Errc result = Errc::ok;
  std::coroutine_handle<> waiter;
};

Task<Errc> commit(Store& store, const CheckFix& fix) {
  std::vector<Record> records;
  for (const auto& [type, payload] : fix.records) records.push_back({type, false, payload});
  Waited waited;
  waited.records = records;
  waited.uses_reserve = true;
  waited.done = [](Commit& done, Errc errc) {
    Waited& self = static_cast<Waited&>(done);
    self.result = errc;
    self.is_done = true;
    if (self.waiter) self.waiter.resume();
  };
  store.commit(waited);
  const Errc errc = co_await waited;
  co_return errc;
}

Task<Errc> commit_fixes(Store& store, const Looked& looked) {
  for (const CheckFix& fix : looked.fixes) {
    const Errc errc = co_await commit(store, fix);
    if (errc != Errc::ok) co_return errc;
  }
  for (size_t first = 0; first < looked.leaked.size(); first += k_extents_per_record_max) {
    const size_t count = std::min<size_t>(looked.leaked.size() - first, k_extents_per_record_max);
    CheckFix fix;
    fix.add(RecordType::extent_free,
            {reinterpret_cast<const uint8_t*>(looked.leaked.data() + first), count * sizeof(Extent)});
    const Errc errc = co_await commit(store, fix);
    if (errc != Errc::ok) co_return errc;
  }
  co_return Errc::ok;
}

// Through the journal, as every other change: the pool is opened for it.
Task<Errc> repair_content(const Looked& looked, const CheckOptions& options) {
  Store store(looked.disk(), looked.devices.superblock, {.frames_count = options.frames_count});
  const Outcome opened = co_await store.open();
  if (!opened.ok()) co_return opened.errc();
  Errc errc = co_await commit_fixes(store, looked);
  const Errc closed = co_await store.close();
  co_return errc == Errc::ok ? closed : errc;
}

bool has(const CheckReport& report, const CheckFinding& finding) {
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const CheckFinding& other) {
    return other.where == finding.where && other.what == finding.what;
  });
}

// The first look's findings are repaired if the last one has them no more; what is new in the last one is
// there.
void conclude(CheckReport& report, const CheckReport& last) {
  for (CheckFinding& finding : report.findings) finding.is_repaired = !has(last, finding);
  const std::vector<CheckFinding> first = report.findings;
  for (const CheckFinding& finding : last.findings) {
    if (!has(report, finding)) report.add(finding.severity, finding.repair, finding.where, finding.what);
  }
  report.findings_left_out = std::max(report.findings_left_out, last.findings_left_out);
}

Task<Errc> repair(const std::vector<CheckDisk>& disks, const CheckOptions& options, Looked& first) {
  // What was looked at may be in the disk's cache only, as in Store::open(): what is written from here on may
  // overwrite what the root before it names.
  const Errc synced = co_await first.disk().sync();
  if (synced != Errc::ok) co_return synced;
  constexpr int k_rounds_max = 3;
  Looked again;
  Looked* looked = &first;
  bool has_changed = true;
  for (int round = 0; round < k_rounds_max && has_changed; ++round) {
    Errc errc = co_await repair_structure(*looked, options, has_changed);
    if (errc != Errc::ok) co_return errc;
    if (!has_changed) break;
    again = {};
    looked = &again;
    errc = co_await look(disks, options, again);
    if (errc != Errc::ok) co_return errc;
  }
  // What looks like nobody's may be that of something that is missing.
  const bool is_sure = looked->is_whole && (!looked->has_broken_links || options.discard_damaged);
  if (is_sure && (!looked->fixes.empty() || !looked->leaked.empty())) {
    const Errc errc = co_await repair_content(*looked, options);
    if (errc != Errc::ok) co_return errc;
  } else if (looked == &first) {
    co_return Errc::ok;  // nothing was changed
  }
  Looked last;
  const Errc errc = co_await look(disks, options, last);
  if (errc == Errc::ok) conclude(first.report, last.report);
  co_return errc;
}

}  // namespace

Task<CheckReport> check(Reactor& reactor, std::vector<PoolFile> files, CheckOptions options) {
  std::vector<std::unique_ptr<Disk>> disks;
  std::vector<CheckDisk> given;
  for (PoolFile& opened : files) {
    disks.push_back(std::make_unique<Disk>(reactor, std::move(opened.file)));
    given.push_back({disks.back().get(), opened.path});
  }
  CheckReport report = co_await check(std::move(given), options);
  co_return report;
}

Task<CheckReport> check(std::vector<CheckDisk> disks, CheckOptions options) {
  Looked looked;
  Errc errc = co_await look(disks, options, looked);
  const bool is_pool = !looked.devices.disks.empty();
  if (errc == Errc::ok && options.repair && is_pool && !looked.report.is_clean()) {
    errc = co_await repair(disks, options, looked);
  }
  if (errc != Errc::ok) {
    looked.report.add(CheckSeverity::error, CheckRepair::impossible,
                      options.repair ? "the repair" : "the check",
                      std::string("ended early: ") + errc_text(errc));
  }
  co_return std::move(looked.report);
}

}  // namespace ballast::bdev::pool
