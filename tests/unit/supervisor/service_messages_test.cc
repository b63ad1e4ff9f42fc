// A service's messages as the supervisor hears them. The supervisor believes nothing of them but
// that they are well-formed.
#include "supervisor/processes/service_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace handoff::supervisor
