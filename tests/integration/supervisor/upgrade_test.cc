// `handoff upgrade` with heirs and donors that behave and that do not: what the operator is told,
// what runs afterwards, and that nothing is left behind.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class UpgradeCommandTest : public SupervisorTest {
 protected:
  // After a failure everything is as it was.
  void expect_as_before(const json& before, std::size_t fds) {
    const json after = supervisor.status();
    EXPECT_EQ(after.at("state"), "running");
    EXPECT_EQ(after.at("pid"), before.at("pid"));
    EXPECT_EQ(after.at("generation"), before.at("generation"));
    EXPECT_EQ(after.at("release"), before.at("release"));
    EXPECT_EQ(after.at("digest"), before.at("digest"));
    EXPECT_EQ(ask_service(supervisor), "1.0 1");
    EXPECT_TRUE(supervisor.eventually([&] { return supervisor.files().size() == fds; }))
        << supervisor.files().size() << " fds, " << fds << " before";
  }
  // An upgrade that fails, and what it says.
  json fails(const std::vector<std::string>& service_args,
             const std::vector<std::string>& options = {}) {
    const json before = supervisor.status();
    const std::size_t fds = supervisor.settled_files().size();
    const auto upgraded = supervisor.upgrade_with(service_args, options);
    EXPECT_EQ(upgraded.status, 1);
    EXPECT_EQ(upgraded.done().value("result", ""), "failed");
    expect_as_before(before, fds);
    return upgraded.done().value("error", json::object());
  }
};

TEST_F(UpgradeCommandTest, HandsOverAndReportsIt) {
  supervisor.start(fake({"--release", "1.0", "--sessions", "12"}));
  const json before = supervisor.status();
  EXPECT_EQ(ask_service(supervisor), "1.0 1");
  const auto upgraded = supervisor.upgrade_with({"--release", "2.0", "--sessions", "12"});
  EXPECT_EQ(upgraded.status, 0);
  const json& done = upgraded.done();
  EXPECT_EQ(done.at("result"), "done");
  EXPECT_EQ(done.at("service"), "chat");
  EXPECT_EQ(done.at("from").at("release"), "1.0");
  EXPECT_EQ(done.at("from").at("generation"), 1);
  EXPECT_EQ(done.at("from").at("pid"), before.at("pid"));
  EXPECT_EQ(done.at("to").at("release"), "2.0");
  EXPECT_EQ(done.at("to").at("generation"), 2);
  EXPECT_EQ(done.at("sessions").at("moved"), 12);
  EXPECT_EQ(done.at("sessions").at("waiting"), 0);
  EXPECT_EQ(done.at("sessions").at("lost"), 0);
  EXPECT_EQ(done.at("bytes"), 1200);
  for (const char* phase : {"start", "copy", "switch", "retire"}) {
    EXPECT_GT(done.at("phases_us").at(phase), 0) << phase;
  }
  EXPECT_EQ(done.at("blackout_us").at("max"), 2000);
  EXPECT_EQ(done.at("blackout_us").at("p99"), 1500);
  EXPECT_TRUE(done.at("error").is_null());
  std::vector<std::string> phases;
  for (const json& event : upgraded.events()) {
    if (event.at("event") == "phase") phases.push_back(event.at("phase"));
  }
  EXPECT_EQ(phases, (std::vector<std::string>{"start", "copy", "switch", "retire"}));

  const json after = supervisor.status();
  EXPECT_EQ(after.at("state"), "running");
  EXPECT_EQ(after.at("release"), "2.0");
  EXPECT_EQ(after.at("listeners"), before.at("listeners"));
  EXPECT_EQ(ask_service(supervisor), "2.0 2");
}

TEST_F(UpgradeCommandTest, ManyInARowLeaveNothingBehind) {
  supervisor.start(fake({"--release", "1.0"}));
  ASSERT_EQ(supervisor.upgrade_with({"--release", "1.0"}).status, 0);
  const auto files = supervisor.settled_files();
  for (int i = 0; i < 10; ++i) {
    supervisor.settle();
    ASSERT_EQ(supervisor.upgrade_with({"--release", "1.0"}).status, 0);
  }
  // A thread that writes the state has the folder open for a moment.
  const auto as_few = [&] { return supervisor.settled_files().size() <= files.size(); };
  EXPECT_TRUE(supervisor.eventually(as_few)) << difference(files, supervisor.settled_files());
  EXPECT_EQ(ask_service(supervisor), "1.0 12");
}

TEST_F(UpgradeCommandTest, TellsPeoplePhaseByPhase) {
  supervisor.start(fake({"--release", "1.0", "--sessions", "12000"}));
  const Outcome outcome =
      supervisor.command({"upgrade", "chat", "--", "--release", "2.0", "--sessions", "12000"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.find('\r'), std::string::npos) << "no terminal, no animation";
  EXPECT_EQ(outcome.out.find('\033'), std::string::npos);
  for (const char* text : {"start ", "copy ", "switch  12,000 sessions", "retire ",
                           "chat: release 1.0 (generation 1", "-> release 2.0 (generation 2",
                           "12,000 moved, 0 waiting, 0 lost", "p99 1.5 ms, max 2.0 ms"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << " in " << outcome.out;
  }
  EXPECT_EQ(outcome.err, "");
}

TEST_F(UpgradeCommandTest, TellsPeopleWhyItFailedAndWhatToDo) {
  supervisor.start(fake({"--release", "1.0"}));
  const Outcome outcome = supervisor.command({"upgrade", "chat", "--", "--heir", "exit=3"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the new release exited with status 3 before it was ready"),
            std::string::npos);
  EXPECT_NE(outcome.err.find("release 1.0 (generation 1"), std::string::npos);
  EXPECT_NE(outcome.err.find("goes on serving; nothing was changed"), std::string::npos);
  EXPECT_NE(outcome.err.find("try again"), std::string::npos);
}

// ---- heirs that fail ------------------------------------------------------------------------

TEST_F(UpgradeCommandTest, AnHeirThatExits) {
  supervisor.start(fake());
  const json error = fails({"--heir", "exit=3"});
  EXPECT_EQ(error.at("code"), "exited");
  EXPECT_EQ(error.at("message"), "the new release exited with status 3 before it was ready");
}

TEST_F(UpgradeCommandTest, AnHeirThatIsNeverReady) {
  supervisor.start(fake());
  const json error = fails({"--heir", "silent"}, {"--start-timeout", "200ms"});
  EXPECT_EQ(error.at("code"), "timeout");
}

TEST_F(UpgradeCommandTest, AnHeirThatCrashesOnceItIsReady) {
  supervisor.start(fake());
  const json error = fails({"--heir", "crash-after-register"});
  EXPECT_EQ(error.at("code"), "exited");
  EXPECT_NE(error.at("message").get<std::string>().find("was killed by SIGSEGV"),
            std::string::npos);
}

TEST_F(UpgradeCommandTest, AnHeirThatSaysNo) {
  supervisor.start(fake());
  const json error = fails({"--heir", "fail"});
  EXPECT_EQ(error.at("code"), "rejected");
  EXPECT_NE(error.at("message").get<std::string>().find("the fake heir does not want it"),
            std::string::npos);
}

TEST_F(UpgradeCommandTest, AnHeirThatDiesInTheCopy) {
  supervisor.start(fake());
  EXPECT_EQ(fails({"--heir", "exit-in-copy"}).at("code"), "exited");
  EXPECT_EQ(fails({"--heir", "segv-in-copy"}).at("code"), "exited");
}

TEST_F(UpgradeCommandTest, AnHeirThatHangsUnderADonorThatDoesNotNotice) {
  supervisor.start(fake());
  const json error =
      fails({"--heir", "hang-in-copy"}, {"--stall-timeout", "50ms", "--freeze-budget", "50ms"});
  EXPECT_EQ(error.at("code"), "timeout");
}

TEST_F(UpgradeCommandTest, FilesThatAreNoExecutables) {
  supervisor.start(fake());
  const auto refused = [&](const std::string& path) {
    const json before = supervisor.status();
    const std::size_t fds = supervisor.settled_files().size();
    const Outcome outcome = supervisor.command({"upgrade", "chat", path, "--json"});
    EXPECT_EQ(outcome.status, 1);
    expect_as_before(before, fds);
    const std::string last = outcome.out.substr(outcome.out.rfind("{\"", outcome.out.size() - 3));
    return outcome.out;
  };
  const std::string garbage = supervisor.dir() / "garbage";
  write_file(garbage, "this is no program\n", 0755);
  EXPECT_NE(refused(garbage).find("is no executable: neither a program"), std::string::npos);
  const std::string plain = supervisor.dir() / "plain";
  write_file(plain, "#!/bin/sh\n", 0644);
  EXPECT_NE(refused(plain).find("no permission to execute"), std::string::npos);
  EXPECT_NE(refused(supervisor.dir().path()).find("it is not a file"), std::string::npos);
  EXPECT_NE(refused(supervisor.dir() / "nothing").find("No such file"), std::string::npos);
  const std::string fifo = supervisor.dir() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0755), 0);
  EXPECT_NE(refused(fifo).find("it is not a file"), std::string::npos);
  const std::string script = supervisor.dir() / "script";
  write_file(script, "#!/no/such/interpreter\n", 0755);
  EXPECT_NE(refused(script).find("its interpreter or loader does not exist"), std::string::npos);
}

// ---- donors that fail -----------------------------------------------------------------------

TEST_F(UpgradeCommandTest, ADonorThatSaysNo) {
  supervisor.start(fake({"--donor", "fail"}));
  const json error = fails({});
  EXPECT_EQ(error.at("code"), "internal");
  EXPECT_NE(error.at("message").get<std::string>().find("the fake donor does not want it"),
            std::string::npos);
}

TEST_F(UpgradeCommandTest, ADonorThatDiesWithoutALoss) {
  supervisor.start(fake({"--sessions", "4", "--donor", "die-in-copy"}));
  const auto upgraded = supervisor.upgrade_with({"--release", "2.0"});
  EXPECT_EQ(upgraded.status, 0);
  EXPECT_EQ(upgraded.done().at("result"), "done");
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

TEST_F(UpgradeCommandTest, ADonorThatDiesWithALoss) {
  supervisor.start(fake({"--sessions", "7", "--donor", "die-in-copy"}));
  const auto upgraded = supervisor.upgrade_with({"--release", "2.0", "--lost", "3"});
  EXPECT_EQ(upgraded.status, 5);
  EXPECT_EQ(upgraded.done().at("result"), "lost");
  EXPECT_EQ(upgraded.done().at("sessions").at("lost"), 3);
  EXPECT_EQ(upgraded.done().at("sessions").at("moved"), 4);
  EXPECT_EQ(upgraded.done().at("error").at("code"), "peer_died");
  EXPECT_EQ(supervisor.status().at("generation"), 2);
}

// By the numbers, and by sums that overflow.
TEST_F(UpgradeCommandTest, AnHeirThatCountsMoreThanItWasGivenIsNotBelieved) {
  supervisor.start(fake({"--sessions", "7"}));
  for (const char* said : {"50", "18446744073709551615"}) {
    const Outcome upgraded = supervisor.command({"upgrade", "chat", "--", "--owns", said});
    EXPECT_EQ(upgraded.status, 5);
    EXPECT_NE(upgraded.out.find("7 moved, 0 waiting, 0 lost"), std::string::npos) << upgraded.out;
    const std::string why = "handoff: sessions may be lost: the new release says that it has " +
                            std::string(said) + " sessions, and 7 were given to it";
    EXPECT_NE(upgraded.err.find(why), std::string::npos) << upgraded.err;
    const auto record = supervisor.history("upgrade").back();
    EXPECT_EQ(record.at("result"), "lost");
    EXPECT_EQ(record.at("error").at("failed"), "new");
  }
}

TEST_F(UpgradeCommandTest, ADonorThatDoesNotLeaveIsMadeTo) {
  supervisor.start(fake({"--donor", "stay"}));
  const auto first =
      supervisor.upgrade_with({"--release", "2.0", "--donor", "stay-on-term"}, {"--drain", "50ms"});
  EXPECT_EQ(first.status, 0);
  EXPECT_TRUE(supervisor.says("was killed by SIGTERM"));
  const auto second = supervisor.upgrade_with({"--release", "3.0"}, {"--drain", "50ms"});
  EXPECT_EQ(second.status, 0) << "it does not wait for that";
  EXPECT_EQ(supervisor.status().at("leaving").at(0).at("generation"), 2);
  EXPECT_NE(supervisor.command({"status"}).out.find("leaving"), std::string::npos);
  EXPECT_TRUE(supervisor.says("was killed by SIGKILL"));
  EXPECT_TRUE(supervisor.status().at("leaving").empty());
}

TEST_F(UpgradeCommandTest, AnHeirThatDiesAfterTheSwitchIsALossAndIsRestarted) {
  supervisor.start(fake({"--sessions", "5"}));
  const auto upgraded = supervisor.upgrade_with(
      {"--release", "2.0", "--sessions", "5", "--heir", "die-after-release"});
  EXPECT_EQ(upgraded.status, 5);
  EXPECT_EQ(upgraded.done().at("sessions").at("lost"), 5);
  supervisor.wait_for_state("running");
  EXPECT_EQ(ask_service(supervisor), "1.0 3") << "it had never said that it runs";
}

TEST_F(UpgradeCommandTest, AnHeirThatDiesAfterItHasTakenOver) {
  supervisor.start(fake({"--sessions", "5"}));
  const auto upgraded =
      supervisor.upgrade_with({"--release", "2.0", "--sessions", "5", "--heir", "die-after-owner"});
  // The donor may be gone before the heir dies: then the handoff was done.
  EXPECT_TRUE(upgraded.status == 5 || upgraded.status == 0);
  EXPECT_TRUE(supervisor.eventually([&] { return ask_service(supervisor) == "1.0 3"; }))
      << "it had not proved itself";
}

// ---- a supervisor that hangs ----------------------------------------------------------------

// The supervisor is stopped until its patience with the heir is over. Meanwhile the heir says that
// it owns the sessions. What was said in time counts, also if it is read late.
TEST_F(UpgradeCommandTest, ASupervisorThatWasStoppedReadsBeforeItLosesItsPatience) {
  supervisor.start(fake({"--sessions", "5"}));
  const pid_t donor = supervisor.service_pid();
  const std::string gate = supervisor.dir() / "gate";
  const auto client =
      supervisor.begin({"upgrade", "chat", "--stall-timeout", "1s", "--freeze-budget", "50ms", "--",
                        "--release", "2.0", "--sessions", "5", "--own-after", gate});
  // The donor has retired, and is reaped.
  ASSERT_TRUE(supervisor.says("(pid " + std::to_string(donor) + ") exited with status 0"));
  // The time itself is what is tested: stall timeout, freeze budget, and two seconds of its own.
  const Deadline patience_over = Deadline::in(1s + 50ms + 2s + 100ms);
  supervisor.process().stop();
  write_file(gate, "");
  ASSERT_TRUE(wait_for_file(gate + ".said"));
  EXPECT_FALSE(client->wait(patience_over)) << "nobody has answered";
  supervisor.process().signal(SIGCONT);
  EXPECT_EQ(client->wait(), 0);
  EXPECT_EQ(ask_service(supervisor), "2.0 2");
}

// ---- who asks, and when ---------------------------------------------------------------------

TEST_F(UpgradeCommandTest, OneAtATime) {
  const std::string gate = supervisor.dir() / "gate";
  supervisor.start(fake({"--wait-for", gate}));
  const auto first = supervisor.begin({"upgrade", "chat", "--", "--release", "2.0"});
  supervisor.wait_for_state("upgrading");
  const Outcome second = supervisor.command({"upgrade", "chat", "--", "--release", "3.0"});
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find("another upgrade of chat is under way"), std::string::npos);
  write_file(gate, "");
  EXPECT_EQ(first->wait(), 0);
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

TEST_F(UpgradeCommandTest, TheHistorySaysWhatWasAskedForWhateverIsAskedMeanwhile) {
  const std::string gate = supervisor.dir() / "gate";
  supervisor.start(fake({"--wait-for", gate}));
  const auto first = supervisor.begin({"upgrade", "chat", "--", "--release", "2.0"});
  supervisor.wait_for_state("upgrading");
  EXPECT_EQ(supervisor.command({"rollback", "chat"}).status, 1);
  EXPECT_EQ(supervisor.command({"commit", "chat"}).status, 1);
  write_file(gate, "");
  EXPECT_EQ(first->wait(), 0);
  const auto refused = supervisor.history("refused");
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused.at(0).at("command"), "rollback");
  EXPECT_EQ(refused.at(1).at("command"), "commit");
  const auto done = supervisor.history("upgrade");
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done.at(0).at("command"), "upgrade");
  EXPECT_EQ(done.at(0).at("by"), "operator");
}

TEST_F(UpgradeCommandTest, GoesOnWithoutTheOperator) {
  const std::string gate = supervisor.dir() / "gate";
  supervisor.start(fake({"--wait-for", gate}));
  const auto client = supervisor.begin({"upgrade", "chat", "--", "--release", "2.0"});
  supervisor.wait_for_state("upgrading");
  client->signal(SIGINT);
  const Outcome outcome = client->finish();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_NE(outcome.err.find("the handoff goes on in the supervisor"), std::string::npos);
  write_file(gate, "");
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

TEST_F(UpgradeCommandTest, RestartIsAHandoffToTheSameFile) {
  const std::string copy = supervisor.dir() / "service";
  std::filesystem::copy_file(fake_service(), copy);
  supervisor.start({.command = {copy}, .name = "chat"});
  const json before = supervisor.status();
  std::filesystem::remove(copy);  // a restart does not look at the path
  const Outcome outcome = supervisor.command({"restart", "chat", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  const json after = supervisor.status();
  EXPECT_EQ(after.at("generation"), 2);
  EXPECT_EQ(after.at("digest"), before.at("digest"));
  EXPECT_EQ(ask_service(supervisor), "1.0 2");
}

TEST_F(UpgradeCommandTest, WithoutABinaryTheFileAtThePathIsOpenedAgain) {
  const std::string path = supervisor.dir() / "service";
  std::filesystem::copy_file(fake_service(), path);
  supervisor.start({.command = {path, "--release", "kept"}, .name = "chat"});
  const json before = supervisor.status();
  // As installers do: a new file under the old name. One more byte makes another digest.
  std::filesystem::copy_file(path, path + ".new");
  std::ofstream(path + ".new", std::ios::app) << "x";
  std::filesystem::rename(path + ".new", path);
  EXPECT_EQ(supervisor.command({"upgrade", "chat"}).status, 0);
  const json after = supervisor.status();
  EXPECT_NE(after.at("digest"), before.at("digest"));
  EXPECT_EQ(ask_service(supervisor), "kept 2") << "with the arguments that it had";
}

TEST_F(UpgradeCommandTest, ScriptsAreReleasesToo) {
  supervisor.start(fake());
  const std::string script = supervisor.dir() / "wrapper";
  write_file(script, "#!/bin/sh\nexec " + fake_service() + " --release wrapped\n", 0755);
  const Outcome outcome = supervisor.command({"upgrade", "chat", script});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(ask_service(supervisor), "wrapped 2");
}

TEST_F(UpgradeCommandTest, OfAStoppedServiceStartsTheNewRelease) {
  supervisor.start(fake());
  ASSERT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  const auto broken = supervisor.upgrade_with({"--fresh", "exit=4"});
  EXPECT_EQ(broken.status, 1);
  EXPECT_EQ(supervisor.status().at("state"), "stopped");
  const auto upgraded = supervisor.upgrade_with({"--release", "2.0"});
  EXPECT_EQ(upgraded.status, 0);
  EXPECT_TRUE(upgraded.done().at("fresh").get<bool>());
  EXPECT_TRUE(upgraded.done().at("from").is_null());
  EXPECT_EQ(ask_service(supervisor), "2.0 3");
}

}  // namespace
}  // namespace handoff::test
