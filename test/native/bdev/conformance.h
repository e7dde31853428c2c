// What every device promises (bdev.h), checked over every device that keeps data, on one reactor and on
// several, simulated and real. The tests are in conformance.cc; a room that has a device links
// bdev_conformance and instantiates BdevConformance with its cases.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/prng.h"
#include "native/bdev/stage.h"

namespace ballast::bdev::test {

// Of every device that is made for the suite.
inline constexpr uint64_t k_conformance_bytes = 4 << 20;

// A device, and where it is looked at.
struct ConformanceCase {
  std::string name;
  uint32_t block_size_bytes = 4096;
  uint32_t reactors_count = 1;
  bool real = false;
  // Empty, of k_conformance_bytes. What the device stands on goes with the last who holds it, before the
  // stage and on no reactor.
  std::function<Result<std::shared_ptr<Bdev>>(Stage&)> make;
};

// What a test's listing calls it.
inline void PrintTo(const ConformanceCase& tested, std::ostream* out) { *out << tested.name; }
inline std::string name_of(const testing::TestParamInfo<ConformanceCase>& tested) {
  return tested.param.name;
}

class BdevConformance : public testing::TestWithParam<ConformanceCase> {
 protected:
  BdevConformance() {
    if (GetParam().real) {
      stage_ = std::make_unique<RealStage>(GetParam().reactors_count);
    } else {
      stage_ = std::make_unique<SimulatedStage>(GetParam().reactors_count);
    }
  }
  void SetUp() override {
    Result<std::shared_ptr<Bdev>> made = GetParam().make(*stage_);
    if (!made.ok() && GetParam().real && GetParam().block_size_bytes == 512) {
      GTEST_SKIP() << "the disk below the temporary folder: " << made.error().text;
    }
    ASSERT_TRUE(made.ok()) << made.error().text;
    opened_ = std::make_unique<Opened>(*stage_, std::move(*made));
    ASSERT_EQ(disk().block(), GetParam().block_size_bytes);
    ASSERT_EQ(disk().blocks_count() * disk().block(), k_conformance_bytes);
  }
  Opened& disk() { return *opened_; }
  uint32_t any_reactor() { return static_cast<uint32_t>(prng_.below(stage_->reactors_count())); }
  std::vector<uint8_t> pattern(uint64_t blocks) {
    std::vector<uint8_t> bytes(blocks * disk().block());
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng_.next());
    return bytes;
  }
  std::vector<uint8_t> zeroes(uint64_t blocks) { return std::vector<uint8_t>(blocks * disk().block()); }

  Prng prng_{42};
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Opened> opened_;
};

}  // namespace ballast::bdev::test
