// The happy path: chunks of 64 KiB, cut at newlines, each line parsed. The failures: a FIFO or a
// device is refused when it is opened; half a line, other bytes than UTF-8, a line without an end,
// and brackets that are nested deeper than a stack is are no records.
#include "supervisor/host/journal_read.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/base/regular_file.h"
#include "supervisor/host/journal.h"
#include "supervisor/host/journal_rotation.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr std::size_t kChunk = 64 * 1024;
// Printing and destroying values goes by recursion.
constexpr int kDeepest = 100;

bool is_too_deep(std::string_view line) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') in_text = !in_text;
    if (in_text && c == '\\') ++i;
    if (in_text) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kDeepest) return true;
  }
  return false;
}

// Puts lines together, and tells the records among them.
class Lines {
 public:
  explicit Lines(const EachRecord& each) : each_(each) {}

  void add(std::string_view chunk) {
    for (std::size_t end = 0; (end = chunk.find('\n')) != std::string_view::npos;) {
      grow(chunk.substr(0, end));
      over();
      chunk.remove_prefix(end + 1);
    }
    grow(chunk);
  }
  // The first line begins before what is read.
  void leave_out_the_first() { rest_ = true; }
  std::uint64_t end() {
    if (!line_.empty() || too_long_) over();
    return skipped_;
  }

 private:
  void grow(std::string_view more) {
    if (rest_ || too_long_) return;
    too_long_ = line_.size() + more.size() > kLongestRecord;
    if (!too_long_) line_ += more;
  }
  void over() {
    if (!std::exchange(rest_, false) && !tell()) ++skipped_;
    too_long_ = false;
    line_.clear();
    if (line_.capacity() > kChunk) line_.shrink_to_fit();
  }
  bool tell() const {
    if (too_long_ || is_too_deep(line_)) return false;
    if (line_.empty()) return true;  // what follows half a line may begin with one
    const json record = json::parse(line_, nullptr, false);
    if (!record.is_object()) return false;
    each_(record);
    return true;
  }

  const EachRecord& each_;
  std::string line_;
  bool rest_ = false;
  bool too_long_ = false;
  std::uint64_t skipped_ = 0;
};

Result<std::uint64_t> read_open(int file, const std::string& what, const EachRecord& each,
                                std::optional<std::uint64_t> last) {
  struct stat info {};
  if (::fstat(file, &info) < 0) return fail_errno(what);
  Lines lines(each);
  off_t at = 0;
  if (last && static_cast<std::uint64_t>(info.st_size) > *last) {
    at = info.st_size - static_cast<off_t>(*last);
    lines.leave_out_the_first();
  }
  for (std::vector<char> chunk(kChunk);;) {
    const ssize_t n = ::pread(file, chunk.data(), chunk.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(what);
    if (n == 0) return lines.end();
    lines.add({chunk.data(), static_cast<std::size_t>(n)});
    at += n;
  }
}

std::string reading(const std::string& path) { return "reading the history " + path; }

}  // namespace

Result<JournalRead> read_journal(const std::string& path, const EachRecord& each,
                                 std::optional<std::uint64_t> last) {
  JournalRead out;
  const auto file = open_regular(path, reading(path));
  if (!file) {
    if (file.error().code == -ENOENT) return out;
    return Failure(file.error());
  }
  const auto skipped = read_open(file->get(), reading(path), each, last);
  if (!skipped) return Failure(skipped.error());
  out.skipped = *skipped;
  out.files.push_back(path);
  return out;
}

JournalRead read_history(const std::string& state, const EachRecord& each) {
  struct Open {
    std::string path;
    UniqueFd file;
    struct stat info {};
  };
  // A rotation passes a file on to the next older name. So the youngest is opened first: each is
  // met, and one that is met twice has the same inode.
  std::vector<Open> open;
  JournalRead out;
  for (const std::string& path : journal_files(state)) {
    auto file = open_regular(path, reading(path));
    if (!file) {
      if (file.error().code != -ENOENT) out.problems.push_back(file.error().message);
      continue;
    }
    Open one{path, std::move(*file)};
    if (::fstat(one.file.get(), &one.info) < 0) continue;
    const bool twice = std::ranges::any_of(open, [&one](const Open& other) {
      return other.info.st_ino == one.info.st_ino && other.info.st_dev == one.info.st_dev;
    });
    if (!twice) open.push_back(std::move(one));
  }
  std::ranges::reverse(open);
  for (const Open& one : open) {
    const auto skipped = read_open(one.file.get(), reading(one.path), each, std::nullopt);
    if (!skipped) {
      out.problems.push_back(skipped.error().message);
      continue;
    }
    out.skipped += *skipped;
    out.files.push_back(one.path);
  }
  return out;
}

}  // namespace handoff::supervisor
