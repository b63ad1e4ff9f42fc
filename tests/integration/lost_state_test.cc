// What the supervisor before knew is lost, or wrong: its services are found all the same, or come
// back by themselves, and no stranger is taken for one of them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }
// As a supervisor started it that did not say yet where its services return to: nobody can look for
// it, and it comes back by itself.
std::vector<std::string> unseen_echo() { return {"/usr/bin/env", "-u", "HANDOFF_RETURN", echo(1)}; }

class LostStateTest : public ::testing::Test {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  static std::string state_file(const Supervisor& supervisor) {
    return supervisor.runtime() + "/state.json";
  }
  // No event tells that another process has executed a program.
  static bool eventually(const std::function<bool()>& so) {
    const Deadline deadline = Deadline::patience();
    while (!so()) {
      if (deadline.passed()) return false;
      (void)::poll(nullptr, 0, 1);
    }
    return true;
  }
  // The service serves the same client, and can be upgraded.
  static void expect_in_order(const Supervisor& supervisor, LineClient& client,
                              const json& before) {
    const json now = supervisor.status();
    for (const char* same : {"pid", "generation", "release", "digest", "listeners"}) {
      EXPECT_EQ(now.at(same), before.at(same)) << same;
    }
    EXPECT_EQ(client.ask("still here"), "2 1 still here");
    const auto upgrade = supervisor.upgrade(echo(2));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 1);
    EXPECT_EQ(client.ask("and there"), "3 2 and there");
  }
};

// ---- the state file ------------------------------------------------------------------------

struct Loss {
  const char* name;
  std::function<void(const std::string& file)> happens;
};
void PrintTo(const Loss& loss, std::ostream* out) { *out << loss.name; }

class LostStateFileTest : public LostStateTest, public ::testing::WithParamInterface<Loss> {};

TEST_P(LostStateFileTest, TheServiceIsFoundAndGoesOn) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("first"), "1 1 first");
  supervisor.settle();
  const json before = supervisor.status();
  supervisor.kill();
  GetParam().happens(state_file(supervisor));
  supervisor.start_again();
  expect_in_order(supervisor, client, before);
}

// Nothing tells the next supervisor where to look. A port of its own is in the way of another
// start.
TEST_P(LostStateFileTest, TheServiceComesBackByItself) {
  const int port = port_of(listen_on_loopback().get());
  Supervisor supervisor({.command = unseen_echo(),
                         .listeners = {"public=tcp:127.0.0.1:" + std::to_string(port)},
                         .config = "drain = \"20s\"\n"});
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("first"), "1 1 first");
  supervisor.settle();
  const json before = supervisor.status();
  supervisor.kill();
  GetParam().happens(state_file(supervisor));
  supervisor.start_again();
  const json now = supervisor.status();
  for (const char* same : {"pid", "generation", "release", "listeners"}) {
    EXPECT_EQ(now.at(same), before.at(same)) << same << "\n" << supervisor.log();
  }
  EXPECT_EQ(client.ask("still here"), "2 1 still here");
  const auto upgraded = supervisor.upgrade(echo(2), {"--name", "echo"});
  EXPECT_EQ(upgraded.status, 0) << upgraded.describe() << supervisor.log();
}

INSTANTIATE_TEST_SUITE_P(
    By, LostStateFileTest,
    ::testing::Values(
        Loss{"Removal", [](const std::string& file) { fs::remove(file); }},
        Loss{"AnEmptyFile", [](const std::string& file) { write_file(file, "", 0600); }},
        Loss{"ABrokenFile", [](const std::string& file) { write_file(file, "{", 0600); }},
        Loss{"AFileOfNothing", [](const std::string& file) { write_file(file, "[]", 0600); }},
        Loss{"HalfAFile",
             [](const std::string& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
        Loss{"ANewerFormat",
             [](const std::string& file) {
               write_file(file, R"({"format":99,"boot":"","services":[]})", 0600);
             }},
        Loss{"AFolder",
             [](const std::string& file) {
               fs::remove(file);
               fs::create_directory(file);
             }},
        Loss{"TheRuntimeFolder",
             [](const std::string& file) { fs::remove_all(fs::path(file).parent_path()); }}),
    [](const auto& loss) { return loss.param.name; });

// Nothing is in the way of another start but the knowledge that there was one before.
TEST_F(LostStateTest, AfterABrokenFileAServiceIsWaitedFor) {
  Supervisor supervisor({.command = unseen_echo()});
  LineClient client(supervisor.port());
  const json before = supervisor.status();
  supervisor.kill();
  write_file(state_file(supervisor), "{", 0600);
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  kill_and_wait(hold(supervisor.service_pid()));
  supervisor.kill();
  write_file(state_file(supervisor), "{", 0600);
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("generation"), 1) << "but not for ever";
}

// The process may serve, so nothing is begun beside it, and nothing of it is forgotten. The
// supervisor waits for three seconds, which may be too short for this test on a busy host: then it
// tries again.
TEST_F(LostStateTest, OneThatIsWaitedForIsLeftAsItIs) {
  TempDir dir;
  const std::string file = dir / "handoff.toml";
  const auto service = [](const std::string& name, const std::string& command) {
    return "[service." + name + "]\ncommand = [" + command + "\"--name\", \"" + name +
           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  };
  const std::string other = service("other", "\"" + echo(1) + "\", ");
  std::string unseen;
  for (const std::string& word : unseen_echo()) unseen += "\"" + word + "\", ";
  const std::string both = service("echo", unseen) + other;
  write_file(file, both);
  Supervisor supervisor({.file = file});
  ASSERT_EQ(::kill(supervisor.status("echo").at("pid"), SIGSTOP), 0);
  const auto ask = [&](const std::string& request) {
    const UniqueFd fd = connect_unix(supervisor.runtime() + "/control.sock", SOCK_STREAM);
    send_all(fd.get(), request + "\n");
    const std::string said = read_to_end(fd.get());
    return json::parse(said.substr(0, said.find('\n')));
  };
  supervisor.kill();
  for (int attempt = 0; attempt < 5; ++attempt) {
    write_file(file, both);
    write_file(state_file(supervisor), "{", 0600);
    supervisor.run({"--config", file});
    ASSERT_TRUE(supervisor.says("echo: it may still run: it is waited for"));
    const json waiting = ask(R"({"command":"status","service":"echo"})").at("services").at(0);
    const json stop = ask(R"({"command":"stop","service":"echo"})");
    const json restart = ask(R"({"command":"restart","service":"echo"})");
    write_file(file, other);
    const json reload = ask(R"({"command":"reload"})");
    if (supervisor.process().err().find("echo: starting /") != std::string::npos) {
      ASSERT_EQ(supervisor.terminate().status, 0);
      continue;
    }
    EXPECT_EQ(waiting.at("state"), "adopting");
    EXPECT_EQ(waiting.at("problem").at("message"), "it may still run: it is waited for");
    for (const json& refused : {stop, restart}) {
      EXPECT_EQ(refused.at("error").at("code"), "busy") << refused;
      EXPECT_EQ(refused.at("error").at("message"),
                "echo may still run, and is waited for; try again in a moment");
    }
    EXPECT_NE(reload.at("unchanged").dump().find("no longer in the file, and still running"),
              std::string::npos)
        << reload;
    // Nobody came.
    supervisor.wait_for_state("running", "echo");
    EXPECT_EQ(supervisor.status("other").at("state"), "running");
    return;
  }
  FAIL() << "the supervisor has never waited for long enough";
}

TEST_F(LostStateTest, NorIsItForgottenByASupervisorThatEnds) {
  Supervisor supervisor({.command = unseen_echo()});
  LineClient client(supervisor.port());
  const pid_t pid = supervisor.service_pid();
  supervisor.kill();
  json state = json::parse(read_file(state_file(supervisor)));
  state.at("services").at(0).at("processes").at(0)["started"] = 0;
  write_file(state_file(supervisor), state.dump(), 0600);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  std::vector<std::string> arguments{"--name", "echo", "--listen", "public=tcp:127.0.0.1:0", "--"};
  for (const std::string& word : unseen_echo()) arguments.push_back(word);
  supervisor.run(arguments);
  ASSERT_TRUE(supervisor.says("echo: it may still run: it is waited for"));
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_NE(supervisor.log().find("echo may still run, and is left to the next supervisor"),
            std::string::npos)
      << supervisor.log();
  ASSERT_EQ(::kill(pid, SIGCONT), 0);
  supervisor.start_again();
  EXPECT_EQ(supervisor.service_pid(), pid);
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
}

TEST_F(LostStateTest, AFileThatCanNotBeReadIsKeptForPeople) {
  Supervisor supervisor({.command = {echo(1)}});
  supervisor.kill();
  write_file(state_file(supervisor), "{", 0600);
  supervisor.start_again();
  EXPECT_EQ(read_file(supervisor.runtime() + "/state.json.bad"), "{");
  EXPECT_NE(supervisor.log().find("state.json can't be read"), std::string::npos);
}

// As after a disk that was full for a while.
TEST_F(LostStateTest, AProcessThatIsNewerThanTheFileIsTheOneThatServes) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  const std::string old = read_file(state_file(supervisor));
  ASSERT_EQ(supervisor.upgrade(echo(2), {}, {"--probation", "0s"}).status, 0);
  supervisor.settle();
  const json before = supervisor.status();
  supervisor.kill();
  write_file(state_file(supervisor), old, 0600);
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  EXPECT_EQ(client.ask("hello"), "1 2 hello");
  // A crash brings back what ran, not what the configuration names.
  kill_and_wait(hold(supervisor.service_pid()));
  const json again = supervisor.wait_for_status([&](const json& now) {
    return now.at("state") == "running" && now.at("pid") != before.at("pid");
  });
  EXPECT_EQ(again.at("release"), "2.0");
  EXPECT_EQ(again.at("generation"), 3);
}

// Of a handoff that nobody knows of any more, the processes say who owns.
TEST_F(LostStateTest, OfTwoProcessesTheOneThatOwnsServes) {
  Supervisor supervisor({.command = {echo(1)},
                         .run_flags = {"--stall-timeout", "2s"},
                         .environment = {{"HANDOFF_FAILPOINT", "heir.hello.received=stop"}}});
  LineClient client(supervisor.port());
  const json before = supervisor.status();
  const auto upgrade = supervisor.begin({"upgrade", "echo", echo(2)});
  supervisor.wait_for_state("upgrading");
  ASSERT_TRUE(supervisor.says("handoff to generation 2: copy"));
  supervisor.kill();
  fs::remove(state_file(supervisor));
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  const json now = supervisor.wait_for_status([](const json& status) {
    return status.at("state") == "running" && status.at("generation") == 1;
  });
  EXPECT_EQ(now.at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
}

// ---- strangers -----------------------------------------------------------------------------

TEST_F(LostStateTest, AStrangerWithItsNumberIsNeitherAdoptedNorSignalled) {
  for (const bool without_proc : {false, true}) {
    Supervisor supervisor({.command = {echo(1)}});
    const UniqueFd service = hold(supervisor.service_pid());
    supervisor.kill();
    kill_and_wait(service);
    Process stranger([] { return wait_to_be_killed(); });
    json state = json::parse(read_file(state_file(supervisor)));
    json& process = state.at("services").at(0).at("processes").at(0);
    process["pid"] = stranger.pid();
    // Without /proc nobody knows when a process was started.
    if (without_proc) process["started"] = 0;
    write_file(state_file(supervisor), state.dump(), 0600);
    supervisor.start_again();
    EXPECT_NE(supervisor.service_pid(), stranger.pid());
    EXPECT_EQ(supervisor.status().at("generation"), 2);
    EXPECT_EQ(supervisor.terminate().status, 0);
    EXPECT_TRUE(stranger.running()) << without_proc;
  }
}

// A process belongs to the user that runs it, also in a program that has another user's rights, and
// which /proc/PID shows as that user's.
TEST_F(LostStateTest, AStrangerInASetuidProgramIsNotBelieved) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can act as another user";
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  const json before = supervisor.status();
  supervisor.kill();
  fs::remove(state_file(supervisor));
  const std::string program = supervisor.dir() / "sleep";
  fs::copy_file("/bin/sleep", program);
  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  ASSERT_EQ(::chmod(supervisor.dir().path().c_str(), 0755), 0);
  Process stranger([&] {
    constexpr uid_t kStranger = 65533;
    if (::setresuid(kStranger, kStranger, kStranger) < 0) return 201;
    ::setenv("HANDOFF_RETURN", (supervisor.runtime() + "/services.sock").c_str(), 1);
    ::setenv("HANDOFF_SERVICE", "echo", 1);
    ::setenv("HANDOFF_GENERATION", "7", 1);
    ::setenv("HANDOFF_PID", std::to_string(::getpid()).c_str(), 1);
    ::execl(program.c_str(), "sleep", "1000", nullptr);
    return 202;
  });
  const std::string proc = "/proc/" + std::to_string(stranger.pid());
  ASSERT_TRUE(eventually([&] {
    struct stat found {};
    return fs::read_symlink(proc + "/exe") == program && ::stat(proc.c_str(), &found) == 0 &&
           found.st_uid == 0;
  }));
  supervisor.start_again();
  const json now = supervisor.status();
  EXPECT_EQ(now.at("pid"), before.at("pid"));
  EXPECT_EQ(now.at("generation"), 1);
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  EXPECT_EQ(supervisor.log().find(std::to_string(stranger.pid())), std::string::npos)
      << supervisor.log();
}

// As in two containers that share their processes: each has a folder of its own by that path.
TEST_F(LostStateTest, AServiceOfAnotherSupervisorIsNotFound) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can mount";
  Supervisor supervisor;
  const std::string hide = "mount -t tmpfs none '" + supervisor.dir().path() + "' && exec \"$@\"";
  Process other({"/usr/bin/unshare", "-m", "/bin/sh", "-c", hide, "sh", program("handoff"), "run",
                 "--name", "echo", "--", echo(1)},
                {{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
  const std::string runs = "echo: running: generation 1, release 1.0, pid ";
  ASSERT_TRUE(other.wait_for_output(runs)) << other.err();
  const pid_t its = std::stoi(other.err().substr(other.err().find(runs) + runs.size()));
  supervisor.start({.command = {echo(1)}});
  EXPECT_NE(supervisor.service_pid(), its);
  EXPECT_EQ(supervisor.log().find(std::to_string(its)), std::string::npos) << supervisor.log();
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_EQ(::kill(its, 0), 0) << "it was signalled";
  other.signal(SIGTERM);
  EXPECT_EQ(other.wait(), 0);
}

// Its number alone says nothing, its word does.
TEST_F(LostStateTest, AProcessWhoseStartIsNotKnownIsWaitedFor) {
  Supervisor supervisor({.command = unseen_echo()});
  LineClient client(supervisor.port());
  const json before = supervisor.status();
  supervisor.kill();
  json state = json::parse(read_file(state_file(supervisor)));
  state.at("services").at(0).at("processes").at(0)["started"] = 0;
  write_file(state_file(supervisor), state.dump(), 0600);
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("generation"), 1);
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
}

TEST_F(LostStateTest, AnOrphanThatHasTheAddressIsNamed) {
  Supervisor supervisor({.command = {echo(1)}});
  const std::string address = supervisor.status().at("listeners").at(0).at("address");
  const std::string pid = std::to_string(supervisor.service_pid());
  supervisor.kill();
  supervisor.run({"--config", [&] {
                    const std::string file = supervisor.dir() / "other.toml";
                    write_file(file, "[service.other]\ncommand = [\"" + echo(1) +
                                         "\", \"--name\", \"other\"]\nlisten = { public = \"" +
                                         address + "\" }\n");
                    return file;
                  }()});
  EXPECT_TRUE(supervisor.says("generation 1 of echo (pid " + pid +
                              ") of the supervisor before this one has it"))
      << supervisor.log();
  supervisor.wait_for_state("backoff", "other");
}

// ---- the runtime folder of a supervisor that runs ------------------------------------------

TEST_F(LostStateTest, ARuntimeFolderThatIsRemovedIsMadeAnew) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  supervisor.settle();
  const json before = supervisor.status();
  for (const auto& happens : std::vector<std::function<void()>>{
           [&] { fs::remove_all(supervisor.runtime()); },
           [&] { fs::rename(supervisor.runtime(), supervisor.dir() / "elsewhere"); },
           [&] { fs::remove(supervisor.runtime() + "/control.sock"); },
           [&] { fs::remove(supervisor.runtime() + "/services.sock"); },
           [&] { fs::remove(supervisor.runtime() + "/lock"); }}) {
    happens();
    const std::string runtime = supervisor.runtime();
    for (const char* name : {"/lock", "/control.sock", "/services.sock", "/state.json"}) {
      ASSERT_TRUE(supervisor.eventually([&] { return fs::exists(runtime + name); })) << name;
    }
    struct stat folder {};
    ASSERT_EQ(::stat(runtime.c_str(), &folder), 0);
    EXPECT_EQ(folder.st_mode & 0777, 0700U);
    ASSERT_TRUE(supervisor.eventually([&] { return supervisor.command({"status"}).status == 0; }));
    EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
    // A second supervisor is refused there.
    EXPECT_EQ(test::run({program("handoff"), "run", "--name", "a", "--", "/bin/true"},
                        {{"HANDOFF_RUNTIME_DIR", runtime}})
                  .status,
              1);
  }
  supervisor.kill();
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
}

}  // namespace
}  // namespace handoff::test
