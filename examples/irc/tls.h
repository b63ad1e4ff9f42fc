/* TLS before the clients, where the build has it. */
#ifndef IRC_TLS_H
#define IRC_TLS_H

#include <handoff/poll.h>

/* After handoff_poll_listen(). Both are PEM files. Negative on failure, which stderr has heard of.
 */
int tls_before(handoff_poll_t* p, const char* listener, const char* certificate, const char* key);
/* After handoff_poll_close(). */
void tls_end(void);

#endif
