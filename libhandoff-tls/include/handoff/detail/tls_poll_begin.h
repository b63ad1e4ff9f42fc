/* From the begin of a connection to secure(): a handshake with its hold and its deadline. The part
 * of tls_poll.h that its users need not read. Included by it alone. */
#ifndef HANDOFF_DETAIL_TLS_POLL_BEGIN_H
#define HANDOFF_DETAIL_TLS_POLL_BEGIN_H

static inline uint64_t handoff_tls_poll_now_ms_(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline struct handoff_tls_conn* handoff_tls_poll_own_(const handoff_conn_t* c) {
  return (struct handoff_tls_conn*)handoff_conn_layer_user(c);
}

static inline struct handoff_tls_poll* handoff_tls_poll_of_(const handoff_conn_t* c) {
  return (struct handoff_tls_poll*)handoff_conn_layer_context(c);
}

/* A session acts for the first time. */
static inline void handoff_tls_poll_owns_(struct handoff_tls_poll* t) {
  const int state = handoff_state(handoff_poll_service(t->kit));
  if (t->owns || (state != HANDOFF_STATE_OWNER && state != HANDOFF_STATE_DONOR &&
                  state != HANDOFF_STATE_LATE)) {
    return;
  }
  t->owns = handoff_tls_own(t->context) == 0;
}

static inline void handoff_tls_poll_fail_(handoff_conn_t* c, const char* why) {
  struct handoff_tls_poll* const t = handoff_tls_poll_of_(c);
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  if (handoff_conn_closing(c)) return;
  if (own != NULL) own->refused = 1;
  if (t->options.failed != NULL) t->options.failed(c, why);
  handoff_conn_close(c);
}

static inline void handoff_tls_poll_late_(void* user) {
  struct handoff_tls_conn* const own = (struct handoff_tls_conn*)user;
  own->timer = 0;
  if (own->leaves) {
    handoff_tls_poll_fail_(own->of, "a TLS session was not taken by the newer process in time");
  } else if (!handoff_tls_established(own->session)) {
    handoff_tls_poll_fail_(own->of, "no TLS handshake within its time");
  }
}

static inline void handoff_tls_poll_set_deadline_(struct handoff_tls_conn* own, uint64_t at_ms) {
  handoff_poll_t* const kit = handoff_conn_poll(own->of);
  const uint64_t now_ms = handoff_tls_poll_now_ms_();
  if (own->timer != 0) handoff_poll_cancel(kit, own->timer);
  own->timer = 0;
  own->deadline_ms = at_ms;
  if (at_ms == 0) return;
  own->timer =
      handoff_poll_after(kit, at_ms > now_ms ? at_ms - now_ms : 0, handoff_tls_poll_late_, own);
}

static inline struct handoff_tls_conn* handoff_tls_poll_make_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = (struct handoff_tls_conn*)calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  own->of = c;
  handoff_conn_set_layer_user(c, own);
  return own;
}

static inline void handoff_tls_poll_begin_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = handoff_tls_poll_make_(c);
  if (own == NULL) return; /* input() ends it */
  handoff_tls_poll_set_deadline_(
      own, handoff_tls_poll_now_ms_() + handoff_tls_poll_of_(c)->options.handshake_ms);
}

static inline void handoff_tls_poll_destroy_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  if (own == NULL) return;
  handoff_conn_set_layer_user(c, NULL);
  if (own->timer != 0) handoff_poll_cancel(handoff_conn_poll(c), own->timer);
  handoff_tls_free(own->session);
  free(own->waiting);
  free(own);
}

static inline void handoff_tls_poll_flush_(handoff_conn_t* c, handoff_tls_t* session) {
  const char* data = NULL;
  const size_t size = handoff_tls_out(session, &data);
  if (size == 0) return;
  handoff_conn_send(c, data, size);
  handoff_tls_sent(session, size);
}

static inline int handoff_tls_poll_start_(handoff_conn_t* c, int client) {
  struct handoff_tls_poll* const t = handoff_tls_poll_of_(c);
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  uint64_t written = 0;
  int result;
  handoff_tls_poll_owns_(t);
  result = own == NULL ? HANDOFF_ERR_INTERNAL : handoff_tls_written(handoff_conn_fd(c), &written);
  if (result == 0) {
    result = client ? handoff_tls_connect(&own->session, t->context, NULL, written)
                    : handoff_tls_accept(&own->session, t->context, written);
  }
  if (result == 0) result = handoff_conn_layer_hold(c); /* until the handshake is over */
  if (result == 0) return 1;
  handoff_tls_poll_fail_(c, handoff_strerror(result));
  return 0;
}

static inline void handoff_tls_poll_connected_(handoff_conn_t* c) {
  handoff_tls_t* own;
  if (!handoff_tls_poll_start_(c, 1)) return;
  own = handoff_tls_poll_own_(c)->session;
  if (handoff_tls_feed(own, NULL, 0) < 0) {
    handoff_tls_poll_fail_(c, handoff_tls_error(own));
    return;
  }
  handoff_tls_poll_flush_(c, own);
}

static inline void handoff_tls_poll_tell_(handoff_conn_t* c) {
  const struct handoff_tls_poll* const t = handoff_tls_poll_of_(c);
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  own->untold = 0;
  if (t->options.secure != NULL) t->options.secure(c, own->session);
}

/* The handshake is over. In a late process all that the session has to do with is the next one's:
 * the author hears of it there, and input waits. Nobody knows here whether that process takes it,
 * so there is a time for that, too. */
static inline void handoff_tls_poll_begun_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  handoff_tls_poll_set_deadline_(own, 0);
  if (own->waiting_length > 0) {
    handoff_tls_write(own->session, own->waiting, own->waiting_length);
    handoff_tls_poll_flush_(c, own->session);
  }
  free(own->waiting);
  own->waiting = NULL;
  own->waiting_length = 0;
  if (own->ends) {
    own->ends = 0;
    handoff_conn_end_output(c);
  }
  own->leaves = own->untold = handoff_conn_leaves(c);
  handoff_conn_layer_release(c); /* a hold of the author's goes on */
  if (!own->leaves) {
    handoff_tls_poll_tell_(c);
    return;
  }
  handoff_conn_pause(c);
  handoff_tls_poll_set_deadline_(
      own, handoff_tls_poll_now_ms_() + handoff_tls_poll_of_(c)->options.handshake_ms);
}

#endif /* HANDOFF_DETAIL_TLS_POLL_BEGIN_H */
