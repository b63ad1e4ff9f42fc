#include "supervisor/releases/vault_reader.h"

#include <fcntl.h>

#include <optional>
#include <utility>

#include "supervisor/releases/own_program.h"

namespace handoff::supervisor {
namespace {

std::optional<OwnProgram>& held_reader() {
  static std::optional<OwnProgram> program;
  return program;
}

}  // namespace

Result<void> hold_vault_reader() {
  if (held_reader()) return {};
  auto opened = open_own_program("handoff-vault", "sessions can't go on from a vault");
  if (!opened) return Failure(opened.error());
  held_reader() = std::move(*opened);
  return {};
}

Result<ReleasePtr> vault_reader() {
  if (auto held = hold_vault_reader(); !held) return Failure(held.error());
  auto out = std::make_shared<Release>();
  out->file = UniqueFd(::fcntl(held_reader()->file.get(), F_DUPFD_CLOEXEC, 0));
  if (!out->file.valid()) return fail_errno(held_reader()->path);
  out->path = out->source = out->file_path = held_reader()->path;
  return out;
}

}  // namespace handoff::supervisor
