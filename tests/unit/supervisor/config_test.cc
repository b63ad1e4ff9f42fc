// The config file: every key, and every mistake named by its line.
#include "supervisor/config/config.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

std::string why(const std::string& text) {
  const auto config = parse_config(text, "handoff.toml");
  return config ? "accepted" : config.error().message;
}
// Why a configuration of one service is refused, with this line as its third.
std::string why_line(const std::string& line) {
  return why("[service.chat]\ncommand = [\"/opt/chat\"]\n" + line + "\n");
}

TEST(ConfigTest, ReadsTheKeysOfTheSupervisorItself) {
  const std::string chat = "[service.chat]\ncommand = [\"/opt/chat\"]\n";
  const auto plain = parse_config(chat, "handoff.toml");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->history, HistoryConfig{}) << "services are worth more than what is told of them";
  EXPECT_FALSE(plain->history.required);
  const auto set = parse_config(
      "history = \"required\"\nhistory_size = \"64kB\"\nhistory_keep = 9\n" + chat, "handoff.toml");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->history.required);
  EXPECT_EQ(set->history.limits.size, 64'000U);
  EXPECT_EQ(set->history.limits.keep, 9);
  for (const char* wrong :
       {"history = true", "history = \"maybe\"", "history_size = 5", "history_size = \"5\"",
        "history_size = \"63kB\"", "history_size = \"2TB\"", "history_size = \"-1MB\"",
        "history_size = \"99999999999999999999kB\"", "history_keep = 0", "history_keep = 101",
        "histroy = \"required\""}) {
    EXPECT_EQ(why(std::string(wrong) + "\n" + chat).find("handoff.toml:1: "), 0U) << wrong;
  }
  EXPECT_NE(why("histroy = \"required\"\n" + chat).find("did you mean \"history\""),
            std::string::npos);
}

TEST(ConfigTest, ReadsAllThereIs) {
  const auto config = parse_config(R"(
[service.chat]
command = ["/opt/chat-1.0", "--verbose"]
listen = { public = "tcp:0.0.0.0:7000", admin = "unix:/run/chat.sock" }
start_timeout = "5s"
freeze_budget = "100ms"
stall_timeout = "3s"
drain = "2m"
restart = false
working_dir = "/srv/chat"
env = { LANG = "C.UTF-8", ROOMS = "12" }
probation = "0s"
health = { type = "http", listener = "public", path = "/well?now", interval = "2s", timeout = "500ms", failures = 5 }
incompatible = "drain"
unmovable = "close"
late = "keep"
max_errors = 12
max_generations = 6
children = "leave"
vault = true
vault_max_crashes = 1
vault_max_recoveries = "10/h"
releases_dir = "/srv/chat/releases"
verify = { key = "/etc/handoff/release.pub" }

[service.kv]
command = ["kv"]
)",
                                   "handoff.toml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->services.size(), 2U);
  const ServiceConfig& chat = config->services[0];
  EXPECT_EQ(chat.name, "chat");
  EXPECT_EQ(chat.command, (std::vector<std::string>{"/opt/chat-1.0", "--verbose"}));
  ASSERT_EQ(chat.listen.size(), 2U);
  EXPECT_EQ(chat.listen[1].name, "public");
  EXPECT_EQ(chat.timeouts.start, 5s);
  EXPECT_EQ(chat.timeouts.freeze_budget, 100ms);
  EXPECT_EQ(chat.timeouts.stall, 3s);
  EXPECT_EQ(chat.timeouts.drain, 2min);
  EXPECT_FALSE(chat.restart);
  EXPECT_EQ(chat.working_dir, "/srv/chat");
  EXPECT_EQ(chat.environment.at("ROOMS"), "12");
  EXPECT_EQ(chat.timeouts.probation, 0s);
  EXPECT_EQ(chat.health.kind, HealthCheck::Kind::kHttp);
  EXPECT_EQ(chat.health.listener, "public");
  EXPECT_EQ(chat.health.path, "/well?now");
  EXPECT_EQ(chat.health.interval, 2s);
  EXPECT_EQ(chat.health.timeout, 500ms);
  EXPECT_EQ(chat.health.failures, 5);
  EXPECT_TRUE(chat.drain_incompatible);
  EXPECT_EQ(chat.unmovable, handoff::core::Unmovable::kClose);
  EXPECT_EQ(config->services[1].unmovable, handoff::core::Unmovable::kLate);
  EXPECT_EQ(chat.late, LateSessions::kKeep);
  EXPECT_EQ(chat.max_generations, 6U);
  EXPECT_EQ(chat.children, ChildrenPolicy::kLeave);
  EXPECT_EQ(config->services[1].children, ChildrenPolicy::kEnd);
  EXPECT_TRUE(chat.vault);
  EXPECT_EQ(chat.recoveries, (Vaults::Policy{1, {10, 1h}}));
  EXPECT_FALSE(config->services[1].vault);
  EXPECT_EQ(config->services[1].recoveries, (Vaults::Policy{3, {5, 1min}}));
  EXPECT_EQ(chat.max_errors, 12U);
  EXPECT_EQ(chat.releases_dir, "/srv/chat/releases");
  EXPECT_EQ(chat.verify_key, "/etc/handoff/release.pub");
  EXPECT_TRUE(config->services[1].restart);
  EXPECT_EQ(config->services[1].timeouts.freeze_budget, 250ms);
}

TEST(ConfigTest, NamesTheLineAndWhatWasMeant) {
  EXPECT_EQ(why_line("lisen = {}"),
            "handoff.toml:3: unknown key \"lisen\" in [service.chat]; did you mean \"listen\"?");
  EXPECT_EQ(why("[services.chat]\ncommand = [\"x\"]\n"),
            "handoff.toml:1: unknown key \"services\" in the file; did you mean \"service\"? (a "
            "service is a table [service.NAME])");
  EXPECT_NE(why_line("frobnicate = 1").find("there are: command listen"), std::string::npos);
}

TEST(ConfigTest, RefusesWrongTypes) {
  EXPECT_NE(
      why_line("drain = 30").find("handoff.toml:3: drain must be a string with a whole number"),
      std::string::npos);
  EXPECT_NE(why_line("restart = \"yes\"").find("true or false"), std::string::npos);
  EXPECT_NE(why_line("listen = \"tcp:0.0.0.0:1\"").find("listen must be a table"),
            std::string::npos);
  EXPECT_NE(why_line("listen = { a = 7000 }").find("must be a string"), std::string::npos);
  EXPECT_NE(why_line("env = { A = 1 }").find("\"A\" must be a string"), std::string::npos);
  EXPECT_NE(why("service = 3\n").find("handoff.toml:1:"), std::string::npos);
  EXPECT_NE(why("[service]\nchat = 3\n").find("service.chat must be a table"), std::string::npos);
  EXPECT_NE(why("[service.chat]\ncommand = \"/opt/chat\"\n").find("list of strings"),
            std::string::npos);
  EXPECT_NE(why("[service.chat]\ncommand = [\"/opt/chat\", 3]\n").find("list of strings"),
            std::string::npos);
}

TEST(ConfigTest, RefusesImpossibleValues) {
  EXPECT_NE(why_line("freeze_budget = \"0ms\"").find("can't be zero"), std::string::npos);
  EXPECT_EQ(why_line("drain = \"0s\""), "accepted");
  EXPECT_NE(why_line("drain = \"3 days\"").find("handoff.toml:3"), std::string::npos);
  EXPECT_NE(why_line("working_dir = \"srv\"").find("absolute path"), std::string::npos);
  EXPECT_NE(why_line("listen = { a = \"tcp:localhost:1\" }").find("names are not looked up"),
            std::string::npos);
  EXPECT_NE(why_line("listen = { \"a b\" = \"tcp:127.0.0.1:1\" }").find("is no name"),
            std::string::npos);
  EXPECT_NE(why_line("env = { HANDOFF_FD = \"3\" }").find("set by the supervisor"),
            std::string::npos);
  EXPECT_NE(why_line("env = { \"A=B\" = \"3\" }").find("can't be a variable"), std::string::npos);
  EXPECT_NE(why("[service.chat]\ncommand = []\n").find("list of strings"), std::string::npos);
  EXPECT_NE(why("[service.chat]\ncommand = [\"\"]\n").find("empty string"), std::string::npos);
  // A NUL, at which an exec would cut the word.
  EXPECT_NE(why("[service.chat]\ncommand = [\"x\", \"a\\u0000b\"]\n").find("a NUL"),
            std::string::npos);
  EXPECT_NE(why_line("working_dir = \"/srv\\u0000x\"").find("a NUL"), std::string::npos);
  EXPECT_NE(why("[service.chat]\ndrain = \"1s\"\n").find("has no command"), std::string::npos);
  EXPECT_NE(why("[service.\"a/b\"]\ncommand = [\"x\"]\n").find("is no name"), std::string::npos);
  // Folders of the state folder have these names.
  for (const std::string name : {".", "..", ".unpacking-x"}) {
    EXPECT_NE(why("[service.\"" + name + "\"]\ncommand = [\"x\"]\n").find("is no name"),
              std::string::npos)
        << name;
  }
  EXPECT_NE(why("").find("no service in it"), std::string::npos);
}

// Why this health check is refused, for a service with a listener of each sort.
std::string why_health(const std::string& health) {
  return why(
      "[service.chat]\ncommand = [\"/opt/chat\"]\n"
      "listen = { web = \"tcp:127.0.0.1:80\", packets = \"udp:127.0.0.1:80\" }\nhealth = " +
      health + "\n");
}

TEST(ConfigTest, HealthChecksOfEachTypeAreRead) {
  EXPECT_EQ(why_health("{}"), "accepted");
  EXPECT_EQ(why_health("{ type = \"none\" }"), "accepted");
  EXPECT_EQ(why_health("{ type = \"tcp\", listener = \"web\" }"), "accepted");
  EXPECT_EQ(why_health("{ type = \"exec\", command = [\"/bin/true\"] }"), "accepted");
  EXPECT_EQ(why_health("{ type = \"service\", failures = 1 }"), "accepted");
}

TEST(ConfigTest, HealthChecksThatCouldNeverWorkAreRefused) {
  EXPECT_EQ(
      why_health("{ type = \"htpp\" }"),
      "handoff.toml:4: health.type must be \"none\", \"tcp\", \"http\", \"exec\" or \"service\"; "
      "did you mean \"http\"?");
  EXPECT_EQ(why_health("{ interval = \"1s\" }").substr(0, 35),
            "handoff.toml:4: health has no type:");
  EXPECT_EQ(why_health("{ type = \"exec\" }"),
            "handoff.toml:4: health of type \"exec\" has no command");
  EXPECT_EQ(why_health("{ type = \"tcp\", listener = \"web\", path = \"/\" }"),
            "handoff.toml:4: health.path goes with type \"http\", not \"tcp\"");
  EXPECT_EQ(why_health("{ type = \"tcp\", listener = \"wbe\" }"),
            "handoff.toml:4: health: no listener \"wbe\" in listen; did you mean \"web\"?");
  EXPECT_NE(why_health("{ type = \"tcp\", listener = \"packets\" }").find("is UDP"),
            std::string::npos);
  EXPECT_NE(
      why_health("{ type = \"http\", listener = \"web\", path = \"/a b\" }").find("no blanks"),
      std::string::npos);
  EXPECT_NE(why_health("{ type = \"tcp\", listener = \"web\", timeout = \"0s\" }").find("zero"),
            std::string::npos);
  EXPECT_NE(
      why_health("{ type = \"tcp\", listener = \"web\", failures = 0 }").find("from 1 to 1000"),
      std::string::npos);
  EXPECT_NE(why_health("{ type = \"tcp\", intervall = \"1s\" }").find("did you mean \"interval\"?"),
            std::string::npos);
  EXPECT_NE(why_health("\"tcp\"").find("health must be a table"), std::string::npos);
  EXPECT_EQ(why_line("health = { type = \"tcp\" }"),
            "handoff.toml:3: health connects to a listener, and the service has none in listen");
}

TEST(ConfigTest, PoliciesAreWordsAndBounds) {
  EXPECT_EQ(why_line("late = \"mov\""),
            "handoff.toml:3: late must be \"move\", \"close\" or \"keep\"; did you mean \"move\"?");
  EXPECT_EQ(why_line("incompatible = true"),
            "handoff.toml:3: incompatible must be \"refuse\" or \"drain\"");
  EXPECT_EQ(why_line("unmovable = \"keep\""),
            "handoff.toml:3: unmovable must be \"refuse\", \"late\" or \"close\"");
  EXPECT_EQ(why_line("max_generations = 1"),
            "handoff.toml:3: max_generations must be a whole number from 2 to 64");
  EXPECT_EQ(why_line("vault_max_crashes = 0"),
            "handoff.toml:3: vault_max_crashes must be a whole number from 1 to 100");
  EXPECT_EQ(why_line("vault_max_recoveries = \"often\""),
            "handoff.toml:3: vault_max_recoveries must be so often within a while: 5/min, 10/h, "
            "3/10m");
  EXPECT_NE(why_line("vault_max_recoveries = 5"), "accepted");
  EXPECT_NE(why_line("max_generations = 2.5").find("whole number"), std::string::npos);
  EXPECT_NE(why_line("releases_dir = \"releases\"").find("absolute path"), std::string::npos);
  EXPECT_EQ(why_line("probation = \"0s\""), "accepted");
}

TEST(ConfigTest, AKeyIsAMinisignKeyOrThePathOfOne) {
  constexpr const char* kKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
  EXPECT_EQ(why_line("verify = { key = \"" + std::string(kKey) + "\" }"), "accepted");
  EXPECT_EQ(why_line("verify = { key = \"/etc/handoff/release.pub\" }"), "accepted");
  EXPECT_NE(why_line("verify = { key = \"release.pub\" }").find("public key of minisign's"),
            std::string::npos);
  EXPECT_NE(why_line("verify = { key = \"\" }").find("public key of minisign's"), std::string::npos)
      << "who wrote it wanted something to be verified";
  EXPECT_NE(why_line("verify = {}").find("verify has no key"), std::string::npos);
  EXPECT_NE(why_line("verify = \"" + std::string(kKey) + "\"").find("must be a table"),
            std::string::npos);
}

TEST(ConfigTest, TwoServicesDoNotShareAFolderOfReleases) {
  EXPECT_EQ(
      why("[service.a]\ncommand = [\"x\"]\nreleases_dir = \"/r\"\n"
          "[service.b]\ncommand = [\"x\"]\nreleases_dir = \"/r\"\n"),
      "handoff.toml:6: releases_dir is that of service \"a\" already: each needs one of its own");
}

TEST(ConfigTest, TellsAllMistakesByLine) {
  const ReadConfig read = read_config(
      "[service.b]\nlate = 1\ndrian = \"1s\"\ncommand = [\"x\"]\n[service.a]\ndrain = 3\n");
  std::string all;
  for (const ConfigProblem& problem : read.problems) all += describe(problem, "f") + "\n";
  EXPECT_EQ(
      all,
      "f:2: late must be \"move\", \"close\" or \"keep\"\n"
      "f:3: unknown key \"drian\" in [service.b]; did you mean \"drain\"?\n"
      "f:5: [service.a] has no command\n"
      "f:6: drain must be a string with a whole number with a unit: 250ms, 10s, 2m, 1h (us to h, "
      "at most a day)\n");
  EXPECT_NE(why("[service.b]\nlate = 1\n").find("(and 1 more"), std::string::npos);
}

TEST(ConfigTest, PassesOnWhatTheParserSays) {
  EXPECT_EQ(why("[service.chat]\ncommand = [\n").substr(0, 14), "handoff.toml:2");
  EXPECT_EQ(why_line("command = [\"again\"]").substr(0, 15), "handoff.toml:3:");
}

}  // namespace
}  // namespace handoff::supervisor
