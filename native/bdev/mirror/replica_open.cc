#include "bdev/mirror/replica_open.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"

namespace ballast::bdev::mirror {
namespace {

// Reads of map blocks in flight: enough for a disk to be busy.
constexpr uint32_t k_reads_max = 32;
// Zeroed in one go.
constexpr uint64_t k_zero_blocks_max = (uint64_t{1} << 30) / k_replica_block_bytes;

Error invalid(std::string text) { return Error{Errc::invalid_argument, std::move(text)}; }

bool is_zero(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

// Owns itself until `opened` has been called.
class Opening {
 public:
  Opening(Reactor& home, std::shared_ptr<Bdev> data, std::shared_ptr<Bdev> metadata,
          const ReplicaFormat& format, const ReplicaOptions& options, ReplicaOpened opened)
      : home_(home),
        data_(std::move(data)),
        metadata_(std::move(metadata)),
        format_(format),
        options_(options),
        opened_(std::move(opened)) {}

  void start() {
    const Outcome checked = check_devices();
    if (!checked.ok()) return fail(checked.error());
    channel_ = metadata_->open(home_);
    for (Transfer& transfer : transfers_) transfer.opening = this;
    read_superblocks(0);
  }

 private:
  struct Transfer {
    Opening* opening = nullptr;
    bool is_done = false;
    Status status = Status::ok;
    Segment segment;
    Io io;
    alignas(k_replica_block_bytes) ReplicaBlock bytes{};
  };
  using Then = void (Opening::*)();

  Outcome check_devices() const {
    const Geometry& data = data_->geometry();
    const Geometry& metadata = metadata_->geometry();
    if (metadata.block_size_bytes != k_replica_block_bytes) {
      return invalid("the metadata of a replica needs blocks of 4096 bytes");
    }
    if (data_->capabilities().volatile_write_cache || metadata_->capabilities().volatile_write_cache) {
      return invalid("a replica cannot lie on what forgets finished writes");
    }
    const auto layout = ReplicaLayout::of(data.blocks_count * data.block_size_bytes);
    if (!layout) return invalid("no replica can be of this size");
    return Unit{};
  }

  // --- the superblocks, one after the other, each into its own transfer ---

  void read_superblocks(uint32_t copy) {
    copy_ = copy;
    run(IoType::read, copy, 1, transfers_[copy], &Opening::superblock_read);
  }

  void superblock_read() {
    if (copy_ == 0) return read_superblocks(1);
    const bool is_0_read = transfers_[0].status == Status::ok, is_1_read = transfers_[1].status == Status::ok;
    if (!is_0_read && !is_1_read) {
      return fail(
          {Errc::io_error, std::string("the metadata cannot be read: ") + status_text(transfers_[0].status)});
    }
    const bool is_blank =
        is_0_read && is_1_read && is_zero(transfers_[0].bytes) && is_zero(transfers_[1].bytes);
    if (is_blank) return start_format();
    load();
  }

  // --- a new one: maps of zeroes, then the superblocks ---

  void start_format() {
    if (format_.uuid.is_nil()) return fail({Errc::not_found, "there is no replica"});
    if (format_.content == Content::partial) return fail(invalid("a new replica is complete or has nothing"));
    const Geometry& data = data_->geometry();
    const uint64_t size_bytes = data.blocks_count * data.block_size_bytes;
    // Beside the data there may be less metadata than that takes: then it cannot grow.
    size_max_bytes_ = replica_size_max_bytes(size_bytes);
    layout_ = *ReplicaLayout::of(size_max_bytes_);
    if (layout_.blocks_count() > metadata_->geometry().blocks_count) {
      size_max_bytes_ = size_bytes;
      layout_ = *ReplicaLayout::of(size_bytes);
    }
    if (layout_.blocks_count() > metadata_->geometry().blocks_count) {
      return fail(invalid("the metadata of a replica of " + std::to_string(size_bytes) + " bytes needs " +
                          std::to_string(layout_.blocks_count() * k_replica_block_bytes) + " bytes"));
    }
    next_ = layout_.intent_start();
    zero();
  }

  void zero() {
    if (next_ == layout_.blocks_count()) {
      copy_ = 1;
      return write_superblock();
    }
    const Capabilities& capabilities = metadata_->capabilities();
    if (!capabilities.unmap && !capabilities.write_zeroes) {
      return fail({Errc::unsupported, "the metadata device cannot be zeroed"});
    }
    const uint64_t count = std::min(layout_.blocks_count() - next_, k_zero_blocks_max);
    const uint64_t first = std::exchange(next_, next_ + count);
    const IoType type = capabilities.unmap ? IoType::unmap : IoType::write_zeroes;
    run(type, first, static_cast<uint32_t>(count), transfers_[0], &Opening::zeroed);
  }

  void zeroed() {
    if (transfers_[0].status != Status::ok) return fail_write(transfers_[0].status);
    zero();
  }

  void write_superblock() {
    const Geometry& data = data_->geometry();
    ReplicaSuperblock superblock;
    superblock.head.replica_uuid = format_.uuid;
    superblock.head.generation = copy_ == 1 ? 1 : 2;
    superblock.block_size_bytes = data.block_size_bytes;
    superblock.volume_uuid = format_.volume_uuid;
    superblock.blocks_count = data.blocks_count;
    superblock.size_max_bytes = size_max_bytes_;
    superblock.content = format_.content;
    encode_superblock(transfers_[copy_].bytes, superblock);
    run(IoType::write, copy_, 1, transfers_[copy_], &Opening::superblock_written);
  }

  void superblock_written() {
    if (transfers_[copy_].status != Status::ok) return fail_write(transfers_[copy_].status);
    if (copy_ == 0) return load();
    copy_ = 0;
    write_superblock();
  }

  void fail_write(Status status) {
    fail({status == Status::no_space ? Errc::no_space : Errc::io_error,
          std::string("the metadata cannot be written: ") + status_text(status)});
  }

  // --- what is there ---

  static ByteSpan bytes_of_read(const Transfer& transfer) {
    return transfer.status == Status::ok ? ByteSpan(transfer.bytes) : ByteSpan();
  }

  void load() {
    loader_.emplace(bytes_of_read(transfers_[0]), bytes_of_read(transfers_[1]),
                    metadata_->geometry().blocks_count);
    if (loader_->state() == ReplicaLoader::State::too_large) {
      return fail(invalid("the metadata device is smaller than the metadata"));
    }
    if (loader_->state() == ReplicaLoader::State::unknown) {
      return fail(
          {Errc::unsupported, "the metadata is of a newer version, or makes no sense; it is left as it is"});
    }
    if (loader_->state() == ReplicaLoader::State::unusable) {
      if (format_.uuid.is_nil()) return fail({Errc::io_error, "the metadata is damaged"});
      log(LogLevel::error, "replica", "%s: the metadata is damaged: it can only join as a new one",
          format_.uuid.text().c_str());
      return finish(format_.uuid, nullptr);
    }
    const Outcome fits = check_sizes(loader_->superblock());
    if (!fits.ok()) return fail(fits.error());
    next_read_ = loader_->next_block();
    pump();
  }

  Outcome check_sizes(const ReplicaSuperblock& superblock) const {
    const Geometry& data = data_->geometry();
    if (superblock.block_size_bytes != data.block_size_bytes) {
      return invalid("the replica has blocks of " + std::to_string(superblock.block_size_bytes) +
                     " bytes, its data of " + std::to_string(data.block_size_bytes));
    }
    if (superblock.blocks_count > data.blocks_count) {
      return invalid("the replica has " + std::to_string(superblock.blocks_count) + " blocks, its data " +
                     std::to_string(data.blocks_count));
    }
    return Unit{};
  }

  // The blocks of maps, several at a time, taken in their order. Devices may answer from inside.
  void pump() {
    if (is_pumping_) return;
    is_pumping_ = true;
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (; reads_count_ > 0 && transfers_[first_read_].is_done; --reads_count_) {
        loader_->take(bytes_of_read(transfers_[first_read_]));
        first_read_ = (first_read_ + 1) % k_reads_max;
        goes_on = true;
      }
      for (; next_read_ && reads_count_ < k_reads_max; ++reads_count_) {
        const uint64_t block = *next_read_;
        next_read_ = loader_->block_after(block);
        run(IoType::read, block, 1, transfers_[(first_read_ + reads_count_) % k_reads_max], &Opening::pump);
        goes_on = true;
      }
    }
    is_pumping_ = false;
    if (loader_->next_block()) return;
    std::unique_ptr<ReplicaMetadata> loaded = loader_->finish();
    const Uuid uuid = loaded->superblock.head.replica_uuid;
    finish(uuid, std::move(loaded));
  }

  // --- one transfer ---

  void run(IoType type, uint64_t block, uint32_t blocks_count, Transfer& transfer, Then then) {
    then_ = then;
    transfer.is_done = false;
    transfer.segment = {transfer.bytes.data(), transfer.bytes.size()};
    transfer.io.type = type;
    transfer.io.fua = type != IoType::read;
    transfer.io.lba = block;
    transfer.io.blocks_count = blocks_count;
    const bool has_data = type == IoType::read || type == IoType::write;
    transfer.io.data = {&transfer.segment, has_data ? 1u : 0u};
    transfer.io.context = &transfer;
    transfer.io.done = [](Io& io, Status status) {
      Transfer& ended = *static_cast<Transfer*>(io.context);
      ended.is_done = true;
      ended.status = status;
      (ended.opening->*ended.opening->then_)();
    };
    channel_->submit(transfer.io);
  }

  void fail(Error error) { end(std::move(error)); }

  void finish(const Uuid& uuid, std::unique_ptr<ReplicaMetadata> loaded) {
    end(std::make_unique<Replica>(home_, uuid, data_, metadata_, std::move(loaded), options_));
  }

  // Later: the channel may be on the stack.
  void end(Result<std::unique_ptr<Replica>> result) {
    send_task(home_, [this, result = std::move(result)]() mutable {
      const ReplicaOpened opened = std::move(opened_);
      delete this;
      opened(std::move(result));
    });
  }

  Reactor& home_;
  const std::shared_ptr<Bdev> data_, metadata_;
  const ReplicaFormat format_;
  const ReplicaOptions options_;
  ReplicaOpened opened_;
  std::unique_ptr<Channel> channel_;
  std::optional<ReplicaLoader> loader_;
  ReplicaLayout layout_;
  uint64_t size_max_bytes_ = 0;
  uint32_t copy_ = 0;    // of the superblock
  uint64_t next_ = 0;    // to be zeroed
  Then then_ = nullptr;  // of all transfers: what is in flight together is alike
  std::array<Transfer, k_reads_max> transfers_;
  uint32_t first_read_ = 0, reads_count_ = 0;
  std::optional<uint64_t> next_read_;
  bool is_pumping_ = false;
};

}  // namespace

uint64_t replica_size_max_bytes(uint64_t data_bytes) {
  constexpr uint64_t k_times = 16, k_least = uint64_t{64} << 30, k_most = ReplicaLayout::k_size_bytes_max;
  return data_bytes >= k_most / k_times ? k_most : std::max(data_bytes * k_times, k_least);
}

std::optional<uint64_t> replica_metadata_bytes(uint64_t data_bytes) {
  if (!ReplicaLayout::of(data_bytes)) return std::nullopt;
  const auto layout = ReplicaLayout::of(replica_size_max_bytes(data_bytes));
  return layout->blocks_count() * k_replica_block_bytes;
}

void open_replica(Reactor& home, std::shared_ptr<Bdev> data, std::shared_ptr<Bdev> metadata,
                  const ReplicaFormat& format, const ReplicaOptions& options, ReplicaOpened opened) {
  BALLAST_ASSERT_ON_REACTOR(home);
  (new Opening(home, std::move(data), std::move(metadata), format, options, std::move(opened)))->start();
}

}  // namespace ballast::bdev::mirror
