// How many files a service may open is its own affair: a handoff raises the limit where it needs
// more, and then only.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover_fixture.h"
#include "libhandoff/sys/fd_limit.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;

// As the kernel says: of any process.
rlim_t limit_of(pid_t pid) {
  rlimit limit{};
  EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit), 0);
  return limit.rlim_cur;
}

void set_soft(rlim_t soft) {
  const rlimit limit{soft, io::FdLimit::most()};
  if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) ::_exit(1);
}

int of_a_child() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(static_cast<int>(io::FdLimit::now()));
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1;
}

// Limits and statuses fit into a byte.
LineServiceOptions limited(rlim_t soft) {
  return {.adjust = [soft](Service&) { set_soft(soft); },
          .answer = [](const std::string&) { return std::to_string(of_a_child()); }};
}

class FdLimitTest : public HandoverTest {};

TEST_F(FdLimitTest, AnHeirMayOpenAsManyFilesAsItsDonorAndItsChildrenAsManyAsItBeganWith) {
  auto donor = start(limited(250));
  LineClient client(address("public"));
  EXPECT_EQ(client.ask("x"), "250");
  EXPECT_EQ(limit_of(donor->pid()), 250U);
  auto heir = hand_over(*donor, limited(120));
  EXPECT_EQ(limit_of(heir->pid()), 250U);
  EXPECT_EQ(client.ask("x"), "120");
  auto third = hand_over(*heir, limited(251));  // its own is higher, and stays
  EXPECT_EQ(limit_of(third->pid()), 251U);
  EXPECT_EQ(client.ask("x"), "251");
}

TEST_F(FdLimitTest, ADonorsIsTheHardOneWhileItSendsAndThenWhatItWas) {
  auto donor = start(limited(250));
  LineClient client(address("public"));
  for (int i = 0; i < 2; ++i) {
    RawHeir heir(*donor);
    heir.reach_copy_end();
    EXPECT_EQ(limit_of(donor->pid()), io::FdLimit::most());
    EXPECT_EQ(client.ask("x"), "250");
    heir.close_channel();
    heir.process().kill();
    donor->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(client.ask("x"), "250");
    EXPECT_EQ(limit_of(donor->pid()), 250U);
  }
}

TEST_F(FdLimitTest, WhatTheServiceSetsMeanwhileStays) {
  LineServiceOptions options = limited(250);
  options.answer = [](const std::string&) {
    set_soft(240);
    return std::to_string(of_a_child());
  };
  auto donor = start(options);
  LineClient client(address("public"));
  RawHeir heir(*donor);
  heir.reach_copy_end();
  EXPECT_EQ(client.ask("x"), "240");
  heir.close_channel();
  heir.process().kill();
  donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(client.ask("x"), "240");
  EXPECT_EQ(limit_of(donor->pid()), 240U);
}

}  // namespace
}  // namespace handoff::test
