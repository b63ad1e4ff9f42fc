/* The commands with which clients talk to each other, and about each other. */
#include <stdio.h>
#include <string.h>

#include "irc.h"

/* ---- messages ----------------------------------------------------------- */

/* A NOTICE is never answered, so that two programs can't talk for ever. */
static void message(struct client* client, struct words* words, const char* command, bool answers) {
  client->active_ms = clock_ms();
  if (words->count == 0) {
    if (answers) reply(client, 411, ":No recipient given (%s)", command);
    return;
  }
  const char* to = words->word[0];
  if (words->count == 1 || words->word[1][0] == '\0') {
    if (answers) reply(client, 412, ":No text to send");
    return;
  }
  const char* text = words->word[1];
  if (to[0] == '#') {
    struct room* room = room_find(to);
    if (room != NULL && ((room->modes & NO_OUTSIDE) == 0 || seat_of(client, room) != NULL)) {
      return say_to_room(room, client, mask_of(client), "%s %s :%s", command, room->name, text);
    }
    if (answers && room == NULL) reply(client, 403, "%s :No such channel", to);
    if (answers && room != NULL) reply(client, 404, "%s :Cannot send to channel", to);
    return;
  }
  struct client* other = client_find(to);
  if (other == NULL || !other->registered) {
    if (answers) reply(client, 401, "%s :No such nick", to);
    return;
  }
  say(other, mask_of(client), "%s %s :%s", command, other->nick, text);
  if (answers && other->away[0] != '\0') reply(client, 301, "%s :%s", other->nick, other->away);
}

void cmd_privmsg(struct client* client, struct words* words) {
  message(client, words, "PRIVMSG", true);
}
void cmd_notice(struct client* client, struct words* words) {
  message(client, words, "NOTICE", false);
}

/* Release 1 does not know it. */
void cmd_away(struct client* client, struct words* words) {
  if (!release.away) return reply(client, 421, "AWAY :Unknown command");
  snprintf(client->away, sizeof client->away, "%s", words->count > 0 ? words->word[0] : "");
  if (client->away[0] == '\0') return reply(client, 305, ":You are no longer marked as being away");
  reply(client, 306, ":You have been marked as being away");
}

/* ---- who is who --------------------------------------------------------- */

static void tell_who(struct client* client, const struct client* of, const char* room,
                     unsigned flags) {
  reply(client, 352, "%s %s %s " SERVER " %s %c%s :0 %s", room, of->user, of->host, of->nick,
        of->away[0] != '\0' ? 'G' : 'H',
        (flags & OPERATOR) != 0 ? "@"
        : (flags & VOICE) != 0  ? "+"
                                : "",
        of->real);
}

void cmd_who(struct client* client, struct words* words) {
  const char* whom = words->count > 0 ? words->word[0] : "*";
  const struct room* room = room_find(whom);
  const struct client* other;
  if (room != NULL) {
    const struct seat* seat;
    LIST_FOREACH(seat, &room->seats, of_room) {
      tell_who(client, seat->client, room->name, seat->flags);
    }
  } else {
    LIST_FOREACH(other, &clients, all) {
      if (other->registered && !other->quit &&
          (strcmp(whom, "*") == 0 || same_name(whom, other->nick) == 0)) {
        tell_who(client, other, "*", 0);
      }
    }
  }
  reply(client, 315, "%s :End of WHO list", whom);
}

void cmd_whois(struct client* client, struct words* words) {
  if (words->count == 0) return reply(client, 431, ":No nickname given");
  const char* nick = words->word[words->count - 1];
  const struct client* of = client_find(nick);
  if (of == NULL || !of->registered) {
    reply(client, 401, "%s :No such nick", nick);
    return reply(client, 318, "%s :End of WHOIS list", nick);
  }
  reply(client, 311, "%s %s %s * :%s", of->nick, of->user, of->host, of->real);
  const struct seat* seat;
  LIST_FOREACH(seat, &of->seats, of_client) {
    reply(client, 319, "%s :%s%s", of->nick,
          (seat->flags & OPERATOR) != 0 ? "@"
          : (seat->flags & VOICE) != 0  ? "+"
                                        : "",
          seat->room->name);
  }
  reply(client, 312, "%s " SERVER " :irc %s", of->nick, release.version);
  if (of->away[0] != '\0') reply(client, 301, "%s :%s", of->nick, of->away);
  reply(client, 317, "%s %llu %llu :seconds idle, signon time", of->nick,
        (unsigned long long)((clock_ms() - of->active_ms) / 1000),
        (unsigned long long)(of->signon / release.ticks));
  reply(client, 318, "%s :End of WHOIS list", of->nick);
}
