/* The rooms, and who sits in them. */
#define _GNU_SOURCE
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irc.h"

struct rooms rooms = LIST_HEAD_INITIALIZER(rooms);
static void* names; /* a tree of rooms, see tsearch(3) */
static unsigned room_count;

static int by_name(const void* a, const void* b) {
  return same_name(((const struct room*)a)->name, ((const struct room*)b)->name);
}

struct room* room_find(const char* name) {
  struct room key;
  if (strlen(name) >= sizeof key.name) return NULL;
  strcpy(key.name, name);
  struct room** found = tfind(&key, &names, by_name);
  return found == NULL ? NULL : *found;
}

struct room* room_get(const char* name) {
  struct room* room = room_find(name);
  if (room != NULL || strlen(name) >= sizeof room->name) return room;
  room = calloc(1, sizeof *room);
  if (room == NULL) return NULL;
  strcpy(room->name, name);
  room->modes = TOPIC_BY_OPS | NO_OUTSIDE;
  if (tsearch(room, &names, by_name) == NULL) {
    free(room);
    return NULL;
  }
  LIST_INSERT_HEAD(&rooms, room, all);
  ++room_count;
  return room;
}

bool rooms_are_full(void) { return room_count >= MAX_ROOMS; }

void room_drop_if_empty(struct room* room) {
  if (!LIST_EMPTY(&room->seats)) return;
  --room_count;
  while (!LIST_EMPTY(&room->invited)) room_uninvite(room, LIST_FIRST(&room->invited)->nick);
  LIST_REMOVE(room, all);
  tdelete(room, &names, by_name);
  free(room);
}

static struct invited* find_invited(const struct room* room, const char* nick) {
  struct invited* one;
  LIST_FOREACH(one, &room->invited, next) {
    if (same_name(one->nick, nick) == 0) return one;
  }
  return NULL;
}

bool room_is_invited(const struct room* room, const char* nick) {
  return find_invited(room, nick) != NULL;
}

void room_invite(struct room* room, const char* nick) {
  unsigned count = 0;
  const struct invited* other;
  LIST_FOREACH(other, &room->invited, next)++ count;
  if (count >= MAX_INVITED || find_invited(room, nick) != NULL || strlen(nick) >= NICK_SIZE) return;
  struct invited* one = calloc(1, sizeof *one);
  if (one == NULL) return;
  strcpy(one->nick, nick);
  LIST_INSERT_HEAD(&room->invited, one, next);
}

void room_uninvite(struct room* room, const char* nick) {
  struct invited* one = find_invited(room, nick);
  if (one == NULL) return;
  LIST_REMOVE(one, next);
  free(one);
}

struct seat* seat_of(const struct client* client, const struct room* room) {
  struct seat* seat;
  LIST_FOREACH(seat, &client->seats, of_client) {
    if (seat->room == room) return seat;
  }
  return NULL;
}

struct seat* seat_take(struct client* client, struct room* room, unsigned flags) {
  struct seat* seat = calloc(1, sizeof *seat);
  if (seat == NULL) return NULL;
  seat->client = client;
  seat->room = room;
  strcpy(seat->name, room->name);
  seat->flags = flags;
  LIST_INSERT_HEAD(&client->seats, seat, of_client);
  LIST_INSERT_HEAD(&room->seats, seat, of_room);
  client_changed(client);
  return seat;
}

void seat_leave(struct seat* seat) {
  struct room* room = seat->room;
  LIST_REMOVE(seat, of_client);
  client_changed(seat->client);
  if (room != NULL) {
    LIST_REMOVE(seat, of_room);
    room_drop_if_empty(room);
  }
  free(seat);
}
