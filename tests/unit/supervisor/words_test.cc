// The small pure parts: durations, back-off, exits, suggestions, numbers for people.
#include <gtest/gtest.h>

#include "supervisor/cli/table.h"
#include "supervisor/core/backoff.h"
#include "supervisor/core/duration.h"
#include "supervisor/core/exit.h"
#include "supervisor/core/memory.h"
#include "supervisor/core/suggest.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

TEST(DurationTest, ReadsANumberAndAUnit) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("7us"), 7us);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("24h"), 24h);
}

TEST(DurationTest, RefusesEverythingElse) {
  for (const char* text : {"", "10", "s", "10 s", "-1s", "1.5s", "10sec", "1h30m", "25h", "0x1s",
                           "99999999999999999999s", "9223372036854775807h", "ms10", "+1s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(DurationTest, IsShortForPeople) {
  EXPECT_EQ(format_duration(0us), "0 us");
  EXPECT_EQ(format_duration(180us), "180 us");
  EXPECT_EQ(format_duration(7120us), "7.1 ms");
  EXPECT_EQ(format_duration(61ms), "61 ms");
  EXPECT_EQ(format_duration(2304ms), "2.30 s");
  EXPECT_EQ(format_duration(10s), "10.0 s");
  EXPECT_EQ(format_duration(65s), "1 min 05 s");
}

TEST(BackoffTest, DoublesUpToHalfAMinute) {
  Backoff backoff;
  Duration last{};
  for (int i = 0; i < 12; ++i) last = backoff.after(1s);
  EXPECT_EQ(last, 30s);
  EXPECT_EQ(backoff.after(60s), 100ms);
  EXPECT_EQ(backoff.after(1s), 200ms);
}

TEST(ExitTest, SaysHowAProcessEnded) {
  EXPECT_EQ(describe({false, 0, false}), "exited with status 0");
  EXPECT_EQ(describe({true, 9, false}), "was killed by SIGKILL");
  EXPECT_EQ(describe({true, 11, true}), "was killed by SIGSEGV (core dumped)");
  EXPECT_EQ(describe({true, 63, false}), "was killed by signal 63");
  const std::string lacked = " (memory ran out of the host; MemoryMax= gives it more)";
  EXPECT_EQ(describe({.signalled = true, .number = 9, .out_of_memory = "the host"}),
            "was killed by SIGKILL" + lacked);
  EXPECT_EQ(describe({.unseen = true, .out_of_memory = "the host"}), "ended" + lacked);
  EXPECT_EQ(code_of({.signalled = true, .number = 9}), "exited");
  EXPECT_EQ(code_of({.signalled = true, .number = 9, .out_of_memory = "the host"}), "resources");
}

TEST(SuggestTest, FindsWhatWasMeant) {
  const std::vector<std::string> names{"command", "listen", "drain", "chat"};
  EXPECT_EQ(closest("comand", names), "command");
  EXPECT_EQ(closest("lisetn", names), "listen");
  EXPECT_EQ(closest("chta", names), "chat");
  EXPECT_EQ(closest("drian", names), "drain");
  EXPECT_EQ(closest("xyz", names), std::nullopt);
  EXPECT_EQ(closest("", names), std::nullopt);
}

TEST(TableTest, AlignsColumnsWithoutTrailingBlanks) {
  EXPECT_EQ(table({{"A", "B"}, {"long", ""}, {"x", "y"}}), "A     B\nlong\nx     y\n");
}

TEST(TableTest, WritesNumbersForPeople) {
  EXPECT_EQ(with_commas(7), "7");
  EXPECT_EQ(with_commas(1234), "1,234");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(48200000), "48.2 MB");
  EXPECT_EQ(format_bytes(999999), "1.0 MB");
  EXPECT_EQ(counted(1, "session"), "1 session");
  EXPECT_EQ(counted(12000, "session"), "12,000 sessions");
}

}  // namespace
}  // namespace handoff::supervisor
