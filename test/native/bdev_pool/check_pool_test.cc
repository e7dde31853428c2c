// What check() says of pools that are used as they are meant to be: nothing, closed or after a power failure
// in any write. It holds the writers of the metadata to what check_links.cc and check_scan.cc know of it.
#include "bdev/pool/check.h"
#include "native/bdev_pool/pool_fixture.h"

namespace ballast::bdev::pool::test {
namespace {

class PoolCheckInUse : public PoolFixture {
 protected:
  CheckReport check_files(const CheckOptions& options = {.frames_count = 256}) {
    std::vector<PoolFile> files;
    for (const char* const path : {"a", "b"}) files.push_back(file(path));
    return stage_->run([&] { return pool::check(stage_->reactor, std::move(files), options); });
  }
  static std::string text(const CheckReport& report) {
    std::string text;
    for (const CheckFinding& finding : report.findings) text += "\n  " + finding.where + ": " + finding.what;
    return text;
  }

  // Any of it may fail: the power may be off, or the pool full.
  void step() {
    const std::string name = "n" + std::to_string(next_++);
    const auto any_volume = [&] { return volumes_[prng().below(volumes_.size())]; };
    const uint64_t lba = prng().below(1000);
    const auto blocks = static_cast<uint32_t>(1 + prng().below(24));
    switch (volumes_.empty() ? 0 : prng().below(19)) {
      case 0: {
        if (volumes_.size() >= 4) break;
        const Result<uint32_t> id = add_volume(name, 4 * k_mib, prng().chance(1, 4) ? k_volume_thick : 0);
        if (id.ok()) volumes_.push_back(*id);
        break;
      }
      case 1: {
        const Result<uint32_t> made = snapshot(any_volume(), name);
        if (made.ok()) snapshots_.push_back(*made);
        break;
      }
      case 2: {
        if (snapshots_.empty() || volumes_.size() >= 4) break;
        const Result<uint32_t> id = clone(snapshots_[prng().below(snapshots_.size())], name);
        if (id.ok()) volumes_.push_back(*id);
        break;
      }
      case 3: {
        if (snapshots_.empty()) break;
        std::swap(snapshots_[prng().below(snapshots_.size())], snapshots_.back());
        static_cast<void>(stage_->run([&] { return pool_->remove_snapshot(snapshots_.back()); }).ok());
        snapshots_.pop_back();
        break;
      }
      case 4: {
        std::swap(volumes_[prng().below(volumes_.size())], volumes_.back());
        const uint32_t id = volumes_.back();
        if (served_.contains(id)) stop_serving(id);
        const bool erases = prng().chance(1, 3);
        if (stage_->run([&] { return pool_->remove(id, erases); }).ok()) volumes_.pop_back();
        break;
      }
      case 5: {
        const uint32_t id = any_volume();
        const uint64_t size_bytes = (2 + prng().below(6)) * k_mib;
        static_cast<void>(stage_->run([&] { return pool_->resize(id, size_bytes); }).ok());
        break;
      }
      case 6: {
        if (snapshots_.empty()) break;
        const uint32_t id = any_volume(), snapshot = snapshots_[prng().below(snapshots_.size())];
        if (served_.contains(id)) stop_serving(id);
        static_cast<void>(stage_->run([&] { return pool_->revert(id, snapshot, 1); }).ok());
        break;
      }
      case 7: stage_->world.advance(prng().below(40) * 1'000'000'000); break;  // cleaning and layer work
      case 8: {
        const IoType type = prng().chance(1, 2) ? IoType::unmap : IoType::write_zeroes;
        static_cast<void>(simple(served(any_volume()), type, lba, blocks));
        break;
      }
      case 9: {
        ReceiveRequest request;
        request.volume = any_volume();
        request.name = name;
        request.uuid = next_uuid();
        request.size_bytes = 2 * k_mib;
        if (!snapshots_.empty() && prng().chance(1, 2))
          request.after = snapshots_[prng().below(snapshots_.size())];
        const Result<uint32_t> made = stage_->run([&] { return pool_->begin_receive(request); });
        if (made.ok()) received_ = *made;
        break;
      }
      case 10:
        if (stage_->run([&] { return pool_->finish_receive(received_); }).ok())
          snapshots_.push_back(received_);
        break;
      case 11: {
        const std::vector<uint64_t> numbers(64, prng().chance(1, 2) ? next_ : 0);
        Buffer buffer(numbers.size() * k_page_bytes);
        number_blocks(buffer.data(), numbers);
        const ReceivedRun run{prng().below(8) * 64 * k_page_bytes, {buffer.data(), buffer.size()}};
        static_cast<void>(stage_->run([&] { return pool_->receive(received_, {run}); }).ok());
        break;
      }
      default:
        static_cast<void>(write(served(any_volume()), lba, std::vector<uint64_t>(blocks, next_)));
        break;
    }
  }
  Served& served(uint32_t id) {
    const auto found = served_.find(id);
    return found != served_.end() ? found->second : serve(id);
  }
  void make_pool(uint64_t seed) {
    drop();
    volumes_.clear(), snapshots_.clear();
    received_ = 0;
    restart(seed);
    ASSERT_TRUE(create({"a", "b"}, 48 * k_mib).ok());
  }

  std::vector<uint32_t> volumes_, snapshots_;
  uint32_t received_ = 0;
  uint64_t next_ = 1;
};

TEST_F(PoolCheckInUse, a_pool_that_is_closed_in_order_is_clean) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    ASSERT_NO_FATAL_FAILURE(make_pool(seed));
    for (int i = 0; i < 150; ++i) step();
    drop();
    const CheckReport report = check_files();
    ASSERT_TRUE(report.is_clean()) << "seed " << seed << text(report);
    EXPECT_GT(report.counters.slots, 0u);
  }
}

TEST_F(PoolCheckInUse, a_pool_whose_power_failed_in_any_write_is_clean) {
  uint64_t found_in_journal = 0;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    ASSERT_NO_FATAL_FAILURE(make_pool(seed));
    stage_->world.cut_power_after(prng().below(400));
    for (int i = 0; i < 200 && !stage_->world.power_is_off(); ++i) step();
    drop();
    stage_->world.restore_power(UnsyncedWrites::random);
    const CheckReport report = check_files();
    // Adding up what the crash has torn is opening's work, and no damage.
    for (const CheckFinding& finding : report.findings) {
      ASSERT_EQ(finding.severity, CheckSeverity::note) << "seed " << seed << text(report);
    }
    found_in_journal += report.counters.journal_groups;
    const uint64_t changes = stage_->world.file_changes_count();
    ASSERT_EQ(check_files({.repair = true, .discard_damaged = true, .frames_count = 256}).errors_count(), 0u);
    ASSERT_EQ(stage_->world.file_changes_count(), changes) << "a repair of what is whole";
    const Outcome opened = open({"a", "b"});
    ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.error().text;
    drop();
    const CheckReport again = check_files();
    ASSERT_TRUE(again.is_clean()) << "seed " << seed << text(again);
  }
  EXPECT_GT(found_in_journal, 100u);
}

}  // namespace
}  // namespace ballast::bdev::pool::test
