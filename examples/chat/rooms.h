// The rooms and the people in them, which all connections share. They are not handed over: each
// release builds them anew from its sessions, which enter as they open (Chatter::come()).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "history.h"

namespace chat {

class Chatter;

class Rooms {
 public:
  History history;

  void enter(Chatter& chatter);
  void leave(Chatter& chatter);
  // Sorted by session id, so in the order in which people came, in every release.
  using People = std::map<handoff::SessionId, Chatter*>;
  const People& people(const std::string& room) const;
  // The names of all people in the room, with spaces between them.
  std::string names(const std::string& room) const;
  bool nick_taken(std::string_view nick) const;
  // A name for somebody new.
  std::string guest_name();
  // Every room that has people in it, or lines.
  std::vector<std::string> list() const;

  // Says text to all in the room but one, and keeps it in the history.
  void say(const std::string& room, std::string text, const Chatter* but);
  // Says text to all in the room but one, and does not keep it.
  void tell(const std::string& room, std::string_view text, const Chatter* but) const;

 private:
  std::map<std::string, People> people_;
  unsigned guests_ = 0;
};

}  // namespace chat
