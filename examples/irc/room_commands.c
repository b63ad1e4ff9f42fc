/* The commands of rooms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "irc.h"

static void copy(char* to, size_t size, const char* from) { snprintf(to, size, "%s", from); }

/* The room, if the client sits in it (and is an operator); else NULL, and the client knows why. */
static struct room* own_room(struct client* client, const char* name, bool as_operator) {
  struct room* room = room_find(name);
  if (room == NULL) return reply(client, 403, "%s :No such channel", name), NULL;
  const struct seat* seat = seat_of(client, room);
  if (seat == NULL) return reply(client, 442, "%s :You're not on that channel", name), NULL;
  if (as_operator && (seat->flags & OPERATOR) == 0) {
    return reply(client, 482, "%s :You're not channel operator", room->name), NULL;
  }
  return room;
}

static const char* sign(const struct seat* seat) {
  return (seat->flags & OPERATOR) != 0 ? "@" : (seat->flags & VOICE) != 0 ? "+" : "";
}

static void tell_names(struct client* client, const struct room* room) {
  char names[350] = "";
  size_t used = 0;
  const struct seat* seat;
  LIST_FOREACH(seat, &room->seats, of_room) {
    if (used + NICK_SIZE + 2 > sizeof names) {
      reply(client, 353, "= %s :%s", room->name, names);
      used = 0;
    }
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s%s", used == 0 ? "" : " ",
                             sign(seat), seat->client->nick);
  }
  if (used > 0) reply(client, 353, "= %s :%s", room->name, names);
  reply(client, 366, "%s :End of NAMES list", room->name);
}

static void tell_topic(struct client* client, const struct room* room) {
  reply(client, 332, "%s :%s", room->name, room->topic);
  reply(client, 333, "%s %s %llu", room->name, room->topic_by, (unsigned long long)room->topic_at);
}

/* ---- coming and going --------------------------------------------------- */

static void join(struct client* client, const char* name, const char* key) {
  if (name[0] != '#' || strlen(name) >= ROOM_SIZE || strchr(name, '\a') != NULL) {
    return reply(client, 403, "%s :No such channel", name);
  }
  if (room_find(name) == NULL && rooms_are_full()) {
    return reply(client, 437, "%s :There are as many channels as can be", name);
  }
  struct room* room = room_get(name);
  if (room == NULL) return reply(client, 437, "%s :No memory for it", name);
  if (seat_of(client, room) != NULL) return;
  unsigned present = 0;
  const struct seat* seat;
  LIST_FOREACH(seat, &room->seats, of_room)++ present;
  bool invited = room_is_invited(room, client->nick);
  if ((room->modes & INVITE_ONLY) != 0 && !invited) {
    return reply(client, 473, "%s :Cannot join channel (+i)", name);
  }
  if (room->key[0] != '\0' && strcmp(room->key, key) != 0) {
    return reply(client, 475, "%s :Cannot join channel (+k)", name);
  }
  if (room->limit > 0 && present >= room->limit) {
    return reply(client, 471, "%s :Cannot join channel (+l)", name);
  }
  if (seat_take(client, room, present == 0 ? OPERATOR : 0) == NULL) {
    room_drop_if_empty(room);
    return reply(client, 437, "%s :No memory for it", name);
  }
  if (invited) room_uninvite(room, client->nick);
  say_to_room(room, NULL, mask_of(client), "JOIN %s", room->name);
  if (room->topic[0] != '\0') tell_topic(client, room);
  tell_names(client, room);
}

static void part(struct client* client, struct room* room, const char* why) {
  say_to_room(room, NULL, mask_of(client), "PART %s :%s", room->name, why);
  seat_leave(seat_of(client, room));
}

void cmd_join(struct client* client, struct words* words) {
  if (!needs(client, words, 1, "JOIN")) return;
  if (strcmp(words->word[0], "0") == 0) {
    while (!LIST_EMPTY(&client->seats)) part(client, LIST_FIRST(&client->seats)->room, "");
    return;
  }
  char *names = NULL, *keys = NULL;
  char* key_list = words->count > 1 ? words->word[1] : NULL;
  for (char* name = strtok_r(words->word[0], ",", &names); name != NULL;
       name = strtok_r(NULL, ",", &names)) {
    const char* key =
        key_list == NULL ? NULL : strtok_r(keys == NULL ? key_list : NULL, ",", &keys);
    join(client, name, key == NULL ? "" : key);
  }
}

void cmd_part(struct client* client, struct words* words) {
  if (!needs(client, words, 1, "PART")) return;
  char* rest = NULL;
  for (char* name = strtok_r(words->word[0], ",", &rest); name != NULL;
       name = strtok_r(NULL, ",", &rest)) {
    struct room* room = own_room(client, name, false);
    if (room != NULL) part(client, room, words->count > 1 ? words->word[1] : client->nick);
  }
}

void cmd_kick(struct client* client, struct words* words) {
  if (!needs(client, words, 2, "KICK")) return;
  struct room* room = own_room(client, words->word[0], true);
  if (room == NULL) return;
  struct client* other = client_find(words->word[1]);
  struct seat* seat = other == NULL ? NULL : seat_of(other, room);
  if (seat == NULL) {
    return reply(client, 441, "%s %s :They aren't on that channel", words->word[1], room->name);
  }
  say_to_room(room, NULL, mask_of(client), "KICK %s %s :%s", room->name, other->nick,
              words->count > 2 ? words->word[2] : client->nick);
  seat_leave(seat);
}

void cmd_invite(struct client* client, struct words* words) {
  if (!needs(client, words, 2, "INVITE")) return;
  struct client* other = client_find(words->word[0]);
  if (other == NULL || !other->registered) {
    return reply(client, 401, "%s :No such nick", words->word[0]);
  }
  struct room* room = room_find(words->word[1]);
  room = own_room(client, words->word[1], room != NULL && (room->modes & INVITE_ONLY) != 0);
  if (room == NULL) return;
  if (seat_of(other, room) != NULL) {
    return reply(client, 443, "%s %s :is already on channel", other->nick, room->name);
  }
  room_invite(room, other->nick);
  reply(client, 341, "%s %s", other->nick, room->name);
  say(other, mask_of(client), "INVITE %s :%s", other->nick, room->name);
}

/* ---- looking ------------------------------------------------------------ */

void cmd_names(struct client* client, struct words* words) {
  if (words->count == 0) return reply(client, 366, "* :End of NAMES list");
  struct room* room = room_find(words->word[0]);
  if (room == NULL) return reply(client, 366, "%s :End of NAMES list", words->word[0]);
  tell_names(client, room);
}

void cmd_list(struct client* client, struct words* words) {
  (void)words;
  const struct room* room;
  reply(client, 321, "Channel :Users  Name");
  LIST_FOREACH(room, &rooms, all) {
    unsigned present = 0;
    const struct seat* seat;
    LIST_FOREACH(seat, &room->seats, of_room)++ present;
    reply(client, 322, "%s %u :%s", room->name, present, room->topic);
  }
  reply(client, 323, ":End of LIST");
}

void cmd_topic(struct client* client, struct words* words) {
  if (!needs(client, words, 1, "TOPIC")) return;
  struct room* room = room_find(words->word[0]);
  bool sets = words->count > 1;
  room =
      own_room(client, words->word[0], sets && room != NULL && (room->modes & TOPIC_BY_OPS) != 0);
  if (room == NULL) return;
  if (!sets && room->topic[0] == '\0') return reply(client, 331, "%s :No topic is set", room->name);
  if (!sets) return tell_topic(client, room);
  copy(room->topic, sizeof room->topic, words->word[1]);
  copy(room->topic_by, sizeof room->topic_by, client->nick);
  room->topic_at = since_1970_ms() / 1000;
  say_to_room(room, NULL, mask_of(client), "TOPIC %s :%s", room->name, room->topic);
}

/* ---- modes -------------------------------------------------------------- */

static void tell_modes(struct client* client, const struct room* room) {
  char limit[16] = "";
  if (room->limit > 0) snprintf(limit, sizeof limit, " %u", room->limit);
  bool inside = seat_of(client, room) != NULL;
  reply(client, 324, "%s +%s%s%s%s%s%s%s%s", room->name, (room->modes & INVITE_ONLY) ? "i" : "",
        room->key[0] != '\0' ? "k" : "", room->limit > 0 ? "l" : "",
        (room->modes & NO_OUTSIDE) ? "n" : "", (room->modes & TOPIC_BY_OPS) ? "t" : "",
        room->key[0] != '\0' && inside ? " " : "", inside ? room->key : "", limit);
}

static unsigned flag_of(char mode) {
  switch (mode) {
    case 't':
      return TOPIC_BY_OPS;
    case 'n':
      return NO_OUTSIDE;
    case 'i':
      return INVITE_ONLY;
    default:
      return 0;
  }
}

/* Sets one mode; value is its parameter, or NULL. Says what there is to say. */
static void set_mode(struct client* client, struct room* room, bool on, char mode,
                     const char* value) {
  const char* plus = on ? "+" : "-";
  if (flag_of(mode) != 0) {
    room->modes = on ? room->modes | flag_of(mode) : room->modes & ~flag_of(mode);
    value = NULL;
  } else if (mode == 'o' || mode == 'v') {
    if (value == NULL) return;
    struct client* other = client_find(value);
    struct seat* seat = other == NULL ? NULL : seat_of(other, room);
    if (seat == NULL) {
      return reply(client, 441, "%s %s :They aren't on that channel", value, room->name);
    }
    unsigned flag = mode == 'o' ? OPERATOR : VOICE;
    seat->flags = on ? seat->flags | flag : seat->flags & ~flag;
    client_changed(other);
    value = other->nick;
  } else if (mode == 'k') {
    if (value == NULL || strlen(value) >= sizeof room->key) return;
    if (on && room->key[0] != '\0') return reply(client, 467, "%s :Key is set", room->name);
    copy(room->key, sizeof room->key, on ? value : "");
  } else if (mode == 'l') {
    long limit = on && value != NULL ? strtol(value, NULL, 10) : 0;
    if (on && (limit < 1 || limit > 1000000)) return;
    room->limit = (unsigned)limit;
    if (!on) value = NULL;
  } else {
    return reply(client, 472, "%c :is unknown mode char to me", mode);
  }
  say_to_room(room, NULL, mask_of(client), "MODE %s %s%c%s%s", room->name, plus, mode,
              value == NULL ? "" : " ", value == NULL ? "" : value);
}

void cmd_mode(struct client* client, struct words* words) {
  if (!needs(client, words, 1, "MODE")) return;
  const char* name = words->word[0];
  if (name[0] != '#') {
    if (same_name(name, client->nick) == 0) return reply(client, 221, "+");
    return reply(client, 502, ":Can't change mode for other users");
  }
  struct room* room = room_find(name);
  if (room == NULL) return reply(client, 403, "%s :No such channel", name);
  if (words->count == 1) return tell_modes(client, room);
  if (own_room(client, name, true) == NULL) return;
  bool on = true;
  int next = 2;
  for (const char* mode = words->word[1]; *mode != '\0'; ++mode) {
    if (*mode == '+' || *mode == '-') {
      on = *mode == '+';
      continue;
    }
    bool takes = strchr("ovk", *mode) != NULL || (*mode == 'l' && on);
    set_mode(client, room, on, *mode, takes && next < words->count ? words->word[next++] : NULL);
  }
}
