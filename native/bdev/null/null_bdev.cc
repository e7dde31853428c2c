#include "bdev/null/null_bdev.h"

#include <cstring>

#include "bdev/check.h"
#include "bdev/zero_memory.h"

namespace ballast::bdev {
namespace {

bool all_zero(std::span<const Segment> data, uint64_t bytes) {
  const Segment zeroes = zero_memory();
  for (uint64_t offset = 0; offset < bytes; offset += zeroes.size_bytes) {
    const uint64_t piece_bytes = bytes - offset < zeroes.size_bytes ? bytes - offset : zeroes.size_bytes;
    if (!equals(data, offset, zeroes.base, piece_bytes)) return false;
  }
  return true;
}

class NullChannel final : public Channel {
 public:
  explicit NullChannel(const Geometry& geometry) : geometry_(geometry) {}

  void submit(Io& io) override {
    Status status = check_io(geometry_, io);
    if (status == Status::ok) status = execute(io);
    io.done(io, status);
  }

  bool takes_data_at_submit() const override { return true; }

  Segment map_read(uint64_t lba, uint32_t blocks_count) override {
    const uint64_t bytes = uint64_t{blocks_count} * geometry_.block_size_bytes;
    if (!geometry_.contains(lba, blocks_count) || bytes > k_zero_memory_bytes) return {};
    return {zero_memory().base, bytes};
  }

 private:
  Status execute(Io& io) const {
    const uint64_t bytes = uint64_t{io.blocks_count} * geometry_.block_size_bytes;
    switch (io.type) {
      case IoType::read:
        for (const Segment& segment : io.data) std::memset(segment.base, 0, segment.size_bytes);
        return Status::ok;
      case IoType::compare:
      case IoType::compare_and_write:  // the first half compares, the second is forgotten
        return all_zero(io.data, bytes) ? Status::ok : Status::compare_mismatch;
      case IoType::write:
      case IoType::flush:
      case IoType::write_zeroes:
      case IoType::unmap:
      case IoType::copy:
      case IoType::verify: return Status::ok;
      case IoType::read_allocation: break;
    }
    return Status::unsupported;
  }

  const Geometry& geometry_;
};

class NullBdev final : public Bdev {
 public:
  explicit NullBdev(const Geometry& geometry) : geometry_(geometry) {}
  const Geometry& geometry() const override { return geometry_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  const char* kind() const override { return "null"; }
  std::unique_ptr<Channel> open(Reactor&) override { return std::make_unique<NullChannel>(geometry_); }

 private:
  Geometry geometry_;
  Capabilities capabilities_{
      .unmap = true, .write_zeroes = true, .compare = true, .copy = true, .verify = true};
};

}  // namespace

Result<std::shared_ptr<Bdev>> make_null_bdev(const NullBdevOptions& options) {
  TRY([[maybe_unused]] const Unit checked, check_size(options.size_bytes, options.block_size_bytes));
  if (zero_memory().base == nullptr) return Errc::no_memory;
  return std::shared_ptr<Bdev>(
      new NullBdev({options.block_size_bytes, options.size_bytes / options.block_size_bytes}));
}

}  // namespace ballast::bdev
