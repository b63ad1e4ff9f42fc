#include "support/clients/echo_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The text of a client's nth line: mostly short, now and then long, any byte but '\n'.
std::string make_text(std::uint64_t client, std::uint64_t n) {
  std::uint64_t state = mix(client << 32 ^ n);
  const std::size_t length = state % 64 == 0 ? state >> 32 & 0x1fff : state >> 32 & 0x3f;
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; i += sizeof state) {
    state = mix(state);
    std::memcpy(text.data() + i, &state, std::min(sizeof state, length - i));
  }
  for (char& c : text) {
    if (c == '\n') c = 'n';
  }
  return text;
}

bool would_block() { return errno == EAGAIN || errno == ENOTCONN || errno == EINTR; }

}  // namespace

EchoClient::EchoClient(int port, std::uint64_t number, std::size_t window, std::uint64_t lines)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      number_(number),
      window_(window),
      lines_(lines) {
  if (!fd_.valid()) throw std::system_error(errno, std::generic_category(), "socket");
  const sockaddr_in address = loopback(port);
  const int result =
      ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result < 0 && errno != EINPROGRESS) fail_errno("connect");
}

void EchoClient::advance() {
  if (end_ == End::kNotYet) read_replies();
  if (end_ == End::kNotYet) write_lines();
}

void EchoClient::finish() {
  finishing_ = true;
  advance();
}

void EchoClient::write_lines() {
  while (!finishing_ && texts_.size() < window_) {
    texts_.push_back(make_text(number_, ++sent_));
    output_ += texts_.back();
    output_ += '\n';
    if (sent_ == lines_) finishing_ = true;
  }
  if (!output_.empty()) {
    const ssize_t n = ::send(fd_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (n < 0) {
      // A socket that is not connected yet gives EAGAIN, too.
      if (!would_block()) fail_errno("send");
      return;
    }
    output_.erase(0, static_cast<std::size_t>(n));
  }
  if (finishing_ && texts_.empty() && !shut_) {
    shut_ = true;
    if (::shutdown(fd_.get(), SHUT_WR) < 0) fail_errno("shutdown");
  }
}

void EchoClient::read_replies() {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) {
      if (!would_block()) fail_errno("recv");
      return;
    }
    if (n == 0) {
      if (shut_ && input_.empty()) {
        end_ = End::kDone;
      } else {
        fail(End::kEof, "the service closed the connection");
      }
      return;
    }
    std::string_view fresh(buffer.data(), static_cast<std::size_t>(n));
    for (;;) {
      const std::size_t end = fresh.find('\n');
      if (end == std::string_view::npos) break;
      input_ += fresh.substr(0, end);
      fresh.remove_prefix(end + 1);
      if (!check_reply(input_)) return;
      input_.clear();
    }
    input_ += fresh;
  }
}

bool EchoClient::check_reply(std::string_view reply) {
  const auto wrong = [&](const std::string& what) {
    fail(End::kWrongReply, what + ", got '" + std::string(reply.substr(0, 80)) + "'");
    return false;
  };
  std::uint64_t n = 0;
  const auto parsed = std::from_chars(reply.data(), reply.data() + reply.size(), n);
  if (parsed.ec != std::errc() || n != answered_ + 1) {
    return wrong("expected reply " + std::to_string(answered_ + 1));
  }
  std::string_view rest = reply.substr(static_cast<std::size_t>(parsed.ptr - reply.data()));
  if (!rest.starts_with(' ')) return wrong("expected a space after the number");
  rest.remove_prefix(1);
  const std::size_t space = rest.find(' ');
  if (space == 0 || space == std::string_view::npos) return wrong("expected a version");
  const std::string_view version = rest.substr(0, space);
  if (texts_.empty()) return wrong("expected nothing: all lines are answered");
  if (rest.substr(space + 1) != texts_.front()) return wrong("expected the text that was sent");
  texts_.pop_front();
  ++answered_;
  if (versions_.empty() || versions_.back() != version) versions_.emplace_back(version);
  return true;
}

std::string EchoClient::describe() const {
  return "client " + std::to_string(number_) + " after " + std::to_string(answered_) +
         " answers of " + std::to_string(sent_) + " lines: ";
}

std::string EchoClient::waits_for() const {
  return describe() + (shut_               ? "the service has not closed the connection"
                       : !output_.empty()  ? "the service does not read"
                       : versions_.empty() ? "no answer yet"
                                           : "no answer since one of " + versions_.back());
}

void EchoClient::fail(End end, const std::string& what) {
  end_ = end;
  error_ = describe() + what;
}

void EchoClient::fail_errno(const std::string& what) {
  const int error = errno;
  // Before the first answer the connection may still have been in the listener's queue, so a reset
  // then counts as refused.
  const bool never_served = answered_ == 0;
  fail(never_served ? End::kRefused : End::kReset,
       what + ": " + std::generic_category().message(error));
}

}  // namespace handoff::test
