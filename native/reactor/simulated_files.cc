#include "reactor/simulated_files.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/assert.h"

namespace ballast::simulated {
namespace {

// Calls body(page number, offset in page, bytes, offset from the start) for the pages of a range.
template <typename Body>
void for_each_page(uint64_t offset, uint64_t length_bytes, Body body) {
  for (uint64_t done = 0; done < length_bytes;) {
    const uint64_t in_page = (offset + done) % k_page_bytes;
    const uint64_t piece = std::min(length_bytes - done, k_page_bytes - in_page);
    body((offset + done) / k_page_bytes, in_page, piece, done);
    done += piece;
  }
}

void write_pages(Pages& pages, uint64_t offset, const Segment& data) {
  for_each_page(offset, data.size_bytes, [&](uint64_t page, uint64_t at, uint64_t bytes, uint64_t from) {
    std::memcpy(pages[page].data() + at, data.base + from, bytes);
  });
}

void zero_pages(Pages& pages, uint64_t offset, uint64_t length_bytes) {
  for_each_page(offset, length_bytes, [&](uint64_t page, uint64_t at, uint64_t bytes, uint64_t) {
    const auto found = pages.find(page);
    if (found != pages.end()) std::memset(found->second.data() + at, 0, bytes);
  });
}

void read_pages(const Pages& pages, uint64_t offset, const Segment& into) {
  for_each_page(offset, into.size_bytes, [&](uint64_t page, uint64_t at, uint64_t bytes, uint64_t from) {
    const auto found = pages.find(page);
    if (found == pages.end()) {
      std::memset(into.base + from, 0, bytes);
    } else {
      std::memcpy(into.base + from, found->second.data() + at, bytes);
    }
  });
}

constexpr uint8_t k_all_sectors = 0xff;
static_assert(k_page_bytes == 8 * k_sector_bytes);

void copy_sectors(const Pages& from, Pages& to, uint64_t page, uint8_t sectors) {
  const auto found = from.find(page);
  if (sectors == k_all_sectors && found == from.end()) {
    to.erase(page);
    return;
  }
  for (uint32_t sector = 0; sector < 8; ++sector) {
    if ((sectors >> sector & 1) == 0) continue;
    uint8_t* const into = to[page].data() + sector * k_sector_bytes;
    if (found == from.end()) {
      std::memset(into, 0, k_sector_bytes);
    } else {
      std::memcpy(into, found->second.data() + sector * k_sector_bytes, k_sector_bytes);
    }
  }
}

void mark_unsynced(FileData& file, uint64_t offset, uint64_t length_bytes) {
  for_each_page(offset, length_bytes, [&](uint64_t page, uint64_t at, uint64_t bytes, uint64_t) {
    for (uint64_t sector = at / k_sector_bytes; sector <= (at + bytes - 1) / k_sector_bytes; ++sector) {
      file.unsynced[page] |= static_cast<uint8_t>(1 << sector);
    }
  });
}

// Which of `sectors_count` unsynced sectors, in the order of the file, outlive a power failure: a prefix, a
// suffix or any, as disks do it.
class Survivors {
 public:
  Survivors(Prng& prng, uint64_t sectors_count)
      : prng_(prng), shape_(prng.below(5)), cut_(prng.below(sectors_count + 1)) {}
  bool next() {
    const uint64_t index = index_++;
    switch (shape_) {
      case 0: return index < cut_;
      case 1: return index >= cut_;
      case 2: return prng_.chance(1, 8);
      case 3: return prng_.chance(7, 8);
      default: return prng_.chance(1, 2);
    }
  }

 private:
  Prng& prng_;
  uint64_t shape_;
  uint64_t cut_;
  uint64_t index_ = 0;
};

bool is_aligned(const FileOp& op) {
  constexpr uint64_t k_mask = k_direct_alignment_bytes - 1;
  if ((op.offset & k_mask) != 0) return false;
  for (const Segment& segment : op.data) {
    if (((reinterpret_cast<uintptr_t>(segment.base) | segment.size_bytes) & k_mask) != 0) return false;
  }
  return true;
}

// The sectors that a range touches.
auto unreadable_of(const FileData& file, uint64_t offset, uint64_t length_bytes) {
  const uint64_t end = (offset + length_bytes + k_sector_bytes - 1) / k_sector_bytes;
  return std::pair(file.unreadable.lower_bound(offset / k_sector_bytes), file.unreadable.lower_bound(end));
}

// Sectors that are written can be read again.
void make_readable(FileData& file, uint64_t offset, uint64_t length_bytes) {
  const auto [begin, end] = unreadable_of(file, offset, length_bytes);
  file.unreadable.erase(begin, end);
}

int64_t read(const FileData& file, const FileOp& op) {
  uint64_t offset = op.offset, length_bytes = 0;
  for (const Segment& segment : op.data) length_bytes += segment.size_bytes;
  const auto [begin, end] = unreadable_of(file, offset, length_bytes);
  if (begin != end) return -EIO;
  for (const Segment& segment : op.data) {
    if (offset >= file.size_bytes) break;
    const Segment piece{segment.base, std::min<uint64_t>(segment.size_bytes, file.size_bytes - offset)};
    read_pages(file.seen, offset, piece);
    offset += piece.size_bytes;
  }
  return static_cast<int64_t>(offset - op.offset);
}

int64_t write(FileData& file, const FileOp& op) {
  uint64_t offset = op.offset;
  for (const Segment& segment : op.data) {
    write_pages(file.seen, offset, segment);
    if (op.kind == FileOp::Kind::write_durable) write_pages(file.durable, offset, segment);
    offset += segment.size_bytes;
  }
  make_readable(file, op.offset, offset - op.offset);
  if (op.kind == FileOp::Kind::write) mark_unsynced(file, op.offset, offset - op.offset);
  file.size_bytes = std::max(file.size_bytes, offset);
  return static_cast<int64_t>(offset - op.offset);
}

int64_t sync(FileData& file) {
  for (const auto& [page, sectors] : file.unsynced) copy_sectors(file.seen, file.durable, page, sectors);
  file.unsynced.clear();
  return 0;
}

int64_t zero(FileData& file, const FileOp& op) {
  if (op.length_bytes == 0) return -EINVAL;
  if (op.offset >= file.size_bytes) return 0;
  const uint64_t length_bytes = std::min(op.length_bytes, file.size_bytes - op.offset);
  zero_pages(file.seen, op.offset, length_bytes);
  make_readable(file, op.offset, length_bytes);
  mark_unsynced(file, op.offset, length_bytes);
  return 0;
}

int64_t perform(FileData& file, const FileOp& op) {
  switch (op.kind) {
    case FileOp::Kind::read: return read(file, op);
    case FileOp::Kind::write:
    case FileOp::Kind::write_durable: return write(file, op);
    case FileOp::Kind::sync_data: return sync(file);
    case FileOp::Kind::punch_hole:
    case FileOp::Kind::zero_range: return zero(file, op);
    case FileOp::Kind::device_command: return -EOPNOTSUPP;
  }
  return -EINVAL;
}

}  // namespace

class Files::OpenFile final : public File {
 public:
  OpenFile(Files& files, Descriptor descriptor, Handle handle, bool created)
      : files_(files), descriptor_(descriptor), handle_(handle), created_(created) {}
  ~OpenFile() override {
    handle_.file->open = false;
    files_.handles_.erase(descriptor_);
  }
  Descriptor descriptor() const override { return descriptor_; }
  uint64_t size_bytes() const override { return handle_.file->size_bytes; }
  uint32_t direct_alignment_bytes() const override { return handle_.direct ? k_direct_alignment_bytes : 1; }
  bool created() const override { return created_; }
  bool volatile_write_cache() const override { return true; }
  bool is_block_device() const override { return false; }

 private:
  Files& files_;
  Descriptor descriptor_;
  Handle handle_;
  bool created_;
};

Result<std::unique_ptr<File>> Files::open(const std::string& path, const FileOptions& options) {
  auto found = files_.find(path);
  const bool create = found == files_.end();
  if (create) {
    if (!options.create) return Error{Errc::not_found, path + " does not exist"};
    found = files_.emplace(path, FileData{}).first;
    found->second.path = path;
    found->second.size_bytes = options.create_size_bytes;
  }
  FileData& file = found->second;
  if (file.open) return Error{Errc::in_use, path + " is in use"};
  file.open = true;
  const Descriptor descriptor = next_descriptor_++;
  const Handle handle{&file, options.direct, options.read_only};
  handles_.emplace(descriptor, handle);
  return std::unique_ptr<File>(new OpenFile(*this, descriptor, handle, create));
}

void Files::remove(const std::string& path) {
  const auto found = files_.find(path);
  if (found != files_.end()) removed_.push_back(files_.extract(found));
}

bool Files::is_held(const FileOp& op) {
  if (!hold) return false;
  if (hold->op != nullptr) return hold->op == &op;
  const auto handle = handles_.find(op.file);
  const bool is_of_kind =
      op.kind == hold->kind && handle != handles_.end() && handle->second.file->path == hold->path;
  if (!is_of_kind || hold->skipped-- > 0) return false;
  hold->op = &op;
  return true;
}

int64_t Files::execute(const FileOp& op) {
  BALLAST_ASSERT(op.data.size() <= k_file_segments_max);
  const auto found = handles_.find(op.file);
  if (found == handles_.end()) return -EBADF;
  if (found->second.read_only && op.kind != FileOp::Kind::read && op.kind != FileOp::Kind::sync_data) {
    return -EBADF;
  }
  FileData& file = *found->second.file;
  if (found->second.read_only && op.kind != FileOp::Kind::read && op.kind != FileOp::Kind::sync_data) {
    return -EBADF;
  }
  if (!takes_power(op)) {
    if (power_ == Power::failing && op.kind != FileOp::Kind::read && op.kind != FileOp::Kind::sync_data) {
      FileOp cut = op;
      if (cut.kind == FileOp::Kind::write_durable) cut.kind = FileOp::Kind::write;
      static_cast<void>(perform(file, cut));
    }
    return -EIO;
  }
  if (found->second.direct && !is_aligned(op)) return -EINVAL;
  if (const SimulatedFault* const effect = take_fault(file.path, op.kind)) {
    return execute_faulty(file, op, *effect);
  }
  return perform(file, op);
}

// False if the operation comes too late, or is the one that the power fails in.
bool Files::takes_power(const FileOp& op) {
  if (power_ != Power::on) return false;
  if (op.kind == FileOp::Kind::read) return true;
  if (changes_left_ == 0u) {
    changes_left_.reset();
    power_ = Power::failing;
    return false;
  }
  if (changes_left_) --*changes_left_;
  ++changes_count_;
  return true;
}

int64_t Files::execute_faulty(FileData& file, FileOp op, const SimulatedFault& effect) {
  switch (effect.kind) {
    case SimulatedFault::Kind::error: return -effect.error;
    case SimulatedFault::Kind::unsynced:
      op.kind = FileOp::Kind::write;
      static_cast<void>(perform(file, op));
      return -effect.error;
    case SimulatedFault::Kind::lost: {
      uint64_t length_bytes = 0;
      for (const Segment& segment : op.data) length_bytes += segment.size_bytes;
      return static_cast<int64_t>(length_bytes);
    }
    case SimulatedFault::Kind::misdirected:
      op.offset += static_cast<uint64_t>(effect.by_bytes);
      return perform(file, op);
    case SimulatedFault::Kind::cut_short: {
      Segment first = op.data.front();
      first.size_bytes = std::min<size_t>(first.size_bytes, k_sector_bytes);
      op.data = {&first, 1};
      return perform(file, op);
    }
  }
  return -EINVAL;
}

void Files::restore_power(UnsyncedWrites unsynced, Prng& prng) {
  restart_process();
  for (auto& [path, file] : files_) {
    uint64_t sectors_count = 0;
    for (const auto& [page, sectors] : file.unsynced) sectors_count += std::popcount(sectors);
    Survivors survivors(prng, sectors_count);
    for (const auto& [page, sectors] : file.unsynced) {
      for (uint8_t left = sectors; left != 0; left = static_cast<uint8_t>(left & (left - 1))) {
        const auto sector = static_cast<uint8_t>(left & -left);
        const bool survives =
            unsynced == UnsyncedWrites::kept || (unsynced == UnsyncedWrites::random && survivors.next());
        if (survives) {
          copy_sectors(file.seen, file.durable, page, sector);
        } else {
          copy_sectors(file.durable, file.seen, page, sector);
        }
      }
    }
    file.unsynced.clear();
  }
}

void Files::restart_process() {
  power_ = Power::on;
  changes_left_.reset();
}

void Files::fail(FileFault fault) {
  std::erase_if(faults_,
                [&](const FileFault& old) { return old.path == fault.path && old.kind == fault.kind; });
  if (fault.count > 0) faults_.push_back(std::move(fault));
}

const SimulatedFault* Files::take_fault(const std::string& path, FileOp::Kind kind) {
  for (FileFault& fault : faults_) {
    if (fault.path != path || fault.kind != kind || fault.count == 0) continue;
    --fault.count;
    return &fault.effect;
  }
  return nullptr;
}

void Files::spoil(const std::string& path, uint64_t offset, uint8_t mask) {
  const auto found = files_.find(path);
  if (found == files_.end()) return;
  found->second.seen[offset / k_page_bytes][offset % k_page_bytes] ^= mask;
  found->second.durable[offset / k_page_bytes][offset % k_page_bytes] ^= mask;
}

void Files::make_unreadable(const std::string& path, uint64_t offset) {
  const auto found = files_.find(path);
  if (found != files_.end()) found->second.unreadable.insert(offset / k_sector_bytes);
}

std::vector<uint8_t> Files::bytes(const std::string& path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return {};
  std::vector<uint8_t> bytes(found->second.size_bytes);
  read_pages(found->second.seen, 0, {bytes.data(), bytes.size()});
  return bytes;
}

void Files::drop_unsynced() {
  for (auto& [path, file] : files_) {
    for (const auto& [page, sectors] : file.unsynced) copy_sectors(file.durable, file.seen, page, sectors);
    file.unsynced.clear();
  }
}

}  // namespace ballast::simulated
