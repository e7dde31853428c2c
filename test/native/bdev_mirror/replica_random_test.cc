// Random events, and power that fails at any moment, against a model of what must not be forgotten.
// BALLAST_REPLICA_SEEDS=N: as many seeds; BALLAST_REPLICA_SEED=N: this one alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "native/bdev_mirror/replica_harness.h"

namespace ballast::bdev::mirror::test {
namespace {

constexpr uint64_t k_region = Replica::k_region_blocks;
constexpr uint64_t k_regions_used = 6;
constexpr uint8_t k_members = 9;  // more than slots

class RandomRun {
 public:
  RandomRun(uint64_t seed)
      : prng_(seed),
        // Heads send one command at a time; some of these do not.
        is_pipelined_(prng_.chance(1, 4)),
        has_errors_(prng_.chance(1, 4)),
        replica_(size_of(prng_)) {
    // Some of the regions lie where the blocks of an absent member's map meet.
    for (uint32_t i = 0; i < k_regions_used; ++i) {
      regions_.push_back(static_cast<uint32_t>(i < 3 ? i : 125 + i - 3));
    }
  }

  // Empty: all was right.
  std::string run(uint64_t steps) {
    for (uint64_t i = 0; i < steps && trouble_.empty(); ++i) {
      do_something();
      observe();
      if (i % 4 == 0 && trouble_.empty()) check();
    }
    if (trouble_.empty()) finish();
    return trouble_;
  }
  uint64_t steps_count() const { return steps_count_; }

 private:
  struct Sent {
    ReplicaOpcode opcode = ReplicaOpcode::seal;
    uint64_t epoch = 0, session = 0;
    uint8_t member = 0;
    bool flag = false;
    std::set<uint64_t> granules;
  };
  struct Absent {
    bool is_sure = false;  // begin_absent was answered, end_absent not sent
    std::set<uint64_t> granules;
  };

  static uint64_t size_of(Prng& prng) {
    // Rarely one whose intent map has two blocks.
    return prng.chance(1, 400) ? uint64_t{33} << 30 : uint64_t{130} << 20;
  }
  void fail(const std::string& text) {
    if (trouble_.empty()) trouble_ = text;
  }

  // ---- what happens ----

  void do_something() {
    ++steps_count_;
    const uint64_t what = prng_.below(100);
    if (what < 30) {
      submit();
    } else if (what < 50) {
      end_io();
    } else if (what < 74) {
      end_metadata();
    } else if (what < 86) {
      command();
    } else if (what < 91) {
      seal();
    } else if (what < 94) {
      if (associations_.size() < 5) associations_.push_back(replica_.associate());
    } else if (what < 96) {
      close();
    } else if (what < 98) {
      crash();
    } else {
      settle();
    }
  }

  uint32_t somebody() {
    const uint32_t sealed = replica_.sealed_by_answers();
    if (sealed != ReplicaCore::k_nobody && !prng_.chance(1, 10)) return sealed;
    if (associations_.empty()) associations_.push_back(replica_.associate());
    return associations_[prng_.below(associations_.size())];
  }
  uint64_t some_region() { return regions_[prng_.below(regions_.size())]; }

  void submit() {
    if (replica_.in_device().size() > 20) return;
    static constexpr IoType k_types[] = {IoType::write, IoType::write, IoType::write_zeroes, IoType::unmap,
                                         IoType::read,  IoType::flush, IoType::compare};
    const IoType type = k_types[prng_.below(std::size(k_types))];
    const uint64_t lba = some_region() * k_region + prng_.below(k_region);
    const uint32_t count = static_cast<uint32_t>(1 + prng_.below(prng_.chance(1, 5) ? 2 * k_region : 4));
    replica_.submit(somebody(), type, lba, type == IoType::flush ? 0 : count);
  }

  void end_io() {
    if (replica_.in_device().empty()) return;
    auto io = replica_.in_device().begin();
    std::advance(io, static_cast<long>(prng_.below(replica_.in_device().size())));
    replica_.end_io(io->first, prng_.chance(1, 20) ? Status::io_error : Status::ok);
  }

  void end_metadata() {
    const std::vector<uint32_t> tickets = replica_.pending_tickets();
    if (tickets.empty()) return;
    const bool fails = has_errors_ && prng_.chance(1, 60);
    replica_.end_metadata(tickets[prng_.below(tickets.size())], fails ? Status::io_error : Status::ok);
  }

  void seal() {
    if (associations_.empty() || sent_.size() > 8) return;
    const uint32_t association = associations_[prng_.below(associations_.size())];
    const uint64_t epoch = std::max<uint64_t>(1, epoch_ + prng_.below(3) - prng_.below(2));
    epoch_ = std::max(epoch, epoch_);
    const uint64_t session = 1 + prng_.below(2) + session_++ / 2;
    const uint8_t head = static_cast<uint8_t>(prng_.chance(1, 10) ? 1 + prng_.below(3) : 1 + epoch % 3);
    sent_[replica_.seal(association, epoch, session, head)] = {
        .opcode = ReplicaOpcode::seal, .epoch = epoch, .session = session};
  }

  void close() {
    if (associations_.empty()) return;
    const size_t index = prng_.below(associations_.size());
    replica_.close(associations_[index]);
    associations_.erase(associations_.begin() + static_cast<long>(index));
  }

  void settle() { replica_.settle(); }

  void crash() {
    replica_.crash(&prng_);
    if (prng_.chance(1, 4)) {
      // Rot: of one copy of the superblock, or of any block of the maps.
      const uint64_t block = prng_.chance(1, 2) ? prng_.below(2)
                                                : replica_.layout().intent_start() +
                                                      prng_.below(replica_.layout().blocks_count() - 2);
      if (block >= 2 || are_both_copies_whole()) replica_.platter()[block][prng_.below(4096)] ^= 0x24;
      replica_.open();
    }
    associations_.clear();
    sent_.clear();
    last_sealed_ = {};
    in_device_.clear();
    if (replica_.load_state() != ReplicaLoader::State::reading) return fail("not usable after a crash");
    check();
  }

  bool are_both_copies_whole() {
    ReplicaSuperblock found;
    const auto is_whole = [&](uint64_t copy) {
      return decode_superblock(replica_.platter()[copy], copy, found) == SuperblockCheck::whole;
    };
    return is_whole(0) && is_whole(1);
  }

  void command() {
    if (!sent_.empty() && !is_pipelined_) return;
    if (sent_.size() > 8) return;
    const uint32_t association = somebody();
    const bool is_sealed = association == replica_.sealed_by_answers();
    const uint8_t member = static_cast<uint8_t>(1 + prng_.below(k_members));
    Sent sent{.member = member, .flag = prng_.chance(1, 8)};
    std::vector<uint32_t> list;
    std::vector<GranuleRange> ranges;
    for (const uint32_t region : regions_) {
      if (prng_.chance(1, 2)) list.push_back(region);
      if (!prng_.chance(1, 3)) continue;
      ranges.push_back({region * k_region + prng_.below(k_region - 8), 1 + prng_.below(8)});
      for (uint64_t i = 0; i < ranges.back().count; ++i) sent.granules.insert(ranges.back().first + i);
    }
    static constexpr ReplicaOpcode k_opcodes[] = {ReplicaOpcode::mark_intent,  ReplicaOpcode::clear_intent,
                                                  ReplicaOpcode::clear_intent, ReplicaOpcode::begin_absent,
                                                  ReplicaOpcode::begin_absent, ReplicaOpcode::end_absent,
                                                  ReplicaOpcode::clear_absent, ReplicaOpcode::set_content};
    sent.opcode = k_opcodes[prng_.below(std::size(k_opcodes))];
    // What may be forgotten from the moment that it is asked for.
    if (is_sealed && !replica_.core().is_poisoned()) {
      Absent& absent = absent_[member];
      if (sent.opcode == ReplicaOpcode::clear_intent) {
        for (const uint32_t region : list) must_be_marked_.erase(region);
      } else if (sent.opcode == ReplicaOpcode::end_absent) {
        absent = {};
      } else if (sent.opcode == ReplicaOpcode::clear_absent) {
        for (const uint64_t granule : sent.granules) absent.granules.erase(granule);
      } else if (sent.opcode == ReplicaOpcode::set_content) {
        content_.reset();
      } else if (sent.opcode == ReplicaOpcode::begin_absent && !is_pipelined_) {
        note_in_device(sent.granules);
      }
    }
    uint32_t number = 0;
    switch (sent.opcode) {
      case ReplicaOpcode::mark_intent:
      case ReplicaOpcode::clear_intent:
        sent.granules.clear();
        sent.granules.insert(list.begin(), list.end());  // regions
        number = replica_.regions(association, sent.opcode, list);
        break;
      case ReplicaOpcode::begin_absent:
        number = replica_.absent(association, sent.opcode, member, ranges, sent.flag, epoch_);
        break;
      case ReplicaOpcode::end_absent: number = replica_.absent(association, sent.opcode, member); break;
      case ReplicaOpcode::clear_absent:
        number = replica_.absent(association, sent.opcode, member, ranges);
        break;
      default: number = replica_.set_content(association, sent.flag ? Content::partial : Content::complete);
    }
    sent_[number] = sent;
  }

  // ---- the model ----

  void note_in_device(std::set<uint64_t>& granules) const {
    for (const auto& [number, io] : replica_.in_device()) {
      if (is_change(io)) add_granules(io, granules);
    }
  }
  static bool is_change(const Io& io) {
    return io.type == IoType::write || io.type == IoType::write_zeroes || io.type == IoType::unmap;
  }
  static void add_granules(const Io& io, std::set<uint64_t>& granules) {
    for (uint64_t block = io.lba; block < io.lba + io.blocks_count; ++block) granules.insert(block);
  }
  template <typename Visit>
  static void for_each_region(const Io& io, Visit visit) {
    for (uint64_t region = io.lba / k_region; region <= (io.lba + io.blocks_count - 1) / k_region; ++region) {
      visit(region);
    }
  }

  void observe() {
    if (!replica_.trouble().empty()) return fail(replica_.trouble());
    for (const auto& [number, io] : replica_.in_device()) {
      if (!in_device_.insert(number).second || !is_change(io)) continue;
      for_each_region(io, [&](uint64_t region) {
        // A clear that waits in the queue of a pipelining head may come behind this write.
        if (!is_clear_queued(region)) must_be_marked_.insert(region);
      });
      for (auto& [member, absent] : absent_) {
        if (absent.is_sure && !is_clear_absent_queued()) add_granules(io, absent.granules);
      }
      for (auto& [command, sent] : sent_) {
        if (sent.opcode == ReplicaOpcode::begin_absent && !is_pipelined_) add_granules(io, sent.granules);
      }
    }
    for (auto sent = sent_.begin(); sent != sent_.end();) {
      const std::optional<Answer> answer = replica_.answer_of(sent->first);
      if (!answer) {
        ++sent;
        continue;
      }
      if (answer->status == Status::ok) on_done(sent->second);
      sent = sent_.erase(sent);
    }
  }
  bool is_clear_queued(uint64_t region) const {
    return is_pipelined_ && std::ranges::any_of(sent_, [region](const auto& sent) {
             return sent.second.opcode == ReplicaOpcode::clear_intent &&
                    sent.second.granules.contains(region);
           });
  }
  bool is_clear_absent_queued() const {
    return is_pipelined_ && std::ranges::any_of(sent_, [](const auto& sent) {
             return sent.second.opcode == ReplicaOpcode::clear_absent;
           });
  }
  bool is_other_queued(const Sent& other) const {
    return std::ranges::any_of(sent_, [&](const auto& sent) {
      return &sent.second != &other && sent.second.opcode != ReplicaOpcode::seal;
    });
  }

  void on_done(const Sent& sent) {
    switch (sent.opcode) {
      case ReplicaOpcode::seal: {
        const std::pair order{sent.epoch, sent.session};
        if (sent.epoch < max_epoch_ || order <= last_sealed_) fail("a lower seal was answered");
        max_epoch_ = sent.epoch;
        last_sealed_ = order;
        break;
      }
      case ReplicaOpcode::mark_intent:
        if (!is_pipelined_) must_be_marked_.insert(sent.granules.begin(), sent.granules.end());
        break;
      case ReplicaOpcode::begin_absent: {
        // Of a pipelining head the next command may have taken it back already.
        if (is_pipelined_ && is_other_queued(sent)) break;
        Absent& absent = absent_[sent.member];
        absent.is_sure = true;
        absent.granules.insert(sent.granules.begin(), sent.granules.end());
        note_in_device(absent.granules);
        break;
      }
      case ReplicaOpcode::set_content:
        if (!is_pipelined_ || !is_other_queued(sent))
          content_ = sent.flag ? Content::partial : Content::complete;
        break;
      default: break;
    }
  }

  void check() {
    const ReplicaMetadata& metadata = replica_.metadata();
    for (const uint64_t region : must_be_marked_) {
      if (!metadata.marks.has(region)) fail("the mark of region " + std::to_string(region) + " is forgotten");
    }
    for (const auto& [number, io] : replica_.in_device()) {
      if (!is_change(io)) continue;
      for_each_region(io, [&](uint64_t region) {
        if (!metadata.marks.has(region)) fail("a region with a write in flight has no mark");
      });
    }
    for (const auto& [member, absent] : absent_) {
      if (!absent.is_sure) continue;
      const GranuleMap* map = replica_.absent_map(member);
      if (map == nullptr) {
        fail("the slot of member " + std::to_string(member) + " is forgotten");
        continue;
      }
      for (const uint64_t granule : absent.granules) {
        if (!map->has(granule)) fail("granule " + std::to_string(granule) + " is forgotten");
      }
      std::set<uint64_t> in_flight;
      note_in_device(in_flight);
      for (const uint64_t granule : in_flight) {
        if (!map->has(granule)) fail("granule " + std::to_string(granule) + " in flight is not noted");
      }
    }
    if (metadata.superblock.max_epoch < max_epoch_) fail("the epoch fell");
    if (content_ && metadata.superblock.content != *content_) fail("the content is forgotten");
  }

  // Without failures everything ends, and what is cleared is clear, in memory and on the device alike.
  void finish() {
    const auto end_all = [&] {
      do {
        replica_.settle();
        while (!replica_.in_device().empty()) replica_.end_io(replica_.in_device().begin()->first);
      } while (!replica_.pending_tickets().empty());
      observe();
      if (replica_.has_waiting_io()) fail("I/O waits for ever");
      if (replica_.has_open_command()) fail("a command waits for ever");
    };
    end_all();
    check();
    if (replica_.core().is_poisoned()) crash();
    const uint32_t head = replica_.associate();
    const uint32_t seal = replica_.seal(head, epoch_ + 10, 1, 1);
    end_all();
    if (replica_.answer_of(seal)->status != Status::ok) return fail("the last seal failed");
    std::vector<uint32_t> list;
    const GranuleMap& marks = replica_.metadata().marks;
    for (auto run = marks.next_run(0); run; run = marks.next_run(run->first + run->count)) {
      for (uint64_t i = 0; i < run->count; ++i) list.push_back(static_cast<uint32_t>(run->first + i));
    }
    for (size_t i = 0; i < list.size(); i += 1000) {
      const size_t end = std::min(list.size(), i + 1000);
      replica_.regions(head, ReplicaOpcode::clear_intent,
                       {list.begin() + static_cast<long>(i), list.begin() + static_cast<long>(end)});
      end_all();
    }
    must_be_marked_.clear();
    check();
    std::array<uint64_t, k_members + 1> counts{};
    for (uint8_t member = 1; member <= k_members; ++member) {
      const GranuleMap* map = replica_.absent_map(member);
      if (map != nullptr) counts[member] = map->count();
    }
    replica_.crash(&prng_);
    check();
    if (replica_.metadata().marks.count() != 0) fail("marks that were cleared are there again");
    for (uint8_t member = 1; member <= k_members; ++member) {
      const GranuleMap* map = replica_.absent_map(member);
      const uint64_t count = map == nullptr ? 0 : map->count();
      // More may be there: of an earlier begin_absent that a crash cut off, or of rot.
      if (count < counts[member]) fail("the device has less than what was in memory");
    }
    if (!replica_.trouble().empty()) fail(replica_.trouble());
  }

  Prng prng_;
  const bool is_pipelined_, has_errors_;
  Replica replica_;
  std::vector<uint32_t> regions_;
  std::vector<uint32_t> associations_;
  std::map<uint32_t, Sent> sent_;
  uint64_t epoch_ = 1, session_ = 1;
  std::pair<uint64_t, uint64_t> last_sealed_;
  uint64_t max_epoch_ = 0;
  std::set<uint32_t> in_device_;  // seen there
  std::set<uint64_t> must_be_marked_;
  std::map<uint8_t, Absent> absent_;
  std::optional<Content> content_;
  uint64_t steps_count_ = 0;
  std::string trouble_;
};

uint64_t number_of(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ReplicaRandom, nothing_is_forgotten_whatever_happens) {
  const uint64_t only = number_of("BALLAST_REPLICA_SEED", 0);
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t seeds = only != 0 ? 1 : number_of("BALLAST_REPLICA_SEEDS", 8000);
  uint64_t steps = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    RandomRun run(seed);
    const std::string trouble = run.run(20 + seed % 200);
    steps += run.steps_count();
    ASSERT_EQ(trouble, "") << "seed " << seed;
  }
  RecordProperty("steps", std::to_string(steps));
  std::printf("%lu seeds, %lu steps\n", static_cast<unsigned long>(seeds), static_cast<unsigned long>(steps));
}

}  // namespace
}  // namespace ballast::bdev::mirror::test
