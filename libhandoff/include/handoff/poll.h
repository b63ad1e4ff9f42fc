/* poll.h: an event loop on epoll for services in plain C.
 *
 * A kit (handoff_poll_t) joins a handle of handoff.h to a loop and owns the connections. It
 * accepts, reads, writes and closes, and it keeps invariant I3 (docs/invariants.md) for the author:
 * input that was not consumed and output that the kernel has not taken go along with the
 * connection.
 *
 *   static size_t input(handoff_conn_t* c, const char* data, size_t length) {
 *     handoff_conn_write(c, data, length);
 *     return length;
 *   }
 *   static const struct handoff_conn_ops echo = {.size = sizeof echo, .input = input};
 *
 *   handoff_open(&h, &options);
 *   handoff_poll_open(&p, h, NULL);
 *   handoff_poll_listen(p, "public", "tcp:127.0.0.1:7000", &echo, NULL);
 *   result = handoff_poll_run(p);   // restores, serves; returns when retired or stopped
 *   handoff_poll_close(p);
 *   handoff_close(h);
 *
 * The recipe: handoff_open(); handoff_poll_open(); handoff_poll_listen() and what else is declared
 * (handoff.h); handoff_poll_start(), after which this process is the owner: start timers, watch
 * fds; handoff_poll_run(); handoff_poll_close(); handoff_close().
 *
 * Conventions
 * - Results, strings and structures are as in handoff.h. Times are milliseconds of CLOCK_MONOTONIC.
 * - Threads: a kit and its connections belong to one thread, that of its handle. A service with
 *   several lanes has a kit for each lane's handle; see handoff_poll_start().
 * - Re-entrancy: every function may be called inside a callback of the kit, but
 * handoff_poll_start(), _run(), _once() and _close(), which return HANDOFF_ERR_ORDER or do nothing
 * there.
 * - While a donor is frozen its loop does not turn, so no timer and no watch of the service runs.
 * - A kit takes all callbacks of its handle: do not call handoff_set_callbacks().
 */
#ifndef HANDOFF_POLL_H
#define HANDOFF_POLL_H

#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct handoff_poll handoff_poll_t; /* a kit: a loop and its connections */
typedef struct handoff_conn handoff_conn_t; /* a connection; the kit owns it */

/* ---- the kit ------------------------------------------------------------ */

struct handoff_poll_options {
  size_t size;
  /* A connection with more bytes of unconsumed input is closed, after overflow(); 0 for 16 MiB. */
  size_t max_input;
  /* From so many bytes of waiting output on a client that does not read is not read, either: its
   * requests would only make more output. 0 for 1 MiB. */
  size_t high_water;
  /* What an author wants to know, as in handoff_options; NULL for a line on stderr. */
  void (*log)(void* user, int level, const char* message);
  /* The hooks are optional.
   * The sessions are an heir's, and all connections are there still. moved() and destroy() follow
   * for each; no timer and no watch runs any more. The thread gives way to all others from now on
   * (SCHED_IDLE, sched(7)). */
  void (*retired)(void* user);
  /* A switch has left `waiting` sessions here, which handoff_conn_hold(): this process serves them
   * until they have moved or ended, and accepts no others. The listeners and all other named fds
   * are the heir's: handoff_poll_unwatch() those that you watch. */
  void (*late)(void* user, uint64_t waiting);
  /* The service is to stop by deadline_us (CLOCK_MONOTONIC); the connections are closed next. */
  void (*stopping)(void* user, uint64_t deadline_us);
  /* As in handoff_callbacks, for services with threads of their own that touch connections. */
  int (*freeze)(void* user);
  void (*thaw)(void* user);
  void* user; /* borrowed; passed to all of these */
  /* As in handoff_callbacks, of lane 0's kit: all connections are restored, all sections finished,
   * and nothing is this process's own yet. A negative number refuses all of it. */
  int (*linked)(void* user);
};

/* Makes a kit on h, between handoff_open() and handoff_ready(). options is copied and may be NULL.
 * Borrows h, which must outlive the kit. *out is to be given to handoff_poll_close(); NULL on
 * failure. HANDOFF_ERR_DUPLICATE if h has a kit already, -errno if there is no epoll set to have.
 */
HANDOFF_API int handoff_poll_open(handoff_poll_t** out, handoff_t* h,
                                  const struct handoff_poll_options* options);

/* Ends the kit; only handoff_close() may follow. Connections that are left are closed and
 * destroyed, and clients that may not have read a last answer are waited for, 5 s at most (in a
 * service that was stopped: until its deadline, and only until their systems have the answer).
 * NULL is fine. */
HANDOFF_API void handoff_poll_close(handoff_poll_t* p);

/* What the last failed call on this kit was about; "" if none failed. Valid until the next call. */
HANDOFF_API const char* handoff_poll_last_error(const handoff_poll_t* p);

/* Waits until this process is the owner; sessions are restored in here. Calls handoff_ready(), if
 * nobody has, and handoff_wait(). 0; HANDOFF_ERR_ABORTED if the handoff failed or was a rehearsal:
 * then close and exit, the donor serves on; HANDOFF_ERR_UNKNOWN for an `ops.kind` that was not
 * declared. With several lanes: make all kits and call handoff_poll_listen() on each, in one
 * thread; then handoff_ready(); then each lane's thread starts and runs its own kit. */
HANDOFF_API int handoff_poll_start(handoff_poll_t* p);

/* Serves until the sessions are an heir's or a stop is complete, and returns 0 then; starts first
 * if handoff_poll_start() was not called, and returns its error. -ENOMEM where a turn of the loop
 * lacked memory: it may be called again. */
HANDOFF_API int handoff_poll_run(handoff_poll_t* p);

/* One turn of the loop, which waits for events at most timeout_ms (-1: as long as it takes).
 * 1, or 0 once there is nothing left to do: see handoff_poll_run(). */
HANDOFF_API int handoff_poll_once(handoff_poll_t* p, int timeout_ms);

/* For another loop: watch this fd for reading, and call handoff_poll_once(p, 0) when it is
 * readable. Borrowed; the same for the kit's life. */
HANDOFF_API int handoff_poll_fd(const handoff_poll_t* p);

/* Stops by itself what a supervisor stops by order: calls stopping(), accepts no more, and closes
 * the connections; those that do not read are cut off after 9/10 of within_ms. */
HANDOFF_API int handoff_poll_stop(handoff_poll_t* p, uint64_t within_ms);

/* ---- connections -------------------------------------------------------- */

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
};

/* Inside save() only, for a layer over handoff.h such as this one: 1 if a handoff_save_ function
 * has been called, else 0. */
HANDOFF_API int handoff_save_given(const handoff_saved_t* out);

/* Declares a listener, before the start, and what its connections do. ops is copied; context is
 * borrowed. The address counts on lane 0. HANDOFF_ERR_DUPLICATE if another listener has that kind,
 * HANDOFF_ERR_UNKNOWN for an ops.kind that was not declared, HANDOFF_ERR_ORDER after the start, on
 * any lane; else the errors of handoff_listener(). */
HANDOFF_API int handoff_poll_listen(handoff_poll_t* p, const char* name, const char* address,
                                    const struct handoff_conn_ops* ops, void* context);

/* Declares all listeners that are offered (handoff_offered()) and that nobody has declared or given
 * back before, for a program that serves whatever the configuration names. With several lanes lane
 * 0's kit comes first, and the others get what it has got: HANDOFF_ERR_ORDER. Connections of all of
 * them are of one kind, "session" unless ops.kind names another. Returns how many there are, or the
 * errors of handoff_poll_listen(). */
HANDOFF_API int handoff_poll_listen_offered(handoff_poll_t* p, const struct handoff_conn_ops* ops,
                                            void* context);

/* Declares, before the start, a kind of connections that this service opens itself, and what they
 * do. ops.kind names it: one that handoff_kind() has declared, or else of version 1. opened() is
 * not called. ops is copied; context is borrowed. HANDOFF_ERR_DUPLICATE if a listener has that
 * kind, HANDOFF_ERR_ORDER after the start, on any lane. */
HANDOFF_API int handoff_poll_outgoing(handoff_poll_t* p, const struct handoff_conn_ops* ops,
                                      void* context);
/* Begins to connect to an address, see handoff_connect(); connected() or refused() follows from the
 * loop. *out may be written to at once. user is that of handoff_conn_set_user(), and destroy()
 * comes once for it. An upgrade takes along a connect that is under way. On failure user is the
 * caller's: HANDOFF_ERR_UNKNOWN for a kind that handoff_poll_outgoing() has not declared,
 * HANDOFF_ERR_ORDER before the start, once the service stops, and once an heir has its sessions, or
 * an error of handoff_connect().
 */
HANDOFF_API int handoff_poll_connect(handoff_poll_t* p, const char* kind, const char* address,
                                     void* user, handoff_conn_t** out);
/* Likewise for a connected stream socket that the service has. Takes fd; on failure it is the
 * caller's as before. */
HANDOFF_API int handoff_poll_adopt(handoff_poll_t* p, const char* kind, int fd, void* user,
                                   handoff_conn_t** out);

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
/* Bytes that were written and that the kernel has not taken. */
HANDOFF_API size_t handoff_conn_output_size(const handoff_conn_t* c);
/* In input(): so many bytes at the beginning are what the call before has left. A search for the
 * end of a line goes on from here; from the beginning it would be quadratic. 0 where that call
 * paused, and in a restored connection. */
HANDOFF_API size_t handoff_conn_seen(const handoff_conn_t* c);
/* The client's numeric host, and its port (port may be NULL); "unix" and 0 for a Unix socket.
 * -errno, -ENOSPC if size is too small; 64 bytes are enough. */
HANDOFF_API int handoff_conn_peer(const handoff_conn_t* c, char* host, size_t size, uint16_t* port);

HANDOFF_API handoff_t* handoff_poll_service(const handoff_poll_t* p); /* the handle, borrowed */
/* How many connections there are. */
HANDOFF_API size_t handoff_poll_count(const handoff_poll_t* p);
/* The connection of that session; NULL if there is none, or if it is over. */
HANDOFF_API handoff_conn_t* handoff_poll_find(const handoff_poll_t* p, uint64_t id);
/* Calls f for each connection that is not over, in no order. f may write to, close or open any; for
 * those that it opens f is not called. Without memory, for none. */
HANDOFF_API void handoff_poll_each(handoff_poll_t* p, void (*f)(void* user, handoff_conn_t* c),
                                   void* user);

/* ---- layers --------------------------------------------------------------- */

/* What stands between the sockets of a listener and its author, such as handoff/tls_poll.h: the
 * author's input(), handoff_conn_write() and handoff_conn_close() are as ever, and the layer has
 * what the socket gives and gets. Members may be NULL but for input() and write(). */
struct handoff_conn_layer {
  size_t size;
  /* A new connection, before opened(); of handoff_poll_connect(), before it is connected. */
  void (*begin)(handoff_conn_t* c);
  /* Of handoff_poll_connect(), before the connected() of the author. */
  void (*connected)(handoff_conn_t* c);
  /* Bytes of the socket, as those of input() in handoff_conn_ops: what they say goes to the author
   * by handoff_conn_deliver(). handoff_conn_seen() is 0 where all is to be looked at again. */
  size_t (*input)(handoff_conn_t* c, const char* data, size_t length);
  /* What the author writes: handoff_conn_send() sends. The result is that of handoff_conn_write().
   */
  int (*write)(handoff_conn_t* c, const void* data, size_t length);
  /* c is about to close, by whatever cause; ended: the peer has ended its half. A last word may be
   * sent. */
  void (*closing)(handoff_conn_t* c, int ended);
  /* As in handoff_conn_ops, by handoff_save_layer(), beside the author's. Without a restore() a
   * connection that has bytes of a layer is refused. With one, length may be 0. */
  int (*save)(handoff_conn_t* c, handoff_saved_t* out);
  int (*restore)(handoff_conn_t* c, const void* layer, size_t length);
  /* After each destroy() of the author, also where restore() was not reached. */
  void (*destroy)(handoff_conn_t* c);
  /* As in handoff_poll_options, after the author's; thaw() also where connections stay (late()). */
  void (*freeze)(void* context);
  void (*thaw)(void* context);
};
/* Puts a layer before all connections of a listener, or of a kind of handoff_poll_outgoing(), which
 * was declared before this. Before the start. layer is copied; context is borrowed.
 * HANDOFF_ERR_UNKNOWN if nothing has that name, HANDOFF_ERR_DUPLICATE if it has a layer,
 * HANDOFF_ERR_ORDER after the start. */
HANDOFF_API int handoff_poll_layer(handoff_poll_t* p, const char* name,
                                   const struct handoff_conn_layer* layer, void* context);
/* For a layer's own code alone. */
HANDOFF_API void* handoff_conn_layer_context(const handoff_conn_t* c);
HANDOFF_API void* handoff_conn_layer_user(const handoff_conn_t* c); /* NULL until it is set */
HANDOFF_API void handoff_conn_set_layer_user(handoff_conn_t* c, void* user);
/* As handoff_conn_write(), past the layer. */
HANDOFF_API int handoff_conn_send(handoff_conn_t* c, const void* data, size_t length);
/* Gives the author's input() all that it has not consumed; `seen` of it was there before. Returns
 * how much is consumed. 0, without a call, while c is paused or closing. */
HANDOFF_API size_t handoff_conn_deliver(handoff_conn_t* c, const char* data, size_t length,
                                        size_t seen);
/* As handoff_conn_hold() and handoff_conn_release(), for the layer: c moves once neither the author
 * nor the layer holds it. */
HANDOFF_API int handoff_conn_layer_hold(handoff_conn_t* c);
HANDOFF_API int handoff_conn_layer_release(handoff_conn_t* c);
/* 1 if c moves to the newer process as soon as the layer does not hold it (see
 * handoff_session_leaves()), so that its author is to be given nothing new; 0 if not. */
HANDOFF_API int handoff_conn_leaves(const handoff_conn_t* c);
/* In restore(): input() comes once c is this process's, also without bytes. */
HANDOFF_API void handoff_conn_look(handoff_conn_t* c);

/* ---- timers and other fds, from handoff_poll_start() on ------------------- */

/* Calls f once after so many milliseconds, or (every) again and again. Returns the timer's id,
 * which is never used twice, or 0 without memory. Timers do not move to an heir, and end when this
 * process retires. */
HANDOFF_API uint64_t handoff_poll_after(handoff_poll_t* p, uint64_t ms, void (*f)(void* user),
                                        void* user);
HANDOFF_API uint64_t handoff_poll_every(handoff_poll_t* p, uint64_t ms, void (*f)(void* user),
                                        void* user);
/* HANDOFF_ERR_UNKNOWN if it has run, or was cancelled. Inside f, too. */
HANDOFF_API int handoff_poll_cancel(handoff_poll_t* p, uint64_t timer);

#define HANDOFF_POLL_READ 1
#define HANDOFF_POLL_WRITE 2
#define HANDOFF_POLL_ERROR 4 /* an error or a hang-up; told of without being asked for */

/* Calls f while fd is ready for one of events. Borrows fd: unwatch before close(2). Another call
 * for the fd takes the place of the first. */
HANDOFF_API int handoff_poll_watch(handoff_poll_t* p, int fd, int events,
                                   void (*f)(void* user, int fd, int events), void* user);
HANDOFF_API int handoff_poll_unwatch(handoff_poll_t* p, int fd); /* or HANDOFF_ERR_UNKNOWN */

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_POLL_H */
