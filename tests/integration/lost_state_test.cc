// What the supervisor before knew is lost, or wrong: its services are found all the same, or come
// back by themselves.
#include "lost_state.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

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

// A donor may be there for as long as its drain, and runs another release than was chosen.
TEST_F(LostStateTest, ADonorThatLeavesTakesNothingFromTheReleaseThatServes) {
  Supervisor supervisor(
      {.command = {echo(1)}, .environment = {{"HANDOFF_FAILPOINT", "donor.retire.after=stop"}}});
  LineClient client(supervisor.port());
  ASSERT_EQ(supervisor.upgrade(echo(2), {}, {"--probation", "1h"}).status, 0);
  const json before =
      supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  ASSERT_EQ(before.at("leaving").size(), 1U);
  supervisor.kill();
  fs::remove(state_file(supervisor));
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  const json now = supervisor.wait_for_status(
      [](const json& status) { return status.at("state") == "running"; });
  for (const char* same : {"pid", "generation", "release", "standing", "back"}) {
    EXPECT_EQ(now.at(same), before.at(same)) << same;
  }
  EXPECT_EQ(client.ask("hello"), "1 2 hello");
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

// ---- the runtime folder of a supervisor that runs ------------------------------------------

TEST_F(LostStateTest, ARuntimeFolderThatIsRemovedIsMadeAnew) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  supervisor.settle();
  const json before = supervisor.status();
  for (const auto& happens : std::vector<std::function<void()>>{
           [&] {
             // What is made anew meanwhile may be in its way, as in an operator's.
             std::error_code ignored;
             fs::remove_all(supervisor.runtime(), ignored);
           },
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
