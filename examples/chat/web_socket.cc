#include "web_socket.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace chat {
namespace {

constexpr std::size_t kMaxMessage = std::size_t{16} << 10;  // with its frames' headers
constexpr std::uint16_t kTooBig = 1009;

// The size of the frame at the beginning of bytes (RFC 6455, 5.2); 0 where its header is cut.
std::uint64_t frame_size(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() < 2) return 0;
  std::uint64_t length = byte(1) & 0x7fU;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < 2 + more) return 0;
  if (more > 0) length = 0;
  for (std::size_t i = 0; i < more; ++i) length = length << 8 | byte(2 + i);
  const std::size_t mask = (byte(1) & 0x80U) != 0 ? 4 : 0;
  return std::min<std::uint64_t>(length, kMaxMessage * 2) + 2 + more + mask;  // too big is too big
}

// How many bytes at the beginning of input are whole messages. A control frame may stand between
// the fragments of another message, and waits for its end.
std::size_t whole_messages(std::string_view input) {
  std::size_t whole = 0;
  bool within = false;
  for (std::size_t at = 0;;) {
    const std::uint64_t size = frame_size(input.substr(at));
    if (size == 0 || size > input.size() - at) return whole;
    const auto first = static_cast<unsigned char>(input[at]);
    const bool control = (first & 0x08U) != 0, final = (first & 0x80U) != 0;
    if (!control) within = !final;
    at += static_cast<std::size_t>(size);
    if (!within) whole = at;
  }
}

}  // namespace

void WebSocket::Free::operator()(wslay_event_context* p) const { wslay_event_context_free(p); }

// wslay is C: nothing may be thrown through it, so a want of memory is a failed callback.
struct WebSocket::Callbacks {
  static ssize_t receive(wslay_event_context* context, std::uint8_t* to, std::size_t size, int,
                         void* user) {
    std::string_view& input = static_cast<WebSocket*>(user)->input_;
    if (input.empty()) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    size = std::min(size, input.size());
    std::memcpy(to, input.data(), size);
    input.remove_prefix(size);
    return static_cast<ssize_t>(size);
  }
  static ssize_t send(wslay_event_context* context, const std::uint8_t* data, std::size_t size, int,
                      void* user) try {
    static_cast<WebSocket*>(user)->output_.append(reinterpret_cast<const char*>(data), size);
    return static_cast<ssize_t>(size);
  } catch (const std::bad_alloc&) {
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
  }
  static void message(wslay_event_context* context, const wslay_event_on_msg_recv_arg* arg,
                      void* user) try {
    if (arg->opcode != WSLAY_TEXT_FRAME) return;
    static_cast<WebSocket*>(user)->said_->emplace_back(reinterpret_cast<const char*>(arg->msg),
                                                       arg->msg_length);
  } catch (const std::bad_alloc&) {
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
  }
};

WebSocket::WebSocket(std::function<void(std::string_view)> send) : send_(std::move(send)) {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = Callbacks::receive;
  callbacks.send_callback = Callbacks::send;
  callbacks.on_msg_recv_callback = Callbacks::message;
  wslay_event_context_ptr made = nullptr;
  if (wslay_event_context_server_init(&made, &callbacks, this) != 0) throw std::bad_alloc();
  context_.reset(made);
  wslay_event_config_set_max_recv_msg_length(made, kMaxMessage);
}

std::size_t WebSocket::feed(std::string_view input, std::vector<std::string>& said) {
  if (over()) return input.size();
  const std::size_t used = whole_messages(input);
  input_ = input.substr(0, used);
  said_ = &said;
  const int result = wslay_event_recv(context_.get());
  input_ = {};
  said_ = nullptr;
  if (result != 0) wslay_event_shutdown_read(context_.get());
  flush();
  if (input.size() - used > kMaxMessage) close(kTooBig);
  return used;
}

void WebSocket::say(std::string_view text) {
  wslay_event_msg message{};
  message.opcode = WSLAY_TEXT_FRAME;
  message.msg = reinterpret_cast<const std::uint8_t*>(text.data());
  message.msg_length = text.size();
  wslay_event_queue_msg(context_.get(), &message);
  flush();
}

void WebSocket::close(std::uint16_t code) {
  wslay_event_queue_close(context_.get(), code, nullptr, 0);
  flush();
}

bool WebSocket::over() const {
  return wslay_event_get_read_enabled(context_.get()) == 0 ||
         wslay_event_get_close_sent(context_.get()) != 0;
}

void WebSocket::flush() {
  wslay_event_send(context_.get());
  if (!output_.empty()) send_(std::exchange(output_, {}));
}

}  // namespace chat
