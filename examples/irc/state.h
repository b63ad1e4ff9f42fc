/* What moves: clients as the states of their connections, rooms as a blob. */
#ifndef IRC_STATE_H
#define IRC_STATE_H

#include <handoff/handoff.h>

#include "irc.h"

/* The fields of a client's state. */
enum client_tag { NICK = 1, USER, REAL, HOST, REGISTERED, SIGNON, ACTIVE, SEAT, SEAT_FLAGS };
enum client_tag_of_state_2 { AWAY = SEAT_FLAGS + 1, CAPS, NEGOTIATING };

int client_save(const struct client* client, handoff_saved_t* out);
/* A seat waits for its room until client_adopted(). */
int client_restore(struct client* client, const void* state, size_t length);
int client_adopted(struct client* client);

int rooms_save(void* user, handoff_buffer_t* out);
int rooms_load(void* user, const void* data, size_t length);

/* irc-1.c, irc-2.c */
int declare_steps(handoff_t* h);

#endif
