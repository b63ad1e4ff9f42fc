// A person at a browser: HTTP, and then a WebSocket, plain or TLS (example/door.h). A line is a
// message there.
//
// What is saved is the person alone. Somebody without a name has not come yet, so the connection
// still speaks HTTP.
#pragma once

#include <example/door.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "chatter.h"
#include "http.h"
#include "names.h"
#include "web_socket.h"

namespace chat {

template <class Base, class Person>
class OnPage final : public Base, public Person {
 public:
  template <class... Below>
  explicit OnPage(Rooms& rooms, Below&... below)
      : Base(below...),
        Person(rooms),
        socket_([this](std::string_view bytes) { this->write(bytes); }) {}

  // A browser ends a connection on which something comes that is no UTF-8.
  void hear(std::string_view line) override {
    if (this->output_size() <= kMaxWaiting) socket_.say(printable(line));
  }

 protected:
  void on_open(bool adopted) override {
    if (adopted && this->known()) this->come(this->id(), true);
  }
  void on_closed() override { this->go(); }
  void on_moved() override { this->move_on(); }
  void hang_up() override {
    socket_.close(kNormal);
    this->close();
  }

  std::size_t on_plain(std::string_view input) override {
    std::size_t used = 0;
    if (!this->known()) {
      used = greet(input);
      if (used == 0) return 0;
    }
    std::vector<std::string> said;
    if (!this->closing()) used += socket_.feed(input.substr(used), said);
    for (const std::string& line : said) {
      if (line.size() > kMaxLine) {
        hear("* That line is too long for a chat. Bye.");
        hang_up();
      }
      if (this->closing()) break;
      this->type(line);
    }
    if (socket_.over()) this->close();
    return this->closing() ? input.size() : used;
  }
  std::string save_plain() const override { return this->state(); }

 private:
  static constexpr std::uint16_t kNormal = 1000;

  // Answers the request; returns its size, or 0 while it is not whole.
  std::size_t greet(std::string_view input) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    const std::size_t seen = this->seen();
    const std::size_t end = input.find(kEnd, seen - std::min(seen, kEnd.size() - 1));
    if (std::min(end, input.size()) > kMaxHead) {
      this->write(too_long().bytes);
      this->close();
      return input.size();
    }
    if (end == std::string_view::npos) return 0;
    const Answer answer = chat::answer(input.substr(0, end + kEnd.size()));
    this->write(answer.bytes);
    if (answer.talks) {
      this->come(this->id(), false);
    } else {
      this->close();
    }
    return end + kEnd.size();
  }

  WebSocket socket_;
};

}  // namespace chat
