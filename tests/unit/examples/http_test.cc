#include "http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chat {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string upgrade(const std::string& more) {
  return "GET /talk HTTP/1.1\r\nHost: chat.example:7080\r\nConnection: keep-alive, Upgrade\r\n"
         "upgrade: WebSocket\r\n" +
         more + "\r\n";
}
const std::string kVersion = "Sec-WebSocket-Version: 13\r\n";
const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

TEST(HttpTest, HasThePage) {
  const Answer page = answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(page.bytes, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8"));
  EXPECT_THAT(page.bytes, HasSubstr("<!DOCTYPE html>"));
  EXPECT_THAT(page.bytes, HasSubstr("frame-ancestors 'none'")) << "in no other page";
  EXPECT_FALSE(page.talks);
}

// The key and its answer are RFC 6455's (1.3).
TEST(HttpTest, UpgradesToAWebSocket) {
  for (const std::string& origin :
       {std::string(), std::string("Origin: https://chat.example:7080\r\n")}) {
    const Answer talk = answer(upgrade(kVersion + kKey + origin));
    EXPECT_TRUE(talk.talks);
    EXPECT_THAT(talk.bytes, StartsWith("HTTP/1.1 101 "));
    EXPECT_THAT(talk.bytes,
                HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
  }
}

TEST(HttpTest, RefusesWhatItIsNotFor) {
  const auto refused = [](const std::string& head, const std::string& status) {
    const Answer refusal = answer(head);
    EXPECT_THAT(refusal.bytes, StartsWith("HTTP/1.1 " + status)) << head;
    EXPECT_FALSE(refusal.talks);
  };
  refused("GET /other HTTP/1.1\r\n\r\n", "404");
  refused("POST / HTTP/1.1\r\n\r\n", "405");
  refused("hello\r\n\r\n", "400");
  refused("\r\n\r\n", "400");
  refused("GET / SMTP\r\n\r\n", "400");
  refused("GET /talk HTTP/1.1\r\n\r\n", "400");
  refused(upgrade(kKey), "400");
  refused(upgrade(kVersion), "400");
  refused(upgrade(kVersion + "Sec-WebSocket-Key: short\r\n"), "400");
  refused(upgrade(kVersion + kKey + "Origin: https://evil.example\r\n"), "403");
  refused(upgrade(kVersion + kKey + "Origin: null\r\n"), "403");
}

}  // namespace
}  // namespace chat
