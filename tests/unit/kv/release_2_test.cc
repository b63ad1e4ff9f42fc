// Parts that only release 2 has: the steps to version 1 and back, and format 2 of the data.
#include <gtest/gtest.h>

#include "format_1.h"
#include "format_2.h"
#include "session_state.h"

namespace kv {
namespace {

TEST(SessionConversionTest, GoesDownAndUpAgain) {
  SessionState state;
  state.db = 5;
  state.name = "x";
  state.watched = {true, {{5, "k"}}};
  state.connected = 99;
  state.commands = 7;
  const SessionState back = decode_session(session_1_to_2(session_2_to_1(encode_session(state))));
  EXPECT_EQ(static_cast<const SessionCore&>(back), state);
  EXPECT_EQ(back.connected, kNever) << "version 1 does not know";
  EXPECT_EQ(back.commands, 0u);
}

TEST(SessionConversionTest, RefusesWhatIsCut) {
  SessionState state;
  state.name = "someone";
  const std::string second = encode_session(state);
  const std::string first = session_2_to_1(second);
  for (std::size_t n = 0; n < second.size(); ++n) {
    EXPECT_THROW(session_2_to_1(second.substr(0, n)), Malformed);
  }
  for (std::size_t n = 0; n < first.size(); ++n) {
    EXPECT_THROW(session_1_to_2(first.substr(0, n)), Malformed);
  }
}

TEST(Format2Test, IsAnotherFormatNotTheSameWithAnotherNumber) {
  Database database;
  Value value(std::int64_t{-7});
  value.set_expires(1'000'001);
  const auto& item = database.put("k", std::move(value));
  std::string first, second;
  Format1().write_item(2, item, 0, first);
  Format2().write_item(2, item, 0, second);
  EXPECT_EQ(first, "6:string,1:2,1:k,4:1001,2:-7,") << "never earlier";
  EXPECT_EQ(second, std::string("I\x02\x01k\xc1\x84\x3d\x0d", 8));
}

TEST(Format2Test, CutsALongListIntoPieces) {
  Database database;
  List list;
  for (std::size_t i = 0; i < 2 * Format2::kPieceElements + 1; ++i) list.emplace_back("e");
  list.emplace_back(Format2::kPieceBytes * 2, 'x');
  list.emplace_back("last");
  const auto& item = database.put("k", Value(std::move(list)));
  std::vector<std::size_t> pieces;
  std::size_t from = 0;
  do {
    std::string record;
    from = Format2().write_item(0, item, from, record);
    EXPECT_LT(record.size(), 3 * Format2::kPieceBytes);
    pieces.push_back(from);
  } while (from != 0);
  EXPECT_EQ(pieces, (std::vector<std::size_t>{1024, 2048, 2050, 0}));
}

}  // namespace
}  // namespace kv
