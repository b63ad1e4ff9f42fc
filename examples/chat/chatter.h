// One person's connection: who they are, where, and what they type. The releases differ in what
// /who says and what is saved: see chat-1.cc and chat-2.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <handoff/uv.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "rooms.h"

namespace chat {

class Chatter : public handoff::uv::Stream {
 public:
  // For a new connection, which gets its name in on_open().
  explicit Chatter(Rooms& rooms) : rooms_(rooms), room_("lobby") {}
  // For a session that the donor had. A newer state of it may come, and the handoff may still fail,
  // so the constructor must not touch rooms.
  Chatter(Rooms& rooms, std::string nick, std::string room)
      : rooms_(rooms), nick_(std::move(nick)), room_(std::move(room)) {}

  const std::string& nick() const { return nick_; }
  const std::string& room() const { return room_; }
  // Shows a line to this person. A client that does not read misses lines, so that its output can't
  // grow without end.
  void hear(std::string_view line);
  // What this release calls itself, and what its /who says of this person.
  virtual std::string_view release() const = 0;
  virtual std::string describe() const { return nick_; }

 protected:
  // Called when this person has typed a line, and when they have come into a room.
  virtual void on_heard() {}
  virtual void on_joined() {}

  std::size_t on_input(std::string_view input) final;
  void on_open(bool adopted) final;
  void on_closed() final;
  void on_moved() final;

 private:
  struct Command {
    std::string_view name;
    std::string_view arguments;
    std::string_view help;
    void (Chatter::*run)(std::string_view rest);
  };
  static const std::initializer_list<Command>& commands();

  void on_line(std::string_view line);
  void run_command(std::string_view line);
  void show_history(std::size_t lines);

  void nick_command(std::string_view rest);
  void join_command(std::string_view rest);
  void rooms_command(std::string_view rest);
  void who_command(std::string_view rest);
  void history_command(std::string_view rest);
  void me_command(std::string_view rest);
  void help_command(std::string_view rest);
  void quit_command(std::string_view rest);

  Rooms& rooms_;
  std::string nick_;
  std::string room_;
};

}  // namespace chat
