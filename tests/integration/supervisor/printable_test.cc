// No control character of another's text reaches a terminal or a log: not a service's words, not
// the name of a file, not what stands in a config. What a person can read stays as it is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fixture.h"
#include "handoff.pb.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;

// Clears a terminal, in three ways; turns the direction of what follows; ends a line.
const std::string kHostile =
    "a\x1b[2J \x7f \xc2\x9b"
    "2J \xe2\x80\xae \xe2\x81\xa6 \xe2\x80\x8f \xd8\x9c "
    "\xe2\x80\xa8 one\ntwo\rthree\tfour";
const std::string kReadable = "r\xc3\xa4ume \xed\x95\x9c\xea\xb5\xad \xe0\xa4\xb9 \xf0\x9f\x8d\xb5";

// The first character of it that is none for a terminal, as a number; "" if there is none. A
// newline is the end of a line there.
std::string odd_in(const std::string& text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned byte = at(i);
    const bool c0 = (byte < 0x20 && byte != '\n') || byte == 0x7f;
    const bool c1 = byte == 0xc2 && at(i + 1) < 0xa0;
    const unsigned general = byte == 0xe2 ? at(i + 1) << 8 | at(i + 2) : 0;
    const bool bidi = general == 0x808e || general == 0x808f ||
                      (general >= 0x80a8 && general <= 0x80ae) ||
                      (general >= 0x81a6 && general <= 0x81a9);
    const bool arabic_mark = byte == 0xd8 && at(i + 1) == 0x9c;  // U+061C turns the direction, too
    if (c0 || c1 || bidi || arabic_mark)
      return "byte " + std::to_string(byte) + " in " + text.substr(i);
  }
  return "";
}

void expect_printable(const handoff::test::Outcome& outcome) {
  EXPECT_EQ(odd_in(outcome.out), "");
  EXPECT_EQ(odd_in(outcome.err), "");
}

class PrintableTest : public SupervisorTest {};

TEST_F(PrintableTest, AServicesWordsAreReadAndNotObeyed) {
  v1::Health health;
  health.set_healthy(false);
  health.set_reason(kReadable + " " + kHostile);
  const std::string frame = supervisor.dir() / "frame";
  write_file(frame, health.SerializeAsString());
  supervisor.start(fake());
  ASSERT_EQ(supervisor.upgrade_with({"--frame", "health:" + frame}).status, 0);
  supervisor.wait_for_status([](const json& status) { return status.at("generation") > 2; });
  for (const bool as_json : {false, true}) {
    auto command = std::vector<std::string>{"history"};
    if (as_json) command.emplace_back("--json");
    const Supervisor::Outcome history = supervisor.command(command);
    expect_printable(history);
    EXPECT_NE(history.out.find(kReadable), std::string::npos) << history.out;
    EXPECT_NE(history.out.find("one"), std::string::npos);
    EXPECT_EQ(history.out.find("one\ntwo"), std::string::npos) << "a line that nobody has written";
  }
  EXPECT_NE(supervisor.log().find(kReadable), std::string::npos);
  EXPECT_EQ(odd_in(supervisor.log()), "");
  EXPECT_EQ(supervisor.log().find("\ntwo"), std::string::npos) << "a line that nobody has logged";
}

// A reason of more than 1,024 bytes is cut between two characters.
TEST_F(PrintableTest, AReasonIsCutBetweenCharacters) {
  v1::Health health;
  health.set_healthy(false);
  std::string reason = "xx";  // with one x, 1,024 would be the end of a character
  while (reason.size() < 2000) reason += "\xed\x95\x9c";
  health.set_reason(reason);
  const std::string frame = supervisor.dir() / "frame";
  write_file(frame, health.SerializeAsString());
  supervisor.start(fake());
  ASSERT_EQ(supervisor.upgrade_with({"--frame", "health:" + frame}).status, 0);
  supervisor.wait_for_status([](const json& status) { return status.at("generation") > 2; });
  const auto records = supervisor.history("probation_failed");
  ASSERT_EQ(records.size(), 1U);
  const std::string said = records[0].at("error").at("message");
  EXPECT_NE(said.find("\xed\x95\x9c\xed\x95\x9c"), std::string::npos) << said;
  EXPECT_EQ(said.find("\xef\xbf\xbd"), std::string::npos) << "half a character: " << said;
}

TEST_F(PrintableTest, TheNameOfAFileIsShownAndNotObeyed) {
  const std::string file = supervisor.dir() / (kReadable + kHostile);
  supervisor.start(fake());
  for (const std::string command : {"upgrade", "plan"}) {
    for (const bool there : {false, true}) {
      if (there) write_file(file, "no program", 0755);
      for (const bool as_json : {false, true}) {
        auto words = std::vector<std::string>{command, "chat", file};
        if (as_json) words.insert(words.begin() + 1, "--json");
        const Supervisor::Outcome outcome = supervisor.command(words);
        EXPECT_EQ(outcome.status, 1);
        expect_printable(outcome);
        EXPECT_NE((outcome.out + outcome.err).find(kReadable), std::string::npos) << outcome.err;
        if (as_json) {
          const std::string why = outcome.done().at("error").at("message");
          EXPECT_NE(why.find(kHostile), std::string::npos) << "programs get it as it is: " << why;
        } else {
          EXPECT_EQ(outcome.err.find("\ntwo"), std::string::npos) << outcome.err;
        }
      }
    }
  }
  EXPECT_EQ(odd_in(supervisor.log()), "");
}

// A config has them in escapes of TOML.
TEST_F(PrintableTest, WhatStandsInAConfigIsShownAndNotObeyed) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config,
             "[service.chat]\ncommand = [\"/nowhere/\\u001b[2J\\u009b2J\\u202e\\none\"]\n"
             "listen = { public = \"tcp:\\u001b[2J:1\" }\n");
  const Supervisor::Outcome check = supervisor.command({"check", "--config", config});
  EXPECT_EQ(check.status, 1);
  expect_printable(check);
  EXPECT_EQ(check.err.find("\none"), std::string::npos) << check.err;
  write_file(config, "[service.chat]\ncommand = [\"/nowhere/\\u001b[2J\\u009b2J\\u202e\\none\"]\n");
  supervisor.run({"--config", config});
  EXPECT_TRUE(supervisor.says("it could not be started"));
  const Supervisor::Outcome status = supervisor.command({"status"});
  EXPECT_EQ(status.status, 0);
  expect_printable(status);
  EXPECT_EQ(status.out.find("\none"), std::string::npos) << status.out;
  EXPECT_EQ(odd_in(supervisor.log()), "");
  EXPECT_EQ(supervisor.log().find("\none"), std::string::npos) << supervisor.log();
}

TEST_F(PrintableTest, ALogOfJsonHasThemInEscapes) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"/nowhere/\\u001b[2J\\u009b2J\\u202e\"]\n");
  supervisor.run({"--config", config, "--json"});
  EXPECT_TRUE(supervisor.says("it could not be started"));
  const std::string log = supervisor.log();
  EXPECT_EQ(odd_in(log), "");
  const json line = json::parse(log.substr(0, log.find('\n')));
  EXPECT_TRUE(line.contains("message")) << line;
}

}  // namespace
}  // namespace handoff::test
