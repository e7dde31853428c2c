// Damage to the metadata of a pool, as disks do it and as they do not: bits, sectors, pages in the wrong
// place, older ones, with the checksums left wrong or made right again. Driven by a Prng alone. For fuzzing.
#pragma once

#include <map>
#include <set>

#include "native/bdev_pool/check_fixture.h"

namespace ballast::bdev::pool::test {

class PoolDamage {
 public:
  // Kept pages are what a lost write leaves.
  using Pages = std::map<uint64_t, std::vector<uint8_t>>;  // by address on device 0

  PoolDamage(PoolStage& stage, Disk& disk, const MetadataLayout& layout, Prng& prng)
      : stage_(stage), disk_(disk), layout_(layout), prng_(prng) {}

  // Every page that means something now.
  Pages keep(const Root& root) {
    Pages kept;
    for (const uint64_t address : places(root)) kept[address] = read(address);
    return kept;
  }
  // What a disk can do to one place. Says what it did.
  std::string spoil(const Root& root, const Pages& older) {
    const std::vector<uint64_t> all = places(root);
    const uint64_t address = any(all);
    std::vector<uint8_t> page = read(address);
    std::string what;
    switch (prng_.below(6)) {
      case 0:
        for (uint64_t left = 1 + prng_.below(8); left > 0; --left) {
          page[prng_.below(page.size())] ^= static_cast<uint8_t>(1 << prng_.below(8));
        }
        what = "bits";
        break;
      case 1: {
        const uint64_t sector = prng_.below(page.size() / 512) * 512;
        std::fill_n(page.begin() + static_cast<long>(sector), 512, uint8_t{0});
        what = "a sector of zeroes";
        break;
      }
      case 2: {
        const uint64_t sector = prng_.below(page.size() / 512) * 512;
        for (uint64_t i = 0; i < 512; ++i) page[sector + i] = static_cast<uint8_t>(prng_.next());
        what = "a sector of noise";
        break;
      }
      case 3: page.assign(page.size(), 0), what = "zeroes"; break;
      case 4: page = read(any(all)), what = "another page"; break;
      case 5: {
        const auto old = older.find(address);
        if (old == older.end()) {
          page.assign(page.size(), 0);
        } else {
          page = old->second;
        }
        what = "an older page";
        break;
      }
    }
    write(address, page);
    spoiled.insert(address);
    return what + " at " + std::to_string(address);
  }
  // What no disk does: a field is another, and every checksum on the way to it is right.
  std::string forge(const Root& root) {
    switch (prng_.below(5)) {
      case 0: return forge_superblock();
      case 1: return forge_root(root);
      case 2: return forge_journal(root);
      default: return forge_tree(root);
    }
  }

  std::set<uint64_t> spoiled;  // addresses

 private:
  std::vector<uint64_t> places(const Root& root) {
    std::vector<uint64_t> all{0, k_front_bytes / 2};
    for (uint32_t i = 0; i < 4; ++i) {
      all.push_back(MetadataLayout::address(MetadataLayout::root_page(0) + i));
      all.push_back(MetadataLayout::address(MetadataLayout::root_page(1) + i));
    }
    for (uint32_t i = 0; i < layout_.free_map_pages; ++i) {
      all.push_back(MetadataLayout::address(layout_.free_map_page(i, false)));
      all.push_back(MetadataLayout::address(layout_.free_map_page(i, true)));
    }
    for (uint32_t i = 0; i < 200; ++i) {
      const uint64_t address = MetadataLayout::address(layout_.tree_first + i);
      if (load<Head>(read(address)).magic == k_tree_magic) all.push_back(address);
    }
    for (uint64_t sequence = root.journal_sequence;; ++sequence) {
      const uint64_t address = MetadataLayout::address(layout_.journal_page(sequence));
      if (load<Head>(read(address)).generation != sequence) break;
      all.push_back(address);
    }
    return all;
  }
  uint64_t any(const std::vector<uint64_t>& all) { return all[prng_.below(all.size())]; }
  std::vector<uint8_t> read(uint64_t address, size_t size = k_page_bytes) {
    PageBuffer buffer(size);
    EXPECT_EQ(stage_.read(disk_, address, buffer), Errc::ok);
    return {buffer.data(), buffer.data() + size};
  }
  void write(uint64_t address, const std::vector<uint8_t>& bytes) {
    PageBuffer buffer(bytes.size());
    std::copy(bytes.begin(), bytes.end(), buffer.data());
    EXPECT_EQ(stage_.write(disk_, address, buffer), Errc::ok);
  }
  // A number of one to eight bytes becomes one that tells.
  void forge_field(std::vector<uint8_t>& bytes, size_t from, size_t end) {
    const size_t sizes[] = {1, 2, 4, 8};
    const size_t size = sizes[prng_.below(4)];
    const size_t at = (from + prng_.below(end - from)) / size * size;
    if (at < from || at + size > end) return;
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, size);
    const uint64_t values[] = {
        0,         1,          UINT64_MAX, value + 1, value - 1, value ^ (uint64_t{1} << prng_.below(64)),
        4096,      255,        256,        65536,     value * 2, prng_.next(),
        INT64_MAX, 0x8000'0000};
    value = values[prng_.below(std::size(values))];
    std::memcpy(bytes.data() + at, &value, size);
  }
  // The first key of a page becomes a smaller one or the last a larger one: in order, and not its parent's.
  void forge_key(std::vector<uint8_t>& bytes) {
    const TreePage view(bytes.data());
    const bool is_first = prng_.chance(1, 2);
    const uint32_t index = is_first ? 0 : view.entries_count() - 1;
    Key key = view.key(index);
    uint64_t& part = prng_.chance(1, 2) ? key.low : key.high;
    const uint64_t by = prng_.chance(1, 2) ? 1 + prng_.below(8) : uint64_t{1} << prng_.below(60);
    part = is_first ? part - std::min(part, by) : part + by;
    const uint64_t entry_bytes = view.is_leaf() ? k_leaf_entry_bytes : sizeof(BranchEntry);
    store(MutableByteSpan(bytes).subspan(k_body_offset + index * entry_bytes), key);
  }
  std::string forge_superblock() {
    std::vector<uint8_t> bytes = read(0);
    for (uint64_t left = 1 + prng_.below(3); left > 0; --left) {
      forge_field(bytes, prng_.chance(1, 4) ? 16 : 32, prng_.chance(1, 2) ? 384 : bytes.size());
    }
    const auto offsets = superblock_offsets(usable_bytes(disk_.size_bytes()));
    for (const uint64_t offset : offsets) {
      Head head = load<Head>(bytes);
      head.address = offset;
      store(bytes, head);
      seal(bytes);
      write(offset, bytes);
    }
    return "a forged superblock";
  }
  std::string forge_root(const Root& root) {
    std::vector<uint8_t> bytes(bytes_of(root).begin(), bytes_of(root).end());
    for (uint64_t left = 1 + prng_.below(2); left > 0; --left) forge_field(bytes, 32, 160);
    write_root(bytes, root);
    return "a forged root";
  }
  void write_root(std::vector<uint8_t> bytes, const Root& root) {
    seal(bytes);
    write(root.head.address, bytes);
  }
  std::string forge_journal(const Root& root) {
    const uint64_t address =
        MetadataLayout::address(layout_.journal_page(root.journal_sequence + prng_.below(20)));
    std::vector<uint8_t> bytes = read(address);
    const uint64_t used = k_body_offset + load<JournalHead>(bytes).records_bytes;
    for (uint64_t left = 1 + prng_.below(3); left > 0; --left) {
      forge_field(bytes, prng_.chance(1, 3) ? 32 : k_body_offset,
                  std::clamp<uint64_t>(used, 80, k_page_bytes));
    }
    seal(bytes);
    write(address, bytes);
    return "a forged journal block";
  }
  // Down to some page, and up again with the checksums.
  std::string forge_tree(const Root& root) {
    if (root.tree_levels == 0) return "an empty tree";
    std::vector<std::pair<uint32_t, uint32_t>> path;  // page, child taken
    uint32_t number = root.tree_page;
    for (uint32_t level = root.tree_levels; level-- > 0;) {
      std::vector<uint8_t> bytes = read(MetadataLayout::address(number));
      const TreePage view(bytes.data());
      const TreeHead head = view.head();
      // An earlier forgery may be on the way.
      if (head.level != level || head.entries_count == 0 || head.entries_count > k_branch_entries_max) break;
      const bool stops = level == 0 || prng_.chance(1, 6);
      path.emplace_back(number, stops ? 0 : static_cast<uint32_t>(prng_.below(view.entries_count())));
      if (stops) break;
      number = view.child(path.back().second).page;
    }
    if (path.empty() || path.back().first != number) return "a page that was forged already";
    std::vector<uint8_t> bytes = read(MetadataLayout::address(number));
    if (prng_.chance(1, 4)) forge_key(bytes);
    for (uint64_t left = prng_.below(4); left > 0; --left) {
      const uint64_t place = prng_.below(3);
      forge_field(bytes, place == 0 ? 40 : place == 1 ? 64 : 2048, place == 0 ? 64 : k_page_bytes);
    }
    seal(bytes);
    write(MetadataLayout::address(number), bytes);
    uint32_t crc = load<Head>(bytes).crc;
    for (size_t i = path.size() - 1; i-- > 0;) {
      std::vector<uint8_t> above = read(MetadataLayout::address(path[i].first));
      TreePage view(above.data());
      BranchEntry entry = view.child(path[i].second);
      entry.crc = crc;
      view.set_child(path[i].second, entry);
      seal(above);
      write(MetadataLayout::address(path[i].first), above);
      crc = load<Head>(above).crc;
    }
    Root named = root;
    named.tree_crc = crc;
    write_root({bytes_of(named).begin(), bytes_of(named).end()}, root);
    return "a forged page " + std::to_string(number);
  }

  PoolStage& stage_;
  Disk& disk_;
  const MetadataLayout layout_;
  Prng& prng_;
};

}  // namespace ballast::bdev::pool::test
