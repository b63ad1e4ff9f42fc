#include "supervisor/releases/release_source.h"
#include "supervisor/releases/own_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <utility>

#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/archive.h"
#include "supervisor/releases/bundle_manifest.h"
#include "supervisor/releases/digest.h"
#include "supervisor/releases/unpacker.h"
#include "supervisor/signing/signed_file.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestManifest = 64 * 1024;

Result<std::string> read_manifest(int folder) {
  const UniqueFd file(::openat(folder, kManifestName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) {
    return fail(-ENOENT, std::string("there is no ") + kManifestName +
                             " at its root (name, version, program); pack from inside the folder: "
                             "tar -C FOLDER -czf BUNDLE.tar.gz .");
  }
  std::string text(kLongestManifest, '\0');
  const ssize_t n = ::pread(file.get(), text.data(), text.size(), 0);
  if (n < 0) return fail_errno(kManifestName);
  if (static_cast<std::size_t>(n) == text.size()) {
    return fail(-EFBIG, std::string(kManifestName) + " is too long");
  }
  text.resize(static_cast<std::size_t>(n));
  return text;
}

Result<UniqueFd> open_source(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno("can't open " + path);
  return file;
}

struct CheckedSignature {
  std::string key;
  std::string version;
};

Result<CheckedSignature> check_signature(int file, const ReleaseSource& source) {
  auto vouched = verify_file(file, source.path, source.verify_key);
  if (!vouched) return Failure(vouched.error());
  if (source.signed_for.empty()) return CheckedSignature{std::move(vouched->key), ""};
  auto version = version_for(source.signed_for, *vouched, source.path);
  if (!version) return Failure(version.error());
  return CheckedSignature{std::move(vouched->key), std::move(*version)};
}

Result<ReleasePtr> from_program(const ReleaseSource& source) {
  auto file = open_executable(source.path);
  if (!file) return Failure(file.error());
  if (source.verify_key.empty()) {
    return release_of(std::move(*file), source.path, source.args, source.known);
  }
  struct stat info {};
  if (::fstat(file->get(), &info) < 0) return fail_errno(source.path);
  auto copy = sealed_copy(file->get(), source.path);
  if (!copy) return Failure(copy.error());
  auto signature = check_signature(copy->get(), source);
  if (!signature) return Failure(signature.error());
  auto release = release_of(std::move(*copy), source.path, source.args);
  if (!release) return release;
  (*release)->verified = std::move(signature->key);
  (*release)->signed_version = std::move(signature->version);
  (*release)->source_mark = FileMark::of(info);
  (*release)->real = real_path_of(file->get(), source.path);
  return release;
}

std::string place_of(const ReleaseFolder& folder, const BundleManifest& manifest) {
  const bool is_hosts = manifest.program.starts_with('/');
  return is_hosts ? manifest.program : folder.path() + "/" + manifest.program;
}

Result<UniqueFd> program_in(const ReleaseFolder& folder, const BundleManifest& manifest) {
  if (manifest.program.starts_with('/')) return open_executable(manifest.program);
  auto program = folder.open_file(manifest.program);
  struct stat found {};
  const std::string its = "its program, " + manifest.program + ", ";
  if (!program && program.error().code == -ENOENT) return fail(-ENOENT, its + "is not in it");
  if (!program)
    return fail(program.error().code, its + "can't be opened: " + program.error().message);
  if (::fstat(program->get(), &found) < 0) return fail_errno(its);
  if (!S_ISREG(found.st_mode)) return fail(-EACCES, its + "is no executable: it is not a file");
  if ((found.st_mode & 0111) == 0) {
    return fail(-EACCES, its +
                             "is no executable: it has no permission to execute (chmod +x before "
                             "it is packed)");
  }
  return program;
}

Result<ReleasePtr> from_bundle(const ReleaseSource& source, UniqueFd file) {
  if (source.releases_dir.empty()) {
    return fail(-ENOEXEC, source.path +
                              " is a bundle, and command is a program: start the service with one, "
                              "and give the bundle to `handoff upgrade`");
  }
  struct stat info {};
  if (::fstat(file.get(), &info) < 0) return fail_errno(source.path);
  if (const std::string foreign = foreign_problem(source.releases_dir); !foreign.empty()) {
    return fail(-EEXIST, foreign);
  }
  auto releases = ReleasesDir::open(source.releases_dir);
  if (!releases) return Failure(releases.error());
  CheckedSignature signature;
  if (!source.verify_key.empty()) {
    auto copy = hidden_copy(file.get(), source.path, releases->fd());
    if (!copy) return Failure(copy.error());
    auto checked = check_signature(copy->get(), source);
    if (!checked) return Failure(checked.error());
    signature = std::move(*checked);
    file = std::move(*copy);
  }
  auto hash = digest(file.get(), source.path);
  if (!hash) return Failure(hash.error());
  BundleManifest manifest;
  const auto fill = [&](int folder) -> Result<std::string> {
    if (auto unpacked = unpack_bundle(file.get(), folder, source.limits); !unpacked) {
      return Failure(unpacked.error());
    }
    const auto text = read_manifest(folder);
    if (!text) return text;
    auto read = parse_manifest(*text);
    if (!read) return Failure(read.error());
    manifest = std::move(*read);
    return manifest.folder();
  };
  auto folder = releases->add(fill);
  if (!folder) return fail(folder.error().code, source.path + ": " + folder.error().message);
  auto program = program_in(**folder, manifest);
  if (!program) {
    return fail(program.error().code, source.path + ": " + program.error().message);
  }
  auto args = !source.args_given && manifest.args ? *manifest.args : source.args;
  auto release = release_of(std::move(*program), place_of(**folder, manifest), std::move(args));
  if (!release) return release;
  (*release)->digest = std::move(*hash);
  (*release)->source = source.path;
  (*release)->source_mark = FileMark::of(info);
  (*release)->verified = std::move(signature.key);
  (*release)->signed_version = std::move(signature.version);
  (*release)->folder = std::move(*folder);
  if (!source.files) return release;
  FileRules rules = *source.files;
  for (const std::string& pattern : manifest.files) {
    const bool left_out = pattern.starts_with('!');
    rules.patterns.push_back((left_out ? "!" : "") +
                             absolute_in((*release)->folder->path(), pattern.substr(left_out)));
  }
  if (auto added = add_files(**release, rules); !added) return Failure(added.error());
  return release;
}

}  // namespace

Result<ReleasePtr> obtain_release(const ReleaseSource& source) {
  auto file = open_source(source.path);
  if (!file) return Failure(file.error());
  if (is_archive(file->get())) return from_bundle(source, std::move(*file));
  file->reset();
  auto release = from_program(source);
  if (!release || !source.files) return release;
  if (auto added = add_files(**release, *source.files, source.behind); !added) {
    return Failure(added.error());
  }
  return release;
}

void obtain_release(uv_loop_t* loop, ReleaseSource source,
                    std::function<void(Result<ReleasePtr>)> done) {
  struct Job {
    ReleaseSource source;
    Result<ReleasePtr> result = fail(-ECANCELED, "not opened");
    std::function<void(Result<ReleasePtr>)> done;
  };
  const auto job = std::make_shared<Job>();
  job->source = std::move(source);
  job->done = std::move(done);
  const auto run = [job] {
    try {
      job->result = obtain_release(job->source);
    } catch (const std::exception& error) {
      job->result = fail(-ENOMEM, job->source.path + ": " + error.what());
    }
  };
  const auto after = [job] { job->done(std::move(job->result)); };
  if (!on_a_thread(loop, run, after)) job->done(fail(-ENOMEM, "no thread to open it on"));
}

ReleasePtr unopened_release(const std::vector<std::string>& command) {
  auto release = std::make_shared<Release>();
  release->path = release->source = find_program(command.front()).value_or(command.front());
  release->args.assign(command.begin() + 1, command.end());
  return release;
}

FileRules rules_of(const ServiceConfig& config) {
  return {.patterns = config.files, .working_dir = config.working_dir};
}

Result<ReleaseSource> source_of(const Release& release, const ServiceConfig& config) {
  auto path = find_program(release.source);
  if (!path) return Failure(path.error());
  // A mistake in the configuration is told when the service is started, not months later.
  if (const std::string foreign =
          config.releases_dir.empty() ? "" : foreign_problem(config.releases_dir);
      !foreign.empty()) {
    return fail(-EEXIST, foreign);
  }
  return ReleaseSource{.path = std::move(*path),
                       .args = release.args,
                       .args_given = true,
                       .releases_dir = "",
                       .verify_key = config.verify_key,
                       .signed_for = config.signed_for(),
                       .limits = {},
                       .files = rules_of(config)};
}

bool may_run_again(const Release& release, const ServiceConfig& config) {
  return config.verify_key.empty() || !release.verified.empty();
}

void keep_release(uv_loop_t* loop, const Release& release) {
  if (!release.folder) return;
  release.folder->keep();
  const std::string& folder = release.folder->path();
  // Should it fail, the next one tries again.
  (void)on_a_thread(
      loop,
      [dir = folder.substr(0, folder.rfind('/'))] {
        if (const auto releases = ReleasesDir::open(dir)) releases->prune();
      },
      [] {});
}

std::string default_releases_dir(const std::string& state, const std::string& service) {
  // The next supervisor may stand elsewhere.
  std::error_code error;
  const auto absolute = std::filesystem::absolute(state, error);
  return (error ? state : absolute.string()) + "/releases/" + service;
}

}  // namespace handoff::supervisor
