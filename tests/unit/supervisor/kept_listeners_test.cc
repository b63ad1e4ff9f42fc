// Listeners that the supervisor before this one has passed on, or systemd has kept, while nobody of
// the service lived; and those that are taken up before they have ended.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <uv.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "listener_tools.h"
#include "supervisor/host/kept_fds.h"
#include "supervisor/listeners/listener_ends.h"
#include "supervisor/listeners/listeners.h"

namespace handoff::supervisor {
namespace {

class KeptListenersTest : public testing::Test {
 protected:
  // As by `upgrade --self`.
  static KeptFds kept(const std::map<std::string, const UniqueFd*>& fds) {
    std::map<std::string, int> numbers;
    for (const auto& [name, fd] : fds) numbers[name] = copy_of(*fd).release();
    ::setenv(kKeptVariable, KeptFds::describe(numbers).c_str(), 1);
    return KeptFds::from_environment();
  }
  static ino_t inode_of(const UniqueFd& fd) { return io::identity_of(fd.get())->inode; }

  Notify notify_;
  Listeners listeners_{"chat", {named("a", "tcp:127.0.0.2:0")}, notify_};
  const UniqueFd there_ = bound("tcp:127.0.0.1:0");
};

// Seen: it was closed, which reset those who waited there, and another was bound.
TEST_F(KeptListenersTest, OneAtAnotherAddressIsTakenAndMovesAtTheNextUpgrade) {
  KeptFds fds = kept({{"chat/a", &there_}});
  listeners_.take_kept(fds);
  ASSERT_TRUE(listeners_.bind_missing());
  ASSERT_EQ(listeners_.here().size(), 1U);
  EXPECT_EQ(listeners_.here()[0]->inode(), inode_of(there_));
  const auto donor = list(shown("a", there_));
  ASSERT_TRUE(listeners_.bind_for_heir(donor, true));
  EXPECT_EQ(listeners_.for_heir(donor, true).moved.size(), 1U);
}

TEST_F(KeptListenersTest, AStoppedServiceHasItWhereTheConfigurationSays) {
  KeptFds fds = kept({{"chat/a", &there_}});
  listeners_.take_kept(fds);
  listeners_.want({named("a", "tcp:127.0.0.2:0")});
  EXPECT_TRUE(listeners_.here().empty());
}

TEST_F(KeptListenersTest, TheOneThatAMoveBeganAtIsTakenAlsoWithoutTheOther) {
  const UniqueFd none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  KeptFds fds = kept({{"chat/a", &none}, {"chat/a" + std::string(kBefore), &there_}});
  listeners_.take_kept(fds);
  ASSERT_EQ(listeners_.here().size(), 1U);
  EXPECT_EQ(listeners_.here()[0]->inode(), inode_of(there_));
  EXPECT_EQ(listeners_.other("a", {}), nullptr);
}

TEST_F(KeptListenersTest, AMoveThatIsUnderWayGoesOn) {
  const UniqueFd to = bound("tcp:127.0.0.2:0");
  KeptFds fds = kept({{"chat/a", &to}, {"chat/a" + std::string(kBefore), &there_}});
  listeners_.take_kept(fds);
  const auto owner = list(shown("a", to));
  EXPECT_EQ(listeners_.here(owner)[0]->inode(), inode_of(to));
  ASSERT_NE(listeners_.other("a", owner), nullptr);
  EXPECT_EQ(listeners_.other("a", owner)->inode(), inode_of(there_));
}

// Seen: it was shut down at once, which reset those whose handshake was under way.
TEST_F(KeptListenersTest, OneThatWasTakenUpForAnHeirThatFailedEndsAsBefore) {
  Listeners listeners("chat", {named("a", "tcp:127.0.0.2:0")}, notify_);
  const auto donor = list(shown("a", there_));
  auto first = list(shown("a", there_));
  listeners.take_shown(first);
  const UniqueFd ending = bound("tcp:127.0.0.2:0");
  const NamedAddress to = named("a", address_of(ending));
  listeners.want({to}, true);
  ListenerEnds ends(uv_default_loop(), "chat");
  auto taken = Listener::adopt(to, copy_of(ending));
  ASSERT_TRUE(taken);
  ends.end(std::move(*taken));
  ASSERT_TRUE(listeners.bind_for_heir(donor, true, &ends));
  listeners.heir_failed(donor);
  const auto replaced = listeners.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_EQ(replaced[0].inode(), inode_of(ending));
  EXPECT_TRUE(io::listens_at(ending.get(), to.address)) << "it is not shut down yet";
}

}  // namespace
}  // namespace handoff::supervisor
