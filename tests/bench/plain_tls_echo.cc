// tls_service.cc as one writes it with OpenSSL alone: SSL_read(3) and SSL_write(3) on the socket.
// The loop is that of plain_echo.cc, and nothing would let it be upgraded.
//
//   plain_tls_echo PORT CERTIFICATE KEY
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tls_requests.h"

namespace {

struct Connection {
  Connection(SSL_CTX* context, int socket) : fd(socket), ssl(SSL_new(context)) {
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
  }
  ~Connection() {
    SSL_free(ssl);
    ::close(fd);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  SSL* const ssl;
  bench::Requests requests;
  std::string output;  // sent of it is with OpenSSL
  std::size_t sent = 0;
  bool queued = false;
  bool wants_room = false;  // OpenSSL has said so
  bool waits_to_write = false;
};

class Server {
 public:
  Server(int port, SSL_CTX* context) : context_(context) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0 ||
        ::listen(listener_, 4096) < 0) {
      std::perror("plain_tls_echo");
      std::exit(1);
    }
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    poll_.data = this;
    uv_poll_init(uv_default_loop(), &poll_, epoll_);
    uv_poll_start(&poll_, UV_READABLE,
                  [](uv_poll_t* p, int, int) { static_cast<Server*>(p->data)->on_events(); });
  }

 private:
  void watch(int op, int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    (void)::epoll_ctl(epoll_, op, fd, &event);
  }
  void on_events() {
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == listener_) {
        accept_all();
        continue;
      }
      const auto it = connections_.find(event.data.fd);
      if (it == connections_.end()) continue;
      Connection& c = *it->second;
      const bool shakes_hands = c.wants_room && c.output.empty();
      if (((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 || shakes_hands) &&
          !read_from(c)) {
        connections_.erase(it);
        continue;
      }
      queue(c);
    }
    flush();
  }
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int yes = 1;
      (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      connections_[fd] = std::make_unique<Connection>(context_, fd);
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }
  // Whether the connection goes on after a call that has returned so.
  static bool goes_on(Connection& c, int result) {
    const int error = SSL_get_error(c.ssl, result);
    c.wants_room = error == SSL_ERROR_WANT_WRITE;
    return c.wants_room || error == SSL_ERROR_WANT_READ;
  }
  // SSL_read(3) shakes hands as well. What OpenSSL has read ahead no event tells of.
  bool read_from(Connection& c) {
    do {
      ERR_clear_error();
      const int n = SSL_read(c.ssl, buffer_.data(), static_cast<int>(buffer_.size()));
      if (n <= 0) return goes_on(c, n);
      c.requests.take({buffer_.data(), static_cast<std::size_t>(n)},
                      [&c](std::string_view answer) { c.output += answer; });
    } while (SSL_has_pending(c.ssl) != 0);
    return true;
  }
  void queue(Connection& c) {
    if (c.queued) return;
    c.queued = true;
    pending_.push_back(c.fd);
  }
  bool write_to(Connection& c) {
    while (c.sent < c.output.size()) {
      ERR_clear_error();
      const int n =
          SSL_write(c.ssl, c.output.data() + c.sent, static_cast<int>(c.output.size() - c.sent));
      if (n <= 0) return goes_on(c, n);
      c.sent += static_cast<std::size_t>(n);
      c.wants_room = false;
    }
    c.output.clear();
    c.sent = 0;
    return true;
  }
  void flush() {
    for (const int fd : pending_) {
      const auto it = connections_.find(fd);
      if (it == connections_.end()) continue;
      Connection& c = *it->second;
      c.queued = false;
      if (!write_to(c)) {
        connections_.erase(it);
        continue;
      }
      if (c.waits_to_write == c.wants_room) continue;
      c.waits_to_write = c.wants_room;
      watch(EPOLL_CTL_MOD, fd,
            EPOLLIN | (c.waits_to_write ? std::uint32_t{EPOLLOUT} : std::uint32_t{0}));
    }
    pending_.clear();
  }

  SSL_CTX* const context_;
  int listener_ = -1;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  uv_poll_t poll_{};
  std::array<char, 65536> buffer_{};
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<int> pending_;
};

SSL_CTX* make_context(const char* certificate, const char* key) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    std::exit(1);
  }
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // else a record takes two calls of read(2)
  return context;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: plain_tls_echo PORT CERTIFICATE KEY\n");
    return 2;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const Server server(std::atoi(argv[1]), make_context(argv[2], argv[3]));
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
