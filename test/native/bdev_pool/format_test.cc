#include "bdev/pool/format.h"

#include "native/bdev_pool/samples.h"

namespace ballast::bdev::pool::test {
namespace {

std::vector<uint8_t> sealed_superblock(const Superblock& superblock) { return sealed(bytes_of(superblock)); }

TEST(PoolFormat, every_bit_of_a_superblock_counts) {
  expect_every_bit_counts(sealed_superblock(sample_superblock()),
                          [](ByteSpan bytes) { return is_whole(bytes, k_superblock_magic, 0, k_pool_uuid); });
}

TEST(PoolFormat, every_bit_of_a_root_counts) {
  auto root = std::make_unique<Root>();
  root->head = {k_root_magic, 0, k_front_bytes, k_pool_uuid, 3};
  root->free_map_crc.fill(0x5a5a5a5a);
  expect_every_bit_counts(sealed(bytes_of(*root)), [](ByteSpan bytes) {
    return is_whole(bytes, k_root_magic, k_front_bytes, k_pool_uuid);
  });
}

TEST(PoolFormat, every_bit_of_a_free_map_page_counts) {
  std::vector<uint8_t> page(k_page_bytes, 0xa5);
  FreeMapHead head;
  head.head = {k_free_map_magic, 0, 40960, k_pool_uuid, 3};
  store(page, head);
  expect_every_bit_counts(
      sealed(page), [](ByteSpan bytes) { return is_whole(bytes, k_free_map_magic, 40960, k_pool_uuid); });
}

TEST(PoolFormat, a_structure_of_another_kind_place_or_pool_is_refused) {
  const std::vector<uint8_t> bytes = sealed_superblock(sample_superblock());
  EXPECT_TRUE(is_whole(bytes, k_superblock_magic, 0));
  EXPECT_FALSE(is_whole(bytes, k_root_magic, 0));
  EXPECT_FALSE(is_whole(bytes, k_superblock_magic, 4096));
  EXPECT_FALSE(is_whole(bytes, k_superblock_magic, 0, uuid_of(0x12)));
  EXPECT_FALSE(is_whole(ByteSpan(bytes).first(512), k_superblock_magic, 0));
  EXPECT_FALSE(is_whole(std::vector<uint8_t>(4096, 0), k_superblock_magic, 0));
}

TEST(PoolFormat, a_structure_torn_at_any_sector_is_refused) {
  Superblock superblock = sample_superblock();
  const std::vector<uint8_t> old_bytes = sealed_superblock(superblock);
  superblock.head.generation = 8;
  superblock.devices[k_devices_max - 1].reserved[23] = 1;  // so that the last sector differs
  const std::vector<uint8_t> new_bytes = sealed_superblock(superblock);
  for (size_t cut = 512; cut < 4096; cut += 512) {
    std::vector<uint8_t> torn = new_bytes;
    std::copy(old_bytes.begin() + static_cast<ptrdiff_t>(cut), old_bytes.end(),
              torn.begin() + static_cast<ptrdiff_t>(cut));
    EXPECT_FALSE(is_whole(torn, k_superblock_magic, 0)) << "prefix of " << cut;
    std::vector<uint8_t> suffix = old_bytes;
    std::copy(new_bytes.begin() + static_cast<ptrdiff_t>(cut), new_bytes.end(),
              suffix.begin() + static_cast<ptrdiff_t>(cut));
    EXPECT_FALSE(is_whole(suffix, k_superblock_magic, 0)) << "suffix from " << cut;
  }
}

TEST(PoolFormat, other_versions_and_unknown_features_are_unsupported) {
  EXPECT_TRUE(check_superblock(sample_superblock()).ok());
  Superblock superblock = sample_superblock();
  superblock.version = 2;
  EXPECT_EQ(check_superblock(superblock).errc(), Errc::unsupported);
  superblock = sample_superblock();
  superblock.incompatible = 1;
  EXPECT_EQ(check_superblock(superblock).errc(), Errc::unsupported);
  superblock = sample_superblock();
  superblock.read_only_compatible = 4;
  EXPECT_EQ(check_superblock(superblock).errc(), Errc::unsupported);
  superblock = sample_superblock();
  superblock.extent_size_log2 = 24;
  EXPECT_EQ(check_superblock(superblock).errc(), Errc::unsupported);
  superblock = sample_superblock();
  superblock.compatible = ~uint64_t{0};
  superblock.read_only_compatible = k_read_only_compatible_checksums;
  EXPECT_TRUE(check_superblock(superblock).ok());
}

TEST(PoolFormat, a_whole_superblock_of_nonsense_is_refused) {
  const auto refused = [](auto change) {
    Superblock superblock = sample_superblock();
    change(superblock);
    return check_superblock(superblock).errc() == Errc::invalid_argument;
  };
  EXPECT_TRUE(refused([](Superblock& s) { s.devices_count = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices_count = k_devices_max + 1; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.device_index = 2; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.device_index = 1; }));  // whose UUID is another
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[1].uuid = s.devices[0].uuid; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[0].size_bytes = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[0].size_bytes = ~uint64_t{0} / k_mib * k_mib; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[0].data_offset = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[1].extents_count = 47; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.devices[1].extents_count = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.metadata_bytes = 31 * k_mib; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.metadata_bytes = 32 * k_mib + 1; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.metadata_offset = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.journal_blocks = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.free_map_pages = 0; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.name = {}; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.state = PoolState{0}; }));
  EXPECT_TRUE(refused([](Superblock& s) { s.device_uuid = {}; }));
}

TEST(PoolFormat, regions_follow_each_other_at_every_size) {
  for (const uint64_t size : {k_metadata_bytes_min, 33 * k_mib, 1024 * k_mib, k_metadata_bytes_max}) {
    const Result<MetadataLayout> made = MetadataLayout::of(size);
    ASSERT_TRUE(made.ok());
    const MetadataLayout& layout = *made;
    EXPECT_GE(k_root_slot_pages * k_page_bytes, k_root_bytes);
    EXPECT_EQ(layout.journal_page(0), k_journal_first_page);
    EXPECT_EQ(layout.journal_page(layout.journal_blocks - 1) + 1, layout.free_map_first);
    EXPECT_EQ(layout.free_map_page(layout.free_map_pages - 1, true) + 1, layout.tree_first);
    EXPECT_LT(layout.tree_first, layout.pages_count);
    EXPECT_LE(layout.free_map_pages, k_free_map_pages_max);
    EXPECT_GE(layout.free_map_pages * k_free_map_bits, layout.pages_count);
  }
  EXPECT_FALSE(MetadataLayout::of(k_metadata_bytes_min - k_mib).ok());
  EXPECT_FALSE(MetadataLayout::of(k_metadata_bytes_max + k_mib).ok());
  EXPECT_FALSE(MetadataLayout::of(k_metadata_bytes_min + 1).ok());
}

TEST(PoolFormat, an_extent_is_a_device_and_a_number) {
  const Extent extent = Extent::of(59, (uint64_t{1} << 40) - 1);
  EXPECT_EQ(extent.device(), 59);
  EXPECT_EQ(extent.number(), (uint64_t{1} << 40) - 1);
  EXPECT_TRUE(extent.is_valid());
  EXPECT_FALSE(Extent{uint64_t{1} << 56}.is_valid());
}

}  // namespace
}  // namespace ballast::bdev::pool::test
