// How anything reaches a reactor from another thread: an intrusive, unbounded-by-nodes, lock-free queue of
// messages. The bound is the senders': a message is a member of its sender's object, or allocated on the
// control path.
#pragma once

#include <atomic>
#include <cstdint>

namespace ballast {

struct Message {
  using Run = void (*)(Message& message);
  explicit Message(Run run_function) : run(run_function) {}
  Message* next = nullptr;
  Run run;  // on the receiving reactor; may destroy the message
};

class Mailbox {
 public:
  // Any thread. True if the mailbox was empty: the receiver may be asleep and needs a wake.
  bool push(Message& message);
  // Receiver only. Runs up to `messages_max` in the order of sending (per sender); returns how many ran.
  uint32_t run(uint32_t messages_max);
  // Receiver only. False means that run() would find something.
  bool empty() const { return ready_ == nullptr && incoming_.load(std::memory_order_seq_cst) == nullptr; }

 private:
  void take_incoming();

  std::atomic<Message*> incoming_{nullptr};  // newest first
  Message* ready_ = nullptr;                 // oldest first, the receiver's
};

}  // namespace ballast
