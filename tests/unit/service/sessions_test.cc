// A set of sessions knows which socket belongs to which session.
#include "libhandoff/service/sessions.h"

#include <gtest/gtest.h>

namespace handoff::io {
namespace {

SessionEntry socket_at(int fd, std::uint64_t inode) { return {.inode = inode, .fd = fd}; }

TEST(SessionsTest, FindsTheSessionOfASocket) {
  Sessions sessions;
  EXPECT_EQ(std::nullopt, sessions.of_socket(5, 50));
  sessions.add(1, socket_at(5, 50));
  sessions.add(2, socket_at(900, 9000));
  EXPECT_EQ(1U, sessions.of_socket(5, 50));
  EXPECT_EQ(2U, sessions.of_socket(900, 9000));
  EXPECT_EQ(std::nullopt, sessions.of_socket(5, 51)) << "the number is another socket's by now";
  EXPECT_EQ(std::nullopt, sessions.of_socket(6, 50));
  EXPECT_EQ(std::nullopt, sessions.of_socket(100'000, 50));
  sessions.remove(sessions.find(1));
  EXPECT_EQ(std::nullopt, sessions.of_socket(5, 50));
}

TEST(SessionsTest, KnowsThemAlsoWhenTheyCameFromAnotherSet) {
  for (const bool into_an_empty_one : {true, false}) {
    Sessions sessions, arrived;
    if (!into_an_empty_one) sessions.add(1, socket_at(5, 50));
    arrived.add(2, socket_at(6, 60));
    sessions.take(arrived);
    EXPECT_EQ(2U, sessions.of_socket(6, 60));
    EXPECT_EQ(into_an_empty_one ? std::optional<std::uint64_t>() : 1U, sessions.of_socket(5, 50));
    EXPECT_EQ(std::nullopt, arrived.of_socket(6, 60));
    sessions.clear();
    EXPECT_EQ(std::nullopt, sessions.of_socket(6, 60));
  }
}

}  // namespace
}  // namespace handoff::io
