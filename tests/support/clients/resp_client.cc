#include "support/clients/resp_client.h"

#include <hiredis/hiredis.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void wait_for(int fd, short events) {
  pollfd p{fd, events, 0};
  if (::poll(&p, 1, Deadline::patience().milliseconds()) != 1) {
    throw std::runtime_error("the server keeps a client waiting");
  }
}

std::string describe(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return ":" + std::to_string(reply.integer);
    case REDIS_REPLY_NIL:
      return "(nil)";
    case REDIS_REPLY_ERROR:
      return "-" + std::string(reply.str, reply.len);
    case REDIS_REPLY_ARRAY: {
      std::string text = "[";
      for (std::size_t i = 0; i < reply.elements; ++i) {
        if (i > 0) text += ", ";
        text += describe(*reply.element[i]);
      }
      return text + "]";
    }
    default:
      return std::string(reply.str, reply.len);
  }
}

}  // namespace

std::string request(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

RespClient::RespClient(int port, int receive_buffer)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), reader_(redisReaderCreate()) {
  if (!fd_.valid()) fail("socket");
  if (receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const int one = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const sockaddr_in to = loopback(port);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("connect");
}

void RespClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
      wait_for(fd_.get(), POLLOUT);
      continue;
    }
    if (n < 0) fail("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string RespClient::receive(std::size_t limit) {
  wait_for(fd_.get(), POLLIN);
  std::string bytes(limit, '\0');
  const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) fail("recv");
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

std::string RespClient::reply() {
  while (true) {
    void* object = nullptr;
    if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) {
      throw std::runtime_error(std::string("the server talks nonsense: ") + reader_->errstr);
    }
    if (object != nullptr) {
      const std::string text = describe(*static_cast<redisReply*>(object));
      freeReplyObject(object);
      return text;
    }
    const std::string more = receive(65536);
    if (more.empty()) return "closed";
    redisReaderFeed(reader_.get(), more.data(), more.size());
  }
}

std::string RespClient::ask(const std::vector<std::string>& words) {
  send(request(words));
  return reply();
}

std::string RespClient::ask(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return ask(words);
}

std::string RespClient::bytes(std::size_t n) {
  std::string all;
  while (all.size() < n) {
    const std::string more = receive(n - all.size());
    if (more.empty()) break;
    all += more;
  }
  return all;
}

}  // namespace handoff::test
