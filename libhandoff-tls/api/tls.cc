// The C face: contexts, handshakes, plaintext in and out. api/moving.cc has what moves a session.
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "libhandoff-tls/api/run.h"
#include "libhandoff-tls/api/session.h"
#include "libhandoff-tls/handshake/prepare.h"
#include "libhandoff-tls/handshake/tickets.h"
#include "libhandoff-tls/sys/openssl_memory.h"

using namespace handoff::tls;
using handoff::Failure;
using handoff::Result;
using handoff::tls::api::alert_words;
using handoff::tls::api::may_not;
using handoff::tls::api::run;

handoff_tls_context::~handoff_tls_context() { SSL_CTX_free(ssl); }

namespace {

Result<void> use(handoff_tls_context& c, SSL_CTX* ssl) {
  if (const auto ok = prepare(ssl); !ok) return ok;
  if (c.tickets != nullptr) {
    if (const auto ok = take_tickets(ssl); !ok) return ok;
  }
  SSL_CTX_up_ref(ssl);
  SSL_CTX_free(std::exchange(c.ssl, ssl));
  return {};
}

// The handshake's part of what came in, and how much of it that was.
Result<std::size_t> shake_hands(handoff_tls& t, std::string_view input) {
  const std::size_t before = t.out.size();
  std::size_t consumed = 0;
  const Result<bool> done = t.handshake->advance(input, consumed, t.out);
  t.record->position().advance(t.out.size() - before);
  if (!done) return Failure(done.error());
  if (*done) {
    const auto finished = t.handshake->finish(*t.record, t.info);
    if (!finished) return Failure(finished.error());
    t.handshake.reset();
  }
  return consumed;
}

// How much at the front of input is done with.
Result<std::size_t> open_records(handoff_tls& t, std::string_view input) {
  if (!t.record->may_act()) return may_not(t);
  if (t.record->failed()) return handoff::fail(HANDOFF_ERR_PROTOCOL, alert_words(*t.record));
  Unread& unread = t.record->unread();
  const std::size_t known = unread.done() + unread.size();
  if (input.size() < known) {
    return handoff::fail(-EINVAL, "handoff_tls_feed() gets " + std::to_string(input.size()) +
                                      " bytes, and " + std::to_string(known) +
                                      " are not consumed: give again what it has not consumed, "
                                      "also after a move");
  }
  std::string_view rest = input.substr(known);
  while (t.plain.size() < t.context.max_plain) {
    std::size_t consumed = 0;
    const Record::Opened opened = t.record->open(rest, consumed, t.plain, t.out);
    rest.remove_prefix(consumed);
    if (opened == Record::Opened::kRecord) continue;
    if (opened == Record::Opened::kMore) break;
    if (opened == Record::Opened::kFailed) {
      return handoff::fail(HANDOFF_ERR_PROTOCOL, alert_words(*t.record));
    }
    if (!unread.empty()) break;
    (void)unread.take_done();
    return input.size();  // behind close_notify nothing means anything
  }
  return unread.take_done();
}

Result<std::size_t> feed(handoff_tls& t, std::string_view input) {
  if (t.over) return Failure(*t.over);
  std::size_t shaken = 0;
  if (t.handshake != nullptr) {
    if (!t.record->is_ours()) return may_not(t);
    // An exception has left it half done.
    if (t.record->failed()) return handoff::fail(HANDOFF_ERR_PROTOCOL, alert_words(*t.record));
    const auto consumed = shake_hands(t, input);
    if (!consumed) {
      t.over = consumed.error();
      return consumed;
    }
    if (t.handshake != nullptr) return consumed;
    shaken = *consumed;
    input.remove_prefix(shaken);
  }
  const auto opened = open_records(t, input);
  // The handshake's part is consumed, and what follows is for whoever may open it.
  if (!opened && opened.error().code == HANDOFF_ERR_ORDER && shaken > 0) return shaken;
  if (!opened) return opened;
  return shaken + *opened;
}

int make_session(handoff_tls_t** out, handoff_tls_context_t* c, Role role, const char* server_name,
                 std::uint64_t written) {
  return api::make(out, c, [&](std::unique_ptr<handoff_tls>& t) -> Result<void> {
    if (!t->record->is_ours()) return may_not(*t);
    t->record->position().bind(written);
    auto handshake = Handshake::make(c->ssl, role, server_name);
    if (!handshake) return Failure(handshake.error());
    t->handshake = std::move(*handshake);
    if (c->tickets == nullptr) return {};
    return use_ticket_keys(t->handshake->ssl(), c->tickets.get());
  });
}

}  // namespace

extern "C" {

int handoff_tls_prepare(SSL_CTX* ssl) {
  if (ssl == nullptr) return -EINVAL;
  std::string error;
  return run(error, [&] { return prepare(ssl); });
}

int handoff_tls_context_open(handoff_tls_context_t** out, SSL_CTX* ssl,
                             const struct handoff_tls_options* options) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  constexpr std::size_t kSmallest = offsetof(handoff_tls_options, max_plain) + sizeof(std::size_t);
  if (ssl == nullptr || (options != nullptr && options->size < kSmallest)) return -EINVAL;
  std::string error;
  return run(error, [&]() -> Result<void> {
    auto context = std::make_unique<handoff_tls_context>();
    if (const auto ok = use(*context, ssl); !ok) return ok;
    if (options != nullptr && options->max_plain > 0) context->max_plain = options->max_plain;
    *out = context.release();
    return {};
  });
}

int handoff_tls_context_lane(handoff_tls_context_t** out, handoff_tls_context_t* first) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  if (first == nullptr) return -EINVAL;
  return run(first->error, [&]() -> Result<void> {
    auto context = std::make_unique<handoff_tls_context>();
    SSL_CTX_up_ref(first->ssl);
    context->ssl = first->ssl;
    context->tickets = first->tickets;
    context->max_plain = first->max_plain;
    *out = context.release();
    return {};
  });
}

void handoff_tls_context_close(handoff_tls_context_t* c) { delete c; }

int handoff_tls_context_use(handoff_tls_context_t* c, SSL_CTX* ssl) {
  if (c == nullptr || ssl == nullptr) return -EINVAL;
  return run(c->error, [&] { return use(*c, ssl); });
}

const char* handoff_tls_context_error(const handoff_tls_context_t* c) {
  return c == nullptr ? "" : c->error.c_str();
}

int handoff_tls_own(handoff_tls_context_t* c) {
  if (c == nullptr) return -EINVAL;
  return c->gate->own() ? 0 : HANDOFF_ERR_ORDER;
}

int handoff_tls_freeze(handoff_tls_context_t* c) {
  if (c == nullptr) return -EINVAL;
  return c->gate->freeze() ? 0 : HANDOFF_ERR_ORDER;
}

int handoff_tls_thaw(handoff_tls_context_t* c) {
  if (c == nullptr) return -EINVAL;
  return c->gate->thaw() ? 0 : HANDOFF_ERR_ORDER;
}

int handoff_tls_wipes_openssl(void) { return openssl_wipes() ? 1 : 0; }

void handoff_tls_key_memory(size_t* bytes, size_t* unlocked) {
  if (bytes != nullptr) *bytes = Arena::instance().mapped();
  if (unlocked != nullptr) *unlocked = Arena::instance().unlocked();
}

int handoff_tls_accept(handoff_tls_t** out, handoff_tls_context_t* c, uint64_t written) {
  return make_session(out, c, Role::kServer, nullptr, written);
}

int handoff_tls_connect(handoff_tls_t** out, handoff_tls_context_t* c, const char* server_name,
                        uint64_t written) {
  return make_session(out, c, Role::kClient, server_name, written);
}

void handoff_tls_free(handoff_tls_t* t) { delete t; }

const char* handoff_tls_error(const handoff_tls_t* t) {
  return t == nullptr ? "" : t->error.c_str();
}

SSL* handoff_tls_ssl(const handoff_tls_t* t) {
  return t == nullptr || t->handshake == nullptr ? nullptr : t->handshake->ssl();
}

ssize_t handoff_tls_feed(handoff_tls_t* t, const void* data, size_t length) {
  if (t == nullptr || (data == nullptr && length > 0)) return -EINVAL;
  ssize_t consumed = 0;
  const int result = api::run(*t, [&]() -> Result<void> {
    const auto fed = feed(*t, {static_cast<const char*>(data), length});
    if (!fed) return Failure(fed.error());
    consumed = static_cast<ssize_t>(*fed);
    return {};
  });
  return result == 0 ? consumed : result;
}

size_t handoff_tls_plain(const handoff_tls_t* t, const char** data) {
  if (t == nullptr || data == nullptr) return 0;
  *data = t->plain.view().data();
  return t->plain.size();
}

int handoff_tls_consume(handoff_tls_t* t, size_t n) {
  if (t == nullptr || n > t->plain.size()) return -EINVAL;
  return api::run(*t, [&]() -> Result<void> {
    t->plain.consume(n);
    t->record->consume(n);
    return {};
  });
}

int handoff_tls_write(handoff_tls_t* t, const void* data, size_t length) {
  if (t == nullptr || (data == nullptr && length > 0)) return -EINVAL;
  return api::seal(*t, [&] {
    return t->record->seal({static_cast<const char*>(data), length}, t->out);
  });
}

size_t handoff_tls_out(const handoff_tls_t* t, const char** data) {
  if (t == nullptr || data == nullptr) return 0;
  *data = t->out.view().data();
  return t->out.size();
}

int handoff_tls_sent(handoff_tls_t* t, size_t n) {
  if (t == nullptr || n > t->out.size()) return -EINVAL;
  t->out.consume(n);
  return 0;
}

int handoff_tls_established(const handoff_tls_t* t) {
  return t != nullptr && t->record->begun() ? 1 : 0;
}

int handoff_tls_shutdown(handoff_tls_t* t) {
  if (t == nullptr) return -EINVAL;
  return api::seal(*t, [&] { return t->record->close(t->out); });
}

int handoff_tls_eof(handoff_tls_t* t) {
  if (t == nullptr) return -EINVAL;
  if (t->record->read_closed()) return 0;
  t->error = "the connection has ended without close_notify: what the peer has sent may be cut off";
  return HANDOFF_ERR_PROTOCOL;
}

int handoff_tls_update_key(handoff_tls_t* t, int ask) {
  if (t == nullptr) return -EINVAL;
  const Suite* const suite = t->record->suite();
  if (suite != nullptr && suite->version != Version::kTls13) return -ENOTSUP;
  return api::seal(*t, [&] { return t->record->update_key(ask != 0, t->out); });
}

int handoff_tls_get_info(const handoff_tls_t* t, struct handoff_tls_info* info) {
  if (t == nullptr || info == nullptr || info->size < sizeof *info) return -EINVAL;
  const Record& record = *t->record;
  const auto number = [](std::optional<Alert> alert) {
    return alert ? static_cast<int>(*alert) : -1;
  };
  *info = {.size = info->size,
           .alert_in = number(record.alert_received()),
           .alert_out = number(record.alert_sent()),
           .alpn = t->info.alpn.data(),
           .alpn_length = t->info.alpn.size(),
           .server_name = t->info.server_name.data(),
           .server_name_length = t->info.server_name.size(),
           .peer_certificate = t->info.peer_certificate.data(),
           .peer_certificate_length = t->info.peer_certificate.size(),
           .peer_subject = t->info.peer_subject.data(),
           .peer_subject_length = t->info.peer_subject.size(),
           .peer_digest = t->info.peer_digest.empty() ? nullptr : t->info.peer_digest.data()};
  if (record.begun()) {
    info->version = record.suite()->version == Version::kTls13 ? 0x0304 : 0x0303;
    info->suite = record.suite()->id;
    info->records_read = record.reading().sequence;
    info->records_written = record.writing().sequence;
    info->keys_read = record.reading().generation;
    info->keys_written = record.writing().generation;
  }
  return 0;
}

int handoff_tls_take_ticket(handoff_tls_t* t, struct handoff_tls_ticket* out) {
  if (t == nullptr || out == nullptr || out->size < sizeof *out) return -EINVAL;
  t->ticket = t->record->take_ticket();
  if (!t->ticket) return 0;
  *out = {.size = out->size,
          .lifetime_s = t->ticket->lifetime_s,
          .age_add = t->ticket->age_add,
          .nonce = t->ticket->nonce.data(),
          .nonce_length = t->ticket->nonce.size(),
          .ticket = t->ticket->ticket.data(),
          .ticket_length = t->ticket->ticket.size()};
  return 1;
}

}  // extern "C"
