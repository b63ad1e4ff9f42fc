/* The clients, their names, and what is said to them. */
#define _GNU_SOURCE
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "irc.h"

struct clients clients = LIST_HEAD_INITIALIZER(clients);
static void* nicks; /* a tree of clients, see tsearch(3) */
static unsigned marks;

static uint64_t read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
uint64_t clock_ms(void) { return read_clock(CLOCK_MONOTONIC); }
uint64_t since_1970_ms(void) { return read_clock(CLOCK_REALTIME); }

int same_name(const char* a, const char* b) { return strcasecmp(a, b); }

static int by_nick(const void* a, const void* b) {
  return same_name(((const struct client*)a)->nick, ((const struct client*)b)->nick);
}

void client_add(struct client* client) {
  LIST_INSERT_HEAD(&clients, client, all);
  client->added = true;
}

void client_list(struct client* client) {
  struct client** found = tsearch(client, &nicks, by_nick);
  client->listed = found != NULL && *found == client; /* not one that has the name already */
}

void client_unlist(struct client* client) {
  if (client->listed) tdelete(client, &nicks, by_nick);
  client->listed = false;
}

struct client* client_find(const char* nick) {
  struct client key;
  if (strlen(nick) >= sizeof key.nick) return NULL;
  strcpy(key.nick, nick);
  struct client** found = tfind(&key, &nicks, by_nick);
  return found == NULL ? NULL : *found;
}

void client_forget(struct client* client) {
  while (!LIST_EMPTY(&client->seats)) seat_leave(LIST_FIRST(&client->seats));
  client_unlist(client);
}

void client_free(struct client* client) {
  if (client == NULL) return;
  client_forget(client);
  if (client->added) LIST_REMOVE(client, all);
  free(client);
}

void client_quit(struct client* client, const char* reason) {
  if (client->quit) return;
  client->quit = true;
  if (client->registered) {
    say_to_neighbours(client, mask_of(client), "QUIT :%s", reason);
  }
  say(client, NULL, "ERROR :Closing Link: %s (%s)", client->host, reason);
  client_forget(client);
  client_close(client);
}

const char* mask_of(const struct client* client) {
  static char mask[MASK_SIZE + 1];
  snprintf(mask, sizeof mask, "%s!%s@%s", client->nick, client->user, client->host);
  return mask;
}

/* ---- lines -------------------------------------------------------------- */

struct line {
  char text[512 + 1];
  size_t length;
};

static void line_end(struct line* line, int length) {
  size_t most = sizeof line->text - 3;
  line->length = length < 0 ? 0 : (size_t)length > most ? most : (size_t)length;
  memcpy(line->text + line->length, "\r\n", 2);
  line->length += 2;
}

static void line_print(struct line* line, const char* source, const char* format, va_list values) {
  int head = source == NULL ? 0 : snprintf(line->text, sizeof line->text, ":%s ", source);
  int body = vsnprintf(line->text + head, sizeof line->text - (size_t)head, format, values);
  line_end(line, body < 0 ? 0 : head + body);
}

/* With the time in front, for those who want it (IRCv3 server-time). */
static void line_send(struct client* to, const struct line* line) {
  if ((to->caps & SERVER_TIME) != 0) {
    uint64_t ms = since_1970_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char tag[64];
    size_t length = strftime(tag, sizeof tag, "@time=%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    length += (size_t)snprintf(tag + length, sizeof tag - length, ".%03uZ ", (unsigned)(ms % 1000));
    client_send(to, tag, length);
  }
  client_send(to, line->text, line->length);
}

void say(struct client* to, const char* source, const char* format, ...) {
  struct line line;
  va_list values;
  va_start(values, format);
  line_print(&line, source, format, values);
  va_end(values);
  line_send(to, &line);
}

void reply(struct client* to, int number, const char* format, ...) {
  struct line line;
  va_list values;
  int head = snprintf(line.text, sizeof line.text, ":" SERVER " %03d %s ", number,
                      to->nick[0] == '\0' ? "*" : to->nick);
  va_start(values, format);
  int body = vsnprintf(line.text + head, sizeof line.text - (size_t)head, format, values);
  va_end(values);
  line_end(&line, body < 0 ? 0 : head + body);
  line_send(to, &line);
}

void say_to_room(struct room* room, const struct client* but, const char* source,
                 const char* format, ...) {
  struct line line;
  struct seat* seat;
  va_list values;
  va_start(values, format);
  line_print(&line, source, format, values);
  va_end(values);
  LIST_FOREACH(seat, &room->seats, of_room) {
    if (seat->client != but) line_send(seat->client, &line);
  }
}

void say_to_neighbours(struct client* client, const char* source, const char* format, ...) {
  struct line line;
  struct seat *own, *seat;
  va_list values;
  va_start(values, format);
  line_print(&line, source, format, values);
  va_end(values);
  client->mark = ++marks;
  LIST_FOREACH(own, &client->seats, of_client) {
    if (own->room == NULL) continue; /* there was no memory for it, see client_adopted() */
    LIST_FOREACH(seat, &own->room->seats, of_room) {
      if (seat->client->mark == marks) continue;
      seat->client->mark = marks;
      line_send(seat->client, &line);
    }
  }
}
