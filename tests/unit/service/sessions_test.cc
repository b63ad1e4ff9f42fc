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

// ---- the fds beside the sockets ---------------------------------------------------------------

SessionFd own(const std::string& name, int fd) { return {.name = name, .fd = fd}; }

TEST(SessionFdsSetTest, CountsThemOverAllSessions) {
  SessionFds fds;
  EXPECT_FALSE(fds.any());
  EXPECT_TRUE(fds.of(1).empty());
  fds.set(1, own("a", 5));
  fds.set(1, own("b", 6));
  fds.set(2, own("a", 7));
  fds.set(1, own("a", 8));
  EXPECT_EQ(3U, fds.count());
  EXPECT_EQ(8, fds.find(1, "a")->fd);
  EXPECT_EQ(nullptr, fds.find(2, "b"));
  EXPECT_FALSE(fds.remove(2, "b"));
  EXPECT_TRUE(fds.remove(2, "a"));
  EXPECT_EQ(2U, fds.count());
  fds.forget(1);
  EXPECT_EQ(0U, fds.count());
  EXPECT_TRUE(fds.of(1).empty());
}

TEST(SessionFdsSetTest, KnowsWhatTheHeirHas) {
  SessionFds fds;
  fds.set(1, own("a", 5));
  EXPECT_TRUE(fds.changed(1));
  fds.all_sent(1);
  EXPECT_FALSE(fds.changed(1));
  EXPECT_TRUE(fds.find(1, "a")->sent);
  fds.set(1, own("b", 6));
  EXPECT_TRUE(fds.changed(1));
  EXPECT_TRUE(fds.find(1, "a")->sent);
  EXPECT_FALSE(fds.find(1, "b")->sent);
  fds.all_sent(1);
  fds.set(1, own("a", 7));
  EXPECT_FALSE(fds.find(1, "a")->sent) << "another one of that name";
  fds.all_sent(1);
  fds.remove(1, "a");
  fds.remove(1, "b");
  EXPECT_TRUE(fds.changed(1)) << "the heir has yet to hear that there are none";
  fds.all_sent(1);
  EXPECT_FALSE(fds.changed(1));
  fds.set(2, own("a", 8));
  fds.all_sent(2);
  fds.none_sent(2);
  EXPECT_FALSE(fds.find(2, "a")->sent) << "another heir";
}

TEST(SessionFdsSetTest, GoWithTheSessions) {
  for (const bool into_an_empty_one : {true, false}) {
    Sessions sessions, arrived;
    if (!into_an_empty_one) {
      sessions.add(1, socket_at(5, 50));
      sessions.fds().set(1, own("a", 6));
    }
    arrived.add(2, socket_at(7, 70));
    arrived.fds().set(2, own("b", 8));
    sessions.take(arrived);
    EXPECT_EQ(8, sessions.fds().find(2, "b")->fd);
    EXPECT_EQ(into_an_empty_one ? 1U : 2U, sessions.fds().count());
    EXPECT_EQ(0U, arrived.fds().count());
    EXPECT_TRUE(sessions.has_own_fds(2, sessions.at(2)));
    sessions.remove(sessions.find(2));
    EXPECT_EQ(nullptr, sessions.fds().find(2, "b"));
    sessions.clear();
    EXPECT_EQ(0U, sessions.fds().count());
  }
}

TEST(SessionFdsSetTest, ASessionWithoutASocketHasItsOwn) {
  Sessions sessions;
  sessions.add(1, {.no_fd = true});
  sessions.add(2, socket_at(5, 50));
  EXPECT_TRUE(sessions.has_own_fds(1, sessions.at(1)));
  EXPECT_FALSE(sessions.has_own_fds(2, sessions.at(2)));
}

}  // namespace
}  // namespace handoff::io
