// What is refused to whom: other users, processes that are no services, files that lie where the
// supervisor's should be, operators and services that send nonsense; and what a service is given.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;

// A service that links the library: it comes back to the next supervisor.
std::string echo() { return program("handoff-echo-1"); }

// What becomes of a connection on which something is said: 0 if it is closed without a word.
int say_and_hear(const std::string& path, int type, const std::string& text) {
  const UniqueFd fd = connect_unix(path, type);
  if (!fd.valid()) return errno;
  (void)!::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  char answer = 0;
  return ::recv(fd.get(), &answer, 1, 0) > 0 ? 200 : 0;
}

// The exit status of body, run as that user.
int as_user(uid_t uid, const std::function<int()>& body) {
  return Process([&] {
           if (::setgroups(0, nullptr) < 0 || ::setresgid(uid, uid, uid) < 0 ||
               ::setresuid(uid, uid, uid) < 0) {
             return 201;
           }
           return body();
         })
      .wait();
}

class SecurityTest : public SupervisorTest {
 protected:
  std::string control() const { return supervisor.runtime() + "/control.sock"; }
  std::string services() const { return supervisor.runtime() + "/services.sock"; }

  void run_service(const std::vector<std::string>& command) {
    supervisor.start({.command = command, .name = "chat"});
  }
};

// ---- other users ----------------------------------------------------------------------------

TEST_F(SecurityTest, OtherUsersAreKeptOutByTheFolder) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  supervisor.start(fake());
  ASSERT_EQ(::chmod(supervisor.dir().path().c_str(), 0755), 0);
  EXPECT_EQ(as_user(kStranger, [&] { return say_and_hear(control(), SOCK_STREAM, "{}\n"); }),
            EACCES);
  EXPECT_EQ(as_user(kStranger, [&] { return say_and_hear(services(), SOCK_SEQPACKET, "x"); }),
            EACCES);
}

TEST_F(SecurityTest, OtherUsersAreTurnedAwayWhereSomebodyHasOpenedTheFolder) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  supervisor.start(fake());
  const std::size_t fds = supervisor.settled_files().size();
  ASSERT_EQ(::chmod(supervisor.dir().path().c_str(), 0755), 0);
  for (const std::string& path : {supervisor.runtime(), control(), services()}) {
    ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
  }
  EXPECT_EQ(
      as_user(kStranger,
              [&] { return say_and_hear(control(), SOCK_STREAM, "{\"command\":\"status\"}\n"); }),
      0);
  EXPECT_EQ(as_user(kStranger, [&] { return say_and_hear(services(), SOCK_SEQPACKET, "x"); }), 0);
  EXPECT_NE(supervisor.log().find("a client of another user was turned away"), std::string::npos);
  EXPECT_EQ(supervisor.status().at("state"), "running");
  EXPECT_EQ(supervisor.settled_files().size(), fds);
}

// ---- processes that are no services ---------------------------------------------------------

TEST_F(SecurityTest, AProcessThatIsNoServiceGetsNothingFromTheServicesDoor) {
  supervisor.start(fake());
  const std::size_t fds = supervisor.settled_files().size();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(say_and_hear(services(), SOCK_SEQPACKET, "let me in"), 0);
  }
  EXPECT_EQ(supervisor.status().at("state"), "running");
  EXPECT_EQ(supervisor.settled_files().size(), fds);
}

TEST_F(SecurityTest, AServiceComesBackPastACrowdAtTheDoor) {
  run_service({echo()});
  const json before = supervisor.status();
  supervisor.kill();
  // As after a supervisor from before there were mailboxes: the door is the only way.
  const std::string file = supervisor.runtime() + "/state.json";
  json state = json::parse(read_file(file));
  state.at("services").at(0).at("processes").at(0).erase("mailbox");
  write_file(file, state.dump(), 0600);
  std::vector<std::unique_ptr<Process>> crowd;
  for (int i = 0; i < 3; ++i) {
    crowd.push_back(std::make_unique<Process>([this] {
      for (;;) (void)say_and_hear(services(), SOCK_SEQPACKET, "let me in");
      return 0;
    }));
  }
  run_service({echo()});
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  crowd.clear();
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

// ---- the folder -----------------------------------------------------------------------------

TEST_F(SecurityTest, WhatLiesWhereASocketShouldBeIsReplacedAndNotFollowed) {
  fs::create_directory(supervisor.runtime());
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
  const std::string victim = supervisor.dir() / "victim";
  write_file(victim, "precious");
  write_file(control(), "a file");
  fs::create_symlink(victim, services());
  fs::create_symlink(victim, supervisor.runtime() + "/state.json.new");
  supervisor.start(fake());
  EXPECT_TRUE(fs::is_socket(fs::symlink_status(control())));
  EXPECT_TRUE(fs::is_socket(fs::symlink_status(services())));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(supervisor.runtime() + "/state.json")));
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_EQ(fs::status(victim).permissions(), fs::perms(0644));
}

TEST_F(SecurityTest, WhatCanNotBeReplacedIsRefusedByName) {
  fs::create_directory(supervisor.runtime());
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
  const std::string victim = supervisor.dir() / "victim";
  write_file(victim, R"({"format":1,"boot":"","services":[]})");
  const std::string before = read_file(victim);
  for (const char* name : {"control.sock", "services.sock"}) {
    const std::string path = supervisor.runtime() + "/" + name;
    fs::create_directory(path);
    const Outcome outcome = start_fails();
    EXPECT_EQ(outcome.status, 1) << name;
    EXPECT_NE(outcome.err.find(path), std::string::npos) << outcome.err;
    fs::remove(path);
  }
  for (const char* name : {"state.json", "lock"}) {
    const std::string path = supervisor.runtime() + "/" + name;
    fs::remove(path);
    for (const std::string& target : {victim, supervisor.dir() / "nothing"}) {
      fs::create_symlink(target, path);
      const Outcome outcome = start_fails();
      EXPECT_EQ(outcome.status, 1) << name;
      EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
      fs::remove(path);
    }
  }
  EXPECT_EQ(read_file(victim), before);
  EXPECT_FALSE(fs::exists(supervisor.dir() / "nothing"));
}

TEST_F(SecurityTest, AServiceIsNotCalledLikeAFolderOfAnother) {
  for (const std::string name : {".", "..", ".hidden"}) {
    supervisor.run({"--name", name, "--", echo()});
    const Outcome outcome = supervisor.process().finish();
    EXPECT_EQ(outcome.status, 2) << name;
    EXPECT_NE(outcome.err.find("is no name"), std::string::npos) << outcome.describe();
  }
  EXPECT_FALSE(fs::exists(supervisor.runtime() + "/choice.json"));
}

TEST_F(SecurityTest, AFolderThatTheGroupCanEnterIsRefused) {
  for (const mode_t mode : {0750, 0710, 0701, 0777}) {
    fs::create_directory(supervisor.runtime());
    ASSERT_EQ(::chmod(supervisor.runtime().c_str(), mode), 0);
    const Outcome outcome = start_fails();
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("chmod 700"), std::string::npos) << outcome.err;
    EXPECT_TRUE(fs::is_empty(supervisor.runtime())) << "nothing was begun in it";
    fs::remove(supervisor.runtime());
  }
}

// ---- operators ------------------------------------------------------------------------------

TEST_F(SecurityTest, ClientsThatSayNothingOfUseHoldUpNobody) {
  supervisor.start(fake());
  const std::size_t fds = supervisor.settled_files().size();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(connect_unix(control(), SOCK_STREAM));
    ASSERT_TRUE(clients.back().valid()) << std::strerror(errno);
    if (i % 2 != 0) send_all(clients.back().get(), "{\"command\":\"sta");
  }
  const Outcome status = supervisor.command({"status", "chat", "--json"});
  EXPECT_EQ(status.status, 0) << status.err;
  for (int i = 0; i < 300; ++i) {
    (void)say_and_hear(control(), SOCK_STREAM, std::string(5000, static_cast<char>(i)) + "\n");
  }
  EXPECT_EQ(supervisor.upgrade_with({}).status, 0);
  clients.clear();
  // A thread may have a file open for a moment.
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.settled_files().size() == fds; }))
      << supervisor.settled_files().size() << " instead of " << fds;
}

// ---- what a service is given ----------------------------------------------------------------

class GivenTest : public SecurityTest {
 protected:
  GivenTest() : extra_(supervisor.dir() / "extra") { write_file(extra_, "not for services"); }

  // A shell that writes down which fds it has, and becomes the service.
  std::vector<std::string> command() const {
    const std::string file = supervisor.dir() / "given";
    return {"/bin/sh", "-c",
            "(ls /proc/$$/fd; echo control $HANDOFF_FD) > " + file + ".new; mv " + file + ".new " +
                file + "-$HANDOFF_GENERATION; exec " + echo()};
  }
  // As whoever starts the supervisor may have left open: fd 17, a file.
  void run_with_extra_fd() {
    const int file = ::open(extra_.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(::dup2(file, 17), 17);
    ::close(file);
    run_service(command());
    ::close(17);
    EXPECT_TRUE(has_extra(supervisor.pid())) << "else this shows nothing";
  }
  bool has_extra(pid_t pid) const {
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      std::error_code gone;
      if (fs::read_symlink(entry.path(), gone) == extra_) return true;
    }
    return false;
  }
  void expect_given_exactly(int generation) {
    std::istringstream text(read_file(supervisor.dir() / ("given-" + std::to_string(generation))));
    std::set<std::string> fds;
    std::string word;
    while (text >> word && word != "control") fds.insert(word);
    text >> word;
    EXPECT_EQ(fds, (std::set<std::string>{"0", "1", "2", word})) << "generation " << generation;
    const json now = supervisor.status();
    EXPECT_EQ(now.at("generation"), generation);
    EXPECT_FALSE(has_extra(now.at("pid").get<pid_t>()));
  }
  void upgrade() {
    const auto with = command();
    const auto upgraded = supervisor.command({"upgrade", "chat", with[0], "--", with[1], with[2]});
    EXPECT_EQ(upgraded.status, 0) << upgraded.err << supervisor.log();
  }

  std::string extra_;
};

TEST_F(GivenTest, NoFdReachesAServiceByAccident) {
  run_with_extra_fd();
  expect_given_exactly(1);
  upgrade();
  expect_given_exactly(2);
  supervisor.kill();
  run_with_extra_fd();
  expect_given_exactly(2);  // adopted
  upgrade();
  expect_given_exactly(3);
  const Outcome self = supervisor.command({"upgrade", "--self"});
  ASSERT_EQ(self.status, 0) << self.err;
  upgrade();
  expect_given_exactly(4);
}

// ---- services that send nonsense ------------------------------------------------------------

std::uint64_t peak_kib(pid_t pid) { return status_field(pid, "VmHWM"); }

std::string repeated(const std::string& bytes, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += bytes;
  return out;
}

struct Nonsense {
  const char* name;
  const char* type;
  std::string body;
  friend void PrintTo(const Nonsense& nonsense, std::ostream* out) { *out << nonsense.name; }
};

class NonsenseTest : public SecurityTest, public testing::WithParamInterface<Nonsense> {};

// Its control socket is closed; what it serves it goes on serving.
TEST_P(NonsenseTest, CostsAServiceItsControlSocketAndTheSupervisorNothing) {
  const std::string file = supervisor.dir() / "frame";
  write_file(file, GetParam().body);
  Supervisor calm;
  calm.start(fake());
  const auto before = peak_kib(calm.pid());
  ASSERT_GT(before, 0U);
  supervisor.start(fake({"--frame", std::string(GetParam().type) + ":" + file}));
  EXPECT_TRUE(supervisor.says("broke the protocol")) << supervisor.log();
  EXPECT_LT(peak_kib(supervisor.pid()), before + 48 * 1024);
  EXPECT_EQ(supervisor.status().at("state"), "running");
  EXPECT_NE(ask_service(supervisor), "refused");
}

// Field numbers and wire types as handoff.proto has them; see PROTOCOL.md for the encoding.
INSTANTIATE_TEST_SUITE_P(
    Frames, NonsenseTest,
    testing::Values(
        Nonsense{"ManyNamedFds", "owner", repeated(std::string("\x1a\x00", 2), 90'000)},
        Nonsense{"ManyLostSessions", "owner",
                 std::string("\x32\xa0\x8d\x06", 4) + std::string(100'000, '\x01')},
        Nonsense{"ManyKinds", "register",
                 std::string("\x22\xa0\x8d\x06", 4) + repeated(std::string("\x1a\x00", 2), 50'000)},
        Nonsense{"ManyClaims", "register",
                 std::string("\x22\xa0\x8d\x06", 4) + repeated(std::string("\x22\x00", 2), 50'000)},
        Nonsense{"DeepNesting", "register", std::string(150'000, '\x7b')},
        Nonsense{"ALengthBeyondTheFrame", "register", std::string("\x22\xff\xff\xff\xff\x07", 6)},
        Nonsense{"AListBeyondTheFrame", "owner", std::string("\x32\xff\xff\xff\xff\x07\x01", 7)},
        Nonsense{"ANumberWithoutEnd", "status", std::string("\x08") + std::string(20, '\xff')},
        Nonsense{"AMessageOfTheSupervisors", "start", ""}),
    [](const auto& nonsense) { return std::string(nonsense.param.name); });

}  // namespace
}  // namespace handoff::test
