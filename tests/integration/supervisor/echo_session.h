// For tests with echo as the service: its programs, and a client whose session goes on.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "supervised.h"

namespace handoff::test::supervised {

// A program of this build.
inline std::string sibling(const std::string& name) {
  return std::filesystem::path(handoff_program()).parent_path() / name;
}

inline void shell(const std::string& command) {
  ASSERT_EQ(std::system((command + " </dev/null >/dev/null 2>&1").c_str()), 0) << command;
}

// A client of echo: "N VERSION TEXT" is the answer to its Nth line.
class EchoClient {
 public:
  explicit EchoClient(int port) : fd_(connect_to(port)) { EXPECT_GE(fd_, 0); }
  ~EchoClient() { ::close(fd_); }
  std::string say(const std::string& text) const {
    const std::string line = text + "\n";
    EXPECT_EQ(::send(fd_, line.data(), line.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(line.size()));
    const timeval limit{10, 0};
    (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string answer;
    for (char c = 0; ::recv(fd_, &c, 1, 0) == 1 && c != '\n';) answer += c;
    return answer;
  }

 private:
  int fd_;
};

}  // namespace handoff::test::supervised
