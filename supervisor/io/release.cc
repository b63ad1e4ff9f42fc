#include "io/release.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 1 << 20;

Result<std::string> digest(int fd, const std::string& path) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::vector<unsigned char> chunk(kChunk);
  for (off_t offset = 0;;) {
    const ssize_t n = ::pread(fd, chunk.data(), chunk.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading " + path);
    if (n == 0) break;
    crypto_hash_sha256_update(&state, chunk.data(), static_cast<unsigned long long>(n));
    offset += n;
  }
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256_final(&state, hash.data());
  std::array<char, crypto_hash_sha256_BYTES * 2 + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  return std::string(hex.data());
}

struct Work {
  uv_work_t request{};
  std::string path;
  std::vector<std::string> args;
  Result<ReleasePtr> result = fail(-ECANCELED, "not opened");
  std::function<void(Result<ReleasePtr>)> done;
};

}  // namespace

bool Release::changed() const {
  struct stat now_ {};
  return ::fstat(file.get(), &now_) == 0 &&
         (now_.st_size != size || now_.st_mtim.tv_sec != modified.tv_sec ||
          now_.st_mtim.tv_nsec != modified.tv_nsec);
}

Result<UniqueFd> open_executable(const std::string& path) {
  // O_NONBLOCK: a FIFO at that path must not hold anybody up.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno("can't open " + path);
  struct stat found {};
  if (::fstat(file.get(), &found) < 0) return fail_errno(path);
  if (!S_ISREG(found.st_mode)) return fail(-EACCES, path + " is no executable: it is not a file");
  if (::faccessat(file.get(), "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0 && errno == EACCES) {
    return fail(-EACCES, path + " is no executable: it has no permission to execute (chmod +x)");
  }
  return file;
}

Result<ReleasePtr> open_release(const std::string& path, std::vector<std::string> args) {
  auto release = std::make_shared<Release>();
  release->path = path;
  release->args = std::move(args);
  auto file = open_executable(path);
  if (!file) return Failure(file.error());
  release->file = std::move(*file);
  struct stat found {};
  if (::fstat(release->file.get(), &found) < 0) return fail_errno(path);
  release->size = found.st_size;
  release->modified = found.st_mtim;
  std::array<char, 2> start{};
  release->script =
      ::pread(release->file.get(), start.data(), 2, 0) == 2 && start[0] == '#' && start[1] == '!';
  auto hash = digest(release->file.get(), path);
  if (!hash) return Failure(hash.error());
  release->digest = std::move(*hash);
  return release;
}

void open_release(uv_loop_t* loop, std::string path, std::vector<std::string> args,
                  std::function<void(Result<ReleasePtr>)> done) {
  auto work = std::make_unique<Work>();
  work->path = std::move(path);
  work->args = std::move(args);
  work->done = std::move(done);
  work->request.data = work.get();
  const auto run = [](uv_work_t* request) {
    auto* self = static_cast<Work*>(request->data);
    self->result = open_release(self->path, std::move(self->args));
  };
  const auto after = [](uv_work_t* request, int) {
    const std::unique_ptr<Work> self(static_cast<Work*>(request->data));
    self->done(std::move(self->result));
  };
  const int queued = uv_queue_work(loop, &work->request, run, after);
  if (queued < 0) {
    work->done(fail(queued, std::string("uv_queue_work: ") + uv_strerror(queued)));
    return;
  }
  (void)work.release();  // `after` takes it
}

Result<std::string> find_program(const std::string& program) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (program.find('/') != std::string::npos) {
    const fs::path absolute = fs::absolute(program, error);
    if (error) return fail(-error.value(), program + ": " + error.message());
    return absolute.lexically_normal().string();
  }
  const char* path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string folder = rest.substr(0, colon);
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    if (folder.empty()) continue;
    const std::string candidate = folder + "/" + program;
    if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  std::string text = "no program \"" + program + "\" in $PATH";
  if (fs::exists(program, error)) text += "; did you mean ./" + program + "?";
  return fail(-ENOENT, text);
}

}  // namespace handoff::supervisor
