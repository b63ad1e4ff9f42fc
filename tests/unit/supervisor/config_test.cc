#include "config.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

std::string why(const std::string& text) {
  const auto config = parse_config(text, "handoff.toml");
  return config ? "accepted" : config.error().message;
}
// One service with a command, and that line as the third.
std::string why_line(const std::string& line) {
  return why("[service.chat]\ncommand = [\"/opt/chat\"]\n" + line + "\n");
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
  // What an exec would cut.
  EXPECT_NE(why("[service.chat]\ncommand = [\"x\", \"a\\u0000b\"]\n").find("a NUL"),
            std::string::npos);
  EXPECT_NE(why_line("working_dir = \"/srv\\u0000x\"").find("a NUL"), std::string::npos);
  EXPECT_NE(why("[service.chat]\ndrain = \"1s\"\n").find("has no command"), std::string::npos);
  EXPECT_NE(why("[service.\"a/b\"]\ncommand = [\"x\"]\n").find("is no name"), std::string::npos);
  EXPECT_NE(why("").find("no service in it"), std::string::npos);
}

TEST(ConfigTest, PassesOnWhatTheParserSays) {
  EXPECT_EQ(why("[service.chat]\ncommand = [\n").substr(0, 14), "handoff.toml:2");
  EXPECT_EQ(why_line("command = [\"again\"]").substr(0, 15), "handoff.toml:3:");
}

}  // namespace
}  // namespace handoff::supervisor
