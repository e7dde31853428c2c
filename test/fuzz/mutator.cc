#include "mutator.h"

#include <algorithm>

namespace ballast::fuzz {
namespace {

constexpr size_t k_common_bytes = sizeof(test::tcp::CommonHeader);

bool is_initialization(const Bytes& pdu) { return pdu[0] <= 1; }
bool is_term(const Bytes& pdu) { return pdu[0] == 2 || pdu[0] == 3; }

}  // namespace

std::vector<Bytes> Mutator::apply(const Bytes& pdu) {
  if (style_ == MutationStyle::none || pdu.size() < k_common_bytes || !prng_.chance(1, one_in_)) {
    if (prng_.chance(1, 4)) kept_ = pdu;
    return {pdu};
  }
  if (style_ == MutationStyle::bit_flips) {
    // What is not protected by a digest is left alone.
    if (is_initialization(pdu) || is_term(pdu)) return {pdu};
    Bytes damaged = pdu;
    flip_bits(damaged);
    return {damaged};
  }
  switch (prng_.below(16)) {
    case 0: return {};
    case 1: return {pdu, pdu};
    case 2: return kept_.empty() ? std::vector<Bytes>{pdu} : std::vector<Bytes>{kept_, pdu};
    case 3: return kept_.empty() ? std::vector<Bytes>{pdu} : std::vector<Bytes>{pdu, kept_};
    case 4: return {Bytes(pdu.begin(), pdu.begin() + static_cast<ptrdiff_t>(prng_.below(pdu.size())))};
    case 5: {
      Bytes garbage(1 + prng_.below(200));
      for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(prng_.next());
      return prng_.chance(1, 2) ? std::vector<Bytes>{garbage, pdu} : std::vector<Bytes>{pdu, garbage};
    }
    default: return {damage(pdu)};
  }
}

Bytes Mutator::damage(Bytes pdu) {
  const uint64_t fields = 1 + prng_.below(3);
  for (uint64_t i = 0; i < fields; ++i) {
    switch (prng_.below(8)) {
      case 0: flip_bits(pdu); break;
      case 1: set_common_field(pdu); break;
      case 2: set_length(pdu); break;
      default: set_specific_field(pdu); break;
    }
  }
  if (prng_.chance(3, 4)) repair_header_digest(pdu);
  return pdu;
}

void Mutator::flip_bits(Bytes& pdu) {
  for (uint64_t flips = 1 + prng_.below(4); flips > 0; --flips) {
    // Most of them in the header.
    const size_t range = prng_.chance(2, 3) ? std::min<size_t>(pdu.size(), 80) : pdu.size();
    pdu[prng_.below(range)] ^= static_cast<uint8_t>(1u << prng_.below(8));
  }
}

void Mutator::set_common_field(Bytes& pdu) {
  const size_t offset = prng_.below(4);
  pdu[offset] = static_cast<uint8_t>(telling_value(pdu[offset]));
}

// PLEN, and sometimes as many bytes as it then says.
void Mutator::set_length(Bytes& pdu) {
  const auto present = load<uint32_t>(ByteSpan(pdu).subspan(4));
  const auto changed = static_cast<uint32_t>(telling_value(present));
  store(MutableByteSpan(pdu).subspan(4), changed);
  if (changed >= k_common_bytes && changed < 300'000 && prng_.chance(1, 2)) pdu.resize(changed);
}

// A dword, word or byte behind the common header.
void Mutator::set_specific_field(Bytes& pdu) {
  const size_t end = std::min<size_t>(pdu.size(), std::max<size_t>(pdu[2], k_common_bytes + 4));
  if (end < k_common_bytes + 4) return;
  const size_t offset = k_common_bytes + 2 * prng_.below((end - k_common_bytes - 2) / 2);
  MutableByteSpan at = MutableByteSpan(pdu).subspan(offset);
  if (at.size() >= 4 && prng_.chance(1, 2)) {
    store(at, static_cast<uint32_t>(telling_value(load<uint32_t>(at))));
  } else if (prng_.chance(1, 2)) {
    store(at, static_cast<uint16_t>(telling_value(load<uint16_t>(at))));
  } else {
    at[0] = static_cast<uint8_t>(telling_value(at[0]));
  }
}

void Mutator::repair_header_digest(Bytes& pdu) {
  const size_t header = pdu[2];
  if ((pdu[1] & test::tcp::k_flag_hdgst) == 0 || pdu.size() < header + 4) return;
  store(MutableByteSpan(pdu).subspan(header), crc32c(ByteSpan(pdu).first(header)));
}

uint64_t Mutator::telling_value(uint64_t present) {
  switch (prng_.below(12)) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return present + 1;
    case 3: return present - 1;
    case 4: return present + 4;
    case 5: return present - 4;
    case 6: return uint64_t{1} << prng_.below(32);
    case 7: return (uint64_t{1} << prng_.below(32)) - 1;
    case 8: return present * 2;
    case 9: return present ^ (uint64_t{1} << prng_.below(32));
    case 10: return prng_.below(256);
    default: return prng_.next();
  }
}

}  // namespace ballast::fuzz
