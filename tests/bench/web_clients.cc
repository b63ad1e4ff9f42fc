#include "web_clients.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_map>
#include <unordered_set>

#include "clock.h"
#include "epoll_set.h"
#include "sockets.h"

namespace bench {
namespace {

using handoff::UniqueFd;
using nlohmann::json;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
constexpr std::uint64_t kPatienceNs = 10'000'000'000;
constexpr std::uint64_t kOrders = 0;  // the socket of the orders; a client's key is its address

struct Client {
  UniqueFd fd;
  bool visitor = false;
  bool first = true;  // a resident's first connection
  std::uint64_t sent_ns = 0;
  std::string input;
};

// The length of a complete answer at the beginning of input; 0 if it is not complete.
std::size_t answer_length(const std::string& input) {
  const std::size_t head = input.find("\r\n\r\n");
  if (head == std::string::npos) return 0;
  std::size_t at = input.find("ontent-Length:");
  if (at == std::string::npos) at = input.find("ontent-length:");
  if (at == std::string::npos || at > head) return 0;
  const std::size_t length = head + 4 + std::stoul(input.substr(at + 14));
  return input.size() >= length ? length : 0;
}

class Clients {
 public:
  Clients() { epoll_.add(kRoleSocket, kOrders); }

  void run() {
    while (turn()) {
    }
  }

 private:
  bool turn() {
    const std::uint64_t now = now_ns();
    if (request_every_ > 0) {
      for (; request_due_ <= now; request_due_ += request_every_) ask_resident();
      for (; visitor_due_ <= now; visitor_due_ += visitor_every_) invite_visitor();
    }
    const std::uint64_t due = waiting_ ? now + 10'000'000 : std::min(request_due_, visitor_due_);
    std::optional<std::uint64_t> left;
    if (request_every_ > 0 || waiting_) {
      left = due > now ? std::min<std::uint64_t>(due - now, 100'000'000) : 0;
    }
    std::array<epoll_event, 256> room;
    for (const epoll_event& event : epoll_.wait(room, left)) {
      auto* client = reinterpret_cast<Client*>(event.data.u64);
      if (event.data.u64 == kOrders) {
        if (!obey()) return false;
      } else if (!gone_.contains(client)) {
        read_from(*client);
      }
    }
    for (Client* client : gone_) {
      if (client->visitor) visitors_.erase(client);
    }
    gone_.clear();
    return true;
  }

  bool obey() {
    const auto order = hear(kRoleSocket);
    if (!order) return false;
    const json& body = order->body;
    if (body.contains("port")) {
      port_ = body.at("port");
      request_ns_ = static_cast<std::uint64_t>(1e9 / body.at("requests").get<double>());
      visitor_ns_ = static_cast<std::uint64_t>(1e9 / body.at("visitors").get<double>());
      for (std::size_t i = body.at("residents"); i > 0; --i) {
        residents_.push_back(std::make_unique<Client>());
        connect(*residents_.back());
      }
      say(kRoleSocket, json::object());
    } else if (body.contains("start")) {
      request_every_ = request_ns_;
      visitor_every_ = visitor_ns_;
      request_due_ = visitor_due_ = now_ns();
      say(kRoleSocket, json::object());
    } else {
      stop();
    }
    return true;
  }

  // A connection that is refused shows as a request that fails.
  void connect(Client& client) {
    client.input.clear();
    try {
      client.fd = connect_tcp(port_);
    } catch (const std::system_error&) {
      client.fd.reset();
      return;
    }
    epoll_.add(client.fd.get(), reinterpret_cast<std::uint64_t>(&client));
  }

  void ask(Client& client) {
    client.sent_ns = now_ns();
    if (!client.fd.valid()) {
      if (!client.visitor) connect(client);
      client.first = false;
    }
    const bool sent = client.fd.valid() &&
                      ::send(client.fd.get(), kRequest.data(), kRequest.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(kRequest.size());
    if (!sent) end(client);
  }

  void ask_resident() {
    Client& client = *residents_[next_++ % residents_.size()];
    if (client.sent_ns == 0) ask(client);
  }
  void invite_visitor() {
    auto visitor = std::make_unique<Client>();
    visitor->visitor = true;
    Client& client = *visitor;
    visitors_[&client] = std::move(visitor);
    const std::uint64_t begun = now_ns();
    connect(client);
    ask(client);
    client.sent_ns = begun;  // the wait for the connection counts, too
  }

  void read_from(Client& client) {
    std::array<char, 4096> buffer;
    const ssize_t n = ::recv(client.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return end(client);
    client.input.append(buffer.data(), static_cast<std::size_t>(n));
    const std::size_t length = answer_length(client.input);
    if (length == 0) return;
    const auto version = static_cast<std::uint32_t>(
        std::strtoul(&client.input[client.input.find("\r\n\r\n") + 4], nullptr, 10));
    requests_.push_back({client.sent_ns, now_ns(), version, client.visitor ? 1U : 0U});
    client.sent_ns = 0;
    client.input.erase(0, length);
    if (client.visitor) end(client);
  }

  // Ends the connection; a request that is under way has failed.
  void end(Client& client) {
    if (client.sent_ns != 0) {
      requests_.push_back({client.sent_ns, 0, 0, client.visitor ? 1U : 0U});
    }
    client.sent_ns = 0;
    client.first = false;
    client.fd.reset();
    if (client.visitor) gone_.insert(&client);
  }

  void stop() {
    request_every_ = 0;
    request_due_ = visitor_due_ = 0;
    waiting_ = true;
    const auto under_way = [this] {
      for (const auto& client : residents_) {
        if (client->sent_ns != 0) return true;
      }
      return !visitors_.empty();
    };
    for (const std::uint64_t until = now_ns() + kPatienceNs; under_way() && now_ns() < until;)
      turn();
    std::size_t survivors = 0;
    for (const auto& client : residents_) {
      if (client->sent_ns != 0) requests_.push_back({client->sent_ns, 0, 0, 0});
      if (client->first && client->fd.valid()) ++survivors;
    }
    for (const auto& [client, owned] : visitors_) requests_.push_back({client->sent_ns, 0, 0, 1});
    const UniqueFd memory(::memfd_create("requests", MFD_CLOEXEC));
    const std::size_t bytes = requests_.size() * sizeof(WebRequest);
    for (std::size_t at = 0; at < bytes;) {
      const ssize_t n =
          ::write(memory.get(), reinterpret_cast<const char*>(requests_.data()) + at, bytes - at);
      if (n < 0) throw std::system_error(errno, std::generic_category(), "web clients: requests");
      at += static_cast<std::size_t>(n);
    }
    say(kRoleSocket, {{"requests", requests_.size()}, {"survivors", survivors}}, {memory.get()});
  }

  EpollSet epoll_;
  int port_ = 0;
  std::vector<std::unique_ptr<Client>> residents_;
  std::unordered_map<Client*, std::unique_ptr<Client>> visitors_;
  std::unordered_set<Client*> gone_;  // in this turn
  std::vector<WebRequest> requests_;
  std::size_t next_ = 0;
  std::uint64_t request_ns_ = 0, visitor_ns_ = 0;        // as ordered
  std::uint64_t request_every_ = 0, visitor_every_ = 0;  // 0: not now
  std::uint64_t request_due_ = 0, visitor_due_ = 0;
  bool waiting_ = false;
};

}  // namespace

int web_clients() {
  raise_fd_limit();
  Clients clients;
  clients.run();
  return 0;
}

WebClients::WebClients(int port, const Load& load) {
  process_.ask({{"port", port},
                {"residents", load.residents},
                {"requests", load.requests_per_second},
                {"visitors", load.visitors_per_second}});
}

void WebClients::start() { process_.ask({{"start", true}}); }

WebOutcome WebClients::stop() {
  const Message message = process_.ask({{"stop", true}});
  WebOutcome out;
  out.survivors = message.body.at("survivors");
  out.requests.resize(message.body.at("requests").get<std::size_t>());
  const std::size_t bytes = out.requests.size() * sizeof(WebRequest);
  for (std::size_t got = 0; got < bytes;) {
    const ssize_t n =
        ::pread(message.fds.at(0).get(), reinterpret_cast<char*>(out.requests.data()) + got,
                bytes - got, static_cast<off_t>(got));
    if (n <= 0) throw std::runtime_error("the web clients' requests are cut");
    got += static_cast<std::size_t>(n);
  }
  return out;
}

}  // namespace bench
