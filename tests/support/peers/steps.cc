// A line service in three releases: built with RELEASE as 1, 2 and 3, each with a state version of
// that number and the steps to all older ones. Every line is answered by "RELEASE LINES LAST
// CHARS": the release, the number of lines so far, the line before, and the number of characters in
// all; "-" for a field that the release's state does not have.
//
//   --without A-B        leaves that step out (may be given again)
//   --also NAME=ADDRESS  listens there, too
//   --offered all        listens to whatever it is offered, too
//   --gives-back NAME    gives that listener back    --closes NAME  and wants it closed
//   --cant-save N        sessions with that many lines can't be saved
//   --cant-restore N     nor restored
//   --stays N            those with that many lines can't move: "tls"
//   --leaves N           with that many lines of a session it leaves: "all is done"
//   --section HOW        has a section "notes", and as an heir: takes it | refuses it
//   --moves WHERE        once it is the owner: to a user | root | mounts | network, or to all of
//   them
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <handoff/uv.hpp>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

// A leak check attaches to the process, which one that has changed its user does not allow.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace {

constexpr std::uint32_t kRelease = RELEASE;

// Version 1 is "LINES", 2 is "LINES LAST", 3 is "LINES LAST CHARS".
struct State {
  std::uint64_t lines = 0;
  std::string last = "-";
  std::string chars = "-";

  static State parse(std::string_view text, std::uint32_t version) {
    State out;
    std::istringstream in{std::string(text)};
    in >> out.lines;
    if (version >= 2) in >> out.last;
    if (version >= 3) in >> out.chars;
    std::string more;
    if (!in || in >> more) {
      throw std::runtime_error("this is no state " + std::to_string(version) + ": " +
                               std::string(text));
    }
    return out;
  }
  std::string text(std::uint32_t version) const {
    std::string out = std::to_string(lines);
    if (version >= 2) out += " " + last;
    if (version >= 3) out += " " + chars;
    return out;
  }
};

std::uint64_t cant_save = UINT64_MAX;
std::uint64_t cant_restore = UINT64_MAX;
std::uint64_t stays_at = UINT64_MAX;
std::uint64_t leaves_at = UINT64_MAX;
handoff::Service* own = nullptr;

class Notes : public handoff::Section {
 public:
  explicit Notes(bool takes) : takes_(takes) {}
  void begin(std::uint32_t) override { sent_ = false; }
  bool next(handoff::Phase, std::string& record) override {
    record = "a note";
    return !std::exchange(sent_, true);
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view) override {
    if (!takes_) throw std::runtime_error("these notes are illegible");
  }
  void reset() override {}

 private:
  bool takes_;
  bool sent_ = false;
};

class Stream : public handoff::uv::Stream {
 public:
  explicit Stream(State state = {}) : state_(std::move(state)) {}
  static std::unique_ptr<Stream> restore(std::string_view state) {
    State parsed = State::parse(state, kRelease);
    if (parsed.lines == cant_restore) throw std::runtime_error("this one is not taken");
    return std::make_unique<Stream>(std::move(parsed));
  }

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', used);
      if (end == std::string_view::npos) return used;
      take(std::string(input.substr(used, end - used)));
      used = end + 1;
    }
  }
  std::string save() const override {
    if (state_.lines == cant_save) throw std::runtime_error("this one can't be saved");
    return state_.text(kRelease);
  }

 private:
  void take(const std::string& line) {
    ++state_.lines;
    if (state_.lines == stays_at) stays("tls");
    if (state_.lines == leaves_at) {
      own->leave("all is done");
      uv_stop(uv_default_loop());
    }
    const std::string before = state_.last;
    if (kRelease >= 2) state_.last = line;
    if (kRelease >= 3) {
      const std::size_t chars = state_.chars == "-" ? 0 : std::stoul(state_.chars);
      state_.chars = std::to_string(chars + line.size());
    }
    write(std::to_string(kRelease) + " " + std::to_string(state_.lines) + " " + before + " " +
          state_.chars + "\n");
  }
  State state_;
};

void must(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

// A service is not told it, so its parent is asked.
std::string supervisors_folder() {
  const std::string variable = "HANDOFF_RUNTIME_DIR=";
  std::ifstream environment("/proc/" + std::to_string(::getppid()) + "/environ");
  for (std::string text; std::getline(environment, text, '\0');) {
    if (text.starts_with(variable)) return text.substr(variable.size());
  }
  return "";
}

void move_to(const std::string& where) {
  const bool all = where == "all";
  if (all || where == "network") must(::unshare(CLONE_NEWNET), "unshare");
  if (all || where == "mounts") {
    must(::unshare(CLONE_NEWNS), "unshare");
    must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
    must(::mount("none", supervisors_folder().c_str(), "tmpfs", 0, nullptr), "tmpfs");
  }
  if (all || where == "root") {
    std::string folder = "/tmp/steps-XXXXXX";
    must(::mkdtemp(folder.data()) == nullptr ? -1 : 0, "mkdtemp");
    const int held = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    must(held, "open");
    must(::rmdir(folder.c_str()), "rmdir");  // an empty one without a name does as well
    must(::fchdir(held), "fchdir");
    must(::chroot("."), "chroot");
    must(::close(held), "close");
  }
  if (all || where == "user") {
    constexpr uid_t kNobody = 65534;
    must(::setgroups(0, nullptr), "setgroups");
    must(::setresgid(kNobody, kNobody, kNobody), "setresgid");
    must(::setresuid(kNobody, kNobody, kNobody), "setresuid");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::set<std::string> without;
  std::map<std::string, std::string> also;
  std::optional<Notes> notes;
  std::string moves;
  bool offered = false;
  std::map<std::string, bool> gives_back;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--without") without.insert(value);
    if (option == "--also") {
      also[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
    }
    if (option == "--offered") offered = value == "all";
    if (option == "--gives-back" || option == "--closes") {
      gives_back[value] = option == "--closes";
    }
    if (option == "--cant-save") cant_save = std::stoull(value);
    if (option == "--cant-restore") cant_restore = std::stoull(value);
    if (option == "--leaves") leaves_at = std::stoull(value);
    if (option == "--stays") stays_at = std::stoull(value);
    if (option == "--section") notes.emplace(value == "takes it");
    if (option == "--moves") moves = value;
  }
  try {
    auto service = handoff::Service::open(
        {.name = "steps", .version = std::to_string(kRelease) + ".0", .state_version = kRelease});
    own = service.get();
    const auto knows = [&](std::uint32_t from, std::uint32_t to) {
      return !without.contains(std::to_string(from) + "-" + std::to_string(to));
    };
    std::vector<std::string> kinds{"session"};
    if (offered) {
      kinds.emplace_back("offered");
      service->kind("offered", kRelease);
    }
    for (std::uint32_t low = 1; low < kRelease; ++low) {
      const std::uint32_t high = low + 1;
      for (const std::string& kind : kinds) {
        if (knows(low, high)) {
          service->on_upgrade_state(
              low, high,
              [low, high](std::string_view state) { return State::parse(state, low).text(high); },
              kind);
        }
        if (knows(high, low)) {
          service->on_downgrade_state(
              high, low,
              [low, high](std::string_view state) { return State::parse(state, high).text(low); },
              kind);
        }
      }
    }
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Stream>(); }, Stream::restore);
    for (const auto& [name, address] : also) {
      service->kind(name, kRelease);
      host.listen(name, address, [] { return std::make_unique<Stream>(); }, Stream::restore,
                  {.kind = name});
    }
    for (const auto& [name, closes] : gives_back) service->give_back(name, closes);
    if (offered) {
      host.listen_offered([] { return std::make_unique<Stream>(); }, Stream::restore,
                          {.kind = "offered"});
    }
    if (notes) service->section("notes", *notes, {1}, {1});
    host.start();
    if (!moves.empty()) move_to(moves);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "steps: %s\n", error.what());
    return 1;
  }
  return 0;
}
