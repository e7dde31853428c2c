// Images of pools, damaged at random: opening and check() never stop the program, never run for ever, and
// never give what was not acknowledged. A few seconds here; for longer, and to repeat a seed:
//   scripts/fuzz pool --seconds 600 --seed 7
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "bdev/pool/layer_work.h"
#include "bdev/pool/pool.h"
#include "native/bdev_pool/check_fixture.h"
#include "native/bdev_pool/pool_damage.h"

namespace ballast::bdev::pool::test {
namespace {

constexpr uint64_t k_seeds_count = 60;  // where no time is given
constexpr CheckOptions k_look{.frames_count = 256};
constexpr CheckOptions k_repair{.repair = true, .frames_count = 256};
constexpr CheckOptions k_discard{.repair = true, .discard_damaged = true, .frames_count = 256};

uint64_t present_seed = 0;

void on_abort(int) {
  std::fprintf(stderr, "\nPoolFuzz: stopped at seed %llu\n", static_cast<unsigned long long>(present_seed));
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

class PoolFuzz : public CheckFixture {
 protected:
  using Content = std::map<Key, std::vector<uint8_t>>;

  // What hosts and people see. Nothing if a page cannot be read.
  std::optional<Content> content() {
    Content found;
    for (Key from{};;) {
      const auto entry = stage_->run([&] { return store_->seek(from); });
      if (!entry.ok()) return std::nullopt;
      if (!entry->has_value()) return found;
      const Key key = (*entry)->key;
      const bool is_seen = key.type() <= static_cast<uint8_t>(KeyType::slot) ||
                           key.type() == static_cast<uint8_t>(KeyType::wrapped_key);
      if (is_seen) found[key] = {(*entry)->value.begin(), (*entry)->value.end()};
      from = key.low == UINT64_MAX ? Key{key.high + 1, 0} : Key{key.high, key.low + 1};
    }
  }

  // --- an image, and what was acknowledged at which block of the journal ---

  void note() {
    const Root root = root_in_force();
    uint64_t end = std::max(root.journal_sequence, steps_.empty() ? 0 : steps_.back().end);
    for (;; ++end) {
      const PageBuffer block = page(layout().journal_page(end));
      if (load<Head>(block.bytes()).generation != end) break;
    }
    steps_.push_back({end, *content()});
  }
  void make_image(Prng& prng) {
    steps_.clear();
    older_.clear();
    std::vector<uint32_t> volumes, snapshots;
    uint32_t names = 0;
    const uint64_t steps = 5 + prng.below(40);
    const uint64_t middle = prng.below(steps);
    note();
    for (uint64_t step = 0; step < steps; ++step) {
      const std::string name = "n" + std::to_string(names++);
      switch (volumes.empty() ? 0 : prng.below(10)) {
        case 0: volumes.push_back(make_volume(name)); break;
        case 1: snapshots.push_back(snap(volumes[prng.below(volumes.size())], name)); break;
        case 2:
          if (!snapshots.empty()) volumes.push_back(clone(snapshots[prng.below(snapshots.size())], name));
          break;
        case 3:
          if (snapshots.empty()) break;
          static_cast<void>(stage_->run([&] { return volumes_->remove_snapshot(snapshots.back()); }).ok());
          snapshots.pop_back();
          break;
        case 4:
          if (prng.chance(1, 2)) {
            EXPECT_EQ(stage_->run([&] { return store_->checkpoint(); }), Errc::ok);
            break;
          }
          prng.chance(1, 2) ? leave() : close();
          ASSERT_TRUE(open().ok());
          break;
        default:
          // A slot anew, so that a layer has one fragment of it.
          write(volumes[prng.below(volumes.size())], 100 + step);
          break;
      }
      note();
      if (step == middle) older_ = damage(prng).keep(root_in_force());
    }
    prng.chance(1, 3) ? close() : leave();
  }
  PoolDamage damage(Prng& prng) { return {*stage_, *disks_[0], layout(), prng}; }

  // A step may be lost without being missed if a block of it is spoiled, and all blocks of all later ones.
  bool is_acknowledged(const Content& found, const std::set<uint64_t>& spoiled) {
    size_t lost = steps_.size();
    if (found == steps_.back().content) return true;
    for (size_t step = steps_.size() - 1; step > 0; --step) {
      bool any = false, all = true;
      for (uint64_t sequence = steps_[step - 1].end; sequence < steps_[step].end; ++sequence) {
        const bool hit = spoiled.contains(MetadataLayout::address(layout().journal_page(sequence)));
        any |= hit;
        all &= hit;
      }
      if (any) lost = step;
      if (lost != steps_.size() && lost <= step && found == steps_[step - 1].content) return true;
      if (!all) return false;
    }
    return false;
  }

  // Opens it as it is opened for use, looks around, and closes it.
  void open_for_use() {
    leave();
    disks_.clear();
    std::vector<PoolFile> files;
    for (const char* const path : k_paths) {
      files.push_back({path, std::move(*stage_->world.files().open(path, {}))});
    }
    PoolOptions options;
    options.store.frames_count = 256;
    Result<std::unique_ptr<Pool>> opened =
        stage_->run([&] { return Pool::open(stage_->reactor, std::move(files), options); });
    if (opened.ok()) {
      Pool& pool = **opened;
      const auto listed = stage_->run([&] { return pool.volumes().list(0, 100); });
      for (size_t i = 0; listed.ok() && i < listed->size(); ++i) {
        const uint32_t id = (*listed)[i].id;
        static_cast<void>(stage_->run([&] { return pool.volumes().snapshots(id, 0, 100); }).ok());
        if (stage_->run([&] { return pool.open_volume(id); }).ok()) {
          static_cast<void>(stage_->run([&] { return pool.close_volume(id); }));
        }
      }
      static_cast<void>(stage_->run([&] { return pool.close(); }).ok());
    }
    stage_->world.settle();
    stage_->world.on(stage_->reactor, [&] { opened = Errc::aborted; });
    stage_->world.settle();
    for (int i = 0; i < 2; ++i) disks_.push_back(stage_->open(k_paths[i], k_sizes[i]));
  }

  void run_damaged(uint64_t seed) {
    Prng prng(seed);
    restart(seed);
    ASSERT_NO_FATAL_FAILURE(make_image(prng));
    PoolDamage harm = damage(prng);
    const Root root = root_in_force();
    std::string what;
    for (uint64_t left = 1 + prng.below(3); left > 0; --left) what += harm.spoil(root, older_) + "; ";
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + what);
    const uint64_t changes = stage_->world.file_changes_count();
    const CheckReport found = check(k_look);
    ASSERT_EQ(stage_->world.file_changes_count(), changes);
    const bool repairs_first = prng.chance(1, 2);
    const CheckReport repaired = repairs_first ? check(k_repair) : found;
    const Outcome opened = open();
    if (opened.ok()) {
      const std::optional<Content> held = content();
      if (held) {
        ASSERT_TRUE(is_acknowledged(*held, harm.spoiled)) << text(found);
      } else {
        ASSERT_GT(repaired.errors_count(), 0u) << text(found);
      }
    } else {
      ASSERT_GT(repaired.errors_count(), 0u) << opened.error().text;
    }
    // A pool without errors opens, and every error is gone or cannot be mended.
    const CheckReport last = check(k_discard);
    const auto is_impossible = [](const CheckFinding& finding) {
      return finding.repair == CheckRepair::impossible && !finding.is_repaired;
    };
    if (std::none_of(last.findings.begin(), last.findings.end(), is_impossible)) {
      for (const CheckFinding& finding : last.findings) {
        ASSERT_TRUE(finding.is_repaired || finding.repair == CheckRepair::not_needed) << text(last);
      }
    }
    const bool opens = open().ok();
    if (last.errors_count() == 0) {
      ASSERT_TRUE(opens) << text(last);
    }
    open_for_use();
  }

  void run_forged(uint64_t seed) {
    Prng prng(seed);
    restart(seed);
    ASSERT_NO_FATAL_FAILURE(make_image(prng));
    PoolDamage harm = damage(prng);
    const Root root = root_in_force();
    std::string what;
    for (uint64_t left = 1 + prng.below(2); left > 0; --left) what += harm.forge(root) + "; ";
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + what);
    const uint64_t changes = stage_->world.file_changes_count();
    const CheckReport found = check(k_look);
    ASSERT_EQ(stage_->world.file_changes_count(), changes);
    if (prng.chance(1, 2)) open_for_use();
    static_cast<void>(check(prng.chance(1, 2) ? k_repair : k_discard).is_clean());
    static_cast<void>(check(k_discard).is_clean());
    open_for_use();
    if (!open().ok()) return;
    LayerWork work(*store_, turns_);
    for (int step = 0; step < 20; ++step) {
      const auto progress = stage_->run([&] { return work.step(); });
      if (!progress.ok() || *progress != LayerWork::Progress::some) break;
    }
  }

  template <typename Run>
  void fuzz(Run run) {
    set_log_sink([](void*, LogLevel, const char*, std::string_view) {}, nullptr);
    std::signal(SIGABRT, on_abort);
    const uint64_t seconds = number_from("BALLAST_POOL_FUZZ_SECONDS", 0);
    const uint64_t first = number_from("BALLAST_POOL_FUZZ_SEED", 1);
    const uint64_t count =
        number_from("BALLAST_POOL_FUZZ_SEEDS", seconds == 0 ? k_seeds_count : UINT64_MAX - first);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    uint64_t seed = first;
    for (; seed < first + count && !HasFatalFailure(); ++seed) {
      if (seconds != 0 && std::chrono::steady_clock::now() >= end) break;
      present_seed = seed;
      run(seed);
    }
    set_log_sink(nullptr, nullptr);
    std::signal(SIGABRT, SIG_DFL);
    std::printf("%llu images from seed %llu\n", static_cast<unsigned long long>(seed - first),
                static_cast<unsigned long long>(first));
  }

  struct Step {
    uint64_t end = 0;  // of the journal
    Content content;
  };
  std::vector<Step> steps_;
  PoolDamage::Pages older_;
};

TEST_F(PoolFuzz, a_damaged_pool_is_refused_or_gives_what_was_acknowledged) {
  fuzz([this](uint64_t seed) { run_damaged(seed); });
}

TEST_F(PoolFuzz, a_forged_pool_stops_nobody) {
  fuzz([this](uint64_t seed) { run_forged(seed); });
}

}  // namespace
}  // namespace ballast::bdev::pool::test
