// Statistics of runs: medians and quartiles of a few values, percentiles of very many.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace bench {

// The value that a share (0 to 1) of the values does not exceed; interpolated between neighbours. 0
// if there are no values.
inline double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return std::lerp(values[low], values[high], at - std::floor(at));
}

struct Quartiles {
  double low = 0;
  double median = 0;
  double high = 0;
};

inline Quartiles quartiles(const std::vector<double>& values) {
  return {quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)};
}

// Ratios run by run: the two runs of a pair follow each other, so the machine's state is the same.
inline std::vector<double> ratios(const std::vector<double>& of, const std::vector<double>& to) {
  std::vector<double> out;
  for (std::size_t i = 0; i < std::min(of.size(), to.size()); ++i) {
    if (to[i] > 0) out.push_back(of[i] / to[i]);
  }
  return out;
}

}  // namespace bench
