// Reads the discovery log of a discovery controller: header, records in pieces, header again. When the
// generation counter moved meanwhile the pieces may not belong together, and it starts over.
#include <algorithm>
#include <memory>

#include "base/bytes.h"
#include "base/log.h"
#include "initiator/commands.h"
#include "initiator/discovery_log.h"
#include "nvme/limits.h"

namespace ballast::initiator {

namespace {

// A log that changes while it is read is read again this often.
constexpr uint32_t k_reads_max = 5;
constexpr uint32_t k_piece_bytes_max = 32 * 1024;

// Made by discover(); owns itself until `done` has been called.
class DiscoveryRead {
 public:
  using Done = std::function<void(Result<std::vector<DiscoveryEntry>>)>;

  DiscoveryRead(std::shared_ptr<Controller> controller, Done done)
      : controller_(std::move(controller)),
        done_(std::move(done)),
        piece_bytes_(std::min(k_piece_bytes_max, controller_->info().transfer_bytes_max)),
        buffer_(new uint8_t[piece_bytes_]) {}

  void start();

 private:
  void read(uint64_t offset_bytes, uint32_t length_bytes, void (DiscoveryRead::*next)());
  void on_header();
  void read_records();
  void on_records();
  void on_header_again();
  void finish(Result<std::vector<DiscoveryEntry>> result);
  nvme::DiscoveryLogHeader header() const {
    return load<nvme::DiscoveryLogHeader>(ByteSpan(buffer_.get(), piece_bytes_));
  }

  std::shared_ptr<Controller> controller_;
  Done done_;
  const uint32_t piece_bytes_;
  std::unique_ptr<uint8_t[]> buffer_;
  uint32_t reads_count_ = 0;
  uint64_t generation_ = 0;
  uint64_t records_count_ = 0;
  uint64_t records_read_ = 0;
  uint32_t records_in_piece_ = 0;
  std::vector<DiscoveryEntry> entries_;
};

void DiscoveryRead::start() {
  if (++reads_count_ > k_reads_max) {
    finish(Error{Errc::timed_out, "the discovery log changes faster than it can be read"});
    return;
  }
  entries_.clear();
  records_read_ = 0;
  read(0, sizeof(nvme::DiscoveryLogHeader), &DiscoveryRead::on_header);
}

void DiscoveryRead::read(uint64_t offset_bytes, uint32_t length_bytes, void (DiscoveryRead::*next)()) {
  controller_->submit_admin(
      get_log_page(nvme::LogPage::discovery, offset_bytes, length_bytes), {buffer_.get(), length_bytes},
      [this, next](nvme::Completion completion) {
        if (completion.status().ok()) {
          (this->*next)();
        } else {
          finish(Error{Errc::refused_by_peer, describe("reading the discovery log", completion.status())});
        }
      });
}

void DiscoveryRead::on_header() {
  const nvme::DiscoveryLogHeader log_header = header();
  if (log_header.record_format != 0) {
    finish(Error{Errc::unsupported, "discovery log of an unknown record format"});
    return;
  }
  generation_ = log_header.generation;
  records_count_ = std::min(log_header.records_count, k_discovery_records_max);
  if (log_header.records_count > k_discovery_records_max) {
    log(LogLevel::warning, "initiator", "the discovery log claims %llu records, the first %llu are read",
        static_cast<unsigned long long>(log_header.records_count),
        static_cast<unsigned long long>(k_discovery_records_max));
  }
  read_records();
}

void DiscoveryRead::read_records() {
  if (records_read_ == records_count_) {
    read(0, sizeof(nvme::DiscoveryLogHeader), &DiscoveryRead::on_header_again);
    return;
  }
  constexpr size_t k_record_bytes = sizeof(nvme::DiscoveryLogEntry);
  records_in_piece_ = static_cast<uint32_t>(
      std::min<uint64_t>(piece_bytes_ / k_record_bytes, records_count_ - records_read_));
  read(sizeof(nvme::DiscoveryLogHeader) + records_read_ * k_record_bytes,
       records_in_piece_ * static_cast<uint32_t>(k_record_bytes), &DiscoveryRead::on_records);
}

void DiscoveryRead::on_records() {
  for (uint32_t i = 0; i < records_in_piece_; ++i) {
    const ByteSpan bytes(buffer_.get() + i * sizeof(nvme::DiscoveryLogEntry),
                         sizeof(nvme::DiscoveryLogEntry));
    auto entry = interpret_discovery_entry(load<nvme::DiscoveryLogEntry>(bytes));
    if (entry) {
      entries_.push_back(std::move(*entry));
    } else {
      log(LogLevel::warning, "initiator", "discovery log record %llu makes no sense and is ignored",
          static_cast<unsigned long long>(records_read_ + i));
    }
  }
  records_read_ += records_in_piece_;
  read_records();
}

void DiscoveryRead::on_header_again() {
  if (header().generation != generation_) {
    start();
  } else {
    finish(std::move(entries_));
  }
}

// The connection is closed before the result is told: afterwards nothing of this is left.
void DiscoveryRead::finish(Result<std::vector<DiscoveryEntry>> result) {
  controller_->close([this, result = std::move(result)] {
    const Done done = std::move(done_);
    const Result<std::vector<DiscoveryEntry>> told = result;
    delete this;
    done(told);
  });
}

}  // namespace

std::weak_ptr<Controller> discover(Reactor& reactor, const ControllerOptions& options,
                                   std::function<void(Result<std::vector<DiscoveryEntry>>)> done) {
  ControllerOptions discovery = options;
  discovery.subsystem_nqn = nvme::k_discovery_nqn;
  discovery.io_queues_count = 0;
  discovery.keep_alive_ms = 0;         // it is over long before a time-out
  discovery.ctrl_loss_timeout_ns = 0;  // and not worth a reconnect
  return Controller::connect({&reactor}, discovery, nullptr,
                             [done = std::move(done)](Result<std::shared_ptr<Controller>> controller) {
                               if (!controller.ok()) {
                                 done(controller.error());
                                 return;
                               }
                               (new DiscoveryRead(std::move(controller.value()), done))->start();
                             });
}

}  // namespace ballast::initiator
