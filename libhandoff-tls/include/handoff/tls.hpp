// tls.hpp: TLS for services on uv.hpp. Header-only, over tls.h; link libhandoff-tls.
//
// A tls::Stream is a uv::Stream whose bytes are a TLS session's: on_plain() gets plaintext, write()
// takes it, close() says close_notify first. The session moves with the connection, beside the
// author's state, where no state step sees it. tls.h says what does not move, and is off.
//
//   struct Echo final : handoff::tls::Stream {
//     explicit Echo(handoff::tls::Context& c) : Stream(c) {}
//     std::size_t on_plain(std::string_view in) override { write(in); return in.size(); }
//     std::string save_plain() const override { return {}; }
//   };
//   handoff::tls::Context context(ssl_ctx, *service);
//   handoff::uv::Host host(uv_default_loop(), *service);
//   context.join(host);
//   host.listen("public", "tcp:127.0.0.1:7443", [&] { return std::make_unique<Echo>(context); },
//               [&](std::string_view state) { return std::make_unique<Echo>(context, state); });
//   host.start();
//   uv_run(uv_default_loop(), UV_RUN_DEFAULT);
//
// A session whose handshake is under way stays with its process, and moves when it is done. What it
// says behind its handshake is for the next process, which also gets on_secure(): in a late process
// the author hears nothing of it, unless it is held or independent. A service with several lanes
// has a Context for each, on its lane's Service and Host: those of the others are made of lane 0's.
// A release whose Streams are no tls::Streams refuses the sessions, as this one does those that
// have no TLS.
#ifndef HANDOFF_TLS_HPP
#define HANDOFF_TLS_HPP

#include <handoff/tls.h>

#include <cstdint>
#include <handoff/uv.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace handoff::tls {

struct ContextOptions {
  // A connection whose handshake takes longer than that is closed, from its accept on (or from
  // Host::connect()); 0: never.
  std::uint64_t handshake_ms = 10'000;
  // The blob (Service::blob()) by which the keys of session tickets move, so that clients resume
  // after an upgrade; "" leaves tickets to OpenSSL. Each Context of a Service needs a name of its
  // own.
  std::string tickets = "tls.tickets";
  std::uint32_t ticket_period_s = 0;  // see handoff_tls_tickets()
  // A connection with so much plaintext that on_plain() has seen and not consumed is closed, after
  // on_overflow(): no request may be longer. Host::max_input is of records, and is to be larger. 0
  // for 16 MiB.
  std::size_t max_plain = std::size_t{16} << 20;
};

// What the sessions of one Host share: an SSL_CTX, and whether this process may seal. Made before
// Host::start(). Must outlive the Host.
class Context {
 public:
  // ssl gets another reference, and is prepared: see handoff_tls_context_open(). Borrows service.
  // Throws handoff::Exception.
  Context(ssl_ctx_st* ssl, Service& service, const ContextOptions& options = {});
  // Of another lane, on the thread that has made first, that of lane 0: with its SSL_CTX, options
  // and ticket keys, so that a client resumes on whichever lane it comes to. Borrows lane. Throws
  // handoff::Exception.
  Context(Context& first, Service& lane);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  // Other certificates, for the handshakes from now on. Each lane takes an SSL_CTX of its own, on
  // its thread: see handoff_tls_context_use(). Throws handoff::Exception.
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
  void share_tickets(const ContextOptions& options);
  void own();

  Service& service_;
  std::uint64_t handshake_ms_;
  std::size_t max_plain_;
  bool owned_ = false;
  struct Close {
    void operator()(handoff_tls_context_t* p) const { handoff_tls_context_close(p); }
  };
  std::unique_ptr<handoff_tls_context_t, Close> context_;
};

// Makes a Stream the client of a server: for Host::connect(). name is of the server, see
// handoff_tls_connect(), or "".
struct Client {
  std::string name;
};

// How the peer's half has ended.
enum class End {
  kCloseNotify,  // as it should be
  kTruncated,    // without close_notify: somebody may have cut off the end
  kFailed,       // an alert, what is no TLS, or no handshake in time; why() says more
};

class Stream : public uv::Stream {
 public:
  // Plaintext. Before the handshake is over it waits.
  void write(std::string_view plain) final;
  // close_notify behind what was written, then as uv::Stream's.
  void close() final;
  // Likewise; before the handshake is over it waits, as what was written does.
  void end_output();
  void pause() final;
  void resume() final;
  // As uv::Stream's, by the author: the layer holds for itself, and one does not end the other's.
  void hold();
  void release();
  // The handshake is over.
  bool secure() const { return tls_ != nullptr && handoff_tls_established(tls_.get()) != 0; }
  // What is known of the session, also after a move. Valid until the session's next bytes.
  handoff_tls_info info() const;
  // What has failed, for a log; "" if nothing has.
  const char* why() const;

 protected:
  // New or restored, in the server's role; with a Client in the client's.
  explicit Stream(Context& context) : context_(context) {}
  Stream(Context& context, Client client)
      : context_(context), client_(std::make_unique<Client>(std::move(client))) {}

  // As uv::Stream::on_input() and save(), of plaintext. What on_plain() does not consume stays in
  // the session's input as it came, and takes its memory twice.
  virtual std::size_t on_plain(std::string_view plain) = 0;
  virtual std::string save_plain() const = 0;
  // A handshake begins: SSL_set_session(3), say. See handoff_tls_ssl().
  virtual void on_handshake(ssl_st* /*ssl*/) {}
  // The handshake is over: info() is known. Once for a session, in the process that serves it then:
  // after on_open(true) where the handshake has ended in a late one.
  virtual void on_secure() {}
  // close() follows.
  virtual void on_tls_end(End /*how*/) {}
  // In on_plain(): see uv::Stream::seen().
  std::size_t seen() const { return seen_; }
  // The client's role on a socket that is connected already (Host::adopt()): call it in on_open(),
  // where that is not of an adopted session.
  void shake_hands();

  std::size_t on_input(std::string_view input) final;
  void on_connected() final { shake_hands(); }
  void on_end() final;
  std::string save() const final { return save_plain(); }
  void begin_layer() final;
  std::string save_layer() const final;
  void restore_layer(std::string_view layer) final;
  void on_deadline() final;

 private:
  struct Free {
    void operator()(handoff_tls_t* p) const { handoff_tls_free(p); }
  };

  void hold_for_handshake();
  bool accept();
  bool start(int result, handoff_tls_t* made);
  bool ready();
  void flush();
  void begun();
  void leave();
  bool deliver();
  void end(End how);

  Context& context_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<handoff_tls_t, Free> tls_;
  std::string waiting_;            // written before the handshake was over
  std::string why_;                // what no session of tls.h can tell
  std::uint64_t deadline_ms_ = 0;  // of the handshake
  std::size_t delivered_ = 0;      // of the plaintext that waits, what on_plain() has had
  std::size_t seen_ = 0;
  bool unchecked_ = false;
  bool refused_ = false;  // its state was not the newest
  bool paused_ = false;
  bool resumed_ = false;  // since on_plain() was called
  bool over_ = false;     // the peer's half
  bool author_holds_ = false;
  bool layer_holds_ = false;
  bool ends_ = false;    // end_output() was called before the handshake was over
  bool leaves_ = false;  // secure, and on its way to the next process
  bool untold_ = false;  // secure, and on_secure() was not called
};

}  // namespace handoff::tls

#include <handoff/detail/tls_begin.hpp>
#include <handoff/detail/tls_context.hpp>
#include <handoff/detail/tls_stream.hpp>

#endif  // HANDOFF_TLS_HPP
