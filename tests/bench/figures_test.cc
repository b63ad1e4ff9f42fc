// The arithmetic and output of the benches: quartiles, verdicts, the table, the chart.
#include <gtest/gtest.h>

#include "chart.h"
#include "report.h"
#include "statistics.h"

namespace bench {
namespace {

TEST(FiguresTest, AQuantileLiesBetweenItsNeighbours) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({1, 2, 3, 4, 5}, 0.25), 2);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.999), 7);
  EXPECT_DOUBLE_EQ(quantile({}, 0.5), 0);
}

TEST(FiguresTest, TheRatioIsTheMedianOfPairsAndNotThePairOfMedians) {
  // The machine was slow in the second run, for both.
  const Row row = paired("copy", "", Unit::kMicroseconds, "floor", {10, 40, 20}, {30, 80, 40});
  EXPECT_DOUBLE_EQ(*row.ratio, 2);
  EXPECT_DOUBLE_EQ(row.base->median, 20);
  EXPECT_DOUBLE_EQ(row.result->median, 40);
}

TEST(FiguresTest, ATargetIsMetUpToItsValue) {
  Row row = paired("copy", "", Unit::kMicroseconds, "floor", {10}, {20});
  row.target = ratio_at_most(2);
  EXPECT_EQ(row.verdict(), "met");
  row.target = ratio_at_most(1.99);
  EXPECT_EQ(row.verdict(), "missed");
  row.target = ratio_at_least(2.01);
  EXPECT_EQ(row.verdict(), "missed");
  row.target = at_most(20);
  EXPECT_EQ(row.verdict(), "met");
}

TEST(FiguresTest, WhatWasNotRunSaysWhyAndIsNotMet) {
  Row row = not_run("copy", "19,000 sessions", "needs 19,100 fds");
  row.target = ratio_at_most(2);
  EXPECT_EQ(row.verdict(), "not run");
  Report report(false);
  report.add(row);
  EXPECT_NE(report.text().find("not run: needs 19,100 fds"), std::string::npos) << report.text();
  EXPECT_TRUE(report.json().at("rows").at(0).at("result").is_null());
}

TEST(FiguresTest, TinyNumbersAreHeldToNoTarget) {
  Row row = alone("upgrade", "", Unit::kMicroseconds, {5});
  row.target = at_most(1);
  Report report(true);
  report.add(row);
  EXPECT_EQ(report.text().find("missed"), std::string::npos) << report.text();
}

TEST(FiguresTest, PeopleReadThreeDigitsAndAUnit) {
  EXPECT_EQ(format(950, Unit::kMicroseconds), "950 us");
  EXPECT_EQ(format(12345, Unit::kMicroseconds), "12.3 ms");
  EXPECT_EQ(format(1024, Unit::kBytes), "1 KiB");
  EXPECT_EQ(format(2.04e9, Unit::kBytesPerSecond), "2.04 GB/s");
  EXPECT_EQ(format(0, Unit::kCount), "0");
  EXPECT_EQ(sessions_text(19000), "19,000 sessions");
  EXPECT_EQ(sessions_text(50), "50 sessions");
}

TEST(FiguresTest, ColumnsAreAsWideAsWhatIsInThem) {
  EXPECT_EQ(aligned({{"A", "B"}, {"long", "x"}}), "A     B\nlong  x\n");
}

TEST(FiguresTest, TheChartHasEachLineAndItsName) {
  const std::string chart = svg("title", {{"floor", {{1000, 2000}, {19000, 30000}}},
                                          {"blackout", {{1000, 500}, {19000, 1500}}}});
  EXPECT_NE(chart.find(">floor</text>"), std::string::npos);
  EXPECT_NE(chart.find(">blackout</text>"), std::string::npos);
  // Both axes begin at zero: the last point of the highest line is the upper right corner.
  EXPECT_NE(chart.find("650.0,50.0\""), std::string::npos) << chart;
  EXPECT_EQ(svg("title", {}), "");
}

}  // namespace
}  // namespace bench
