// The program `handoff-unpack`, which the supervisor starts for each bundle (releases/unpacker.h):
//
//   handoff-unpack BYTES ENTRIES PATH      the limits; fd 0 is the archive, fd 3 the empty folder
//
// Standard output gets "0", or the code of what is wrong, a newline and its message. Whoever finds
// a hole in the reader of archives is in a process that was given nothing else, has no system calls
// left but those of this work, and may write nowhere else where the kernel has Landlock. When
// memory runs out, it is ended before any service.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "libhandoff/sys/oom_score.h"
#include "supervisor/unpack/calls.h"
#include "supervisor/unpack/confine.h"
#include "supervisor/unpack/unpack.h"

namespace {

using namespace handoff;

constexpr int kFolder = 3;

template <class T>
bool read_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Result<void> unpack_it(const supervisor::UnpackLimits& limits) {
  try {
    // Where there is no such score, what is large is ended first, as everywhere.
    (void)io::OomScore().raise();
    // No mode is changed later (calls.h): what is made is 0755 or 0644 from the beginning.
    (void)::umask(022);
    // Where the kernel has no Landlock, the calls that are left are the only bound.
    (void)supervisor::confine(kFolder);
    if (auto only = supervisor::leave_only_unpacking(); !only) return only;
    return supervisor::unpack(STDIN_FILENO, kFolder, limits);
  } catch (const std::exception& error) {
    return fail(-ENOMEM, std::string("it is not unpacked: ") + error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  supervisor::UnpackLimits limits;
  if (argc != 4 || !read_number(argv[1], limits.bytes) || !read_number(argv[2], limits.entries) ||
      !read_number(argv[3], limits.path)) {
    constexpr std::string_view kUsage =
        "handoff-unpack is for the supervisor: give the bundle to `handoff upgrade`\n";
    (void)!::write(STDERR_FILENO, kUsage.data(), kUsage.size());
    return 2;
  }
  const auto done = unpack_it(limits);
  const std::string answer =
      done ? "0" : std::to_string(done.error().code) + "\n" + done.error().message;
  // Into an empty pipe, and shorter than one takes at once.
  const ssize_t n = ::write(STDOUT_FILENO, answer.data(), answer.size());
  // Nothing is left to do. A sanitizer would look for leaks here, with calls that are not left.
  ::_exit(n == static_cast<ssize_t>(answer.size()) ? 0 : 1);
}
