// A WebSocket is given whole messages, however they come.
#include "web_socket.h"

#include <gtest/gtest.h>

namespace chat {
namespace {

// A frame of a client, with a mask of zeros. first: the opcode, and 0x80 for the last of a message.
std::string frame(int first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  return out.append(4, '\0').append(payload);
}
constexpr int kText = 0x81, kBegin = 0x01, kGoOn = 0x00, kEnd = 0x80, kPing = 0x89, kClose = 0x88;

class WebSocketTest : public testing::Test {
 protected:
  std::string sent_;
  WebSocket socket_{[this](std::string_view bytes) { sent_ += bytes; }};
  std::vector<std::string> said_;
};

TEST_F(WebSocketTest, SaysAndHears) {
  EXPECT_EQ(frame(kText, "hello").size(), socket_.feed(frame(kText, "hello"), said_));
  EXPECT_EQ(said_, std::vector<std::string>{"hello"});
  EXPECT_EQ(sent_, "");
  socket_.say("hi");
  EXPECT_EQ(sent_, "\x81\x02hi");
  EXPECT_FALSE(socket_.over());
}

TEST_F(WebSocketTest, TakesWholeMessagesAtEveryCut) {
  const std::string message = frame(kBegin, "hel") + frame(kPing, "p") + frame(kGoOn, "l") +
                              frame(kEnd, "o") + frame(kText, std::string(200, 'x'));
  const std::size_t first = message.size() - frame(kText, std::string(200, 'x')).size();
  for (std::size_t cut = 0; cut < message.size(); ++cut) {
    said_.clear();
    // Nothing is kept in between: another process has another WebSocket.
    WebSocket before([](std::string_view) {}), after([](std::string_view) {});
    const std::size_t used = before.feed(message.substr(0, cut), said_);
    EXPECT_EQ(used, cut < first ? 0 : first) << cut;
    EXPECT_EQ(after.feed(message.substr(used), said_), message.size() - used);
    EXPECT_EQ(said_, (std::vector<std::string>{"hello", std::string(200, 'x')})) << cut;
  }
}

TEST_F(WebSocketTest, AnswersPings) {
  socket_.feed(frame(kPing, "are you there"), said_);
  EXPECT_EQ(sent_,
            "\x8a\x0d"
            "are you there");
  EXPECT_TRUE(said_.empty());
}

TEST_F(WebSocketTest, EndsInOrder) {
  socket_.feed(frame(kClose, "\x03\xe8"), said_);
  EXPECT_EQ(sent_, "\x88\x02\x03\xe8");
  EXPECT_TRUE(socket_.over());
}

TEST_F(WebSocketTest, EndsWhereItIsNoWebSocket) {
  const std::string unmasked("\x81\x02hi", 4);
  for (const std::string& wrong :
       {unmasked, frame(kText, "gr\xfc\xdf"), frame(kEnd, "of nothing"), frame(0x83, "unknown")}) {
    WebSocket socket([](std::string_view) {});
    socket.feed(wrong, said_);
    EXPECT_TRUE(socket.over());
  }
  EXPECT_TRUE(said_.empty());
}

TEST_F(WebSocketTest, ALongMessageEndsIt) {
  const std::string header("\x81\xff\0\0\0\x01\0\0\0\0\0\0\0\0", 14);  // of 4 GiB
  EXPECT_EQ(socket_.feed(header, said_), 0U);
  EXPECT_FALSE(socket_.over());
  socket_.feed(header + std::string(20000, 'x'), said_);
  EXPECT_TRUE(socket_.over());
  EXPECT_EQ(sent_, "\x88\x02\x03\xf1");  // 1009
}

}  // namespace
}  // namespace chat
