#include "history.h"

#include <example/fields.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace chat {
namespace {

std::string encode(const std::string& room, const Line& line) {
  return example::FieldWriter()
      .text(room)
      .number(line.number)
      .number(static_cast<std::uint64_t>(line.time))
      .text(line.text)
      .take();
}

bool before(const Line& line, std::uint64_t number) { return line.number < number; }

}  // namespace

std::string with_time(const Line& line) {
  const std::time_t seconds = line.time;
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 16> clock{};
  std::strftime(clock.data(), clock.size(), "[%H:%M] ", &local);
  return clock.data() + line.text;
}

const Line& History::append(const std::string& room, std::string text) {
  Line line{next_number_++, std::time(nullptr), std::move(text)};
  if (copying_) changes_.push_back({room, line});
  insert(room, std::move(line));
  return rooms_[room].back();
}

void History::insert(const std::string& room, Line line) {
  Lines& lines = rooms_[room];
  const auto at = std::lower_bound(lines.begin(), lines.end(), line.number, before);
  if (at != lines.end() && at->number == line.number) return;
  lines.insert(at, std::move(line));
  if (lines.size() > kKept) lines.pop_front();
}

std::vector<const Line*> History::last(const std::string& room, std::size_t n) const {
  std::vector<const Line*> out;
  const auto it = rooms_.find(room);
  if (it == rooms_.end()) return out;
  const Lines& lines = it->second;
  for (std::size_t i = lines.size() - std::min(n, lines.size()); i < lines.size(); ++i) {
    out.push_back(&lines[i]);
  }
  return out;
}

std::vector<std::string> History::rooms() const {
  std::vector<std::string> names;
  names.reserve(rooms_.size());
  for (const auto& [name, lines] : rooms_) names.push_back(name);
  return names;
}

void History::begin(std::uint32_t /*version*/) {
  changes_.clear();
  cursor_room_.clear();
  cursor_number_ = 0;
  copying_ = true;
}

bool History::next(handoff::Phase phase, std::string& record) {
  if (phase == handoff::Phase::kSnapshot) return next_of_snapshot(record);
  if (changes_.empty()) return false;
  record = encode(changes_.front().room, changes_.front().line);
  changes_.pop_front();
  return true;
}

// Between two calls rooms appear and lines go. So the cursor is a name and a number, no iterator.
bool History::next_of_snapshot(std::string& record) {
  for (auto room = rooms_.lower_bound(cursor_room_); room != rooms_.end(); ++room) {
    if (room->first != cursor_room_) {
      cursor_room_ = room->first;
      cursor_number_ = 0;
    }
    const Lines& lines = room->second;
    const auto line = std::lower_bound(lines.begin(), lines.end(), cursor_number_ + 1, before);
    if (line == lines.end()) continue;
    cursor_number_ = line->number;
    record = encode(room->first, *line);
    return true;
  }
  return false;
}

void History::end(bool /*moved*/) {
  copying_ = false;
  changes_.clear();
}

void History::apply(std::uint32_t /*version*/, std::string_view record) {
  example::FieldReader fields(record);
  const std::string room = fields.text();
  Line line;
  line.number = fields.number();
  line.time = static_cast<std::int64_t>(fields.number());
  line.text = fields.text();
  fields.done();
  next_number_ = std::max(next_number_, line.number + 1);
  insert(room, std::move(line));
}

void History::reset() {
  rooms_.clear();
  next_number_ = 1;
}

}  // namespace chat
