// How a tls::Context is made, and what the Contexts of several lanes share: the part of tls.hpp
// that its users need not read.
#ifndef HANDOFF_DETAIL_TLS_CONTEXT_HPP
#define HANDOFF_DETAIL_TLS_CONTEXT_HPP

#include <string.h>

#include <array>
#include <handoff/tls.hpp>

namespace handoff::tls {

inline Context::Context(ssl_ctx_st* ssl, Service& service, const ContextOptions& options)
    : service_(service),
      handshake_ms_(options.handshake_ms),
      max_plain_(options.max_plain > 0 ? options.max_plain : ContextOptions().max_plain) {
  const handoff_tls_options open{.size = sizeof open, .max_plain = max_plain_};
  handoff_tls_context_t* made = nullptr;
  const int result = handoff_tls_context_open(&made, ssl, &open);
  if (result != 0) throw Exception(result, "a TLS context can't be made of this SSL_CTX");
  context_.reset(made);
  if (!options.tickets.empty()) share_tickets(options);
}

inline Context::Context(Context& first, Service& lane)
    : service_(lane), handshake_ms_(first.handshake_ms_), max_plain_(first.max_plain_) {
  handoff_tls_context_t* made = nullptr;
  const int result = handoff_tls_context_lane(&made, first.get());
  if (result != 0) throw Exception(result, "a TLS context can't be made for another lane");
  context_.reset(made);
}

inline void Context::share_tickets(const ContextOptions& options) {
  int result = handoff_tls_tickets(context_.get(), options.ticket_period_s);
  if (result != 0) throw Exception(result, handoff_tls_context_error(context_.get()));
  if (service_.index() != 0) return;
  const auto save = [](void* user, handoff_buffer_t* out) {
    std::array<unsigned char, HANDOFF_TLS_TICKETS_MAX> keys;
    const ssize_t size = handoff_tls_save_tickets(static_cast<handoff_tls_context_t*>(user),
                                                  keys.data(), keys.size());
    if (size < 0) return static_cast<int>(size);
    const int appended = handoff_buffer_append(out, keys.data(), static_cast<std::size_t>(size));
    ::explicit_bzero(keys.data(), keys.size());
    return appended;
  };
  const auto load = [](void* user, const void* keys, std::size_t size) {
    return handoff_tls_load_tickets(static_cast<handoff_tls_context_t*>(user), keys, size);
  };
  result = handoff_blob(service_.raw(), options.tickets.c_str(), save, load, context_.get());
  if (result == HANDOFF_ERR_DUPLICATE) {
    throw Exception(
        result,
        "another Context, or a section, has the name of this one's ticket keys: give it "
        "another (ContextOptions::tickets)");
  }
  if (result < 0) throw Exception(result, handoff_last_error(service_.raw()));
}

// A session acts for the first time. A Host asks Streams for nothing before it owns them, and some
// in Host::start().
inline void Context::own() {
  const State state = service_.state();
  const bool owns = state == State::kOwner || state == State::kDonor || state == State::kLate;
  if (owned_ || !owns) return;
  owned_ = handoff_tls_own(context_.get()) == 0;
}

}  // namespace handoff::tls

#endif  // HANDOFF_DETAIL_TLS_CONTEXT_HPP
