// Records whose plaintext waits: the input that moves, and the state in which it is opened again.
#include "libhandoff-tls/core/unread.h"

#include <gtest/gtest.h>

#include "libhandoff-tls/core/state.h"
#include "records.h"

namespace handoff::tls {
namespace {

using Opened = Record::Opened;
using test::End;

class UnreadTest : public testing::TestWithParam<std::uint16_t> {
 protected:
  bool is_13() const { return find_suite(GetParam())->version == Version::kTls13; }
  void come(const std::string& records) {
    input_ += records;
    EXPECT_EQ(Opened::kRecord, server_.open(records));
  }
  void consume(std::size_t size) {
    server_.record.consume(size);
    server_.plain.consume(size);
    input_.erase(0, server_.record.unread().take_done());
  }
  // What another process opens of the input, by a state of now.
  std::string heirs() {
    const Info info;
    std::string state(RecordState::size(server_.record, info), '\0');
    RecordState::write(server_.record, info, reinterpret_cast<std::uint8_t*>(state.data()));
    EXPECT_GT(200U, state.size());
    End heir(Role::kServer, GetParam());
    Record record(&heir.gate);
    Info moved;
    EXPECT_TRUE(RecordState::read(state, record, moved));
    EXPECT_TRUE(record.check(server_.record.position().end(), 0));
    std::string_view rest = input_;
    while (!rest.empty()) {
      std::size_t consumed = 0;
      if (record.open(rest, consumed, heir.plain, heir.wire) != Opened::kRecord) break;
      rest.remove_prefix(consumed);
    }
    EXPECT_EQ(server_.record.reading().sequence, record.reading().sequence);
    EXPECT_EQ(server_.record.reading().generation, record.reading().generation);
    EXPECT_EQ(server_.record.read_closed(), record.read_closed());
    return std::string(heir.plain.view());
  }

  End client_{Role::kClient, GetParam()};
  End server_{Role::kServer, GetParam()};
  std::string input_;
};
INSTANTIATE_TEST_SUITE_P(Suites, UnreadTest,
                         testing::Values(0x1301, 0x1302, 0x1303, 0xC02F, 0xCCA8));

TEST_P(UnreadTest, IsOpenedAgainFromTheFirstRecordThatWaits) {
  for (const std::string text : {"one", "two", "three"}) come(client_.sealed(text));
  const std::string all = "onetwothree";
  for (std::size_t consumed = 0; consumed <= all.size(); ++consumed) {
    ASSERT_EQ(all.substr(consumed), heirs()) << consumed;
    if (consumed < all.size()) consume(1);
  }
  EXPECT_EQ("", input_);
}

TEST_P(UnreadTest, GoesOnOverNewKeys) {
  if (!is_13()) return;
  come(client_.sealed("one"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client_.record.update_key(i == 1, client_.wire));
    come(client_.sent());
    come(client_.sealed("more"));
  }
  const std::string all = "onemoremoremore";
  for (std::size_t consumed = 0; consumed <= all.size(); ++consumed) {
    ASSERT_EQ(all.substr(consumed), heirs()) << consumed;
    if (consumed < all.size()) consume(1);
  }
  EXPECT_EQ("", input_);
}

// A request for a new key that the process before has heard is not heard again.
TEST_P(UnreadTest, WhatWasAskedIsAnsweredOnce) {
  if (!is_13()) return;
  come(client_.sealed("waits"));
  ASSERT_TRUE(client_.record.update_key(true, client_.wire));
  come(client_.sent());
  ASSERT_TRUE(server_.record.owes_update());
  for (const bool answered : {false, true}) {
    if (answered) {
      ASSERT_TRUE(server_.record.seal("answer", server_.wire));
    }
    const Info info;
    std::string state(RecordState::size(server_.record, info), '\0');
    RecordState::write(server_.record, info, reinterpret_cast<std::uint8_t*>(state.data()));
    End heir(Role::kServer, GetParam());
    Record record(&heir.gate);
    Info moved;
    ASSERT_TRUE(RecordState::read(state, record, moved));
    ASSERT_TRUE(record.check(server_.record.position().end(), 0));
    std::size_t at = 0, consumed = 0;
    while (at < input_.size()) {
      ASSERT_EQ(Opened::kRecord,
                record.open(std::string_view(input_).substr(at), consumed, heir.plain, heir.wire));
      at += consumed;
    }
    EXPECT_EQ(!answered, record.owes_update());
  }
}

TEST_P(UnreadTest, AnEndComesBehindWhatWaits) {
  come(client_.sealed("last words"));
  ASSERT_TRUE(client_.record.close(client_.wire));
  come(client_.sent());
  EXPECT_EQ("last words", heirs());
  consume(10);
  EXPECT_EQ("", input_);
  EXPECT_EQ("", heirs());
}

// A state that is of another input.
TEST_P(UnreadTest, AFirstRecordThatIsTooShortEndsTheSession) {
  come(client_.sealed("four"));
  consume(3);
  const Info info;
  std::string state(RecordState::size(server_.record, info), '\0');
  RecordState::write(server_.record, info, reinterpret_cast<std::uint8_t*>(state.data()));
  End heir(Role::kServer, GetParam());
  Record record(&heir.gate);
  Info moved;
  ASSERT_TRUE(RecordState::read(state, record, moved));
  ASSERT_TRUE(record.check(server_.record.position().end(), 0));
  End other(Role::kClient, GetParam());
  const std::string shorter = other.sealed("by");
  std::size_t consumed = 0;
  EXPECT_EQ(Opened::kFailed, record.open(shorter, consumed, heir.plain, heir.wire));
}

TEST_P(UnreadTest, ManyRecordsThatAreConsumedLeaveNothing) {
  for (int i = 0; i < 2000; ++i) {
    come(client_.sealed("record"));
    if (i % 5 == 4) consume(5 * 6 - (i % 2 == 0 ? 1U : 0U));
    if (i % 10 == 9) consume(server_.plain.size());
  }
  EXPECT_TRUE(server_.record.unread().empty());
  EXPECT_EQ("", input_);
  EXPECT_EQ("", heirs());
}

}  // namespace
}  // namespace handoff::tls
