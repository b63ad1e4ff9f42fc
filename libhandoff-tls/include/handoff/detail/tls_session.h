/* The sessions of handoff/tls.h, which includes this and says in which order all is called: bytes
 * in, bytes out, and what moves. */
#ifndef HANDOFF_DETAIL_TLS_SESSION_H
#define HANDOFF_DETAIL_TLS_SESSION_H

#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_ctx_st; /* SSL_CTX of openssl/ssl.h */
struct ssl_st;     /* SSL */

typedef struct handoff_tls_context handoff_tls_context_t; /* what sessions of a thread share */
typedef struct handoff_tls handoff_tls_t;                 /* one session */

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
 * it consumes nothing. With 0 bytes a handshake goes on in which a callback of OpenSSL's has put
 * off its answer. -EINVAL if some of what it has not consumed is missing. HANDOFF_ERR_PROTOCOL if
 * the peer broke the protocol, or has ended the session with an alert; HANDOFF_ERR_UNKNOWN for a
 * session that can't move; -ENOMEM. */
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
  int alert_in;     /* by which the peer has ended the session; 0 is close_notify, -1 none */
  int alert_out;    /* the fatal alert that the peer was sent; -1 if none */
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
/* This session alone is on its way to another process (a group of late sessions); or it stays after
 * all. */
HANDOFF_API int handoff_tls_session_freeze(handoff_tls_t* t);
HANDOFF_API int handoff_tls_session_thaw(handoff_tls_t* t);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_DETAIL_TLS_SESSION_H */
