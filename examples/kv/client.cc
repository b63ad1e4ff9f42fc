#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <utility>

namespace kv {
namespace {

// A waiting client's socket is read, so that a client that has gone is noticed: nobody else would
// get the element that it is given. Above this many bytes its input stays in the socket.
constexpr std::size_t kMaxWaitingInput = std::size_t{1} << 20;

}  // namespace

template <class Base>
void Client<Base>::on_open(bool adopted) {
  session_.id = this->id();
  if (!adopted) {
    session_.state.note_opened(engine_.read_clock());
    ++engine_.connections_received;
  }
  attached_ = true;
  engine_.attach(session_);
}

template <class Base>
void Client<Base>::leave() {
  if (std::exchange(attached_, false)) engine_.detach(session_);
}

template <class Base>
std::size_t Client<Base>::on_plain(std::string_view input) try {
  return serve(input);
} catch (const std::exception&) {  // std::bad_alloc
  this->close();
  return input.size();
}

template <class Base>
std::size_t Client<Base>::serve(std::string_view input) {
  std::size_t used = 0;
  while (!this->closing() && !session_.state.wait) {
    switch (parser_.next(input.substr(used))) {
      case RequestParser::Status::kIncomplete:
        return used;
      case RequestParser::Status::kError:
        session_.reply.error("ERR " + parser_.error());
        this->close();
        break;
      case RequestParser::Status::kRequest:
        used += parser_.taken();
        if (!parser_.args().empty()) engine_.execute(session_, parser_.args());
        break;
    }
  }
  if (this->closing()) return input.size();
  if (input.size() - used > kMaxWaitingInput) this->pause();
  return used;
}

template <class Base>
std::string Client<Base>::peer() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(this->fd(), reinterpret_cast<sockaddr*>(&address), &size) < 0) return "?:0";
  std::array<char, INET6_ADDRSTRLEN> room{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, room.data(), room.size());
    return std::string(room.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, room.data(), room.size());
    return "[" + std::string(room.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return "unix:0";
}

template class Client<example::Plain>;
#ifdef EXAMPLE_TLS
template class Client<handoff::tls::Stream>;
#endif

}  // namespace kv
