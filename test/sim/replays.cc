#include "sim/replays.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace ballast::sim {
namespace {

// Where `words` begin in `line`, as two numbers behind them: "of 7 + 2", "of block 7".
bool is_about(const std::string& line, uint64_t block) {
  const size_t one = line.find(" of block ");
  if (one != std::string::npos) return std::strtoull(line.c_str() + one + 10, nullptr, 10) == block;
  const size_t range = line.find(" of ");
  if (range != std::string::npos && line.find(" submits to ") != std::string::npos) {
    unsigned long long lba = 0, count = 0;
    if (std::sscanf(line.c_str() + range, " of %llu + %llu", &lba, &count) != 2) return true;
    return lba <= block && block < lba + count;
  }
  return line.find(" completes ") == std::string::npos;
}

}  // namespace

std::vector<uint64_t> find_irreproducible(const Options& options, uint64_t from, uint64_t count) {
  std::vector<std::pair<uint64_t, uint64_t>> seen;  // hash and events
  const auto look = [&](uint64_t seed) {
    Options one = options;
    one.seed = seed;
    const Report report = run(one);
    return std::pair(report.hash, report.events);
  };
  for (uint64_t seed = from; seed < from + count; ++seed) seen.push_back(look(seed));
  std::vector<uint64_t> differ;
  for (uint64_t at = count; at-- > 0;) {
    if (look(from + at) != seen[at]) differ.push_back(from + at);
  }
  return differ;
}

std::vector<std::string> lines_about(const std::vector<std::string>& trace, uint64_t block,
                                     size_t lines_max) {
  std::vector<std::string> lines;
  for (const std::string& line : trace) {
    if (is_about(line, block)) lines.push_back(line);
  }
  if (lines.size() > lines_max) lines.erase(lines.begin(), lines.end() - static_cast<int64_t>(lines_max));
  return lines;
}

std::vector<uint64_t> read_seeds(const std::string& file) {
  std::ifstream in(file);
  std::vector<uint64_t> seeds;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    char* end = nullptr;
    seeds.push_back(std::strtoull(line.c_str(), &end, 10));
    if (end == line.c_str() || *end != ' ') return {};
  }
  return seeds;
}

}  // namespace ballast::sim
