// The simulator as a program: npm run sim -- [options]. See usage().
#include <getopt.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "history/json_lines.h"
#include "model/search_all.h"
#include "sim/replays.h"
#include "sim/simulator.h"
#include "sim/small_scope.h"

using namespace ballast;

namespace {

constexpr const char* k_usage = R"(usage: npm run sim -- [options]
Runs replicated volumes with what goes wrong decided by a seed, and checks what hosts saw.

  --seeds N        how many (default: 1000)
  --from S         the first (default: 1)
  --faults A,B     of these only (default: all): crash, pause, partition, break, store-outage, slow-disk,
                   write-error, read-error, takeover, late, clock-rate, replace, rot,
                   no-space, members, verify, grow, snapshot, carry; or none
  --operations N   of the hosts, in each (default: 300)
  --until-failure  end with the first seed that fails
  --replay SEED    run this one and print what happens
  --history FILE   keep what the hosts of the last seed saw, a JSON line an operation
  --matrix         print how often each fault met a head in each of its states
  --hashes         print a hash of each run: the same seed gives the same
  --reproduce      run each seed again, in the opposite order: the same must come of it
  --seeds-of FILE  those of a file first
  --exhaustive N[,M[,C[,L]]]
                   instead of seeds: all sequences of up to N I/Os (at most 3) on 2 to M members (3), with
                   every set of nodes failing after every step, of single I/Os C times (2), up to L ways to
                   members slow (1), and everything that may be left on disks; 0: the short form
  --model short|long
                   instead of seeds: all states of the model of takeovers, and with each of its faults
  --help

Exit status: 0; 1 when a seed fails; 2 for wrong options.
)";

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "sim: %s\n%s", why.c_str(), k_usage);
  std::exit(2);
}

uint64_t parse_number(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) {
    refuse("'" + text + "' is no number");
  }
  return std::strtoull(text.c_str(), nullptr, 10);
}

uint32_t parse_faults(std::string text) {
  uint32_t faults = 0;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string name = text.substr(0, comma);
    text = comma == std::string::npos ? "" : text.substr(comma + 1);
    bool is_known = name == "none";
    for (uint32_t i = 0; i < sim::k_faults_count; ++i) {
      if (name != sim::fault_name(i)) continue;
      faults |= 1u << i;
      is_known = true;
    }
    if (!is_known) refuse("no fault is called '" + name + "'");
  }
  return faults;
}

sim::SmallScope parse_scope(std::string text) {
  if (text == "0") return sim::k_small_scope_short;
  sim::SmallScope scope;
  const std::array<std::pair<uint32_t*, uint64_t>, 4> bounds = {{{&scope.operations_max, 3},
                                                                 {&scope.members_max, 4},
                                                                 {&scope.crashes_max, 2},
                                                                 {&scope.slow_lanes_max, 3}}};
  for (const auto& [value, most] : bounds) {
    const size_t comma = text.find(',');
    const uint64_t number = parse_number(text.substr(0, comma));
    if (number > most) refuse(std::to_string(number) + " are too many");
    *value = static_cast<uint32_t>(number);
    if (comma == std::string::npos) return scope;
    text = text.substr(comma + 1);
  }
  refuse("four numbers at most say what --exhaustive tries");
}

struct Settings {
  uint64_t seeds = 1000, from = 1;
  bool until_failure = false, hashes = false, matrix = false, reproduce = false;
  std::vector<uint64_t> first_seeds;
  std::string history_file;
  std::optional<sim::SmallScope> exhaustive;
  std::string model;
  sim::Options run;
};

Settings parse(int count, char** words) {
  static constexpr std::array<option, 15> k_options = {{{"seeds", required_argument, nullptr, 's'},
                                                        {"from", required_argument, nullptr, 'f'},
                                                        {"faults", required_argument, nullptr, 'x'},
                                                        {"operations", required_argument, nullptr, 'o'},
                                                        {"until-failure", no_argument, nullptr, 'u'},
                                                        {"replay", required_argument, nullptr, 'r'},
                                                        {"history", required_argument, nullptr, 'h'},
                                                        {"hashes", no_argument, nullptr, 'a'},
                                                        {"matrix", no_argument, nullptr, 'm'},
                                                        {"exhaustive", required_argument, nullptr, 'e'},
                                                        {"reproduce", no_argument, nullptr, 'p'},
                                                        {"seeds-of", required_argument, nullptr, 'F'},
                                                        {"model", required_argument, nullptr, 'l'},
                                                        {"help", no_argument, nullptr, 'i'},
                                                        {nullptr, 0, nullptr, 0}}};
  Settings settings;
  opterr = 0;
  for (int code = 0; (code = getopt_long(count, words, "", k_options.data(), nullptr)) != -1;) {
    switch (code) {
      case 's': settings.seeds = parse_number(optarg); break;
      case 'f': settings.from = parse_number(optarg); break;
      case 'x': settings.run.faults = parse_faults(optarg); break;
      case 'o': settings.run.operations = parse_number(optarg); break;
      case 'u': settings.until_failure = true; break;
      case 'r':
        settings.from = parse_number(optarg);
        settings.seeds = 1;
        settings.run.trace = true;
        break;
      case 'h': settings.history_file = optarg; break;
      case 'a': settings.hashes = true; break;
      case 'm': settings.matrix = true; break;
      case 'e': settings.exhaustive = parse_scope(optarg); break;
      case 'p': settings.reproduce = true; break;
      case 'F':
        settings.first_seeds = sim::read_seeds(optarg);
        if (settings.first_seeds.empty()) refuse(std::string(optarg) + " is no file of seeds");
        break;
      case 'l':
        settings.model = optarg;
        if (settings.model != "short" && settings.model != "long") refuse("the model is short or long");
        break;
      case 'i': std::printf("%s", k_usage); std::exit(0);
      default: refuse("what is " + std::string(words[optind - 1]) + "?");
    }
  }
  if (optind < count) refuse("what is " + std::string(words[optind]) + "?");
  return settings;
}

void keep_history(const std::string& file, const sim::Report& report) {
  std::string text;
  for (const history::Operation& operation : report.history) history::append_json_line(text, operation);
  std::ofstream out(file);
  out << text;
  if (!out.flush()) refuse("cannot write " + file);
}

// `over` has nothing to be met in. The last columns: of heads that carry a snapshot.
void print(const sim::Matrix& matrix, const sim::CarryMatrix& carries) {
  constexpr uint32_t k_states = bdev::mirror::k_activities_count - 1;
  std::printf("%-12s", "");
  for (uint32_t state = 0; state < k_states; ++state) {
    std::printf(" %11s", bdev::mirror::activity_text(static_cast<bdev::mirror::Activity>(state)));
  }
  for (uint32_t stage = 0; stage < sim::k_carry_stages_count; ++stage) {
    std::printf(" %11s", sim::carry_stage_text(static_cast<sim::CarryStage>(stage)));
  }
  uint32_t met = 0;
  for (uint32_t fault = 0; fault < sim::k_faults_count; ++fault) {
    std::printf("\n%-12s", sim::fault_name(fault));
    for (uint32_t state = 0; state < k_states; ++state) {
      std::printf(" %11lu", matrix[fault][state]);
      met += matrix[fault][state] > 0 ? 1 : 0;
    }
    for (const uint64_t of_stage : carries[fault]) {
      std::printf(" %11lu", of_stage);
      met += of_stage > 0 ? 1 : 0;
    }
  }
  std::printf("\n%u of %u pairs were met\n", met,
              sim::k_faults_count * (k_states + sim::k_carry_stages_count));
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int run_exhaustive(const sim::SmallScope& scope) {
  const auto begin = std::chrono::steady_clock::now();
  const sim::SmallScopeReport report = sim::run_small_scope(scope);
  for (const std::string& line : report.trace) std::printf("%s\n", line.c_str());
  if (!report.failure.empty()) std::printf("exhaustive: %s\n", report.failure.c_str());
  if (!report.is_complete) std::printf("not all of what may be left on disks was tried\n");
  std::printf("%lu sequences, %lu crashes, %lu runs, %lu steps in %.1f s\n", report.sequences,
              report.crash_points, report.runs, report.events, seconds_since(begin));
  const bool ok = report.failure.empty() && report.is_complete;
  std::printf("%d passed, %d failed\n", ok ? 1 : 0, ok ? 0 : 1);
  return ok ? 0 : 1;
}

int run_again(const Settings& settings) {
  const auto differ = sim::find_irreproducible(settings.run, settings.from, settings.seeds);
  for (const uint64_t seed : differ) std::printf("seed %lu does not come out the same\n", seed);
  std::printf("%lu of %lu seeds reproduce\n", settings.seeds - differ.size(), settings.seeds);
  std::printf("%lu passed, %lu failed\n", settings.seeds - differ.size(), differ.size());
  return differ.empty() ? 0 : 1;
}

void print_witness(sim::Options options, uint64_t block) {
  constexpr size_t k_lines_max = 60;
  options.trace = true;
  std::printf("what concerns block %lu, at the end:\n", block);
  for (const std::string& line : sim::lines_about(sim::run(options).trace, block, k_lines_max)) {
    std::printf("  %s\n", line.c_str());
  }
}

}  // namespace

int main(int count, char** words) {
  Settings settings = parse(count, words);
  if (!settings.model.empty()) return model::search_all(settings.model == "long") ? 0 : 1;
  if (settings.reproduce) return run_again(settings);
  if (settings.exhaustive) return run_exhaustive(*settings.exhaustive);
  const auto begin = std::chrono::steady_clock::now();
  sim::Matrix matrix{};
  sim::CarryMatrix carry_matrix{};
  uint64_t runs = 0, failed = 0, ios = 0, operations = 0, acknowledged = 0, takeovers = 0, verifies = 0,
           growths = 0, snapshots = 0, snapshots_failed = 0, carries = 0, carries_failed = 0;
  const uint64_t first_count = settings.first_seeds.size();
  for (uint64_t i = 0; i < first_count + settings.seeds; ++i) {
    const uint64_t seed = i < first_count ? settings.first_seeds[i] : settings.from + i - first_count;
    settings.run.seed = seed;
    const sim::Report report = sim::run(settings.run);
    ++runs;
    ios += report.ios;
    operations += report.history.size();
    acknowledged += report.acknowledged;
    for (size_t fault = 0; fault < matrix.size(); ++fault) {
      for (size_t state = 0; state < matrix[fault].size(); ++state) {
        matrix[fault][state] += report.matrix[fault][state];
      }
      for (size_t stage = 0; stage < carry_matrix[fault].size(); ++stage) {
        carry_matrix[fault][stage] += report.carry_matrix[fault][stage];
      }
    }
    takeovers += report.takeovers;
    verifies += report.verifies;
    growths += report.growths;
    snapshots += report.snapshots;
    snapshots_failed += report.snapshots_failed;
    carries += report.carries;
    carries_failed += report.carries_failed;
    for (const std::string& line : report.trace) std::printf("%s\n", line.c_str());
    if (settings.hashes) std::printf("%lu %016lx\n", seed, report.hash);
    if (!settings.history_file.empty()) keep_history(settings.history_file, report);
    if (report.ok) continue;
    ++failed;
    std::printf("seed %lu, %u nodes: %s\n", seed, report.nodes, report.failure.c_str());
    if (report.violated_block) print_witness(settings.run, *report.violated_block);
    if (settings.until_failure) break;
  }
  if (settings.matrix) print(matrix, carry_matrix);
  const double seconds = seconds_since(begin);
  std::printf(
      "%lu seeds in %.1f s: %lu operations, %lu acknowledged writes, %lu takeovers, %lu comparisons "
      "of members, %lu growths, %lu snapshots (%lu given up), %lu carried (%lu given up), %lu I/Os of "
      "members "
      "(%.0f a second)\n",
      runs, seconds, operations, acknowledged, takeovers, verifies, growths, snapshots, snapshots_failed,
      carries, carries_failed, ios, static_cast<double>(ios) / seconds);
  std::printf("%lu passed, %lu failed\n", runs - failed, failed);
  return failed == 0 ? 0 : 1;
}
