// A group of records in the making, and a way for coroutines to commit it and to take turns. Used by Volumes
// and LayerWork.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "bdev/pool/store.h"
#include "bdev/pool/value.h"

namespace ballast::bdev::pool {

// Puts and removes on top of what the store holds: read() sees them before they are committed.
class Changes {
 public:
  explicit Changes(Store& store) : store_(store) {}

  // The value of a key with the changes so far; nothing if it is not there.
  Task<Result<std::optional<std::vector<uint8_t>>>> read(Key key);
  void put(const Key& key, ByteSpan value) {
    values_[key] = std::vector<uint8_t>(value.begin(), value.end());
  }
  void remove(const Key& key) { values_[key] = std::nullopt; }
  // Takes effect before all others; read() does not see it.
  void put_first(const Key& key, ByteSpan value) {
    std::vector<uint8_t> payload = to_bytes(bytes_of(key));
    payload.insert(payload.end(), value.begin(), value.end());
    first_.emplace_back(RecordType::put, std::move(payload));
  }
  // Goes before all puts and removes.
  void add(RecordType type, ByteSpan payload) { first_.emplace_back(type, to_bytes(payload)); }
  size_t records_count() const { return values_.size() + first_.size(); }

  // ok when all of it is durable and seen. Once.
  Task<Errc> commit(bool uses_reserve);

 private:
  static std::vector<uint8_t> to_bytes(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

  Store& store_;
  std::map<Key, std::optional<std::vector<uint8_t>>> values_;
  std::vector<std::pair<RecordType, std::vector<uint8_t>>> first_;
};

// const Turns::Turn turn = co_await turns.take(); the next one goes on when it ends.
class Turns {
 public:
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end();
    }

   private:
    Turns* turns_;
  };
  Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;
  ~Turns() { BALLAST_ASSERT(!is_taken_); }

  Task<Turn> take();

 private:
  void end() {
    is_taken_ = false;
    ended_.fire();
  }

  bool is_taken_ = false;
  Signal ended_;
};

}  // namespace ballast::bdev::pool
