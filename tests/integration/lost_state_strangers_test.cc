// What the supervisor before knew is lost, or wrong, and no stranger is taken for one of its
// services.
#include "lost_state.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

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

}  // namespace
}  // namespace handoff::test
