// What records change: keys with values. The metadata on its disk is one (Metadata), what a check has in
// memory another (CheckView): so an opening and a check apply a record by the same code (Applier).
#pragma once

#include "bdev/pool/task.h"
#include "bdev/pool/tree.h"

namespace ballast::bdev::pool {

class KeyValues {
 public:
  // The entry of this key; nothing, or one of another key, if it has none. A value is valid until the next
  // call of anything here.
  virtual Task<Result<std::optional<TreeEntry>>> seek(Key key) = 0;
  // Errc: as Applier::apply(). What failed has changed nothing.
  virtual Task<Errc> put(Key key, ByteSpan value) = 0;
  virtual Task<Errc> remove(Key key) = 0;

 protected:
  ~KeyValues() = default;
};

}  // namespace ballast::bdev::pool
