// The options of a run of handoff-bench.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace bench {

struct Options {
  std::vector<std::string> names;  // of benches; none: all
  bool quick = false;              // tiny numbers: only to see that everything runs
  std::size_t runs = 7;
  std::filesystem::path folder =
      "build/bench";  // of the chart, and of the JSON unless json is given
  std::filesystem::path json;

  std::size_t sessions(std::size_t wanted) const {
    return quick ? wanted * 50 / 19000 + 1 : wanted;
  }
};

}  // namespace bench
