// The result of a cell, and the summary of many.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "traffic.h"

namespace chaos {

struct Result {
  enum class Verdict {
    kPassed,
    kFailed,
    kNotApplicable,  // the victim does not exist at that point
  };
  Verdict verdict = Verdict::kPassed;
  bool reached = false;  // whether a process came to the point
  std::string outcome;   // in words
  int status = -1;       // of `handoff upgrade`
  Tally tally;
  std::int64_t reported = -1;  // sessions.lost of the report; -1: nobody could report
  std::vector<std::string> problems;
  std::string log;  // the supervisor's, if there are problems
};

// cell: its name, SERVICE/VICTIM/POINT/BLOW.
nlohmann::json to_json(const std::string& cell, const Result& result);
Result result_from(const nlohmann::json& line);
// echo  heir  donor.release.sent  kill  ...
std::string line(const std::string& cell, const Result& result);

// The table at the end.
class Summary {
 public:
  void add(const std::string& cell, const Result& result);
  // Names the points that some cell must reach; each one that none reaches is a failure.
  void require_points(std::vector<std::string> points) { required_ = std::move(points); }

  std::string table() const;
  nlohmann::json json() const;
  bool passed() const;

 private:
  std::vector<std::string> never_reached() const;

  std::size_t run_ = 0, not_applicable_ = 0;
  std::vector<std::string> failed_;
  Tally total_;
  std::uint64_t with_loss_ = 0;
  std::uint64_t unreported_ = 0;
  std::vector<std::string> required_;
  std::vector<std::string> reached_;
  nlohmann::json cells_ = nlohmann::json::array();
};

}  // namespace chaos
