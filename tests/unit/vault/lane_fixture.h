// A lane of a vault in this process: what writes to it, and what reads it as if the writer had
// died.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "libhandoff/vault/kernel.h"
#include "libhandoff/vault/memory.h"
#include "libhandoff/vault/reader.h"
#include "libhandoff/vault/writer.h"

namespace handoff::test {

// Both ends of a TCP connection over the loopback interface; the second one was accepted.
inline std::pair<UniqueFd, UniqueFd> tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  auto* const raw = reinterpret_cast<sockaddr*>(&at);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), raw, length) < 0 || ::listen(listener.get(), 1) < 0 ||
      ::getsockname(listener.get(), raw, &length) < 0 || ::connect(client.get(), raw, length) < 0) {
    ADD_FAILURE() << "no TCP connection: " << std::strerror(errno);
  }
  return {std::move(client), UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

class LaneTest : public ::testing::Test {
 protected:
  LaneTest() : memory_(std::move(*vault::make_memory())) {
    writer_ = std::move(*vault::Writer::make(std::move(*map(true))));
    read_ = std::move(*map(false));
  }
  Result<vault::Span> map(bool writable) const {
    return vault::Span::map(memory_.get(), vault::lane_at(0), vault::kLaneSpan, writable);
  }
  vault::Reader reader() const { return vault::Reader(read_.bytes()); }
  // Of the only session, whose socket is fd.
  static Result<vault::Recovered> recovered(const vault::Reader& reader, int fd) {
    if (reader.sessions().size() != 1) {
      return fail(-ENOENT, std::to_string(reader.sessions().size()) + " sessions");
    }
    return reader.recover(reader.sessions().front(), *vault::position_at(fd));
  }
  Result<vault::Recovered> recovered(int fd) const { return recovered(reader(), fd); }
  // Waits for so many bytes to be there, and receives them as the service does.
  std::string receive(std::uint64_t id, int fd, std::uint64_t position, std::size_t size) {
    std::string peeked(size, '\0');
    EXPECT_EQ(static_cast<ssize_t>(size), ::recv(fd, peeked.data(), size, MSG_PEEK | MSG_WAITALL));
    const char* data = nullptr;
    const ssize_t n = writer_->receive(id, position, &data);
    EXPECT_EQ(static_cast<ssize_t>(size), n);
    return n < 0 ? "" : std::string(data, static_cast<std::size_t>(n));
  }
  static vault::Stretch all(std::uint64_t from, std::string_view bytes) {
    return {from, bytes.size(), bytes};
  }

  UniqueFd memory_;
  std::unique_ptr<vault::Writer> writer_;
  vault::Span read_;
};

}  // namespace handoff::test
