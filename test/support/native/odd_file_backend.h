// One file in memory and the IoBackend of one reactor over it, for what the simulated world does not do:
// short reads and writes, an alignment of choice, kinds of operation that the file system does not know.
// Allocates nothing per operation. Single-threaded. Header only.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "reactor/io_backend.h"

namespace ballast::test {

class OddFileBackend final : public IoBackend {
 public:
  std::vector<uint8_t> bytes;
  uint64_t moved_bytes_max = UINT64_MAX;  // of one read or write
  uint32_t alignment_bytes = 512;
  bool knows_zero_range = true;
  bool knows_punch_hole = true;
  bool volatile_write_cache = true;
  bool created = false;
  std::array<uint32_t, 6> counts{};  // operations by kind
  uint32_t count(FileOp::Kind kind) const { return counts[static_cast<size_t>(kind)]; }

  Result<std::unique_ptr<ListenSocket>> listen(const SocketAddress&, AcceptObserver&) override {
    return Errc::unsupported;
  }
  Result<std::unique_ptr<Socket>> adopt(Descriptor, SocketObserver&) override { return Errc::unsupported; }
  Result<std::unique_ptr<Socket>> connect(const SocketAddress&, SocketObserver&) override {
    return Errc::unsupported;
  }
  void close_descriptor(Descriptor) override {}
  void submit(FileOp& op) override {
    BALLAST_ASSERT(queued_count_ < queued_.size());
    queued_[queued_count_++] = &op;
  }
  void register_memory(Segment) override {}
  uint32_t poll() override {
    const uint32_t count_now = queued_count_;
    const std::array<FileOp*, 256> now = queued_;
    queued_count_ = 0;
    for (uint32_t i = 0; i < count_now; ++i) {
      ++counts[static_cast<size_t>(now[i]->kind)];
      now[i]->done(*now[i], execute(*now[i]));
    }
    return count_now;
  }
  void flush() override {}
  void sleep(uint64_t) override {}
  void wake() override {}

 private:
  int64_t execute(const FileOp& op) {
    switch (op.kind) {
      case FileOp::Kind::read:
      case FileOp::Kind::write:
      case FileOp::Kind::write_durable: return move(op);
      case FileOp::Kind::sync_data: return 0;
      case FileOp::Kind::zero_range: return knows_zero_range ? zero(op) : -EOPNOTSUPP;
      case FileOp::Kind::punch_hole: return knows_punch_hole ? zero(op) : -EOPNOTSUPP;
      case FileOp::Kind::device_command: return -EOPNOTSUPP;
    }
    return -EINVAL;
  }
  int64_t zero(const FileOp& op) {
    BALLAST_ASSERT(op.offset + op.length_bytes <= bytes.size());
    std::memset(bytes.data() + op.offset, 0, op.length_bytes);
    return 0;
  }
  int64_t move(const FileOp& op) {
    uint64_t moved = 0;
    for (const Segment& segment : op.data) {
      if (op.offset % alignment_bytes != 0 || segment.size_bytes % alignment_bytes != 0) return -EINVAL;
      const uint64_t offset = std::min<uint64_t>(op.offset + moved, bytes.size());
      const uint64_t piece =
          std::min({uint64_t{segment.size_bytes}, moved_bytes_max - moved, bytes.size() - offset});
      if (op.kind == FileOp::Kind::read) {
        std::memcpy(segment.base, bytes.data() + offset, piece);
      } else {
        std::memcpy(bytes.data() + offset, segment.base, piece);
      }
      moved += piece;
      if (piece < segment.size_bytes) break;
    }
    return static_cast<int64_t>(moved);
  }

  std::array<FileOp*, 256> queued_{};
  uint32_t queued_count_ = 0;
};

// Opens the backend's file under any path.
class OddFileSystem final : public FileSystem {
 public:
  explicit OddFileSystem(OddFileBackend& backend) : backend_(backend) {}
  Result<std::unique_ptr<File>> open(const std::string&, const FileOptions&) override {
    return std::unique_ptr<File>(new OddFile(backend_));
  }
  void remove(const std::string&) override { ++removals_count; }
  uint32_t removals_count = 0;

 private:
  class OddFile final : public File {
   public:
    explicit OddFile(OddFileBackend& backend) : backend_(backend) {}
    Descriptor descriptor() const override { return 3; }
    uint64_t size_bytes() const override { return backend_.bytes.size(); }
    uint32_t direct_alignment_bytes() const override { return backend_.alignment_bytes; }
    bool created() const override { return backend_.created; }
    bool volatile_write_cache() const override { return backend_.volatile_write_cache; }
    bool is_block_device() const override { return false; }

   private:
    OddFileBackend& backend_;
  };
  OddFileBackend& backend_;
};

}  // namespace ballast::test
