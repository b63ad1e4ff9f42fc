#include "supervisor/releases/own_program.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "supervisor/host/own_path.h"

namespace handoff::supervisor {

Result<OwnProgram> open_own_program(const std::string& name, const std::string& without) {
  const std::string own = own_path();
  const std::string folder = own.substr(0, own.rfind('/') + 1);
  const std::string places[] = {folder + name, folder + HANDOFF_LIBEXEC + "/" + name};
  for (const std::string& place : places) {
    UniqueFd program(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
    if (program.valid()) return OwnProgram{std::move(program), place};
    if (errno != ENOENT) return fail_errno(place);
  }
  return fail(-ENOENT, without + ": there is no " + places[0] + " and no " + places[1] +
                           ", which belong to this supervisor: install them");
}

}  // namespace handoff::supervisor
