// What the configuration says of a listener beside its address, on real sockets: when it is bound,
// at a reload, and under the next supervisor.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class ListenOptionsTest : public SupervisorTest {
 protected:
  std::string config(const std::string& listener) const {
    return "[service.chat]\ncommand = [\"" + fake_service() + "\"]\n[service.chat.listen]\n" +
           "public = { address = \"tcp:127.0.0.1:0\", backlog = 9 }\n" + "local = " + listener +
           "\n";
  }
  std::string unix_table(const std::string& more) const {
    return "{ address = \"unix:" + socket + "\", " + more + " }";
  }
  void start(const std::string& text) {
    write_file(path, text);
    supervisor.start(configured(path));
  }
  json reload(const std::string& text, int status = 0) {
    write_file(path, text);
    const Supervisor::Outcome outcome = supervisor.command({"reload", "--json"});
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    return outcome.done();
  }
  struct stat file() const {
    struct stat info {};
    EXPECT_EQ(::lstat(socket.c_str(), &info), 0);
    return info;
  }
  mode_t mode() const { return file().st_mode & 07777; }

  const std::string path = supervisor.dir() / "handoff.toml";
  const std::string socket = supervisor.dir() / "s";
};

TEST_F(ListenOptionsTest, AUnixSocketHasItsModeAndOwnerAndAReloadChangesThem) {
  ASSERT_EQ(::geteuid(), 0U) << "only root gives files away";
  start(config(unix_table("mode = \"0640\", owner = \"4711:4712\"")));
  EXPECT_EQ(mode(), 0640U);
  EXPECT_EQ(file().st_uid, 4711U);
  EXPECT_EQ(file().st_gid, 4712U);
  const ino_t inode = file().st_ino;
  const json answer = reload(config(unix_table("mode = \"0606\", owner = \":4713\"")));
  ASSERT_EQ(answer.at("changed").size(), 1U) << answer;
  EXPECT_EQ(answer.at("changed")[0].at("key"), "listen.local");
  EXPECT_EQ(answer.at("changed")[0].at("when"), "now");
  EXPECT_EQ(mode(), 0606U);
  EXPECT_EQ(file().st_uid, 4711U) << "nobody was named";
  EXPECT_EQ(file().st_gid, 4713U);
  EXPECT_EQ(file().st_ino, inode) << "clients wait in it";
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0) << supervisor.log();
  EXPECT_EQ(mode(), 0606U);
  EXPECT_EQ(file().st_gid, 4713U);
  EXPECT_EQ(file().st_ino, inode);
}

// Seen: the answer was that mode and owner are set, and only the log told.
TEST_F(ListenOptionsTest, AReloadSaysWhatOfItCouldNotBeDone) {
  start(config(unix_table("mode = \"0640\"")));
  const std::string why = "listener local: there is no user \"nobody-of-that-name\"";
  const json answer =
      reload(config(unix_table("mode = \"0606\", owner = \"nobody-of-that-name\"")), 1);
  EXPECT_EQ(answer.at("result"), "failed");
  EXPECT_EQ(answer.at("error").at("code"), "partly");
  EXPECT_EQ(answer.at("error").at("message").get<std::string>().find("chat: " + why), 0U) << answer;
  EXPECT_EQ(answer.at("changed"), json::array());
  ASSERT_EQ(answer.at("unchanged").size(), 1U) << answer;
  EXPECT_EQ(answer.at("unchanged")[0].at("key"), "listen.local");
  EXPECT_EQ(mode(), 0640U);
  EXPECT_EQ(supervisor.history("reload").back().at("result"), "failed");
  const Supervisor::Outcome people = supervisor.command({"reload"});
  EXPECT_EQ(people.status, 1) << "it is as it was";
  EXPECT_NE(people.out.find(path + " was read again"), std::string::npos) << people.out;
  EXPECT_NE(people.err.find("not all of it could be done: chat: " + why), std::string::npos)
      << people.err;
  EXPECT_EQ(reload(config(unix_table("mode = \"0606\""))).at("result"), "done");
  EXPECT_EQ(mode(), 0606U);
}

TEST_F(ListenOptionsTest, AReloadSaysWhichPathItCouldNotMakeAgain) {
  const std::string same = config(unix_table("mode = \"0640\""));
  start(same);
  std::filesystem::remove(socket);
  write_file(socket, "precious");
  const json answer = reload(same, 1);
  EXPECT_EQ(answer.at("error").at("code"), "partly") << answer;
  ASSERT_EQ(answer.at("unchanged").size(), 1U) << answer;
  EXPECT_EQ(answer.at("unchanged")[0].at("key"), "listen.local");
  EXPECT_EQ(read_file(socket), "precious");
  std::filesystem::remove(socket);
  EXPECT_EQ(reload(same).at("result"), "done");
  EXPECT_EQ(mode(), 0640U) << "it is the same socket";
}

TEST_F(ListenOptionsTest, AnOwnerThatNobodyIsKeepsTheServiceDownAndIsNamed) {
  write_file(path, config(unix_table("owner = \"nobody-of-that-name\"")));
  supervisor.run({"--config", path});
  supervisor.wait_for_state("backoff");
  EXPECT_TRUE(supervisor.says("listener local: there is no user \"nobody-of-that-name\""));
  EXPECT_NE(::access(socket.c_str(), F_OK), 0) << "nothing is left of it";
}

TEST_F(ListenOptionsTest, WhatASocketIsBoundWithStaysAndIsTold) {
  const std::string ip = "{ address = \"tcp:127.0.0.1:0\"";
  start(config(ip + " }"));
  const json before = supervisor.status().at("listeners");
  const json answer = reload(config(ip + ", reuseport = true, backlog = 4 }"));
  ASSERT_EQ(answer.at("changed").size(), 1U) << answer;
  EXPECT_EQ(answer.at("changed")[0].at("key"), "listen.local");
  ASSERT_EQ(answer.at("unchanged").size(), 1U) << answer;
  EXPECT_NE(answer.at("unchanged")[0].at("message").get<std::string>().find("as it was bound"),
            std::string::npos)
      << answer;
  EXPECT_EQ(supervisor.status().at("listeners"), before);
  ASSERT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  const json later = reload(config(ip + ", reuseport = true, backlog = 4 }"));
  ASSERT_EQ(later.at("changed").size(), 1U) << later;
  EXPECT_EQ(later.at("changed")[0].at("when"), "fresh_start");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status().at("listeners").size(), 2U);
}

TEST_F(ListenOptionsTest, ACheckLooksAtThisHost) {
  write_file(path,
             "[service.chat]\ncommand = [\"" + fake_service() +
                 "\"]\n"
                 "[service.chat.listen]\n"
                 "a = { address = \"unix:" +
                 socket +
                 "\", owner = \":no-such-group\" }\n"  // 4
                 "b = { address = \"tcp:127.0.0.1:0\", backlog = 1000000 }\n"
                 "c = { address = \"tcp:127.0.0.1:7\", reuseport = true }\n"
                 "d = { address = \"tcp:127.0.0.1:7\", reuseport = true }\n"
                 "e = { address = \"tcp:192.0.2.7:7\", freebind = true }\n"
                 "f = { address = \"tcp:192.0.2.7:8\" }\n"  // 9
                 "g = { address = \"tcp:127.0.0.1:7\" }\n");
  const json answer = json::parse(supervisor.command({"check", "--config", path, "--json"}).out);
  const json problems = answer.at("problems");
  ASSERT_EQ(problems.size(), 4U) << problems;
  const auto is = [&](std::size_t i, int line, const std::string& words) {
    EXPECT_EQ(problems[i].at("line"), line) << problems[i];
    EXPECT_NE(problems[i].at("message").get<std::string>().find(words), std::string::npos)
        << problems[i];
  };
  is(0, 4, "chat: listen: a: there is no group \"no-such-group\"");
  is(1, 5, "chat: listen: b: a backlog of 1000000 is one of ");
  is(2, 9, "chat: listen: f: binding tcp:192.0.2.7:8");
  is(3, 10, "chat: listen: tcp:127.0.0.1:7 is that of chat/c, too");
  EXPECT_NE(::access(socket.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace handoff::test
