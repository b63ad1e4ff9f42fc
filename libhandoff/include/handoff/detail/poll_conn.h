/* The connections of handoff/poll.h, which includes this: what an author says that they do, and
 * what can be done with one. */
#ifndef HANDOFF_DETAIL_POLL_CONN_H
#define HANDOFF_DETAIL_POLL_CONN_H

#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct handoff_poll handoff_poll_t; /* a kit: a loop and its connections */
typedef struct handoff_conn handoff_conn_t; /* a connection; the kit owns it */

/* Only input is required; save and restore come together, and without them a connection has no
 * state (its input and output move all the same). */
struct handoff_conn_ops {
  size_t size;
  /* A new connection: handoff_conn_set_user() and a first word. A negative number closes it at
   * once; only destroy() follows. */
  int (*opened)(handoff_conn_t* c);
  /* All input that has arrived and was not consumed before. Returns how many bytes of it were
   * consumed; the rest comes again, with more behind it. Not called once closing. */
  size_t (*input)(handoff_conn_t* c, const char* data, size_t length);
  /* Gives the state by handoff_save_state(), as in handoff_callbacks; input and output are the
   * kit's business. May be called for a connection that is closing, and before adopted() for one
   * that has come late and is on its way again. */
  int (*save)(handoff_conn_t* c, handoff_saved_t* out);
  /* Heir: make what opened() made, from the state in this release's version. The handoff may still
   * fail, and a newer state of the same connection may follow (after destroy() of the first): touch
   * nothing but this connection's user, tell nobody. handoff_conn_pause() is allowed, since a pause
   * does not move. A negative number refuses the connection: see restore() of handoff_callbacks. */
  int (*restore)(handoff_conn_t* c, const void* state, size_t length);
  /* A restored connection is this process's. All are told before any input is looked at. Part of
   * the blackout: leave it NULL if there is nothing to do. */
  void (*adopted)(handoff_conn_t* c);
  /* There is too much unconsumed input, and c is closed after this: the place for a last answer.
   * NULL for a line in the log. */
  void (*overflow)(handoff_conn_t* c);
  /* The connection is over, or was reset at the switch, since it could not be moved. Not called
   * when the session goes to an heir. */
  void (*closed)(handoff_conn_t* c);
  /* The session is another process's, and the connection goes on there: take c out of your tables.
   * At the switch all are told before any is destroyed. */
  void (*moved)(handoff_conn_t* c);
  /* Free what handoff_conn_user() points to. Comes once for each opened() and restore(), whatever
   * they returned, and as the last of all; c is gone after it, or about to be restored anew. */
  void (*destroy)(handoff_conn_t* c);
  /* The kind of its sessions, by which they are restored. NULL for one that has the listener's
   * name: that which handoff_kind() has declared before this, or else one with the versions and
   * steps of the kind "session" (handoff_listener_kind()). A build from before listeners had kinds
   * says "session" for all; where there are several listeners, one has to say "session" to get
   * those, and the others a declared kind. */
  const char* kind;
  uint32_t flags; /* 0 or HANDOFF_SESSION_INDEPENDENT */
  /* Of handoff_poll_connect(): the connection is made. */
  void (*connected)(handoff_conn_t* c);
  /* The connection could not be made, and error is an errno(3). closed() and destroy() follow. */
  void (*refused)(handoff_conn_t* c, int error);
  /* The peer has ended its half, and all of its input has been here: what waits in a pause comes
   * first. NULL: handoff_conn_close(). An ended() may go on sending, and says that it is done by
   * handoff_conn_end_output() or handoff_conn_close(). A restored connection is told again. */
  void (*ended)(handoff_conn_t* c);
  /* For sessions with two connections, see below: what the second one does. It is copied. */
  const struct handoff_conn_ops* upstream;
  /* c is about to be closed, with its output sent first: by handoff_conn_close(), after the client
   * has ended its half, after overflow(), or because the service stops. The place for last
   * words by handoff_conn_write(); a layer's own (TLS's close_notify) follow. Once a connection;
   * not for one that is not connected yet, that is on its way to another process, or that ends
   * without its output. */
  void (*closing)(handoff_conn_t* c);
};

/* Inside save() only, for a layer over handoff.h such as this one: 1 if a handoff_save_ function
 * has been called, else 0. */
HANDOFF_API int handoff_save_given(const handoff_saved_t* out);

/* Queues a copy of data, sent when the events at hand are handled. -EPIPE once c is closing,
 * HANDOFF_ERR_ORDER in save() and restore(). On -ENOMEM the connection ends, since a stream with a
 * gap is worse than none. */
HANDOFF_API int handoff_conn_write(handoff_conn_t* c, const void* data, size_t length);
/* handoff_conn_write() of what printf(3) makes of it. */
HANDOFF_API int handoff_conn_printf(handoff_conn_t* c, const char* format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sends what is queued, then ends the connection. input() is not called any more. The client gets
 * all of it, whatever it still sends: the kit keeps the socket until the client ends the connection
 * too, at most 5 s, after closed(). */
HANDOFF_API void handoff_conn_close(handoff_conn_t* c);
/* Sends what is queued, then ends the sending half (shutdown(2)); input comes as before. A write
 * after it is -EPIPE. */
HANDOFF_API void handoff_conn_end_output(handoff_conn_t* c);
/* Ends the connection at once, by a reset where it is TCP: what is queued is not sent, and what the
 * client has not read it may never get. For clients that do not read, and for those that have gone
 * wrong; others deserve handoff_conn_close(). closed() and destroy() follow, before the loop waits
 * again. Does nothing for a connection that is over, in save() and restore(), in linked(), and
 * while c is on its way to or from another process. */
HANDOFF_API void handoff_conn_abort(handoff_conn_t* c);
/* Call it after changing what save() gives from anywhere but input() or adopted() of c itself. */
HANDOFF_API void handoff_conn_touch(handoff_conn_t* c);
/* Stops handing input to input(), until handoff_conn_resume(). Input waits, and is saved. */
HANDOFF_API void handoff_conn_pause(handoff_conn_t* c);
HANDOFF_API void handoff_conn_resume(handoff_conn_t* c);
HANDOFF_API int handoff_conn_paused(const handoff_conn_t* c);
/* c is in the middle of something: at an upgrade it stays, and moves once it is released. See
 * handoff_session_hold(), whose errors these return; 0 for a connection that is over. */
HANDOFF_API int handoff_conn_hold(handoff_conn_t* c);
HANDOFF_API int handoff_conn_release(handoff_conn_t* c);
/* c can't move, and why ("tls"); NULL takes it back. See handoff_session_stays(), whose errors this
 * returns; 0 for a connection that is over. */
HANDOFF_API int handoff_conn_stays(handoff_conn_t* c, const char* why);

HANDOFF_API void* handoff_conn_user(const handoff_conn_t* c); /* NULL until it is set */
HANDOFF_API void handoff_conn_set_user(handoff_conn_t* c, void* user);
HANDOFF_API void* handoff_conn_context(const handoff_conn_t* c); /* of handoff_poll_listen() */
HANDOFF_API handoff_poll_t* handoff_conn_poll(const handoff_conn_t* c);
HANDOFF_API uint64_t handoff_conn_id(const handoff_conn_t* c); /* the session's, for life */
HANDOFF_API int handoff_conn_fd(const handoff_conn_t* c);      /* borrowed; -1 once it is over */
HANDOFF_API int handoff_conn_closing(const handoff_conn_t* c);
/* 1 if there is a socket, and no connect under way. */
HANDOFF_API int handoff_conn_connected(const handoff_conn_t* c);
/* Bytes that were written and that the kernel has not taken. */
HANDOFF_API size_t handoff_conn_output_size(const handoff_conn_t* c);
/* In input(): so many bytes at the beginning are what the call before has left. A search for the
 * end of a line goes on from here; from the beginning it would be quadratic. 0 where that call
 * paused, and in a restored connection. */
HANDOFF_API size_t handoff_conn_seen(const handoff_conn_t* c);
/* The client's numeric host, of one link with the interface (fe80::1%eth0), and its port (port may
 * be NULL); "unix" and 0 for a Unix socket.
 * -errno, -ENOSPC if size is too small; 64 bytes are enough. */
HANDOFF_API int handoff_conn_peer(const handoff_conn_t* c, char* host, size_t size, uint16_t* port);

/* ---- sessions with two connections, for proxies --------------------------
 *
 * Where ops.upstream is set, each session of the kind has a second connection: its upstream. Both
 * are one session: at an upgrade both move, stay, or are refused, and so do a connect that is under
 * way, input that was not consumed, and output of either that was not sent. They are what
 * handoff/uv_pair.hpp has, and services on either hand over to each other; handoff/asio_pair.hpp
 * stands on them. A proxy is this:
 *
 *   static int opened(handoff_conn_t* c) {
 *     return handoff_conn_connect_upstream(c, "tcp:127.0.0.1:8080");
 *   }
 *   static const struct handoff_conn_ops upstream = {.size = sizeof upstream};
 *   static const struct handoff_conn_ops relay = {
 *       .size = sizeof relay, .opened = opened, .upstream = &upstream};
 *
 * - Both are a handoff_conn_t from opened() and restore() on, also while there is no upstream yet:
 *   what is written to it waits for its socket. The functions that write, pause, resume, end the
 *   output or ask for the fd are those of one connection. The session's id, its user, its end, and
 *   hold, touch and stays are of both, whichever is given. Kits count, find and visit the client.
 * - ops.upstream may have input, overflow, ended, connected and refused, and nothing else: the rest
 *   is said once for the session. They are given the upstream.
 * - By default a pair relays. input NULL: what comes is written to the other one. ended NULL: the
 *   other one's output is ended; a client that ends before there is an upstream, or anything for
 *   one, is closed. The session is over when both have ended both halves.
 * - One that reads slowly keeps the other from being read: at most high_water bytes and one read
 *   wait for either. Answers that the service makes itself have no such bound: pause while
 *   handoff_conn_output_size() is large.
 * - When one fails, the other is reset: an orderly end would say that all had come. */

/* The other connection of the session; NULL where it has one alone. Given the upstream, itself. */
HANDOFF_API handoff_conn_t* handoff_conn_upstream(handoff_conn_t* c);
/* The session's first connection; given that, itself. */
HANDOFF_API handoff_conn_t* handoff_conn_client(handoff_conn_t* c);
/* Begins to connect the upstream; address is that of handoff_connect(). connected() or refused()
 * follows from the loop. From opened() and adopted() on, and again in refused(), for another
 * address: what was written waits for that one. In place of an upstream that there is, whose input
 * is over then. After refused() the session ends with a reset, unless it has begun another one, or
 * handoff_conn_close() was called after a last answer. 0; -EINVAL for an address that can't be;
 * HANDOFF_ERR_UNKNOWN where ops.upstream is NULL; -EPIPE once closing; HANDOFF_ERR_ORDER in save(),
 * restore() and linked(), and while c is on its way to or from another process. */
HANDOFF_API int handoff_conn_connect_upstream(handoff_conn_t* c, const char* address);
/* Likewise for a connected stream socket that the service has. Takes fd; on failure it is the
 * caller's as before. */
HANDOFF_API int handoff_conn_adopt_upstream(handoff_conn_t* c, int fd);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_DETAIL_POLL_CONN_H */
