#include "sim/replica_model.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace ballast::sim {

using bdev::mirror::Content;

uint64_t ReplicaModel::delay() {
  if (disk.slow_one_in != 0 && !heals && world_.chance(disk.slow_one_in)) {
    disk.slow();
    return world_.between(10'000'000, 8'000'000'000);
  }
  return world_.between(disk.delay_least_ns, disk.delay_most_ns);
}

void ReplicaModel::later(uint64_t ns, std::function<void()> what) {
  world_.after(ns, [this, life = life_, what = std::move(what)] {
    if (life == life_) what();
  });
}

void ReplicaModel::persist(std::function<void()> change, std::function<void()> then) {
  later(delay(), [this, change = std::move(change), then = std::move(then)]() mutable {
    change();
    later(world_.between(0, 10'000), std::move(then));  // durable, and not told yet
  });
}

void ReplicaModel::crash() {
  for (const auto& [number, io] : in_flight_) {
    for (size_t i = 0; i < io.values.size(); ++i) {
      if (world_.chance(2)) data_[io.lba + i] = io.values[i];
    }
  }
  ++life_;
  sealed_ = session_ = 0;
  sealing_ = {};
  persisting_seal_ = false;
  in_flight_.clear();
  marks_in_flight_ = 0;
  for (auto& [member, slot] : slots_) {
    slot.noted = slot.durable;
    for (const uint64_t region : marked_) {
      for (uint64_t block = 0; block < k_region_blocks; ++block) {
        slot.noted.insert(region * k_region_blocks + block);
      }
    }
  }
}

void ReplicaModel::replace() {
  data_.assign(data_.size(), 0);
  marked_.clear();
  slots_.clear();
  max_epoch_ = 0;
  head_ = 0;
  content_ = Content::nothing;
}

// ---- seal ----

void ReplicaModel::seal(uint64_t association, uint64_t epoch, uint64_t session, uint32_t head,
                        uint64_t sealed_epoch, std::function<void(Status, const Said&)> answer) {
  const uint64_t newest_epoch = std::max(max_epoch_, sealing_.epoch);
  const bool is_older = epoch < newest_epoch;
  const bool is_same = epoch == newest_epoch;
  const uint64_t newest_session =
      sealing_.epoch == newest_epoch && sealing_.association != 0 ? sealing_.session : session_;
  const uint32_t newest_head = sealing_.association != 0 ? sealing_.head : head_;
  if (is_older || (is_same && (head != newest_head || session <= newest_session))) {
    return answer(Status::fenced, {});
  }
  if (sealing_.association != 0 && !persisting_seal_) sealing_.answer(Status::fenced, {});
  sealed_ = 0;  // from now on nobody's I/O begins
  sealing_ = {association, epoch, session, sealed_epoch, head, std::move(answer)};
  go_on_sealing();
}

void ReplicaModel::go_on_sealing() {
  if (sealing_.association == 0 || persisting_seal_ || !in_flight_.empty() || marks_in_flight_ > 0) return;
  persisting_seal_ = true;
  const Sealing now = sealing_;
  Said said;
  persist(
      [this, now] {
        if (max_epoch_ < now.sealed_epoch) content_ = Content::nothing;
        max_epoch_ = now.epoch;
        head_ = now.head;
      },
      [this, now, said]() mutable {
        persisting_seal_ = false;
        if (sealing_.association != now.association) {  // a newer one came meanwhile
          now.answer(Status::fenced, {});
          return go_on_sealing();
        }
        sealed_ = now.association;
        session_ = now.session;
        sealing_ = {};
        said.content = content_;
        for (const auto& [member, slot] : slots_) said.slots[member] = {slot.since_epoch, slot.everything};
        now.answer(Status::ok, said);
      });
}

void ReplicaModel::association_closed(uint64_t association) {
  if (sealed_ == association) sealed_ = 0;
}

// ---- I/O ----

void ReplicaModel::write(uint64_t association, uint64_t lba, std::vector<uint64_t> values, Answer answer) {
  if (!is_sealed_by(association)) return answer(Status::fenced);
  std::set<uint64_t> unmarked;
  for (uint64_t block = lba; block < lba + values.size(); ++block) {
    if (!marked_.contains(block / k_region_blocks)) unmarked.insert(block / k_region_blocks);
  }
  if (unmarked.empty()) return start_write(association, lba, std::move(values), std::move(answer));
  ++marks_in_flight_;
  persist([this, unmarked] { marked_.insert(unmarked.begin(), unmarked.end()); },
          [this, association, lba, values = std::move(values), answer = std::move(answer)]() mutable {
            --marks_in_flight_;
            // Judged again: much may have happened since.
            write(association, lba, std::move(values), std::move(answer));
            go_on_sealing();
          });
}

void ReplicaModel::start_write(uint64_t association, uint64_t lba, std::vector<uint64_t> values,
                               Answer answer) {
  note(lba, values.size());
  const uint64_t number = next_io_++;
  in_flight_[number] = {lba, std::move(values)};
  const bool fails = disk.write_error_one_in != 0 && !heals && world_.chance(disk.write_error_one_in);
  later(delay(), [this, association, number, fails, answer = std::move(answer)] {
    static_cast<void>(association);
    const InFlight io = in_flight_[number];
    if (fails) disk.write_error();
    if (!fails || world_.chance(2)) apply(io);
    in_flight_.erase(number);
    answer(fails ? Status::io_error : Status::ok);
    go_on_sealing();
  });
}

void ReplicaModel::apply(const InFlight& io) {
  for (size_t i = 0; i < io.values.size(); ++i) data_[io.lba + i] = io.values[i];
}

void ReplicaModel::note(uint64_t lba, uint64_t count) {
  for (auto& [member, slot] : slots_) {
    for (uint64_t block = lba; block < lba + count; ++block) slot.noted.insert(block);
  }
}

void ReplicaModel::read(uint64_t association, uint64_t lba, uint32_t count,
                        std::function<void(Status, std::vector<uint64_t>)> answer) {
  if (!is_sealed_by(association)) return answer(Status::fenced, {});
  const bool fails = disk.read_error_one_in != 0 && !heals && world_.chance(disk.read_error_one_in);
  later(delay(), [this, lba, count, fails, answer = std::move(answer)] {
    if (fails) {
      disk.read_error();
      return answer(Status::media_error, {});
    }
    const auto begin = data_.begin() + static_cast<int64_t>(lba);
    answer(Status::ok, {begin, begin + count});
  });
}

// ---- commands ----

void ReplicaModel::ping(uint64_t association, Answer answer) {
  answer(is_sealed_by(association) ? Status::ok : Status::fenced);
}

void ReplicaModel::command(uint64_t association, std::function<void()> change, Answer answer) {
  if (!is_sealed_by(association)) return answer(Status::fenced);
  const auto took_effect = std::make_shared<bool>(false);
  persist(
      [this, association, change = std::move(change), took_effect] {
        if (!is_sealed_by(association)) return;
        change();
        *took_effect = true;
      },
      [answer = std::move(answer), took_effect] { answer(*took_effect ? Status::ok : Status::fenced); });
}

void ReplicaModel::mark(uint64_t association, const std::vector<uint64_t>& regions, Answer answer) {
  command(
      association,
      [this, regions] {
        for (const uint64_t region : regions) note(region * k_region_blocks, k_region_blocks);
        marked_.insert(regions.begin(), regions.end());
      },
      std::move(answer));
}

void ReplicaModel::clear(uint64_t association, const std::vector<uint64_t>& regions, Answer answer) {
  const auto clear_one = [this](uint64_t region) {
    for (const auto& [number, io] : in_flight_) {
      const uint64_t last = (io.lba + io.values.size() - 1) / k_region_blocks;
      if (io.lba / k_region_blocks <= region && region <= last) return;
    }
    // What absent members miss of it is durable before its mark is gone.
    for (auto& [member, slot] : slots_) {
      for (uint64_t block = 0; block < k_region_blocks; ++block) {
        const uint64_t granule = region * k_region_blocks + block;
        if (slot.noted.contains(granule)) slot.durable.insert(granule);
      }
    }
    marked_.erase(region);
  };
  command(
      association,
      [regions, clear_one] {
        for (const uint64_t region : regions) clear_one(region);
      },
      std::move(answer));
}

void ReplicaModel::begin_absent(uint64_t association, uint32_t member, uint64_t epoch, bool everything,
                                const std::vector<uint64_t>& granules, Answer answer) {
  command(
      association,
      [this, member, epoch, everything, granules] {
        Slot& slot = slots_[member];
        slot.since_epoch = epoch;
        slot.everything = everything;
        slot.durable.insert(granules.begin(), granules.end());
        slot.noted.insert(granules.begin(), granules.end());
      },
      std::move(answer));
}

void ReplicaModel::end_absent(uint64_t association, uint32_t member, Answer answer) {
  command(
      association, [this, member] { slots_.erase(member); }, std::move(answer));
}

void ReplicaModel::set_syncing(uint64_t association, bool syncing, Answer answer) {
  command(
      association,
      [this, syncing] {
        if (!syncing) content_ = Content::complete;
        if (syncing && content_ == Content::complete) content_ = Content::partial;
      },
      std::move(answer));
}

std::vector<uint64_t> ReplicaModel::absent(uint32_t member) const {
  const auto found = slots_.find(member);
  if (found == slots_.end()) return {};
  return {found->second.noted.begin(), found->second.noted.end()};
}

}  // namespace ballast::sim
