#include "report.h"

#include <unistd.h>

#include <array>
#include <cstdio>

namespace bench {
namespace {

using nlohmann::json;

std::string number(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

// Three significant digits, with the largest unit that leaves a number of at least 1.
std::string scaled(double value, const std::vector<std::pair<double, const char*>>& units) {
  auto unit = units.front();
  for (const auto& candidate : units) {
    if (std::abs(value) >= candidate.first) unit = candidate;
  }
  const double shown = value / unit.first;
  const bool whole = std::abs(shown) >= 100 || shown == std::floor(shown);
  const int digits = whole ? 0 : std::abs(shown) >= 10 ? 1 : 2;
  return number(shown, digits) + unit.second;
}

bool holds(const Target& target, double value) {
  return target.at_most ? value <= target.value : value >= target.value;
}

std::string describe(const Target& target, Unit unit) {
  const std::string sign = target.at_most ? "<= " : ">= ";
  if (target.of == Target::Of::kRatio) return "ratio " + sign + number(target.value, 2);
  return sign + format(target.value, unit);
}

json quartiles_json(const std::optional<Quartiles>& q) {
  if (!q) return nullptr;
  return {{"median", q->median}, {"q1", q->low}, {"q3", q->high}};
}

const char* unit_name(Unit unit) {
  switch (unit) {
    case Unit::kMicroseconds:
      return "us";
    case Unit::kBytes:
      return "B";
    case Unit::kBytesPerSecond:
      return "B/s";
    case Unit::kPerSecond:
      return "1/s";
    case Unit::kCount:
      return "1";
    case Unit::kRatio:
      return "ratio";
  }
  return "";
}

// Columns, not bytes: every table here is ASCII.
constexpr std::size_t kGap = 2;

}  // namespace

std::string format(double value, Unit unit) {
  switch (unit) {
    case Unit::kMicroseconds:
      return scaled(value, {{1, " us"}, {1e3, " ms"}, {1e6, " s"}});
    case Unit::kBytes:
      return scaled(value, {{1, " B"}, {1024, " KiB"}, {1048576, " MiB"}, {1073741824, " GiB"}});
    case Unit::kBytesPerSecond:
      return scaled(value, {{1, " B/s"}, {1e6, " MB/s"}, {1e9, " GB/s"}});
    case Unit::kPerSecond:
      return scaled(value, {{1, "/s"}, {1e3, "k/s"}, {1e6, "M/s"}});
    case Unit::kCount:
      return number(value, value == std::floor(value) ? 0 : 1);
    case Unit::kRatio:
      return number(value, 3);
  }
  return {};
}

std::string sessions_text(std::size_t sessions) {
  std::string out = std::to_string(sessions);
  for (std::size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, ",");
  return out + " sessions";
}

std::string Row::verdict() const {
  if (!result) return "not run";
  if (!target) return "";
  if (target->of == Target::Of::kResult) return holds(*target, result->median) ? "met" : "missed";
  if (!ratio) return "not run";
  return holds(*target, *ratio) ? "met" : "missed";
}

Row paired(std::string bench, std::string what, Unit unit, std::string base_name,
           const std::vector<double>& base, const std::vector<double>& result) {
  Row row = alone(std::move(bench), std::move(what), unit, result);
  row.base_name = std::move(base_name);
  row.base = quartiles(base);
  const std::vector<double> pairs = ratios(result, base);
  if (!pairs.empty()) row.ratio = quantile(pairs, 0.5);
  return row;
}

Row alone(std::string bench, std::string what, Unit unit, const std::vector<double>& result) {
  return {.bench = std::move(bench),
          .what = std::move(what),
          .unit = unit,
          .result = quartiles(result)};
}

Row not_run(std::string bench, std::string what, std::string why) {
  return {.bench = std::move(bench), .what = std::move(what), .note = std::move(why)};
}

void Report::add(Row row) {
  if (quick_) row.target.reset();
  rows_.push_back(std::move(row));
}

void Report::progress(const std::string& text) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal) return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

std::string aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    if (line.size() > widths.size()) widths.resize(line.size());
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      text.append(widths[i] - line[i].size() + kGap, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string Report::text() const {
  std::string out;
  if (!rows_.empty()) {
    std::vector<std::vector<std::string>> lines = {
        {"BENCH", "CASE", "BASE", "RESULT", "SPREAD", "RATIO", "TARGET", "VERDICT"}};
    for (const Row& row : rows_) {
      const auto value = [&row](double v) { return format(v, row.unit); };
      std::string base = "-";
      if (row.base) base = row.base_name + " " + value(row.base->median);
      std::string spread = "-";
      if (row.result) spread = value(row.result->low) + " - " + value(row.result->high);
      std::string verdict = row.verdict();
      if (!row.note.empty()) verdict += (verdict.empty() ? "" : ": ") + row.note;
      lines.push_back({row.bench, row.what, base, row.result ? value(row.result->median) : "-",
                       spread, row.ratio ? number(*row.ratio, 2) : "-",
                       row.target ? describe(*row.target, row.unit) : "-", verdict});
    }
    out += aligned(lines);
  }
  for (const Table& table : tables_) {
    if (!out.empty()) out += "\n";
    out += table.title + "\n" + aligned(table.lines);
  }
  return out;
}

json Report::json() const {
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& row : rows_) {
    nlohmann::json out{{"bench", row.bench},
                       {"case", row.what},
                       {"unit", unit_name(row.unit)},
                       {"base_name", row.base_name},
                       {"base", quartiles_json(row.base)},
                       {"result", quartiles_json(row.result)},
                       {"ratio", nullptr},
                       {"target", nullptr},
                       {"verdict", row.verdict()},
                       {"note", row.note}};
    if (row.ratio) out["ratio"] = *row.ratio;
    if (row.target) out["target"] = describe(*row.target, row.unit);
    rows.push_back(std::move(out));
  }
  nlohmann::json tables = nlohmann::json::array();
  for (const Table& table : tables_) {
    tables.push_back({{"title", table.title}, {"lines", table.lines}});
  }
  return {{"rows", std::move(rows)}, {"tables", std::move(tables)}, {"series", series_}};
}

}  // namespace bench
