// A process, its vault's memory, and the keeper of its sockets: as the supervisor makes, asks and
// drops them.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "libhandoff/vault/keeper.h"
#include "supervisor/processes/vault.h"

namespace handoff::supervisor {
namespace {

// A process that has a keeper and one socket pair, of which the test has the other end. It waits
// until it is killed.
struct Kept {
  Vault vault;
  pid_t pid = -1;
  UniqueFd client;

  void die() const {
    (void)::kill(pid, SIGKILL);
    int status = 0;
    (void)::waitpid(pid, &status, 0);
  }
  // The keeper is this process's child (CLONE_PARENT).
  void wait_for_keeper() const {
    int status = 0;
    ASSERT_EQ(::waitpid(vault.keeper, &status, 0), vault.keeper);
    EXPECT_TRUE(WIFEXITED(status));
  }
};

[[noreturn]] void serve(UniqueFd mailbox, int memory, int session, int told) {
  auto keeper = vault::Keeper::start(std::move(mailbox), memory);
  const pid_t pid = keeper ? keeper->pid() : -1;
  (void)!::write(told, &pid, sizeof pid);
  (void)session;
  for (;;) ::pause();
}

Kept make_kept() {
  Kept out;
  auto made = make_vault();
  EXPECT_TRUE(made) << made.error().message;
  int session[2] = {-1, -1};
  int told[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session), 0);
  EXPECT_EQ(::pipe(told), 0);
  out.pid = ::fork();
  if (out.pid == 0) {
    ::close(session[0]);
    serve(std::move(made->mailbox), made->vault.memory.get(), session[1], told[1]);
  }
  ::close(session[1]);
  ::close(told[1]);
  out.client = UniqueFd(session[0]);
  out.vault = std::move(made->vault);
  EXPECT_EQ(::read(told[0], &out.vault.keeper, sizeof out.vault.keeper),
            static_cast<ssize_t>(sizeof out.vault.keeper));
  ::close(told[0]);
  EXPECT_GT(out.vault.keeper, 0);
  return out;
}

bool has_ended(const UniqueFd& fd, int wait_ms) {
  pollfd end{fd.get(), POLLIN, 0};
  return ::poll(&end, 1, wait_ms) == 1 && (end.revents & POLLHUP) != 0;
}

ino_t inode_of(const UniqueFd& fd) {
  struct stat info {};
  EXPECT_EQ(::fstat(fd.get(), &info), 0);
  return info.st_ino;
}

TEST(VaultOfProcessTest, AKeeperGivesNothingWhileItsServiceLives) {
  const Kept kept = make_kept();
  const auto keeper = call_keeper(kept.vault);
  ASSERT_TRUE(keeper) << keeper.error().message;
  const auto given = vault::ask_keeper(keeper->get(), 5000);
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().code, -EBUSY);
  kept.die();
  drop_vault(kept.vault);
  kept.wait_for_keeper();
}

TEST(VaultOfProcessTest, ItsSocketsOutliveIt) {
  const Kept kept = make_kept();
  kept.die();
  EXPECT_FALSE(has_ended(kept.client, 0));
  auto keeper = call_keeper(kept.vault);
  ASSERT_TRUE(keeper) << keeper.error().message;
  auto given = vault::ask_keeper(keeper->get(), 5000);
  ASSERT_TRUE(given) << given.error().message;
  // One of them is the session's: what is written there comes out here.
  ASSERT_EQ(::send(kept.client.get(), "hello", 5, MSG_NOSIGNAL), 5);
  std::string heard;
  for (const auto& [number, fd] : *given) {
    char text[8];
    const ssize_t n = ::recv(fd.get(), text, sizeof text, MSG_DONTWAIT);
    if (n > 0) heard.assign(text, static_cast<std::size_t>(n));
  }
  EXPECT_EQ(heard, "hello");
  given->clear();
  drop_vault(kept.vault);
  kept.wait_for_keeper();
  EXPECT_TRUE(has_ended(kept.client, 5000)) << "nobody has it any more";
}

TEST(VaultOfProcessTest, MayBeAskedAgainAndBySomebodyElse) {
  const Kept kept = make_kept();
  kept.die();
  for (int i = 0; i < 3; ++i) {
    const auto keeper = call_keeper(kept.vault);
    ASSERT_TRUE(keeper);
    const auto given = vault::ask_keeper(keeper->get(), 5000);
    ASSERT_TRUE(given) << given.error().message;
    EXPECT_FALSE(given->empty());
  }
  drop_vault(kept.vault);
  kept.wait_for_keeper();
}

TEST(VaultOfProcessTest, TheNextSupervisorGetsTheMemoryFromTheKeeper) {
  Kept kept = make_kept();
  const ino_t memory = inode_of(kept.vault.memory);
  kept.vault.memory.reset();
  ASSERT_TRUE(find_memory(kept.vault));
  EXPECT_EQ(inode_of(kept.vault.memory), memory);
  kept.die();
  kept.vault.memory.reset();
  ASSERT_TRUE(find_memory(kept.vault)) << "also after the service has died";
  drop_vault(kept.vault);
  kept.wait_for_keeper();
  kept.vault.memory.reset();
  EXPECT_FALSE(find_memory(kept.vault));
  EXPECT_EQ(look_at_vault(kept.vault), std::nullopt);
}

TEST(VaultOfProcessTest, AMemoryThatNobodyHasWrittenIsNoVault) {
  Kept kept = make_kept();
  kept.die();
  EXPECT_EQ(look_at_vault(kept.vault), std::nullopt);
  drop_vault(kept.vault);
  kept.wait_for_keeper();
}

TEST(VaultOfProcessTest, AProcessThatWasGivenNoneHasLeftNone) {
  Vault none;
  EXPECT_EQ(look_at_vault(none), std::nullopt);
  drop_vault(none);
  auto made = make_vault();
  ASSERT_TRUE(made);
  made->mailbox.reset();
  EXPECT_EQ(look_at_vault(made->vault), std::nullopt) << "it has not said that it has a keeper";
  made->vault.keeper = ::getpid();
  EXPECT_EQ(look_at_vault(made->vault), std::nullopt) << "nobody holds the mailbox";
}

}  // namespace
}  // namespace handoff::supervisor
