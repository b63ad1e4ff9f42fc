#include "supervisor/processes/identity.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <memory>
#include <utility>

#include "supervisor/loop/thread_work.h"

namespace handoff::supervisor {

bool find_executed(uv_loop_t* loop, const Process& process, const FileRules& rules,
                   std::function<void(Executed)> found) {
  const Release& release = *process.release;
  // A bundle is its folder. With what was not opened nothing can be compared, and a process that
  // has come back does not wait until it is.
  const bool bundle = release.folder || !release.unpacked.empty();
  if (bundle || release.program_digest.empty() || !release.file_mark.known()) return false;
  if (executes_its_own(process.pid, release)) return false;
  const auto executed = std::make_shared<Executed>();
  const auto look = [pid = process.pid, known = copy_of(release), rules, executed] {
    try {
      *executed = executed_by(pid, *known, rules);
    } catch (const std::exception& error) {
      spdlog::debug("what pid {} executes is not known: {}", pid, error.what());
    }
  };
  return on_a_thread(loop, look, [executed, found = std::move(found)] { found(*executed); });
}

// All processes of a release share the object: what one of them turns out to be in addition is true
// of all. One that is another gets an object of its own.
ReleaseSeen identify(const std::string& service, Process& process, const std::string& said,
                     bool returning) {
  Release& release = *process.release;
  const Executed executed = std::exchange(process.executed, {});
  ReleaseSeen seen{.name = said, .was = {}, .executes = {}};
  if (!returning) {
    seen.was = release.name;
    if (release.has_behind()) seen.executes = executed.path;
  }
  if (seen.another()) {
    process.release = release_behind(release, said, executed.file);
    process.another = true;
    return seen;
  }
  release.name = said;
  if (executed.file && !release.has_behind()) {
    add_behind(release, *executed.file);
    spdlog::info("{}: generation {} executes {}, which is a file of release {} from now on",
                 service, process.generation, executed.file->path, said);
  }
  return seen;
}

}  // namespace handoff::supervisor
