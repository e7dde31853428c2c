// Runs that are made again: to see that a seed decides everything, and for people who look at one that
// failed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/simulator.h"

namespace ballast::sim {

// Each of so many seeds twice in this process, the second time in the opposite order: those whose runs
// differ.
std::vector<uint64_t> find_irreproducible(const Options& options, uint64_t from, uint64_t count);

// Of a trace what concerns this block: I/O that touches it, and what happens to nodes, members and the
// record. At most the last `lines_max`.
std::vector<std::string> lines_about(const std::vector<std::string>& trace, uint64_t block, size_t lines_max);

// A file of seeds: one a line with what it was that failed; # begins a comment. Empty: it cannot be read, or
// says something else.
std::vector<uint64_t> read_seeds(const std::string& file);

}  // namespace ballast::sim
