#include "state.h"

#include <errno.h>
#include <handoff/tlv.h>
#include <stdlib.h>

/* ---- clients ------------------------------------------------------------ */

static const struct handoff_tlv_member client_members[] = {
    HANDOFF_TLV_TEXT(NICK, struct client, nick),
    HANDOFF_TLV_TEXT(USER, struct client, user),
    HANDOFF_TLV_TEXT(REAL, struct client, real),
    HANDOFF_TLV_TEXT(HOST, struct client, host),
    HANDOFF_TLV_FLAG(REGISTERED, struct client, registered),
    HANDOFF_TLV_NUMBER(SIGNON, struct client, signon),
    HANDOFF_TLV_NUMBER(ACTIVE, struct client, active_ms),
    HANDOFF_TLV_TEXT(AWAY, struct client, away),
    HANDOFF_TLV_NUMBER(CAPS, struct client, caps),
    HANDOFF_TLV_FLAG(NEGOTIATING, struct client, negotiating)};
static const struct handoff_tlv_member seat_members[] = {
    HANDOFF_TLV_TEXT(SEAT, struct seat, name), HANDOFF_TLV_NUMBER(SEAT_FLAGS, struct seat, flags)};
enum { OF_CLIENT = 10, OF_CLIENT_IN_STATE_1 = 7, OF_SEAT = 2 };

int client_save(const struct client* client, handoff_saved_t* out) {
  struct handoff_tlv_writer w = handoff_tlv_to_saved(out);
  const struct seat* seat;
  handoff_tlv_members(&w, client, client_members,
                      release.state_version == 1 ? OF_CLIENT_IN_STATE_1 : OF_CLIENT);
  LIST_FOREACH(seat, &client->seats, of_client) {
    handoff_tlv_members(&w, seat, seat_members, OF_SEAT);
  }
  return handoff_tlv_end(&w);
}

int client_restore(struct client* client, const void* state, size_t length) {
  struct handoff_tlv_reader r = handoff_tlv_read(state, length);
  struct handoff_tlv_field field;
  struct seat* seat = NULL;
  int result;
  while ((result = handoff_tlv_next(&r, &field)) > 0) {
    if (field.tag == SEAT) {
      seat = calloc(1, sizeof *seat);
      if (seat == NULL) return -ENOMEM;
      seat->client = client;
      LIST_INSERT_HEAD(&client->seats, seat, of_client);
    }
    result = handoff_tlv_get_member(&field, client, client_members, OF_CLIENT);
    if (result == 0 && seat != NULL) {
      result = handoff_tlv_get_member(&field, seat, seat_members, OF_SEAT);
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

/* A room's topic and modes belong to no connection. Who sits in it is in the clients' states, so
 * that a client and its seats come or stay together. */
enum room_tag { NAME = 1, TOPIC, TOPIC_BY, TOPIC_AT, MODES, LIMIT, KEY, INVITED };
static const struct handoff_tlv_member room_members[] = {
    HANDOFF_TLV_TEXT(NAME, struct room, name),
    HANDOFF_TLV_TEXT(TOPIC, struct room, topic),
    HANDOFF_TLV_TEXT(TOPIC_BY, struct room, topic_by),
    HANDOFF_TLV_NUMBER(TOPIC_AT, struct room, topic_at),
    HANDOFF_TLV_NUMBER(MODES, struct room, modes),
    HANDOFF_TLV_NUMBER(LIMIT, struct room, limit),
    HANDOFF_TLV_TEXT(KEY, struct room, key)};
enum { OF_ROOM = 7 };

int rooms_save(void* user, handoff_buffer_t* out) {
  (void)user;
  struct handoff_tlv_writer w = handoff_tlv_to_buffer(out);
  const struct room* room;
  const struct invited* one;
  LIST_FOREACH(room, &rooms, all) {
    handoff_tlv_members(&w, room, room_members, OF_ROOM);
    LIST_FOREACH(one, &room->invited, next) handoff_tlv_text(&w, INVITED, one->nick);
  }
  return handoff_tlv_end(&w);
}

int rooms_load(void* user, const void* data, size_t length) {
  (void)user;
  struct handoff_tlv_reader r = handoff_tlv_read(data, length);
  struct handoff_tlv_field field;
  struct room* room = NULL;
  int result;
  while ((result = handoff_tlv_next(&r, &field)) > 0) {
    char name[ROOM_SIZE];
    if (field.tag == NAME || field.tag == INVITED) {
      result = handoff_tlv_get_text(&field, name, sizeof name);
      if (result < 0) break;
    }
    if (field.tag == NAME) room = room_get(name);
    if (room == NULL) return field.tag == NAME ? -ENOMEM : -EBADMSG;
    if (field.tag == INVITED) room_invite(room, name);
    result = handoff_tlv_get_member(&field, room, room_members, OF_ROOM);
    if (result < 0) break;
  }
  return result;
}
