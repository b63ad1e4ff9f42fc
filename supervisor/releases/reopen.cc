#include "supervisor/releases/reopen.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <exception>
#include <filesystem>
#include <memory>
#include <utility>

#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/digest.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/release_files.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/signing/signed_file.h"

namespace handoff::supervisor {
namespace {

KnownFile known_file(const SavedRelease& saved) { return {saved.mark, saved.program_digest}; }

Result<void> find_files(Release& release, const SavedRelease& saved, const std::string& root) {
  release.files.clear();
  release.kept_root = root;
  for (const SavedFile& one : saved.files) {
    const std::string path = release.place_of({one.path, {}, {}, false, one.real});
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat info {};
    if (!file.valid() || ::fstat(file.get(), &info) < 0) return fail_errno(path);
    const FileMark mark = FileMark::of(info);
    const auto hash = digest_unless_known(file.get(), mark, path, {one.mark, one.digest});
    if (!hash) return Failure(hash.error());
    if (*hash != one.digest) {
      return fail(-ESTALE, path + " is not the file any more that was opened");
    }
    release.files.push_back({one.path, one.digest, mark, one.behind, one.real});
  }
  return {};
}

// root: where the copies are of what lies outside the bundle's folder; "" for those files
// themselves.
Result<ReleasePtr> reopen_unpacked(const SavedRelease& saved, const std::string& verify_key,
                                   const std::string& root) {
  if (!verify_key.empty() && saved.verified.empty()) {
    return fail(-EKEYREJECTED, saved.path + " was never verified");
  }
  auto folder = ReleaseFolder::hold(saved.folder);
  if (!folder) return Failure(folder.error());
  if ((*folder)->tree() != saved.tree) {
    return fail(-ESTALE, saved.folder + " is not any more what was unpacked");
  }
  const bool inside = saved.path.starts_with(saved.folder + "/");
  const std::string place = inside ? saved.path : place_below(root, saved.path);
  auto program = inside ? (*folder)->open_file(saved.path.substr(saved.folder.size() + 1))
                        : open_executable(place);
  if (!program) return Failure(program.error());
  auto release = release_of(std::move(*program), saved.path, saved.args, known_file(saved));
  if (!release) return release;
  (*release)->digest = saved.digest;
  (*release)->source = saved.source;
  (*release)->source_mark = {};  // nobody knows: its digest tells
  (*release)->name = saved.name;
  (*release)->claims = saved.claims;
  (*release)->manifest = saved.manifest;
  (*release)->verified = saved.verified;
  (*release)->signed_version = saved.signed_version;
  (*release)->file_path = place;
  (*release)->folder = std::move(*folder);
  if (auto found = find_files(**release, saved, root); !found) return Failure(found.error());
  return release;
}

Result<ReleasePtr> reopen_bundle(const Reopen& reopen) {
  const SavedRelease& saved = reopen.saved;
  auto release = reopen_unpacked(saved, reopen.verify_key, "");
  if (release || saved.files.empty()) return release;
  const auto root = KeptReleases(reopen.kept).root_of(*unopened_release(saved));
  return root ? reopen_unpacked(saved, reopen.verify_key, *root) : release;
}

// The program's file, if that is what was opened.
Result<ReleasePtr> if_same(Result<ReleasePtr> release, const SavedRelease& saved) {
  if (!release) return release;
  if ((*release)->program_digest != saved.program_digest) {
    return fail(-ESTALE, saved.path + " is not the file any more that was opened");
  }
  (*release)->path = (*release)->file_path = saved.path;
  (*release)->real = saved.real;
  (*release)->source = saved.source;
  (*release)->name = saved.name;
  (*release)->claims = saved.claims;
  (*release)->manifest = saved.manifest;
  (*release)->digest = saved.digest;
  // What ran before there was a key has none, and may have been verified just now.
  if (!saved.verified.empty()) (*release)->signed_version = saved.signed_version;
  return release;
}

// Signatures did not always have to name a service. What was verified by one of those comes back;
// what ran unsigned has never shown whose it is.
std::string anew_for(const Reopen& from) {
  return from.saved.verified.empty() ? from.signed_for : "";
}

// What is open is no longer at its path, and still lies where that led to.
void follow(Release& release) {
  if (release.real.empty() || release.lies_at(release.path)) return;
  if (!release.lies_at(release.real)) return;
  release.file_path = release.real;
  release.moved = true;
}

Result<ReleasePtr> of_process(const Reopen& from) {
  // The very file, also when it was replaced or removed; of a script it is the interpreter's.
  const std::string exe = "/proc/" + std::to_string(from.pid) + "/exe";
  auto release = if_same(open_release(exe, from.saved.args, known_file(from.saved)), from.saved);
  if (!release) return release;
  (*release)->verified = from.saved.verified;
  follow(**release);
  std::error_code error;
  const std::string runs = std::filesystem::read_symlink(exe, error);
  if (runs.starts_with(from.kept + "/")) (*release)->file_path = runs;
  return release;
}

Result<ReleasePtr> of_open_file(const Reopen& from) {
  UniqueFd again(::fcntl(from.open->file.get(), F_DUPFD_CLOEXEC, 0));
  if (!again.valid()) return fail_errno(from.saved.path);
  auto release = if_same(
      release_of(std::move(again), from.saved.path, from.saved.args, known_file(from.saved)),
      from.saved);
  if (!release) return release;
  (*release)->verified = from.saved.verified;
  (*release)->file_path = from.open->file_path;
  (*release)->source_mark = from.open->source_mark;
  return release;
}

// A copy was verified when its file was first opened, and lies where nobody else can write. With a
// key it is copied to where nobody at all can write any more, as then.
Result<ReleasePtr> of_kept_file(const Reopen& from, const std::string& root) {
  const SavedRelease& saved = from.saved;
  if (!from.verify_key.empty() && saved.verified.empty()) {
    return fail(-EKEYREJECTED, saved.path + " was never verified");
  }
  const std::string copy = place_below(root, saved.path);
  auto file = open_executable(copy);
  if (!file) return Failure(file.error());
  if (!from.verify_key.empty()) {
    file = sealed_copy(file->get(), saved.path);
    if (!file) return Failure(file.error());
  }
  auto release =
      if_same(release_of(std::move(*file), saved.path, saved.args, known_file(saved)), saved);
  if (!release) return release;
  (*release)->source_mark = {};  // nobody knows: its digest tells
  (*release)->verified = saved.verified;
  (*release)->file_path = copy;
  return release;
}

Result<ReleasePtr> program_of(const Reopen& from) {
  // A key that came while nobody looked counts for what runs, too.
  if (from.pid > 0 && (from.verify_key.empty() || !from.saved.verified.empty())) {
    if (auto running = of_process(from)) return running;
  }
  // A script is executed by its path.
  const ReleasePtr& known = from.open;
  const bool by_fd =
      known && (!known->script || !known->verified.empty() || known->lies_at(known->file_path));
  if (by_fd && known->file.valid()) {
    if (auto open = of_open_file(from)) return open;
  }
  return if_same(obtain_release({.path = from.saved.path,
                                 .args = from.saved.args,
                                 .args_given = true,
                                 .releases_dir = "",
                                 .verify_key = from.verify_key,
                                 .signed_for = anew_for(from),
                                 .limits = {},
                                 .known = known_file(from.saved)}),
                 from.saved);
}

// A deployment is often a link, `current`, which another one has moved. The files still lie where
// it led to, with all that lies beside them.
Result<ReleasePtr> where_it_led(const Reopen& from) {
  const SavedRelease& saved = from.saved;
  const bool known =
      !saved.real.empty() ||
      std::ranges::any_of(saved.files, [](const SavedFile& one) { return !one.real.empty(); });
  if (!known) return fail(-ENOENT, "its paths were the files themselves");
  const std::string path = saved.real.empty() ? saved.path : saved.real;
  auto release = if_same(obtain_release({.path = path,
                                         .args = saved.args,
                                         .args_given = true,
                                         .releases_dir = "",
                                         .verify_key = from.verify_key,
                                         .signed_for = anew_for(from),
                                         .limits = {},
                                         .known = known_file(saved)}),
                         saved);
  if (!release) return release;
  (*release)->file_path = path;
  (*release)->moved = true;
  if (auto found = find_files(**release, saved, ""); !found) return Failure(found.error());
  return release;
}

}  // namespace

SavedRelease saved_release(const Release& release) {
  SavedRelease out{.path = release.path,
                   .args = release.args,
                   .digest = release.digest,
                   .name = release.name,
                   .source = release.source,
                   .verified = release.verified,
                   .signed_version = release.signed_version,
                   .program_digest = release.program_digest,
                   .files = {},
                   .real = release.real,
                   .mark = release.file_mark,
                   .claims = release.claims,
                   .manifest = release.manifest};
  out.folder = release.folder ? release.folder->path() : release.unpacked;
  out.tree = release.folder ? release.folder->tree() : release.tree;
  for (const ReleaseFile& file : release.files) {
    out.files.push_back({file.path, file.digest, file.behind, file.real, file.mark});
  }
  return out;
}

ReleasePtr unopened_release(const SavedRelease& saved) {
  auto out = std::make_shared<Release>();
  out->path = saved.path;
  out->args = saved.args;
  out->digest = saved.digest;
  out->program_digest = saved.program_digest;
  out->name = saved.name;
  out->claims = saved.claims;
  out->manifest = saved.manifest;
  out->source = saved.source;
  out->verified = saved.verified;
  out->signed_version = saved.signed_version;
  out->real = saved.real;
  out->file_path = saved.path;
  out->file_mark = saved.mark;
  if (!out->in_bundle() && out->verified.empty()) out->source_mark = saved.mark;
  out->unpacked = saved.folder;
  out->tree = saved.tree;
  for (const SavedFile& file : saved.files) {
    out->files.push_back({file.path, file.digest, file.mark, file.behind, file.real});
  }
  return out;
}

Result<ReleasePtr> reopen_release(const Reopen& reopen) {
  const SavedRelease& saved = reopen.saved;
  if (!saved.folder.empty()) return reopen_bundle(reopen);
  auto release = program_of(reopen);
  const auto found = release ? find_files(**release, saved, "") : Result<void>();
  if (release && found) return release;
  if (auto real = where_it_led(reopen)) return real;
  const Error why = release ? found.error() : release.error();
  const ReleasePtr known = unopened_release(saved);
  const auto root = KeptReleases(reopen.kept).root_of(*known);
  if (!root && reopen.open && reopen.open->file.valid() && saved.files.empty()) {
    if (auto open = of_open_file(reopen)) return open;
  }
  if (!root) return fail(why.code, why.message + ", and there is no copy: " + root.error().message);
  // All files come from there, since they belong together; a script is one of them, and so is a
  // launcher that finds its program by its own path. An interpreter is told by its arguments.
  const bool launcher = known->has_behind() && !is_interpreter(saved.path);
  if (!release || (*release)->script || launcher) release = of_kept_file(reopen, *root);
  const Result<void> kept =
      release ? find_files(**release, saved, *root) : Result<void>(Failure(release.error()));
  if (kept) return release;
  return fail(why.code, why.message + ", and of its copy: " + kept.error().message);
}

void reopen_release(uv_loop_t* loop, Reopen reopen, std::function<void(Result<ReleasePtr>)> done) {
  struct Job {
    Reopen reopen;
    Result<ReleasePtr> result = fail(-ECANCELED, "not opened");
    std::function<void(Result<ReleasePtr>)> done;
  };
  const auto job = std::make_shared<Job>();
  job->reopen = std::move(reopen);
  job->done = std::move(done);
  const auto run = [job] {
    try {
      job->result = reopen_release(job->reopen);
    } catch (const std::exception& error) {
      job->result = fail(-ENOMEM, job->reopen.saved.path + ": " + error.what());
    }
  };
  const auto after = [job] { job->done(std::move(job->result)); };
  if (!on_a_thread(loop, run, after)) job->done(fail(-ENOMEM, "no thread to open it on"));
}

}  // namespace handoff::supervisor
