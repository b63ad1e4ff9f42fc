#include "tls_handshakes.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "epoll_set.h"
#include "sockets.h"

namespace bench {
namespace {

using handoff::UniqueFd;
using nlohmann::json;

constexpr std::uint64_t kOrders = ~std::uint64_t{0};  // epoll's data for the socket of the orders

struct FreeOpenssl {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const {
    // One that has not ended in order could not be resumed.
    SSL_set_shutdown(p, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p);
  }
  void operator()(SSL_SESSION* p) const { SSL_SESSION_free(p); }
};

class Clients {
 public:
  Clients() : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
      auto& c = *static_cast<Connection*>(SSL_get_app_data(ssl));
      c.has_ticket = true;
      if (c.keeps == nullptr) return 0;
      c.keeps->reset(session);
      return 1;  // the reference is ours
    });
    epoll_.add(kRoleSocket, kOrders);
  }

  void run() {
    while (turn()) {
    }
  }

 private:
  using Ticket = std::unique_ptr<SSL_SESSION, FreeOpenssl>;
  struct Connection {
    UniqueFd fd;
    std::unique_ptr<SSL, FreeOpenssl> ssl;
    bool has_ticket = false;
    Ticket* keeps = nullptr;  // where the ticket is to be put
  };

  bool turn() {
    std::array<epoll_event, 256> room;
    for (const epoll_event& event : epoll_.wait(room, std::nullopt)) {
      if (event.data.u64 == kOrders) return obey();  // the others are level-triggered
      go_on(event.data.u64);
    }
    return true;
  }

  bool obey() {
    const auto order = hear(kRoleSocket);
    if (!order) return false;
    const json& body = order->body;
    if (body.contains("begin")) {
      port_ = body.at("port");
      if (body.at("resume")) get_ticket();
      count_ = 0;
      connections_.resize(body.at("begin"));
      for (std::size_t i = 0; i < connections_.size(); ++i) start(i);
    } else if (body.contains("stop")) {
      connections_.clear();
      ticket_.reset();
    }
    say(kRoleSocket, {{"count", count_}});
    return true;
  }

  void get_ticket() {
    connections_.resize(1);
    keeps_next_ = &ticket_;
    start(0);
    while (ticket_ == nullptr) {
      std::array<epoll_event, 4> room;
      for (const epoll_event& event : epoll_.wait(room, std::nullopt)) {
        if (event.data.u64 != kOrders) go_on(event.data.u64);
      }
    }
    connections_.clear();
  }

  void start(std::size_t index) {
    Connection& c = connections_[index];
    c.ssl.reset();
    c.fd = connect_tcp(port_);
    set_nonblocking(c.fd.get());
    c.has_ticket = false;
    c.keeps = std::exchange(keeps_next_, nullptr);
    c.ssl.reset(SSL_new(context_.get()));
    if (c.ssl == nullptr) throw std::runtime_error("handshakes: OpenSSL has no memory");
    SSL_set_fd(c.ssl.get(), c.fd.get());
    SSL_set_connect_state(c.ssl.get());
    SSL_set_app_data(c.ssl.get(), &c);
    if (ticket_ != nullptr) {  // OpenSSL resumes a session once
      const Ticket copy(SSL_SESSION_dup(ticket_.get()));
      SSL_set_session(c.ssl.get(), copy.get());
    }
    epoll_.add(c.fd.get(), index);
    go_on(index);
  }

  // SSL_read(3) shakes hands, and reads tickets: there is nothing else to be read.
  void go_on(std::size_t index) {
    Connection& c = connections_[index];
    ERR_clear_error();
    char byte = 0;
    const int n = SSL_read(c.ssl.get(), &byte, 1);
    if (SSL_get_error(c.ssl.get(), n) != SSL_ERROR_WANT_READ) {
      const char* const why = ERR_reason_error_string(ERR_peek_error());
      throw std::runtime_error(std::string("handshakes: one has failed: ") +
                               (why != nullptr ? why : "the service has ended it"));
    }
    if (!c.has_ticket) return;
    if (ticket_ != nullptr && c.keeps == nullptr && SSL_session_reused(c.ssl.get()) == 0) {
      throw std::runtime_error("handshakes: the service has resumed no session");
    }
    if (c.keeps != nullptr) return;
    ++count_;
    start(index);
  }

  EpollSet epoll_;
  std::unique_ptr<SSL_CTX, FreeOpenssl> context_;
  Ticket ticket_;
  Ticket* keeps_next_ = nullptr;
  std::vector<Connection> connections_;
  int port_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace

int handshakes() {
  Clients clients;
  clients.run();
  return 0;
}

void Handshakes::begin(int port, std::size_t under_way, bool resume) {
  process_.ask({{"begin", under_way}, {"port", port}, {"resume", resume}});
}
std::uint64_t Handshakes::count() { return process_.ask({{"count", true}}).body.at("count"); }
void Handshakes::stop() { process_.ask({{"stop", true}}); }

}  // namespace bench
