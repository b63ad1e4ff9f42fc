// One service that can't be opened or bound is one bad service: the others are started, adopted and
// handed to the next supervisor all the same, and it is tried again.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "echo_session.h"
#include "supervised.h"

namespace handoff::test::supervised {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A TCP port of the loopback that somebody else has, for as long as this lives.
class Taken {
 public:
  Taken() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = ntohs(address.sin_port);
  }
  ~Taken() { release(); }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  void release() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int port = 0;

 private:
  int fd_;
};

class OneBadServiceTest : public testing::Test {
 protected:
  static std::string service(const std::string& name, const std::string& program,
                             const std::string& more = "") {
    return "[service." + name + "]\ncommand = [\"" + program + "\"]\n" + more;
  }
  // The one that is well, with a program of its own.
  void add_chat() {
    fs::copy_file(sibling("handoff-echo-1"), chat);
    text += "[service.chat]\ncommand = [\"" + chat + "\", \"--name\", \"chat\"]\n";
    text += "listen = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  void run() {
    write_file(config, text);
    supervisor.run({"--config", config});
  }
  bool logged(const std::string& words) const {
    return eventually([&] { return supervisor.log().find(words) != std::string::npos; });
  }
  void kill_supervisor() {
    supervisor.process().signal(SIGKILL);
    supervisor.process().wait();
  }

  Supervised supervisor;
  std::string config = supervisor.dir() / "handoff.toml";
  std::string chat = supervisor.dir() / "chat";
  std::string later = supervisor.dir() / "later";
  std::string text;
};

TEST_F(OneBadServiceTest, AProgramThatIsNotThereYetKeepsNobodyDown) {
  add_chat();
  text += service("ghost", later) + service("nameless", "no-such-program");
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  EXPECT_EQ(EchoClient(supervisor.port()).say("a"), "1 1 a");
  EXPECT_TRUE(
      logged("ghost: it could not be started: can't open " + later + ": No such file or directory"))
      << supervisor.log();
  EXPECT_TRUE(logged("nameless: it could not be started: no program \"no-such-program\" in $PATH"));
  EXPECT_TRUE(supervisor.wait_for_state("backoff", "nameless"));
  fs::copy_file(fake_service(), later);
  EXPECT_TRUE(supervisor.wait_for_state("running", "ghost")) << supervisor.log();
  EXPECT_EQ(supervisor.terminate().status, 0);
}

TEST_F(OneBadServiceTest, NeitherDoesAnAddressThatIsInUse) {
  Taken taken;
  add_chat();
  const std::string address = "tcp:127.0.0.1:" + std::to_string(taken.port);
  text += service("busy", fake_service(),
                  "listen = { a = \"tcp:127.0.0.1:0\", public = \"" + address + "\" }\n");
  // No address of this host (RFC 5737).
  text += service("early", fake_service(), "listen = { public = \"tcp:192.0.2.1:7000\" }\n");
  text += service("astray", fake_service(), "listen = { public = \"unix:/no/such/folder/s\" }\n");
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  for (const char* name : {"busy", "early", "astray"}) {
    EXPECT_TRUE(logged(std::string(name) + ": it could not be started: listener public"))
        << supervisor.log();
    EXPECT_TRUE(supervisor.wait_for_state("backoff", name));
  }
  taken.release();
  ASSERT_TRUE(supervisor.wait_for_state("running", "busy")) << supervisor.log();
  EXPECT_EQ(supervisor.status("busy").at("listeners").at(1).at("address"), address);
}

TEST_F(OneBadServiceTest, NorAKeyThatCanNotBeReadNorAProgramThatIsNone) {
  add_chat();
  text += service("locked", fake_service(), "verify = { key = \"/no/such/key.pub\" }\n");
  write_file(later, "#!/bin/sh\nexec \"" + fake_service() + "\"\n", 0644);
  text += service("forbidden", later) + service("folder", supervisor.dir().path());
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  for (const char* name : {"locked", "forbidden", "folder"}) {
    EXPECT_TRUE(supervisor.wait_for_state("backoff", name)) << supervisor.log();
  }
  EXPECT_TRUE(logged("can't be verified: verify.key: /no/such/key.pub: No such file or directory"))
      << supervisor.log();
  EXPECT_TRUE(logged("forbidden: it could not be started: " + later + " is no executable"));
  fs::permissions(later, fs::perms::owner_exec, fs::perm_options::add);
  EXPECT_TRUE(supervisor.wait_for_state("running", "forbidden")) << supervisor.log();
}

TEST_F(OneBadServiceTest, OneThatWaitsCanBeStoppedUpgradedAndRestarted) {
  add_chat();
  text += service("ghost", later);
  run();
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "ghost")) << supervisor.log();
  const json waiting = supervisor.status("ghost");
  EXPECT_EQ(waiting.at("path"), later);
  EXPECT_TRUE(waiting.at("digest").is_null());
  EXPECT_EQ(waiting.at("drift"), false);
  EXPECT_EQ(supervisor.cli({"status"}).status, 0);
  const Outcome restart = supervisor.cli({"restart", "ghost"});
  EXPECT_EQ(restart.status, 1);
  EXPECT_NE(restart.err.find("can't open " + later), std::string::npos) << restart.err;
  EXPECT_EQ(supervisor.cli({"upgrade", "ghost"}).status, 1);
  EXPECT_EQ(supervisor.cli({"stop", "ghost"}).status, 0);
  EXPECT_EQ(supervisor.status("ghost").at("state"), "stopped");
  EXPECT_EQ(supervisor.cli({"upgrade", "ghost", fake_service()}).status, 0);
  EXPECT_EQ(supervisor.status("ghost").at("state"), "running");
  EXPECT_EQ(supervisor.status("ghost").at("path"), fake_service());
  EXPECT_EQ(supervisor.status("chat").at("state"), "running");
}

// Behind it is nothing that could ever be opened, and so nothing to go back to.
TEST_F(OneBadServiceTest, TheFirstReleaseThatCouldBeOpenedIsPermanent) {
  text += service("ghost", later);
  run();
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "ghost")) << supervisor.log();
  ASSERT_EQ(supervisor.cli({"upgrade", "ghost", fake_service()}).status, 0);
  const json upgraded = supervisor.status("ghost");
  EXPECT_EQ(upgraded.at("standing"), "permanent");
  EXPECT_TRUE(upgraded.at("back").is_null());
  EXPECT_EQ(supervisor.cli({"rollback", "ghost"}).status, 1);
  ASSERT_EQ(::kill(upgraded.at("pid"), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    const json now = supervisor.status("ghost");
    return now.at("state") == "running" && now.at("pid") != upgraded.at("pid");
  })) << supervisor.log();
  EXPECT_EQ(supervisor.status("ghost").at("path"), fake_service());
}

TEST_F(OneBadServiceTest, ACommandThatWasMistypedIsMendedByAReload) {
  write_file(config, service("chat", later));
  supervisor.run({"--config", config});
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "chat")) << supervisor.log();
  write_file(config, service("chat", fake_service()));
  const Outcome reload = supervisor.cli({"reload"});
  EXPECT_EQ(reload.status, 0) << reload.err;
  EXPECT_NE(reload.out.find("command: " + fake_service() + " when it is tried again"),
            std::string::npos)
      << reload.out;
  EXPECT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
}

TEST_F(OneBadServiceTest, ALateSignatureIsEnough) {
  shell("minisign -G -W -f -p " + (supervisor.dir() / "k.pub") + " -s " +
        (supervisor.dir() / "k.key"));
  fs::copy_file(fake_service(), later);
  text += service("signed", later, "verify = { key = \"" + (supervisor.dir() / "k.pub") + "\" }\n");
  run();
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "signed")) << supervisor.log();
  // It is refused as busy while it is being tried anyway.
  EXPECT_TRUE(eventually([&] {
    const std::string out = supervisor.cli({"restart", "signed", "--json"}).out;
    return out.find("\"code\":\"signature\"") != std::string::npos;
  }));
  shell("minisign -S -s " + (supervisor.dir() / "k.key") + " -m " + later);
  EXPECT_TRUE(supervisor.wait_for_state("running", "signed")) << supervisor.log();
}

TEST_F(OneBadServiceTest, ANewOneIsStillRefusedByAReload) {
  add_chat();
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  write_file(config, text + service("ghost", later));
  const Outcome reload = supervisor.cli({"reload"});
  EXPECT_EQ(reload.status, 1);
  EXPECT_NE(reload.err.find("ghost: can't open " + later), std::string::npos) << reload.err;
  EXPECT_EQ(supervisor.cli({"status", "ghost"}).status, 4);
  fs::copy_file(fake_service(), later);
  EXPECT_EQ(supervisor.cli({"reload"}).status, 0);
  EXPECT_TRUE(supervisor.wait_for_state("running", "ghost"));
}

TEST_F(OneBadServiceTest, AtAdoptionTheOthersAreAdopted) {
  Taken taken;
  add_chat();
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  const json before = supervisor.status("chat");
  kill_supervisor();
  text += service("ghost", later) +
          service("busy", fake_service(),
                  "listen = { public = \"tcp:127.0.0.1:" + std::to_string(taken.port) + "\" }\n");
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  EXPECT_EQ(supervisor.status("chat").at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status("chat").at("listeners"), before.at("listeners"));
  EXPECT_TRUE(supervisor.wait_for_state("backoff", "ghost"));
  EXPECT_TRUE(supervisor.wait_for_state("backoff", "busy"));
}

TEST_F(OneBadServiceTest, AServiceWhoseFileIsGoneIsAdoptedAndStartedAgainFromWhatItHasOpen) {
  add_chat();
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  const json before = supervisor.status("chat");
  fs::rename(chat, later);
  kill_supervisor();
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat")) << supervisor.log();
  EXPECT_EQ(supervisor.status("chat").at("pid"), before.at("pid"));
  ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    const json now = supervisor.status("chat");
    return now.at("state") == "running" && now.at("pid") != before.at("pid");
  })) << supervisor.log();
  EXPECT_EQ(supervisor.status("chat").at("digest"), before.at("digest"));
  EXPECT_EQ(EchoClient(supervisor.port()).say("a"), "1 1 a");
}

TEST_F(OneBadServiceTest, TheNextSupervisorTakesOverWhateverHasBecomeOfTheirFiles) {
  Taken taken;
  add_chat();
  fs::copy_file(chat, later);
  text += "[service.gone]\ncommand = [\"" + later + "\", \"--name\", \"gone\"]\n";
  text += service("ghost", supervisor.dir() / "nowhere") +
          service("busy", fake_service(),
                  "listen = { public = \"tcp:127.0.0.1:" + std::to_string(taken.port) + "\" }\n");
  run();
  ASSERT_TRUE(supervisor.wait_for_state("running", "gone")) << supervisor.log();
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat"));
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "ghost"));
  ASSERT_TRUE(supervisor.wait_for_state("backoff", "busy"));
  const json chat_before = supervisor.status("chat");
  const json gone_before = supervisor.status("gone");
  fs::remove(chat);
  fs::remove(later);
  // The command is refused while a service that waits is being tried.
  Outcome self;
  EXPECT_TRUE(eventually([&] {
    self = supervisor.cli({"upgrade", "--self"});
    return self.status == 0;
  })) << self.err
      << supervisor.log();
  EXPECT_EQ(supervisor.status("chat").at("pid"), chat_before.at("pid"));
  EXPECT_EQ(supervisor.status("gone").at("pid"), gone_before.at("pid"));
  EXPECT_TRUE(supervisor.wait_for_state("backoff", "ghost"));
  taken.release();
  EXPECT_TRUE(supervisor.wait_for_state("running", "busy")) << supervisor.log();
}

// ---- systemd
// -------------------------------------------------------------------------------------

TEST_F(OneBadServiceTest, SystemdIsToldThatAllIsReadyAlthoughOneNeverComesUp) {
  const std::string path = supervisor.dir() / "notify";
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::string heard;
  const auto hears = [&](const std::string& words) {
    return eventually([&] {
      char buffer[1024];
      const ssize_t n = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) heard += std::string(buffer, static_cast<std::size_t>(n)) + "\n--\n";
      return heard.find(words) != std::string::npos;
    });
  };
  add_chat();
  text += service("ghost", later) + service("hanging", "/bin/sleep", "start_timeout = \"10m\"\n");
  text.replace(text.find("\"/bin/sleep\""), 12, "\"/bin/sleep\", \"600\"");
  write_file(config, text);
  Supervised notified({{"NOTIFY_SOCKET", path}});
  notified.run({"--config", config});
  EXPECT_TRUE(hears("READY=1")) << heard;
  EXPECT_TRUE(hears("STATUS=1 of 3 services running: ghost is backoff, hanging is starting"))
      << heard << notified.log();
  EXPECT_EQ(heard.find("READY=1"), heard.rfind("READY=1")) << "once";
  // At adoption it is said as well, and does not wait for who never reports back.
  notified.process().signal(SIGKILL);
  notified.process().wait();
  heard.clear();
  notified.run({"--config", config});
  EXPECT_TRUE(hears("READY=1")) << heard << notified.log();
  EXPECT_EQ(notified.cli({"stop", "hanging"}).status, 0);
  ::close(socket);
}

}  // namespace
}  // namespace handoff::test::supervised
