// The results of the benches: one row for each measurement, printed as a table and written as JSON;
// and the series of the chart.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "statistics.h"

namespace bench {

enum class Unit { kMicroseconds, kBytes, kBytesPerSecond, kPerSecond, kCount, kRatio };
std::string format(double value, Unit unit);
std::string sessions_text(std::size_t sessions);  // "19,000 sessions"

// A row's target, for its ratio to the base or for the result itself.
struct Target {
  enum class Of { kRatio, kResult };
  Of of = Of::kRatio;
  bool at_most = true;
  double value = 0;
};
inline Target ratio_at_most(double value) { return {Target::Of::kRatio, true, value}; }
inline Target ratio_at_least(double value) { return {Target::Of::kRatio, false, value}; }
inline Target at_most(double value) { return {Target::Of::kResult, true, value}; }

struct Row {
  std::string bench;
  std::string what;  // the case
  Unit unit = Unit::kMicroseconds;
  std::string base_name = {};  // what the base is: "floor", "without", ...
  std::optional<Quartiles> base = {};
  std::optional<Quartiles> result = {};  // none if the bench was not run; note says why
  std::optional<double> ratio = {};
  std::optional<Target> target = {};
  std::string note = {};

  // "met", "missed", "not run"; "" without a target.
  std::string verdict() const;
};

// A row of runs that were measured in pairs. Its ratio is the median of the pairs' ratios.
Row paired(std::string bench, std::string what, Unit unit, std::string base_name,
           const std::vector<double>& base, const std::vector<double>& result);
Row alone(std::string bench, std::string what, Unit unit, const std::vector<double>& result);
Row not_run(std::string bench, std::string what, std::string why);

class Report {
 public:
  // quick: tiny numbers, for which the targets do not hold.
  explicit Report(bool quick) : quick_(quick) {}

  void add(Row row);
  // A point of a line in the chart: microseconds over a number of sessions.
  void point(const std::string& line, double sessions, double us) {
    series_[line].emplace_back(sessions, us);
  }
  // A table with columns of its own.
  struct Table {
    std::string title;
    std::vector<std::vector<std::string>> lines;  // the first one are the headings
  };
  void table(Table table) { tables_.push_back(std::move(table)); }

  // Replaces the last line on a terminal; nothing elsewhere.
  static void progress(const std::string& text);

  const std::map<std::string, std::vector<std::pair<double, double>>>& series() const {
    return series_;
  }
  std::string text() const;
  nlohmann::json json() const;

 private:
  bool quick_;
  std::vector<Row> rows_;
  std::vector<Table> tables_;
  std::map<std::string, std::vector<std::pair<double, double>>> series_;
};

// Formats the lines as columns; each is as wide as its longest entry.
std::string aligned(const std::vector<std::vector<std::string>>& lines);

}  // namespace bench
