// What HANDOFF_FAILPOINT asks for. A process reads the variable once, so each case has a child.
#include "libhandoff/sys/failpoint.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"

namespace handoff {
namespace {

// The wait status of a child that runs body with these failpoints. body's result is the child's
// exit status.
int in_child(const std::string& failpoints, const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("HANDOFF_FAILPOINT", failpoints.c_str(), 1);
    ::_exit(body());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, WUNTRACED), child);
  if (WIFSTOPPED(status)) {
    ::kill(child, SIGKILL);
    int end = 0;
    EXPECT_EQ(::waitpid(child, &end, 0), child);
  }
  return status;
}

int exit_status(const std::string& failpoints, const std::function<int()>& body) {
  const int status = in_child(failpoints, body);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(FailpointTest, EveryPointHasANameOfItsOwn) {
  const auto points = failpoint::all();
  const std::set<std::string> names(points.begin(), points.end());
  EXPECT_EQ(names.size(), points.size());
  for (const char* name : {"donor.release.sent", "heir.release.received", "heir.resumed.sending",
                           "supervisor.donate.sent", "service.donate.received",
                           "service.owner.sending", "donor.section_chunk.sent"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(FailpointTest, NothingStrikesUnlessItWasAskedFor) {
  EXPECT_EQ(exit_status("", [] { return failpoint::armed() ? 1 : 0; }), 0);
  EXPECT_EQ(
      exit_status("donor.freeze.before=kill", [] { return failpoint::hit("donor.freeze.after"); }),
      0);
}

TEST(FailpointTest, KillsStopsAndExits) {
  const auto pass = [] { return failpoint::hit("donor.freeze.before"); };
  int status = in_child("donor.freeze.before=kill", pass);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  status = in_child("donor.freeze.before=stop", pass);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  EXPECT_EQ(exit_status("donor.freeze.before=exit", pass), 86);
}

TEST(FailpointTest, GivesTheErrorByNameOrByNumberOnce) {
  const auto pass = [] {
    const int first = failpoint::hit("heir.restore.before");
    return failpoint::hit("heir.restore.before") == 0 ? first : 255;
  };
  EXPECT_EQ(exit_status("heir.restore.before=error:ENOMEM", pass), ENOMEM);
  EXPECT_EQ(exit_status("heir.restore.before=error:28", pass), ENOSPC);
}

TEST(FailpointTest, StrikesTheNthTimeAndTakesSeveral) {
  const auto pass = [] {
    for (int i = 1; i < 5; ++i) {
      if (failpoint::hit("heir.run.after") != 0) return i;
    }
    return 0;
  };
  EXPECT_EQ(exit_status("heir.run.before=kill,heir.run.after@3=error:EIO", pass), 3);
}

TEST(FailpointTest, StrikesEachTimeFromTheNthOn) {
  const auto pass = [] {
    int struck = 0;
    for (int i = 1; i < 5; ++i) struck += failpoint::hit("heir.run.after") != 0 ? 1 : 0;
    return struck;
  };
  EXPECT_EQ(exit_status("heir.run.after@2+=error:EIO", pass), 3);
}

TEST(FailpointTest, SaysWhatItDoesNotKnow) {
  for (const char* bad :
       {"nonsense=kill", "donor.freeze.before", "donor.freeze.before=", "donor.freeze.before=hit",
        "donor.freeze.before=kill:1", "donor.freeze.before=delay:", "donor.freeze.before=delay:-1",
        "donor.freeze.before=error:EWHAT", "donor.freeze.before=error:0",
        "donor.freeze.before@0=kill", "donor.freeze.before@x=kill", "donor.freeze.before@+=kill",
        "donor.freeze.before=ask:", ",", "=kill"}) {
    EXPECT_EQ(exit_status(bad,
                          [&] {
                            const bool named = failpoint::problem().find("HANDOFF_FAILPOINT") == 0;
                            return named && !failpoint::armed() ? 0 : 1;
                          }),
              0)
        << bad;
  }
}

TEST(FailpointTest, AMessageFailsBeforeItIsSentAndAfterItCame) {
  const auto send = [] {
    auto pair = io::Channel::make_pair();
    if (!pair) return 100;
    io::Channel donor(std::move(pair->first), "donor");
    io::Channel heir(std::move(pair->second), "heir");
    const auto refused = donor.send(protocol::Type::kCopyEnd, "");
    if (refused || refused.error().code != -ENOSPC) return 1;
    if (const auto sent = donor.send(protocol::Type::kCopyEnd, ""); !sent) return 2;
    io::Channel::Message message;
    const auto received = heir.recv(message);
    return !received && received.error().code == -EMFILE ? 0 : 3;
  };
  EXPECT_EQ(
      exit_status("donor.copy_end.sending=error:ENOSPC,heir.copy_end.received=error:EMFILE", send),
      0);
}

TEST(FailpointTest, AsksAndGoesOnWithTheAnswer) {
  const UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/tmp/handoff-failpoint-" + std::to_string(::getpid());
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("HANDOFF_FAILPOINT", ("donor.thaw.before=ask:" + path).c_str(), 1);
    ::_exit(failpoint::hit("donor.thaw.before"));
  }
  const UniqueFd asking(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(asking.valid());
  char text[64] = {};
  const ssize_t n = ::recv(asking.get(), text, sizeof text, 0);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))),
            "donor.thaw.before");
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, WNOHANG), 0) << "it must wait for the answer";
  EXPECT_EQ(::send(asking.get(), "g", 1, 0), 1);
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace handoff
