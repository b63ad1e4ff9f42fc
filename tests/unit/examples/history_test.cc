// The chat's history as a section: copied while people talk, and malformed records.
#include "history.h"

#include <gtest/gtest.h>

namespace chat {
namespace {

using handoff::Phase;

std::vector<std::string> texts(const History& history, const std::string& room) {
  std::vector<std::string> out;
  for (const Line* line : history.last(room, 1000)) out.push_back(line->text);
  return out;
}

// Moves all records that the phase has at this moment.
void move(History& from, History& to, Phase phase) {
  std::string record;
  while (from.next(phase, record)) to.apply(History::kVersion, record);
}

TEST(HistoryTest, KeepsTheLastHundredLinesOfARoom) {
  History history;
  for (int i = 1; i <= 150; ++i) history.append("a", std::to_string(i));
  ASSERT_EQ(texts(history, "a").size(), 100u);
  EXPECT_EQ(texts(history, "a").front(), "51");
  EXPECT_EQ(texts(history, "a").back(), "150");
}

TEST(HistoryTest, GoesOverWholeWhilePeopleTalk) {
  History donor, heir;
  for (const std::string room : {"a", "c", "e"}) {
    for (int i = 0; i < 80; ++i) donor.append(room, room + std::to_string(i));
  }
  donor.begin(History::kVersion);
  std::string record;
  int step = 0;
  // Lines before the cursor, at it and behind it, and a room that did not exist.
  while (donor.next(Phase::kSnapshot, record)) {
    heir.apply(History::kVersion, record);
    if (++step % 2 == 0) continue;
    for (const std::string room : {"a", "c", "d", "e"}) donor.append(room, std::to_string(step));
  }
  move(donor, heir, Phase::kChanges);
  donor.append("b", "the last moment");
  move(donor, heir, Phase::kFinal);
  donor.end(true);

  EXPECT_EQ(heir.rooms(), donor.rooms());
  for (const std::string& room : donor.rooms()) EXPECT_EQ(texts(heir, room), texts(donor, room));
  donor.append("a", "next");
  heir.append("a", "next");
  EXPECT_EQ(heir.last("a", 1).at(0)->number, donor.last("a", 1).at(0)->number);
}

TEST(HistoryTest, ALineThatComesTwiceIsThereOnce) {
  History donor, heir;
  donor.begin(History::kVersion);
  donor.append("a", "hello");
  move(donor, heir, Phase::kSnapshot);
  move(donor, heir, Phase::kChanges);
  EXPECT_EQ(texts(heir, "a"), std::vector<std::string>{"hello"});
}

TEST(HistoryTest, ACopyThatFailedCanBeginAnew) {
  History donor, heir;
  donor.append("a", "1");
  donor.begin(History::kVersion);
  move(donor, heir, Phase::kSnapshot);
  donor.end(false);
  donor.append("a", "2");

  heir.reset();
  donor.begin(History::kVersion);
  move(donor, heir, Phase::kSnapshot);
  move(donor, heir, Phase::kFinal);
  EXPECT_EQ(texts(heir, "a"), (std::vector<std::string>{"1", "2"}));
}

TEST(HistoryTest, RefusesARecordThatIsCut) {
  History heir;
  EXPECT_THROW(heir.apply(History::kVersion, "\1\0\0\0\0\0\0\0"), std::exception);
}

}  // namespace
}  // namespace chat
