// Starting, crashing, stopping: what a service is given, and what becomes of its clients meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "supervised.h"

namespace handoff::test::supervised {
namespace {

using nlohmann::json;

class LifecycleTest : public testing::Test {
 protected:
  pid_t service_pid() { return supervisor.status().at("pid").get<pid_t>(); }
  Supervised supervisor;
};

TEST_F(LifecycleTest, StatusHasWhatDesignSays) {
  supervisor.start({"--release", "1.0", "--sessions", "7"});
  const json status = supervisor.status();
  EXPECT_EQ(status.at("name"), "chat");
  EXPECT_EQ(status.at("state"), "running");
  EXPECT_EQ(status.at("release"), "1.0");
  EXPECT_EQ(status.at("digest").get<std::string>().size(), 64U);
  EXPECT_EQ(status.at("generation"), 1);
  EXPECT_EQ(status.at("sessions"), 7);
  EXPECT_EQ(status.at("path"), fake_service());
  EXPECT_EQ(status.at("listeners").at(0).at("name"), "public");
  EXPECT_GT(supervisor.port(), 0);
  const Outcome people = supervisor.cli({"status"});
  EXPECT_NE(people.out.find("SERVICE"), std::string::npos);
  EXPECT_NE(people.out.find("chat     running"), std::string::npos);
}

TEST_F(LifecycleTest, AServiceIsGivenItsSocketAndNothingElse) {
  supervisor.start({});
  const std::string out = supervisor.process().out();
  const std::string pid = std::to_string(service_pid());
  EXPECT_NE(out.find("pid=" + pid + " HANDOFF_PID=" + pid +
                     " HANDOFF_SERVICE=chat HANDOFF_GENERATION=1 NOTIFY_SOCKET=unset"),
            std::string::npos)
      << out;
  // 0, 1, 2 and the control socket.
  const std::size_t at = out.find("HANDOFF_FD=") + 11;
  const std::string control = out.substr(at, out.find('\n', at) - at);
  EXPECT_NE(out.find("fds: 0 1 2 " + control + " HANDOFF_FD"), std::string::npos) << out;
}

TEST_F(LifecycleTest, AServiceHasTheSupervisorsOriginalFileLimit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit lowered{512, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  supervisor.start({});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit of_service{};
  ASSERT_EQ(::prlimit(service_pid(), RLIMIT_NOFILE, nullptr, &of_service), 0);
  EXPECT_EQ(of_service.rlim_cur, 512U);
  rlimit of_supervisor{};
  ASSERT_EQ(::prlimit(supervisor.pid(), RLIMIT_NOFILE, nullptr, &of_supervisor), 0);
  EXPECT_EQ(of_supervisor.rlim_cur, limit.rlim_max);
}

TEST_F(LifecycleTest, ACrashRefusesNobody) {
  supervisor.start({});
  const int port = supervisor.port();
  const json before = supervisor.status();
  ::kill(service_pid(), SIGKILL);
  const int client = connect_to(port);  // at once, and again while it waits
  ASSERT_GE(client, 0);
  EXPECT_EQ(read_all(client), "1.0 2\n");
  ::close(client);
  const json after = supervisor.status();
  EXPECT_EQ(after.at("restarts"), 1);
  EXPECT_EQ(after.at("digest"), before.at("digest"));
  EXPECT_NE(supervisor.log().find("was killed by SIGKILL"), std::string::npos);
}

TEST_F(LifecycleTest, ACrashedServiceRunsTheSameFileAgain) {
  const std::string path = supervisor.dir() / "service";
  std::filesystem::copy_file(fake_service(), path);
  supervisor.run({"--name", "chat", "--listen", "public=tcp:127.0.0.1:0", "--", path});
  ASSERT_TRUE(supervisor.wait_for_state("running"));
  std::filesystem::remove(path);
  write_file(path, "garbage", 0755);
  ::kill(service_pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return supervisor.ask_service() == "1.0 2"; }));
}

TEST_F(LifecycleTest, AServiceThatDiesAtOnceIsNotStartedAThousandTimes) {
  supervisor.run({"--name", "chat", "--", fake_service(), "--fresh", "exit=3"});
  ASSERT_TRUE(eventually(
      [&] { return supervisor.log().find("next start in 400 ms") != std::string::npos; }));
  EXPECT_NE(supervisor.log().find("it exited with status 3 before it was ready"),
            std::string::npos);
  EXPECT_LE(supervisor.status().at("restarts"), 5);
}

TEST_F(LifecycleTest, AServiceThatNeverServesIsKilledAndTriedAgain) {
  supervisor.run(
      {"--name", "chat", "--start-timeout", "200ms", "--", fake_service(), "--fresh", "mute"});
  EXPECT_TRUE(eventually([&] {
    return supervisor.log().find("it is ready but does not say that it serves") !=
           std::string::npos;
  }));
  EXPECT_TRUE(eventually([&] { return supervisor.status().at("restarts").get<int>() > 0; }));
}

TEST_F(LifecycleTest, WithoutRestartItStaysDown) {
  supervisor.start({}, {"--no-restart"});
  ::kill(service_pid(), SIGKILL);
  EXPECT_TRUE(supervisor.wait_for_state("stopped"));
  EXPECT_EQ(supervisor.cli({"restart", "chat"}).status, 0);
  EXPECT_EQ(supervisor.ask_service(), "1.0 2");
}

TEST_F(LifecycleTest, StopAsksAndKeepsTheListeners) {
  supervisor.start({});
  const int port = supervisor.port();
  const Outcome stopped = supervisor.cli({"stop", "chat"});
  EXPECT_EQ(stopped.status, 0);
  EXPECT_NE(supervisor.log().find("stopped by the protocol"), std::string::npos);
  const json status = supervisor.status();
  EXPECT_EQ(status.at("state"), "stopped");
  EXPECT_TRUE(status.at("pid").is_null());
  EXPECT_TRUE(status.at("sessions").is_null());
  const int waiting = connect_to(port);
  ASSERT_GE(waiting, 0);
  EXPECT_EQ(supervisor.cli({"stop", "chat"}).status, 0) << "a second time, too";
  EXPECT_EQ(supervisor.cli({"restart", "chat"}).status, 0);
  EXPECT_EQ(read_all(waiting), "1.0 2\n");
  ::close(waiting);
}

TEST_F(LifecycleTest, StopKillsAfterTheDrain) {
  supervisor.start({"--ignore", "stop"}, {"--drain", "100ms"});
  EXPECT_EQ(supervisor.cli({"stop", "chat"}).status, 0);
  EXPECT_NE(supervisor.log().find("was killed by SIGKILL"), std::string::npos);
}

TEST_F(LifecycleTest, AHungServiceHasNoSessionsToShow) {
  supervisor.start({"--sessions", "3"});
  const pid_t pid = service_pid();
  ::kill(pid, SIGSTOP);
  const json status = supervisor.status();
  EXPECT_TRUE(status.at("sessions").is_null());
  EXPECT_EQ(status.at("state"), "running");
  for (int i = 0; i < 100; ++i) supervisor.cli({"status", "nobody"});
  ::kill(pid, SIGCONT);
  EXPECT_EQ(supervisor.status().at("sessions"), 3);
}

TEST_F(LifecycleTest, AnIdleSupervisorSleeps) {
  supervisor.start({});
  const auto switches = [&] {
    const std::string status = read_file("/proc/" + std::to_string(supervisor.pid()) + "/status");
    const std::size_t at = status.find("voluntary_ctxt_switches:");
    return status.substr(at);
  };
  const std::string before = switches();
  EXPECT_FALSE(eventually([&] { return switches() != before; }, 1500ms)) << "it woke up";
}

// ---- Unix sockets
// --------------------------------------------------------------------------------

TEST_F(LifecycleTest, UnixListenersReplaceStaleSocketsOnlyAndCleanUp) {
  const std::string path = supervisor.dir() / "service.sock";
  {
    // What a dead process leaves behind.
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    ASSERT_EQ(::bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(stale);
  }
  supervisor.run({"--name", "chat", "--listen", "local=unix:" + path, "--listen",
                  "hidden=unix:@handoff-test-" + std::to_string(::getpid()), "--listen",
                  "packets=udp:127.0.0.1:0", "--", fake_service()});
  ASSERT_TRUE(supervisor.wait_for_state("running"));
  EXPECT_EQ(supervisor.status().at("listeners").at(0).at("address"), "unix:" + path);
  // Another supervisor may not take it.
  Supervised other;
  other.run({"--name", "chat", "--listen", "local=unix:" + path, "--", fake_service()});
  const Outcome refused = other.process().wait();
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("is in use"), std::string::npos) << refused.err;
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LifecycleTest, AUnixPathThatIsSomebodyElsesStays) {
  const std::string path = supervisor.dir() / "service.sock";
  supervisor.run({"--name", "chat", "--listen", "local=unix:" + path, "--", fake_service()});
  ASSERT_TRUE(supervisor.wait_for_state("running"));
  std::filesystem::remove(path);
  write_file(path, "not yours");
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_EQ(read_file(path), "not yours");
}

TEST_F(LifecycleTest, APathThatIsNoSocketIsRefused) {
  const std::string path = supervisor.dir() / "precious";
  write_file(path, "precious");
  supervisor.run({"--name", "chat", "--listen", "local=unix:" + path, "--", fake_service()});
  const Outcome refused = supervisor.process().wait();
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("is no socket"), std::string::npos);
  EXPECT_EQ(read_file(path), "precious");
}

}  // namespace
}  // namespace handoff::test::supervised
