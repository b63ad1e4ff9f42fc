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
 * What does not move is off: 0-RTT, renegotiation, suites but AES-GCM and ChaCha20-Poly1305, TLS
 * before 1.2, client certificates after the handshake, kTLS. The stream has to be TCP.
 *
 * Conventions
 * - Results and strings are as in handoff.h. HANDOFF_ERR_ORDER from a session that may not act (the
 *   context does not own, or is frozen; the session is frozen or was not checked) means that
 * nothing was done: no record was opened or sealed.
 * - After any other error of handoff_tls_feed() or handoff_tls_write() the session is over: send
 * what handoff_tls_out() still has (an alert), and close the socket.
 * - Threads: a context and its sessions belong to one thread, that of its handle. A service with
 *   several lanes has a context for each; they may share an SSL_CTX.
 * - A process that was forked off has none of the keys, and its sessions are inert for good.
 * - Pointers that are given out are valid until the next call on their session; that of
 *   handoff_tls_plain() until the next handoff_tls_feed() or handoff_tls_consume(), so that an
 * answer may be written meanwhile.
 */
#ifndef HANDOFF_TLS_H
#define HANDOFF_TLS_H

#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_ctx_st; /* SSL_CTX of openssl/ssl.h */
struct ssl_st;     /* SSL */

typedef struct handoff_tls_context handoff_tls_context_t; /* what sessions of a thread share */
typedef struct handoff_tls handoff_tls_t;                 /* one session */

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
/* All of its sessions must be freed before. NULL is fine. */
HANDOFF_API void handoff_tls_context_close(handoff_tls_context_t* c);
/* Other certificates or settings, for the handshakes that begin from now on. As
 * handoff_tls_context_open(); on failure the one before stays. */
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
 * do not share keys: a client must not resume where it would not be let in. Those of several lanes
 * may, by handoff_tls_save_tickets() and handoff_tls_load_tickets(). With client certificates
 * OpenSSL demands SSL_CTX_set_session_id_context(3). A client that resumes is not verified again,
 * so give another id where others are let in than before (another CA): with
 * handoff_tls_context_use() as in the next generation. */
HANDOFF_API int handoff_tls_tickets(handoff_tls_context_t* c, uint32_t period_s);
#define HANDOFF_TLS_TICKETS_MAX 256u
/* The keys as bytes, HANDOFF_TLS_TICKETS_MAX at most: for a handoff_blob() of lane 0, which
 * libhandoff wipes. Wipe yours (explicit_bzero(3)). Returns how many; -ENOSPC if size is too small,
 * HANDOFF_ERR_ORDER before handoff_tls_tickets(). */
HANDOFF_API ssize_t handoff_tls_save_tickets(handoff_tls_context_t* c, void* to, size_t size);
/* The other way round, in the heir. Bytes of a newer release that this one does not know are passed
 * over: clients shake hands anew. HANDOFF_ERR_PROTOCOL for bytes that are damaged. */
HANDOFF_API int handoff_tls_load_tickets(handoff_tls_context_t* c, const void* from, size_t length);

/* ---- sessions ----------------------------------------------------------- */

/* How many bytes the kernel was given for fd to send, as it counts them. Borrows fd. For
 * handoff_tls_accept() or handoff_tls_connect(), before anything of the session is sent (add what
 * else waits to be sent before it); and in the next process for handoff_tls_check(). -EOPNOTSUPP if
 * fd is no TCP socket. Any thread. */
HANDOFF_API int handoff_tls_written(int fd, uint64_t* out);

/* A new session in the server's role. *out is to be given to handoff_tls_free(); NULL on failure.
 * HANDOFF_ERR_ORDER unless the context owns. */
HANDOFF_API int handoff_tls_accept(handoff_tls_t** out, handoff_tls_context_t* c, uint64_t written);
/* In the client's role: handoff_tls_feed() with 0 bytes makes the first flight. server_name, a name
 * or an address, is asked for and, if the SSL_CTX verifies peers, demanded of the certificate; NULL
 * for neither. -EINVAL if it can be no name. */
HANDOFF_API int handoff_tls_connect(handoff_tls_t** out, handoff_tls_context_t* c,
                                    const char* server_name, uint64_t written);
/* Wipes the keys. NULL is fine. */
HANDOFF_API void handoff_tls_free(handoff_tls_t* t);
/* What the last failed call on this session was about; "" if none failed. */
HANDOFF_API const char* handoff_tls_error(const handoff_tls_t* t);
/* The SSL of a handshake that is under way, borrowed: SSL_set_session(3) for one, before the first
 * handoff_tls_feed(). NULL from the moment that it is over. Never call SSL_do_handshake(3). */
HANDOFF_API struct ssl_st* handoff_tls_ssl(const handoff_tls_t* t);

/* What the socket has given. Returns how many bytes were consumed: give the rest again, with more
 * behind it. Only a record whose plaintext was consumed is (what was opened is not opened a second
 * time in this process). So after handoff_tls_consume() call it once more, with what is left, until
 * it consumes nothing. -EINVAL if some of what it has not consumed is missing. HANDOFF_ERR_PROTOCOL
 * if the peer broke the protocol, or has
 * ended the session with an alert; HANDOFF_ERR_UNKNOWN for a session that can't move; -ENOMEM. With
 * 0 bytes a handshake goes on in which a callback of OpenSSL's has put off its answer. */
HANDOFF_API ssize_t handoff_tls_feed(handoff_tls_t* t, const void* data, size_t length);
/* What was opened: returns how much, and sets *data to it. */
HANDOFF_API size_t handoff_tls_plain(const handoff_tls_t* t, const char** data);
/* The first n bytes of it are done with; handoff_tls_feed() says which input is, then. -EINVAL if
 * there are not as many. */
HANDOFF_API int handoff_tls_consume(handoff_tls_t* t, size_t n);

/* Seals all of data. HANDOFF_ERR_ORDER before the handshake is over, too; -EPIPE after
 * handoff_tls_shutdown(), or once the session has failed. */
HANDOFF_API int handoff_tls_write(handoff_tls_t* t, const void* data, size_t length);
/* What the socket is to get, in this order: returns how much, and sets *data to it. */
HANDOFF_API size_t handoff_tls_out(const handoff_tls_t* t, const char** data);
/* The first n bytes of it were sent, or lie in a buffer that is sent first. */
HANDOFF_API int handoff_tls_sent(handoff_tls_t* t, size_t n);

/* 1 once the handshake is over. */
HANDOFF_API int handoff_tls_established(const handoff_tls_t* t);
/* close_notify: nothing can be written after it. The peer may go on sending. Errors as
 * handoff_tls_write(). */
HANDOFF_API int handoff_tls_shutdown(handoff_tls_t* t);
/* The socket has ended. 0 if close_notify came before; HANDOFF_ERR_PROTOCOL if not: somebody may
 * have cut off the end. */
HANDOFF_API int handoff_tls_eof(handoff_tls_t* t);
/* TLS 1.3: a new key for what we send; with `ask` the peer shall take one, too. It happens by
 * itself after 2^24 records. -ENOTSUP in TLS 1.2. Errors as handoff_tls_write(). */
HANDOFF_API int handoff_tls_update_key(handoff_tls_t* t, int ask);

/* What is known of a session, before a move and after it. */
struct handoff_tls_info {
  size_t size;
  uint16_t version; /* 0x0304 is TLS 1.3, 0x0303 TLS 1.2; 0 before the handshake is over */
  uint16_t suite;   /* IANA's number */
  int alert_in;  /* the alert by which the peer has ended the session; -1 if none. 0 is close_notify
                  */
  int alert_out; /* the fatal alert that the peer was sent; -1 if none */
  const char* alpn; /* the protocol agreed on; not terminated by a NUL, as the next two */
  size_t alpn_length;
  const char* server_name; /* SNI */
  size_t server_name_length;
  const void* peer_certificate; /* DER */
  size_t peer_certificate_length;
  /* Of its subject, as RFC 2253 writes it ("CN=example.org,O=Example"), in UTF-8; "" if it is
   * longer than 1 KiB. Not terminated by a NUL. */
  const char* peer_subject;
  size_t peer_subject_length;
  const void* peer_digest; /* SHA-256 of the certificate, 32 bytes; NULL if there is none */
  uint64_t records_read, records_written; /* by the current keys */
  uint32_t keys_read, keys_written;       /* KeyUpdates so far */
};
/* Fills *info, whose size is set. */
HANDOFF_API int handoff_tls_get_info(const handoff_tls_t* t, struct handoff_tls_info* info);

/* A ticket of a TLS 1.3 server (RFC 8446, 4.6.1), in the client's role. */
struct handoff_tls_ticket {
  size_t size;
  uint32_t lifetime_s;
  uint32_t age_add;
  const void* nonce;
  size_t nonce_length;
  const void* ticket;
  size_t ticket_length;
};
/* 1 and the newest that has come since the last call, or 0. Does not move. */
HANDOFF_API int handoff_tls_take_ticket(handoff_tls_t* t, struct handoff_tls_ticket* out);

/* ---- moving ------------------------------------------------------------- */

/* The size of a session's state: 78 to 134 bytes, and the names, the certificate, half a handshake
 * message. It has room in a layer (HANDOFF_LAYER_MAX), with 1 KiB left. Changes with each call that
 * does something. 0 where handoff_tls_save() fails. */
HANDOFF_API size_t handoff_tls_save_size(const handoff_tls_t* t);
/* Writes the state, keys and all, and returns its size. HANDOFF_ERR_ORDER before the handshake is
 * over: hold the session until then. -EBUSY while handoff_tls_out() has something: it belongs into
 * the session's output, since it is never sealed again. -ENOSPC if size is too small. */
HANDOFF_API ssize_t handoff_tls_save(handoff_tls_t* t, void* to, size_t size);
/* A session of a state. It may be restored again from a newer one: free the first.
 * HANDOFF_ERR_PROTOCOL for a state that is wrong in any way, HANDOFF_ERR_VERSION for one of another
 * version. */
HANDOFF_API int handoff_tls_restore(handoff_tls_t** out, handoff_tls_context_t* c,
                                    const void* state, size_t length);
/* Whether the state is the newest there is: the kernel was given what the session has sealed, but
 * for `unsent` bytes, which are the output that came with it. written is of handoff_tls_written(),
 * and may have a FIN in it where handoff_tls_shutdown() was called.
 * HANDOFF_ERR_IDENTITY if not: the next nonce may have been used. The session stays inert then;
 * reset the connection. */
HANDOFF_API int handoff_tls_check(handoff_tls_t* t, uint64_t written, uint64_t unsent);
/* The connection has moved to another kernel, which counts from another number. `difference` is
 * this kernel's number less that of the other, modulo 2^64, for the same position. Before
 * handoff_tls_check(). */
HANDOFF_API int handoff_tls_rebase(handoff_tls_t* t, uint64_t difference);
/* This session alone is on its way to another process (a group of late sessions), or stays after
 * all.
 */
HANDOFF_API int handoff_tls_session_freeze(handoff_tls_t* t);
HANDOFF_API int handoff_tls_session_thaw(handoff_tls_t* t);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_TLS_H */
