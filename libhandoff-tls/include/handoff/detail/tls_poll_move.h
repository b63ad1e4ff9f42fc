/* How the sessions of a kit's connections and their ticket keys move: the part of tls_poll.h that
 * its users need not read. Included by it alone. */
#ifndef HANDOFF_DETAIL_TLS_POLL_MOVE_H
#define HANDOFF_DETAIL_TLS_POLL_MOVE_H

#include <handoff/detail/tls_poll_begin.h>

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

#endif /* HANDOFF_DETAIL_TLS_POLL_MOVE_H */
