/* vault.h: sessions that outlive their process.
 *
 * A service that sets handoff_options.vault, and whose configuration says `vault = true`, keeps its
 * sessions in shared memory, and its sockets in a second process. When it dies, by SIGKILL, say,
 * its sessions go on in a new process of the same release, without a byte lost or doubled. uv.hpp,
 * asio.hpp and poll.h do all of this: handoff_options.vault is all that a service on them sets.
 * This header is for services on handoff.h alone.
 *
 * What is promised is for deaths that leave the memory as it was: kill -9, the kernel's want of
 * memory. A process that crashes by its own fault may have damaged what it kept before.
 *
 * The recipe. A turn of the loop is one transaction:
 *
 *   1. input by handoff_vault_recv() in place of recv(2); a new connection by
 *      handoff_vault_accepting() and accept(2), and handoff_session_open() at once
 *   2. the service does what the input says. It sends nothing yet
 *   3. handoff_session_closed() for each session that has ended
 *   4. handoff_vault_put() for each session that has changed: it calls save()
 *   5. handoff_vault_commit(): one store
 *   6. only now it sends, and closes the sockets of sessions that have ended
 *
 * A death before 5 undoes the turn: the next process has the state of before, and the same input
 * again. So nothing must be visible to anybody before 5. A new session whose first turn is undone
 * comes to restore() with an empty state and HANDOFF_VAULT_FRESH in flags.
 *
 * save() says by handoff_save_input_at() and handoff_save_output_at(), always both, where its bytes
 * lie: positions count the bytes that this process has read from (written to) the socket, and those
 * that came with a restored session count as read (not as written). The kernel counts as well, so
 * that what was sent need not be noted.
 *
 * What comes from another process is kept as it came, with no call of the service, before the
 * sessions are this process's. So its positions are agreed upon: input and output begin at 0 with
 * restore(), and again with each update(); in extend() they go on, input_dropped (output_dropped)
 * bytes later than before. A late session is for the service to put, in the turn in which
 * thaw_session() gives it.
 *
 * A session can't be kept, and is reset after a death, if it has fds beside its socket, bytes of a
 * layer (TLS), a save() that fails or gives no positions, or is no stream socket. A service with
 * sections, blobs or regions has no vault. With several lanes each has its own: what one turn of
 * one lane changes in sessions of another is not one transaction.
 *
 * All functions are for the thread of h, and cost next to nothing where there is no vault. Errors
 * are those of handoff.h.
 */
#ifndef HANDOFF_VAULT_H
#define HANDOFF_VAULT_H

#include <handoff/handoff.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In handoff_adopted.flags: nothing of the session was committed before a death, so that it is as
 * one that was just accepted. */
#define HANDOFF_VAULT_FRESH (1u << 31)

/* 1 if the sessions of this lane are kept; 0 if not, also where memory for it has run out
 * meanwhile. After handoff_ready(). */
HANDOFF_API int handoff_vault(const handoff_t* h);

/* A connection of a session of that kind (NULL: "session") is about to be accepted, and
 * handoff_session_open() follows. off, if not 0: nobody was. */
HANDOFF_API int handoff_vault_accepting(handoff_t* h, const char* kind, int off);

/* As recv(2) with MSG_DONTWAIT, and with -errno for its errors. *data: where the bytes are, until
 * the next commit. position is that of the first of them. Where there is no vault they are in
 * buffer, of size bytes. -ENOBUFS: commit first. */
HANDOFF_API ssize_t handoff_vault_recv(handoff_t* h, uint64_t id, uint64_t position, void* buffer,
                                       size_t size, const void** data);

/* The session whose input is looked at from now on, until the commit or another one (0: none). A
 * process that crashes meanwhile has it as the suspect. handoff_vault_recv() says it, too. */
HANDOFF_API int handoff_vault_current(handoff_t* h, uint64_t id);

/* Calls save() of a session, and keeps what it says with the next commit. 1: put it again once all
 * of its output is sent, else 0. */
HANDOFF_API int handoff_vault_put(handoff_t* h, uint64_t id);

/* All that was put, opened and closed since the last commit holds from now on. */
HANDOFF_API int handoff_vault_commit(handoff_t* h);

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_VAULT_H */
