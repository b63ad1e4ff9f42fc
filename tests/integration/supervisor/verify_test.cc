// Releases that have to be signed, as real processes: what runs is what was verified, as the
// service and in the version that its signature names.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bundle_fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

class VerifyTest : public BundleTest {
 protected:
  VerifyTest() {
    shell("minisign -G -W -f -p " + key + " -s " + (supervisor.dir() / "k.key"));
    fs::copy_file(program("handoff-echo-1"), one);
    fs::copy_file(program("handoff-echo-2"), two);
  }
  void sign(const std::string& path, const std::string& version = "1.0",
            const std::string& service = "chat") {
    sign_with(path, "service=" + service + " version=" + version);
  }
  void sign_with(const std::string& path, const std::string& comment) {
    shell("minisign -S -s " + (supervisor.dir() / "k.key") + " -t '" + comment + "' -m " + path);
  }
  std::string refusal(const std::vector<std::string>& arguments, const std::string& code) {
    const json refused = upgrade(arguments, 1);
    EXPECT_EQ(refused.at("error").at("code"), code) << refused;
    return refused.at("error").at("message").get<std::string>();
  }
  const std::string key = supervisor.dir() / "k.pub";
  const std::string verify = "verify = { key = \"" + key + "\" }\n";
  const std::string one = supervisor.dir() / "echo-1";
  const std::string two = supervisor.dir() / "echo-2";
};

TEST_F(VerifyTest, NothingUnsignedIsStarted) {
  run(verify, one);
  supervisor.wait_for_state("backoff");
  EXPECT_NE(supervisor.log().find(one + " is not signed, and only what is signed may run"),
            std::string::npos);
  EXPECT_TRUE(supervisor.status().at("pid").is_null());
  const Outcome checked = supervisor.command({"check", "--config", config});
  EXPECT_EQ(checked.status, 1);
  EXPECT_NE(checked.err.find(":2: chat: command: " + one + " is not signed"), std::string::npos)
      << checked.err;
  sign(one);
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("verified").get<std::string>().size(), 16U);
}

TEST_F(VerifyTest, OnlyWhatIsSignedTakesOver) {
  sign(one);
  start_and_wait(verify, one);
  EXPECT_EQ(supervisor.command({"check", "--config", config}).status, 0);
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const json before = supervisor.status();
  EXPECT_EQ(before.at("verified").get<std::string>().size(), 16U);
  EXPECT_EQ(upgrade({two}, 1).at("error").at("code"), "signature");
  const std::string unsigned_bundle = bundle("2.0");
  EXPECT_EQ(upgrade({unsigned_bundle}, 1).at("error").at("code"), "signature");
  EXPECT_EQ(releases(), Names{});
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("b"), "2 1 b");
  sign(two);
  upgrade({two});
  EXPECT_EQ(client.ask("c"), "3 2 c");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_EQ(client.ask("d"), "4 2 d");
  sign(unsigned_bundle);
  upgrade({unsigned_bundle});
  EXPECT_EQ(client.ask("e"), "5 2 e");
  EXPECT_EQ(releases(), Names{"chat-2.0"});
}

TEST_F(VerifyTest, WhatWasVerifiedRunsAgainWhateverHappensToTheFile) {
  sign(one);
  start_and_wait(verify, one);
  {
    // In place, as no honest tool does it.
    std::ofstream file(one, std::ios::in | std::ios::out | std::ios::binary);
    file << "#!/bin/sh\nexit 1\n";
  }
  crash();
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
  const json before = supervisor.status();
  supervisor.kill();
  // The next supervisor finds the configured file altered: it goes on with what the process has.
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("verified"), before.at("verified"));
  crash();
}

TEST_F(VerifyTest, WhatRanUnsignedUnderTheSupervisorBeforeIsNotStartedAgain) {
  start_and_wait("", one);
  const json before = supervisor.status();
  supervisor.kill();
  write_file(config, read_file(config) + verify);
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid")) << "whoever runs goes on";
  ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
  EXPECT_TRUE(supervisor.says(one + " is not signed"));
  sign(one);
  supervisor.wait_for_state("running");
}

// Its bytes are those that ran, and its signature has never said as which service.
TEST_F(VerifyTest, WhatRanUnsignedComesBackOnlyAsTheServiceThatItIsSignedFor) {
  start_and_wait("", one);
  const pid_t ran = supervisor.service_pid();
  supervisor.kill();
  write_file(config, read_file(config) + verify);
  sign(one, "1.0", "kv");
  supervisor.start(configured(config));
  ASSERT_EQ(::kill(ran, SIGKILL), 0);
  EXPECT_TRUE(supervisor.says("it is signed for service \"kv\", and this is \"chat\""));
  sign(one);
  const json now = supervisor.wait_for_status([ran](const json& status) {
    return status.at("state") == "running" && status.at("pid") != ran;
  });
  EXPECT_EQ(now.at("signed_version"), "1.0");
}

TEST_F(VerifyTest, ABundleThatIsUnpackedAgainIsOfTheVersionThatItWas) {
  sign(one, "1.0");
  start_and_wait(verify, one);
  const std::string path = bundle("nightly");
  sign(path, "2.0");
  upgrade({path});
  EXPECT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  const json before = supervisor.status();
  EXPECT_EQ(before.at("signed_version"), "2.0");
  fs::remove_all(fs::path(before.at("path").get<std::string>()).parent_path().parent_path());
  crash();
  EXPECT_EQ(supervisor.status().at("signed_version"), "2.0");
  const std::string older = supervisor.dir() / "older";
  fs::copy_file(two, older);
  sign(older, "1.5");
  EXPECT_NE(refusal({older}, "downgrade").find("is version 1.5, and 2.0 runs"), std::string::npos);
}

TEST_F(VerifyTest, AKeyThatComesByReloadCountsForWhatIsOpenedFromThenOn) {
  start_and_wait("", one);
  EXPECT_TRUE(supervisor.status().at("verified").is_null());
  write_file(config, read_file(config) + verify);
  EXPECT_EQ(supervisor.command({"reload"}).status, 0);
  const Outcome restart = supervisor.command({"restart", "chat"});
  EXPECT_EQ(restart.status, 1);
  EXPECT_NE(restart.err.find(one + " was never verified"), std::string::npos) << restart.err;
  crash();
  upgrade({two}, 1);
  sign(two);
  upgrade({two});
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
}

// ---- what the trusted comment says -----------------------------------------------------------

TEST_F(VerifyTest, AReleaseOfAnotherServiceDoesNotRunAsThisOne) {
  sign(one);
  start_and_wait(verify, one);
  const json before = supervisor.status();
  sign(two, "2.0", "kv");
  const std::string why = refusal({two}, "signature");
  EXPECT_NE(why.find("it is signed for service \"kv\", and this is \"chat\""), std::string::npos)
      << why;
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  // The configuration may say as what releases are signed.
  std::string text = read_file(config);
  text.replace(text.find("verify = {"), 10, "verify = { service = \"kv\",");
  write_file(config, text);
  EXPECT_EQ(supervisor.command({"reload"}).status, 0);
  upgrade({two});
  EXPECT_NE(refusal({one}, "signature").find("and this is \"kv\""), std::string::npos);
}

TEST_F(VerifyTest, AnOlderReleaseNeedsAWordOfTheOperatorWhateverItIsCalled) {
  const std::string renamed = supervisor.dir() / "echo-99";
  sign(two, "2.0");
  start_and_wait(verify, two);
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 2 a");
  fs::copy_file(one, renamed);
  sign(renamed, "1.10");
  const std::string why = refusal({renamed}, "downgrade");
  EXPECT_NE(why.find("is version 1.10, and 2.0 runs"), std::string::npos) << why;
  EXPECT_NE(why.find("--allow-downgrade"), std::string::npos) << why;
  EXPECT_EQ(client.ask("b"), "2 2 b");
  const Outcome plan = supervisor.command({"plan", "chat", renamed});
  EXPECT_EQ(plan.status, 1);
  EXPECT_NE((plan.out + plan.err).find("is version 1.10, and 2.0 runs"), std::string::npos)
      << plan.out << plan.err;
  // A busy host is no reason to refuse it.
  const Outcome allowed =
      supervisor.command({"plan", "--allow-downgrade", "--freeze-budget", "10s", "chat", renamed});
  EXPECT_EQ(allowed.status, 0) << allowed.describe();
  upgrade({"--allow-downgrade", renamed});
  EXPECT_EQ(client.ask("c"), "3 1 c");
  EXPECT_EQ(supervisor.status().at("signed_version"), "1.10");
}

TEST_F(VerifyTest, GoingBackToWhatRanIsNoDowngrade) {
  sign(one, "1.9");
  sign(two, "1.10");
  start_and_wait(verify + "probation = \"1h\"\n", one);
  LineClient client(supervisor.port());
  upgrade({two});
  EXPECT_EQ(client.ask("a"), "1 2 a");
  EXPECT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(client.ask("b"), "2 1 b");
  upgrade({two});
  upgrade({one});  // the very file that ran before
  EXPECT_EQ(client.ask("c"), "3 1 c");
  // The next supervisor knows it as well.
  upgrade({two});
  supervisor.kill();
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("signed_version"), "1.10");
  const std::string copy = supervisor.dir() / "again";
  fs::copy_file(one, copy);
  std::ofstream(copy, std::ios::app) << "other bytes";
  sign(copy, "1.9");
  EXPECT_NE(refusal({copy}, "downgrade").find("is version 1.9, and 1.10 runs"), std::string::npos);
  EXPECT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(client.ask("d"), "4 1 d");
}

TEST_F(VerifyTest, WhatLiesAtTheConfiguredPathAfterAStopMayNotBeOlder) {
  const std::string path = supervisor.dir() / "echo";
  fs::copy_file(two, path);
  sign(path, "2.0");
  start_and_wait(verify, path);
  ASSERT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  fs::remove(path);
  fs::copy_file(one, path);
  sign(path, "1.0");
  (void)supervisor.command({"restart", "chat"});
  EXPECT_TRUE(supervisor.says("is version 1.0, and 2.0 ran")) << supervisor.log();
  supervisor.wait_for_state("running");
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 2 a") << "the copy of what ran";
  upgrade({"--config", "--allow-downgrade"});
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
}

TEST_F(VerifyTest, ASignatureThatNamesNoServiceAndVersionIsNotEnough) {
  sign(one);
  start_and_wait(verify, one);
  for (const char* comment : {"timestamp:1700000000", "service=chat", "version=2.0",
                              "service=chat version=", "service=chat version=new",
                              "service=chat version=2.0 version=1.0"}) {
    sign_with(two, comment);
    const std::string why = refusal({two}, "signature");
    EXPECT_NE(why.find("minisign -S -s KEY -t \"service=chat version="), std::string::npos) << why;
  }
  sign_with(two, "built by hand  version=2.0\tservice=chat");
  upgrade({two});
}

// Signed before signatures had to say that: what ran goes on, after a stop and a start, too.
// Nothing else with such a signature is started.
TEST_F(VerifyTest, WhatRanWithAnOlderSignatureComesBack) {
  sign(one);
  start_and_wait(verify, one);
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  ASSERT_EQ(supervisor.terminate().status, 0);
  const std::string chosen = supervisor.runtime() + "/kept/chat/choice.json";
  json choice = json::parse(read_file(chosen));
  EXPECT_EQ(choice.at("release").at("signed_version"), "1.0");
  choice.at("release").erase("signed_version");
  write_file(chosen, choice.dump(), 0600);
  sign_with(one, "timestamp:1700000000");
  supervisor.start(configured(config));
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
  EXPECT_TRUE(supervisor.says("sign it by minisign -S -s KEY -t")) << supervisor.log();
  crash();
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_EQ(LineClient(supervisor.port()).ask("b"), "1 1 b");
  (void)refusal({}, "signature");
  sign(one);
  upgrade({});
}

TEST_F(VerifyTest, CheckSaysWhatTheSignatureLacks) {
  sign(one, "1.0", "kv");
  configure(verify, one);
  const Outcome checked = supervisor.command({"check", "--config", config});
  EXPECT_EQ(checked.status, 1);
  EXPECT_NE(checked.err.find("it is signed for service \"kv\", and this is \"chat\""),
            std::string::npos)
      << checked.err;
}

// ---- the supervisor itself -------------------------------------------------------------------

TEST_F(VerifyTest, TheNextSupervisorHasToBeSignedToo) {
  const std::string next = supervisor.dir() / "handoff";
  fs::copy_file(program("handoff"), next);
  fs::copy_file(program("handoff-unpack"), supervisor.dir() / "handoff-unpack");
  sign(one);
  start_and_wait(verify, one);
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const auto refused = [&](const std::string& why, std::vector<std::string> more = {}) {
    std::vector<std::string> words{"upgrade", "--self"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(next);
    const Outcome outcome = supervisor.command(words);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
  };
  refused(next + " is not signed, and only what is signed may run");
  sign(next, "99.0", "chat");
  refused("it is signed for service \"chat\", and this is \"handoff\"");
  sign(next, "0.0.1", "handoff");
  refused("is version 0.0.1");
  {
    sign(next, "99.0", "handoff");
    std::ofstream(next, std::ios::app) << "altered";
    refused("was altered");
    fs::copy_file(program("handoff"), next, fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(supervisor.command({"upgrade", "--self", next}).status, 0);
  EXPECT_EQ(client.ask("b"), "2 1 b");
  // What was verified runs, and finds what lies beside its path.
  EXPECT_TRUE(fs::read_symlink("/proc/" + std::to_string(supervisor.pid()) + "/exe")
                  .native()
                  .starts_with("/memfd:handoff"));
  const std::string archive = bundle("2.0");
  sign(archive, "2.0");
  upgrade({archive});
  EXPECT_EQ(client.ask("c"), "3 2 c");
  sign(next, "0.0.1", "handoff");
  EXPECT_EQ(supervisor.command({"upgrade", "--self", "--allow-downgrade"}).status, 0);
  EXPECT_EQ(client.ask("d"), "4 2 d");
}

}  // namespace
}  // namespace handoff::test
