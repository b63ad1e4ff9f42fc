// What a signature vouches for beside the bytes: as which service, and in which version, they may
// run. Without that an old release would do for a new one, and one service's for another.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

struct Claim {
  std::string service;
  std::string version;
};

// The words service=NAME and version=VERSION of a trusted comment, among others. An Error of code
// -EKEYREJECTED if one of them is missing, is there twice, or is none.
Result<Claim> parse_claim(std::string_view comment);

// By the precedence of semver.org, with any number of numbers in front: 1.9 < 1.10-rc.1 < 1.10.
// What follows a + does not count. nullopt if one of them is no version.
std::optional<std::weak_ordering> compare_versions(std::string_view a, std::string_view b);

// Why a release of that version may not take over from one of the other without a word of the
// operator, to be read behind its path; "" if it may. verb: "runs" or "ran". The shell adds how the
// operator says that word.
std::string downgrade_problem(const std::string& version, const std::string& before,
                              const char* verb);

}  // namespace handoff::supervisor
