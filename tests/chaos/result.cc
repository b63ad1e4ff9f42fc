#include "result.h"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace chaos {

using nlohmann::json;

namespace {

const char* word(Result::Verdict verdict) {
  switch (verdict) {
    case Result::Verdict::kPassed:
      return "passed";
    case Result::Verdict::kFailed:
      return "FAILED";
    case Result::Verdict::kNotApplicable:
      return "not applicable";
  }
  return "?";
}

std::string with_commas(std::uint64_t n) {
  std::string out = std::to_string(n);
  for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
  return out;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::vector<std::string> parts(const std::string& cell) {
  std::vector<std::string> out;
  std::istringstream words(cell);
  for (std::string word; std::getline(words, word, '/');) out.push_back(word);
  return out;
}

}  // namespace

json to_json(const std::string& cell, const Result& result) {
  return {{"cell", cell},
          {"verdict", word(result.verdict)},
          {"reached", result.reached},
          {"outcome", result.outcome},
          {"status", result.status},
          {"sessions", result.tally.sessions},
          {"bytes", result.tally.bytes},
          {"lost", result.tally.lost},
          {"duplicated", result.tally.duplicated},
          {"wrong", result.tally.wrong},
          {"unanswered", result.tally.unanswered},
          {"reset", result.tally.reset},
          {"visitors_reset", result.tally.visitors_reset},
          {"longest_gap_ms", result.tally.longest_gap.count()},
          {"reported_lost", result.reported},
          {"problems", result.problems},
          {"log", result.log}};
}

Result result_from(const json& line) {
  Result result;
  const std::string verdict = line.at("verdict");
  for (const auto one :
       {Result::Verdict::kPassed, Result::Verdict::kFailed, Result::Verdict::kNotApplicable}) {
    if (verdict == word(one)) result.verdict = one;
  }
  result.reached = line.at("reached");
  result.outcome = line.at("outcome");
  result.status = line.at("status");
  result.tally.sessions = line.at("sessions");
  result.tally.bytes = line.at("bytes");
  result.tally.lost = line.at("lost");
  result.tally.duplicated = line.at("duplicated");
  result.tally.wrong = line.at("wrong");
  result.tally.unanswered = line.at("unanswered");
  result.tally.reset = line.at("reset");
  result.tally.visitors_reset = line.at("visitors_reset");
  result.tally.longest_gap = std::chrono::milliseconds(line.at("longest_gap_ms").get<long>());
  result.reported = line.at("reported_lost");
  result.problems = line.at("problems").get<std::vector<std::string>>();
  result.log = line.at("log");
  return result;
}

std::string line(const std::string& cell, const Result& result) {
  static constexpr std::size_t kWidths[] = {9, 17, 31, 5};
  const std::vector<std::string> words = parts(cell);
  std::string out;
  for (std::size_t i = 0; i < std::size(kWidths); ++i) out += padded(words.at(i), kWidths[i]);
  if (result.verdict == Result::Verdict::kNotApplicable) return out + " -  " + result.outcome;
  const Tally& t = result.tally;
  const std::uint64_t wrong = t.lost + t.duplicated + t.wrong + t.unanswered;
  out += result.verdict == Result::Verdict::kPassed ? " ok " : " FAILED ";
  out += " " + padded(result.outcome, 30) + " wrong " + std::to_string(wrong) + "  reset " +
         padded(std::to_string(t.reset), 3) + " gap " +
         padded(std::to_string(t.longest_gap.count()) + " ms", 8) + " " + with_commas(t.bytes) +
         " bytes";
  for (const std::string& problem : result.problems) out += "\n    " + problem;
  if (result.verdict == Result::Verdict::kFailed) {
    out += "\n    again: scripts/chaos --cell " + cell;
  }
  return out;
}

void Summary::add(const std::string& cell, const Result& result) {
  cells_.push_back(to_json(cell, result));
  cells_.back().erase("log");
  if (result.reached) reached_.push_back(parts(cell).at(2));
  if (result.verdict == Result::Verdict::kFailed) failed_.push_back(cell);
  if (result.verdict == Result::Verdict::kNotApplicable) {
    ++not_applicable_;
    return;
  }
  ++run_;
  const Tally& t = result.tally;
  total_.sessions += t.sessions;
  total_.bytes += t.bytes;
  total_.lost += t.lost + t.unanswered;
  total_.duplicated += t.duplicated;
  total_.wrong += t.wrong;
  total_.reset += t.reset + t.visitors_reset;
  total_.longest_gap = std::max(total_.longest_gap, t.longest_gap);
  if (t.reset + t.visitors_reset > 0) {
    ++with_loss_;
    if (result.reported < 0) ++unreported_;
  }
}

std::vector<std::string> Summary::never_reached() const {
  std::vector<std::string> out;
  for (const std::string& point : required_) {
    if (std::ranges::find(reached_, point) == reached_.end()) out.push_back(point);
  }
  return out;
}

bool Summary::passed() const { return failed_.empty() && never_reached().empty() && run_ > 0; }

std::string Summary::table() const {
  const auto row = [](const char* what, const std::string& value) {
    return padded(what, 22) + value + "\n";
  };
  std::string out;
  out +=
      row("cells run", with_commas(run_) + ", of which failed " + std::to_string(failed_.size()));
  out += row("cells not applicable", with_commas(not_applicable_));
  out += row("sessions", with_commas(total_.sessions));
  out += row("bytes checked", with_commas(total_.bytes));
  out += row("lost", with_commas(total_.lost));
  out += row("duplicated", with_commas(total_.duplicated));
  out += row("wrong", with_commas(total_.wrong));
  out += row("reset", with_commas(total_.reset) + " in " + with_commas(with_loss_) +
                          " cells where the fault table says so; in " +
                          std::to_string(unreported_) + " of them nobody was left to report");
  out += row("longest gap", std::to_string(total_.longest_gap.count()) + " ms");
  for (const std::string& point : never_reached()) out += "never reached: " + point + "\n";
  for (const std::string& cell : failed_) out += "failed: scripts/chaos --cell " + cell + "\n";
  return out;
}

json Summary::json() const {
  return {{"cells", cells_},
          {"run", run_},
          {"failed", failed_},
          {"not_applicable", not_applicable_},
          {"sessions", total_.sessions},
          {"bytes", total_.bytes},
          {"lost", total_.lost},
          {"duplicated", total_.duplicated},
          {"wrong", total_.wrong},
          {"reset", total_.reset},
          {"longest_gap_ms", total_.longest_gap.count()},
          {"never_reached", never_reached()}};
}

}  // namespace chaos
