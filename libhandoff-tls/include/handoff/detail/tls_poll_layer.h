/* How tls_poll.h feeds the sessions of a kit's connections: the part that its users need not read.
 * Included by it alone. */
#ifndef HANDOFF_DETAIL_TLS_POLL_LAYER_H
#define HANDOFF_DETAIL_TLS_POLL_LAYER_H

#include <handoff/detail/tls_poll_begin.h>
#include <handoff/detail/tls_poll_move.h>

/* Whether the author has consumed some of what waits. */
static inline int handoff_tls_poll_deliver_(handoff_conn_t* c, struct handoff_tls_conn* own) {
  const char* data = NULL;
  const size_t size = handoff_tls_plain(own->session, &data);
  size_t used;
  if (size <= own->delivered || handoff_conn_paused(c) || handoff_conn_closing(c)) return 0;
  used = handoff_conn_deliver(c, data, size, own->delivered);
  handoff_tls_consume(own->session, used);
  own->delivered = handoff_conn_paused(c) ? 0 : size - used; /* it may have left whole requests */
  return used > 0;
}

static inline size_t handoff_tls_poll_input_(handoff_conn_t* c, const char* data, size_t length) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  struct handoff_tls_info info;
  size_t used = 0;
  int more = 1;
  const char* plain = NULL;
  if (own == NULL || (own->session == NULL && !handoff_tls_poll_start_(c, 0)) ||
      !handoff_tls_poll_ready_(c)) {
    if (own == NULL) handoff_conn_close(c);
    return length;
  }
  if (own->leaves) return 0;
  if (own->untold) handoff_tls_poll_tell_(c);
  if (handoff_conn_seen(c) == 0) own->delivered = 0; /* after a pause, too */
  while (more) {
    const int was_secure = handoff_tls_established(own->session);
    const ssize_t fed = handoff_tls_feed(own->session, data + used, length - used);
    const int is_secure = handoff_tls_established(own->session);
    handoff_tls_poll_flush_(c, own->session);
    if (!was_secure && is_secure) handoff_tls_poll_begun_(c);
    more = is_secure && !own->leaves && handoff_tls_poll_deliver_(c, own);
    if (fed < 0) {
      handoff_tls_poll_fail_(c, handoff_tls_error(own->session));
      return length;
    }
    used += (size_t)fed;
  }
  if (!handoff_tls_established(own->session) || own->leaves) return used;
  if (own->delivered >= handoff_tls_poll_of_(c)->options.max_plain && !handoff_conn_closing(c)) {
    if (handoff_tls_poll_of_(c)->options.failed != NULL) {
      handoff_tls_poll_of_(c)->options.failed(c, "more plaintext waits than max_plain lets");
    }
    handoff_conn_close(c); /* nothing more would ever be opened */
    return length;
  }
  memset(&info, 0, sizeof info);
  info.size = sizeof info;
  handoff_tls_get_info(own->session, &info);
  /* close_notify: the end, once what a pause has kept was looked at */
  if (info.alert_in != 0) return used;
  if (handoff_conn_paused(c) && handoff_tls_plain(own->session, &plain) > 0) return used;
  handoff_conn_close(c);
  return length;
}

static inline int handoff_tls_poll_write_(handoff_conn_t* c, const void* data, size_t length) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  const char* const bytes = (const char*)data;
  size_t done = 0;
  int result = 0;
  if (own == NULL || own->ends) return -EPIPE;
  if (!handoff_tls_established(own->session)) {
    char* const more = (char*)realloc(own->waiting, own->waiting_length + length);
    if (more == NULL) return -ENOMEM;
    memcpy(more + own->waiting_length, data, length);
    own->waiting = more;
    own->waiting_length += length;
    handoff_conn_touch(c);
    return own->waiting_length > HANDOFF_TLS_MAX_WAITING ? handoff_conn_layer_hold(c) : 0;
  }
  if (!handoff_tls_poll_ready_(c)) return -EPIPE;
  while (done < length && result == 0) {
    const size_t left = length - done;
    const size_t some = left < HANDOFF_TLS_SEALED_AT_ONCE ? left : HANDOFF_TLS_SEALED_AT_ONCE;
    result = handoff_tls_write(own->session, bytes + done, some);
    handoff_tls_poll_flush_(c, own->session); /* also what was sealed before it failed */
    done += some;
  }
  return result;
}

static inline void handoff_tls_poll_closing_(handoff_conn_t* c, int ended) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  struct handoff_tls_poll* const t = handoff_tls_poll_of_(c);
  if (ended && own != NULL && !own->refused && !own->told && t->options.failed != NULL &&
      own->session != NULL && handoff_tls_eof(own->session) != 0) {
    own->told = 1; /* failed() may close, and come here again */
    t->options.failed(c, handoff_tls_error(own->session));
  }
  if (own == NULL || !handoff_tls_established(own->session) || !handoff_tls_poll_ready_(c)) return;
  if (handoff_tls_shutdown(own->session) == 0) handoff_tls_poll_flush_(c, own->session);
}

/* A FIN before the handshake is over would leave its messages unsaid. */
static inline int handoff_tls_poll_ending_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  if (own == NULL || handoff_tls_established(own->session)) return 0;
  own->ends = 1;
  handoff_conn_layer_hold(c);
  return 1;
}

#endif /* HANDOFF_DETAIL_TLS_POLL_LAYER_H */
