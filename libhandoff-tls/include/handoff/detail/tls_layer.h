/* What tls.hpp and tls_poll.h put before a session's own bytes in its layer, so that releases on
 * either hand over to each other: whether the handshake is over, whether the author knows, and by
 * when it has to be over. */
#ifndef HANDOFF_DETAIL_TLS_LAYER_H
#define HANDOFF_DETAIL_TLS_LAYER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HANDOFF_TLS_LAYER_FRONT 9u
/* So much plaintext may wait for a handshake that has not begun, and move. With more the session is
 * held. */
#define HANDOFF_TLS_MAX_WAITING 16384u
/* So much plaintext is sealed before it goes to the connection's output: all of a large answer
 * would make a second buffer of its size. */
#define HANDOFF_TLS_SEALED_AT_ONCE 32768u

struct handoff_tls_layer {
  int begun;            /* what follows is of handoff_tls_save(); else plaintext that waits */
  int untold;           /* begun, and the author was not told */
  uint64_t deadline_ms; /* CLOCK_MONOTONIC; 0 for none */
};

static inline void handoff_tls_layer_write(const struct handoff_tls_layer* layer,
                                           unsigned char out[HANDOFF_TLS_LAYER_FRONT]) {
  out[0] = (unsigned char)(!layer->begun ? 0 : layer->untold ? 2 : 1);
  memcpy(out + 1, &layer->deadline_ms, sizeof layer->deadline_ms); /* both are on one host */
}

/* 0 if it can be none. */
static inline int handoff_tls_layer_read(const void* bytes, size_t length,
                                         struct handoff_tls_layer* out) {
  const unsigned char* const from = (const unsigned char*)bytes;
  if (length < HANDOFF_TLS_LAYER_FRONT || from[0] > 2) return 0;
  out->begun = from[0] != 0;
  out->untold = from[0] == 2;
  memcpy(&out->deadline_ms, from + 1, sizeof out->deadline_ms);
  return 1;
}

#endif /* HANDOFF_DETAIL_TLS_LAYER_H */
