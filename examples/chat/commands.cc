// What a line that begins with '/' does.
#include <charconv>

#include "chatter.h"
#include "names.h"

namespace chat {
namespace {

constexpr std::size_t kShownByHistory = 20;
constexpr std::string_view kNameRule = "1 to 20 letters, digits, '-' or '_'.";

std::string people(std::size_t n) { return n == 1 ? "1 person" : std::to_string(n) + " people"; }

}  // namespace

const std::initializer_list<Chatter::Command>& Chatter::commands() {
  static const std::initializer_list<Command> kCommands = {
      {"/nick", "NAME", "choose your name", &Chatter::nick_command},
      {"/join", "ROOM", "go to a room; it need not exist", &Chatter::join_command},
      {"/rooms", "", "which rooms there are", &Chatter::rooms_command},
      {"/who", "", "who is in this room", &Chatter::who_command},
      {"/history", "[N]", "the last lines of this room", &Chatter::history_command},
      {"/me", "DOES", "say what you do", &Chatter::me_command},
      {"/help", "", "this list", &Chatter::help_command},
      {"/quit", "", "leave", &Chatter::quit_command},
  };
  return kCommands;
}

void Chatter::run_command(std::string_view line) {
  const Words words = split_word(line);
  for (const Command& command : commands()) {
    if (command.name == words.first) return (this->*command.run)(words.rest);
  }
  hear("* There is no " + std::string(words.first) + "; /help shows what there is.");
}

void Chatter::nick_command(std::string_view rest) {
  const std::string nick(split_word(rest).first);
  if (!valid_name(nick)) return hear("* A name is " + std::string(kNameRule));
  if (nick == nick_) return hear("* That is your name already.");
  if (nick.starts_with("guest") || rooms_.nick_taken(nick)) {
    return hear("* The name " + nick + " is taken.");
  }
  rooms_.tell(room_, "* " + nick_ + " is now " + nick + ".", this);
  nick_ = nick;
  hear("* You are " + nick_ + " now.");
}

void Chatter::join_command(std::string_view rest) {
  std::string_view name = split_word(rest).first;
  if (name.starts_with('#')) name.remove_prefix(1);
  if (!valid_name(name)) return hear("* A room's name is " + std::string(kNameRule));
  if (name == room_) return hear("* You are in #" + room_ + " already.");
  rooms_.leave(*this);
  rooms_.tell(room_, "* " + nick_ + " went to #" + std::string(name) + ".", nullptr);
  room_ = name;
  rooms_.enter(*this);
  on_joined();
  hear("* You are in #" + room_ + " with: " + rooms_.names(room_) + ".");
  show_history(kShownByHistory);
  rooms_.tell(room_, "* " + nick_ + " is here.", this);
}

void Chatter::rooms_command(std::string_view /*rest*/) {
  for (const std::string& name : rooms_.list()) {
    hear("* #" + name + ": " + people(rooms_.people(name).size()));
  }
}

void Chatter::who_command(std::string_view /*rest*/) {
  const auto& here = rooms_.people(room_);
  hear("* " + std::string(program()) + ", #" + room_ + ", " + people(here.size()) + ":");
  for (const auto& [id, chatter] : here) hear("*   " + chatter->describe());
}

void Chatter::history_command(std::string_view rest) {
  const std::string_view word = split_word(rest).first;
  std::size_t lines = kShownByHistory;
  if (!word.empty()) {
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), lines);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) {
      return hear("* /history takes a number of lines.");
    }
  }
  if (rooms_.history.last(room_, 1).empty()) return hear("* Nobody has said anything here yet.");
  show_history(lines);
}

void Chatter::me_command(std::string_view rest) {
  if (rest.empty()) return hear("* /me waves, for example.");
  rooms_.say(room_, "* " + nick_ + " " + std::string(rest), this);
}

void Chatter::help_command(std::string_view /*rest*/) {
  for (const Command& command : commands()) {
    std::string usage(command.name);
    if (!command.arguments.empty()) usage += " " + std::string(command.arguments);
    usage.resize(14, ' ');
    hear("* " + usage + std::string(command.help));
  }
}

void Chatter::quit_command(std::string_view /*rest*/) {
  hear("* Bye, " + nick_ + ".");
  hang_up();
}

}  // namespace chat
