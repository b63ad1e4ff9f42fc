// Where a release comes from: a program, or a bundle that is unpacked into the service's folder of
// releases; verified first, if there is a key. Nothing of it runs, and nothing is left of it, where
// anything is wrong.
#pragma once

#include <uv.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/releases/release.h"
#include "supervisor/releases/release_files.h"
#include "supervisor/unpack/limits.h"

namespace handoff::supervisor {

struct ReleaseSource {
  std::string path;
  std::vector<std::string> args;
  bool args_given = false;      // else those of a bundle's manifest come before them
  std::string releases_dir;     // "" where a bundle won't do
  std::string verify_key;       // "" where nothing is verified
  std::string signed_for = {};  // a service's name; "" for what ran, and was verified then
  UnpackLimits limits;
  std::optional<FileRules> files = std::nullopt;  // nullopt: no more than the program or the bundle
  std::vector<Behind> behind = {};                // of releases that are known
  KnownFile known = {};                           // of a program that is not verified
};

// Takes as long as reading, verifying and unpacking take.
Result<ReleasePtr> obtain_release(const ReleaseSource& source);
// Obtains it on a thread of libuv's pool, and calls done on the loop.
void obtain_release(uv_loop_t* loop, ReleaseSource source,
                    std::function<void(Result<ReleasePtr>)> done);

// Follows what downgrade_problem() says.
inline constexpr const char* kDowngradeAdvice =
    ": an older one takes over only with --allow-downgrade";

// What is to run by a configuration, and could not be opened yet: a path, or a name for $PATH.
ReleasePtr unopened_release(const std::vector<std::string>& command);
// What the configuration says of the files of a release.
FileRules rules_of(const ServiceConfig& config);
// Where such a release is opened from, as it lies there now; no bundle.
Result<ReleaseSource> source_of(const Release& release, const ServiceConfig& config);
// Whether the configuration's key, if there is one, does not forbid it. A key counts also for what
// ran before it was set.
bool may_run_again(const Release& release, const ServiceConfig& config);

// The release has taken over: its folder stays, and of the older ones only the last.
void keep_release(uv_loop_t* loop, const Release& release);

// The folder of a service's releases, unless the configuration names one.
std::string default_releases_dir(const std::string& state, const std::string& service);

}  // namespace handoff::supervisor
