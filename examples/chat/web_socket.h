// The messages of a WebSocket (RFC 6455), by wslay.
//
// A WebSocket keeps nothing from one call to the next, so that an upgrade finds nothing in it: it
// is given whole messages only, and what it has to send is sent at once. A frame that has come by
// half stays in the connection's input, and moves with that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct wslay_event_context;

namespace chat {

class WebSocket {
 public:
  // send gets what the peer is to get.
  explicit WebSocket(std::function<void(std::string_view)> send);
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // Takes the whole messages at the beginning of input, and returns how many bytes they are. said
  // gets the texts among them. Answers pings.
  std::size_t feed(std::string_view input, std::vector<std::string>& said);
  // text: UTF-8.
  void say(std::string_view text);
  void close(std::uint16_t code);
  // One of the two has ended it, or the peer has sent what is no WebSocket.
  bool over() const;

 private:
  struct Free {
    void operator()(wslay_event_context* p) const;
  };
  struct Callbacks;
  void flush();

  std::function<void(std::string_view)> send_;
  std::unique_ptr<wslay_event_context, Free> context_;
  // Within a call.
  std::string_view input_;
  std::string output_;
  std::vector<std::string>* said_ = nullptr;
};

}  // namespace chat
