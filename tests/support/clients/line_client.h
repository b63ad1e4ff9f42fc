// A client that says lines and waits for lines, for tests that read like a conversation.
#pragma once

#include <string>
#include <string_view>

#include "libhandoff/base/unique_fd.h"
#include "support/process/deadline.h"

namespace handoff::test {

class LineClient {
 public:
  // Connects to 127.0.0.1, or to an address as services have them; throws if that fails.
  explicit LineClient(int port);
  explicit LineClient(const std::string& address);

  int fd() const { return fd_.get(); }
  void say(std::string_view line);
  void send(std::string_view bytes);  // without adding a '\n': half a line, say
  // The next line without its '\n'; throws at the deadline and at the end of the connection.
  std::string next(Deadline deadline = Deadline::patience());
  // Reads on to a line that contains text, and returns it.
  std::string next_with(std::string_view text, Deadline deadline = Deadline::patience());
  // say(), and next().
  std::string ask(std::string_view line);
  // The next line with its '\n'; "EOF" or "RESET" at the end of the connection.
  std::string line();
  // The next bytes in one read: a datagram of a UDP address.
  std::string datagram();
  // Whether the peer closes the connection without another byte.
  bool at_end();

 private:
  enum class Came { kBytes, kEof, kReset };
  Came receive(Deadline deadline);

  UniqueFd fd_;
  std::string input_;
};

}  // namespace handoff::test
