/* How tls_poll.h feeds the sessions of a kit's connections: the part that its users need not read.
 * Included by it alone. */
#ifndef HANDOFF_DETAIL_TLS_POLL_LAYER_H
#define HANDOFF_DETAIL_TLS_POLL_LAYER_H

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

/* A restored session is compared with its socket before it does anything. */
static inline int handoff_tls_poll_ready_(handoff_conn_t* c) {
  struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  uint64_t written = 0;
  if (own == NULL || own->refused) return 0;
  if (!own->unchecked) return 1;
  /* The donor may still send: what agrees now may not agree then. */
  if (handoff_state(handoff_poll_service(handoff_conn_poll(c))) == HANDOFF_STATE_HEIR) return 0;
  own->unchecked = 0;
  handoff_tls_poll_owns_(handoff_tls_poll_of_(c));
  if (handoff_tls_written(handoff_conn_fd(c), &written) == 0 &&
      handoff_tls_check(own->session, written, handoff_conn_output_size(c)) == 0) {
    return 1;
  }
  handoff_tls_poll_fail_(c, handoff_tls_error(own->session));
  return 0;
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
  int result;
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
  result = handoff_tls_write(own->session, data, length);
  handoff_tls_poll_flush_(c, own->session);
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

static inline int handoff_tls_poll_save_(handoff_conn_t* c, handoff_saved_t* out) {
  const struct handoff_tls_conn* const own = handoff_tls_poll_own_(c);
  unsigned char front[HANDOFF_TLS_LAYER_FRONT];
  struct handoff_tls_layer layer;
  ssize_t size;
  char* bytes;
  int result;
  if (own == NULL) return -ENOMEM;
  layer.begun = own->session != NULL;
  layer.untold = own->untold;
  layer.deadline_ms = own->deadline_ms;
  handoff_tls_layer_write(&layer, front);
  result = handoff_save_layer(out, front, sizeof front);
  if (result < 0) return result;
  if (own->session == NULL) return handoff_save_layer(out, own->waiting, own->waiting_length);
  size = (ssize_t)handoff_tls_save_size(own->session);
  if (size == 0) return HANDOFF_ERR_ORDER; /* in its handshake: it was not held */
  bytes = (char*)malloc((size_t)size);
  if (bytes == NULL) return -ENOMEM;
  size = handoff_tls_save(own->session, bytes, (size_t)size);
  result = size < 0 ? (int)size : handoff_save_layer(out, bytes, (size_t)size);
  if (size > 0) explicit_bzero(bytes, (size_t)size);
  free(bytes);
  return result;
}

static inline int handoff_tls_poll_restore_(handoff_conn_t* c, const void* bytes, size_t length) {
  struct handoff_tls_conn* const own = handoff_tls_poll_make_(c);
  const char* const rest = (const char*)bytes + HANDOFF_TLS_LAYER_FRONT;
  struct handoff_tls_layer layer;
  if (own == NULL) return -ENOMEM;
  if (!handoff_tls_layer_read(bytes, length, &layer)) {
    handoff_reason(handoff_poll_service(handoff_conn_poll(c)),
                   length == 0 ? "the session has no TLS: the release before has served this "
                                 "listener without"
                               : "a TLS session's bytes are cut, or of another layer");
    return HANDOFF_ERR_REJECTED;
  }
  length -= HANDOFF_TLS_LAYER_FRONT;
  if (layer.begun) {
    const int result =
        handoff_tls_restore(&own->session, handoff_tls_poll_of_(c)->context, rest, length);
    if (result < 0) {
      handoff_reason(handoff_poll_service(handoff_conn_poll(c)),
                     handoff_tls_context_error(handoff_tls_poll_of_(c)->context));
    }
    own->unchecked = 1;
    own->untold = layer.untold;
    if (own->untold) handoff_conn_look(c);
    return result;
  }
  if (length > 0) {
    own->waiting = (char*)malloc(length);
    if (own->waiting == NULL) return -ENOMEM;
    memcpy(own->waiting, rest, length);
    own->waiting_length = length;
  }
  handoff_tls_poll_set_deadline_(own, layer.deadline_ms);
  return 0;
}

static inline void handoff_tls_poll_freeze_(void* context) {
  handoff_tls_freeze(((struct handoff_tls_poll*)context)->context);
}
static inline void handoff_tls_poll_thaw_(void* context) {
  handoff_tls_thaw(((struct handoff_tls_poll*)context)->context);
}

static inline int handoff_tls_poll_keys_save_(void* user, handoff_buffer_t* out) {
  unsigned char keys[HANDOFF_TLS_TICKETS_MAX];
  const ssize_t size = handoff_tls_save_tickets((handoff_tls_context_t*)user, keys, sizeof keys);
  int result;
  if (size < 0) return (int)size;
  result = handoff_buffer_append(out, keys, (size_t)size);
  explicit_bzero(keys, sizeof keys);
  return result;
}
static inline int handoff_tls_poll_keys_load_(void* user, const void* keys, size_t length) {
  return handoff_tls_load_tickets((handoff_tls_context_t*)user, keys, length);
}

#endif /* HANDOFF_DETAIL_TLS_POLL_LAYER_H */
