#include "supervisor/run/opening.h"

#include <utility>

#include "supervisor/releases/release_source.h"
#include "supervisor/releases/reopen.h"

namespace handoff::supervisor {
namespace {

// What ran goes on, upgrades included. null: nothing ever ran.
ReleasePtr release_before(const ServiceConfig& config, const Before& before) {
  const SavedRelease& saved = before.saved.release;
  if (saved.digest.empty()) return nullptr;
  // All processes of a release share it. It is opened when the service is here.
  for (const auto& process : before.living) {
    const Release& its = *process->release;
    if (its.path == saved.path && its.args == saved.args && its.digest == saved.digest &&
        may_run_again(its, config)) {
      return process->release;
    }
  }
  return unopened_release(saved);
}

}  // namespace

Opened open_service(const ServiceConfig& config, std::optional<Before> before, bool at_once) {
  Opened out{.before = std::move(before), .release = nullptr, .problem = {}};
  if (out.before) out.release = release_before(config, *out.before);
  if (out.release) return out;
  out.release = unopened_release(config.command);
  if (!at_once) return out;
  const auto source = source_of(*out.release, config);
  auto opened = source ? obtain_release(*source) : Failure(source.error());
  if (opened) {
    out.release = std::move(*opened);
  } else {
    out.problem = Failure(opened.error());
  }
  return out;
}

}  // namespace handoff::supervisor
