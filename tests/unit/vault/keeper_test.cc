// The keeper: what it gives after the death of the process whose fds it shares, and when it lets
// go.
#include "libhandoff/vault/keeper.h"

#include <linux/capability.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>

#include "lane_fixture.h"

namespace handoff::test {
namespace {

constexpr int kSoonMs = 20'000;  // far more than it takes

// Whether two processes have one table of fds; nullopt if this one may not know (kcmp(2)).
std::optional<bool> share_fds(pid_t one, pid_t other) {
  const long differ = ::syscall(SYS_kcmp, one, other, KCMP_FILES, 0, 0);
  if (differ < 0) return std::nullopt;
  return differ == 0;
}

// A process that has a keeper, and is this test's child, as its keeper is.
class VaultKeeperTest : public ::testing::Test {
 protected:
  void start(const std::function<void()>& service) {
    int ends[2] = {-1, -1};
    int said[2] = {-1, -1};
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, said));
    socket_ = UniqueFd(ends[0]);
    said_ = UniqueFd(said[0]);
    const UniqueFd theirs(ends[1]);
    const UniqueFd saying(said[1]);
    service_ = ::fork();
    ASSERT_GE(service_, 0);
    if (service_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      socket_ = UniqueFd();
      said_ = UniqueFd();
      auto keeper = vault::Keeper::start(UniqueFd(::dup(theirs.get())));
      const pid_t pid = keeper ? keeper->pid() : -1;
      keeper_of_service_ = keeper ? &*keeper : nullptr;
      (void)::send(saying.get(), &pid, sizeof pid, 0);
      service();
      (void)::send(saying.get(), "r", 1, 0);
      for (;;) ::pause();
    }
    ASSERT_EQ(static_cast<ssize_t>(sizeof keeper_),
              ::recv(said_.get(), &keeper_, sizeof keeper_, 0));
    ASSERT_GT(keeper_, 0);
  }
  void await_ready() const {
    char byte = 0;
    pollfd readable{said_.get(), POLLIN, 0};
    ASSERT_EQ(1, ::poll(&readable, 1, kSoonMs));
    ASSERT_EQ(1, ::recv(said_.get(), &byte, 1, 0));
  }
  void kill_service() {
    ASSERT_EQ(0, ::kill(service_, SIGKILL));
    int status = 0;
    ASSERT_EQ(service_, ::waitpid(service_, &status, 0));
    service_ = -1;
  }
  void await_end_of_keeper() {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, keeper_, 0)));
    pollfd ended{pidfd.get(), POLLIN, 0};
    ASSERT_EQ(1, ::poll(&ended, 1, kSoonMs));
    int status = 0;
    ASSERT_EQ(keeper_, ::waitpid(keeper_, &status, 0));
    keeper_ = -1;
  }
  void TearDown() override {
    int status = 0;
    if (service_ > 0) {
      (void)::kill(service_, SIGKILL);
      (void)::waitpid(service_, &status, 0);
    }
    if (keeper_ > 0) {
      vault::dismiss_keeper(socket_.get());
      await_end_of_keeper();
    }
  }

  UniqueFd socket_;
  UniqueFd said_;
  pid_t service_ = -1;
  pid_t keeper_ = -1;
  vault::Keeper* keeper_of_service_ = nullptr;  // in the service
};

TEST_F(VaultKeeperTest, GivesTheSocketsOfADeadProcessAndNothingOfALivingOne) {
  auto [client, accepted] = tcp_pair();
  const int number = accepted.get();
  const auto cookie = vault::cookie_of(number);
  start([] {});
  await_ready();
  accepted = UniqueFd();
  const auto early = vault::ask_keeper(socket_.get(), kSoonMs);
  ASSERT_FALSE(early);
  EXPECT_EQ(-EBUSY, early.error().code);
  kill_service();
  for (int times = 0; times < 2; ++times) {  // a recovery may begin anew
    const auto kept = vault::ask_keeper(socket_.get(), kSoonMs);
    ASSERT_TRUE(kept) << kept.error().message;
    ASSERT_TRUE(kept->contains(number));
    EXPECT_EQ(cookie, vault::cookie_of(kept->at(number).get()));
  }
  ASSERT_EQ(2, ::send(client.get(), "hi", 2, MSG_NOSIGNAL));  // the connection lives
}

// What it accepts is the keeper's at once, and what it closes is closed.
TEST_F(VaultKeeperTest, HasWhatTheServiceOpensAndNotWhatItCloses) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  auto* const raw = reinterpret_cast<sockaddr*>(&at);
  ASSERT_EQ(0, ::bind(listener.get(), raw, length));
  ASSERT_EQ(0, ::listen(listener.get(), 2));
  ASSERT_EQ(0, ::getsockname(listener.get(), raw, &length));
  const UniqueFd first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(0, ::connect(first.get(), raw, length));
  ASSERT_EQ(0, ::connect(second.get(), raw, length));
  start([&] {
    ::close(first.get());
    ::close(second.get());
    const int goes = ::accept(listener.get(), nullptr, nullptr);
    (void)::accept(listener.get(), nullptr, nullptr);
    ::close(goes);
  });
  await_ready();
  char byte = 0;
  EXPECT_EQ(0, ::recv(first.get(), &byte, 1, 0));
  kill_service();
  const auto kept = vault::ask_keeper(socket_.get(), kSoonMs);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(1, std::count_if(kept->begin(), kept->end(), [&](const auto& one) {
              sockaddr_in peer{};
              socklen_t size = sizeof peer;
              return ::getpeername(one.second.get(), reinterpret_cast<sockaddr*>(&peer), &size) ==
                         0 &&
                     peer.sin_family == AF_INET;
            }));
  EXPECT_EQ(1, ::send(second.get(), "x", 1, MSG_NOSIGNAL));
}

TEST_F(VaultKeeperTest, GivesThousands) {
  constexpr int kSockets = 3000;
  start([] {
    for (int i = 0; i < kSockets; ++i) (void)::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  });
  await_ready();
  kill_service();
  const auto kept = vault::ask_keeper(socket_.get(), kSoonMs);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_LE(std::size_t{900}, kept->size());  // as many as RLIMIT_NOFILE allows at least
}

// An asker that died in the middle has left answers that nobody has read.
TEST_F(VaultKeeperTest, AnswersTheNextAskerInFull) {
  start([] {
    for (int i = 0; i < 600; ++i) (void)::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  });
  await_ready();
  kill_service();
  ASSERT_EQ(1, ::send(socket_.get(), "g", 1, 0));
  char byte = 0;
  ASSERT_LT(0, ::recv(socket_.get(), &byte, 1, 0));
  ASSERT_LT(0, ::recv(socket_.get(), &byte, 1, 0));
  const auto kept = vault::ask_keeper(socket_.get(), kSoonMs);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_LE(600U, kept->size());
}

// The other end of a dead service's channel waits for its end.
TEST_F(VaultKeeperTest, ClosesTheChannelsOfADeadService) {
  int channel[2] = {-1, -1};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel));
  const UniqueFd ours(channel[0]);
  UniqueFd theirs(channel[1]);
  start([&] { ::close(ours.get()); });
  await_ready();
  theirs = UniqueFd();
  kill_service();
  pollfd ended{ours.get(), POLLIN, 0};
  ASSERT_EQ(1, ::poll(&ended, 1, kSoonMs));
  char byte = 0;
  EXPECT_EQ(0, ::recv(ours.get(), &byte, 1, MSG_DONTWAIT));
}

TEST_F(VaultKeeperTest, EndsWhereTheServiceHasATableOfItsOwn) {
  start([] {
    // Of a process with more rights than its own a keeper can't know; the supervisor can.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0 || ::unshare(CLONE_FILES) != 0) std::abort();
  });
  await_ready();
  EXPECT_EQ(std::optional(false), share_fds(service_, keeper_));
  await_end_of_keeper();
}

TEST_F(VaultKeeperTest, SharesTheFdsOfItsService) {
  start([] {});
  await_ready();
  EXPECT_EQ(std::optional(true), share_fds(service_, keeper_));
  EXPECT_EQ(std::optional(false), share_fds(::getpid(), keeper_));
}

TEST_F(VaultKeeperTest, EndsWhereItsOwnFdsAreClosed) {
  start([] { ::closefrom(3); });
  await_end_of_keeper();
}

TEST_F(VaultKeeperTest, EndsWithAServiceThatHasNothingToKeepAnyMore) {
  start([this] { keeper_of_service_->dismiss(); });
  await_ready();
  kill_service();
  await_end_of_keeper();
}

TEST_F(VaultKeeperTest, MayDoNextToNothing) {
  start([] {});
  await_ready();
  std::ifstream file("/proc/" + std::to_string(keeper_) + "/status");
  const std::string status((std::istreambuf_iterator<char>(file)), {});
  for (const char* line :
       {"\nName:\thandoff-keeper\n", "\nCapEff:\t0000000000000000\n",
        "\nCapPrm:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"}) {
    EXPECT_NE(("\n" + status).find(line), std::string::npos) << line << "in\n" << status;
  }
}

}  // namespace
}  // namespace handoff::test
