/* tls_poll.h: TLS for services on poll.h. Header-only, over tls.h; link libhandoff-tls.
 *
 * A layer before the connections of a listener: the author's input() gets plaintext,
 * handoff_conn_write() takes it, handoff_conn_close() and a stop say close_notify first. The
 * session moves with the connection, to a release on tls.hpp as well.
 *
 *   static struct handoff_tls_poll tls;
 *   handoff_poll_open(&p, h, NULL);
 *   handoff_poll_listen(p, "public", "tcp:127.0.0.1:7443", &ops, NULL);
 *   handoff_tls_poll_open(&tls, p, ssl_ctx, NULL);
 *   handoff_tls_poll_use(&tls, "public");
 *   result = handoff_poll_run(p);
 *   handoff_poll_close(p);
 *   handoff_tls_poll_close(&tls);
 *
 * On asio.hpp it is the same, with Host::kit() for p, between Host::listen() and Host::start().
 *
 * What a connection says behind a handshake that ends in a late process is for the next one, which
 * also calls secure(): here its author hears nothing of it, unless it is held or independent.
 * handoff_conn_end_output() waits for a handshake, as what was written does.
 *
 * A service with several lanes has a layer for each kit: those of the others are made of lane 0's
 * (handoff_tls_poll_lane()). Results are as in handoff.h. handoff_tls_poll_session() is NULL where
 * a connection has no session yet.
 */
#ifndef HANDOFF_TLS_POLL_H
#define HANDOFF_TLS_POLL_H

#include <errno.h>
#include <handoff/detail/tls_layer.h>
#include <handoff/poll.h>
#include <handoff/tls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct handoff_tls_poll_options {
  /* A connection whose handshake takes longer than that is closed. 0 for 10 s. */
  uint64_t handshake_ms;
  /* The name of the blob by which ticket keys move; NULL for "tls.tickets". */
  const char* tickets;
  /* The handshake is over: handoff_tls_get_info() tells of the session. Once for a session, in the
   * process that serves it then: after adopted() where the handshake has ended in a late one. NULL
   * if nobody wants to know, as the next. */
  void (*secure)(handoff_conn_t* c, handoff_tls_t* session);
  /* The session has failed, and c is closed next: an alert, what is no TLS, no handshake in time,
   * an end without close_notify, which may be a cut. */
  void (*failed)(handoff_conn_t* c, const char* why);
  /* A connection with so much plaintext that input() has seen and not consumed is closed: no
   * request may be longer. 0 for 16 MiB. handoff_poll_options.max_input is of records, and is to be
   * larger by 17 KiB at least: a record that is not whole counts, too. */
  size_t max_plain;
};

struct handoff_tls_poll { /* its members are its own */
  handoff_tls_context_t* context;
  handoff_poll_t* kit;
  struct handoff_tls_poll_options options;
  int owns;
};

struct handoff_tls_conn { /* a connection's */
  handoff_conn_t* of;
  handoff_tls_t* session;
  char* waiting; /* plaintext, until the handshake is over */
  size_t waiting_length;
  uint64_t deadline_ms, timer;
  size_t delivered;             /* of the plaintext that waits, what input() has had */
  int unchecked, refused, told; /* told: of an end without close_notify */
  int ends;                     /* its output is to end once the handshake is over */
  int leaves; /* the handshake is over, and the connection on its way to the next process */
  int untold; /* the handshake is over, and secure() was not called */
};

#include <handoff/detail/tls_poll_layer.h>

/* Makes *out a TLS layer for p, before the start; ssl as in handoff_tls_context_open(). options is
 * copied, and may be NULL. To be given to handoff_tls_poll_close(). */
static inline int handoff_tls_poll_open(struct handoff_tls_poll* out, handoff_poll_t* p,
                                        struct ssl_ctx_st* ssl,
                                        const struct handoff_tls_poll_options* options) {
  struct handoff_tls_options open;
  int result;
  memset(out, 0, sizeof *out);
  memset(&open, 0, sizeof open);
  open.size = sizeof open;
  out->kit = p;
  if (options != NULL) out->options = *options;
  if (out->options.max_plain == 0) out->options.max_plain = (size_t)16 << 20;
  open.max_plain = out->options.max_plain;
  if (out->options.handshake_ms == 0) out->options.handshake_ms = 10000;
  if (out->options.tickets == NULL) out->options.tickets = "tls.tickets";
  result = handoff_tls_context_open(&out->context, ssl, &open);
  if (result == 0) result = handoff_tls_tickets(out->context, 0);
  if (result == 0) {
    result = handoff_blob(handoff_poll_service(p), out->options.tickets,
                          handoff_tls_poll_keys_save_, handoff_tls_poll_keys_load_, out->context);
  }
  if (result < 0) {
    handoff_tls_context_close(out->context);
    out->context = NULL;
  }
  return result;
}

/* Makes *out a TLS layer for p, the kit of another lane, before the start and on the thread that
 * has made first, which is lane 0's: with its SSL_CTX, options and ticket keys, so that a client
 * resumes on whichever lane it comes to. To be given to handoff_tls_poll_close(), in any order.
 * Errors of handoff_tls_context_lane(). */
static inline int handoff_tls_poll_lane(struct handoff_tls_poll* out, handoff_poll_t* p,
                                        const struct handoff_tls_poll* first) {
  memset(out, 0, sizeof *out);
  out->kit = p;
  out->options = first->options;
  return handoff_tls_context_lane(&out->context, first->context);
}

/* Before the start: connections of that listener, or of that kind of handoff_poll_outgoing(), which
 * was declared before, speak TLS; those of an outgoing kind in the client's role, without a name
 * that is demanded (set one by SSL_set1_host(3) in an SSL_CTX's callback, or verify in secure()).
 */
static inline int handoff_tls_poll_use(struct handoff_tls_poll* t, const char* name) {
  struct handoff_conn_layer layer;
  memset(&layer, 0, sizeof layer);
  layer.size = sizeof layer;
  layer.begin = handoff_tls_poll_begin_;
  layer.connected = handoff_tls_poll_connected_;
  layer.input = handoff_tls_poll_input_;
  layer.write = handoff_tls_poll_write_;
  layer.closing = handoff_tls_poll_closing_;
  layer.ending = handoff_tls_poll_ending_;
  layer.save = handoff_tls_poll_save_;
  layer.restore = handoff_tls_poll_restore_;
  layer.destroy = handoff_tls_poll_destroy_;
  layer.freeze = handoff_tls_poll_freeze_;
  layer.thaw = handoff_tls_poll_thaw_;
  return handoff_poll_layer(t->kit, name, &layer, t);
}

/* After handoff_poll_close(). */
static inline void handoff_tls_poll_close(struct handoff_tls_poll* t) {
  handoff_tls_context_close(t->context);
  t->context = NULL;
}

/* The connection's session, for handoff_tls_get_info(); NULL if it has none (yet). */
static inline handoff_tls_t* handoff_tls_poll_session(const handoff_conn_t* c) {
  const struct handoff_tls_conn* const own = (struct handoff_tls_conn*)handoff_conn_layer_user(c);
  return own == NULL ? NULL : own->session;
}

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_TLS_POLL_H */
