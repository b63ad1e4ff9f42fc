// The section "data" goes from one store to another, with changes at every moment of the copy.
#include "data_section.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "fake_client.h"
#include "format_1.h"
#include "release.h"

namespace kv {
namespace {

using handoff::Phase;

std::string content(Engine& engine) {
  std::map<std::string, std::string> lines;
  for (int db = 0; db < kDatabases; ++db) {
    const Database& database = engine.store.database(db);
    for (std::size_t slot = 0; slot < database.slots(); ++slot) {
      if (const auto* item = database.at(slot)) {
        std::string record;
        Format1().write_item(db, *item, 0, record);
        lines[std::to_string(db) + " " + item->first] = record;
      }
    }
  }
  std::string all;
  for (const auto& [key, record] : lines) all += record + "\n";
  return all;
}

// A donor, an heir, and the copy between them.
class DataSectionTest : public EngineTest, public testing::WithParamInterface<std::uint32_t> {
 protected:
  DataSectionTest() : donor(engine), heir_engine(&clock), heir(heir_engine) {}

  // Returns false when the phase has nothing more.
  bool step(Phase phase) {
    std::string record;
    if (!donor.next(phase, record)) return false;
    heir.apply(GetParam(), record);
    return true;
  }
  int drain(Phase phase) {
    int n = 0;
    while (step(phase)) ++n;
    return n;
  }
  void copy() {
    donor.begin(GetParam());
    drain(Phase::kSnapshot);
    finish();
  }
  void finish() {
    drain(Phase::kChanges);
    drain(Phase::kFinal);
    donor.end(true);
    heir.finish();
  }

  DataSection donor;
  Engine heir_engine;
  DataSection heir;
};

TEST_P(DataSectionTest, EverythingComesOver) {
  ask("MSET text hello number 42 not-a-number 042 empty ''");
  client.ask({"SET", "binary", std::string("\0\r\n,:\xff", 6)});
  ask("SET expiring soon PX 1500");
  ask("RPUSH list a '' c");
  ask("SELECT 15");
  ask("SET elsewhere 1");
  copy();
  EXPECT_EQ(content(heir_engine), content(engine));
  EXPECT_EQ(heir_engine.started(), engine.started());
  FakeClient reader(heir_engine, 1);
  EXPECT_EQ(reader.ask("PTTL expiring"), ":1500\r\n");
  EXPECT_EQ(reader.ask("INCR number"), ":43\r\n");
  EXPECT_EQ(reader.ask("LRANGE list 0 -1"), "*3\r\n$1\r\na\r\n$0\r\n\r\n$1\r\nc\r\n");
}

TEST_P(DataSectionTest, AnEmptyStoreIsACopyToo) {
  copy();
  EXPECT_EQ(content(heir_engine), "");
  EXPECT_EQ(heir_engine.started(), engine.started());
}

TEST_P(DataSectionTest, ChangesDuringTheCopyAreNotLost) {
  std::mt19937 random(5);
  const auto key = [&] { return "k" + std::to_string(random() % 200); };
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 300; ++i) ask("SET " + key() + " " + std::to_string(i));
    heir.reset();
    donor.begin(GetParam());
    for (int i = 0; i < 600; ++i) {
      switch (random() % 12) {
        case 0:
        case 1:
          ask("SET " + key() + " changed" + std::to_string(i));
          break;
        case 2:
          ask("DEL " + key());
          break;
        case 3:
          ask("INCR " + key());
          break;
        case 4:
          ask("RPUSH list" + key() + " a b c");
          break;
        case 5:
          ask("LPOP list" + key());
          break;
        case 6:
          ask("EXPIRE " + key() + " 1000");
          break;
        case 7:
          if (random() % 40 == 0) ask(random() % 2 == 0 ? "FLUSHALL" : "FLUSHDB");
          break;
        case 8:
          step(Phase::kChanges);
          break;
        default:
          step(Phase::kSnapshot);
      }
    }
    drain(Phase::kSnapshot);
    finish();
    ASSERT_EQ(content(heir_engine), content(engine)) << round;
  }
}

TEST_P(DataSectionTest, ALongListMayChangeWhileItsPiecesAreSent) {
  std::vector<std::string> push = {"RPUSH", "l"};
  for (int i = 0; i < 5000; ++i) push.push_back("element" + std::to_string(i));
  client.ask(push);
  for (int stop = 0; stop < 12; ++stop) {
    for (const char* change : {"LPOP l", "DEL l", "SET l text", "FLUSHALL", "GET other"}) {
      ask("DEL l");
      client.ask(push);
      heir.reset();
      donor.begin(GetParam());
      for (int i = 0; i < stop; ++i) step(Phase::kSnapshot);
      ask(change);
      drain(Phase::kSnapshot);
      finish();
      ASSERT_EQ(content(heir_engine), content(engine)) << change << " after " << stop;
    }
  }
}

TEST_P(DataSectionTest, OnlyWhatHasChangedComesAgain) {
  for (int i = 0; i < 1000; ++i) ask("SET k" + std::to_string(i) + " v");
  donor.begin(GetParam());
  EXPECT_EQ(drain(Phase::kSnapshot), 1001);
  for (int i = 0; i < 50; ++i) ask("INCR n");
  ask("DEL k1");
  ask("GET k2");
  EXPECT_EQ(drain(Phase::kChanges), 2);
  EXPECT_EQ(drain(Phase::kFinal), 0);
  donor.end(false);
  ask("SET after 1");
  EXPECT_EQ(drain(Phase::kFinal), 0) << "the copy is over";
}

TEST_P(DataSectionTest, ManyFreeSlotsDoNotHoldUpTheWalk) {
  for (int i = 0; i < 20'000; ++i) ask("SET k" + std::to_string(i) + " v");
  for (int i = 0; i < 19'999; ++i) ask("DEL k" + std::to_string(i));
  copy();
  EXPECT_EQ(content(heir_engine), content(engine));
}

TEST_P(DataSectionTest, ASecondCopyBeginsAnew) {
  ask("MSET a 1 b 2");
  donor.begin(GetParam());
  step(Phase::kSnapshot);
  step(Phase::kSnapshot);
  ask("SET a 3");
  donor.end(false);
  heir.reset();
  copy();
  EXPECT_EQ(content(heir_engine), content(engine));
}

TEST_P(DataSectionTest, ARecordThatIsCutOrBrokenIsRefused) {
  ask("SET text hello PX 5000");
  ask("SET number 42");
  ask("RPUSH list a b c");
  ask("SET gone 1");
  std::vector<std::string> records;
  donor.begin(GetParam());
  const auto collect = [&](Phase phase) {
    for (std::string record; donor.next(phase, record); record.clear()) records.push_back(record);
  };
  collect(Phase::kSnapshot);
  ask("FLUSHALL");
  ask("DEL gone");
  ask("SET x 1");
  ask("DEL x");
  collect(Phase::kChanges);
  ASSERT_GE(records.size(), 6u);
  std::mt19937 random(9);
  for (const std::string& record : records) {
    for (std::size_t n = 1; n < record.size(); ++n) {
      EXPECT_THROW(heir.apply(GetParam(), record.substr(0, n)), Malformed) << record << " " << n;
    }
    EXPECT_THROW(heir.apply(GetParam(), record + "x"), Malformed);
    for (int round = 0; round < 2000; ++round) {
      std::string broken = record;
      broken[random() % broken.size()] = static_cast<char>(random());
      try {
        heir.apply(GetParam(), broken);
      } catch (const Malformed&) {
      }
    }
  }
  EXPECT_THROW(heir.apply(99, "x"), Malformed);
}

std::string version_name(const testing::TestParamInfo<std::uint32_t>& param) {
  return "Version" + std::to_string(param.param);
}

INSTANTIATE_TEST_SUITE_P(AllVersions, DataSectionTest, testing::ValuesIn(kDataWrites),
                         version_name);

// The bytes that release 1 has always written: today's code must read and write them.
class GoldenDataTest : public EngineTest {};

TEST_F(GoldenDataTest, Version1IsReadAndWrittenAsEver) {
  DataSection section(engine);
  section.apply(1, "7:started,3:123,");
  section.apply(1, "6:string,1:3,1:k,7:2000000,5:a,b:c,");
  section.apply(1, "4:list,1:3,1:l,1:0,1:2,1:x,0:,");
  section.apply(1, "6:string,1:3,1:x,1:0,1:1,");
  section.apply(1, "4:gone,1:3,1:x,");
  section.apply(1, "6:string,1:4,1:x,1:0,1:1,");
  section.apply(1, "5:flush,1:4,");
  EXPECT_EQ(engine.started(), 123);
  ask("SELECT 3");
  EXPECT_EQ(ask("GET k"), "$5\r\na,b:c\r\n");
  EXPECT_EQ(ask("PTTL k"), ":1000000\r\n");
  EXPECT_EQ(content(engine),
            "6:string,1:3,1:k,7:2000000,5:a,b:c,\n4:list,1:3,1:l,1:0,1:2,1:x,0:,\n");
}

}  // namespace
}  // namespace kv
