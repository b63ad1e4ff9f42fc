// The way in for operators: who may, who else is there, and clients that misbehave.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

class ControlTest : public SupervisorTest {
 protected:
  UniqueFd connect() {
    UniqueFd fd = connect_unix(supervisor.runtime() + "/control.sock", SOCK_STREAM);
    EXPECT_TRUE(fd.valid());
    return fd;
  }
  // What comes back for these bytes, until it is closed.
  std::string say(const std::string& bytes) {
    const UniqueFd fd = connect();
    // The supervisor may close it before it has taken all.
    (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return read_to_end(fd.get());
  }
};

TEST_F(ControlTest, ExitStatusesAreThoseOfTheDocs) {
  const Outcome nobody = supervisor.command({"status"});
  EXPECT_EQ(nobody.status, 3);
  EXPECT_NE(nobody.err.find("no supervisor runs here"), std::string::npos);
  for (const auto& usage :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"upgrade"},
                                             {"stop"},
                                             {"upgrade", "chat", "--drain", "3"},
                                             {"status", "--", "x"},
                                             {"run", "--name", "chat"},
                                             {"run", "--name", "a b", "--", "x"},
                                             {"completion", "fish"}}) {
    EXPECT_EQ(supervisor.command(usage).status, 2) << (usage.empty() ? "" : usage[0]);
  }
  supervisor.start(fake());
  const Outcome unknown = supervisor.command({"upgrade", "chta"});
  EXPECT_EQ(unknown.status, 4);
  EXPECT_NE(unknown.err.find("did you mean \"chat\""), std::string::npos);
  EXPECT_EQ(unknown.err.find("The log of the supervisor"), std::string::npos)
      << "nothing was begun: " << unknown.err;
  EXPECT_EQ(supervisor.command({"stop", "nobody", "--json"}).status, 4);
  EXPECT_EQ(supervisor.command({"status", "nobody"}).status, 4);
  EXPECT_EQ(supervisor.command({"--help"}).status, 0);
  EXPECT_EQ(supervisor.command({"upgrade", "--help"}).status, 0);
  EXPECT_EQ(supervisor.command({"--version"}).status, 0);
}

TEST_F(ControlTest, AWordThatIsNoCommandIsNamed) {
  const Outcome foo = supervisor.command({"foo"});
  EXPECT_EQ(foo.status, 2);
  EXPECT_NE(foo.err.find("handoff: unknown command \"foo\"\n"), std::string::npos) << foo.err;
  const Outcome near = supervisor.command({"upgrad", "chat", "--progressive", "1%"});
  EXPECT_EQ(near.status, 2);
  EXPECT_NE(near.err.find("unknown command \"upgrad\"; did you mean \"upgrade\"?"),
            std::string::npos)
      << near.err;
}

TEST_F(ControlTest, WhereNoReleaseWasStartedNoneHasPrintedAnything) {
  supervisor.start(fake());
  for (const char* command : {"upgrade", "restart", "rollback"}) {
    const Outcome unknown = supervisor.command({command, "chta"});
    EXPECT_EQ(unknown.err.find("log of the supervisor"), std::string::npos) << unknown.err;
  }
}

TEST_F(ControlTest, JsonForEveryFailure) {
  const json nobody = json::parse(supervisor.command({"status", "--json"}).out);
  EXPECT_EQ(nobody.at("error").at("code"), "no_supervisor");
  supervisor.start(fake());
  const json unknown = json::parse(supervisor.command({"upgrade", "x", "--json"}).out);
  EXPECT_EQ(unknown.at("event"), "done");
  EXPECT_EQ(unknown.at("error").at("code"), "no_service");
}

TEST_F(ControlTest, TheFolderAndTheSocketAreForOneUser) {
  supervisor.start(fake());
  struct stat found {};
  ASSERT_EQ(::stat(supervisor.runtime().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat((supervisor.runtime() + "/control.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(ControlTest, FoldersThatCantBeTrustedAreRefused) {
  fs::create_directory(supervisor.runtime());
  ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0755), 0);
  EXPECT_NE(start_fails().err.find("is open to others: chmod 700"), std::string::npos);
  fs::rename(supervisor.runtime(), supervisor.dir() / "elsewhere");
  fs::create_symlink(supervisor.dir() / "elsewhere", supervisor.runtime());
  EXPECT_NE(start_fails().err.find("is a symbolic link"), std::string::npos);
  EXPECT_EQ(supervisor.command({"doctor"}).status, 1);
  fs::remove(supervisor.runtime());
  if (::geteuid() == 0) {
    fs::create_directory(supervisor.runtime());
    ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
    ASSERT_EQ(::chown(supervisor.runtime().c_str(), 65534, 65534), 0);
    EXPECT_NE(start_fails().err.find("belongs to uid 65534"), std::string::npos);
  }
}

TEST_F(ControlTest, ASecondSupervisorIsRefusedAndADeadOneIsNot) {
  supervisor.start(fake());
  const Outcome refused = supervisor.command({"run", "--name", "other", "--", fake_service()});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("another supervisor already runs in"), std::string::npos);
  EXPECT_EQ(supervisor.status().at("state"), "running");
  // A dead one leaves its socket; nobody is fooled by it.
  supervisor.kill();
  ASSERT_TRUE(fs::exists(supervisor.runtime() + "/control.sock"));
  EXPECT_EQ(supervisor.command({"status"}).status, 3);
  supervisor.start(fake({"--release", "again"}));
  EXPECT_EQ(ask_service(supervisor), "again 2");
}

TEST_F(ControlTest, TheSocketGoesWithTheSupervisor) {
  supervisor.start(fake());
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_FALSE(fs::exists(supervisor.runtime() + "/control.sock"));
}

// ---- clients that misbehave -----------------------------------------------------------------

TEST_F(ControlTest, NonsenseIsAnsweredAndClosed) {
  supervisor.start(fake());
  for (const char* text :
       {"hello\n", "[]\n", "{}\n", "{\"command\":3}\n", "\n",
        "{\"command\":\"fly\",\"service\":\"chat\"}\n", "{\"command\":\"upgrade\"}\n",
        "{\"command\":\"status\",\"service\":3}\n",
        "{\"command\":\"upgrade\",\"service\":\"chat\",\"args\":\"x\"}\n",
        "{\"command\":\"upgrade\",\"service\":\"chat\",\"drain_us\":\"x\"}\n"}) {
    const std::string answer = say(text);
    EXPECT_NE(answer.find("\"code\":\"bad_request\""), std::string::npos) << text << answer;
  }
  // What the command line would not send, and what would only have hurt after the pause.
  for (const char* shares : {"[500,600]", "[]x", "[1001]", "[0,1000]", "[-1,1000]", "\"1%\""}) {
    const std::string answer =
        say("{\"command\":\"upgrade\",\"service\":\"chat\",\"shares\":" + std::string(shares) +
            ",\"pause_us\":1000}\n");
    EXPECT_NE(answer.find("\"code\":\"bad_request\""), std::string::npos) << shares << answer;
  }
  EXPECT_EQ(supervisor.status().at("generation"), 1);
  EXPECT_NE(say(std::string(70000, 'x')).find("longer than 64 KiB"), std::string::npos);
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

TEST_F(ControlTest, HalfARequestIsClosed) {
  supervisor.start(fake());
  const UniqueFd fd = connect();
  send_all(fd.get(), "{\"comm");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(read_to_end(fd.get()), "");
}

TEST_F(ControlTest, SilenceIsClosedAfterTenSecondsAndHoldsUpNobody) {
  supervisor.start(fake());
  const std::size_t fds = supervisor.settled_files().size();
  UniqueFd silent = connect();
  EXPECT_EQ(supervisor.status().at("state"), "running");
  EXPECT_NE(read_to_end(silent.get(), Deadline::in(12s)).find("no request within 10 s"),
            std::string::npos);
  silent.reset();
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.files().size() == fds; }));
}

TEST_F(ControlTest, OfTooManyClientsTheOldestThatAskNothingAreClosed) {
  supervisor.start(fake());
  const std::size_t fds = supervisor.settled_files().size();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect());
  EXPECT_EQ(read_to_end(clients.front().get()), "");
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.files().size() <= fds + 64; }));
  clients.clear();
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.files().size() == fds; }));
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

}  // namespace
}  // namespace handoff::test
