// A service that has changed its user, root or namespaces since it was started is adopted like any
// other: the way to it needs no path and no rights of its own, and is open to its supervisors
// alone.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string steps(int release) { return program("steps-" + std::to_string(release)); }

class MovedServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // What a dead supervisor leaves is ours to reap.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ASSERT_EQ(::geteuid(), 0U) << "only root can change all of that";
  }
  static Supervisor::Options moving_to(const std::string& where) {
    return {.command = {steps(1), "--moves", where}, .name = "steps"};
  }
  static void expect_same_process(const Supervisor& supervisor, const json& before) {
    const json now = supervisor.wait_for_status(
        [](const json& status) { return status.at("state") == "running"; });
    for (const char* same : {"pid", "generation", "release", "digest", "listeners"}) {
      EXPECT_EQ(now.at(same), before.at(same)) << same;
    }
  }
  // By all that a supervisor may be followed by, twice each: a way back must not be used up.
  static void come_back_to_all(Supervisor& supervisor) {
    const json before = supervisor.status();
    for (int i = 0; i < 2; ++i) {
      supervisor.kill();
      supervisor.start_again();
      expect_same_process(supervisor, before);
    }
    for (int i = 0; i < 2; ++i) {
      const auto self = supervisor.command({"upgrade", "--self", "--json"});
      ASSERT_EQ(self.status, 0) << self.describe();
      EXPECT_EQ(self.done().at("services"), (json{{{"name", "steps"}, {"state", "running"}}}));
      expect_same_process(supervisor, before);
    }
  }
};

struct Move {
  const char* name;
  const char* where;
};
void PrintTo(const Move& move, std::ostream* out) { *out << move.where; }

class EachMoveTest : public MovedServiceTest, public ::testing::WithParamInterface<Move> {};

TEST_P(EachMoveTest, ComesBackAndCanBeUpgraded) {
  const std::string where = GetParam().where;
  Supervisor supervisor(moving_to(where));
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  come_back_to_all(supervisor);
  EXPECT_EQ(client.ask("b"), "1 2 - -");
  const auto upgrade = supervisor.upgrade(steps(2), {"--moves", where});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 1);
  EXPECT_EQ(client.ask("c"), "2 3 - -");
  supervisor.settle();
  come_back_to_all(supervisor);
  EXPECT_EQ(client.ask("d"), "2 4 c -");
}

INSTANTIATE_TEST_SUITE_P(To, EachMoveTest,
                         ::testing::Values(Move{"AnotherUser", "user"}, Move{"AnotherRoot", "root"},
                                           Move{"AnotherMountNamespace", "mounts"},
                                           Move{"AnotherNetworkNamespace", "network"},
                                           Move{"AllOfThem", "all"}),
                         [](const auto& move) { return move.param.name; });

// As in a container, which has not the right to look into processes of other users.
TEST_F(MovedServiceTest, ASupervisorNeedsNoRightToTraceIt) {
  Supervisor::Options options = moving_to("all");
  options.wrapper = {"/usr/bin/setpriv", "--bounding-set", "-sys_ptrace", "--"};
  Supervisor supervisor(options);
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  come_back_to_all(supervisor);
  EXPECT_EQ(supervisor.upgrade(steps(2), {"--moves", "all"}).status, 0);
  EXPECT_EQ(client.ask("b"), "2 2 - -");
}

// The supervisor's child moves before it becomes the service.
TEST_F(MovedServiceTest, OneThatIsExecutedElsewhereComesBack) {
  for (const std::vector<std::string>& wrapper : std::vector<std::vector<std::string>>{
           {"/usr/bin/unshare", "--net"},
           {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}}) {
    std::vector<std::string> command = wrapper;
    command.insert(command.end(), {steps(1), "--moves", "mounts"});
    if (wrapper.size() > 2) command.resize(command.size() - 2);  // nobody can't mount
    Supervisor supervisor({.command = command, .name = "steps"});
    LineClient client(supervisor.port());
    ASSERT_EQ(client.ask("a"), "1 1 - -");
    come_back_to_all(supervisor);
    EXPECT_EQ(client.ask("b"), "1 2 - -");
  }
}

// ---- what the supervisor before knew is lost

TEST_P(EachMoveTest, IsFoundAndComesBackWithoutAStateFile) {
  Supervisor supervisor(moving_to(GetParam().where));
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  const json before = supervisor.status();
  for (int i = 0; i < 2; ++i) {
    supervisor.kill();
    std::filesystem::remove_all(supervisor.runtime());
    supervisor.start_again();
    expect_same_process(supervisor, before);
  }
  EXPECT_EQ(supervisor.upgrade(steps(2), {"--moves", GetParam().where}).status, 0);
  EXPECT_EQ(client.ask("b"), "2 2 - -");
}

// Without /proc a number alone says nothing. The process that holds the mailbox is the one.
TEST_F(MovedServiceTest, OneWhoseStartIsNotKnownComesBack) {
  Supervisor supervisor;
  supervisor.start(
      {.command = {"/usr/bin/env", "-u", "HANDOFF_RETURN",
                   "HANDOFF_RUNTIME_DIR=" + supervisor.runtime(), steps(1), "--moves", "all"},
       .name = "steps"});
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  const json before = supervisor.status();
  supervisor.kill();
  const std::string file = supervisor.runtime() + "/state.json";
  json state = json::parse(read_file(file));
  state.at("services").at(0).at("processes").at(0)["started"] = 0;
  write_file(file, state.dump(), 0600);
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("generation"), 1);
  EXPECT_EQ(client.ask("b"), "1 2 - -");
}

// ---- one that hangs

TEST_F(MovedServiceTest, OneThatIsStoppedComesBackWhenItWakesAndThatIsTheAdvice) {
  Supervisor supervisor(moving_to("all"));
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  const json before = supervisor.status();
  const pid_t pid = before.at("pid");
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  // More of them than letters fit into its mailbox.
  for (int i = 0; i < 12; ++i) {
    supervisor.kill();
    supervisor.run({"--name", "steps", "--listen", "public=tcp:127.0.0.1:0", "--", steps(1)});
    supervisor.wait_for_state("adopting");
  }
  const json problem = supervisor.status().at("problem");
  const std::string why = problem.is_object() ? problem.at("message") : json("");
  EXPECT_NE(why.find("kill -CONT " + std::to_string(pid)), std::string::npos) << problem;
  const auto refused = supervisor.upgrade(steps(2));
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_EQ(refused.done().at("error").at("code"), "busy");
  const std::string advice = refused.done().at("error").at("message");
  EXPECT_NE(advice.find("comes back by itself"), std::string::npos) << advice;
  ASSERT_EQ(::kill(pid, SIGCONT), 0);
  expect_same_process(supervisor, before);
  EXPECT_EQ(supervisor.status().at("problem"), nullptr);
  EXPECT_EQ(client.ask("b"), "1 2 - -");
}

// ---- others

// The names of this supervisor's mailboxes, as anybody on this host can see them. Those of tests
// beside this one come and go.
std::vector<std::string> mailboxes(const Supervisor& supervisor) {
  const std::string state = read_file(supervisor.runtime() + "/state.json");
  std::vector<std::string> out;
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    constexpr std::string_view kPrefix = "handoff/";
    const std::size_t at = line.find("@" + std::string(kPrefix));
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at + 1);
    if (state.find(name.substr(kPrefix.size())) != std::string::npos) out.push_back(name);
  }
  return out;
}

std::pair<sockaddr_un, socklen_t> abstract_address(const std::string& name) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path + 1, name.data(), name.size());
  return {out, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())};
}

// Another user writes to every mailbox until it is killed. A hundred of them write some ten
// thousand letters a second, and leave the processors to the supervisor for the rest of the time.
// started: where it says that it has written to each.
int write_to_all(const std::vector<std::string>& names, int started) {
  constexpr uid_t kStranger = 65533;
  if (::setgroups(0, nullptr) < 0 || ::setresgid(kStranger, kStranger, kStranger) < 0 ||
      ::setresuid(kStranger, kStranger, kStranger) < 0) {
    return 201;
  }
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  for (bool told = false;; told = true) {
    for (const std::string& name : names) {
      const auto [address, length] = abstract_address(name);
      const std::string letter(32, 'a');
      (void)!::sendto(fd.get(), letter.data(), letter.size(), 0,
                      reinterpret_cast<const sockaddr*>(&address), length);
    }
    if (!told) (void)!::write(started, "w", 1);
    (void)::poll(nullptr, 0, 5);
  }
}

TEST_F(MovedServiceTest, AHundredStrangersKeepNobodyOut) {
  Supervisor supervisor(moving_to("all"));
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  const auto names = mailboxes(supervisor);
  ASSERT_FALSE(names.empty());
  int started[2] = {-1, -1};
  ASSERT_EQ(::pipe2(started, O_CLOEXEC), 0);
  const UniqueFd said(started[0]);
  const UniqueFd say(started[1]);
  std::vector<std::unique_ptr<Process>> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.push_back(
        std::make_unique<Process>([&] { return write_to_all(names, say.get()); }, say.get()));
  }
  for (std::size_t i = 0; i < strangers.size(); ++i) {
    ASSERT_TRUE(readable(said.get()));
    char word = 0;
    ASSERT_EQ(::read(said.get(), &word, 1), 1);
  }
  // A service does not read its mailbox while it has a supervisor. There is room all the same.
  for (const std::string& name : names) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto [address, length] = abstract_address(name);
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    pollfd room{fd.get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&room, 1, 0), 1) << name << " is full";
  }
  come_back_to_all(supervisor);
  for (auto& stranger : strangers) EXPECT_TRUE(stranger->running());
  strangers.clear();
  EXPECT_EQ(client.ask("b"), "1 2 - -");
  EXPECT_EQ(supervisor.upgrade(steps(2), {"--moves", "all"}).status, 0);
}

// Neither can they have its name, or hand it a control socket of theirs.
TEST_F(MovedServiceTest, AStrangerIsNoSupervisor) {
  Supervisor supervisor(moving_to("all"));
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("a"), "1 1 - -");
  const json before = supervisor.status();
  supervisor.kill();
  const auto names = mailboxes(supervisor);
  ASSERT_FALSE(names.empty());
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  for (const std::string& name : names) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM, 0));
    auto [address, length] = abstract_address(name);
    EXPECT_LT(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(errno, EADDRINUSE);
    for (std::string letter : {std::string(32, '0'), std::string("handoff"), std::string(1, 'x')}) {
      iovec part{letter.data(), letter.size()};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
      msghdr message{};
      message.msg_name = &address;
      message.msg_namelen = length;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN(sizeof(int));
      const int number = theirs.get();
      std::memcpy(CMSG_DATA(cmsg), &number, sizeof number);
      EXPECT_GT(::sendmsg(fd.get(), &message, MSG_DONTWAIT), 0) << "who is refused is not told";
    }
  }
  theirs.reset();
  char word = 0;
  EXPECT_EQ(::recv(ours.get(), &word, 1, 0), 0) << "nobody else has it: it was dropped";
  supervisor.start_again();
  expect_same_process(supervisor, before);
}

}  // namespace
}  // namespace handoff::test
