// tls.hpp: TLS for services on uv.hpp. Header-only, over tls.h; link libhandoff-tls.
//
// A tls::Stream is a uv::Stream whose bytes are a TLS session's: on_plain() gets plaintext, write()
// takes it, close() says close_notify first. The session moves with the connection. tls.h says what
// does not move, and is off.
//
//   struct Echo final : handoff::tls::Stream {
//     explicit Echo(handoff::tls::Context& c) : Stream(c) {}
//     Echo(handoff::tls::Context& c, handoff::tls::Saved saved) : Stream(c, saved) {}
//     std::size_t on_plain(std::string_view in) override { write(in); return in.size(); }
//     std::string save_plain() const override { return {}; }
//   };
//   handoff::tls::Context context(ssl_ctx, *service);
//   context.join(host);
//   host.listen("public", "tcp:127.0.0.1:7443", [&] { return std::make_unique<Echo>(context); },
//               [&](std::string_view state) {
//                 return std::make_unique<Echo>(context, handoff::tls::Saved(state));
//               });
//   host.start();
//   uv_run(uv_default_loop(), UV_RUN_DEFAULT);
//
// A session whose handshake is under way stays with its process, and moves when it is done
// (hold()). A service with several lanes has a Context for each, on its lane's Service and Host.
//
// For now the TLS state stands in front of the author's in what save() gives. A state step
// (Service::state_step()) sees both: let it convert Saved(state).state, and put front() of the
// other before it. The library does not wipe its copies of them.
#ifndef HANDOFF_TLS_HPP
#define HANDOFF_TLS_HPP

#include <handoff/tls.h>

#include <cstdint>
#include <cstring>
#include <handoff/uv.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace handoff::tls {

// What the sessions of one Host share: an SSL_CTX, and whether this process may seal. Must outlive
// the Host.
class Context {
 public:
  // ssl gets another reference, and is prepared: see handoff_tls_context_open(). Borrows service.
  // Throws handoff::Exception.
  Context(ssl_ctx_st* ssl, Service& service) : service_(service) {
    // As much as uv::Host::max_input: a request may be larger than what is opened at once.
    const handoff_tls_options options{.size = sizeof options, .max_plain = std::size_t{16} << 20};
    handoff_tls_context_t* made = nullptr;
    const int result = handoff_tls_context_open(&made, ssl, &options);
    if (result != 0) throw Exception(result, "a TLS context can't be made of this SSL_CTX");
    context_.reset(made);
  }
  // Other certificates, for the handshakes from now on. Throws handoff::Exception.
  void use(ssl_ctx_st* ssl) {
    const int result = handoff_tls_context_use(context_.get(), ssl);
    if (result != 0) throw Exception(result, handoff_tls_context_error(context_.get()));
  }
  // In the callbacks of that name; thaw() also where sessions stay (Host::on_late()).
  void freeze() { handoff_tls_freeze(context_.get()); }
  void thaw() { handoff_tls_thaw(context_.get()); }
  // Takes on_freeze(), on_thaw() and on_late(). A service that has its own calls the two itself.
  void join(uv::Host& host) {
    service_.on_freeze([this] { freeze(); });
    service_.on_thaw([this] { thaw(); });
    host.on_late([this](std::uint64_t) { thaw(); });
  }
  handoff_tls_context_t* get() const { return context_.get(); }

 private:
  friend class Stream;
  // A session acts for the first time. A Host asks Streams for nothing before it owns them, and
  // some in Host::start().
  void own() {
    const State state = service_.state();
    const bool owns = state == State::kOwner || state == State::kDonor || state == State::kLate;
    if (owned_ || !owns) return;
    owned_ = handoff_tls_own(context_.get()) == 0;
  }

  Service& service_;
  bool owned_ = false;
  struct Close {
    void operator()(handoff_tls_context_t* p) const { handoff_tls_context_close(p); }
  };
  std::unique_ptr<handoff_tls_context_t, Close> context_;
};

// What save() of a tls::Stream gave, in its two parts. Borrows the bytes. Throws
// std::invalid_argument for what can be none.
struct Saved {
  explicit Saved(std::string_view bytes) {
    std::uint32_t size = 0;
    if (bytes.size() < kHeader) throw std::invalid_argument("a TLS session's state is cut");
    std::memcpy(&size, bytes.data() + 1, sizeof size);  // both processes are on one host
    if (bytes.size() - kHeader < size || (bytes[0] != kWaiting && bytes[0] != kSession)) {
      throw std::invalid_argument("a TLS session's state is cut");
    }
    begun = bytes[0] == kSession;
    layer = bytes.substr(kHeader, size);
    state = bytes.substr(kHeader + size);
  }
  // The TLS part, as it stands before the author's.
  std::string front() const { return front(begun, layer.size()).append(layer); }
  static std::string front(bool begun, std::size_t size) {
    const auto length = static_cast<std::uint32_t>(size);
    std::string out(kHeader, begun ? kSession : kWaiting);
    std::memcpy(out.data() + 1, &length, sizeof length);
    return out;
  }

  bool begun = false;      // else layer is plaintext that waits for the handshake
  std::string_view layer;  // keys: wipe what you copy of it
  std::string_view state;  // what save_plain() gave

 private:
  static constexpr std::size_t kHeader = 5;
  static constexpr char kWaiting = 0;
  static constexpr char kSession = 1;
};

// How the peer's half has ended.
enum class End {
  kCloseNotify,  // as it should be
  kTruncated,    // without close_notify: somebody may have cut off the end
  kFailed,       // an alert, or what is no TLS; why() says more
};

class Stream : public uv::Stream {
 public:
  // Plaintext. Before the handshake is over it waits.
  void write(std::string_view plain) final;
  // close_notify behind what was written, then as uv::Stream's.
  void close() final;
  void pause() final;
  void resume() final;
  // The handshake is over.
  bool secure() const { return tls_ != nullptr && handoff_tls_established(tls_.get()) != 0; }
  // What is known of the session, also after a move. Valid until the session's next bytes.
  handoff_tls_info info() const;
  // What has failed, for a log; "" if nothing has.
  const char* why() const { return tls_ != nullptr ? handoff_tls_error(tls_.get()) : ""; }

 protected:
  explicit Stream(Context& context) : context_(context) {}
  // Restored. Throws handoff::Exception for a state that is wrong.
  Stream(Context& context, const Saved& saved);

  // As uv::Stream::on_input() and save(), of plaintext.
  virtual std::size_t on_plain(std::string_view plain) = 0;
  virtual std::string save_plain() const = 0;
  // The handshake is over: info() is known. Not called after a move.
  virtual void on_secure() {}
  // close() follows.
  virtual void on_tls_end(End /*how*/) {}
  // In on_plain(): see uv::Stream::seen().
  std::size_t seen() const { return seen_; }

  std::size_t on_input(std::string_view input) final;
  void on_end() final;
  std::string save() const final;

 private:
  struct Free {
    void operator()(handoff_tls_t* p) const { handoff_tls_free(p); }
  };

  bool accept();
  bool ready();
  void flush();
  void deliver();
  void end(End how);

  Context& context_;
  std::unique_ptr<handoff_tls_t, Free> tls_;
  std::string waiting_;        // written before the handshake was over
  std::size_t delivered_ = 0;  // of the plaintext that waits, what on_plain() has had
  std::size_t seen_ = 0;
  bool unchecked_ = false;
  bool refused_ = false;  // its state was not the newest
  bool paused_ = false;
  bool delivering_ = false;  // on_plain() is being called
  bool again_ = false;       // and shall be called once more
  bool over_ = false;        // the peer's half
};

}  // namespace handoff::tls

#include <handoff/detail/tls_stream.hpp>

#endif  // HANDOFF_TLS_HPP
