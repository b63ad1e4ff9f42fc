// Who is where: the structure that the connections share. It is not handed over. Each release
// builds it anew from its sessions, which enter as they open (Chatter::on_open()).
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
  // By session id, so in the order in which they came, in every release.
  using People = std::map<handoff::SessionId, Chatter*>;
  const People& people(const std::string& room) const;
  // With a space between the words, for a person.
  std::string names(const std::string& room) const;
  bool nick_taken(std::string_view nick) const;
  // A name for somebody new.
  std::string guest_name();
  // Every room in which somebody is, or has said something.
  std::vector<std::string> list() const;

  // Says it to all in the room but one, and keeps it.
  void say(const std::string& room, std::string text, const Chatter* but);
  // The same for what is not worth keeping.
  void tell(const std::string& room, std::string_view text, const Chatter* but) const;

 private:
  std::map<std::string, People> people_;
  unsigned guests_ = 0;
};

}  // namespace chat
