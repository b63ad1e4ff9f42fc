/* A small IRC server (RFC 1459, and what clients expect today). What is in this file knows nothing
 * of handoff but the type of a connection; serve.c and state.c do. */
#ifndef IRC_H
#define IRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

typedef struct handoff_conn handoff_conn_t;

#define SERVER "irc.example"
enum {
  NICK_SIZE = 31,
  USER_SIZE = 17,
  TEXT_SIZE = 256,
  HOST_SIZE = 64,
  ROOM_SIZE = 51,
  MAX_ROOMS = 3000, /* with MAX_INVITED in each they are less than the 16 MiB of a blob; those who
                       come late may bring more */
  MAX_INVITED = 100
};

/* ---- what there is ------------------------------------------------------ */

enum seat_flags { OPERATOR = 1, VOICE = 2 };

/* A client in a room. */
struct seat {
  struct client* client;
  struct room* room; /* NULL: of a restored client that is not adopted yet */
  char name[ROOM_SIZE];
  unsigned flags;
  LIST_ENTRY(seat) of_client;
  LIST_ENTRY(seat) of_room;
};

enum caps { SERVER_TIME = 1 };

struct client {
  handoff_conn_t* conn;
  char nick[NICK_SIZE]; /* "" until NICK */
  char user[USER_SIZE]; /* "" until USER */
  char real[TEXT_SIZE];
  char host[HOST_SIZE];
  bool negotiating; /* CAP has begun and not ended: registration waits */
  bool registered;
  bool added;  /* in the list of clients */
  bool listed; /* in the table of nicks, if it has one */
  bool quit;   /* has said so, or was thrown out; all others know */
  bool pinged;
  unsigned caps;        /* release 2 */
  char away[TEXT_SIZE]; /* release 2 */
  uint64_t signon;      /* since 1970, in the release's unit */
  uint64_t active_ms;   /* CLOCK_MONOTONIC, as the next two: of the last message */
  uint64_t heard_ms;    /* of the last line */
  unsigned mark;        /* of the last message to neighbours */
  LIST_HEAD(, seat) seats;
  LIST_ENTRY(client) all;
};

enum room_modes { TOPIC_BY_OPS = 1, NO_OUTSIDE = 2, INVITE_ONLY = 4 }; /* +t +n +i */

struct invited {
  char nick[NICK_SIZE];
  LIST_ENTRY(invited) next;
};

struct room {
  char name[ROOM_SIZE];
  char topic[TEXT_SIZE];
  char topic_by[NICK_SIZE];
  uint64_t topic_at; /* seconds since 1970 */
  unsigned modes;
  unsigned limit; /* +l; 0 for none */
  char key[24];   /* +k; "" for none */
  LIST_HEAD(, invited) invited;
  LIST_HEAD(, seat) seats;
  LIST_ENTRY(room) all;
};

/* What a release can do. */
struct release {
  const char* version;
  unsigned state_version;
  unsigned ticks; /* of a sign-on's time in a second */
  bool away, server_time;
};
extern const struct release release; /* irc-1.c, irc-2.c */

LIST_HEAD(clients, client);
LIST_HEAD(rooms, room);
extern struct clients clients;
extern struct rooms rooms;

/* ---- clients.c ---------------------------------------------------------- */

uint64_t clock_ms(void);
uint64_t since_1970_ms(void);
int same_name(const char* a, const char* b); /* as strcasecmp() */
void client_add(struct client* client);
void client_free(struct client* client); /* NULL is fine */
void client_list(struct client* client); /* under its nick */
void client_unlist(struct client* client);
struct client* client_find(const char* nick);
/* Out of all tables; says nothing to anybody. */
void client_forget(struct client* client);
/* Tells all who share a room, forgets the client, and closes its connection. */
void client_quit(struct client* client, const char* reason);
void client_changed(struct client* client);
void client_close(struct client* client);

/* Each sends a line, at most 512 bytes long; "\r\n" is added. */
#define PRINTF(text, values) __attribute__((format(printf, text, values)))
void say(struct client* to, const char* source, const char* format, ...) PRINTF(3, 4);
void reply(struct client* to, int number, const char* format, ...) PRINTF(3, 4);
void say_to_room(struct room* room, const struct client* but, const char* source,
                 const char* format, ...) PRINTF(4, 5);
/* All who share a room with the client, each once. */
void say_to_neighbours(struct client* client, const char* source, const char* format, ...)
    PRINTF(3, 4);
/* serve.c: bytes to the connection. */
void client_send(struct client* to, const char* bytes, size_t length);
#define MASK_SIZE (NICK_SIZE + USER_SIZE + HOST_SIZE + 2)
const char* mask_of(const struct client* client); /* nick!user@host; until the next call */

/* ---- rooms.c ------------------------------------------------------------ */

struct room* room_find(const char* name);
struct room* room_get(const char* name); /* made if there is none; NULL without memory */
bool rooms_are_full(void);
void room_drop_if_empty(struct room* room);
bool room_is_invited(const struct room* room, const char* nick);
void room_invite(struct room* room, const char* nick);
void room_uninvite(struct room* room, const char* nick);
struct seat* seat_of(const struct client* client, const struct room* room);
struct seat* seat_take(struct client* client, struct room* room, unsigned flags);
void seat_leave(struct seat* seat); /* the room may be gone after it */

/* ---- commands ----------------------------------------------------------- */

enum { MAX_WORDS = 15 };
struct words {
  int count; /* of the command's parameters */
  char* word[MAX_WORDS];
};
typedef void command_fn(struct client* client, struct words* words);

/* commands.c: a line without its end; it is cut into words. */
void obey(struct client* client, char* line);
bool needs(struct client* client, const struct words* words, int count, const char* command);
command_fn cmd_join, cmd_part, cmd_topic, cmd_mode, cmd_names, cmd_list, cmd_kick, cmd_invite;
command_fn cmd_privmsg, cmd_notice, cmd_who, cmd_whois, cmd_away;

#endif
