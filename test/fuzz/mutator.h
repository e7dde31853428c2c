// Damages PDUs in ways that a structure-aware attacker would: single fields with telling values, lengths,
// order, truncation, repetition, digests made right again or left wrong. Driven by a Prng alone.
#pragma once

#include <vector>

#include "base/prng.h"
#include "support/native/pdu_builder.h"

namespace ballast::fuzz {

using test::Bytes;

enum class MutationStyle : uint8_t {
  none,
  structured,  // everything above
  bit_flips,   // a few bits of digest-protected PDUs: what a network does, and what digests must find
};

class Mutator {
 public:
  // One PDU in `one_in` is damaged.
  Mutator(Prng& prng, MutationStyle style, uint32_t one_in) : prng_(prng), style_(style), one_in_(one_in) {}

  MutationStyle style() const { return style_; }
  // What is sent instead of `pdu`: nothing, itself, a damaged one, or several.
  std::vector<Bytes> apply(const Bytes& pdu);

 private:
  Bytes damage(Bytes pdu);
  void flip_bits(Bytes& pdu);
  void set_common_field(Bytes& pdu);
  void set_specific_field(Bytes& pdu);
  void set_length(Bytes& pdu);
  void repair_header_digest(Bytes& pdu);
  uint64_t telling_value(uint64_t present);

  Prng& prng_;
  MutationStyle style_;
  uint32_t one_in_;
  Bytes kept_;  // an earlier PDU, to be repeated or to trade places with
};

}  // namespace ballast::fuzz
