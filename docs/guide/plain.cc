// tally as a plain libuv server: what the guide begins with.
#include <uv.h>

#include "tally.h"

struct Connection {
  uv_tcp_t tcp;
  std::int64_t total = 0;
  std::string input;
};

void on_closed(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

void reply(Connection& connection, const std::string& text) {
  struct Write {
    uv_write_t request;
    std::string text;
  };
  auto* write = new Write{{}, text};
  write->request.data = write;
  uv_buf_t buffer = uv_buf_init(write->text.data(), static_cast<unsigned>(write->text.size()));
  uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&connection.tcp), &buffer, 1,
           [](uv_write_t* request, int) { delete static_cast<Write*>(request->data); });
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
  auto& connection = *static_cast<Connection*>(stream->data);
  if (n < 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(stream), on_closed);
    return;
  }
  connection.input.append(buffer->base, static_cast<std::size_t>(n));
  for (;;) {
    const std::size_t end = connection.input.find('\n');
    if (end == std::string::npos) break;
    reply(connection, add(connection.total, connection.input.substr(0, end)));
    connection.input.erase(0, end + 1);
  }
}

void on_connection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* connection = new Connection;
  connection->tcp.data = connection;
  uv_tcp_init(listener->loop, &connection->tcp);
  auto* stream = reinterpret_cast<uv_stream_t*>(&connection->tcp);
  uv_accept(listener, stream);
  uv_read_start(
      stream,
      [](uv_handle_t*, std::size_t, uv_buf_t* buffer) {
        static char space[65536];
        *buffer = uv_buf_init(space, sizeof space);
      },
      on_read);
}

int main() {
  uv_tcp_t listener;
  uv_tcp_init(uv_default_loop(), &listener);
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 7002, &address);
  uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0);
  uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 128, on_connection);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
