#include "tls_echo.h"

#include <handoff/tls.h>

#include <cstdio>
#include <cstring>
#include <handoff/uv.hpp>
#include <memory>
#include <string>

namespace handoff::test {
namespace {

struct Program {
  TlsEchoOptions options;
  handoff_tls_context_t* context = nullptr;
};

class TlsEcho final : public uv::Stream {
 public:
  explicit TlsEcho(Program& program) : program_(program) {}
  ~TlsEcho() override { handoff_tls_free(tls_); }
  TlsEcho(const TlsEcho&) = delete;
  TlsEcho& operator=(const TlsEcho&) = delete;

 protected:
  void on_open(bool adopted) override {
    if (adopted) return;
    own();
    std::uint64_t written = 0;
    if (handoff_tls_written(fd(), &written) != 0 ||
        handoff_tls_accept(&tls_, program_.context, written) != 0) {
      return close();
    }
    hold();  // until the handshake is over
  }
  std::size_t on_input(std::string_view input) override {
    own();
    if (std::exchange(unchecked_, false) && !agrees()) {
      // Nothing may be sealed any more: the client sees the end of the stream, and no alert.
      std::fprintf(stderr, "%s\n", handoff_tls_error(tls_));
      close();
      return input.size();
    }
    const bool shook_hands = handoff_tls_established(tls_) != 0;
    std::size_t used = 0;
    std::size_t size = 0;
    do {
      const ssize_t consumed = handoff_tls_feed(tls_, input.data() + used, input.size() - used);
      const char* plain = nullptr;
      size = handoff_tls_plain(tls_, &plain);
      if (size > 0) handoff_tls_write(tls_, plain, size);
      handoff_tls_consume(tls_, size);
      flush();
      if (consumed < 0) {
        std::fprintf(stderr, "%s\n", handoff_tls_error(tls_));
        close();
        return input.size();
      }
      used += static_cast<std::size_t>(consumed);
      if (program_.options.saves_once && saved_.empty() && size > 0) saved_ = state();
    } while (size > 0);
    if (!shook_hands && handoff_tls_established(tls_) != 0) release();
    return used;
  }
  std::string save() const override { return {}; }
  std::string save_layer() const override { return saved_.empty() ? state() : saved_; }
  void restore_layer(std::string_view layer) override {
    unchecked_ = true;
    if (handoff_tls_restore(&tls_, program_.context, layer.data(), layer.size()) != 0) {
      throw std::runtime_error(handoff_tls_context_error(program_.context));
    }
  }

 private:
  // Host::start() already looks at input that has come along.
  void own() const { handoff_tls_own(program_.context); }
  bool agrees() {
    std::uint64_t written = 0;
    return handoff_tls_written(fd(), &written) == 0 &&
           handoff_tls_check(tls_, written, output_size()) == 0;
  }
  void flush() {
    const char* data = nullptr;
    const std::size_t size = handoff_tls_out(tls_, &data);
    if (size > 0) write({data, size});
    handoff_tls_sent(tls_, size);
  }
  std::string state() const {
    std::string out(handoff_tls_save_size(tls_), '\0');
    if (handoff_tls_save(tls_, out.data(), out.size()) < 0) {
      throw std::runtime_error(handoff_tls_error(tls_));
    }
    return out;
  }

  Program& program_;
  handoff_tls_t* tls_ = nullptr;
  bool unchecked_ = false;
  std::string saved_;
};

int run(const TlsEchoOptions& options) {
  Program program{options};
  if (handoff_tls_context_open(&program.context, options.ssl, nullptr) != 0) return 2;
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    auto service = Service::open({.name = "test", .version = "1"});
    service->on_freeze([&] { handoff_tls_freeze(program.context); });
    service->on_thaw([&] { handoff_tls_thaw(program.context); });
    uv::Host host(&loop, *service);
    host.on_late([&](std::uint64_t) { handoff_tls_thaw(program.context); });
    host.listen(
        "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<TlsEcho>(program); },
        [&](std::string_view) {
          if (program.options.refuses) throw std::runtime_error("refused, by a test");
          return std::make_unique<TlsEcho>(program);
        });
    try {
      host.start();
    } catch (const Exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  handoff_tls_context_close(program.context);
  return 0;
}

}  // namespace

std::function<int()> tls_echo(TlsEchoOptions options) {
  return [options] {
    switch (options.face) {
      case TlsFace::kC:
        return run(options);
      case TlsFace::kCpp:
        return run_tls_echo_cpp(options);
      case TlsFace::kPoll:
        return run_tls_echo_poll(options);
      case TlsFace::kAsio:
        break;
    }
    return run_tls_echo_asio(options);
  };
}

}  // namespace handoff::test
