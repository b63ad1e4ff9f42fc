#include "support/supervisor/question.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>

#include "support/clients/sockets.h"

namespace handoff::test {

Question::Question(const std::string& runtime)
    : fd_(connect_unix(runtime + "/control.sock", SOCK_STREAM)) {
  const std::string_view request = "{\"command\":\"status\"}\n";
  if (fd_.valid() && ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    fd_.reset();
  }
}

std::optional<nlohmann::json> Question::services() {
  while (fd_.valid()) {
    std::array<char, 16384> chunk;
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (n <= 0) break;
    text_.append(chunk.data(), static_cast<std::size_t>(n));
  }
  const nlohmann::json answer = nlohmann::json::parse(text_, nullptr, false);
  if (!answer.is_object()) return nlohmann::json();
  return answer.value("services", nlohmann::json());
}

}  // namespace handoff::test
