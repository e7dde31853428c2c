// An I/O that waits, as it lies in Io::layer_scratch: it is a message to home, then a place in its volume's
// line there, then a message back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/qos/cost.h"
#include "reactor/mailbox.h"

namespace ballast::bdev::qos {

class QosChannel;

// As what an I/O goes into the device.
enum class Passage : uint8_t {
  free,      // nothing is arbitrated
  promised,  // whatever the others do
  counted,   // in the node's depth
};

struct Waiting : Message {
  Waiting(QosChannel& of_channel, const Cost& of_cost, uint64_t now_ns)
      : Message(nullptr), channel(of_channel), cost(of_cost), since_ns(now_ns) {}
  ListNode node;
  QosChannel& channel;
  Cost cost;
  uint64_t since_ns;    // when it was submitted
  uint64_t number = 0;  // of the volume's, in the order in which home got them
  Passage passage = Passage::free;

  static Waiting& make(Io& io, QosChannel& channel, const Cost& cost, uint64_t now_ns) {
    static_assert(sizeof(Waiting) <= sizeof(Io::layer_scratch));
    return *new (io.layer_scratch) Waiting(channel, cost, now_ns);
  }
  static Io& io_of(Waiting& waiting) {
    static_assert(std::is_standard_layout_v<Io>);
    return *reinterpret_cast<Io*>(reinterpret_cast<std::byte*>(&waiting) - offsetof(Io, layer_scratch));
  }
};
using WaitingList = IntrusiveList<Waiting, &Waiting::node>;

}  // namespace ballast::bdev::qos
