#include "bdev/pool/changes.h"

namespace ballast::bdev::pool {
namespace {

// Waits for a commit; lives in the frame of who awaits.
class CommitDone {
 public:
  CommitDone(Store& store, std::span<const Record> records, bool uses_reserve) : store_(store) {
    commit_.records = records;
    commit_.uses_reserve = uses_reserve;
    commit_.context = this;
    commit_.done = [](Commit& commit, Errc errc) {
      CommitDone& self = *static_cast<CommitDone*>(commit.context);
      self.errc_ = errc;
      self.is_done_ = true;
      if (self.waiter_) self.waiter_.resume();
    };
  }
  bool await_ready() {
    store_.commit(commit_);
    return is_done_;
  }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  Errc await_resume() const { return errc_; }

 private:
  Store& store_;
  Commit commit_;
  std::coroutine_handle<> waiter_;
  bool is_done_ = false;
  Errc errc_ = Errc::ok;
};

}  // namespace

Task<Result<std::optional<std::vector<uint8_t>>>> Changes::read(Key key) {
  const auto changed = values_.find(key);
  if (changed != values_.end()) co_return changed->second;
  const auto found = co_await store_.seek(key);
  if (!found.ok()) co_return Error{found.errc(), "the pool's metadata cannot be read"};
  std::optional<std::vector<uint8_t>> value;
  if (found->has_value() && (*found)->key == key) value = to_bytes((*found)->value);
  co_return value;
}

Task<Errc> Changes::commit(bool uses_reserve) {
  std::deque<std::vector<uint8_t>> payloads;
  std::vector<Record> records;
  for (const auto& [type, payload] : first_) records.push_back({type, false, payload});
  const auto add_all = [&](RecordType type) {
    for (const auto& [key, value] : values_) {
      if (value.has_value() != (type == RecordType::put)) continue;
      std::vector<uint8_t>& payload = payloads.emplace_back(to_bytes(bytes_of(key)));
      if (value) payload.insert(payload.end(), value->begin(), value->end());
      records.push_back({type, false, payload});
    }
  };
  // Who looks between two records finds every layer that another names as its parent.
  add_all(RecordType::put);
  add_all(RecordType::remove);
  if (records.empty()) co_return Errc::ok;
  CommitDone done(store_, records, uses_reserve);
  const Errc errc = co_await done;
  co_return errc;
}

Task<Turns::Turn> Turns::take() {
  while (is_taken_) co_await ended_;
  is_taken_ = true;
  co_return Turn(*this);
}

}  // namespace ballast::bdev::pool
