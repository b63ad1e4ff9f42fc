// Which changes of a configuration hold at once, and which need a new process.
#include "supervisor/config/config_change.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

ServiceConfig chat(const std::string& more = "") {
  const auto config = parse_config(
      "[service.chat]\ncommand = [\"/opt/chat\", \"-v\"]\nlisten = { public = \"tcp:127.0.0.1:1\" "
      "}\n" +
          more,
      "f");
  EXPECT_TRUE(config) << config.error().message;
  return config ? config->services.front() : ServiceConfig{};
}

std::string told(const ConfigOutcome& outcome) {
  std::string out;
  for (const ConfigChange& change : outcome.changes) {
    const char* when[] = {"now", "next start", "fresh start", "next upgrade", "not"};
    out += change.key + " (" + when[static_cast<int>(change.when)] + "): " + change.what + "\n";
  }
  return out;
}

TEST(ConfigChangeTest, TheSameIsNoChange) {
  const ConfigOutcome outcome = change_config(chat(), chat(), false);
  EXPECT_EQ(told(outcome), "");
  EXPECT_EQ(outcome.config, chat());
}

TEST(ConfigChangeTest, ACommandThatCouldNotBeOpenedIsReplacedAtOnce) {
  ServiceConfig wanted = chat();
  wanted.command = {"/opt/chat-2"};
  const ConfigOutcome outcome = change_config(chat(), wanted, false, true);
  EXPECT_EQ(told(outcome), "command (next start): /opt/chat-2 when it is tried again\n");
  EXPECT_EQ(outcome.config, wanted);
}

TEST(ConfigChangeTest, DeadlinesAndPoliciesHoldAtOnce) {
  const ServiceConfig wanted = chat(
      "drain = \"1m\"\nprobation = \"0s\"\nlate = \"keep\"\nincompatible = \"drain\"\n"
      "unmovable = \"refuse\"\nrestart = false\nmax_generations = 5\nhealth = { type = \"tcp\" "
      "}\n");
  const ConfigOutcome outcome = change_config(chat(), wanted, false);
  EXPECT_EQ(told(outcome),
            "drain (now): 30.0 s -> 1 min 00 s\n"
            "probation (now): 30.0 s -> 0 us\n"
            "health (now): asked like that from now on\n"
            "incompatible (now): drain\n"
            "unmovable (now): refuse\n"
            "late (now): keep\n"
            "max_generations (now): 5\n"
            "restart (now): false\n");
  EXPECT_EQ(outcome.config, wanted);
}

TEST(ConfigChangeTest, TheProcessIsAsItWasStarted) {
  ServiceConfig wanted = chat("env = { A = \"1\" }\nworking_dir = \"/srv\"\n");
  wanted.command = {"/opt/chat-2", "-q"};
  const ConfigOutcome outcome = change_config(chat(), wanted, false);
  EXPECT_EQ(told(outcome),
            "command (next upgrade): /opt/chat-2 -q at the next `handoff upgrade chat`\n"
            "env (next start): for processes that are started from now on\n"
            "working_dir (next start): for processes that are started from now on\n");
  EXPECT_EQ(outcome.config, wanted);
}

TEST(ConfigChangeTest, AListenerIsBoundOrMovesAtTheNextUpgradeAndOneThatIsGoneStays) {
  ServiceConfig wanted = chat();
  wanted.listen = {{"admin", *core::parse_address("unix:/a")},
                   {"public", *core::parse_address("tcp:127.0.0.1:2")}};
  const ConfigOutcome outcome = change_config(chat(), wanted, false);
  EXPECT_EQ(told(outcome),
            "listen.admin (next upgrade): unix:/a is bound for the next release (handoff upgrade "
            "chat), or at the next start from nothing\n"
            "listen.public (next upgrade): moves from tcp:127.0.0.1:1 to tcp:127.0.0.1:2 at the "
            "next upgrade; until that is permanent both are served\n");
  EXPECT_EQ(outcome.config, wanted);
  ServiceConfig without = chat();
  without.listen.clear();
  const ConfigOutcome gone = change_config(chat(), without, false);
  const std::string stays =
      "listen.public (not): stays at tcp:127.0.0.1:1: connections wait there; handoff stop chat, "
      "handoff reload, handoff restart chat\n";
  EXPECT_EQ(told(gone), stays);
  EXPECT_EQ(gone.config.listen, chat().listen);
  EXPECT_EQ(told(change_config(gone.config, without, false)), stays) << "and is told every time";
}

// The socket stays, so nothing can be bound there. Seen: each upgrade was refused.
TEST(ConfigChangeTest, AListenerKeepsItsNameWhileTheServiceRuns) {
  ServiceConfig wanted = chat();
  wanted.listen = {{"web", *core::parse_address("tcp:127.0.0.1:1")}};
  wanted.health.listener = "web";
  const ConfigOutcome outcome = change_config(chat(), wanted, false);
  const std::string how = "handoff stop chat, handoff reload, handoff restart chat";
  EXPECT_NE(told(outcome).find("listen.web (not): tcp:127.0.0.1:1 is the address of public, which "
                               "stays there while the service runs: " +
                               how),
            std::string::npos)
      << told(outcome);
  EXPECT_EQ(outcome.config.listen, chat().listen);
  EXPECT_EQ(outcome.config.health.listener, "public");
  EXPECT_EQ(change_config(chat(), wanted, true).config, wanted);
  wanted.listen[0].options.bind.reuseport = true;
  EXPECT_EQ(change_config(chat(), wanted, false).config.listen.size(), 2U) << "both can be bound";
}

TEST(ConfigChangeTest, WhatCanBeSetOfAListenerIsAndTheRestStaysAsItWasBound) {
  ServiceConfig wanted = chat();
  wanted.listen[0].options.bind.backlog = 7;
  EXPECT_EQ(told(change_config(chat(), wanted, false)),
            "listen.public (now): mode, owner and backlog are set\n");
  EXPECT_EQ(change_config(chat(), wanted, false).config, wanted);
  wanted.listen[0].options.bind.reuseport = true;
  const ConfigOutcome outcome = change_config(chat(), wanted, false);
  EXPECT_EQ(told(outcome),
            "listen.public (now): mode, owner and backlog are set\n"
            "listen.public (not): v6only, freebind, reuseport and device are as it was bound: "
            "handoff stop chat, handoff reload, handoff restart chat\n");
  EXPECT_EQ(outcome.config.listen[0].options.bind.backlog, 7);
  EXPECT_FALSE(outcome.config.listen[0].options.bind.reuseport);
  EXPECT_EQ(told(change_config(chat(), wanted, true)),
            "listen.public (fresh start): bound like that when it is started\n");
  EXPECT_EQ(change_config(chat(), wanted, true).config, wanted);
}

TEST(ConfigChangeTest, NobodyWaitsInTheListenersOfAServiceThatIsStopped) {
  ServiceConfig wanted = chat();
  wanted.listen = {{"admin", *core::parse_address("unix:/a")}};
  const ConfigOutcome outcome = change_config(chat(), wanted, true);
  EXPECT_EQ(outcome.config, wanted);
  for (const ConfigChange& change : outcome.changes) {
    EXPECT_EQ(change.when, ConfigChange::When::kFreshStart) << change.key;
  }
  EXPECT_EQ(outcome.changes.size(), 2U);
}

TEST(ConfigChangeTest, ThoseOfTheSupervisorHaveNoService) {
  HistoryConfig wanted{.required = true, .limits = {.size = 64'000, .keep = 1}};
  const auto changes = change_history({}, wanted);
  ASSERT_EQ(changes.size(), supervisor_keys().size());
  const nlohmann::json told = changes_json(changes);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_TRUE(told.at("changed").at(i).at("service").is_null());
    EXPECT_EQ(told.at("changed").at(i).at("key"), supervisor_keys()[i]);
  }
  EXPECT_TRUE(change_history(wanted, wanted).empty());
}

TEST(ConfigChangeTest, EveryKeyIsCompared) {
  // One line for each key but command and listen, which are above.
  const std::vector<std::string> lines{"start_timeout = \"1s\"",
                                       "freeze_budget = \"1s\"",
                                       "stall_timeout = \"1s\"",
                                       "drain = \"1s\"",
                                       "probation = \"1s\"",
                                       "health = { type = \"tcp\" }",
                                       "incompatible = \"drain\"",
                                       "late = \"close\"",
                                       "max_generations = 9",
                                       "restart = false",
                                       "env = { A = \"\" }",
                                       "working_dir = \"/\"",
                                       "releases_dir = \"/r\"",
                                       "verify = { key = \"/k\" }",
                                       "max_errors = 0",
                                       "files = [\"a\"]",
                                       "release = \"config\"",
                                       "children = \"leave\"",
                                       "unmovable = \"close\"",
                                       "unclaimed = { listeners = \"close\" }",
                                       "vault = true",
                                       "vault_max_crashes = 1",
                                       "vault_max_recoveries = \"1/h\""};
  std::size_t outer = 0;
  for (const std::string& key : config_keys()) outer += key.find('.') == std::string::npos ? 1 : 0;
  EXPECT_EQ(lines.size() + 2, outer);
  for (const std::string& line : lines) {
    const ConfigOutcome outcome = change_config(chat(), chat(line + "\n"), false);
    ASSERT_EQ(outcome.changes.size(), 1U) << line;
    EXPECT_EQ(outcome.changes[0].key, line.substr(0, line.find(' ')));
    EXPECT_EQ(change_config(chat(line + "\n"), chat(), false).changes.size(), 1U) << line;
  }
}

}  // namespace
}  // namespace handoff::supervisor
