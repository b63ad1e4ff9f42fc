// A person at a terminal: a connection of lines, as nc(1) has it, plain or TLS (example/door.h).
#pragma once

#include <example/door.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "chatter.h"

namespace chat {

// Person is the Chatter of a release.
template <class Base, class Person>
class OnLines final : public Base, public Person {
 public:
  template <class... Below>
  explicit OnLines(Rooms& rooms, Below&... below) : Base(below...), Person(rooms) {}

  void hear(std::string_view line) override {
    if (this->output_size() <= kMaxWaiting) this->write(std::string(line) + "\n");
  }

 protected:
  // Nobody is here before a handshake is over: what is said meanwhile would wait without a bound.
  void on_open(bool adopted) override {
    if (adopted ? this->known() : this->secure()) this->come(this->id(), adopted);
  }
  void on_secure() override { this->come(this->id(), false); }
  void on_closed() override { this->go(); }
  void on_moved() override { this->move_on(); }
  void hang_up() override { this->close(); }

  std::size_t on_plain(std::string_view input) override {
    std::size_t used = 0;
    while (!this->closing()) {
      const std::size_t end = input.find('\n', std::max(used, this->seen()));
      if ((end == std::string_view::npos ? input.size() : end) - used > kMaxLine) {
        hear("* That line is too long for a chat. Bye.");
        this->close();
        break;
      }
      if (end == std::string_view::npos) return used;
      this->type(input.substr(used, end - used));
      used = end + 1;
    }
    return input.size();
  }
  std::string save_plain() const override { return this->state(); }
};

}  // namespace chat
