/* What moves: clients as the states of their connections, rooms as a section. */
#ifndef IRC_STATE_H
#define IRC_STATE_H

#include <handoff/handoff.h>

#include "irc.h"

/* The fields of a client's state. Those behind SEAT_FLAGS are of state version 2. */
enum client_tag {
  NICK = 1,
  USER,
  REAL,
  HOST,
  REGISTERED,
  SIGNON,
  ACTIVE,
  SEAT,
  SEAT_FLAGS,
  AWAY,
  CAPS,
  NEGOTIATING
};

int client_save(const struct client* client, handoff_saved_t* out);
/* A seat waits for its room until client_adopted(). */
int client_restore(struct client* client, const void* state, size_t length);
int client_adopted(struct client* client);

extern const struct handoff_section_ops rooms_section;

/* irc-1.c, irc-2.c */
int declare_steps(handoff_t* h);

#endif
