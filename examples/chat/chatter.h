// A person: who they are, where, and what they type. The releases differ in what /who says and what
// is saved: see chat-1.cc and chat-2.cc. A connection makes a Chatter complete: see lines.h.
#pragma once

#include <cstddef>
#include <handoff/handoff.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "rooms.h"

namespace chat {

// A client that does not read misses lines, so that its output can't grow without end.
inline constexpr std::size_t kMaxWaiting = std::size_t{256} << 10;
inline constexpr std::size_t kMaxLine = 4096;

class Chatter {
 public:
  // Somebody new gets a name in come().
  explicit Chatter(Rooms& rooms) : rooms_(rooms), room_("lobby") {}
  virtual ~Chatter() = default;
  Chatter(const Chatter&) = delete;
  Chatter& operator=(const Chatter&) = delete;

  handoff::SessionId number() const { return number_; }
  const std::string& nick() const { return nick_; }  // "" before come()
  const std::string& room() const { return room_; }
  // Shows a line to this person.
  virtual void hear(std::string_view line) = 0;
  // What this release calls itself, and what its /who says of this person.
  virtual std::string_view program() const = 0;
  virtual std::string describe() const { return nick_; }

 protected:
  // -- for the connection
  // From now on the person is here. adopted: an earlier release has greeted them.
  void come(handoff::SessionId number, bool adopted);
  void type(std::string_view line);
  // The connection has ended; or it goes on in another process.
  void go();
  void move_on();
  // The person has come, in this process or in an earlier one.
  bool known() const { return !nick_.empty(); }

  // -- the connection's
  virtual void hang_up() = 0;

  // -- the release's
  // Called when this person has typed a line, and when they have come into a room.
  virtual void on_heard() {}
  virtual void on_joined() {}
  // A newer state may come, and the handoff may still fail, so it must not touch rooms.
  void restore_as(std::string nick, std::string room) {
    nick_ = std::move(nick);
    room_ = std::move(room);
  }

 private:
  struct Command {
    std::string_view name;
    std::string_view arguments;
    std::string_view help;
    void (Chatter::*run)(std::string_view rest);
  };
  static const std::initializer_list<Command>& commands();

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
  handoff::SessionId number_ = 0;
  bool here_ = false;  // in rooms_
  std::string nick_;
  std::string room_;
};

}  // namespace chat
