// The ownership word: one owner in every race, for good, and no word that a peer could take away.
#include "libhandoff/handoff/ownership_word.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using Party = OwnershipWord::Party;

TEST(OwnershipWordTest, BelongsToWhoeverAsksFirstForGood) {
  for (const auto& [first, second] :
       {std::pair{Party::kDonor, Party::kHeir}, {Party::kHeir, Party::kDonor}}) {
    auto donors = OwnershipWord::make();
    ASSERT_TRUE(donors) << donors.error().message;
    auto heirs = OwnershipWord::map(donors->fd());
    ASSERT_TRUE(heirs) << heirs.error().message;
    OwnershipWord& winner = first == Party::kDonor ? *donors : *heirs;
    OwnershipWord& loser = first == Party::kDonor ? *heirs : *donors;
    EXPECT_TRUE(winner.claim(first));
    EXPECT_FALSE(loser.claim(second));
    EXPECT_TRUE(winner.claim(first));
    EXPECT_FALSE(loser.claim(second));
  }
}

TEST(OwnershipWordTest, StaysWithAnHeirThatDied) {
  auto donors = OwnershipWord::make();
  ASSERT_TRUE(donors);
  const pid_t heir = ::fork();
  if (heir == 0) {
    auto heirs = OwnershipWord::map(donors->fd());
    ::_exit(heirs && heirs->claim(Party::kHeir) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(heir, ::waitpid(heir, &status, 0));
  ASSERT_EQ(0, status);
  EXPECT_FALSE(donors->claim(Party::kDonor));
}

// Both threads spin to the start of each race: a thread that has to be woken would always lose.
TEST(OwnershipWordTest, HasOneOwnerHoweverCloseTheRace) {
  constexpr int kRaces = 300;
  std::atomic<int> round = 0;
  std::atomic<int> ready = 0;
  OwnershipWord heirs;
  bool heir_won = false;
  std::thread heir([&] {
    for (int i = 1; i <= kRaces; ++i) {
      while (round.load() < i) std::this_thread::yield();
      heir_won = heirs.claim(Party::kHeir);
      ready.store(i);
    }
  });
  int won_by_heir = 0;
  bool one_owner = true;
  for (int i = 1; i <= kRaces; ++i) {
    auto donors = OwnershipWord::make();
    auto view = donors ? OwnershipWord::map(donors->fd()) : Failure(donors.error());
    if (view) heirs = std::move(*view);
    one_owner = one_owner && view.has_value();
    round.store(i);
    const bool donor_won = donors && donors->claim(Party::kDonor);
    while (ready.load() < i) std::this_thread::yield();
    one_owner = one_owner && donor_won != heir_won;
    won_by_heir += heir_won ? 1 : 0;
  }
  heir.join();
  EXPECT_TRUE(one_owner);
  std::printf("%d of %d races were won by the heir\n", won_by_heir, kRaces);
}

TEST(OwnershipWordTest, IsRefusedIfItsSizeCanChangeOrItIsTooSmallOrCantBeWritten) {
  const auto refuses = [](int fd) {
    const auto word = OwnershipWord::map(fd);
    return !word && word.error().code == HANDOFF_ERR_PROTOCOL;
  };
  const auto memory = [](std::size_t size, int seals) {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(0, ::ftruncate(fd.get(), static_cast<off_t>(size)));
    EXPECT_EQ(0, ::fcntl(fd.get(), F_ADD_SEALS, seals));
    return fd;
  };
  constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_FALSE(refuses(memory(4096, kFixed).get()));
  EXPECT_TRUE(refuses(memory(4095, kFixed).get()));
  EXPECT_TRUE(refuses(memory(4096, F_SEAL_GROW | F_SEAL_SEAL).get()));
  EXPECT_TRUE(refuses(memory(4096, kFixed | F_SEAL_WRITE).get()));
  const UniqueFd file(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(refuses(file.get()));
}

}  // namespace
}  // namespace handoff::io
