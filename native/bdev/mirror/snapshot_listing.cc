#include "bdev/mirror/snapshot_listing.h"

#include <memory>
#include <string>
#include <utility>

namespace ballast::bdev::mirror {
namespace {

struct Listing {
  Uuid member;
  SnapshotCarrier::Ask ask;
  SnapshotsListed listed;
  std::vector<SnapshotEntry> known;
  alignas(4096) ReplicaBlock block{};
};

void ask_next(std::shared_ptr<Listing> listing);

void on_answer(const std::shared_ptr<Listing>& listing, const ReplicaAnswer& answer) {
  const auto fail = [&](Errc errc, const std::string& why) {
    listing->listed(Error{errc, "member " + listing->member.text() + why});
  };
  if (answer.refusal != Refusal::none) {
    return fail(Errc::io_error, std::string(": ") + refusal_text(answer.refusal));
  }
  if (answer.status == Status::unsupported)
    return listing->listed(std::optional<std::vector<SnapshotEntry>>());
  if (answer.status == Status::aborted) return fail(Errc::io_error, " was lost");
  if (answer.status != Status::ok) {
    return fail(Errc::io_error,
                std::string(" cannot say what snapshots it has: ") + status_text(answer.status));
  }
  bool has_more = false;
  const auto found = parse_snapshot_list(listing->block, has_more);
  if (!found) return fail(Errc::io_error, ": its list of snapshots is malformed");
  listing->known.insert(listing->known.end(), found->begin(), found->end());
  if (listing->known.size() > k_snapshots_of_member_max) {
    return fail(Errc::too_many, " has more snapshots than can be listed");
  }
  if (has_more) return ask_next(listing);
  listing->listed(std::optional(std::move(listing->known)));
}

void ask_next(std::shared_ptr<Listing> listing) {
  const Uuid after = listing->known.empty() ? Uuid{} : listing->known.back().uuid;
  const ReplicaRequest request{
      uuid_words(ReplicaOpcode::list_snapshots, after), {}, MutableByteSpan(listing->block)};
  listing->ask(request, [listing](const ReplicaAnswer& answer) { on_answer(listing, answer); });
}

}  // namespace

void list_snapshots(const Uuid& member, SnapshotCarrier::Ask ask, SnapshotsListed listed) {
  const auto listing = std::make_shared<Listing>();
  listing->member = member;
  listing->ask = std::move(ask);
  listing->listed = std::move(listed);
  ask_next(listing);
}

}  // namespace ballast::bdev::mirror
