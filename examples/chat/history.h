// The last lines of every room. They belong to no connection, so they go over to the next release
// as a section: room by room while people go on talking; what people say meanwhile follows as
// changes.
//
// Every line has a number that no other line ever has. The heir knows a line by its number, so a
// line may go over twice: in its room's turn, and as a change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <handoff/handoff.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace chat {

struct Line {
  std::uint64_t number;
  std::int64_t time;  // seconds since 1970
  std::string text;   // "ann: hello", "* ann waves"
};

// "[12:03] ann: hello"
std::string with_time(const Line& line);

class History final : public handoff::Section {
 public:
  static constexpr std::uint32_t kVersion = 1;
  static constexpr std::size_t kKept = 100;  // lines of a room

  const Line& append(const std::string& room, std::string text);
  // The last n, oldest first.
  std::vector<const Line*> last(const std::string& room, std::size_t n) const;
  std::vector<std::string> rooms() const;

  // Donor.
  void begin(std::uint32_t version) override;
  bool next(handoff::Phase phase, std::string& record) override;
  void end(bool moved) override;
  // Heir.
  void apply(std::uint32_t version, std::string_view record) override;
  void reset() override;

 private:
  using Lines = std::deque<Line>;
  struct Change {
    std::string room;
    Line line;
  };
  void insert(const std::string& room, Line line);
  // Writes the first line after the cursor, and moves the cursor to it; false at the end.
  bool next_of_snapshot(std::string& record);

  std::map<std::string, Lines> rooms_;
  std::uint64_t next_number_ = 1;
  // While a copy is under way:
  bool copying_ = false;
  std::string cursor_room_;
  std::uint64_t cursor_number_ = 0;  // the last line copied of cursor_room_
  std::deque<Change> changes_;
};

}  // namespace chat
