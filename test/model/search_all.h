// What is searched of takeover_model.h: the rules in several bounds, and each fault in bounds that it needs.
#pragma once

namespace ballast::model {

// Prints a line for each. False: the rules allow what must not be, or a fault is not found, or there are not
// as many states as there should be. The short form is `npm test`'s.
bool search_all(bool is_long);

}  // namespace ballast::model
