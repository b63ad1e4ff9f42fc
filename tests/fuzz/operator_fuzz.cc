// What a client sends on the control socket, as a whole: bytes on a real socket, in two pieces. The
// first byte says where they are cut. A client that has sent a line gets one answer, and its
// request is carried out once if it is right; any other client is hung up on.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/operators/control_server.h"

namespace {

using namespace handoff;
using namespace handoff::supervisor;
using nlohmann::json;

class Server {
 public:
  Server() {
    CHECK_THAT(uv_loop_init(&loop_) == 0, "uv_loop_init");
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un any{};
    any.sun_family = AF_UNIX;  // the kernel chooses an abstract name
    CHECK_THAT(
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any.sun_family) == 0,
        "bind");
    length_ = sizeof address_;
    CHECK_THAT(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address_), &length_) == 0,
               "getsockname");
    CHECK_THAT(::listen(fd.get(), 8) == 0, "listen");
    server_ = std::make_unique<ControlServer>(
        &loop_, std::move(fd), [this](const ClientPtr& client, const Request& request) {
          served_.push_back(request);
          if (const auto reachable = client.lock()) {
            reachable->send({{"event", "phase"}});
            reachable->finish({{"event", "done"}, {"result", "done"}});
          }
        });
  }

  // What comes back until the server hangs up.
  std::string talk(std::string_view first, std::string_view second) {
    served_.clear();
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    CHECK_THAT(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), length_) == 0,
               "connect");
    send(fd.get(), first);
    turn();
    send(fd.get(), second);
    (void)::shutdown(fd.get(), SHUT_WR);
    std::string out;
    for (int turns = 0; turns < 1000; ++turns) {
      std::array<char, 4096> chunk{};
      const ssize_t n = ::recv(fd.get(), chunk.data(), chunk.size(), 0);
      if (n > 0) out.append(chunk.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno == ECONNRESET)) {
        turn();
        return out;
      }
      if (n < 0) turn();
    }
    CHECK_THAT(false, "the server never hangs up");
    return out;
  }
  const std::vector<Request>& served() const { return served_; }

 private:
  void turn() { (void)uv_run(&loop_, UV_RUN_NOWAIT); }
  // A server that has hung up already needs no more.
  static void send(int fd, std::string_view bytes) {
    if (!bytes.empty()) (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  uv_loop_t loop_{};
  sockaddr_un address_{};
  socklen_t length_ = 0;
  std::unique_ptr<ControlServer> server_;
  std::vector<Request> served_;
};

std::vector<json> lines_of(std::string_view text) {
  std::vector<json> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    CHECK_THAT(end != text.npos, "half an answer");
    out.push_back(json::parse(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static auto& server = *new Server;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = bytes.size() * data[0] / 255;
  const auto answers = lines_of(server.talk(bytes.substr(0, cut), bytes.substr(cut)));
  const std::size_t end = bytes.find('\n');
  if (end == bytes.npos) {
    CHECK_THAT(answers.empty() && server.served().empty(), "half a request");
    return 0;
  }
  const auto request = parse_request(json::parse(bytes.substr(0, end), nullptr, false));
  CHECK_THAT(server.served().size() == (request ? 1 : 0), "it is carried out");
  CHECK_THAT(answers.size() == (request ? 2 : 1), std::to_string(answers.size()) + " answers");
  const json& last = answers.back();
  CHECK_THAT(last.at("event") == "done", last.dump());
  if (request) {
    const Request& served = server.served().front();
    CHECK_THAT(last.at("result") == "done", last.dump());
    CHECK_THAT(served.command == request->command && served.service == request->service &&
                   served.path == request->path && served.args == request->args,
               "another request");
  } else {
    CHECK_THAT(last.at("result") == "failed", last.dump());
    CHECK_THAT(last.at("error").at("message") == request.error().message, last.dump());
  }
  return 0;
}
