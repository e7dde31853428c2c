#include "reactor/mailbox.h"

namespace ballast {

bool Mailbox::push(Message& message) {
  Message* head = incoming_.load(std::memory_order_relaxed);
  do {
    message.next = head;
    // Sequentially consistent, as is empty(): either the receiver that is about to sleep sees the message, or
    // the sender sees that it sleeps (Reactor::send).
  } while (
      !incoming_.compare_exchange_weak(head, &message, std::memory_order_seq_cst, std::memory_order_relaxed));
  return head == nullptr;
}

void Mailbox::take_incoming() {
  Message* newest = incoming_.exchange(nullptr, std::memory_order_acquire);
  while (newest != nullptr) {
    Message* const older = newest->next;
    newest->next = ready_;
    ready_ = newest;
    newest = older;
  }
}

uint32_t Mailbox::run(uint32_t messages_max) {
  uint32_t ran = 0;
  while (ran < messages_max) {
    if (ready_ == nullptr) {
      if (incoming_.load(std::memory_order_relaxed) == nullptr) break;
      take_incoming();
    }
    Message& message = *ready_;
    ready_ = message.next;
    message.next = nullptr;
    ++ran;
    message.run(message);  // may destroy it
  }
  return ran;
}

}  // namespace ballast
