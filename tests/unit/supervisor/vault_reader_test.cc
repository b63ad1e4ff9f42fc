// The parts of handoff-vault: its arguments, which socket is whose, and what goes on.
#define XXH_INLINE_ALL
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/vault/kernel.h"
#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/memory.h"
#include "supervisor/vault/account.h"
#include "supervisor/vault/arguments.h"
#include "supervisor/vault/sockets.h"
#include "unit/vault/lane_fixture.h"

namespace handoff::supervisor {
namespace {

std::optional<ReaderArguments> arguments(std::vector<const char*> words) {
  words.insert(words.begin(), "handoff-vault");
  auto read = read_arguments(static_cast<int>(words.size()), words.data());
  if (!read) return std::nullopt;
  return *read;
}

TEST(VaultReaderTest, ArgumentsAreNumbers) {
  const auto read = arguments(
      {"--of", "3", "--memory", "7", "--keeper", "8", "--quarantine", "21", "--quarantine", "22"});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->of, 3U);
  EXPECT_EQ(read->memory, 7);
  EXPECT_EQ(read->keeper, 8);
  EXPECT_EQ(read->quarantined, (std::set<std::uint64_t>{21, 22}));
}

TEST(VaultReaderTest, AnythingElseIsRefused) {
  EXPECT_FALSE(arguments({}));
  EXPECT_FALSE(arguments({"--of", "3"}));
  EXPECT_FALSE(arguments({"--of", "3", "--memory", "7", "--keeper"}));
  EXPECT_FALSE(arguments({"--of", "3", "--memory", "7", "--keeper", "7"}));
  EXPECT_FALSE(arguments({"--of", "0", "--memory", "7", "--keeper", "8"}));
  EXPECT_FALSE(arguments({"--of", "3", "--memory", "1", "--keeper", "8"}));
  EXPECT_FALSE(arguments({"--of", "3", "--memory", "7x", "--keeper", "8"}));
  EXPECT_FALSE(arguments({"--of", "3", "--memory", "7", "--keeper", "8", "--else", "1"}));
}

// A listener on the loopback, and both ends of a connection to it.
struct Connected {
  UniqueFd listener;
  UniqueFd client;
  UniqueFd accepted;
};

Connected connect_loopback() {
  Connected out;
  out.listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(out.listener.get(), name, length), 0);
  EXPECT_EQ(::listen(out.listener.get(), 8), 0);
  EXPECT_EQ(::getsockname(out.listener.get(), name, &length), 0);
  out.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(out.client.get(), name, length), 0);
  out.accepted.reset(::accept4(out.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(out.accepted.valid());
  return out;
}

TEST(VaultReaderTest, ASocketIsFoundByItsCookieOnce) {
  Connected one = connect_loopback();
  const auto cookie = vault::cookie_of(one.accepted.get());
  ASSERT_TRUE(cookie);
  vault::Kept kept;
  kept[5] = std::move(one.accepted);
  Sockets sockets(std::move(kept));
  EXPECT_FALSE(sockets.take(*cookie + 1).valid());
  EXPECT_TRUE(sockets.take(*cookie).valid());
  EXPECT_FALSE(sockets.take(*cookie).valid());
}

TEST(VaultReaderTest, AConnectionOfAListenerThatNobodyKnowsWasBeingAccepted) {
  Connected one = connect_loopback();
  Connected other = connect_loopback();
  const auto cookie = vault::cookie_of(one.accepted.get());
  vault::Kept kept;
  kept[4] = std::move(one.listener);
  kept[5] = std::move(one.accepted);
  kept[6] = std::move(other.accepted);  // of a listener that the service does not have
  Sockets sockets(std::move(kept));
  EXPECT_FALSE(
      sockets.take_accepted([&](std::uint64_t known) { return known == *cookie; }).valid());
  EXPECT_TRUE(sockets.take_accepted([](std::uint64_t) { return false; }).valid());
  EXPECT_FALSE(sockets.take_accepted([](std::uint64_t) { return false; }).valid());
}

TEST(VaultReaderTest, AMemoryThatNobodyHasWrittenIsNoVault) {
  const auto memory = vault::make_memory();
  ASSERT_TRUE(memory);
  EXPECT_FALSE(read_account(memory->get(), {}, {}));
  EXPECT_FALSE(read_account(STDIN_FILENO, {}, {}));
}

// A vault whose process has owned, with sessions of one kind.
class VaultAccountTest : public test::LaneTest {
 protected:
  VaultAccountTest() { begin(1); }
  void begin(std::uint32_t lanes) const {
    vault::Header header{};
    header.magic = vault::kMagic;
    header.lanes = lanes;
    header.kinds = 1;
    constexpr std::size_t kFrom = offsetof(vault::Header, generation);
    header.checksum =
        XXH3_64bits(reinterpret_cast<const char*>(&header) + kFrom, sizeof header - kFrom);
    put(header, 0);
    vault::Complete complete{};
    for (std::uint32_t lane = 0; lane < lanes; ++lane) complete.lane[lane] = 1;
    put(complete, vault::kCompleteAt);
  }
  template <class T>
  void put(const T& what, std::uint64_t at) const {
    EXPECT_EQ(static_cast<ssize_t>(sizeof what),
              ::pwrite(memory_.get(), &what, sizeof what, static_cast<off_t>(at)));
  }
  void open(std::uint64_t id, std::uint32_t kind) {
    auto [client, accepted] = test::tcp_pair();
    writer_->open(id, kind, accepted.get(), false);
    writer_->put(id, {.state = "state"});
    writer_->commit();
    const int number = accepted.get();
    kept_[number] = std::move(accepted);
    clients_.push_back(std::move(client));
  }
  std::vector<LeftSession> sessions(const std::set<std::uint64_t>& quarantined = {}) {
    auto account = read_account(memory_.get(), std::move(kept_), quarantined);
    EXPECT_TRUE(account) << account.error().message;
    return account ? std::move(account->sessions) : std::vector<LeftSession>();
  }

  vault::Kept kept_;
  std::vector<UniqueFd> clients_;
};

TEST_F(VaultAccountTest, ASessionGoesOnWithItsSocket) {
  open(7, 0);
  const auto all = sessions();
  ASSERT_EQ(1U, all.size());
  EXPECT_EQ(7U, all[0].id);
  EXPECT_EQ("", all[0].lost);
  EXPECT_EQ("state", all[0].saved.state);
  EXPECT_TRUE(all[0].fd.valid());
}

// A session that is not among them is counted by nobody.
TEST_F(VaultAccountTest, WhatCantGoOnIsToldWithTheReason) {
  open(7, 0);
  open(8, 0);
  kept_.erase(std::prev(kept_.end()));
  open(9, 5);
  const auto all = sessions({7});
  ASSERT_EQ(3U, all.size());
  EXPECT_NE(all[0].lost.find("vault_max_crashes"), std::string::npos) << all[0].lost;
  EXPECT_TRUE(all[0].fd.valid());
  EXPECT_EQ("its socket is not there any more", all[1].lost);
  EXPECT_FALSE(all[1].fd.valid());
  EXPECT_EQ("the vault has it as of no kind", all[2].lost);
  EXPECT_EQ(0U, all[2].kind);
  EXPECT_TRUE(all[2].fd.valid());
}

// The socket is a connection of a listener, and the lane that accepts does not know of it.
TEST_F(VaultAccountTest, ASessionOfAnotherLaneWasNotBeingAccepted) {
  begin(2);
  auto other = std::move(*vault::Writer::make(
      std::move(*vault::Span::map(memory_.get(), vault::lane_at(1), vault::kLaneSpan, true))));
  Connected one = connect_loopback();
  other->open(7, 0, one.accepted.get(), false);
  other->put(7, {.state = "state"});
  other->commit();
  writer_->accepting(1);
  kept_[4] = std::move(one.listener);
  kept_[5] = std::move(one.accepted);
  const auto all = sessions();
  ASSERT_EQ(1U, all.size());
  EXPECT_EQ(7U, all[0].id);
  EXPECT_EQ("", all[0].lost);
  EXPECT_FALSE(all[0].fresh);
}

}  // namespace
}  // namespace handoff::supervisor
