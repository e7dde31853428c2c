// The part of a check that holds volumes, layers, snapshots and names against each other. Only for a tree
// that is whole: what is not there would be missed everywhere.
#pragma once

#include "bdev/pool/check_scan.h"

namespace ballast::bdev::pool {

class CheckLinks {
 public:
  // All must outlive this. What can be made right goes to scan.fixes.
  CheckLinks(CheckView& view, CheckScan& scan, CheckReport& report)
      : view_(view), scan_(scan), report_(report) {}

  // io_error: a page that could be read before cannot be any more.
  Task<Errc> run();

 private:
  void check_volumes();
  void check_parents();
  void check_circles();
  void check_pairs(std::vector<IdPair> wanted, const std::vector<IdPair>& found, KeyType type,
                   const char* of_whom);
  void check_names();
  Task<Errc> check_same_names();
  Task<Errc> check_children_counts();
  void check_numbers();
  void check_keys();
  void error(CheckRepair repair, std::string where, std::string what) {
    report_.add(CheckSeverity::error, repair, std::move(where), std::move(what));
  }

  CheckView& view_;
  CheckScan& scan_;
  CheckReport& report_;
};

}  // namespace ballast::bdev::pool
