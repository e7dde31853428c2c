// The suite of every device over a volume that is not governed, limited, or arbitrated: I/O that waits and
// comes back is I/O as any other.
#include "bdev/file/file_bdev.h"
#include "bdev/memory/memory_bdev.h"
#include "bdev/qos/qos_bdev.h"
#include "native/bdev/conformance.h"

namespace ballast::bdev::test {
namespace {

ConformanceCase tested(const char* name, bool over_file, uint32_t block_size_bytes, uint32_t reactors_count,
                       bool real, const qos::Config& config, const qos::NodeBudget& budget) {
  const auto make = [=](Stage& stage) -> Result<std::shared_ptr<Bdev>> {
    Result<std::shared_ptr<Bdev>> below =
        over_file ? make_file_bdev(stage.files(), {.path = stage.path(),
                                                   .size_bytes = k_conformance_bytes,
                                                   .block_size_bytes = block_size_bytes})
                  : make_memory_bdev({k_conformance_bytes, block_size_bytes});
    if (!below.ok()) return below;
    const std::shared_ptr<qos::Node> node = qos::Node::create(stage.reactor(0));
    EXPECT_TRUE(node->set_budget(budget).ok());
    Result<std::shared_ptr<qos::QosBdev>> made = qos::make_qos_bdev(std::move(*below), node, config);
    if (!made.ok()) return std::move(made.error());
    return std::shared_ptr<Bdev>(std::move(*made));
  };
  return {name, block_size_bytes, reactors_count, real, make};
}

const qos::Config k_limited{.total = {.iops = 20'000}, .write = {.iops = 9000, .bytes = 200 << 20}};
const qos::Config k_promised{.min_iops = 500, .weight = 10};

INSTANTIATE_TEST_SUITE_P(
    Qos, BdevConformance,
    testing::Values(tested("free_over_memory_4096", false, 4096, 1, false, {}, {}),
                    tested("limited_over_memory_4096", false, 4096, 1, false, k_limited, {}),
                    tested("limited_over_file_512_on_3_reactors", true, 512, 3, false, k_limited, {}),
                    tested("arbitrated_over_memory_512", false, 512, 1, false, k_promised, {.iops = 5000}),
                    tested("arbitrated_over_file_4096_on_3_reactors", true, 4096, 3, false, k_promised,
                           {.iops = 5000, .depth = 2}),
                    tested("limited_over_memory_512_on_2_threads", false, 512, 2, true, k_limited, {}),
                    tested("arbitrated_over_file_4096_of_the_kernel_on_2_threads", true, 4096, 2, true,
                           k_promised, {.iops = 5000, .depth = 2})),
    name_of);

}  // namespace
}  // namespace ballast::bdev::test
