// The echo on tls.hpp.
#include <algorithm>
#include <handoff/tls.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "../../unit/tls/hex.h"
#include "../../unit/tls/peer.h"
#include "standing.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

class Echo final : public tls::Stream {
 public:
  Echo(tls::Context& context, const TlsEchoOptions& options) : Stream(context), options_(options) {}
  Echo(tls::Context& context, const TlsEchoOptions& options, std::string_view state)
      : Stream(context), options_(options), count_(std::stoi(std::string(state))) {}

 protected:
  std::size_t on_plain(std::string_view plain) override {
    if (!options_.lines) {
      write(plain);
      return plain.size();
    }
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = plain.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      const std::string_view line = plain.substr(used, end - used);
      used = end + 1;
      write(name() + std::to_string(++count_) + " " + (line == "who" ? who() : std::string(line)) +
            "\n");
      if (line == "close") close();
      if (line == "hold") hold();
      if (line == "stand") stand();
      if (line == "go") Standing::instance().go();
      if (line == "pause" || line == "blink") {
        pause();
        if (line == "blink") resume();
        return used;
      }
    }
  }
  void on_open(bool adopted) override {
    if (options_.lines && !adopted) write("welcome\n");
    if (options_.ends && !adopted) end_output();
  }
  void on_secure() override {
    count_ = 0;
    if (!options_.name.empty()) write("secure " + options_.name + "\n");
  }
  void on_tls_end(tls::End how) override {
    if (how == tls::End::kFailed) std::fprintf(stderr, "%s\n", why());
  }
  std::string save_plain() const override { return std::to_string(count_); }

 private:
  // From the next turn of the loop on: the answer is sent by then.
  void stand() {
    auto* const timer = new uv_timer_t;
    uv_timer_init(host().loop(), timer);
    uv_timer_start(
        timer,
        [](uv_timer_t* t) {
          Standing::instance().wait();
          uv_close(reinterpret_cast<uv_handle_t*>(t),
                   [](uv_handle_t* h) { delete reinterpret_cast<uv_timer_t*>(h); });
        },
        0, 0);
  }
  std::string name() const { return options_.name + (options_.name.empty() ? "" : " "); }
  std::string who() const {
    const handoff_tls_info known = info();
    const std::string_view digest(static_cast<const char*>(known.peer_digest),
                                  known.peer_digest == nullptr ? 0 : 32);
    return tls::test::hex({reinterpret_cast<const char*>(&known.version), sizeof known.version}) +
           " " + std::to_string(known.suite) + " " +
           std::string(known.server_name, known.server_name_length) + " " +
           std::string(known.alpn, known.alpn_length) + " " +
           std::string(known.peer_subject, known.peer_subject_length) + " " +
           tls::test::hex(digest) + " " + std::to_string(known.peer_certificate_length);
  }

  const TlsEchoOptions& options_;
  int count_ = 0;
};

class PlainEcho final : public uv::Stream {
 protected:
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return "0"; }
};

// A loop with what belongs to its thread. first: of lane 0, or nullptr.
struct Loop {
  Loop(Loop* first, Service& lane, const TlsEchoOptions& options, SSL_CTX* ssl)
      : context(make_context(first, lane, options, ssl)) {
    uv_loop_init(&loop);
    host = std::make_unique<uv::Host>(&loop, lane);
    context.join(*host);
    const auto make = [&]() -> std::unique_ptr<uv::Stream> {
      if (options.plain) return std::make_unique<PlainEcho>();
      return std::make_unique<Echo>(context, options);
    };
    host->listen("public", "tcp:127.0.0.1:0", make,
                 [&](std::string_view state) -> std::unique_ptr<uv::Stream> {
                   if (options.refuses) throw std::runtime_error("refused, by a test");
                   if (options.plain) return std::make_unique<PlainEcho>();
                   return std::make_unique<Echo>(context, options, state);
                 },
                 {.independent = options.independent});
  }
  static tls::Context make_context(Loop* first, Service& lane, const TlsEchoOptions& options,
                                   SSL_CTX* ssl) {
    if (first != nullptr) return tls::Context(first->context, lane);
    return tls::Context(ssl, lane,
                        {.handshake_ms = options.handshake_ms, .max_plain = options.max_plain});
  }
  int run() {
    try {
      host->start();
    } catch (const Exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
  }

  uv_loop_t loop;
  tls::Context context;  // outlives the Host
  std::unique_ptr<uv::Host> host;
};

}  // namespace

int run_tls_echo_cpp(const TlsEchoOptions& options) {
  tls::test::SslContext own;
  if (options.own_context) own = tls::test::make_context(*options.own_context);
  auto service = Service::open({.name = "test", .version = "1", .lanes = options.lanes});
  std::vector<std::unique_ptr<Loop>> loops;
  for (std::uint32_t i = 0; i < options.lanes; ++i) {
    loops.push_back(std::make_unique<Loop>(i == 0 ? nullptr : loops[0].get(), service->lane(i),
                                           options, own ? own.get() : options.ssl));
  }
  if (options.lanes > 1) service->start();
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < options.lanes; ++i) {
    threads.emplace_back([&loop = *loops[i]] { (void)loop.run(); });
  }
  const int result = loops[0]->run();
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace handoff::test
