// What comes of sessions is in the heir's vault as it came, before the heir owns it.
#include "libhandoff/copy/session_receiver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "../vault/lane_fixture.h"
#include "handoff/handoff.h"
#include "libhandoff/copy/vault_record.h"
#include "libhandoff/service/lane_vault.h"
#include "libhandoff/sys/socket.h"
#include "libhandoff/vault/reader.h"

namespace handoff::io {
namespace {

class SessionReceiverVaultTest : public test::LaneTest {
 protected:
  SessionReceiverVaultTest() {
    declared_.lanes = 1;
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    registry_.callbacks_user = &taken_;
    registry_.callbacks.restore = [](void* user, const handoff_adopted* session) {
      static_cast<UniqueFd*>(user)->reset(session->fd);
      return 0;
    };
    registry_.callbacks.update =
        registry_.callbacks.extend = [](void*, const handoff_adopted*) { return 0; };
    registry_.callbacks.drop = [](void* user, std::uint64_t) {
      static_cast<UniqueFd*>(user)->reset();
    };
    registry_.vault = std::make_unique<LaneVault>(std::move(writer_), complete_);
    received_.set_kinds({{.version = 1}});
    std::tie(client_, fd_) = test::tcp_pair();
  }
  // The tails are all of input and output where nothing is dropped.
  void come(bool first, std::string_view state, std::string_view input, std::string_view output,
            std::optional<std::uint64_t> input_dropped = {},
            std::optional<std::uint64_t> output_dropped = {}) {
    protocol::Session record{.id = 7, .has_fd = first, .inode = identity_of(fd_.get())->inode};
    record.state = state;
    record.input = input;
    record.output = output;
    if (input_dropped) record.input_tail = protocol::TailMark{*input_dropped};
    if (output_dropped) record.output_tail = protocol::TailMark{*output_dropped};
    std::string body;
    protocol::append(body, record);
    std::vector<UniqueFd> fds;
    if (first) fds.emplace_back(::dup(fd_.get()));
    RingReceiver none;
    const auto ok = received_.apply(body, fds, none);
    EXPECT_TRUE(ok) << ok.error().message;
  }
  void expect(std::string_view state, std::string_view input, std::string_view output) const {
    const auto got = recovered(fd_.get());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(state, got->state);
    EXPECT_EQ(input, got->input);
    EXPECT_EQ(output, got->output);
  }

  UniqueFd client_;
  UniqueFd fd_;
  UniqueFd taken_;
  std::uint32_t complete_ = 0;
  Declared declared_;
  Registry registry_{declared_};
  SessionReceiver received_{registry_, nullptr};
};

TEST_F(SessionReceiverVaultTest, WhatComesIsCommittedAtOnce) {
  come(true, "one", "in", "out");
  expect("one", "in", "out");
  come(false, "two", "", "");
  expect("two", "", "");
  EXPECT_EQ(0U, complete_) << "nobody recovers from it yet";
}

TEST_F(SessionReceiverVaultTest, TailsGoBehindWhatWasThere) {
  come(true, "one", "abc", "123");
  come(false, "two", "de", "456", 1, 2);
  expect("two", "bcde", "3456");
  const std::string large(3000, 'x');
  come(false, "three", large, large, 4, 0);
  expect("three", large, "3456" + large);
  come(false, "four", "yz", "", 2999, 4);
  expect("four", "xyz", large);
  come(false, "five", "", "", 3, 3000);
  expect("five", "", "");
}

// Its bytes begin anew, at the positions of others.
TEST_F(SessionReceiverVaultTest, AnotherWholeReplacesWhatLayAtItsPositions) {
  const std::string large(3000, 'x');
  const std::string other(4000, 'y');
  come(true, "one", large, large);
  come(false, "two", other, other);
  expect("two", other, other);
}

// The donor sends while it serves: what has gone by the switch is no part of the output.
TEST_F(SessionReceiverVaultTest, PositionsAreThoseOfTheSwitch) {
  come(true, "one", "in", "0123456789");
  ASSERT_EQ(4, ::send(fd_.get(), "0123", 4, MSG_NOSIGNAL));
  come(false, "two", "", "", 0, 4);
  arrived(registry_);
  count_vault(registry_);
  EXPECT_EQ(1U, complete_);
  expect("two", "in", "456789");
  ASSERT_EQ(2, ::send(fd_.get(), "45", 2, MSG_NOSIGNAL));
  expect("two", "in", "6789");
}

TEST_F(SessionReceiverVaultTest, WhatTheDonorClosesIsNotThere) {
  come(true, "one", "", "");
  std::string body;
  protocol::append_closed(body, 7);
  std::vector<UniqueFd> fds;
  RingReceiver none;
  ASSERT_TRUE(received_.apply(body, fds, none));
  EXPECT_TRUE(reader().sessions().empty());
}

// The owner puts a late session, in a turn of its own.
TEST_F(SessionReceiverVaultTest, ALateOneIsNotPutIntoAVaultThatCounts) {
  complete_ = 1;
  come(true, "one", "", "");
  EXPECT_TRUE(reader().sessions().empty());
}

}  // namespace
}  // namespace handoff::io
