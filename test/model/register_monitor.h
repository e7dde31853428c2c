// Whether what clients of one block saw can have been: two writes, of the values 1 and 2, each at most once,
// and up to two reads at a time. Keeps every order that is possible so far; when none is left, there was
// none.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

namespace ballast::model {

// A set of orders by its number: equal sets have equal numbers.
using Orders = uint16_t;

class RegisterMonitor {
 public:
  static constexpr uint32_t k_values = 3, k_readers = 2;

  RegisterMonitor();

  Orders start() const { return start_; }
  // What is under way: bits of the values that were asked to be written, ever; of the readers that read.
  struct Open {
    uint8_t writes = 0, reads = 0;
  };
  // Something was asked; `open` has it already.
  Orders asked(Orders orders, Open open);
  Orders written(Orders orders, Open open, uint8_t value);
  Orders read(Orders orders, Open open, uint8_t reader, uint8_t value);
  // A read ends without an answer.
  Orders read_ended(Orders orders, Open open, uint8_t reader);
  bool is_impossible(Orders orders) const { return sets_[orders] == Set{}; }

 private:
  // What an order has come to: the value, which writes are in it, what each reader will say.
  struct Config {
    uint8_t value = 0, writes = 0;
    std::array<uint8_t, k_readers> reads{};  // a value plus 1; 0: has not read yet
  };
  static constexpr uint32_t k_configs = 3 * 4 * 4 * 4;
  using Set = std::array<uint64_t, (k_configs + 63) / 64>;

  static uint32_t index_of(const Config& config);
  static Config config_of(uint32_t index);
  template <typename Keep>
  Orders change(Orders orders, Open open, Keep keep);
  static void close(Set& set, Open open);
  Orders number_of(const Set& set);

  std::vector<Set> sets_;
  std::map<Set, Orders> numbers_;
  Orders start_ = 0;
};

}  // namespace ballast::model
