#include "libhandoff/sys/oom_score.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

namespace handoff::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirst = "1000";
constexpr const char* kOfSelf = "/proc/self/oom_score_adj";

Result<std::string> read_score(int file, const std::string& path) {
  std::array<char, 16> text{};
  const ssize_t n = ::pread(file, text.data(), text.size(), 0);
  if (n < 0) return fail_errno(path);
  std::string_view score(text.data(), static_cast<std::size_t>(n));
  while (score.ends_with('\n')) score.remove_suffix(1);
  return std::string(score);
}

Result<void> write_score(int file, std::string_view score, const std::string& path) {
  if (::write(file, score.data(), score.size()) < 0) return fail_errno(path);
  return {};
}

// Of the calling thread: capabilities and filters are a thread's own.
UniqueFd open_status() {
  return UniqueFd(::open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC));
}

// All of a file that was not read yet, by one read(2), which gives all of a status.
std::string read_status(const UniqueFd& file) {
  std::array<char, 8192> text{};
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

// The value of a line "KEY:\tVALUE"; "" if there is none.
std::string field(const std::string& status, const std::string& key) {
  const auto line = status.find("\n" + key + ":\t");
  if (line == std::string::npos) return "";
  const auto begin = line + key.size() + 3;
  return status.substr(begin, status.find('\n', begin) - begin);
}

bool is_filtered(const std::string& status) { return field(status, "Seccomp") != "0"; }

bool has_cap_sys_resource(const std::string& status) {
  std::uint64_t effective = 0;
  const std::string text = field(status, "CapEff");
  (void)std::from_chars(text.data(), text.data() + text.size(), effective, 16);
  return (effective >> CAP_SYS_RESOURCE & 1) != 0;
}

// With CAP_SYS_RESOURCE a written score is also a floor: afterwards only that capability can lower
// it, and a service may give it up before it owns. So the calling thread does without it for the
// write. Where system calls are filtered this one may be the process's end, and is left out.
class WithoutFloor {
 public:
  WithoutFloor() {
    const std::string status = read_status(open_status());
    if (is_filtered(status) || !has_cap_sys_resource(status)) return;
    if (::syscall(SYS_capget, &header_, before_.data()) < 0) return;
    auto without = before_;
    without[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
    set_ = ::syscall(SYS_capset, &header_, without.data()) == 0;
  }
  // What was permitted can be had again.
  ~WithoutFloor() {
    if (set_) (void)::syscall(SYS_capset, &header_, before_.data());
  }
  WithoutFloor(const WithoutFloor&) = delete;
  WithoutFloor& operator=(const WithoutFloor&) = delete;

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> before_{};
  bool set_ = false;
};

// The children of all threads of a process; none where the kernel does not tell.
std::set<std::string> children_of(const std::string& pid) {
  std::set<std::string> out;
  std::error_code error;
  fs::directory_iterator threads("/proc/" + pid + "/task", error);
  for (; !error && threads != fs::directory_iterator(); threads.increment(error)) {
    std::ifstream children(threads->path() / "children");
    for (std::string child; children >> child;) out.insert(child);
  }
  return out;
}

// They inherited the raised score. One that has set another score itself keeps it. One that is of
// another user, or has ended, is left as it is.
void restore_below(const std::string& pid, const std::string& score) {
  for (const std::string& child : children_of(pid)) {
    const std::string path = "/proc/" + child + "/oom_score_adj";
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.valid()) {
      const auto now = read_score(file.get(), path);
      if (now && *now == kFirst) (void)write_score(file.get(), score, path);
    }
    restore_below(child, score);
  }
}

Failure not_raised(const Error& why) {
  return fail(
      why.code,
      "if memory runs out, the kernel may end the old process instead of this one: " + why.message +
          "; mount /proc where it can be written, and call handoff_open() before the "
          "process changes its user");
}

}  // namespace

Result<void> OomScore::raise() {
  UniqueFd file(::open(kOfSelf, O_RDWR | O_CLOEXEC));
  if (!file.valid()) return not_raised(Error::from_errno(errno, kOfSelf));
  auto before = read_score(file.get(), kOfSelf);
  if (!before) return not_raised(before.error());
  UniqueFd status = open_status();
  const WithoutFloor without_floor;
  if (const auto ok = write_score(file.get(), kFirst, kOfSelf); !ok) return not_raised(ok.error());
  before_ = std::move(*before);
  file_ = std::move(file);
  status_ = std::move(status);
  return {};
}

Result<void> OomScore::restore() {
  if (!raised()) return {};
  const UniqueFd file = std::move(file_);
  const UniqueFd status = std::move(status_);
  if (before_ == kFirst) return {};
  if (const auto ok = write_score(file.get(), before_, kOfSelf); !ok) {
    return fail(ok.error().code,
                "if memory runs out, the kernel ends this process first: " + ok.error().message +
                    "; as root with CAP_SYS_RESOURCE: echo " + before_ + " >/proc/" +
                    std::to_string(::getpid()) + "/oom_score_adj");
  }
  if (!is_filtered(read_status(status))) restore_below(std::to_string(::getpid()), before_);
  return {};
}

}  // namespace handoff::io
