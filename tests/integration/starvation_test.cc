// An upgrade without enough fds, memory or time fails, says what it lacked and what to do about it,
// and disturbs nobody (invariant I5, docs/invariants.md).
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/echo_swarm.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

// A user as whom nothing else runs, so that all its fds in flight are this test's.
constexpr uid_t kNobodyElse = 61234;

class StarvationTest : public ::testing::Test {
 protected:
  // A release that sets limits (a line of sh) and then executes that program.
  std::string limited(const std::string& limits, const std::string& binary) {
    const std::string path = dir_ / ("release-" + std::to_string(++scripts_));
    write_file(path, "#!/bin/sh\n" + limits + " && exec " + binary + " \"$@\"\n", 0755);
    return path;
  }

  void start(Supervisor::Options options, std::size_t clients) {
    supervisor_.emplace(std::move(options));
    swarm_.emplace(EchoSwarm::Options{.port = supervisor_->port(), .residents = clients});
    ASSERT_TRUE(swarm_->wait_until_each_answered_by("1", Deadline::in(30s)));
    before_.emplace(*supervisor_);
  }
  void start(std::size_t clients, const std::string& failpoints = "") {
    start({.command = {echo(1)}, .environment = {{"HANDOFF_FAILPOINT", failpoints}}}, clients);
  }

  void fail_unnoticed(const std::string& binary, const std::string& code,
                      const std::vector<std::string>& words,
                      const std::vector<std::string>& arguments = {},
                      const std::vector<std::string>& flags = {}) {
    expect_failed(supervisor_->upgrade(binary, arguments, flags), code, words);
    EXPECT_TRUE(swarm_->wait_until_each_answered_again(Deadline::in(30s)));
    before_->expect_unchanged();
  }
  void succeed(const std::string& binary, std::size_t clients,
               const std::vector<std::string>& flags = {}) {
    const auto upgrade = supervisor_->upgrade(binary, {}, flags);
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("moved"), clients) << upgrade.describe();
    EXPECT_TRUE(swarm_->wait_until_each_answered_by("2", Deadline::in(30s)));
  }
  void expect_flawless() {
    const auto report = swarm_->stop(Deadline::in(30s));
    EXPECT_TRUE(report.flawless()) << report.describe();
  }

  TempDir dir_;
  int scripts_ = 0;
  std::optional<Supervisor> supervisor_;
  std::optional<EchoSwarm> swarm_;
  std::optional<Footprint> before_;
};

// ---- fds

TEST_F(StarvationTest, AnHeirRaisesASoftLimitOfFdsThatIsTooLow) {
  start(300);
  succeed(limited("ulimit -S -n 64", echo(2)), 300);
  expect_flawless();
}

TEST_F(StarvationTest, AnHeirWhoseHardLimitOfFdsIsTooLowIsRefusedBeforeTheCopy) {
  start(300);
  fail_unnoticed(limited("ulimit -n 64", echo(2)), "resources",
                 {"may open 64 fds and needs about 365", "RLIMIT_NOFILE", "LimitNOFILE="});
  succeed(echo(2), 300);
  expect_flawless();
}

// The service has enough fds for its clients, but its heir would have none to spare.
TEST_F(StarvationTest, AServiceUnderALimitThatItJustMeetsCantBeUpgradedUnderTheSame) {
  start({.command = {limited("ulimit -n 340", echo(1))}}, 300);
  fail_unnoticed(limited("ulimit -n 340", echo(2)), "resources",
                 {"may open 340 fds and needs about 365", "LimitNOFILE="});
  succeed(echo(2), 300);
  expect_flawless();
}

TEST_F(StarvationTest, AnHeirThatRunsOutOfFdsInMidCopyLosesNothingOfTheDonors) {
  start(1000);
  fail_unnoticed(program("bad_heir"), "resources", {"RLIMIT_NOFILE", "LimitNOFILE="},
                 {"fills-its-fds-while-copying"});
  succeed(echo(2), 1000);
  expect_flawless();
}

// ---- memory

// Without Resumed the donor would wait until its budget is used up, so the heir sends it again.
TEST_F(StarvationTest, AnHeirThatCantSayResumedAtOnceSaysItAgain) {
  start(300, "heir.resumed.sending=error:ENOMEM");
  succeed(echo(2), 300);
  expect_flawless();
}

// ---- fds in flight

TEST_F(StarvationTest, ADonorThatMayNotSendMoreFdsNowSendsThemLater) {
  start(300, "donor.sessions.sending=error:ETOOMANYREFS");
  succeed(echo(2), 300);
  expect_flawless();
}

TEST_F(StarvationTest, ADonorThatMayNeverSendFdsGivesUp) {
  // The donor waits while fds of its own are in flight. Then nothing is left to wait for, and the
  // upgrade fails.
  start(300, "donor.sessions.sending@1+=error:ETOOMANYREFS");
  fail_unnoticed(echo(2), "resources", {"in flight", "LimitNOFILE", "CAP_SYS_RESOURCE"});
  expect_flawless();
}

// Another process of the user, with more fds in flight than the user may have.
class Hoarder {
 public:
  Hoarder(uid_t uid, std::size_t fds) {
    process_.emplace([uid, fds] {
      std::array<int, 2> pair{};
      const bool sent = ::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0 &&
                        ::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair.data()) == 0 &&
                        send(pair[0], STDIN_FILENO, fds);
      if (!sent) return 1;
      ::raise(SIGSTOP);
      return wait_to_be_killed();
    });
    if (!process_->wait_stopped()) throw std::runtime_error("fds can't be put in flight");
  }
  void end() { process_->kill(); }

 private:
  static bool send(int to, int fd, std::size_t count) {
    constexpr std::size_t kBatch = 250;
    std::array<int, kBatch> fds{};
    fds.fill(fd);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
    for (std::size_t i = 0; i < count; i += kBatch) {
      char byte = 0;
      iovec part{&byte, 1};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN(sizeof fds);
      std::memcpy(CMSG_DATA(cmsg), fds.data(), sizeof fds);
      if (::sendmsg(to, &message, 0) < 0) return false;
    }
    return true;
  }
  std::optional<Process> process_;
};

TEST_F(StarvationTest, TheFdsInFlightOfAUserAreLimitedAndThatIsSaid) {
  ASSERT_EQ(::geteuid(), 0u) << "only root can become a user without privileges";
  const auto unprivileged = [&](int version) {
    return limited("ulimit -n 500", "setpriv --reuid " + std::to_string(kNobodyElse) +
                                        " --clear-groups " + echo(version));
  };
  start({.command = {unprivileged(1)}}, 100);
  Hoarder hoarder(kNobodyElse, 1000);
  fail_unnoticed(unprivileged(2), "resources", {"in flight", "LimitNOFILE", "CAP_SYS_RESOURCE"});
  hoarder.end();
  succeed(unprivileged(2), 100);
  expect_flawless();
}

// ---- time

// Failpoints that delay every message of the copy, each struck once.
std::string slow(const std::string& point, int ms) {
  std::string out;
  for (int i = 1; i <= 8; ++i) {
    out += (i > 1 ? "," : "") + point + "@" + std::to_string(i) + "=delay:" + std::to_string(ms);
  }
  return out;
}

TEST_F(StarvationTest, AnHeirThatReadsSlowlyIsWaitedFor) {
  start(1000, slow("heir.sessions.received", 300));
  succeed(echo(2), 1000, {"--stall-timeout", "2s", "--freeze-budget", "10s"});
  expect_flawless();
}

TEST_F(StarvationTest, AnHeirThatReadsTooSlowlyIsGivenUp) {
  start(1000, slow("heir.sessions.received", 3000));
  fail_unnoticed(echo(2), "timeout", {"in time"}, {}, {"--stall-timeout", "500ms"});
  expect_flawless();
}

TEST_F(StarvationTest, ADonorThatSendsSlowlyIsWaitedFor) {
  start(1000, slow("donor.sessions.sending", 300));
  succeed(echo(2), 1000, {"--stall-timeout", "2s", "--freeze-budget", "10s"});
  expect_flawless();
}

TEST_F(StarvationTest, ADonorThatSendsTooSlowlyKeepsItsSessions) {
  start(1000, slow("donor.sessions.sending", 3000));
  const auto upgrade =
      supervisor_->upgrade(echo(2), {}, {"--stall-timeout", "500ms", "--freeze-budget", "200ms"});
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("error").at("code"), "timeout") << upgrade.describe();
  EXPECT_TRUE(swarm_->wait_until_each_answered_again(Deadline::in(60s)));
  before_->expect_unchanged();
  expect_flawless();
}

}  // namespace
}  // namespace handoff::test
