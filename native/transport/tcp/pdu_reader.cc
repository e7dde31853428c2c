#include "transport/tcp/pdu_reader.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"

namespace ballast::transport::tcp {

PduReader::Outcome PduReader::feed(ByteSpan& bytes) {
  waiting_ = false;
  bool goes_on = true;
  while (goes_on) {
    switch (stage_) {
      case Stage::header: goes_on = feed_header(bytes); break;
      case Stage::pad: goes_on = feed_pad(bytes); break;
      case Stage::data: goes_on = feed_data(bytes); break;
      case Stage::data_digest: goes_on = feed_data_digest(bytes); break;
      case Stage::stopped: return Outcome::stopped;
    }
  }
  if (stage_ == Stage::stopped) return Outcome::stopped;
  return waiting_ ? Outcome::waiting : Outcome::needs_more;
}

Segment PduReader::direct_target() const {
  if (stage_ != Stage::data || discarding_) return {};
  return {place_, data_left_};
}

void PduReader::accept_direct(size_t bytes_count) {
  BALLAST_ASSERT(stage_ == Stage::data && !discarding_ && bytes_count <= data_left_);
  digest_piece(place_, bytes_count);
  place_ += bytes_count;
  data_left_ -= static_cast<uint32_t>(bytes_count);
}

size_t PduReader::bytes_to_next_decision() const {
  switch (stage_) {
    case Stage::header:
      return (layout_known_ ? layout_.header_and_digest_bytes() : sizeof(CommonHeader)) - stash_bytes_;
    case Stage::pad: return pad_left_;
    case Stage::data: return discarding_ ? data_left_ : 0;
    case Stage::data_digest: return k_digest_bytes - stash_bytes_;
    case Stage::stopped: break;
  }
  return 0;
}

// The first bytes_wanted bytes of what is being gathered, without a copy where all of them are in `bytes`
// (which then still has them), else through the stash. Empty if they have not all arrived.
ByteSpan PduReader::gather(ByteSpan& bytes, size_t bytes_wanted) {
  if (stash_bytes_ == 0 && bytes.size() >= bytes_wanted) return bytes.first(bytes_wanted);
  if (stash_bytes_ < bytes_wanted) {
    const size_t taken = std::min(bytes_wanted - stash_bytes_, bytes.size());
    if (taken != 0) std::memcpy(&stash_[stash_bytes_], bytes.data(), taken);
    stash_bytes_ = static_cast<uint8_t>(stash_bytes_ + taken);
    bytes = bytes.subspan(taken);
    if (stash_bytes_ < bytes_wanted) return {};
  }
  return {stash_.data(), bytes_wanted};
}

bool PduReader::feed_header(ByteSpan& bytes) {
  if (bytes.empty() && stash_bytes_ == 0) return false;
  if (!layout_known_) {
    const ByteSpan common = gather(bytes, sizeof(CommonHeader));
    if (common.empty()) return false;
    const Framing framing = check_common_header(rules_, load<CommonHeader>(common));
    if (!framing.ok()) {
      stage_ = Stage::stopped;
      framing.close_at_once ? sink_.on_impossible_term() : sink_.on_fatal(framing.fatal, common);
      return false;
    }
    layout_ = framing.layout;
    layout_known_ = true;
  }
  const ByteSpan gathered = gather(bytes, layout_.header_and_digest_bytes());
  if (gathered.empty()) return false;
  const ByteSpan header = gathered.first(layout_.header_bytes);
  if (const Fatal fatal = check_header_digest(layout_, gathered)) {
    stage_ = Stage::stopped;
    sink_.on_fatal(fatal, header);
    return false;
  }
  const PduSink::Placement placement = sink_.on_header(layout_, header);
  const bool from_stash = gathered.data() == stash_.data();
  if (placement.verdict == PduSink::Verdict::stop) return stop();
  if (placement.verdict == PduSink::Verdict::wait) {
    if (!from_stash) {
      std::memcpy(stash_.data(), gathered.data(), gathered.size());
      stash_bytes_ = static_cast<uint8_t>(gathered.size());
      bytes = bytes.subspan(gathered.size());
    }
    waiting_ = true;
    return false;
  }
  if (!from_stash) bytes = bytes.subspan(gathered.size());
  stash_bytes_ = 0;
  layout_known_ = false;
  discarding_ = placement.verdict == PduSink::Verdict::discard;
  place_ = placement.into;
  may_lend_ = placement.may_lend;
  lent_ = nullptr;
  pad_left_ = layout_.pad_bytes;
  data_left_ = layout_.data_bytes;
  crc_ = k_crc32c_seed;
  if (data_left_ == 0) return finish(true);
  stage_ = pad_left_ != 0 ? Stage::pad : Stage::data;
  return true;
}

bool PduReader::feed_pad(ByteSpan& bytes) {
  const size_t skipped = std::min<size_t>(pad_left_, bytes.size());
  bytes = bytes.subspan(skipped);
  pad_left_ = static_cast<uint8_t>(pad_left_ - skipped);
  if (pad_left_ != 0) return false;
  stage_ = Stage::data;
  return true;
}

bool PduReader::feed_data(ByteSpan& bytes) {
  const size_t taken = std::min<size_t>(data_left_, bytes.size());
  const bool is_whole =
      data_left_ == layout_.data_bytes && bytes.size() >= size_t{data_left_} + layout_.data_digest_bytes;
  if (may_lend_ && is_whole) {
    lent_ = bytes.data();
    digest_piece(lent_, taken);
    data_left_ = 0;
  } else if (taken != 0 && !discarding_) {
    std::memcpy(place_, bytes.data(), taken);
    accept_direct(taken);
  } else {
    data_left_ -= static_cast<uint32_t>(taken);
  }
  bytes = bytes.subspan(taken);
  if (data_left_ != 0) return false;
  if (layout_.data_digest_bytes == 0) return finish(true);
  stage_ = Stage::data_digest;
  return true;
}

bool PduReader::feed_data_digest(ByteSpan& bytes) {
  const ByteSpan digest = gather(bytes, k_digest_bytes);
  if (digest.empty()) return false;
  const bool right = discarding_ || load<uint32_t>(digest) == crc32c_finish(crc_);
  if (digest.data() != stash_.data()) bytes = bytes.subspan(k_digest_bytes);
  stash_bytes_ = 0;
  return finish(right);
}

void PduReader::digest_piece(const uint8_t* base, size_t bytes_count) {
  if (layout_.data_digest_bytes != 0) crc_ = crc32c_update(crc_, {base, bytes_count});
}

bool PduReader::stop() {
  stage_ = Stage::stopped;
  return false;
}

bool PduReader::finish(bool data_digest_ok) {
  stage_ = Stage::header;
  ++pdus_count_;
  if (!sink_.on_pdu(layout_, data_digest_ok)) return stop();
  return true;
}

}  // namespace ballast::transport::tcp
