// A history as text: one operation per line, a JSON object (RFC 8259) with these fields, "path" last and
// optional when read:
//   {"op":"write","block":12,"value":34,"start":100,"end":120,"outcome":"ok","path":"a"}
// "op": read | write. "outcome": ok | failed | unknown. "end" is null where there was no answer, "value" is
// null for a read that is not ok. Numbers are whole, up to 2^64 - 1, so a reader in JavaScript needs BigInt.
// Lines end with a line feed, which may be missing after the last.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "history/operation.h"

namespace ballast::history {

// The operation passes validate(). With the line feed.
void append_json_line(std::string& text, const Operation& operation);

// Strict: every field once, no other, none of the wrong type, no empty line, nothing that does not pass
// validate(). invalid_argument names the line and the column, both from 1; nothing is returned of a text with
// an error in it.
Result<std::vector<Operation>> parse_json_lines(std::string_view text);

}  // namespace ballast::history
