#include "chatter.h"

#include "names.h"

namespace chat {
namespace {

constexpr std::size_t kShownOnJoin = 10;

}  // namespace

void Chatter::come(handoff::SessionId number, bool adopted) {
  number_ = number;
  here_ = true;
  if (!adopted) {
    nick_ = rooms_.guest_name();
    on_joined();
  }
  rooms_.enter(*this);
  if (adopted) return;
  hear("* Welcome to " + std::string(program()) + ". You are " + nick_ + ", in #" + room_ +
       " with: " + rooms_.names(room_) + ".");
  hear("* Type and press return to talk. /nick NAME gives you a name, /help shows the rest.");
  show_history(kShownOnJoin);
  rooms_.tell(room_, "* " + nick_ + " is here.", this);
}

void Chatter::move_on() {
  if (std::exchange(here_, false)) rooms_.leave(*this);
}

void Chatter::go() {
  if (!std::exchange(here_, false)) return;
  rooms_.leave(*this);
  rooms_.tell(room_, "* " + nick_ + " has left.", nullptr);
}

void Chatter::type(std::string_view raw) {
  on_heard();
  const std::string line = printable(raw);
  if (split_word(line).first.empty()) return;
  if (line.front() == '/') {
    run_command(line);
  } else {
    rooms_.say(room_, nick_ + ": " + line, this);
  }
}

void Chatter::show_history(std::size_t lines) {
  for (const Line* line : rooms_.history.last(room_, lines)) hear(with_time(*line));
}

}  // namespace chat
