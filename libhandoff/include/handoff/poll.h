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
 * What connections do, and what can be done with one, is in handoff/detail/poll_conn.h, which comes
 * with this header; so are sessions with two connections, for proxies.
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

#include <handoff/detail/poll_conn.h>
#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* ---- its connections, which handoff/detail/poll_conn.h describes ---------- */

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
  /* What the author writes: handoff_conn_send() sends. The result is handoff_conn_write()'s. */
  int (*write)(handoff_conn_t* c, const void* data, size_t length);
  /* c is about to close, by whatever cause, and the author's closing() was called; or its output is
   * to end (handoff_conn_end_output()). ended: the peer has ended its half. A last word may be
   * sent. Once a connection. */
  void (*closing)(handoff_conn_t* c, int ended);
  /* The author ends the output. 1: not yet, and the layer calls handoff_conn_end_output() then. */
  int (*ending)(handoff_conn_t* c);
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
 * was declared before this; of sessions with two, before the first. Before the start. layer is
 * copied; context is borrowed. HANDOFF_ERR_UNKNOWN if nothing has that name, HANDOFF_ERR_DUPLICATE
 * if it has a layer, HANDOFF_ERR_ORDER after the start. */
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
