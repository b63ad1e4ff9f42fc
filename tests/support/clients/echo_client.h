// One client of the echo service, which checks every byte of every answer. A client has a
// nonblocking socket and no loop: EchoSwarm calls advance() when there may be something to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

class EchoClient {
 public:
  enum class End {
    kNotYet,
    kRefused,  // the connection was not made
    kReset,
    kEof,         // the service closed the connection, unasked
    kWrongReply,  // a gap, a repeat, or not the text that was sent
    kDone,        // finish() came to its end
  };

  // Begins to connect to 127.0.0.1. Texts contain number, so that no two clients send the same
  // ones. The client keeps up to window lines under way; with lines > 0 it finishes by itself after
  // so many.
  EchoClient(int port, std::uint64_t number, std::size_t window, std::uint64_t lines = 0);

  int fd() const { return fd_.get(); }
  // Reads what there is, checks it, and writes as much as the window allows.
  void advance();
  // Writes no new lines. When all are answered, the client shuts its side down and waits for the
  // service's EOF: then it has come to its end. The socket closes with the object.
  void finish();

  End end() const { return end_; }
  const std::string& error() const { return error_; }  // in words, if it ended badly
  std::string waits_for() const;                       // in words, as long as it has not ended
  std::uint64_t sent() const { return sent_; }
  std::uint64_t answered() const { return answered_; }
  // The versions that answered, in order, each named once for all its consecutive answers.
  const std::vector<std::string>& versions() const { return versions_; }

 private:
  void write_lines();
  void read_replies();
  bool check_reply(std::string_view reply);
  std::string describe() const;
  void fail(End end, const std::string& what);
  void fail_errno(const std::string& what);

  UniqueFd fd_;
  std::uint64_t number_;
  std::size_t window_;
  std::uint64_t lines_;  // finish after so many; 0: go on
  bool finishing_ = false;
  bool shut_ = false;  // our FIN is sent
  End end_ = End::kNotYet;
  std::string error_;
  std::uint64_t sent_ = 0;  // lines queued or written
  std::uint64_t answered_ = 0;
  std::deque<std::string> texts_;  // sent, not answered
  std::string output_;             // queued, not taken by the kernel
  std::string input_;              // the beginning of a reply
  std::vector<std::string> versions_;
};

}  // namespace handoff::test
