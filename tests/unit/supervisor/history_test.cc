// `handoff history` of a file with records that are none.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "in_child.h"
#include "supervisor/cli/options.h"
#include "supervisor/host/journal.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

TEST(HistoryTest, ARecordWithOtherMembersIsARowLikeTheOthers) {
  const test::TempDir state;
  test::write_file(journal_path(state.path()),
                   R"({"at":"early","event":"requested","service":"chat","path":7,"uid":{}}
[]
{"at":5,"event":7,"by":[],"result":1e64,"command":{},"error":{"message":7}}
{"at":"x","from":5,"to":{"digest":7,"generation":1e64},"sessions":{"moved":-1},"sentence":[]}
{"at":"late","event":"commit","service":"kv","uid":0}
)");
  test::in_child([&] {
    ::setenv("HANDOFF_STATE_DIR", state.path().c_str(), 1);
    ::setenv("HANDOFF_RUNTIME_DIR", (state / "run").c_str(), 1);  // no supervisor is there
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    ExitStatus status = ExitStatus::kFailed;
    EXPECT_NO_THROW(status = history_command({}));
    std::cout.rdbuf(before);
    EXPECT_EQ(status, ExitStatus::kDone);
    const std::string rows = out.str();
    EXPECT_NE(rows.find("early"), std::string::npos) << rows;
    EXPECT_NE(rows.find("late   kv       commit"), std::string::npos) << rows;
    EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 5) << rows;
  });
}

}  // namespace
}  // namespace handoff::supervisor
