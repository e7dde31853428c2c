#include "reactor/simulated_files.h"

#include <algorithm>
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

void copy_page(const Pages& from, Pages& to, uint64_t page) {
  const auto found = from.find(page);
  if (found == from.end()) {
    to.erase(page);
  } else {
    to[page] = found->second;
  }
}

void mark_unsynced(FileData& file, uint64_t offset, uint64_t length_bytes) {
  for_each_page(offset, length_bytes,
                [&](uint64_t page, uint64_t, uint64_t, uint64_t) { file.unsynced.insert(page); });
}

bool is_aligned(const FileOp& op) {
  constexpr uint64_t k_mask = k_direct_alignment_bytes - 1;
  if ((op.offset & k_mask) != 0) return false;
  for (const Segment& segment : op.data) {
    if (((reinterpret_cast<uintptr_t>(segment.base) | segment.size_bytes) & k_mask) != 0) return false;
  }
  return true;
}

int64_t read(const FileData& file, const FileOp& op) {
  uint64_t offset = op.offset;
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
  if (op.kind == FileOp::Kind::write) mark_unsynced(file, op.offset, offset - op.offset);
  file.size_bytes = std::max(file.size_bytes, offset);
  return static_cast<int64_t>(offset - op.offset);
}

int64_t sync(FileData& file) {
  for (const uint64_t page : file.unsynced) copy_page(file.seen, file.durable, page);
  file.unsynced.clear();
  return 0;
}

int64_t zero(FileData& file, const FileOp& op) {
  if (op.length_bytes == 0) return -EINVAL;
  if (op.offset >= file.size_bytes) return 0;
  const uint64_t length_bytes = std::min(op.length_bytes, file.size_bytes - op.offset);
  zero_pages(file.seen, op.offset, length_bytes);
  mark_unsynced(file, op.offset, length_bytes);
  return 0;
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
  const Handle handle{&file, options.direct};
  handles_.emplace(descriptor, handle);
  return std::unique_ptr<File>(new OpenFile(*this, descriptor, handle, create));
}

void Files::remove(const std::string& path) {
  const auto found = files_.find(path);
  if (found != files_.end()) removed_.push_back(files_.extract(found));
}

int64_t Files::execute(const FileOp& op) {
  BALLAST_ASSERT(op.data.size() <= k_file_segments_max);
  const auto found = handles_.find(op.file);
  if (found == handles_.end()) return -EBADF;
  FileData& file = *found->second.file;
  int error = 0;
  if (take_fault(file.path, op.kind, error)) return -error;
  if (found->second.direct && !is_aligned(op)) return -EINVAL;
  switch (op.kind) {
    case FileOp::Kind::read: return read(file, op);
    case FileOp::Kind::write:
    case FileOp::Kind::write_durable: return write(file, op);
    case FileOp::Kind::sync_data: return sync(file);
    case FileOp::Kind::punch_hole:
    case FileOp::Kind::zero_range: return zero(file, op);
  }
  return -EINVAL;
}

void Files::fail(FileFault fault) {
  std::erase_if(faults_,
                [&](const FileFault& old) { return old.path == fault.path && old.kind == fault.kind; });
  if (fault.count > 0) faults_.push_back(std::move(fault));
}

bool Files::take_fault(const std::string& path, FileOp::Kind kind, int& error) {
  for (FileFault& fault : faults_) {
    if (fault.path != path || fault.kind != kind || fault.count == 0) continue;
    --fault.count;
    error = fault.error;
    return true;
  }
  return false;
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
    for (const uint64_t page : file.unsynced) copy_page(file.durable, file.seen, page);
    file.unsynced.clear();
  }
}

}  // namespace ballast::simulated
