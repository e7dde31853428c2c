// A set of the members of a mirrored volume, by their places in its record.
#pragma once

#include <bit>
#include <cstdint>

namespace ballast::bdev::mirror {

inline constexpr uint32_t k_members_max = 8;

class MemberSet {
 public:
  constexpr MemberSet() = default;
  static constexpr MemberSet of(uint32_t member) { return MemberSet(static_cast<uint8_t>(1u << member)); }
  static constexpr MemberSet first(uint32_t count) {
    return MemberSet(static_cast<uint8_t>((1u << count) - 1));
  }
  static constexpr MemberSet from_bits(uint8_t bits) { return MemberSet(bits); }

  constexpr uint8_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint32_t size() const { return static_cast<uint32_t>(std::popcount(bits_)); }
  constexpr bool has(uint32_t member) const { return (bits_ >> member & 1) != 0; }
  constexpr bool has_all(MemberSet others) const { return (others.bits_ & ~bits_) == 0; }
  // Of a set that is not empty.
  constexpr uint32_t lowest() const { return static_cast<uint32_t>(std::countr_zero(bits_)); }

  constexpr void add(uint32_t member) { bits_ = static_cast<uint8_t>(bits_ | 1u << member); }
  constexpr void remove(uint32_t member) { bits_ = static_cast<uint8_t>(bits_ & ~(1u << member)); }

  constexpr MemberSet operator|(MemberSet other) const { return from(bits_ | other.bits_); }
  constexpr MemberSet operator&(MemberSet other) const { return from(bits_ & other.bits_); }
  constexpr MemberSet operator-(MemberSet other) const { return from(bits_ & ~other.bits_); }
  constexpr bool operator==(const MemberSet&) const = default;

  // visit(member), lowest first; the set may be changed meanwhile.
  template <typename Visit>
  constexpr void for_each(Visit visit) const {
    for (uint8_t bits = bits_; bits != 0; bits = static_cast<uint8_t>(bits & (bits - 1))) {
      visit(static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }

 private:
  constexpr explicit MemberSet(uint8_t bits) : bits_(bits) {}
  static constexpr MemberSet from(int bits) { return MemberSet(static_cast<uint8_t>(bits)); }
  uint8_t bits_ = 0;
};

}  // namespace ballast::bdev::mirror
