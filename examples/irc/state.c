#include "state.h"

#include <errno.h>
#include <handoff/tlv.h>
#include <stdlib.h>
#include <string.h>

/* ---- clients ------------------------------------------------------------ */

int client_save(const struct client* client, handoff_saved_t* out) {
  struct handoff_tlv_writer w = handoff_tlv_to_saved(out);
  const struct seat* seat;
  handoff_tlv_text(&w, NICK, client->nick);
  handoff_tlv_text(&w, USER, client->user);
  handoff_tlv_text(&w, REAL, client->real);
  handoff_tlv_text(&w, HOST, client->host);
  handoff_tlv_number(&w, REGISTERED, client->registered);
  handoff_tlv_number(&w, SIGNON, client->signon_ms / (release.state_version == 1 ? 1000 : 1));
  handoff_tlv_number(&w, ACTIVE, client->active_ms);
  LIST_FOREACH(seat, &client->seats, of_client) {
    handoff_tlv_text(&w, SEAT, seat->room != NULL ? seat->room->name : seat->name);
    handoff_tlv_number(&w, SEAT_FLAGS, seat->flags);
  }
  if (release.away) handoff_tlv_text(&w, AWAY, client->away);
  if (release.server_time) handoff_tlv_number(&w, CAPS, client->caps);
  if (release.server_time) handoff_tlv_number(&w, NEGOTIATING, client->negotiating);
  return handoff_tlv_end(&w);
}

#define TEXT(to) handoff_tlv_get_text(&field, (to), sizeof(to))

int client_restore(struct client* client, const void* state, size_t length) {
  struct handoff_tlv_reader r = handoff_tlv_read(state, length);
  struct handoff_tlv_field field;
  struct seat* seat = NULL;
  int result;
  while ((result = handoff_tlv_next(&r, &field)) > 0) {
    uint64_t number = 0;
    int is_number = handoff_tlv_get_number(&field, &number);
    switch (field.tag) {
      case NICK:
        result = TEXT(client->nick);
        break;
      case USER:
        result = TEXT(client->user);
        break;
      case REAL:
        result = TEXT(client->real);
        break;
      case HOST:
        result = TEXT(client->host);
        break;
      case AWAY:
        result = TEXT(client->away);
        break;
      case REGISTERED:
        client->registered = number != 0;
        result = is_number;
        break;
      case NEGOTIATING:
        client->negotiating = number != 0;
        result = is_number;
        break;
      case CAPS:
        client->caps = (unsigned)number;
        result = is_number;
        break;
      case ACTIVE:
        client->active_ms = number;
        result = is_number;
        break;
      case SIGNON:
        client->signon_ms = number * (release.state_version == 1 ? 1000 : 1);
        result = is_number;
        break;
      case SEAT:
        seat = calloc(1, sizeof *seat);
        if (seat == NULL) return -ENOMEM;
        seat->client = client;
        LIST_INSERT_HEAD(&client->seats, seat, of_client);
        result = TEXT(seat->name);
        break;
      case SEAT_FLAGS:
        if (seat != NULL) seat->flags = (unsigned)number;
        result = seat == NULL ? -EBADMSG : is_number;
        break;
      default:
        break; /* of a later release */
    }
    if (result < 0) break;
  }
  return result;
}

int client_adopted(struct client* client) {
  struct seat* seat;
  LIST_FOREACH(seat, &client->seats, of_client) {
    seat->room = room_get(seat->name);
    if (seat->room == NULL) return -ENOMEM;
    LIST_INSERT_HEAD(&seat->room->seats, seat, of_room);
  }
  client_add(client);
  if (client->nick[0] != '\0') client_list(client);
  client->heard_ms = clock_ms();
  return 0;
}

/* ---- rooms -------------------------------------------------------------- */

/* A room's topic and modes belong to no connection. Each chunk of the section is a room. Who sits
 * in it is in the clients' states, so that a client and its seats come or stay together. */
enum room_tag { NAME = 1, TOPIC, TOPIC_BY, TOPIC_AT, MODES, LIMIT, KEY, INVITED };

static TAILQ_HEAD(, room) to_copy = TAILQ_HEAD_INITIALIZER(to_copy);
static bool copying;

void room_changed(struct room* room) {
  if (!copying || room->queued) return;
  room->queued = true;
  TAILQ_INSERT_TAIL(&to_copy, room, to_copy);
}

/* The heir may have it by then, without anybody in it: see room_drop_if_empty() in serve.c. */
void room_gone(struct room* room) {
  if (room->queued) TAILQ_REMOVE(&to_copy, room, to_copy);
  room->queued = false;
}

static int begin(void* user, uint32_t version) {
  (void)user, (void)version;
  struct room* room;
  copying = true;
  LIST_FOREACH(room, &rooms, all) room_changed(room);
  return 0;
}

static ssize_t read_room(void* user, int phase, void* chunk, size_t capacity) {
  (void)user, (void)phase; /* what changes is queued again, so all phases are alike */
  struct room* room = TAILQ_FIRST(&to_copy);
  if (room == NULL) return 0;
  struct handoff_tlv_memory memory = {chunk, capacity, 0};
  struct handoff_tlv_writer w = handoff_tlv_to_memory(&memory);
  const struct invited* one;
  handoff_tlv_text(&w, NAME, room->name);
  handoff_tlv_text(&w, TOPIC, room->topic);
  handoff_tlv_text(&w, TOPIC_BY, room->topic_by);
  handoff_tlv_number(&w, TOPIC_AT, room->topic_at);
  handoff_tlv_number(&w, MODES, room->modes);
  handoff_tlv_number(&w, LIMIT, room->limit);
  handoff_tlv_text(&w, KEY, room->key);
  LIST_FOREACH(one, &room->invited, next) handoff_tlv_text(&w, INVITED, one->nick);
  room_gone(room);
  int result = handoff_tlv_end(&w);
  return result < 0 ? result : (ssize_t)memory.size;
}

static void end(void* user, int moved) {
  (void)user, (void)moved;
  copying = false;
  while (!TAILQ_EMPTY(&to_copy)) room_gone(TAILQ_FIRST(&to_copy));
}

static int write_room(void* user, uint32_t version, const void* chunk, size_t length) {
  (void)user, (void)version;
  struct handoff_tlv_reader r = handoff_tlv_read(chunk, length);
  struct handoff_tlv_field field;
  struct room* room = NULL;
  int result;
  while ((result = handoff_tlv_next(&r, &field)) > 0) {
    char text[ROOM_SIZE];
    uint64_t number = 0;
    int is_number = handoff_tlv_get_number(&field, &number);
    if (field.tag == NAME) {
      result = TEXT(text);
      room = result < 0 ? NULL : room_get(text);
    }
    if (room == NULL) return result < 0 ? result : -EBADMSG;
    switch (field.tag) {
      case NAME:
        while (!LIST_EMPTY(&room->invited)) room_uninvite(room, LIST_FIRST(&room->invited)->nick);
        break;
      case TOPIC:
        result = TEXT(room->topic);
        break;
      case TOPIC_BY:
        result = TEXT(room->topic_by);
        break;
      case TOPIC_AT:
        room->topic_at = number;
        result = is_number;
        break;
      case MODES:
        room->modes = (unsigned)number;
        result = is_number;
        break;
      case LIMIT:
        room->limit = (unsigned)number;
        result = is_number;
        break;
      case KEY:
        result = TEXT(room->key);
        break;
      case INVITED:
        result = TEXT(text);
        if (result == 0) room_invite(room, text);
        break;
      default:
        break; /* of a later release */
    }
    if (result < 0) break;
  }
  return result;
}

static int finish(void* user) {
  (void)user;
  return 0;
}
static void reset(void* user) {
  (void)user;
  while (!LIST_EMPTY(&rooms)) room_drop_if_empty(LIST_FIRST(&rooms));
}

const struct handoff_section_ops rooms_section = {.size = sizeof rooms_section,
                                                  .begin = begin,
                                                  .read = read_room,
                                                  .end = end,
                                                  .write = write_room,
                                                  .finish = finish,
                                                  .reset = reset};
