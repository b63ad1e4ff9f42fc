/* handoff.h: hand a running service's sockets and state to its next version.
 *
 * This is the C interface of libhandoff, and the only way in; poll.h stands on it. A service
 * declares what it has, says that it is ready, and runs its own loop; the
 * library does its part when the service calls handoff_dispatch().
 *
 * The recipe, the same for a first start, for an heir, and for a run without
 * any supervisor:
 *
 *   1. handoff_open()
 *   2. declare: handoff_listener(), handoff_claim(), handoff_kind(),
 *      handoff_state_step(), handoff_section(), handoff_blob(), handoff_region(),
 *      handoff_set_callbacks(). Callbacks name a session by its id alone: keep a map
 *      from ids to your connections
 *   3. handoff_ready(), then handoff_wait(): sessions are restored in here,
 *      and when it returns 0 this process is the owner of every socket
 *   4. handoff_named_fd() gives the listeners; run your loop. Watch
 *      handoff_fd() for reading and call handoff_dispatch() when it is readable
 *   5. for every accepted connection handoff_session_open(), for every one
 *      that ends, once all output is sent, handoff_session_closed(), for one
 *      that was restored (or for all) shutdown(2), since the donor may have the
 *      socket open yet, and then close(2)
 *   6. when `retired` is called: close the fds, with no shutdown(2), leave the
 *      loop, exit
 *
 * Conventions
 * - Results: 0 (or a count) for success, a negative number for failure:
 *   -errno, or one of HANDOFF_ERR_* below. handoff_strerror() explains both,
 *   handoff_last_error() tells what happened to what, in words.
 * - Strings are UTF-8, NUL-terminated, copied by the library.
 * - fds: "takes" means that the library closes it from now on, "borrows" that
 *   the service goes on owning it. Session fds are always the service's own.
 * - Threads: up to handoff_ready() one thread does everything. From then on a handle
 *   belongs to the thread that calls handoff_wait() and handoff_dispatch() for it: no
 *   other thread uses it, and its callbacks come on that thread. Functions that say
 *   "any thread" are the exception. A service with several event loops has a handle
 *   for each: see "lanes" below.
 * - Re-entrancy: inside a callback only the functions that say so may be used. handoff_ready(),
 *   handoff_wait() and handoff_dispatch() return HANDOFF_ERR_ORDER there.
 * - Arguments: a NULL where nothing allows it is -EINVAL. No memory is -ENOMEM.
 * - Times: microseconds or nanoseconds, as the name says; points in time are
 *   CLOCK_MONOTONIC.
 * - Structures begin with `size`: set it to sizeof of the structure, since members
 *   may be added at the end. A size that is too small is -EINVAL.
 */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(HANDOFF_BUILDING)
#define HANDOFF_API __attribute__((visibility("default")))
#else
#define HANDOFF_API
#endif

#define HANDOFF_VERSION_MAJOR 0
#define HANDOFF_VERSION_MINOR 1
#define HANDOFF_VERSION_PATCH 0
#define HANDOFF_VERSION "0.1.0"

typedef struct handoff_service handoff_t;       /* one service in one process */
typedef struct handoff_saved handoff_saved_t;   /* what a session saves, while it does */
typedef struct handoff_buffer handoff_buffer_t; /* bytes that grow */

/* Errors of this library; everything else is -errno. */
#define HANDOFF_ERR_ABORTED (-10001)   /* the handoff was given up; this heir must exit */
#define HANDOFF_ERR_PROTOCOL (-10002)  /* the peer sent something that is not allowed */
#define HANDOFF_ERR_ORDER (-10003)     /* call in the wrong order, see the recipe */
#define HANDOFF_ERR_DUPLICATE (-10004) /* that name or id is declared already */
#define HANDOFF_ERR_UNKNOWN (-10005)   /* no such name or id */
#define HANDOFF_ERR_VERSION (-10006)   /* no state version that both sides know */
#define HANDOFF_ERR_IDENTITY (-10007)  /* a socket is not the one that it should be */
#define HANDOFF_ERR_REJECTED (-10008)  /* a callback of the service said no */
#define HANDOFF_ERR_INTERNAL (-10099)  /* a bug in the library or an exception in a callback */

/* No error: what freeze(), restore(), update() and extend() may answer where it takes a while until
 * they have ended. See handoff_frozen() and handoff_restored(). */
#define HANDOFF_LATER 10100

/* A static description of a result; never NULL. Any thread. */
HANDOFF_API const char* handoff_strerror(int result);
/* "0.1.0". Any thread. */
HANDOFF_API const char* handoff_version(void);
/* What the last failed call on this handle was about; "" if none failed. Owned by the handle, valid
 * until the next call on it. Inside callbacks, too. */
HANDOFF_API const char* handoff_last_error(const handoff_t* h);

/* ---- opening ---------------------------------------------------------- */

#define HANDOFF_LOG_DEBUG 0
#define HANDOFF_LOG_INFO 1
#define HANDOFF_LOG_WARNING 2
#define HANDOFF_LOG_ERROR 3

struct handoff_options {
  size_t size;
  const char* name;    /* of the service; required; [A-Za-z0-9._-]{1,64} */
  const char* version; /* of this release, for people; required; [A-Za-z0-9._+~-]{1,64} */
  /* The state version of the default session kind, "session"; 0 stands for 1. */
  uint32_t state_version;
  /* Event loops of this service, each with its own sessions; 0 stands for 1. At most 64. */
  uint32_t lanes;
  /* Called for what an author wants to know; NULL for silence. level is HANDOFF_LOG_*; message is
   * valid during the call. With several lanes any lane's thread may call it. */
  void (*log)(void* user, int level, const char* message);
  void* user; /* borrowed, passed to log() */
  /* 1: sessions are to outlive this process where the configuration says so, too; see
   * handoff/vault.h. A program from before this member gives a smaller `size`. */
  uint32_t vault;
};

/* Opens the service: reads and unsets HANDOFF_* of the environment and, under a supervisor,
 * takes the control socket. In a process that may have more rights than whoever started it
 * (AT_SECURE, getauxval(3): setuid, file capabilities) HANDOFF_* is ignored, and log() says so,
 * or stderr where there is no log(). Changes no limit: an heir's soft RLIMIT_NOFILE rises to
 * that of the release before when the copy begins, which log() says, and a donor's to the hard
 * one while a handoff is under way. A child forked then begins with what there was before,
 * unless posix_spawn(3) or vfork(2) made it, or the service had raised the limit itself. An heir
 * is the first that the kernel ends when memory runs out, until it owns: oom_score_adj is 1000
 * till then, of processes that it starts as well. So open before you load much, and before you
 * change the user. Does not wait for anybody. *out is the caller's, to be given to
 * handoff_close(). On failure *out is NULL, and log() has the reason. HANDOFF_ERR_ORDER in a
 * process that has had a supervised handle before: a process is one service, and its
 * supervisor's socket comes once. */
HANDOFF_API int handoff_open(handoff_t** out, const struct handoff_options* options);

/* Ends everything: closes named fds, the control socket and a channel that is open.
 * Session fds are the service's and stay. Not inside a callback. NULL is fine. With several lanes
 * call it once the threads of the others have ended: their handles end with h. For the handle of
 * another lane it does nothing. */
HANDOFF_API void handoff_close(handoff_t* h);

/* ---- lanes -------------------------------------------------------------- */

/* A service with several event loops, each on a thread of its own, has a lane for each. A handoff
 * copies the sessions of all lanes side by side, freezes all of them, and has one switch for all.
 * The next release may have another number of lanes: the sessions are spread over them.
 *
 *   1. handoff_open() with options.lanes; declare all on that handle
 *   2. handoff_lane() and handoff_set_callbacks() for each lane, with a `user` of its own
 *   3. handoff_ready()
 *   4. on each lane's thread: handoff_wait() with the lane's handle, then its loop with
 *      handoff_fd(), handoff_dispatch() and the handoff_session_ functions of that handle.
 *      Lane 0 is h itself, and belongs to the thread of handoff_ready()
 *   5. when `retired` or `stop` has been called for each of them and all loops have ended: exit
 *
 * handoff_errors(), handoff_named_fd(), handoff_generation() and what asks about regions take any
 * lane's handle. What declares, handoff_attach(), handoff_health() and what changes a
 * region take h alone, and return HANDOFF_ERR_ORDER for another lane's handle. All lanes share the
 * memory of a region.
 *
 * Each lane's thread gets the callbacks for its own sessions, and freeze and thaw once. When all
 * lanes have returned from freeze(), none returns to its loop until thaw() or retired(). Then
 * saving begins; lanes save and restore at the same time. Any lane's thread may convert a state, so
 * a handoff_convert_fn must allow several threads at once. Sections and regions are called on the
 * thread of lane 0. The loops of all lanes must turn: a lane that does not come to
 * handoff_dispatch() makes the handoff fail.
 *
 * A session that is held at a switch stays in its lane of this process, and goes later to a lane of
 * the owner. A service with several lanes can't be upgraded progressively. */

/* The handle of a lane, numbered from 0; h owns it, so never close it. -EINVAL if there is no such
 * lane, or if h is another lane's handle. */
HANDOFF_API int handoff_lane(handoff_t* h, uint32_t lane, handoff_t** out);

/* ---- declaring (between handoff_open and handoff_ready) ----------------
 *
 * Names are [A-Za-z0-9._-]{1,64}; versions count from 1. A declaration returns HANDOFF_ERR_ORDER
 * once handoff_ready() was called, HANDOFF_ERR_DUPLICATE for a name that is declared already, and
 * -EINVAL for a malformed name or a version of 0. The library borrows `user` and passes it to the
 * callbacks. */

/* Declares a listener (or a UDP socket) by name. The donor's is adopted; else the supervisor's is
 * taken; else one is bound here, at handoff_ready(). A listener is never bound in place of one that
 * a donor has (invariant I6, docs/invariants.md).
 * address: tcp:HOST:PORT, tcp:[V6]:PORT, udp:HOST:PORT, unix:/PATH, unix:@ABSTRACT; another one is
 * -EINVAL. HOST is numeric, and has the interface where it is of one link (fe80::1%eth0). Port 0
 * lets the kernel choose. Names that begin with "handoff." are the library's own. Its fd, and the
 * flags that it has: handoff_named_fd(). */
HANDOFF_API int handoff_listener(handoff_t* h, const char* name, const char* address);

/* Declares that this service wants the fd of that name, of any kind, if somebody
 * has it to give. handoff_named_fd() tells after handoff_wait(). */
HANDOFF_API int handoff_claim(handoff_t* h, const char* name);

/* The listeners that this process may declare, counted from 0: those of the configuration and, in
 * an heir, those of its donor. A service that serves whatever it is given asks for them and calls
 * handoff_listener() for each, with its address. Returns 1, 0 beyond the last one (and at once
 * without a supervisor), or -EINVAL. name and address may be NULL; the strings are the handle's,
 * and valid as long as that. A listener that moves has its new address here. From handoff_open()
 * on; h alone. A supervisor from before this function existed names an heir only what no process
 * has. */
HANDOFF_API int handoff_offered(const handoff_t* h, size_t index, const char** name,
                                const char** address);

/* Says of a listener that is offered that this release knows it and does not want it. It goes back
 * to the supervisor, and `unclaimed.listeners` of the configuration says what becomes of it; no
 * upgrade is refused for it. What is neither declared nor given back is forgotten, as far as
 * anybody can tell: an upgrade is refused for it, and a start from nothing fails.
 * HANDOFF_GIVE_BACK_CLOSE: nor is the supervisor to keep it; it is closed once this release is
 * permanent. Sessions that it had accepted are none of this: see `unclaimed.sessions`.
 * HANDOFF_ERR_UNKNOWN for a name that is not offered, HANDOFF_ERR_DUPLICATE for one that is
 * declared or given back already, -EINVAL for other flags. */
#define HANDOFF_GIVE_BACK_CLOSE 1u
HANDOFF_API int handoff_give_back(handoff_t* h, const char* name, uint32_t flags);

/* Declares a kind of session with its own state version ("session" is there
 * already, with handoff_options.state_version). */
HANDOFF_API int handoff_kind(handoff_t* h, const char* kind, uint32_t version);

/* Sessions of that kind ("session" or a declared one) have no state: save() may return 0 without a
 * handoff_save_*(), and restore() gets an empty state. HANDOFF_ERR_UNKNOWN for a kind that is not
 * declared. */
HANDOFF_API int handoff_stateless(handoff_t* h, const char* kind);

/* There is nothing to be saved of sessions of that kind ("session" or a declared one) before the
 * service is frozen: they are left out of the copy and all of them go over in the freeze, which
 * takes longer for it. A plan can't try them, and says how many. For runtimes to whom the state of
 * a session that serves is not at hand. Otherwise as handoff_stateless(). */
HANDOFF_API int handoff_no_snapshots(handoff_t* h, const char* kind);

/* Declares a kind for the sessions of one listener alone. Its name is the listener's; versions and
 * steps are those of the kind "session". A release from before this function existed sees sessions
 * of its kind "session", and so does one that has such a kind for no listener. From a release
 * without them, sessions of kind "session" become those of the only listener that has such a kind;
 * where several have, they are of kind "session". HANDOFF_ERR_UNKNOWN for a listener that is not
 * declared, HANDOFF_ERR_DUPLICATE if there is a kind of that name: that is the one to use then.
 * uv.hpp calls it for each listener. */
HANDOFF_API int handoff_listener_kind(handoff_t* h, const char* listener);
/* The state version of a kind of session; 0 if it was not declared. Any time; inside callbacks,
 * too. */
HANDOFF_API uint32_t handoff_kind_version(const handoff_t* h, const char* kind);

/* Converts one state to the version after or before its own, and appends the new state to out.
 * state is valid during the call. Returns 0, or a negative number: in the donor that is as if
 * save() of this session had failed, in the heir as if restore() had. */
typedef int (*handoff_convert_fn)(void* user, const void* state, size_t length,
                                  handoff_buffer_t* out);

/* Registers one step, N to N+1 or N+1 to N; the library finds chains of them. Steps up from older
 * versions let this release read them, steps down from its own version let it write them for an
 * older heir. HANDOFF_ERR_UNKNOWN for a kind that is not declared, HANDOFF_ERR_DUPLICATE for a step
 * that is. */
HANDOFF_API int handoff_state_step(handoff_t* h, const char* kind, uint32_t from, uint32_t to,
                                   handoff_convert_fn convert, void* user);

/* Appends a copy of data. Only inside the callback that got the buffer, which has failed if this
 * does, whatever it returns. */
HANDOFF_API int handoff_buffer_append(handoff_buffer_t* b, const void* data, size_t length);

/* A chunk of a section is at most this many bytes. */
#define HANDOFF_CHUNK_MAX (1024u * 1024u)

#define HANDOFF_PHASE_SNAPSHOT 1 /* the donor serves: walk through all of it, bit by bit */
#define HANDOFF_PHASE_CHANGES 2  /* the donor serves: what changed since the snapshot began */
#define HANDOFF_PHASE_FINAL 3    /* the donor is frozen: the changes that are left; be quick */

/* A section: named state of the service as a whole, of any size. It goes over as
 * a sequence of chunks; each chunk that read() gives reaches write() in the heir
 * as it was, in the same order. The library does not look into them: data that changes during the
 * copy must be given once more, as a change. All are called on the thread of lane 0. All are
 * required. */
struct handoff_section_ops {
  size_t size;
  /* Donor: the copy begins, in this version: go back to the start, note changes from now on. A
   * negative number fails the handoff. */
  int (*begin)(void* user, uint32_t version);
  /* Donor: fill the next chunk of at most capacity bytes. Returns its length, 0 if this phase has
   * nothing more for now, or a negative number: then the handoff fails and this process serves on.
   */
  ssize_t (*read)(void* user, int phase, void* chunk, size_t capacity);
  /* Donor: the copy has ended; moved is 1 if the section is the heir's now, 0 if it is still
   * ours. Stop noting changes. */
  void (*end)(void* user, int moved);
  /* Heir: apply the next chunk, which is valid during the call. The donor can write to this memory:
   * copy what you keep, and check what you parse. A negative number rejects the handoff. */
  int (*write)(void* user, uint32_t version, const void* chunk, size_t length);
  /* Heir: all chunks are here. The last chance to reject the handoff, by a negative number. */
  int (*finish)(void* user);
  /* Heir: the donor died in mid-copy: forget what was written and start empty. */
  void (*reset)(void* user);
};

/* Declares a section. reads and writes are the versions that this release can read
 * and write, each at least one. The highest that the donor writes and the heir
 * reads is used. ops is copied. */
HANDOFF_API int handoff_section(handoff_t* h, const char* name, const uint32_t* reads,
                                size_t n_reads, const uint32_t* writes, size_t n_writes,
                                const struct handoff_section_ops* ops, void* user);

/* Donor: appends the value as of this moment to out, by handoff_buffer_append(). Called while
 * serving and again when frozen; must not change anything. A negative number fails the handoff. */
typedef int (*handoff_blob_save_fn)(void* user, handoff_buffer_t* out);
/* Heir: takes the value, which is valid during the call; a donor of any release wrote it, so check
 * what you parse. A negative number rejects the handoff. */
typedef int (*handoff_blob_load_fn)(void* user, const void* data, size_t length);

/* Declares a blob: small state of the service as a whole, at most 16 MiB, that is saved at once and
 * has no changes to note: counters, a topic, a list of bans. It has no versions: write it so that
 * other releases can read it (handoff/tlv.h skips what it does not know). load() is called once,
 * when all sessions are restored and the donor is frozen, and before linked(); not in an heir whose
 * donor has none of that name, or died in mid-copy. Both on the thread of lane 0. To others it is a
 * section of that name. */
HANDOFF_API int handoff_blob(handoff_t* h, const char* name, handoff_blob_save_fn save,
                             handoff_blob_load_fn load, void* user);

/* A region: named shared memory that the service grows and fills. It changes hands without a copy,
 * so that a switch costs the same whatever its size: at the switch the heir has it, and the donor
 * no longer does.
 *
 * - A region has another address in each process: keep offsets in it, no pointers.
 * - A region is zero bytes long until handoff_region_grow() is called, and never gets shorter.
 * - A layout is what a state version is for sessions, but the library converts nothing. An heir
 *   takes the memory in the layout that it has, may rewrite it in place once it is the owner, and
 *   then calls handoff_region_set_version().
 * - A region starts empty if the donor dies in mid-copy or the service crashes, since nothing tells
 *   a whole change from half of one. */
struct handoff_region_ops {
  size_t size;
  /* Heir, optional: all else is restored, the donor is frozen, and this is the region as it will
   * be. Look, do not write: the donor still owns the memory, and writing is a SIGSEGV. A negative
   * number rejects the handoff. */
  int (*adopt)(void* user, uint32_t version, const void* data, size_t length);
  /* Heir, optional: the region starts empty, although the donor had one. The donor died in
   * mid-copy, or keeps the region for sessions that stay with it. */
  void (*reset)(void* user);
};

/* Declares a region. version is the layout in which this release fills a new one; reads (at least
 * one) are the layouts that it can take. max_size, in bytes and not 0, reserves addresses and no
 * memory; an heir rejects a region that has outgrown it. ops is copied and may be NULL. */
HANDOFF_API int handoff_region(handoff_t* h, const char* name, const uint32_t* reads,
                               size_t n_reads, uint32_t version, size_t max_size,
                               const struct handoff_region_ops* ops, void* user);

/* A session that comes from a donor. Pointers are valid during the callback, lengths in bytes. */
struct handoff_adopted {
  size_t size;
  uint64_t id;
  const char* kind;
  /* In restore(): take it, it is yours to close; -1 for a session of HANDOFF_SESSION_NO_FD. In
   * update(): -1, keep the one you have. */
  int fd;
  const void* state; /* in this release's own version */
  size_t state_length;
  const void* input; /* read from the socket, not yet understood */
  size_t input_length;
  const void* output; /* produced, not yet accepted by the kernel: send it before anything else */
  size_t output_length;
  uint32_t flags; /* what handoff_save_flags() was given */
  /* In extend() alone: so many bytes at the front of the input (of the output) that this session
   * had by the call before are over; input (output) goes behind what is left of them. */
  uint64_t input_dropped;
  uint64_t output_dropped;
  const void* layer; /* what handoff_save_layer() was given; wiped after the callback */
  size_t layer_length;
  /* The names of all fds that the session has beside its socket, see handoff_session_fd(). Each is
   * to be taken by handoff_take_fd(). In update() and extend() one that can be taken again is new:
   * close the one before; one that is no longer named is over: close it. */
  const char* const* fd_names;
  size_t fd_count;
};

#define HANDOFF_STOP_REQUESTED 1 /* the operator or the supervisor stops the service */

/* The order in an heir, all of it before handoff_wait() returns 0:
 *
 *   1. restore() of sessions (with update() beside it; else in 2) and write() of sections, in any
 *      order, while the donor serves. A session that has changed comes again by update() or
 *      extend(), and drop() tells of one that does not come after all
 *   2. the donor is frozen: the last changes, by the same callbacks, and restore() without update()
 *   3. when all sessions of all lanes are restored: finish() of each section (load() of a blob) in
 *      the order of their declaration, then adopt() of each region
 *   4. linked()
 *   5. the switch: handoff_wait() returns 0, or HANDOFF_ERR_ABORTED after drop() of each session
 *
 * After a death of the donor in 1 or 2: reset() of each section and region, drop() of what can't be
 * kept, linked(), and the switch.
 *
 * Any of them may be NULL, but a handoff that has a session to move fails (-ENOSYS) without save()
 * in the donor or restore() in the heir. */
struct handoff_callbacks {
  size_t size;
  /* Donor: give the session's state, with handoff_save_*(), as of this moment. Called while
   * serving (a snapshot) and again when frozen. Must not change the session, nor open or close any.
   * A negative number: this session can't be moved. By `unmovable` of the configuration it stays
   * here as one that is held, is reset at the switch, or fails the handoff; a number that says what
   * has run out (see handoff_reason()) fails it always. So does 0 without a call of
   * handoff_save_*(), but for a kind of handoff_stateless(): a state that was lost on the way here
   * must not be taken for an empty one. An empty state is saved by handoff_save_state(out, "", 0).
   */
  int (*save)(void* user, uint64_t id, handoff_saved_t* out);
  /* Heir: take a session. Until handoff_wait() returns 0 it may be prepared in every way, but
   * not be read, written or shut down, and its flags stay as they are: O_NONBLOCK, O_ASYNC, the
   * owner (fcntl(2)) and the options (setsockopt(2)) are the donor's, too, which serves with them.
   * A runtime that opens an fd as a socket of its own may set some of them. A donor that serves on
   * sets O_NONBLOCK again, and nothing else. An heir sets it again, too, on what came with it, when
   * the donor lets go: whoever wants to wait in read(2) calls poll(2) before, or clears it once the
   * donor has exited. A negative number: this release can't take the session. drop() follows, then
   * the library closes the fd if it is still open. Leave the socket as it is: close(2) is no
   * shutdown(2). By `unmovable` of the configuration the session stays with the donor or is reset,
   * or the handoff fails (invariant I7, docs/invariants.md) and this process must exit. It fails,
   * too, if this release refuses more than half of what comes, and for a number that says what has
   * run out (see handoff_reason()). A late session stays where it is. HANDOFF_LATER: see
   * handoff_restored(). */
  int (*restore)(void* user, const struct handoff_adopted* session);
  /* Heir, optional: a newer state of a session that restore() has had. With it, restore() is called
   * while the donor serves; without it, restore() is called once, when frozen. */
  int (*update)(void* user, const struct handoff_adopted* session);
  /* Heir: this session does not come after all: it ended at the donor, stays there, or can't be
   * kept. Only for sessions that restore() has had. Donor, at the switch: this session could not be
   * moved and is reset, by `unmovable` of the configuration; retired() follows, or late() and
   * moved() have come. Late donor: the time to wait for this session is over. Forget it and
   * close(2) its fd, no more; see retired() for what close(2) is not. */
  void (*drop)(void* user, uint64_t id);
  /* Donor, optional: stop all that touches sockets or state. The library does not return to the
   * caller until thaw() or retired(), so only services with threads that are no lanes need this. A
   * negative number fails the handoff; thaw() follows. handoff_session_touch(), hold() and
   * release() may be called in here, for what those threads did to sessions up to now.
   * HANDOFF_LATER: sessions come to rest while the loop turns; see handoff_frozen(). */
  int (*freeze)(void* user);
  /* Donor, optional: the handoff failed; go on as before. */
  void (*thaw)(void* user);
  /* Donor: the sessions and named fds are the heir's. Do not touch them, but close(2) the sessions'
   * (take them out of epoll first, or close the epoll fd); then leave your loop and exit. A process
   * that exits as soon as handoff_dispatch() has returned need close nothing. close(2) alone:
   * some runtimes shut a socket down as they close it, or clear O_NONBLOCK (socket:close() of
   * Erlang/OTP does), and the heir has the same socket. An heir sets O_NONBLOCK again on what came
   * with it once this callback has returned, and once this process has exited. Until then it must
   * not rely on it: read with MSG_DONTWAIT, or only what poll(2) has told of. lost is the
   * number of sessions of this lane that nobody has any more (0 but after a double fault). */
  void (*retired)(void* user, uint64_t lost);
  /* Finish: stop accepting, let clients go, exit. The supervisor kills the process at deadline_us
   * (CLOCK_MONOTONIC). reason is HANDOFF_STOP_REQUESTED. */
  void (*stop)(void* user, int reason, uint64_t deadline_us);

  /* The rest is for services that hold sessions (handoff_session_hold()): all four or none. A
   * service that was built before they existed gives a smaller `size`, which is no error. */

  /* Donor: as retired(), but for `waiting` sessions, which are yours as before. The listeners, the
   * sections, the regions and all other sessions are the heir's: stop accepting and let the named
   * fds be; then moved() is called for each session that went, and drop() for each that was reset.
   * When the last one has gone, or
   * ended, retired() comes. */
  void (*late)(void* user, uint64_t waiting);
  /* This session is another process's now: take it out of epoll and close(2) its fd, no more; see
   * retired(). Of a session that moves by itself the owner sets O_NONBLOCK again once this process
   * says something more over its link, or has exited. */
  void (*moved)(void* user, uint64_t id);
  /* Do not touch this session, neither its socket nor its state, until thaw_session() or moved().
   * save() of it follows. The loop goes on meanwhile: watch its fd no more. */
  void (*freeze_session)(void* user, uint64_t id);
  /* The session is yours from now on: one that freeze_session() had stopped, a late one that
   * restore() has had, or one that has come to rest (handoff_session_put()) and does not leave now.
   * Until now it may not be touched. */
  void (*thaw_session)(void* user, uint64_t id);

  /* Heir, optional, and only beside update(): as update(), but of input and output only what is new
   * is here. It goes behind what this session has of them, once input_dropped (output_dropped)
   * bytes are taken away at the front of that. A service with update() and without extend() gets
   * all of them each time, however many there are. */
  int (*extend)(void* user, const struct handoff_adopted* session);

  /* Heir, optional, of lane 0 alone: everything is here and nothing is this process's own yet. All
   * sessions of all lanes are restored, finish() of every section and adopt() of every region have
   * returned. So join what belongs together: the sessions with the rooms that they are in. The
   * donor is frozen, and the time counts against the freeze budget. What holds for restore() holds
   * here: touch no socket. A negative number rejects the handoff, and the donor goes on; drop()
   * follows for each session. A rehearsal calls it too, unless it was refused a section; there
   * regions have no address. It comes once more, after the reset() of the sections and drop() of
   * sessions, if the donor has died in mid-copy; a negative number is only logged then, and lanes
   * other than 0 may still drop sessions. */
  int (*linked)(void* user);
};

/* Sets the callbacks of this lane, in place of those before; *callbacks is copied. The library
 * borrows `user` and passes it to them. HANDOFF_ERR_ORDER after handoff_ready(). */
HANDOFF_API int handoff_set_callbacks(handoff_t* h, const struct handoff_callbacks* callbacks,
                                      void* user);

/* ---- states that are not at hand -----------------------------------------
 *
 * In some runtimes each session is a process, a task or a coroutine, and what it would save is not
 * at hand where save() is called. Such a service tells the library instead:
 *
 * - handoff_session_put() gives a session's state whenever it is at hand, from its own thread.
 * - freeze() tells all sessions to come to rest, and answers HANDOFF_LATER. dispatch() returns and
 *   the loop turns, without accepting, and without reading sessions that have come to rest. Each
 *   session ends what it is in the middle of, puts its state, and waits for thaw() or moved().
 * - handoff_frozen() says that all are at rest, and the switch goes on. What has put no state by
 *   handoff_freeze_deadline() is left behind as a session that is held, and moves once it has put
 *   one; that does not fail the switch. It takes the four callbacks of sessions that are held,
 *   without which it does.
 * - restore() tells a session to begin, and may answer HANDOFF_LATER; handoff_restored() follows.
 *
 * With several lanes each comes to rest by itself: the handle is that of the session's lane, and
 * handoff_frozen() is for that lane's freeze(). A lane at rest may wait in handoff_dispatch() for
 * the others. None of these functions sets handoff_last_error(). The handle must be there until
 * they have returned. */

/* Pointers may be NULL where the length, in bytes, is 0. */
struct handoff_put {
  size_t size;
  const void* state; /* in this release's own version */
  size_t state_length;
  const void*
      input; /* as of handoff_save_input(), handoff_save_output() and handoff_save_flags() */
  size_t input_length;
  const void* output;
  size_t output_length;
  uint32_t flags;
  /* With HANDOFF_PUT_PLACED in placed: those of the first byte of input and output, as of
   * handoff_save_input_at() and handoff_save_output_at(). What the heir has is not sent again. */
  uint64_t input_position;
  uint64_t output_position;
  /* As of handoff_save_layer(), at most HANDOFF_LAYER_MAX bytes (-E2BIG). The library overwrites
   * its copy when the next state is put, and when the session ends or has gone. */
  const void* layer;
  size_t layer_length;
  uint32_t placed; /* 0 or HANDOFF_PUT_PLACED */
};
#define HANDOFF_PUT_PLACED 1u

/* Says that this is the session's state from now on, until the next one is put. It is copied, and
 * stands in place of save(), which is not called for this session any more. The session counts as
 * changed. A session that has put a state since freeze() was called is at rest: it puts no other
 * before thaw(), thaw_session() or moved(). So is a late one, after late(), that has put a state
 * while it is not held (by handoff_session_hold()): it moves, or thaw_session() tells it to go on,
 * and to come to rest again with its next put. One that is held goes on by thaw_session(), too, and
 * what it puts before it is released does not move it. id may be that of a session that restore()
 * has had. One that is no session (any more) is no error. Any thread, and inside callbacks, too. */
HANDOFF_API int handoff_session_put(handoff_t* h, uint64_t id, const struct handoff_put* put);

/* Says how a freeze() has ended that has answered HANDOFF_LATER, once all is put: 0 if all is at
 * rest. A session that had a state and has put none since freeze() was called is left behind all
 * the same. A negative number fails the handoff, with `why` for the operator (may be NULL); thaw()
 * follows. Also before freeze() has returned; no effect at any other time. Any thread. */
HANDOFF_API int handoff_frozen(handoff_t* h, int result, const char* why);

/* From freeze() on: when what is not at rest is left behind (CLOCK_MONOTONIC, microseconds), two
 * fifths of the freeze budget after it began. 0 if nothing is frozen. Any thread. */
HANDOFF_API uint64_t handoff_freeze_deadline(const handoff_t* h);

/* Says how a restore(), update() or extend() of a session has ended that has answered
 * HANDOFF_LATER; once for each. A negative number is as if that had returned it, with `why` for the
 * operator (may be NULL): drop() follows. A session whose answer has not come at three fifths of
 * the freeze budget counts as refused, and by `unmovable` of the configuration stays with the
 * donor. An id of which nothing is waited for is no error. Any thread, also before that callback
 * has returned, and not after drop() of it: a later restore() of that id would take it for its own.
 * Where the donor has died the sessions are this process's before all has ended; a negative number
 * resets one then. A service whose loop has to turn for it calls handoff_dispatch() when
 * handoff_fd() is readable, until handoff_state() is HANDOFF_STATE_OWNER, in place of
 * handoff_wait(). */
HANDOFF_API int handoff_restored(handoff_t* h, uint64_t id, int result, const char* why);

/* ---- starting ---------------------------------------------------------- */

/* Ends the declarations and starts: binds or takes the listeners, or, in an heir, tells donor and
 * supervisor what this release is. Does not wait for the donor. -errno, with the listener's name in
 * handoff_last_error(), where one can't be bound. Not inside a callback. */
HANDOFF_API int handoff_ready(handoff_t* h);

/* Waits until this process is the owner: at once but for an heir, whose sessions are
 * restored in here. 0; HANDOFF_ERR_ABORTED if the handoff failed, or was only a rehearsal, at whose
 * end it always comes (`handoff plan`): then exit, with status 0, the donor serves on.
 * handoff_last_error() tells which, and is what to log: "the rehearsal is over", or "the handoff
 * failed: " and why. -ETIMEDOUT after timeout_ms (-1: as long as
 * the deadlines of the handoff take). From 0 until the first handoff_dispatch() of an heir its
 * clients wait, and no budget bounds that: what need not be done there, do before handoff_ready()
 * or in the loop. An heir that takes longer than the freeze budget is named, by log() and in the
 * report of the upgrade. Not inside a callback. */
HANDOFF_API int handoff_wait(handoff_t* h, int timeout_ms);

/* The fd to watch for reading. Borrowed; the same for the handle's life. */
HANDOFF_API int handoff_fd(const handoff_t* h);

/* Does what there is to do. Waits in one case alone: a donor at the switch returns when the sockets
 * are its own again or no longer are, at most the freeze budget later (plus what the kernel needs
 * to end a hanging heir). 0, or HANDOFF_ERR_ABORTED in an heir whose handoff failed. Not inside a
 * callback. */
HANDOFF_API int handoff_dispatch(handoff_t* h);

#define HANDOFF_STATE_DECLARING 0
#define HANDOFF_STATE_HEIR 1    /* ready, and waiting to become the owner */
#define HANDOFF_STATE_OWNER 2   /* serves */
#define HANDOFF_STATE_DONOR 3   /* serves, and a handoff is under way */
#define HANDOFF_STATE_RETIRED 4 /* gave everything away */
#define HANDOFF_STATE_FAILED 5  /* an heir whose handoff failed */
#define HANDOFF_STATE_LATE 6    /* gave all away but sessions that were held, and serves those */

/* One of HANDOFF_STATE_*. Inside callbacks, too; so are all questions up to
 * handoff_named_address().
 */
HANDOFF_API int handoff_state(const handoff_t* h);
/* Whether a supervisor runs this process (1) or it runs by itself (0). */
HANDOFF_API int handoff_supervised(const handoff_t* h);
/* As handoff_supervised() without a handle, so also before handoff_open(): for a program that
 * becomes a daemon, writes a PID file or takes a lock unless a supervisor runs it. 0 in a child of
 * a service. Any thread, while none changes the environment. */
HANDOFF_API int handoff_has_supervisor(void);
/* Numbered from 1 by the supervisor; 0 without one. */
HANDOFF_API uint64_t handoff_generation(const handoff_t* h);
/* The fd of that name, after handoff_wait(); HANDOFF_ERR_UNKNOWN if it was not declared, -ENOENT if
 * nobody gave it. Borrowed: the library closes it when it retires or in handoff_close(). It has
 * FD_CLOEXEC, unless it was attached without. A listener has O_NONBLOCK, too: the library and the
 * supervisor bind it so, and an heir has it as its donor left it, since the flag is of the socket
 * that both have. Another process that has the socket may clear it (see retired()): a loop that
 * must never wait sets it again before it accepts, as poll.h does. What accept(2) returns has
 * neither flag: use accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC. */
HANDOFF_API int handoff_named_fd(const handoff_t* h, const char* name);
/* The address a listener is bound to ("tcp:127.0.0.1:7000"); NULL if there is no such name. Owned
 * by the handle, valid as long as it is. */
HANDOFF_API const char* handoff_named_address(const handoff_t* h, const char* name);

/* Tells the supervisor whether the service is well: whether its database is reachable, say. why
 * (may be NULL) tells people why it is not. The supervisor takes back a release on probation that
 * is not well; one whose health check is "service" must have said that it is. What is said before
 * this process is the owner is sent when it is. No effect without a supervisor. Inside callbacks,
 * too.
 */
HANDOFF_API int handoff_health(handoff_t* h, int healthy, const char* why);

/* Says that this process is about to end on purpose, and why: it has nothing left to do, say. The
 * supervisor does not start the service again when it ends, also with another status than 0; its
 * listeners stay open. `handoff status` shows the reason, and `handoff restart` starts it. May be
 * said again. It is over with this process: an heir that takes over meanwhile is started again as
 * ever. HANDOFF_ERR_ORDER unless this process is the owner. No effect without a supervisor, nor
 * with one that does not know it. Inside callbacks, too. */
HANDOFF_API int handoff_leave(handoff_t* h, const char* why);

/* Adds to the count of the service's own errors: requests that failed by its fault, say. The
 * supervisor asks for the sum each second while the release is on probation, and takes the release
 * back if there are more than `max_errors` of its configuration. Cheap; any thread, and inside
 * callbacks, too. */
HANDOFF_API int handoff_errors(handoff_t* h, uint64_t more);

/* A listener whose address has changed in the configuration is two sockets for a while:
 * handoff_named_fd() has the new one, and clients still come to the other, which may be older or,
 * after a way back, newer. This gives it: accept on both. Once nobody is to come any more,
 * accept(2) fails with EINVAL on one of TCP; then stop watching it, and close it. The fd is the
 * caller's from now on: close it in retired(), too. There may be several: ask until -ENOENT.
 * After handoff_wait(); h alone. HANDOFF_ERR_ORDER before, HANDOFF_ERR_UNKNOWN for a name that was
 * not declared. uv.hpp and poll.h do all of this. */
HANDOFF_API int handoff_take_earlier(handoff_t* h, const char* name);

/* Gives the library an fd of any kind under a name, to be handed over with the rest. Takes fd; when
 * it fails, fd is the caller's as before. HANDOFF_ERR_UNKNOWN for a name that handoff_claim() has
 * not declared, HANDOFF_ERR_DUPLICATE for one that has an fd, -EBUSY while a handoff is under way.
 */
HANDOFF_API int handoff_attach(handoff_t* h, const char* name, int fd);
/* Takes the fd of that name back, be it one that was attached or that a donor gave: it is the
 * caller's, and is not handed over. Returns the fd. HANDOFF_ERR_UNKNOWN for a name that
 * handoff_claim() has not declared, -ENOENT if it has no fd, -EBUSY while a handoff is under way.
 */
HANDOFF_API int handoff_detach(handoff_t* h, const char* name);

/* ---- regions (after handoff_wait(); inside callbacks, too) -------------- */

/* Where the region begins, at the start of a page; fixed as long as this process owns it. NULL in
 * an heir until handoff_wait() returns 0 (so also in restore() and update()), from retired() or
 * late() on, and for a name that was not declared. Afterwards the addresses stay reserved, so that
 * a pointer that was kept is a SIGSEGV. A session that is held must read what it needs of a region
 * before the switch. */
HANDOFF_API void* handoff_region_data(const handoff_t* h, const char* name);
/* Its size in bytes; 0 where handoff_region_data() is NULL. */
HANDOFF_API size_t handoff_region_size(const handoff_t* h, const char* name);
/* Makes the region at least that many bytes long. The new bytes are zero. The kernel allocates them
 * at once (about a quarter of a second for 1 GiB), so that a full memory is -ENOMEM or -ENOSPC
 * here, with nothing changed. -EFBIG beyond max_size, HANDOFF_ERR_UNKNOWN for a name that was not
 * declared, HANDOFF_ERR_ORDER if this process does not own the region. */
HANDOFF_API int handoff_region_grow(handoff_t* h, const char* name, size_t size);
/* The layout that the memory has; 0 for a name that was not declared. */
HANDOFF_API uint32_t handoff_region_version(const handoff_t* h, const char* name);
/* Says that the service has brought the memory into this layout. Only a release that reads this
 * layout will get the region. -EINVAL for a layout that was not declared, HANDOFF_ERR_UNKNOWN for
 * such a name, HANDOFF_ERR_ORDER if this process does not own the region, -EBUSY while a handoff is
 * under way. */
HANDOFF_API int handoff_region_set_version(handoff_t* h, const char* name, uint32_t version);
/* Whether the region came from a donor (1) or is new (0). */
HANDOFF_API int handoff_region_adopted(const handoff_t* h, const char* name);

/* ---- sessions ---------------------------------------------------------- */

/* The service calls handoff_session_touch() whenever this session has changed, so that only
 * sessions that changed are saved again. One without this flag is saved again in each freeze. */
#define HANDOFF_SESSION_TRACKED 1u
/* The session shares nothing with other sessions, sections or regions. Should the donor die in
 * mid-copy, the heir may keep it if its socket has not moved a byte since its snapshot. */
#define HANDOFF_SESSION_INDEPENDENT 2u
/* The session has no socket, so that fd is -1: a subscription, a session that is parked. What it
 * has is its state, and what handoff_session_fd() gives it. */
#define HANDOFF_SESSION_NO_FD 4u

struct handoff_session_options {
  size_t size;
  const char* kind; /* NULL for "session" */
  uint32_t flags;
  /* The id that the session had in an earlier process of this service, which can't say it itself
   * any more; 0: a new one. HANDOFF_ERR_DUPLICATE for one that is there. A program from before this
   * member gives a smaller `size`. */
  uint64_t id;
};

/* Adds a session to this lane. Borrows fd, which must stay open until handoff_session_closed(). *id
 * is its id for life, in every generation. options may be NULL. HANDOFF_ERR_ORDER if this process
 * is not the owner, HANDOFF_ERR_UNKNOWN for a kind that was not declared, -EBADF for a bad fd,
 * HANDOFF_ERR_DUPLICATE for one that a session of this lane has.
 *
 * The functions that follow take the id of a session of this lane; any other is
 * HANDOFF_ERR_UNKNOWN. */
HANDOFF_API int handoff_session_open(handoff_t* h, int fd,
                                     const struct handoff_session_options* options, uint64_t* id);
/* Says that the session has changed since it was saved last; from the first call on it counts as
 * TRACKED. Allowed in freeze(), and in restore(), which saves a call for each session after the
 * switch. */
HANDOFF_API int handoff_session_touch(handoff_t* h, uint64_t id);
/* Says that the session has ended. Call it before close(2), and after all output is sent. During a
 * handoff the heir has a duplicate of the socket, so that close(2) alone tells the client nothing:
 * this function ends the sending half then (shutdown(2), SHUT_WR), and a write(2) after it is
 * EPIPE. So it is for all sessions that have one connection by dup(2). A restored session needs
 * shutdown(2) in between: the donor may have the socket open for a while yet. So does any socket
 * that a child of the service has inherited: open sockets with SOCK_CLOEXEC. -EBUSY between
 * freeze_session() and thaw_session() or moved(). */
HANDOFF_API int handoff_session_closed(handoff_t* h, uint64_t id);
/* Holds a session that is in the middle of something that must end in this process. At a switch it
 * stays here, while all others and the listeners go; it moves once it is released. Holds are not
 * counted: one release ends them. HANDOFF_ERR_REJECTED for a service that lacks one of the
 * callbacks late, moved, freeze_session, thaw_session in any of its lanes; -EBUSY between
 * freeze_session() and thaw_session() or moved(). Allowed in freeze(). */
HANDOFF_API int handoff_session_hold(handoff_t* h, uint64_t id);
/* As handoff_session_hold(), but at deadline_us (CLOCK_MONOTONIC, not 0) it is released by itself,
 * and so moves as it is: by a switch or, if it stayed, then. A later call sets another deadline,
 * and handoff_session_hold() none. -EINVAL for a deadline of 0. */
HANDOFF_API int handoff_session_hold_until(handoff_t* h, uint64_t id, uint64_t deadline_us);
/* Lets a held session move. Does nothing if it was not held; -EBUSY as handoff_session_hold(). A
 * late session whose state is put moves once it puts one after this: release it, then put. */
HANDOFF_API int handoff_session_release(handoff_t* h, uint64_t id);
/* 1 if this process is late, and the session moves to the newer one as soon as it is not held: what
 * it shares with others is there already. 0 elsewhere, and for a session that stays() here, that
 * the newer process has refused, or that shares nothing (INDEPENDENT) and may be served here. */
HANDOFF_API int handoff_session_leaves(handoff_t* h, uint64_t id);
/* Says that the session can't move, and why, in a few words for the operator: "tls", since the keys
 * of its connection are with a library in this process. At a switch it stays here, and it never
 * moves; once the drain is over it is reset, unless the configuration says `late = "keep"`. `plan`
 * and `upgrade` count it under its reason. NULL: it moves like any other. May be called at any time
 * between its opening and its end; HANDOFF_ERR_REJECTED and -EBUSY as handoff_session_hold().
 * Allowed in freeze(). */
HANDOFF_API int handoff_session_stays(handoff_t* h, uint64_t id, const char* why);
/* Says which process the session needs: a shell whose terminal is the session's, say. It goes with
 * the session from release to release, and the supervisor does not end it, nor what that process
 * has started, while one of the releases that lives has the session. (By `children` of its
 * configuration it ends what a process of the service has left.) One for each session: the last one
 * that was named. 0 for none. -ESRCH if there is no such process, -EBUSY as
 * handoff_session_hold(). */
HANDOFF_API int handoff_session_process(handoff_t* h, uint64_t id, pid_t pid);
/* Says that an fd of any kind belongs to the session beside its socket, and goes where the session
 * goes: a pty, a pipe, a timerfd, the socket of an upstream. name is
 * [A-Za-z0-9._-]{1,64}, and one that the session has is replaced. Borrows fd, which must stay open
 * until the session has ended, or handoff_session_fd() has named another one or -1, which says that
 * there is none any more: call it before close(2). What the heir has had is not sent again. Counts
 * as handoff_session_touch() for this once. Should the donor die in mid-copy, a session with such
 * fds is not kept, INDEPENDENT or not.
 *
 * handoff_session_closed() ends the sending half of those that are sockets, too: take one that goes
 * on for another session back (-1) before. A release whose libhandoff does not know of them can't
 * take the session; one whose restore() does not take them refuses it. What becomes of it then says
 * `unmovable` of the configuration.
 *
 * Up to 32 for each session, else -E2BIG. -EBADF for a bad fd, -EINVAL for a name that can't be or
 * an io_uring, which the kernel does not pass, -ENOENT for -1 without one of that name,
 * HANDOFF_ERR_DUPLICATE for an fd that the session has by another name, -EBUSY as
 * handoff_session_hold(). Allowed in freeze(), and in restore() and update(), each of which begins
 * with the fds that came. */
HANDOFF_API int handoff_session_fd(handoff_t* h, uint64_t id, const char* name, int fd);
/* Inside restore(), update() and extend() of that session only: takes the fd of that name, which is
 * the caller's from now on, also if the callback fails after this. Returns the fd. -ENOENT if the
 * session has none of that name, or if it was taken before; HANDOFF_ERR_ORDER elsewhere. */
HANDOFF_API int handoff_take_fd(handoff_t* h, uint64_t id, const char* name);
/* Begins to connect to tcp:HOST:PORT, tcp:[V6]:PORT, unix:/PATH or unix:@ABSTRACT; HOST is numeric.
 * Returns an fd with O_NONBLOCK and FD_CLOEXEC that is the caller's. It is writable once the
 * connection is made or has failed, which SO_ERROR of getsockopt(2) tells. A session may have it
 * while it connects, and moves with it. -EINVAL for another address, or connect(2)'s -errno: from a
 * Unix socket whose queue is full -EAGAIN. Any thread. */
HANDOFF_API int handoff_connect(const char* address);
/* How many sessions this lane has. */
HANDOFF_API uint64_t handoff_session_count(const handoff_t* h);

/* Inside a callback that is about to return a negative number: why, in words. The text is copied
 * and reaches the log, the peer and the operator. The operator sees a number that says what has run
 * out (-ENOMEM, -EMFILE, -ENFILE, -ENOSPC, -ENOBUFS, -ETOOMANYREFS) as "resources", any other as
 * "rejected". */
HANDOFF_API void handoff_reason(handoff_t* h, const char* why);

/* Inside save() only. Each appends a copy of data, and may be called several times. data may be
 * NULL where length is 0. Of one that fails the bytes are missing, so save() has failed then, also
 * if it returns 0: the session can't be moved. */
HANDOFF_API int handoff_save_state(handoff_saved_t* out, const void* data, size_t length);
HANDOFF_API int handoff_save_input(handoff_saved_t* out, const void* data, size_t length);
HANDOFF_API int handoff_save_output(handoff_saved_t* out, const void* data, size_t length);
/* Inside save() only, in place of the two: position is that of data's first byte in the stream, so
 * that in each save() of a session a byte has the position that it had before. It may be counted
 * from any moment, the start of this process's part of the session, say. Bytes at the same position
 * must be the same. What the heir has by an earlier save() is not sent again, so a session may be
 * saved in the freeze with any amount of input or output waiting. May be called several times if
 * each call goes on where the one before has ended; else, or if the other function was called
 * before, -EINVAL. */
HANDOFF_API int handoff_save_input_at(handoff_saved_t* out, uint64_t position, const void* data,
                                      size_t length);
HANDOFF_API int handoff_save_output_at(handoff_saved_t* out, uint64_t position, const void* data,
                                       size_t length);
/* Inside save() only: 32 bits for a layer between service and library, which state conversion does
 * not touch. uv.hpp uses all of them, so a service on uv.hpp has none. */
HANDOFF_API int handoff_save_flags(handoff_saved_t* out, uint32_t flags);

#define HANDOFF_LAYER_MAX 32768u
/* Inside save() only: bytes for a layer between service and library, the keys and counters of a
 * connection, say. Appends a copy. State conversion does not see them, restore() gets them beside
 * the state, and each save() gives all of them. The library overwrites each memory of its own that
 * they were in before it uses it for something else (the kernel's is not its own). -E2BIG beyond
 * HANDOFF_LAYER_MAX bytes in all. A session with such bytes can't be moved to a release whose
 * library does not know them. */
HANDOFF_API int handoff_save_layer(handoff_saved_t* out, const void* data, size_t length);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_HANDOFF_H */
