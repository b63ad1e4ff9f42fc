// Where `handoff run` has its configuration from: its options, or a file.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/cli/options.h"
#include "supervisor/config/config.h"

namespace handoff::supervisor {

// The file: that one, or the one that is read if nothing else is given.
Result<std::string> config_path(const std::string& given);

// What the options say, or the file with the deadlines among the options over it.
Result<Config> config_from(const RunOptions& options);
// The same, from text that was read already.
Result<Config> config_from(const RunOptions& options, const std::string& text,
                           const std::string& path);
// If the file is not understood: what it said when it was in force last, with the reason why it is
// not any more. An error is that of the file: it never was in force.
struct InForce {
  Config config;
  std::string problem;  // "" if it is the file as it is
};
Result<InForce> config_in_force(const RunOptions& options, const std::string& state);

// Whether the options say it all, and there is no file.
bool without_file(const RunOptions& options);

}  // namespace handoff::supervisor
