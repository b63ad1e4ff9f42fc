// Sections between real processes: whole whatever their sizes, copied again while they change, and
// ended once the supervisor has heard.
#include <fcntl.h>
#include <sys/stat.h>

#include <utility>
#include <vector>

#include "handover_fixture.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;

class SectionsTest : public HandoverTest {};

// Gives a section of many records; counts and sums up the records that it gets.
class CountingSection : public Section {
 public:
  explicit CountingSection(std::uint64_t records, std::size_t size) : have(records), size_(size) {}
  void begin(std::uint32_t) override { at_ = 0; }
  bool next(Phase phase, std::string& record) override {
    if (phase != Phase::kSnapshot || at_ == have) return false;
    record = std::to_string(at_) + std::string(size_, static_cast<char>('a' + at_ % 26));
    ++at_;
    return true;
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view record) override {
    const std::string number = std::to_string(have);
    if (!record.starts_with(number) || record.size() != number.size() + size_ ||
        record.find_first_not_of(static_cast<char>('a' + have % 26), number.size()) !=
            std::string_view::npos) {
      throw std::runtime_error("record " + number + " is not as it was");
    }
    ++have;
  }
  void reset() override { have = 0; }
  std::uint64_t have;

 private:
  std::uint64_t at_ = 0;
  std::size_t size_;
};

TEST_F(SectionsTest, SectionsArriveWholeWhateverTheSizeOfTheirRecords) {
  for (const auto& [records, size] : std::vector<std::pair<std::uint64_t, std::size_t>>{
           {0, 0}, {1, 0}, {100'000, 10}, {3, 5 << 20}, {1000, 70'000}}) {
    SCOPED_TRACE(std::to_string(records) + " records of " + std::to_string(size));
    CountingSection full(records, size);
    CountingSection empty(0, size);
    const std::uint64_t expected = records;
    LineServiceOptions from;
    from.adjust = [&](Service& s) { s.section("data", full, {1}, {1}); };
    LineServiceOptions to;
    to.adjust = [&](Service& s) { s.section("data", empty, {1}, {1}); };
    to.on_restore = [&](SessionId) {};
    auto donor = start(from);
    LineClient client(address("public"));
    client.send("a\n");
    EXPECT_EQ("1 a\n", client.line());
    to.save = [&](SessionId) { return std::to_string(empty.have); };
    auto heir = hand_over(*donor, to);
    // The heir's count is part of what it saves, so the next generation shows it.
    LineServiceOptions last;
    CountingSection ignored(0, size);
    last.adjust = [&](Service& s) { s.section("data", ignored, {1}, {1}); };
    auto third = hand_over(*heir, last);
    client.send("b\n");
    EXPECT_EQ(std::to_string(expected + 1) + " b\n", client.line());
  }
}

// A section that lets go of what has moved only once the test opens a FIFO.
class SlowToEnd : public Section {
 public:
  explicit SlowToEnd(std::string fifo) : fifo_(std::move(fifo)) {}
  void begin(std::uint32_t) override {}
  bool next(Phase, std::string&) override { return false; }
  void end(bool moved) override {
    if (moved) UniqueFd(::open(fifo_.c_str(), O_RDONLY | O_CLOEXEC)).reset();
  }
  void apply(std::uint32_t, std::string_view) override {}
  void reset() override {}

 private:
  std::string fifo_;
};

// The supervisor refuses the next upgrade, and `rollback`, until it has heard.
TEST_F(SectionsTest, ADonorSaysThatItHasRetiredBeforeItCleansUp) {
  const std::string fifo = folder_ + "/go-on";
  ASSERT_EQ(0, ::mkfifo(fifo.c_str(), 0600));
  SlowToEnd section(fifo);
  LineServiceOptions options;
  options.adjust = [&](Service& s) { s.section("data", section, {1}, {1}); };
  auto donor = start(options);
  auto heir = start_heir(*donor, ++generation_, [&] { return run_line_service(options); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_FALSE(donor->await(Type::kRetired).closed);
  EXPECT_TRUE(donor->running());
  const UniqueFd go_on(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(0, donor->wait());
}

// Large, and changed once during the copy and once in the freeze.
class ChangingSection : public Section {
 public:
  void begin(std::uint32_t) override { left_ = kMegabytes; }
  bool next(Phase phase, std::string& record) override {
    if (phase == Phase::kSnapshot) {
      record.assign(1 << 20, 's');
      return left_-- > 0;
    }
    record = phase == Phase::kFinal ? "final" : "changes";
    return std::exchange(phase == Phase::kFinal ? final_ : changed_, false);
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view record) override {
    if (record == "changes") ++again;
    if (record == "final") ++frozen;
  }
  void reset() override {}
  int again = 0;
  int frozen = 0;

 private:
  static constexpr int kMegabytes = 64;
  int left_ = 0;
  bool changed_ = true;
  bool final_ = true;
};

// One session does not decide it: what a section changes during its snapshot is not left for the
// freeze.
TEST_F(SectionsTest, ALargeSectionIsCopiedAgainBeforeTheFreeze) {
  ChangingSection full;
  ChangingSection came;
  LineServiceOptions from;
  from.adjust = [&](Service& s) { s.section("data", full, {1}, {1}); };
  LineServiceOptions to;
  to.adjust = [&](Service& s) { s.section("data", came, {1}, {1}); };
  to.on_restore = [&](SessionId) {};
  to.save = [&](SessionId) { return std::to_string(10 * came.again + came.frozen); };
  auto donor = start(from);
  LineClient client(address("public"));
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  auto heir = hand_over(*donor, to);
  LineServiceOptions last;
  ChangingSection ignored;
  last.adjust = [&](Service& s) { s.section("data", ignored, {1}, {1}); };
  auto third = hand_over(*heir, last);
  client.send("b\n");
  EXPECT_EQ("12 b\n", client.line()) << "11: the change came before the freeze";
}

// Gives 64 MB, and as many of them again as have changed.
class ChangedSection : public Section {
 public:
  explicit ChangedSection(int changed) : changed_(changed) {}
  void begin(std::uint32_t) override { left_ = 64; }
  bool next(Phase phase, std::string& record) override {
    record.assign(1 << 20, 's');
    return (phase == Phase::kSnapshot ? left_ : changed_)-- > 0;
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view) override {}
  void reset() override {}

 private:
  int left_ = 0;
  int changed_;
};

class ForecastTest : public SectionsTest {
 protected:
  // What the donor says once a rehearsal is over; the heir has gone by then.
  v1::Rehearsed rehearse(int changed) {
    ChangedSection full(changed);
    ChangedSection came(0);
    LineServiceOptions from;
    from.adjust = [&](Service& s) { s.section("data", full, {1}, {1}); };
    LineServiceOptions to;
    to.adjust = [&](Service& s) { s.section("data", came, {1}, {1}); };
    auto donor = start(from);
    LineClient client(address("public"));
    client.send("a\n");
    EXPECT_EQ("1 a\n", client.line());
    auto heir = start_heir(*donor, ++generation_, [&] { return run_line_service(to); },
                           {.rehearsal = true});
    const auto said = donor->await_message<v1::Rehearsed>(Type::kRehearsed);
    client.send("b\n");
    EXPECT_EQ("2 b\n", client.line()) << "it serves on";
    return said;
  }
};

TEST_F(ForecastTest, WithoutChangesNothingWouldBeCopiedInTheFreeze) {
  const v1::Rehearsed said = rehearse(0);
  EXPECT_EQ(said.sections_ns(), 0U);
  EXPECT_FALSE(said.sections_unsettled());
}

TEST_F(ForecastTest, WhatHasChangedTellsHowLongTheFreezeWouldCopy) {
  const v1::Rehearsed said = rehearse(32);
  EXPECT_GT(said.sections_ns(), 0U);
  EXPECT_FALSE(said.sections_unsettled());
}

TEST_F(ForecastTest, SectionsThatChangeAsFastAsTheyAreCopiedAreSaidToDoSo) {
  EXPECT_TRUE(rehearse(1000).sections_unsettled());
}

}  // namespace
}  // namespace handoff::test
