/* tls.h: TLS sessions that move from a process to its next version, for any event loop.
 *
 * OpenSSL (3.0 or newer, as the distribution has it) does the handshake. From then on the record
 * layer of this library does everything, from the first byte on and not only after a move. There is
 * no SSL object any more: SSL_read(3) and SSL_write(3) are not for these sessions.
 *
 * Nothing here reads or writes a socket: bytes go in, bytes come out.
 *
 *   what the socket has given  -> handoff_tls_feed()  -> handoff_tls_plain(), handoff_tls_consume()
 *   handoff_tls_write()        -> handoff_tls_out()   -> what the socket is to get,
 *                                                        handoff_tls_sent()
 *
 * The recipe (tls.hpp follows it on uv.hpp, tls_poll.h on poll.h):
 *   1. handoff_tls_context_open() before handoff_ready(). Sessions are restored into it by
 *      handoff_tls_restore(), and can do nothing yet.
 *   2. handoff_wait() has returned 0: handoff_tls_own(), before any input that has come along is
 *      looked at. Before its first input or output handoff_tls_written() and handoff_tls_check()
 *      for each restored session. If they do not agree, end the connection.
 *   3. A connection is accepted: handoff_tls_written(), handoff_tls_accept(). From its first byte
 *      until handoff_tls_established() handoff_session_hold() it, with a deadline of yours, at
 *      which you close it. In a process that is late by then nothing that it says is for you: where
 *      handoff_session_leaves(), release it and consume no plaintext, and the next process opens it
 *      again.
 *   4. save(): move handoff_tls_out() to the session's output, then handoff_tls_save() into bytes
 *      for handoff_save_layer(). Wipe your copy (explicit_bzero(3)), which has the keys. What
 *      handoff_tls_feed() has not consumed is the session's input: the state is as before it, and
 *      the heir's handoff_tls_feed() opens it again.
 *   5. freeze(): handoff_tls_freeze(). thaw(), and late(): handoff_tls_thaw(). After retired()
 *      sessions stay frozen until handoff_tls_free().
 *
 * This header has what sessions share. What is done with one is in handoff/detail/tls_session.h,
 * which comes with it.
 *
 * What does not move is off: 0-RTT, renegotiation, suites but AES-GCM and ChaCha20-Poly1305, TLS
 * before 1.2, client certificates after the handshake, kTLS. The stream has to be TCP.
 *
 * Conventions
 * - Results and strings are as in handoff.h. HANDOFF_ERR_ORDER from a session that may not act (the
 *   context does not own, or is frozen; the session is frozen or was not checked): nothing was
 *   done, no record was opened or sealed.
 * - After any other error of handoff_tls_feed() or handoff_tls_write() the session is over. Send
 *   what handoff_tls_out() still has (an alert), and close the socket.
 * - Threads: a context and its sessions belong to one thread, that of its handle. A service with
 *   several lanes has a context for each: handoff_tls_context_lane().
 * - A process that was forked off has none of the keys, and its sessions are inert for good.
 * - Pointers that are given out are valid until the next call on their session; that of
 *   handoff_tls_plain() until the next handoff_tls_feed() or handoff_tls_consume(): an answer may
 *   be written meanwhile.
 */
#ifndef HANDOFF_TLS_H
#define HANDOFF_TLS_H

#include <handoff/detail/tls_session.h>
#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the context -------------------------------------------------------- */

struct handoff_tls_options {
  size_t size;
  /* handoff_tls_feed() opens no further record while so much plaintext waits to be consumed, so
   * that a client that sends more than is read fills its own memory. No request can be longer.
   * 0 for 64 KiB. A record may go 16 KiB beyond. */
  size_t max_plain;
};

/* Makes a context for sessions of ssl, which gets another reference and is prepared as by
 * handoff_tls_prepare(). options is copied and may be NULL. It begins inert: see handoff_tls_own().
 * *out is to be given to handoff_tls_context_close(); NULL on failure. HANDOFF_ERR_UNKNOWN if none
 * of its cipher suites can move. */
HANDOFF_API int handoff_tls_context_open(handoff_tls_context_t** out, struct ssl_ctx_st* ssl,
                                         const struct handoff_tls_options* options);
/* Makes a context for another lane of the service. first is lane 0's: its SSL_CTX and options are
 * taken and, if handoff_tls_tickets() was called for it, its ticket keys, so that a client resumes
 * on whichever lane it comes to. On the thread that has made first, before handoff_ready(). *out is
 * as of handoff_tls_context_open(), and inert like that; the two are closed in any order. -ENOMEM,
 * of which handoff_tls_context_error(first) says more. */
HANDOFF_API int handoff_tls_context_lane(handoff_tls_context_t** out, handoff_tls_context_t* first);
/* All of its sessions must be freed before. NULL is fine. */
HANDOFF_API void handoff_tls_context_close(handoff_tls_context_t* c);
/* Other certificates or settings, for the handshakes that begin from now on. As
 * handoff_tls_context_open(); on failure the one before stays. Each lane gives its context an
 * SSL_CTX of its own here: it is prepared, and must not be in use on another thread meanwhile. */
HANDOFF_API int handoff_tls_context_use(handoff_tls_context_t* c, struct ssl_ctx_st* ssl);
/* What the last failed call on this context was about; "" if none failed. Calls that make a session
 * are on the context. */
HANDOFF_API const char* handoff_tls_context_error(const handoff_tls_context_t* c);

/* Changes what a session of ssl must not do, and takes its keylog callback; the one that was set
 * before still gets all lines. For an SSL_CTX that a callback puts in place of the context's
 * (several certificates, by SNI). Set suites and versions before this. Before threads use ssl.
 * HANDOFF_ERR_UNKNOWN as above. */
HANDOFF_API int handoff_tls_prepare(struct ssl_ctx_st* ssl);

/* This process is the owner from now on: sessions may open and seal. HANDOFF_ERR_ORDER if it was
 * called before, as for the two below when they come in the wrong order. One word for all sessions.
 */
HANDOFF_API int handoff_tls_own(handoff_tls_context_t* c);
/* Nothing is opened or sealed any more, so that no heir can use a number that was used here. */
HANDOFF_API int handoff_tls_freeze(handoff_tls_context_t* c);
/* The handoff was given up, or late sessions stay here: they go on. Free what has moved before. */
HANDOFF_API int handoff_tls_thaw(handoff_tls_context_t* c);

/* 1 if OpenSSL wipes what it frees, and keeps ciphers' keys out of core dumps and forked children:
 * it does if this library was loaded before anybody has used OpenSSL. Else 0: link it to the
 * program, and say so once in a log. Any thread. */
HANDOFF_API int handoff_tls_wipes_openssl(void);
/* Bytes of memory for keys, and how many of them could be swapped out, since RLIMIT_MEMLOCK is too
 * low. Either may be NULL. Any thread. */
HANDOFF_API void handoff_tls_key_memory(size_t* bytes, size_t* unlocked);

/* ---- tickets ------------------------------------------------------------ */

/* Sessions of c are resumed by tickets whose keys the next generation can have: OpenSSL makes keys
 * of its own for each SSL_CTX, so that after an upgrade each client would shake hands anew. A new
 * key comes after period_s (0: 12 hours), and the one before is accepted for as long again. Takes
 * the ticket callback of the SSL_CTX, also of those that handoff_tls_context_use() gets. Contexts
 * do not share keys, but for those of the lanes (handoff_tls_context_lane(), after this): a client
 * must not resume where it would not be let in. With client certificates OpenSSL demands
 * SSL_CTX_set_session_id_context(3). A client that resumes is not verified again, so give another
 * id where others are let in than before (another CA): with handoff_tls_context_use() as in the
 * next generation. */
HANDOFF_API int handoff_tls_tickets(handoff_tls_context_t* c, uint32_t period_s);
#define HANDOFF_TLS_TICKETS_MAX 256u
/* The keys as bytes, HANDOFF_TLS_TICKETS_MAX at most: for a handoff_blob() of lane 0, which
 * libhandoff wipes. Wipe yours (explicit_bzero(3)). Returns how many; -ENOSPC if size is too small,
 * HANDOFF_ERR_ORDER before handoff_tls_tickets(). */
HANDOFF_API ssize_t handoff_tls_save_tickets(handoff_tls_context_t* c, void* to, size_t size);
/* The other way round, in the heir. Bytes of a newer release that this one does not know are passed
 * over: clients shake hands anew. HANDOFF_ERR_PROTOCOL for bytes that are damaged. */
HANDOFF_API int handoff_tls_load_tickets(handoff_tls_context_t* c, const void* from, size_t length);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_TLS_H */
