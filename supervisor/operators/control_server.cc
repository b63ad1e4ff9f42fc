#include "supervisor/operators/control_server.h"

#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "supervisor/base/json_line.h"

namespace handoff::supervisor {
namespace {

Handle<uv_pipe_t> make_pipe(uv_loop_t* loop) {
  auto raw = std::make_unique<uv_pipe_t>();
  if (const int result = uv_pipe_init(loop, raw.get(), 0); result < 0) {
    throw std::runtime_error(std::string("uv_pipe_init: ") + uv_strerror(result));
  }
  return Handle<uv_pipe_t>(raw.release());
}

uv_stream_t* stream(const Handle<uv_pipe_t>& pipe) {
  return reinterpret_cast<uv_stream_t*>(pipe.get());
}

int fd_of(const Handle<uv_pipe_t>& pipe) {
  uv_os_fd_t fd = -1;
  return uv_fileno(reinterpret_cast<const uv_handle_t*>(pipe.get()), &fd) == 0 ? fd : -1;
}

// -1 if it can't be told.
int uid_of(const Handle<uv_pipe_t>& pipe) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd_of(pipe), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -1;
  return static_cast<int>(peer.uid);
}

bool allowed(int uid) { return uid == 0 || uid == static_cast<int>(::geteuid()); }

// A line on its way out: the text lives as long as the write.
struct Write {
  uv_write_t request{};
  std::string text;
};

}  // namespace

class ControlServer::Connection : public Client, public std::enable_shared_from_this<Connection> {
 public:
  // asked: the supervisor before this one has read the request, and the answer is due here.
  Connection(ControlServer& server, Handle<uv_pipe_t> pipe, bool asked = false)
      : server_(server), pipe_(std::move(pipe)), patience_(server.loop_, [this] {
          const auto keep = shared_from_this();
          refuse("no request within 10 s");
        }) {
    pipe_->data = this;
    asked_ = asked;
    if (asked_) return;
    patience_.at(now() + kRequestWithin);
    const auto allocate = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
      auto* self = static_cast<Connection*>(handle->data);
      *buffer = self == nullptr ? uv_buf_init(nullptr, 0)
                                : uv_buf_init(self->chunk_.data(), self->chunk_.size());
    };
    const auto read = [](uv_stream_t* from, ssize_t n, const uv_buf_t* buffer) {
      auto* self = static_cast<Connection*>(from->data);
      if (self != nullptr && n != 0) self->got(n, buffer->base);
    };
    if (uv_read_start(stream(pipe_), allocate, read) < 0) ending_ = true;
  }

  // Most have sent their request by the time that they are accepted: it need not wait for another
  // turn of the loop.
  void look() {
    const ssize_t n = ::recv(fd_of(pipe_), chunk_.data(), chunk_.size(), MSG_DONTWAIT);
    if (n > 0) got(n, chunk_.data());
  }

  // Its place among all that have come; 0 for a client that has asked for something.
  std::uint64_t idle_since() const { return asked_ || ending_ ? 0 : number_; }
  // What it has sent may not have been read yet: many are accepted in one turn.
  bool has_more() const {
    int bytes = 0;
    return ::ioctl(fd_of(pipe_), FIONREAD, &bytes) == 0 && bytes > 0;
  }
  void make_way() {
    const auto keep = shared_from_this();
    close();
  }

  Who who() const override { return peer_of(fd_of(pipe_)); }
  int fd() const override { return fd_of(pipe_); }

  void send(const nlohmann::json& event) override {
    if (ending_) return;
    if (uv_stream_get_write_queue_size(stream(pipe_)) > kMaxUnsent) {
      close();  // it does not read
      return;
    }
    auto write = std::make_unique<Write>();
    write->text = json_line(event) + "\n";
    write->request.data = write.get();
    const uv_buf_t buffer =
        uv_buf_init(write->text.data(), static_cast<unsigned>(write->text.size()));
    const auto written = [](uv_write_t* request, int status) {
      const std::unique_ptr<Write> self(static_cast<Write*>(request->data));
      auto* connection = static_cast<Connection*>(request->handle->data);
      if (connection != nullptr) connection->wrote(status);
    };
    if (uv_write(&write->request, stream(pipe_), &buffer, 1, written) < 0) {
      close();
      return;
    }
    ++writing_;
    (void)write.release();  // `written` takes it
  }

  void finish(const nlohmann::json& answer) override {
    send(answer);
    ending_ = true;
    patience_.at(now() + kRequestWithin);  // to read it in
    if (writing_ == 0) close();
  }

 private:
  void got(ssize_t n, const char* data) {
    const auto keep = shared_from_this();
    if (n < 0) {
      if (!asked_) close();  // half a request, or none
      return;
    }
    line_.append(data, static_cast<std::size_t>(n));
    const std::size_t end = line_.find('\n');
    if (end == std::string::npos) {
      if (line_.size() > kMaxRequest) refuse("the request is longer than 64 KiB");
      return;
    }
    uv_read_stop(stream(pipe_));
    patience_.at(std::nullopt);
    asked_ = true;
    const std::string line = std::exchange(line_, {});
    if (server_.waiting() > kMaxWaiting) {
      return refuse("the supervisor has as many clients as it takes (" +
                        std::to_string(kMaxWaiting) +
                        ", who wait for their answers): try again in a moment",
                    "crowded");
    }
    // One request must not be the end of all services.
    try {
      const auto request =
          parse_request(nlohmann::json::parse(line.substr(0, end), nullptr, false));
      if (!request) return refuse(request.error().message);
      server_.serve_(keep, *request);
    } catch (const std::exception& error) {
      spdlog::error("a request failed in the supervisor: {}", error.what());
      refuse(std::string("the supervisor failed in this request: ") + error.what(), "internal");
    }
  }

  void refuse(const std::string& why, const char* code = "bad_request") {
    if (ending_) {  // it had its answer, and does not read it
      close();
      return;
    }
    spdlog::debug("a client is refused: {}", why);
    finish(
        {{"event", "done"}, {"result", "failed"}, {"error", {{"code", code}, {"message", why}}}});
  }

  void wrote(int status) {
    --writing_;
    if (status < 0 || (ending_ && writing_ == 0)) close();
  }

  // May delete this, once nobody on the stack holds it.
  void close() {
    ending_ = true;
    patience_.at(std::nullopt);
    pipe_->data = nullptr;
    const auto found = server_.connections_.find(this);
    if (found == server_.connections_.end()) return;
    const auto last = std::move(found->second);
    server_.connections_.erase(found);
  }

  ControlServer& server_;
  const std::uint64_t number_ = ++server_.accepted_;
  Handle<uv_pipe_t> pipe_;
  Timer patience_;
  std::array<char, 4096> chunk_{};
  std::string line_;
  int writing_ = 0;
  bool asked_ = false;
  bool ending_ = false;
};

ControlServer::ControlServer(uv_loop_t* loop, UniqueFd fd, Serve serve)
    : loop_(loop), serve_(std::move(serve)) {
  if (fd.valid()) listen(std::move(fd));
}

void ControlServer::listen(UniqueFd fd) {
  listener_ = make_pipe(loop_);
  listener_->data = this;
  int result = uv_pipe_open(listener_.get(), fd.get());
  if (result == 0) {
    (void)fd.release();  // the handle's now
    result = uv_listen(stream(listener_), SOMAXCONN, [](uv_stream_t* handle, int status) {
      if (handle->data != nullptr && status == 0)
        static_cast<ControlServer*>(handle->data)->accept();
    });
  }
  if (result < 0) throw std::runtime_error(std::string("control socket: ") + uv_strerror(result));
}

ControlServer::~ControlServer() = default;

void ControlServer::accept() {
  Handle<uv_pipe_t> pipe = make_pipe(loop_);
  if (uv_accept(stream(listener_), stream(pipe)) < 0) return;
  if (!allowed(uid_of(pipe))) {
    spdlog::warn("a client of another user was turned away");
    return;
  }
  if (connections_.size() - waiting() >= kMaxClients) make_room();
  auto connection = std::make_shared<Connection>(*this, std::move(pipe));
  connections_.emplace(connection.get(), connection);
  connection->look();
}

// Clients that have asked for something.
std::size_t ControlServer::waiting() const {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const auto& one) { return one.first->idle_since() == 0; }));
}

// A new client gets the place of the oldest one that has asked for nothing.
void ControlServer::make_room() {
  Connection* oldest = nullptr;
  for (const auto& [client, owner] : connections_) {
    if (client->idle_since() == 0 || client->has_more()) continue;
    if (oldest == nullptr || client->idle_since() < oldest->idle_since()) oldest = client;
  }
  if (oldest == nullptr) return;
  spdlog::debug("a client that asked for nothing makes way for another");
  oldest->make_way();
}

ClientPtr ControlServer::adopt(UniqueFd fd) {
  Handle<uv_pipe_t> pipe = make_pipe(loop_);
  if (uv_pipe_open(pipe.get(), fd.get()) < 0) return {};
  (void)fd.release();  // the handle's now
  auto connection = std::make_shared<Connection>(*this, std::move(pipe), true);
  connections_.emplace(connection.get(), connection);
  return connection;
}

int ControlServer::fd() const { return listener_ ? fd_of(listener_) : -1; }

}  // namespace handoff::supervisor
