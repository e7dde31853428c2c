// A fixed number of T, constructed once at start, handed out and taken back without allocating.
// An empty pool answers null, which means "stop reading", never "fail".
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/assert.h"

namespace ballast {

template <typename T>
class ObjectPool {
 public:
  explicit ObjectPool(size_t objects_count) : objects_(new T[objects_count]), objects_count_(objects_count) {
    free_.reserve(objects_count);
    for (size_t i = objects_count; i > 0; --i) free_.push_back(&objects_[i - 1]);
  }
  ~ObjectPool() { BALLAST_ASSERT(free_.size() == objects_count_); }
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;

  [[nodiscard]] T* try_acquire() {
    if (free_.empty()) return nullptr;
    T* const object = free_.back();  // last in, first out: the one most likely still in the cache
    free_.pop_back();
    return object;
  }
  void release(T& object) {
    BALLAST_ASSERT(&object >= objects_.get() && &object < objects_.get() + objects_count_);
    BALLAST_ASSERT(free_.size() < objects_count_);
    free_.push_back(&object);
  }
  size_t available() const { return free_.size(); }
  size_t size() const { return objects_count_; }
  // Stable index of an object of this pool, 0 .. size() - 1; what a tag on the wire can name.
  size_t index_of(const T& object) const { return static_cast<size_t>(&object - objects_.get()); }
  T& at(size_t index) {
    BALLAST_ASSERT(index < objects_count_);
    return objects_[index];
  }

 private:
  std::unique_ptr<T[]> objects_;
  size_t objects_count_;
  std::vector<T*> free_;
};

}  // namespace ballast
