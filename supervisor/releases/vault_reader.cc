#include "supervisor/releases/vault_reader.h"

#include <fcntl.h>

#include <optional>
#include <utility>

namespace handoff::supervisor {
namespace {

std::optional<OwnProgram>& held_reader() {
  static std::optional<OwnProgram> program;
  return program;
}

}  // namespace

Result<OwnProgram> open_vault_reader() {
  return open_own_program("handoff-vault", "sessions can't go on from a vault");
}

Result<void> hold_vault_reader() {
  if (held_reader()) return {};
  auto opened = open_vault_reader();
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
