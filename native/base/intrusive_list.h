// A doubly linked list whose nodes are members of the objects: linking allocates nothing. An object may be on
// as many lists as it has nodes. The list never owns.
#pragma once

#include <cstddef>

#include "base/assert.h"

namespace ballast {

struct ListNode {
  ListNode* previous = nullptr;
  ListNode* next = nullptr;

  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { BALLAST_ASSERT(!is_linked()); }

  bool is_linked() const { return next != nullptr; }
  void unlink() {
    BALLAST_ASSERT(is_linked());
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

// IntrusiveList<Connection, &Connection::dirty_node>
template <typename T, ListNode T::*node>
class IntrusiveList {
 public:
  IntrusiveList() { head_.previous = head_.next = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    BALLAST_ASSERT(empty());
    head_.previous = head_.next = nullptr;
  }

  bool empty() const { return head_.next == &head_; }
  size_t size() const { return size_; }

  void push_back(T& object) { insert_before(head_, object); }
  void push_front(T& object) { insert_before(*head_.next, object); }
  void remove(T& object) {
    (object.*node).unlink();
    --size_;
  }
  T* front() { return empty() ? nullptr : owner(head_.next); }
  T* pop_front() {
    T* const object = front();
    if (object != nullptr) remove(*object);
    return object;
  }
  // The object after `object`, or null at the end: lets a loop remove the one it stands on.
  T* after(T& object) {
    ListNode* const next = (object.*node).next;
    return next == &head_ ? nullptr : owner(next);
  }

 private:
  void insert_before(ListNode& position, T& object) {
    ListNode& added = object.*node;
    BALLAST_ASSERT(!added.is_linked());
    added.previous = position.previous;
    added.next = &position;
    position.previous->next = &added;
    position.previous = &added;
    ++size_;
  }
  static T* owner(ListNode* member) {
    alignas(T) static char storage[sizeof(T)];
    T* const base = reinterpret_cast<T*>(storage);
    const auto offset = reinterpret_cast<char*>(&(base->*node)) - storage;
    return reinterpret_cast<T*>(reinterpret_cast<char*>(member) - offset);
  }

  ListNode head_;
  size_t size_ = 0;
};

}  // namespace ballast
