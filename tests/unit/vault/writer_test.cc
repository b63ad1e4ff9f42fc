// What the writer of a vault has committed is what its reader gives back, wherever the writer ends.
#include "libhandoff/vault/writer.h"

#include <random>

#include "lane_fixture.h"

namespace handoff::test {
namespace {

using vault::State;

class VaultWriterTest : public LaneTest {
 protected:
  VaultWriterTest() { std::tie(client_, fd_) = tcp_pair(); }
  void open() { writer_->open(7, 0, fd_.get(), true); }

  UniqueFd client_;
  UniqueFd fd_;
};

TEST_F(VaultWriterTest, GivesBackWhatWasCommitted) {
  open();
  writer_->put(7, {.state = "state", .input = all(0, ""), .output = all(0, "out"), .flags = 5});
  writer_->commit();
  const auto got = recovered(fd_.get());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ("state", got->state);
  EXPECT_EQ("", got->input);
  EXPECT_EQ("out", got->output);
  EXPECT_EQ(5U, got->flags);
}

TEST_F(VaultWriterTest, WhatIsNotCommittedHasNeverBeen) {
  open();
  writer_->put(7, {.state = "one"});
  writer_->commit();
  writer_->put(7, {.state = "two"});
  writer_->put(7, {.state = "three"});
  EXPECT_EQ("one", recovered(fd_.get())->state);
  writer_->commit();
  EXPECT_EQ("three", recovered(fd_.get())->state);
}

TEST_F(VaultWriterTest, InputThatWasReceivedAndNotCommittedComesAgain) {
  open();
  ASSERT_EQ(5, ::send(client_.get(), "hello", 5, 0));
  EXPECT_EQ("hello", receive(7, fd_.get(), 0, 5));
  EXPECT_TRUE(reader().sessions().front().fresh);
  EXPECT_EQ("hello", recovered(fd_.get())->input);
  writer_->put(7, {.state = "s", .input = all(2, "llo")});
  writer_->commit();
  EXPECT_EQ("llo", recovered(fd_.get())->input);
  ASSERT_EQ(3, ::send(client_.get(), "you", 3, 0));
  EXPECT_EQ("you", receive(7, fd_.get(), 5, 3));
  EXPECT_EQ("lloyou", recovered(fd_.get())->input);
}

TEST_F(VaultWriterTest, InputThatTheVaultMissesIsAnError) {
  open();
  writer_->put(7, {.state = "s"});
  writer_->commit();
  ASSERT_EQ(5, ::send(client_.get(), "hello", 5, 0));
  char bytes[5];
  ASSERT_EQ(5, ::recv(fd_.get(), bytes, 5, MSG_WAITALL));  // past the vault
  const auto got = recovered(fd_.get());
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("5 bytes"), std::string::npos) << got.error().message;
}

TEST_F(VaultWriterTest, OutputIsCutAtWhatTheKernelHasHad) {
  open();
  writer_->put(7, {.state = "s", .output = all(0, "0123456789")});
  writer_->commit();
  ASSERT_EQ(4, ::send(fd_.get(), "0123", 4, 0));
  EXPECT_EQ("456789", recovered(fd_.get())->output);
  ASSERT_EQ(6, ::send(fd_.get(), "456789", 6, 0));
  EXPECT_EQ("", recovered(fd_.get())->output);
}

TEST_F(VaultWriterTest, AnEndOfTheStreamIsNoByte) {
  open();
  ASSERT_EQ(2, ::send(client_.get(), "ab", 2, 0));
  receive(7, fd_.get(), 0, 2);
  writer_->put(7, {.state = "s", .input = all(0, "ab"), .output = all(0, "xy")});
  writer_->commit();
  ASSERT_EQ(0, ::shutdown(client_.get(), SHUT_WR));
  char byte = 0;
  ASSERT_EQ(0, ::recv(fd_.get(), &byte, 1, 0));
  ASSERT_EQ(2, ::send(fd_.get(), "xy", 2, 0));
  EXPECT_EQ("ab", recovered(fd_.get())->input);
  EXPECT_EQ("", recovered(fd_.get())->output);
  ASSERT_EQ(0, ::shutdown(fd_.get(), SHUT_WR));
  ASSERT_EQ(2, ::recv(client_.get(), &byte, 1, 0) + ::recv(client_.get(), &byte, 1, MSG_WAITALL));
  const auto got = recovered(fd_.get());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ("ab", got->input);
  EXPECT_EQ("", got->output);
}

TEST_F(VaultWriterTest, PositionsOfAnAdoptedSessionCountFromItsEntry) {
  ASSERT_EQ(3, ::send(client_.get(), "old", 3, 0));
  char bytes[3];
  ASSERT_EQ(3, ::recv(fd_.get(), bytes, 3, MSG_WAITALL));  // by an earlier process
  ASSERT_EQ(2, ::send(fd_.get(), "ok", 2, 0));
  writer_->open(7, 0, fd_.get(), false);
  EXPECT_TRUE(reader().sessions().empty());
  writer_->put(7, {.state = "s", .input = all(0, "ld")});
  writer_->commit();
  EXPECT_EQ("ld", recovered(fd_.get())->input);
  ASSERT_EQ(3, ::send(client_.get(), "new", 3, 0));
  receive(7, fd_.get(), 2, 3);
  EXPECT_EQ("ldnew", recovered(fd_.get())->input);
  writer_->put(7, {.state = "t", .input = all(5, ""), .output = all(0, "answer")});
  writer_->commit();
  ASSERT_EQ(3, ::send(fd_.get(), "ans", 3, 0));
  EXPECT_EQ("", recovered(fd_.get())->input);
  EXPECT_EQ("wer", recovered(fd_.get())->output);
}

TEST_F(VaultWriterTest, ASessionHasEndedOnceThatIsCommitted) {
  open();
  writer_->put(7, {.state = "s"});
  writer_->commit();
  const std::uint64_t cookie = *vault::cookie_of(fd_.get());
  writer_->close(7);
  writer_->close(7);
  EXPECT_EQ(1U, reader().sessions().size());
  EXPECT_FALSE(reader().ended(cookie));
  writer_->commit();
  EXPECT_TRUE(reader().sessions().empty());
  EXPECT_TRUE(reader().ended(cookie));
  EXPECT_EQ(0U, writer_->sessions());
}

TEST_F(VaultWriterTest, OneThatWasOpenedInATurnThatWasUndoneNeverWas) {
  writer_->open(7, 0, fd_.get(), false);
  writer_->put(7, {.state = "s"});
  EXPECT_TRUE(reader().sessions().empty());
  EXPECT_TRUE(reader().ended(*vault::cookie_of(fd_.get())));
}

TEST_F(VaultWriterTest, SaysWhatWasBeingAcceptedAndLookedAt) {
  EXPECT_EQ(0U, reader().accepting());
  writer_->accepting(3);
  EXPECT_EQ(3U, reader().accepting());
  open();
  EXPECT_EQ(0U, reader().accepting());
  writer_->current(7);
  EXPECT_EQ(7U, reader().current());
  writer_->commit();
  EXPECT_EQ(0U, reader().current());
}

TEST_F(VaultWriterTest, WhatCantBeKeptSaysWhy) {
  open();
  writer_->put(7, {.why = vault::Why::kLayer});
  writer_->commit();
  const auto got = recovered(fd_.get());
  ASSERT_FALSE(got);
  EXPECT_EQ(vault::words_of(vault::Why::kLayer), got.error().message);
  writer_->put(7, {.state = "plain again"});
  EXPECT_FALSE(recovered(fd_.get())) << "that is not committed";
  writer_->commit();
  EXPECT_EQ("plain again", recovered(fd_.get())->state);
  writer_->put(7, {.why = vault::Why::kSave});
  EXPECT_EQ("plain again", recovered(fd_.get())->state) << "nor is that";
}

// Nobody has counted what went while it was not kept.
TEST_F(VaultWriterTest, WhatCanBeKeptAgainIsCountedFromThen) {
  writer_->open(7, 0, fd_.get(), false);
  writer_->put(7, {.why = vault::Why::kSave});
  writer_->commit();
  ASSERT_EQ(4, ::send(client_.get(), "in 1", 4, 0));
  receive(7, fd_.get(), 0, 4);
  writer_->put(7, {.why = vault::Why::kSave});
  writer_->commit();
  ASSERT_EQ(5, ::send(fd_.get(), "out 1", 5, 0));
  writer_->put(7, {.state = "s", .input = all(4, ""), .output = all(5, "out 2")});
  writer_->commit();
  ASSERT_EQ(3, ::send(fd_.get(), "out", 3, 0));
  const auto got = recovered(fd_.get());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(" 2", got->output);
}

// The one before has had output, and this one has none yet.
TEST_F(VaultWriterTest, AnEntryThatIsUsedAgainHasNothingOfTheOneBefore) {
  open();
  writer_->put(7, {.state = "s", .output = all(900, "out")});
  writer_->commit();
  writer_->close(7);
  writer_->commit();
  auto [client, fd] = tcp_pair();
  writer_->open(8, 0, fd.get(), false);
  ASSERT_EQ(1, ::send(client.get(), "x", 1, 0));
  receive(8, fd.get(), 0, 1);
  writer_->put(8, {.state = "t", .input = all(1, ""), .output = all(0, "answer")});
  writer_->commit();
  ASSERT_EQ(2, ::send(fd.get(), "an", 2, 0));
  const auto got = recovered(fd.get());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ("swer", got->output);
}

TEST_F(VaultWriterTest, RecvSaysThatItHasNoRoomUntilTheCommit) {
  open();
  const char* data = nullptr;
  ssize_t n = 0;
  int reads = 0;
  while ((n = writer_->receive(7, 0, &data)) == -EAGAIN) ++reads;
  EXPECT_EQ(-ENOBUFS, n);
  EXPECT_EQ(static_cast<int>(vault::kMaxStages), reads);
  writer_->commit();
  EXPECT_EQ(-EAGAIN, writer_->receive(7, 0, &data));
  EXPECT_EQ(-ENOENT, writer_->receive(8, 0, &data));
}

// A reader that takes little, a service that writes much: each commit appends.
TEST_F(VaultWriterTest, KeepsWhatASlowReaderHasNotTaken) {
  std::mt19937 random(1);  // NOLINT: the same each time
  open();
  std::string output;
  std::string state;
  std::uint64_t from = 0;
  std::uint64_t most = 0;
  for (int turn = 0; turn < 3000; ++turn) {
    std::string more(random() % (turn % 50 == 0 ? 60000 : 200), '\0');
    for (char& c : more) c = static_cast<char>('a' + random() % 26);
    output += more;
    if (turn % 3 == 0) state.assign(random() % 6000, static_cast<char>('A' + turn % 26));
    const auto has = writer_->has_output(7);
    std::string_view tail = output;
    if (has.from <= from && from < has.end) tail.remove_prefix(has.end - from);
    writer_->put(7, {.state = state, .output = {from, output.size(), tail}});
    writer_->commit();
    const auto got = recovered(fd_.get());
    ASSERT_TRUE(got) << turn << ": " << got.error().message;
    ASSERT_EQ(state, got->state);
    ASSERT_EQ(output.size(), got->output.size());
    ASSERT_TRUE(output == got->output) << turn;
    most = std::max(most, writer_->allocated() - 2 * output.size());
    const std::size_t sent = std::min<std::size_t>(output.size(), random() % 1500);
    std::string taken(sent, '\0');
    ASSERT_EQ(static_cast<ssize_t>(sent), ::send(fd_.get(), output.data(), sent, 0));
    if (sent > 0) {
      ASSERT_EQ(static_cast<ssize_t>(sent), ::recv(client_.get(), taken.data(), sent, MSG_WAITALL));
    }
    ASSERT_EQ(output.substr(0, sent), taken);
    output.erase(0, sent);
    from += sent;
    if (turn == 2000) {  // the reader takes all at last
      from += output.size();
      std::string rest(output.size(), '\0');
      for (std::size_t at = 0; at < output.size();) {
        const ssize_t n = ::send(fd_.get(), output.data() + at,
                                 std::min<std::size_t>(8192, output.size() - at), 0);
        ASSERT_LT(0, n);
        ASSERT_EQ(n, ::recv(client_.get(), rest.data(), static_cast<std::size_t>(n), MSG_WAITALL));
        at += static_cast<std::size_t>(n);
      }
      output.clear();
    }
  }
  EXPECT_LT(most, std::uint64_t{4} << 20);  // beyond what waits: pages that are not full, or idle
}

TEST_F(VaultWriterTest, ManyComeAndGoInTheSamePlaces) {
  std::vector<std::pair<UniqueFd, UniqueFd>> all_of_them;
  for (int i = 0; i < 20; ++i) all_of_them.push_back(tcp_pair());
  const std::string large(5000, 'x');
  std::uint64_t after_first = 0;
  for (std::uint64_t round = 0; round < 200; ++round) {
    for (std::uint64_t i = 0; i < all_of_them.size(); ++i) {
      const std::uint64_t id = 100 + round * 100 + i;
      writer_->open(id, 0, all_of_them[i].second.get(), false);
      writer_->put(id, {.state = large, .output = all(0, large)});
    }
    writer_->commit();
    ASSERT_EQ(all_of_them.size(), reader().sessions().size());
    for (std::uint64_t i = 0; i < all_of_them.size(); ++i) writer_->close(100 + round * 100 + i);
    writer_->commit();
    ASSERT_TRUE(reader().sessions().empty());
    if (round == 0) after_first = writer_->allocated();
  }
  EXPECT_EQ(after_first, writer_->allocated());
}

TEST_F(VaultWriterTest, ADamagedRecordCostsThatSessionAlone) {
  auto [other_client, other] = tcp_pair();
  open();
  writer_->open(8, 0, other.get(), true);
  const std::string large(3000, 'x');
  writer_->put(7, {.state = "small"});
  writer_->put(8, {.state = large, .output = all(0, large)});
  writer_->commit();
  auto span = map(true);
  ASSERT_TRUE(span);
  auto& entry = *reinterpret_cast<vault::Entry*>(span->data() + vault::kEntriesAt);
  entry.slot[0].bytes[1] ^= 1;
  entry.slot[1].bytes[1] ^= 1;
  const vault::Reader reader(read_.bytes());
  ASSERT_EQ(2U, reader.sessions().size());
  const auto first = reader.recover(reader.sessions()[0], *vault::position_at(fd_.get()));
  const auto second = reader.recover(reader.sessions()[1], *vault::position_at(other.get()));
  EXPECT_FALSE(first);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(large, second->output);
}

}  // namespace
}  // namespace handoff::test
