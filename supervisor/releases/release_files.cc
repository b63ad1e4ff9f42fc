#include "supervisor/releases/release_files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "supervisor/releases/digest.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 2'000;     // the state file names them all at each change
constexpr std::size_t kLongestShebang = 255;  // what the kernel reads

constexpr std::array<std::string_view, 38> kInterpreters{
    "ash",    "awk",     "bash", "beam.smp", "bun",     "busybox", "dash",   "deno",
    "dotnet", "elixir",  "env",  "erl",      "escript", "fish",    "gawk",   "guile",
    "java",   "julia",   "ksh",  "lua",      "luajit",  "mawk",    "mksh",   "mono",
    "node",   "nodejs",  "perl", "php",      "pwsh",    "pypy",    "python", "qjs",
    "racket", "Rscript", "ruby", "sh",       "tclsh",   "zsh"};

bool is_regular(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> out;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '/');) {
    if (!part.empty() && part != ".") out.push_back(part);
  }
  return out;
}

class Matching {
 public:
  // parts of an absolute pattern.
  Result<std::vector<std::string>> all(const std::vector<std::string>& parts) {
    parts_ = &parts;
    if (auto gone = go("", 0); !gone) return Failure(gone.error());
    return std::vector<std::string>(found_.begin(), found_.end());
  }

 private:
  // at: what parts up to number i have matched.
  Result<void> go(const std::string& at, std::size_t i) {
    if (i == parts_->size()) {
      if (is_regular(at)) found_.insert(at);
      if (found_.size() > kMostFiles) {
        return fail(-E2BIG, "files: more than " + std::to_string(kMostFiles) +
                                " match; a release of so many is better a bundle");
      }
      return {};
    }
    const std::string& part = (*parts_)[i];
    if (part == "**") {
      if (auto gone = go(at, i + 1); !gone) return gone;
      return each(at, [this, i](const fs::directory_entry& entry) -> Result<void> {
        std::error_code error;
        // Links to folders are not followed: they may lead around.
        if (entry.is_symlink(error) || !entry.is_directory(error)) return {};
        return go(entry.path().native(), i);
      });
    }
    if (part.find_first_of("*?[\\") == std::string::npos) return go(at + "/" + part, i + 1);
    return each(at, [this, i, &part](const fs::directory_entry& entry) -> Result<void> {
      const std::string name = entry.path().filename();
      if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) != 0) return {};
      return go(entry.path().native(), i + 1);
    });
  }

  template <typename Visit>
  Result<void> each(const std::string& folder, const Visit& visit) {
    std::error_code error;
    const std::string path = folder.empty() ? "/" : folder;
    for (auto at = fs::directory_iterator(path, error); !error && at != fs::directory_iterator();
         at.increment(error)) {
      if (auto visited = visit(*at); !visited) return visited;
    }
    if (error && error != std::errc::no_such_file_or_directory &&
        error != std::errc::not_a_directory) {
      return fail(-error.value(), "files: " + path + ": " + error.message());
    }
    return {};
  }

  const std::vector<std::string>* parts_ = nullptr;
  std::set<std::string> found_;
};

Result<ReleaseFile> read_one(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) < 0) return fail_errno(path);
  auto hash = digest(file.get(), path);
  if (!hash) return Failure(hash.error());
  return ReleaseFile{path, std::move(*hash), FileMark::of(info), false,
                     real_path_of(file.get(), path)};
}

}  // namespace

std::string absolute_in(const std::string& working_dir, const std::string& path) {
  if (path.starts_with('/')) return path;
  std::error_code error;
  const std::string from = working_dir.empty() ? fs::current_path(error).native() : working_dir;
  return from + "/" + path;
}

bool is_interpreter(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  // python3.11, ruby3.1, php8.2
  while (!name.empty() && name.find_last_of("0123456789.-") == name.size() - 1) name.pop_back();
  return std::find(kInterpreters.begin(), kInterpreters.end(), name) != kInterpreters.end();
}

Shebang shebang_of(int file) {
  Shebang out;
  std::string line(kLongestShebang, '\0');
  const ssize_t n = ::pread(file, line.data(), line.size(), 0);
  line.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  if (!line.starts_with("#!")) return out;
  line = line.substr(2, line.find('\n') - 2);
  const auto trim = [](std::string text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string::npos) return std::string();
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
  };
  line = trim(line);
  const std::size_t space = line.find_first_of(" \t");
  out.words.push_back(line.substr(0, space));
  if (space != std::string::npos) out.words.push_back(trim(line.substr(space)));
  out.found = out.words.front();
  if (out.found.ends_with("/env") && out.words.size() == 2 && !out.words[1].starts_with('-') &&
      out.words[1].find_first_of(" \t=") == std::string::npos) {
    if (auto program = find_program(out.words[1])) {
      out.found = std::move(*program);
      out.words = {out.found};
    }
  }
  return out;
}

Result<std::vector<std::string>> matching_files(const std::vector<std::string>& patterns,
                                                const std::string& working_dir) {
  std::set<std::string> out;
  for (const std::string& pattern : patterns) {
    auto found = Matching().all(parts_of(absolute_in(working_dir, pattern)));
    if (!found) return found;
    out.insert(found->begin(), found->end());
  }
  return std::vector<std::string>(out.begin(), out.end());
}

Result<std::vector<ReleaseFile>> read_files(const std::set<std::string>& paths) {
  std::vector<ReleaseFile> out;
  for (const std::string& path : paths) {
    auto file = read_one(path);
    if (!file) return Failure(file.error());
    out.push_back(std::move(*file));
  }
  return out;
}

std::string digest_of_all(const std::string& first, const std::vector<ReleaseFile>& files) {
  if (files.empty()) return first;
  std::string all = first + "\n";
  for (const ReleaseFile& file : files) all += file.digest + "  " + file.path + '\0';
  return digest(all);
}

Behind behind_of(const Release& release) {
  Behind out{.program_digest = release.program_digest, .paths = {}};
  for (const ReleaseFile& file : release.files) {
    if (file.behind) out.paths.push_back(file.path);
  }
  return out;
}

void add_behind(Release& release, ReleaseFile file) {
  file.behind = true;
  std::erase_if(release.files, [&](const ReleaseFile& one) { return one.path == file.path; });
  const auto after = std::find_if(release.files.begin(), release.files.end(),
                                  [&](const ReleaseFile& one) { return one.path > file.path; });
  release.files.insert(after, std::move(file));
  release.digest = digest_of_all(release.program_digest, release.files);
}

Result<std::vector<std::string>> files_left_out(const FileRules& rules) {
  std::vector<std::string> unwanted;
  for (const std::string& pattern : rules.patterns) {
    if (pattern.starts_with('!')) unwanted.push_back(pattern.substr(1));
  }
  return matching_files(unwanted, rules.working_dir);
}

Result<void> add_files(Release& release, const FileRules& rules, const std::vector<Behind>& known) {
  std::set<std::string> paths;
  if (release.script) {
    if (const Shebang shebang = shebang_of(release.file.get()); is_regular(shebang.found)) {
      paths.insert(shebang.found);
    }
  }
  if (release.script || is_interpreter(release.path)) {
    for (const std::string& arg : release.args) {
      const std::string path = absolute_in(rules.working_dir, arg);
      if (!arg.empty() && is_regular(path)) paths.insert(path);
    }
  }
  std::vector<std::string> wanted;
  for (const std::string& pattern : rules.patterns) {
    if (!pattern.starts_with('!')) wanted.push_back(pattern);
  }
  const auto named = matching_files(wanted, rules.working_dir);
  if (!named) return Failure(named.error());
  const auto left_out = files_left_out(rules);
  if (!left_out) return Failure(left_out.error());
  paths.insert(named->begin(), named->end());
  for (const std::string& path : *left_out) paths.erase(path);
  if (release.in_bundle()) paths.insert(release.path);
  // What the bundle brought is digested with it.
  std::erase_if(paths, [&release](const std::string& path) {
    return release.folder ? path.starts_with(release.folder->path() + "/") : path == release.path;
  });
  const std::string first = release.digest;
  release.files.clear();
  for (const Behind& one : known) {
    if (one.paths.empty() || one.program_digest != release.program_digest) continue;
    for (const std::string& path : one.paths) {
      // One that can't be read, or is no file any more, is none: then it is another release.
      if (!is_regular(path) || std::count(left_out->begin(), left_out->end(), path) > 0) continue;
      if (auto file = read_one(path)) add_behind(release, std::move(*file));
      paths.erase(path);
    }
    break;
  }
  auto files = read_files(paths);
  if (!files) return Failure(files.error());
  std::ranges::move(*files, std::back_inserter(release.files));
  std::sort(release.files.begin(), release.files.end(),
            [](const ReleaseFile& a, const ReleaseFile& b) { return a.path < b.path; });
  release.digest = digest_of_all(first, release.files);
  return {};
}

}  // namespace handoff::supervisor
