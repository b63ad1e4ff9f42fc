// One service that can't be opened or bound is one bad service: the others are started, adopted and
// handed to the next supervisor all the same, and it is tried again.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/notify_socket.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class OneBadServiceTest : public SupervisorTest {
 protected:
  static std::string service(const std::string& name, const std::string& binary,
                             const std::string& more = "") {
    return "[service." + name + "]\ncommand = [\"" + binary + "\"]\n" + more;
  }
  // The one that is well, with a program of its own.
  void add_chat() {
    fs::copy_file(program("handoff-echo-1"), chat);
    text += "[service.chat]\ncommand = [\"" + chat + "\", \"--name\", \"chat\"]\n";
    text += "listen = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  void run() {
    write_file(config, text);
    supervisor.run({"--config", config});
  }
  // For a service that waits, which refuses commands whenever it is just being tried again.
  Outcome command(const std::vector<std::string>& arguments) {
    Outcome outcome;
    EXPECT_TRUE(supervisor.eventually([&] {
      outcome = supervisor.command(arguments);
      return outcome.err.find(" is starting; wait until it runs") == std::string::npos;
    })) << outcome.err;
    return outcome;
  }

  std::string config = supervisor.dir() / "handoff.toml";
  std::string chat = supervisor.dir() / "chat";
  std::string later = supervisor.dir() / "later";
  std::string text;
};

TEST_F(OneBadServiceTest, AProgramThatIsNotThereYetKeepsNobodyDown) {
  add_chat();
  text += service("ghost", later) + service("nameless", "no-such-program");
  run();
  supervisor.wait_for_state("running", "chat");
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
  EXPECT_TRUE(supervisor.says("ghost: it could not be started: can't open " + later +
                              ": No such file or directory"))
      << supervisor.log();
  EXPECT_TRUE(supervisor.says(
      "nameless: it could not be started: no program \"no-such-program\" in $PATH"));
  supervisor.wait_for_state("backoff", "nameless");
  fs::copy_file(fake_service(), later);
  supervisor.wait_for_state("running", "ghost");
  EXPECT_EQ(supervisor.terminate().status, 0);
}

TEST_F(OneBadServiceTest, NeitherDoesAnAddressThatIsInUse) {
  UniqueFd taken = listen_on_loopback();
  add_chat();
  const std::string address = "tcp:127.0.0.1:" + std::to_string(port_of(taken.get()));
  text += service("busy", fake_service(),
                  "listen = { a = \"tcp:127.0.0.1:0\", public = \"" + address + "\" }\n");
  // No address of this host (RFC 5737).
  text += service("early", fake_service(), "listen = { public = \"tcp:192.0.2.1:7000\" }\n");
  text += service("astray", fake_service(), "listen = { public = \"unix:/no/such/folder/s\" }\n");
  run();
  supervisor.wait_for_state("running", "chat");
  for (const char* name : {"busy", "early", "astray"}) {
    EXPECT_TRUE(supervisor.says(std::string(name) + ": it could not be started: listener public"));
    supervisor.wait_for_state("backoff", name);
  }
  taken.reset();
  supervisor.wait_for_state("running", "busy");
  EXPECT_EQ(supervisor.status("busy").at("listeners").at(1).at("address"), address);
}

TEST_F(OneBadServiceTest, NorAKeyThatCanNotBeReadNorAProgramThatIsNone) {
  add_chat();
  text += service("locked", fake_service(), "verify = { key = \"/no/such/key.pub\" }\n");
  write_file(later, "#!/bin/sh\nexec \"" + fake_service() + "\"\n", 0644);
  text += service("forbidden", later) + service("folder", supervisor.dir().path());
  run();
  supervisor.wait_for_state("running", "chat");
  for (const char* name : {"locked", "forbidden", "folder"}) {
    supervisor.wait_for_state("backoff", name);
  }
  EXPECT_TRUE(supervisor.says(
      "can't be verified: verify.key: /no/such/key.pub: No such file or directory"));
  EXPECT_TRUE(
      supervisor.says("forbidden: it could not be started: " + later + " is no executable"));
  fs::permissions(later, fs::perms::owner_exec, fs::perm_options::add);
  supervisor.wait_for_state("running", "forbidden");
}

// A mistake that would be noticed only when old releases are removed.
TEST_F(OneBadServiceTest, NorDoesAFolderOfReleasesThatIsFullOfOtherThings) {
  add_chat();
  const std::string srv = supervisor.dir() / "srv";
  fs::create_directories(srv + "/postgres-data");
  text += service("careless", program("handoff-echo-2"), "releases_dir = \"" + srv + "\"\n");
  run();
  supervisor.wait_for_state("running", "chat");
  const json careless = supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "backoff"; }, "careless");
  const std::string why = careless.at("problem").at("message");
  EXPECT_NE(why.find(srv + " holds other things (postgres-data, say)"), std::string::npos) << why;
  const Outcome check = supervisor.command({"check", "--config", config});
  EXPECT_EQ(check.status, 1);
  EXPECT_NE(check.err.find("careless: releases_dir: " + srv), std::string::npos) << check.err;
  EXPECT_TRUE(fs::exists(srv + "/postgres-data"));
}

TEST_F(OneBadServiceTest, OneThatWaitsSaysWhyAndUntilWhen) {
  add_chat();
  text += service("ghost", later);
  run();
  ASSERT_TRUE(supervisor.says("ghost: it could not be started"));
  const json ghost = supervisor.wait_for_status(
      [](const json& now) {
        return now.at("state") == "backoff" && now.at("problem").at("next_start_ms") > 500;
      },
      "ghost");
  const std::string why =
      "it could not be started: can't open " + later + ": No such file or directory";
  EXPECT_EQ(ghost.at("problem").at("message"), why);
  EXPECT_EQ(ghost.at("problem").at("next_start").get<std::string>().size(),
            std::string("2026-11-28T17:23:31Z").size());
  supervisor.wait_for_state("running", "chat");
  EXPECT_TRUE(supervisor.status("chat").at("problem").is_null());
  const Outcome table = supervisor.command({"status"});
  EXPECT_NE(table.out.find("! ghost: " + why), std::string::npos) << table.out;
  fs::copy_file(fake_service(), later);
  supervisor.wait_for_state("running", "ghost");
  EXPECT_TRUE(supervisor.status("ghost").at("problem").is_null());
}

TEST_F(OneBadServiceTest, OneThatWaitsCanBeStoppedUpgradedAndRestarted) {
  add_chat();
  text += service("ghost", later);
  run();
  supervisor.wait_for_state("backoff", "ghost");
  const json waiting = supervisor.status("ghost");
  EXPECT_EQ(waiting.at("path"), later);
  EXPECT_TRUE(waiting.at("digest").is_null());
  EXPECT_TRUE(waiting.at("drift").is_null());
  EXPECT_EQ(supervisor.command({"status"}).status, 0);
  const Outcome restart = command({"restart", "ghost"});
  EXPECT_EQ(restart.status, 1);
  EXPECT_NE(restart.err.find("can't open " + later), std::string::npos) << restart.err;
  EXPECT_EQ(command({"upgrade", "ghost"}).status, 1);
  EXPECT_EQ(supervisor.command({"stop", "ghost"}).status, 0);
  EXPECT_EQ(supervisor.status("ghost").at("state"), "stopped");
  EXPECT_EQ(supervisor.command({"upgrade", "ghost", fake_service()}).status, 0);
  EXPECT_EQ(supervisor.status("ghost").at("state"), "running");
  EXPECT_EQ(supervisor.status("ghost").at("path"), fake_service());
  EXPECT_EQ(supervisor.status("chat").at("state"), "running");
}

// Behind it is nothing that could ever be opened, and so nothing to go back to.
TEST_F(OneBadServiceTest, TheFirstReleaseThatCouldBeOpenedIsPermanent) {
  text += service("ghost", later);
  run();
  supervisor.wait_for_state("backoff", "ghost");
  ASSERT_EQ(command({"upgrade", "ghost", fake_service()}).status, 0);
  const json upgraded = supervisor.status("ghost");
  EXPECT_EQ(upgraded.at("standing"), "permanent");
  EXPECT_TRUE(upgraded.at("back").is_null());
  EXPECT_EQ(supervisor.command({"rollback", "ghost"}).status, 1);
  ASSERT_EQ(::kill(upgraded.at("pid"), SIGKILL), 0);
  supervisor.wait_for_status(
      [&](const json& now) {
        return now.at("state") == "running" && now.at("pid") != upgraded.at("pid");
      },
      "ghost");
  EXPECT_EQ(supervisor.status("ghost").at("path"), fake_service());
}

TEST_F(OneBadServiceTest, ACommandThatWasMistypedIsMendedByAReload) {
  write_file(config, service("chat", later));
  supervisor.run({"--config", config});
  supervisor.wait_for_state("backoff", "chat");
  write_file(config, service("chat", fake_service()));
  const Outcome reload = supervisor.command({"reload"});
  EXPECT_EQ(reload.status, 0) << reload.err;
  EXPECT_NE(reload.out.find("command: " + fake_service() + " when it is tried again"),
            std::string::npos)
      << reload.out;
  supervisor.wait_for_state("running", "chat");
}

TEST_F(OneBadServiceTest, ALateSignatureIsEnough) {
  shell("minisign -G -W -f -p " + (supervisor.dir() / "k.pub") + " -s " +
        (supervisor.dir() / "k.key"));
  fs::copy_file(fake_service(), later);
  text += service("signed", later, "verify = { key = \"" + (supervisor.dir() / "k.pub") + "\" }\n");
  run();
  supervisor.wait_for_state("backoff", "signed");
  // The answer is "busy" while the supervisor tries to open it by itself.
  EXPECT_TRUE(supervisor.eventually([&] {
    const std::string out = supervisor.command({"restart", "signed", "--json"}).out;
    return out.find("\"code\":\"signature\"") != std::string::npos;
  }));
  shell("minisign -S -s " + (supervisor.dir() / "k.key") + " -t 'service=signed version=1' -m " +
        later);
  supervisor.wait_for_state("running", "signed");
}

TEST_F(OneBadServiceTest, ANewOneIsStillRefusedByAReload) {
  add_chat();
  run();
  supervisor.wait_for_state("running", "chat");
  write_file(config, text + service("ghost", later));
  const Outcome reload = supervisor.command({"reload"});
  EXPECT_EQ(reload.status, 1);
  EXPECT_NE(reload.err.find("ghost: can't open " + later), std::string::npos) << reload.err;
  EXPECT_EQ(supervisor.command({"status", "ghost"}).status, 4);
  fs::copy_file(fake_service(), later);
  EXPECT_EQ(supervisor.command({"reload"}).status, 0);
  supervisor.wait_for_state("running", "ghost");
}

TEST_F(OneBadServiceTest, AtAdoptionTheOthersAreAdopted) {
  UniqueFd taken = listen_on_loopback();
  add_chat();
  run();
  supervisor.wait_for_state("running", "chat");
  const json before = supervisor.status("chat");
  supervisor.kill();
  text += service("ghost", later) + service("busy", fake_service(),
                                            "listen = { public = \"tcp:127.0.0.1:" +
                                                std::to_string(port_of(taken.get())) + "\" }\n");
  run();
  supervisor.wait_for_state("running", "chat");
  EXPECT_EQ(supervisor.status("chat").at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status("chat").at("listeners"), before.at("listeners"));
  supervisor.wait_for_state("backoff", "ghost");
  supervisor.wait_for_state("backoff", "busy");
}

TEST_F(OneBadServiceTest, AServiceWhoseFileIsGoneIsAdoptedAndStartedAgainFromWhatItHasOpen) {
  add_chat();
  run();
  supervisor.wait_for_state("running", "chat");
  const json before = supervisor.status("chat");
  fs::rename(chat, later);
  supervisor.kill();
  run();
  supervisor.wait_for_state("running", "chat");
  EXPECT_EQ(supervisor.status("chat").at("pid"), before.at("pid"));
  ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
  supervisor.wait_for_status(
      [&](const json& now) {
        return now.at("state") == "running" && now.at("pid") != before.at("pid");
      },
      "chat");
  EXPECT_EQ(supervisor.status("chat").at("digest"), before.at("digest"));
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
}

TEST_F(OneBadServiceTest, TheNextSupervisorTakesOverWhateverHasBecomeOfTheirFiles) {
  UniqueFd taken = listen_on_loopback();
  add_chat();
  fs::copy_file(chat, later);
  text += "[service.gone]\ncommand = [\"" + later + "\", \"--name\", \"gone\"]\n";
  text += service("ghost", supervisor.dir() / "nowhere") +
          service("busy", fake_service(),
                  "listen = { public = \"tcp:127.0.0.1:" + std::to_string(port_of(taken.get())) +
                      "\" }\n");
  run();
  supervisor.wait_for_state("running", "gone");
  supervisor.wait_for_state("running", "chat");
  supervisor.wait_for_state("backoff", "ghost");
  supervisor.wait_for_state("backoff", "busy");
  const json chat_before = supervisor.status("chat");
  const json gone_before = supervisor.status("gone");
  fs::remove(chat);
  fs::remove(later);
  // The command is refused while a service that waits is being tried.
  Outcome self;
  EXPECT_TRUE(supervisor.eventually([&] {
    self = supervisor.command({"upgrade", "--self"});
    return self.status == 0;
  })) << self.err
      << supervisor.log();
  EXPECT_EQ(supervisor.status("chat").at("pid"), chat_before.at("pid"));
  EXPECT_EQ(supervisor.status("gone").at("pid"), gone_before.at("pid"));
  supervisor.wait_for_state("backoff", "ghost");
  taken.reset();
  supervisor.wait_for_state("running", "busy");
}

// ---- systemd --------------------------------------------------------------------------------

TEST_F(OneBadServiceTest, SystemdIsToldThatAllIsReadyAlthoughOneNeverComesUp) {
  NotifySocket systemd;
  add_chat();
  text += service("ghost", later) + service("hanging", "/bin/sleep", "start_timeout = \"10m\"\n");
  text.replace(text.find("\"/bin/sleep\""), 12, "\"/bin/sleep\", \"600\"");
  write_file(config, text);
  const auto run_notified = [&] {
    supervisor.run({"--config", config}, {{"NOTIFY_SOCKET", systemd.path()}});
  };
  run_notified();
  EXPECT_TRUE(systemd.hears("READY=1")) << systemd.heard();
  EXPECT_TRUE(
      systemd.hears("STATUS=1 of 3 services running: ghost is backoff, hanging is starting"))
      << systemd.heard();
  EXPECT_EQ(systemd.heard().find("READY=1"), systemd.heard().rfind("READY=1")) << "once";
  // At adoption it is said as well, and does not wait for who never reports back.
  supervisor.kill();
  systemd.forget();
  run_notified();
  EXPECT_TRUE(systemd.hears("READY=1")) << systemd.heard();
  EXPECT_EQ(supervisor.command({"stop", "hanging"}).status, 0);
}

}  // namespace
}  // namespace handoff::test
