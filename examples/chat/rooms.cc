#include "rooms.h"

#include <algorithm>
#include <utility>

#include "chatter.h"

namespace chat {

void Rooms::enter(Chatter& chatter) { people_[chatter.room()].push_back(&chatter); }

void Rooms::leave(Chatter& chatter) {
  const auto it = people_.find(chatter.room());
  if (it == people_.end()) return;
  std::erase(it->second, &chatter);
  if (it->second.empty()) people_.erase(it);
}

const std::vector<Chatter*>& Rooms::people(const std::string& room) const {
  static const std::vector<Chatter*> kNobody;
  const auto it = people_.find(room);
  return it != people_.end() ? it->second : kNobody;
}

std::string Rooms::names(const std::string& room) const {
  std::string out;
  for (const Chatter* chatter : people(room)) {
    if (!out.empty()) out += ", ";
    out += chatter->nick();
  }
  return out;
}

bool Rooms::nick_taken(std::string_view nick) const {
  return std::any_of(people_.begin(), people_.end(), [&](const auto& room) {
    return std::any_of(room.second.begin(), room.second.end(),
                       [&](const Chatter* chatter) { return chatter->nick() == nick; });
  });
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
  for (Chatter* chatter : people(room)) {
    if (chatter != but) chatter->hear(text);
  }
}

}  // namespace chat
