#include "rooms.h"

#include <algorithm>
#include <utility>

#include "chatter.h"

namespace chat {

void Rooms::enter(Chatter& chatter) { people_[chatter.room()][chatter.number()] = &chatter; }

void Rooms::leave(Chatter& chatter) {
  const auto it = people_.find(chatter.room());
  if (it == people_.end()) return;
  it->second.erase(chatter.number());
  if (it->second.empty()) people_.erase(it);
}

const Rooms::People& Rooms::people(const std::string& room) const {
  static const People kNobody;
  const auto it = people_.find(room);
  return it != people_.end() ? it->second : kNobody;
}

std::string Rooms::names(const std::string& room) const {
  std::string out;
  for (const auto& [id, chatter] : people(room)) {
    if (!out.empty()) out += ", ";
    out += chatter->nick();
  }
  return out;
}

bool Rooms::nick_taken(std::string_view nick) const {
  return std::any_of(people_.begin(), people_.end(), [&](const auto& room) {
    return std::any_of(room.second.begin(), room.second.end(),
                       [&](const auto& person) { return person.second->nick() == nick; });
  });
}

std::string Rooms::guest_name() {
  std::string name;
  do {
    name = "guest" + std::to_string(++guests_);
  } while (nick_taken(name));
  return name;
}

std::vector<std::string> Rooms::list() const {
  std::vector<std::string> out = history.rooms();
  for (const auto& [name, people] : people_) out.push_back(name);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Rooms::say(const std::string& room, std::string text, const Chatter* but) {
  tell(room, with_time(history.append(room, std::move(text))), but);
}

void Rooms::tell(const std::string& room, std::string_view text, const Chatter* but) const {
  for (const auto& [id, chatter] : people(room)) {
    if (chatter != but) chatter->hear(text);
  }
}

}  // namespace chat
