// Starting, crashing, stopping: what a service is given, and what becomes of its clients meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

using LifecycleTest = SupervisorTest;

TEST_F(LifecycleTest, StatusHasWhatTheDocsSay) {
  supervisor.start(fake({"--release", "1.0", "--sessions", "7"}));
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
  const Outcome people = supervisor.command({"status"});
  EXPECT_NE(people.out.find("SERVICE"), std::string::npos);
  EXPECT_NE(people.out.find("chat     running"), std::string::npos);
}

TEST_F(LifecycleTest, AServiceIsGivenItsSocketAndNothingElse) {
  supervisor.start(fake());
  const std::string out = supervisor.process().out();
  const std::string pid = std::to_string(supervisor.service_pid());
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
  supervisor.start(fake());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit of_service{};
  ASSERT_EQ(::prlimit(supervisor.service_pid(), RLIMIT_NOFILE, nullptr, &of_service), 0);
  EXPECT_EQ(of_service.rlim_cur, 512U);
  rlimit of_supervisor{};
  ASSERT_EQ(::prlimit(supervisor.pid(), RLIMIT_NOFILE, nullptr, &of_supervisor), 0);
  EXPECT_EQ(of_supervisor.rlim_cur, limit.rlim_max);
}

TEST_F(LifecycleTest, ACrashRefusesNobody) {
  supervisor.start(fake());
  const int port = supervisor.port();
  const json before = supervisor.status();
  ::kill(supervisor.service_pid(), SIGKILL);
  const UniqueFd client = connect_tcp(port);  // at once, and again while it waits
  ASSERT_TRUE(client.valid());
  EXPECT_EQ(read_to_end(client.get()), "1.0 2\n");
  const json after = supervisor.status();
  EXPECT_EQ(after.at("restarts"), 1);
  EXPECT_EQ(after.at("digest"), before.at("digest"));
  EXPECT_NE(supervisor.log().find("was killed by SIGKILL"), std::string::npos);
}

TEST_F(LifecycleTest, ACrashedServiceRunsTheSameFileAgain) {
  const std::string path = supervisor.dir() / "service";
  std::filesystem::copy_file(fake_service(), path);
  supervisor.start({.command = {path}, .name = "chat"});
  std::filesystem::remove(path);
  write_file(path, "garbage", 0755);
  ::kill(supervisor.service_pid(), SIGKILL);
  EXPECT_TRUE(supervisor.eventually([&] { return ask_service(supervisor) == "1.0 2"; }));
}

TEST_F(LifecycleTest, AServiceThatDiesAtOnceIsNotStartedAThousandTimes) {
  supervisor.run({"--name", "chat", "--", fake_service(), "--fresh", "exit=3"});
  ASSERT_TRUE(supervisor.says("next start in 400 ms"));
  EXPECT_NE(supervisor.log().find("it exited with status 3 before it was ready"),
            std::string::npos);
  EXPECT_LE(supervisor.status().at("restarts"), 5);
}

TEST_F(LifecycleTest, AServiceThatNeverServesIsKilledAndTriedAgain) {
  supervisor.run(
      {"--name", "chat", "--start-timeout", "200ms", "--", fake_service(), "--fresh", "mute"});
  EXPECT_TRUE(supervisor.says("it is ready but does not say that it serves"));
  supervisor.wait_for_status([](const json& now) { return now.at("restarts") > 0; });
}

TEST_F(LifecycleTest, AProgramThatDoesNotLinkTheLibraryIsToldSo) {
  supervisor.run({"--name", "chat", "--start-timeout", "200ms", "--", "/bin/sleep", "1000"});
  ASSERT_TRUE(supervisor.says(
      "it was not ready in time and was ended: it has not registered, as every program does that "
      "links libhandoff"));
  const json status = supervisor.status();
  EXPECT_TRUE(status.at("standing").is_null()) << "it never came up";
}

// Ten minutes are left to a process that says nothing, and nobody has to wait for them.
TEST_F(LifecycleTest, OneThatHangsWhileItStartsMakesWayForAnotherRelease) {
  supervisor.run({"--name", "chat", "--listen", "public=tcp:127.0.0.1:0", "--start-timeout", "10m",
                  "--", fake_service(), "--fresh", "silent"});
  supervisor.wait_for_state("starting");
  const UniqueFd hangs = hold(supervisor.service_pid());
  const auto restarted = supervisor.begin({"restart", "chat"});
  EXPECT_TRUE(supervisor.says("generation 1 has not come up yet, and is ended"));
  EXPECT_TRUE(supervisor.says("as generation 2"));
  EXPECT_TRUE(wait_end(hangs));
  // Somebody waits for that start, and there is one operation at a time.
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 1);
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_EQ(restarted->wait(), 1);
  // From a start that nobody has asked for.
  ASSERT_EQ(supervisor.terminate().status, 0);
}

TEST_F(LifecycleTest, SoDoesOneThatStartsByItself) {
  supervisor.run({"--name", "chat", "--listen", "public=tcp:127.0.0.1:0", "--start-timeout", "10m",
                  "--", fake_service(), "--fresh", "silent"});
  supervisor.wait_for_state("starting");
  const Outcome upgraded = supervisor.command({"upgrade", "chat", "--", "--release", "2.0"});
  EXPECT_EQ(upgraded.status, 0) << upgraded.err;
  EXPECT_EQ(ask_service(supervisor), "2.0 2");
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

TEST_F(LifecycleTest, WithoutRestartItStaysDown) {
  supervisor.start(fake({}, {"--no-restart"}));
  ::kill(supervisor.service_pid(), SIGKILL);
  supervisor.wait_for_state("failed");
  const json problem = supervisor.status().at("problem");
  EXPECT_EQ(problem.at("message"), "it was killed by SIGKILL");
  EXPECT_TRUE(problem.at("next_start").is_null());
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_TRUE(supervisor.status().at("problem").is_null());
  EXPECT_EQ(ask_service(supervisor), "1.0 2");
}

TEST_F(LifecycleTest, StopAsksAndKeepsTheListeners) {
  supervisor.start(fake());
  const int port = supervisor.port();
  const Outcome stopped = supervisor.command({"stop", "chat"});
  EXPECT_EQ(stopped.status, 0);
  EXPECT_NE(supervisor.log().find("stopped by the protocol"), std::string::npos);
  const json status = supervisor.status();
  EXPECT_EQ(status.at("state"), "stopped");
  EXPECT_TRUE(status.at("pid").is_null());
  EXPECT_TRUE(status.at("sessions").is_null());
  const UniqueFd waiting = connect_tcp(port);
  ASSERT_TRUE(waiting.valid());
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0) << "a second time, too";
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_EQ(read_to_end(waiting.get()), "1.0 2\n");
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.history("stop").size() == 2; }));
  const json stop = supervisor.history("stop").front();
  EXPECT_EQ(stop.at("uid"), ::getuid());
  EXPECT_EQ(stop.at("from").at("release"), "1.0");
  EXPECT_TRUE(stop.contains("login_uid"));
  const auto starts = supervisor.history("start");
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_EQ(starts[0].at("uid"), ::getuid());
  EXPECT_EQ(starts[0].at("result"), "done");
  const Outcome people = supervisor.command({"history"});
  EXPECT_NE(people.out.find("stop "), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("start "), std::string::npos) << people.out;
}

TEST_F(LifecycleTest, ACrashIsInTheHistoryWithHowItEndedAndWhatItCost) {
  supervisor.start(fake({"--sessions", "3"}));
  EXPECT_EQ(supervisor.status().at("sessions"), 3);
  ::kill(supervisor.service_pid(), SIGKILL);
  ASSERT_TRUE(supervisor.eventually([&] { return !supervisor.history("crash").empty(); }));
  const json crash = supervisor.history("crash").front();
  EXPECT_EQ(crash.at("error").at("message"), "it was killed by SIGKILL") << crash;
  EXPECT_EQ(crash.at("sessions").at("lost"), 3) << crash;
  EXPECT_EQ(crash.at("from").at("generation"), 1) << crash;
  EXPECT_EQ(crash.at("by"), "service") << crash;
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_EQ(supervisor.history("crash").size(), 1U) << "a stop is none";
  const Outcome people = supervisor.command({"history"});
  EXPECT_NE(people.out.find("crash"), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("itself"), std::string::npos) << people.out;
}

TEST_F(LifecycleTest, StopKillsAfterTheDrain) {
  supervisor.start(fake({"--ignore", "stop"}, {"--drain", "100ms"}));
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_NE(supervisor.log().find("was killed by SIGKILL"), std::string::npos);
}

TEST_F(LifecycleTest, AHungServiceHasNoSessionsToShow) {
  supervisor.start(fake({"--sessions", "3"}));
  const pid_t pid = supervisor.service_pid();
  ::kill(pid, SIGSTOP);
  const json status = supervisor.status();
  EXPECT_TRUE(status.at("sessions").is_null());
  EXPECT_EQ(status.at("state"), "running");
  for (int i = 0; i < 100; ++i) supervisor.command({"status", "nobody"});
  ::kill(pid, SIGCONT);
  EXPECT_EQ(supervisor.status().at("sessions"), 3);
}

TEST_F(LifecycleTest, AnIdleSupervisorSleeps) {
  supervisor.start(fake());
  const auto switches = [&] {
    return status_field(supervisor.pid(), "voluntary_ctxt_switches") +
           status_field(supervisor.pid(), "nonvoluntary_ctxt_switches");
  };
  supervisor.settle();
  // What a start leaves to be written may still wake it. Then the time itself is what is tested:
  // nothing happens in it.
  bool slept = false;
  for (int i = 0; i < 4 && !slept; ++i) {
    const auto before = switches();
    EXPECT_FALSE(supervisor.process().wait(Deadline::in(1500ms)));
    slept = switches() == before;
  }
  EXPECT_TRUE(slept) << "it woke up in each of four times 1.5 s";
}

// ---- Unix sockets ---------------------------------------------------------------------------

TEST_F(LifecycleTest, UnixListenersReplaceStaleSocketsOnlyAndCleanUp) {
  const std::string path = supervisor.dir() / "service.sock";
  {
    // What a dead process leaves behind.
    const UniqueFd stale = listen_unix(path, SOCK_STREAM);
  }
  auto options = fake();
  options.listeners = {"local=unix:" + path,
                       "hidden=unix:@handoff-test-" + std::to_string(::getpid()),
                       "packets=udp:127.0.0.1:0"};
  supervisor.start(options);
  EXPECT_EQ(supervisor.status().at("listeners").at(0).at("address"), "unix:" + path);
  // Another supervisor may not take it.
  Supervisor other;
  other.run({"--name", "chat", "--listen", "local=unix:" + path, "--", fake_service()});
  const Outcome refused = other.process().finish();
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("is in use"), std::string::npos) << refused.err;
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LifecycleTest, AUnixPathThatIsSomebodyElsesStays) {
  const std::string path = supervisor.dir() / "service.sock";
  auto options = fake();
  options.listeners = {"local=unix:" + path};
  supervisor.start(options);
  std::filesystem::remove(path);
  write_file(path, "not yours");
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_EQ(read_file(path), "not yours");
}

TEST_F(LifecycleTest, APathThatIsNoSocketIsRefused) {
  const std::string path = supervisor.dir() / "precious";
  write_file(path, "precious");
  supervisor.run({"--name", "chat", "--listen", "local=unix:" + path, "--", fake_service()});
  const Outcome refused = supervisor.process().finish();
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("is no socket"), std::string::npos);
  EXPECT_EQ(read_file(path), "precious");
}

}  // namespace
}  // namespace handoff::test
