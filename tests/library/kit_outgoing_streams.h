// The service of kit_outgoing.h on a layer with a Host and Streams: uv.hpp's or asio.hpp's.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <handoff/handoff.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "kit_outgoing.h"
#include "support/clients/sockets.h"

namespace handoff::test {

template <class Stream>
class OutgoingStream final : public Stream {
 public:
  explicit OutgoingStream(const OutgoingOptions& options) : options_(options) {}
  std::size_t on_input(std::string_view input) override {
    const auto end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    const std::string line(input.substr(0, end + 1));
    if (line == "hold\n") this->hold();
    if (line == "release\n") this->release();
    const std::string said = line == "again\n" ? std::to_string(again()) + "\n" : line;
    this->write(options_.version + " " + said);
    return end + 1;
  }
  void on_closed() override { again(); }
  void on_moved() override { again(); }
  void on_connected() override { this->write("connected to by " + options_.version + "\n"); }
  void on_refused(int error) override { ::_exit(error == ECONNREFUSED ? 42 : 43); }
  std::string save() const override { return "s"; }

 private:
  // Tries to open another, and returns the error.
  int again() {
    try {
      this->host().connect("uplink", options_.upstream, std::make_unique<OutgoingStream>(options_));
      return 0;
    } catch (const Exception& e) {
      return e.code();
    }
  }

  const OutgoingOptions& options_;
};

// Up to where the loop runs. 0, or the exit status.
template <class Stream, class Host>
int begin_outgoing(Host& host, const OutgoingOptions& options) {
  const auto make = [&options] { return std::make_unique<OutgoingStream<Stream>>(options); };
  const auto code_of = [](auto&& call) {
    try {
      call();
      return 0;
    } catch (const Exception& e) {
      return e.code();
    }
  };
  const auto connect = [&](const std::string& kind) {
    return code_of([&] { host.connect(kind, options.upstream, make()); });
  };
  host.outgoing("uplink", [make](std::string_view) { return make(); });
  if (code_of([&] { host.outgoing("uplink", [make](std::string_view) { return make(); }); }) == 0) {
    return 4;
  }
  if (connect("uplink") != HANDOFF_ERR_ORDER) return 4;
  if (const int code = code_of([&] { host.start(); }); code != 0) {
    return code == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (host.service().generation() != 1) return 0;
  if (!options.adopts.empty()) {
    host.adopt("uplink", connect_unix(options.adopts, SOCK_STREAM).release(), make());
  } else if (const int code = connect("uplink"); code != 0) {
    return code == -ECONNREFUSED ? 42 : 43;  // told at once
  }
  return connect("another") == HANDOFF_ERR_UNKNOWN && host.size() == 1 ? 0 : 4;
}

}  // namespace handoff::test
