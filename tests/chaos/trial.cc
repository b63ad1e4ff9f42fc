#include "trial.h"

#include <optional>

#include "examine.h"
#include "judge.h"
#include "stage.h"
#include "strike.h"

namespace chaos {

Result Trial::run() {
  Stage stage(cell_);
  Result result;
  const auto problems = [&result](const std::vector<std::string>& texts) {
    result.problems.insert(result.problems.end(), texts.begin(), texts.end());
  };
  std::optional<Examination> examination;
  Struck struck;
  try {
    stage.set(options_.sessions);
    stage.upgrade_to_the_point();
    struck = strike(stage);
    result.status = struck.status;
    if (has_reported(struck.status)) result.reported = struck.reported;
    examination.emplace(stage, struck);
    examination->examine();
    problems(judge(cell_, stage.point, stage.expected,
                   {.struck = struck,
                    .owner = examination->owner(),
                    .tally = stage.traffic->tally(),
                    .quiet_before = stage.quiet,
                    .quiet = stage.traffic->alive(Manner::kQuiet),
                    .log = stage.supervision.log()}));
    examination->go_on();
  } catch (const Problem& trouble) {
    problems({trouble.text});
  } catch (const NotApplicable& no) {
    result.verdict = Result::Verdict::kNotApplicable;
    result.outcome = no.why;
  }
  result.reached = stage.reached;
  if (examination) {
    result.outcome = examination->outcome();
    problems(examination->problems());
  }
  if (stage.traffic) result.tally = stage.traffic->tally();
  if (result.tally.lost + result.tally.duplicated + result.tally.wrong > 0) {
    problems({"wrong bytes"});
  }
  if (!result.problems.empty()) {
    result.verdict = Result::Verdict::kFailed;
    problems(result.tally.errors);
  }
  if (!result.problems.empty() || options_.log) result.log = stage.supervision.log();
  return result;
}

}  // namespace chaos
