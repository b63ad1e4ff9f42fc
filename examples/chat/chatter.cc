#include "chatter.h"

#include "names.h"

namespace chat {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr std::size_t kMaxWaiting = std::size_t{256} << 10;
constexpr std::size_t kShownOnJoin = 10;

}  // namespace

void Chatter::hear(std::string_view line) {
  if (output_size() > kMaxWaiting) return;
  write(line);
  write("\n");
}

void Chatter::on_open(bool adopted) {
  if (!adopted) {
    nick_ = rooms_.guest_name();
    on_joined();
  }
  rooms_.enter(*this);
  if (adopted) return;  // an earlier release has greeted this person
  hear("* Welcome to " + std::string(release()) + ". You are " + nick_ + ", in #" + room_ +
       " with: " + rooms_.names(room_) + ".");
  hear("* Type and press return to talk. /nick NAME gives you a name, /help shows the rest.");
  show_history(kShownOnJoin);
  rooms_.tell(room_, "* " + nick_ + " is here.", this);
}

void Chatter::on_moved() { rooms_.leave(*this); }

void Chatter::on_closed() {
  rooms_.leave(*this);
  rooms_.tell(room_, "* " + nick_ + " has left.", nullptr);
}

std::size_t Chatter::on_input(std::string_view input) {
  std::size_t used = 0;
  while (!closing()) {
    const std::size_t end = input.find('\n', std::max(used, seen()));
    if ((end == std::string_view::npos ? input.size() : end) - used > kMaxLine) {
      hear("* That line is too long for a chat. Bye.");
      close();
      break;
    }
    if (end == std::string_view::npos) return used;
    on_line(input.substr(used, end - used));
    used = end + 1;
  }
  return input.size();
}

void Chatter::on_line(std::string_view raw) {
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
