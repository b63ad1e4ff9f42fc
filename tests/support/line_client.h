// A TCP client that says lines and waits for lines, for tests that read like a conversation.
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "deadline.h"

namespace test {

class LineClient {
 public:
  // Connects to 127.0.0.1; throws if it can't.
  explicit LineClient(int port);

  void say(std::string_view line);
  void send(std::string_view bytes);  // as they are: half a line, say
  // The next line without its '\n'; throws at the deadline and at the end of the connection.
  std::string next(Deadline deadline = patience());
  // Reads on to a line that contains text, and returns it.
  std::string next_with(std::string_view text, Deadline deadline = patience());
  // Whether the peer closes the connection, with nothing more said.
  bool at_end(Deadline deadline = patience());

  static Deadline patience() { return Deadline::in(std::chrono::seconds(10)); }

 private:
  bool receive(Deadline deadline);  // false at the end

  handoff::UniqueFd fd_;
  std::string input_;
};

}  // namespace test
