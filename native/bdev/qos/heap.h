// A binary heap of pointers, smallest key first, whose elements know where they are: one is moved or removed
// in the time of a walk down. Home's, of volumes that wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"

namespace ballast::bdev::qos {

inline constexpr uint32_t k_not_in_heap = UINT32_MAX;

// Heap<Volume, uint64_t, &Volume::wake_ns, &Volume::times_place>
template <typename T, typename Key, Key T::*key, uint32_t T::*place>
class Heap {
 public:
  ~Heap() { BALLAST_ASSERT(objects_.empty()); }
  void reserve(size_t count) { objects_.reserve(count); }
  bool empty() const { return objects_.empty(); }
  size_t size() const { return objects_.size(); }
  T* top() { return objects_.empty() ? nullptr : objects_.front(); }
  bool has(const T& object) const { return object.*place != k_not_in_heap; }

  // Puts it where `wanted` belongs, whether it was in or not.
  void put(T& object, Key wanted) {
    if (!has(object)) {
      object.*place = static_cast<uint32_t>(objects_.size());
      objects_.push_back(&object);
    }
    object.*key = wanted;
    settle(object.*place);
  }
  void remove(T& object) {
    if (!has(object)) return;
    const uint32_t hole = object.*place;
    object.*place = k_not_in_heap;
    T* const last = objects_.back();
    objects_.pop_back();
    if (last == &object) return;
    set(hole, *last);
    settle(hole);
  }

 private:
  void set(uint32_t at, T& object) {
    objects_[at] = &object;
    object.*place = at;
  }
  bool precedes(uint32_t a, uint32_t b) const { return objects_[a]->*key < objects_[b]->*key; }
  void swap(uint32_t a, uint32_t b) {
    T* const first = objects_[a];
    set(a, *objects_[b]);
    set(b, *first);
  }
  void settle(uint32_t at) {
    while (at > 0 && precedes(at, (at - 1) / 2)) {
      swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
    while (true) {
      uint32_t least = at;
      for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; ++child) {
        if (child < objects_.size() && precedes(child, least)) least = child;
      }
      if (least == at) return;
      swap(at, least);
      at = least;
    }
  }

  std::vector<T*> objects_;
};

}  // namespace ballast::bdev::qos
