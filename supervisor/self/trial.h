// The answer of `handoff run --check`, by which a program shows that it can succeed a running
// supervisor, and how that answer is judged. Another program may also exit with 0, and would be the
// end of all supervision if it took the process over. self_upgrade.h runs the trial.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace handoff::supervisor {

// As which a supervisor is signed, and what it calls itself.
inline constexpr const char* kProgram = "handoff";

// {"result","program","version","state_formats":{"from","to"},"takes_state","services","problems"}:
// what this program is, which state files (SavedState::kFormat) it reads, whether it takes the
// state itself (kept_fds.h, kState), and what is wrong with single services, which is no reason to
// refuse.
nlohmann::json trial_json(std::size_t services, const std::vector<std::string>& problems = {});

// "" if these words are such an answer, of a program that reads the state files of this one; else
// what is wrong with the program, to be read behind its path.
std::string trial_problem(const std::string& words);

// Whether such an answer is of a program that needs no state file. The first ones did not say so.
bool takes_state(const std::string& words);

}  // namespace handoff::supervisor
