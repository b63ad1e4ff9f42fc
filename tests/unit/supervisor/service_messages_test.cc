// A service's messages as the supervisor hears them. The supervisor believes nothing of them but
// that they are well-formed.
#include "supervisor/processes/service_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libhandoff/protocol/control_orders.h"
#include "libhandoff/protocol/control_reports.h"

namespace handoff::supervisor {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

constexpr Generation kSender = 9;

// A Failed with this reason, as it is.
std::string failed(const std::string& reason) {
  return "\x1a" + std::string(1, static_cast<char>(reason.size())) + reason;
}

HandoffFailed heard_failed(const std::string& body) {
  const auto heard = decode(Type::kFailed, body, kSender);
  EXPECT_TRUE(heard) << heard.error().message;
  if (!heard || heard->events.size() != 1) return {};
  const auto* event = std::get_if<HandoffFailed>(&heard->events.front());
  EXPECT_NE(nullptr, event);
  return event != nullptr ? *event : HandoffFailed{};
}

TEST(ServiceMessagesTest, AReasonIsOneLineWithoutControlCharacters) {
  EXPECT_EQ("no\\n\\x1b[31mroom\\u007f\xc3\xa4\\u202e",
            heard_failed(failed("no\n\x1b[31mroom\x7f\xc3\xa4\xe2\x80\xae")).reason);
}

TEST(ServiceMessagesTest, ATextThatIsTooLongIsCut) {
  protocol::Register message;
  message.manifest.service = std::string(2000, 'x');
  const auto heard = decode(Type::kRegister, encode(message), kSender);
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(1024U, std::get<ReleaseNamed>(heard->aside).service.size());
  message.manifest.service = std::string(1023, 'x') + "\xed\x95\x9c";
  const auto cut = decode(Type::kRegister, encode(message), kSender);
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(std::string(1023, 'x'), std::get<ReleaseNamed>(cut->aside).service);
}

// In an answer to a question, or in one that answers nothing.
TEST(ServiceMessagesTest, AServiceThatLeavesSaysSoInItsStatus) {
  protocol::Status message{.query_id = 7, .sessions = 3};
  auto heard = decode(Type::kStatus, encode(message), kSender);
  ASSERT_TRUE(heard);
  EXPECT_TRUE(heard->events.empty());
  message.leaving = protocol::Leaving{"all\nis done"};
  heard = decode(Type::kStatus, encode(message), kSender);
  ASSERT_TRUE(heard);
  ASSERT_EQ(1U, heard->events.size());
  EXPECT_EQ((Leaves{kSender, "all\\nis done"}), std::get<Leaves>(heard->events.front()));
  EXPECT_EQ(3U, std::get<SessionsCounted>(heard->aside).sessions);
}

TEST(ServiceMessagesTest, ATextThatIsNoUtf8IsRefused) {
  const auto heard = decode(Type::kFailed, failed("no \xff"), kSender);
  ASSERT_FALSE(heard);
  EXPECT_EQ("a malformed Failed: the reason is no UTF-8", heard.error().message);
}

TEST(ServiceMessagesTest, ACodeOfANewerServiceIsToldByItsNumber) {
  EXPECT_EQ("peer_died", heard_failed("\x10\x08").code);
  EXPECT_EQ("code_11", heard_failed("\x10\x0b").code);
  EXPECT_EQ("code_200", heard_failed("\x10\xc8\x01").code);
}

TEST(ServiceMessagesTest, AListThatIsTooLongIsRefused) {
  protocol::Owner message;
  message.lost_ids.resize(100, 7);
  EXPECT_TRUE(decode(Type::kOwner, encode(message), kSender));
  message.lost_ids.push_back(7);
  const auto heard = decode(Type::kOwner, encode(message), kSender);
  ASSERT_FALSE(heard);
  EXPECT_THAT(heard.error().message, HasSubstr("too many lost sessions"));
}

TEST(ServiceMessagesTest, WhatNoServiceSaysIsRefused) {
  EXPECT_FALSE(decode(Type::kStart, "", kSender));
  EXPECT_FALSE(decode(static_cast<Type>(200), "", kSender));
}

// ---- Start

std::vector<Passed> many(const std::string& name, int count) {
  std::vector<Passed> out;
  for (int i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    out.push_back({{name + std::to_string(i), "unix:@x", number, 1}, 100 + i});
  }
  return out;
}

void pass(int count, bool heir, bool vault) {
  StartOf start{.service = "chat", .generation = 3, .mailbox = 7};
  if (vault) start.vault_fds = {8, 9};
  if (heir) {
    start.heir = HandoffEnd{.id = 3, .channel_index = 0, .peer_index = 1};
    start.heir_fds = {5, 6};
  }
  StartListeners listeners{.kept = many("k", count), .before = many("b", 3)};
  if (!heir) listeners.listeners = many("l", 2);
  listeners.offered = many("o", count);
  std::set<std::string> names;
  const auto frames = start_frames(start, listeners);
  std::size_t frames_left = frames.size();
  for (const StartFrame& frame : frames) {
    ASSERT_LE(frame.fds.size(), protocol::kMaxFds);
    ASSERT_LE(frame.body.size(), protocol::kMaxBody);
    const auto read = protocol::decode<protocol::Start>(frame.body);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->more, --frames_left > 0);
    const bool first = &frame == frames.data();
    EXPECT_EQ(read->handoff.has_value(), heir && first);
    EXPECT_EQ(read->vault, vault && first);
    if (first) {
      EXPECT_EQ(frame.fds.at(read->mailbox - 1), 7);
      EXPECT_EQ(heir ? frame.fds.at(1) : 6, 6);
      if (vault) {
        EXPECT_EQ(frame.fds.at(frame.fds.size() - 2), 8);
        EXPECT_EQ(frame.fds.back(), 9);
      }
    }
    for (const auto* list : {&read->listeners, &read->kept, &read->before}) {
      for (const protocol::Named& one : *list) {
        EXPECT_EQ(frame.fds.at(one.fd_index), 100 + std::stoi(one.name.substr(1)));
        EXPECT_TRUE(names.insert(one.name).second) << one.name;
      }
    }
    for (const protocol::Named& one : read->offered) names.insert(one.name);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(2 * count + 3 + (heir ? 0 : 2))) << count;
}

TEST(StartFramesTest, AllThatIsPassedIsInOneOfThemWithItsFd) {
  for (const int count : {0, 1, 245, 246, 247, 248, 249, 250, 251, 252, 253, 499, 500, 501, 896}) {
    for (const bool heir : {false, true}) {
      for (const bool vault : {false, true}) pass(count, heir, vault);
    }
  }
}

TEST(ServiceMessagesTest, ARegisterSaysWhetherThereIsAVault) {
  const auto said = [](const protocol::Register& message) {
    const auto heard = decode(protocol::Type::kRegister, encode(message), 3);
    EXPECT_TRUE(heard) << heard.error().message;
    return std::get<ReleaseNamed>(heard->aside).vault;
  };
  protocol::Register message;
  message.manifest.service = "chat";
  EXPECT_FALSE(said(message));
  message.vault = protocol::Vault{.keeper_pid = 4711};
  EXPECT_EQ(said(message)->keeper_pid, 4711U);
  message.vault = protocol::Vault{.refused = "it has sections"};
  EXPECT_EQ(said(message)->refused, "it has sections");
}

TEST(ServiceMessagesTest, FurtherFdsOfAnOwnerAreNoNewsOfItsOwn) {
  protocol::Owner message;
  message.generation = kSender;
  message.named = {{"a", "tcp:127.0.0.1:1", 4, 5, 0}};
  message.with_fds = true;
  message.more = true;
  const auto heard = decode(Type::kOwner, encode(message), kSender);
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_TRUE(heard->events.empty());
  EXPECT_TRUE(std::get<FdsNamed>(heard->aside).more);
}

TEST(ServiceMessagesTest, WhatIsGivenBackIsHeard) {
  protocol::Register message;
  message.given_back = {{"a", false}, {"b", true}};
  const auto heard = decode(Type::kRegister, encode(message), kSender);
  ASSERT_TRUE(heard) << heard.error().message;
  const auto& named = std::get<ReleaseNamed>(heard->aside);
  EXPECT_EQ(named.given_back, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(named.drops, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace handoff::supervisor
