// examples/echo on Asio without libhandoff, as its own examples have a server: a read and a write
// of each connection in turn.
//
//   plain_asio_echo PORT
#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "echo_lines.h"

namespace {

using asio::ip::tcp;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(tcp::socket socket) : socket_(std::move(socket)) {}

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](asio::error_code error, std::size_t size) {
                              if (!error) self->serve({self->buffer_.data(), size});
                            });
  }

 private:
  void serve(std::string_view fresh) {
    output_.clear();
    if (input_.empty()) {
      input_ = fresh.substr(bench::answer(fresh, lines_, output_));
    } else {
      input_ += fresh;
      input_.erase(0, bench::answer(input_, lines_, output_));
    }
    if (output_.empty()) return read();
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](asio::error_code error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  tcp::socket socket_;
  std::uint64_t lines_ = 0;
  std::string input_;   // the beginning of a line
  std::string output_;  // is being written
  std::array<char, 65536> buffer_{};
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](asio::error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Connection>(std::move(socket))->read();
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: plain_asio_echo PORT\n");
    return 2;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io(1);
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), port});
  accept(acceptor);
  io.run();
  return 0;
}
