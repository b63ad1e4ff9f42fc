/* A line becomes a command; and the commands of a connection: who it is, whether it lives, its end.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "irc.h"

static void copy(char* to, size_t size, const char* from) { snprintf(to, size, "%s", from); }

bool needs(struct client* client, const struct words* words, int count, const char* command) {
  if (words->count >= count) return true;
  reply(client, 461, "%s :Not enough parameters", command);
  return false;
}

static void cmd_ping(struct client* client, struct words* words) {
  if (!needs(client, words, 1, "PING")) return;
  say(client, SERVER, "PONG " SERVER " :%s", words->word[0]);
}
static void cmd_pong(struct client* client, struct words* words) {
  (void)client, (void)words; /* any line says that it lives */
}
static void cmd_quit(struct client* client, struct words* words) {
  client_quit(client, words->count > 0 ? words->word[0] : client->nick);
}

/* ---- registration ------------------------------------------------------- */

static void register_if_complete(struct client* client) {
  if (client->registered || client->negotiating) return;
  if (client->nick[0] == '\0' || client->user[0] == '\0') return;
  client->registered = true;
  client->signon = since_1970_ms() * release.ticks / 1000;
  client->active_ms = clock_ms();
  reply(client, 1, ":Welcome, %s", mask_of(client));
  reply(client, 2, ":Your host is " SERVER ", running irc %s", release.version);
  reply(client, 3, ":Upgrades happen while you talk");
  reply(client, 4, SERVER " irc-%s i klntiov", release.version);
  reply(client, 5,
        "CASEMAPPING=ascii CHANTYPES=# CHANMODES=,k,l,int PREFIX=(ov)@+ NICKLEN=%d "
        ":are supported",
        NICK_SIZE - 1);
  reply(client, 422, ":There is no message of the day");
}

static bool is_nick(const char* nick) {
  size_t length = strlen(nick);
  if (length == 0 || length >= NICK_SIZE || isdigit((unsigned char)nick[0]) || nick[0] == '-') {
    return false;
  }
  for (; *nick != '\0'; ++nick) {
    if (!isalnum((unsigned char)*nick) && strchr("-_[]\\`^{|}", *nick) == NULL) return false;
  }
  return true;
}

static void cmd_nick(struct client* client, struct words* words) {
  if (words->count == 0) return reply(client, 431, ":No nickname given");
  const char* nick = words->word[0];
  if (!is_nick(nick)) return reply(client, 432, "%s :Erroneous nickname", nick);
  const struct client* other = client_find(nick);
  if (other != NULL && other != client) {
    return reply(client, 433, "%s :Nickname is already in use", nick);
  }
  if (client->registered) {
    char before[MASK_SIZE + 1];
    copy(before, sizeof before, mask_of(client));
    say(client, before, "NICK :%s", nick);
    say_to_neighbours(client, before, "NICK :%s", nick);
  }
  client_unlist(client);
  copy(client->nick, sizeof client->nick, nick);
  client_list(client);
  register_if_complete(client);
}

static void cmd_user(struct client* client, struct words* words) {
  if (client->user[0] != '\0') return reply(client, 462, ":You may not reregister");
  if (!needs(client, words, 4, "USER")) return;
  copy(client->user, sizeof client->user, words->word[0]);
  copy(client->real, sizeof client->real, words->word[3]);
  register_if_complete(client);
}

/* Release 1 knows no capabilities, and the command neither. */
static void cmd_cap(struct client* client, struct words* words) {
  const char* nick = client->nick[0] == '\0' ? "*" : client->nick;
  if (!release.server_time) {
    reply(client, 421, "CAP :Unknown command");
    return register_if_complete(client); /* release 2 may have let it wait for CAP END */
  }
  if (!needs(client, words, 1, "CAP")) return;
  const char* verb = words->word[0];
  const char* names = words->count > 1 ? words->word[words->count - 1] : "";
  if (strcasecmp(verb, "LS") == 0) {
    client->negotiating = !client->registered;
    say(client, SERVER, "CAP %s LS :server-time", nick);
  } else if (strcasecmp(verb, "LIST") == 0) {
    say(client, SERVER, "CAP %s LIST :%s", nick, client->caps != 0 ? "server-time" : "");
  } else if (strcasecmp(verb, "REQ") == 0) {
    client->negotiating = !client->registered;
    while (*names == ' ') ++names;
    bool on =
        strncmp(names, "server-time", 11) == 0 && strspn(names + 11, " ") == strlen(names + 11);
    bool off = strcmp(names, "-server-time") == 0;
    say(client, SERVER, "CAP %s %s :%s", nick, on || off ? "ACK" : "NAK", names);
    if (on) client->caps |= SERVER_TIME;
    if (off) client->caps &= ~(unsigned)SERVER_TIME;
  } else if (strcasecmp(verb, "END") == 0) {
    client->negotiating = false;
    register_if_complete(client);
  } else {
    reply(client, 410, "%s :Invalid CAP command", verb);
  }
}

/* ---- lines -------------------------------------------------------------- */

static const struct {
  const char* name;
  command_fn* run;
  bool before; /* registration is complete */
} commands[] = {
    {"CAP", cmd_cap, true},          {"NICK", cmd_nick, true},      {"USER", cmd_user, true},
    {"PING", cmd_ping, true},        {"PONG", cmd_pong, true},      {"QUIT", cmd_quit, true},
    {"JOIN", cmd_join, false},       {"PART", cmd_part, false},     {"TOPIC", cmd_topic, false},
    {"MODE", cmd_mode, false},       {"NAMES", cmd_names, false},   {"LIST", cmd_list, false},
    {"KICK", cmd_kick, false},       {"INVITE", cmd_invite, false}, {"WHO", cmd_who, false},
    {"PRIVMSG", cmd_privmsg, false}, {"NOTICE", cmd_notice, false}, {"WHOIS", cmd_whois, false},
    {"AWAY", cmd_away, false},
};

/* Cuts off the next word; NULL at the end. */
static char* next_word(char** rest) {
  char* word = *rest + strspn(*rest, " ");
  if (*word == '\0') return NULL;
  char* end = word + strcspn(word, " ");
  *rest = end;
  if (*end != '\0') {
    *end = '\0';
    *rest = end + 1;
  }
  return word;
}

void obey(struct client* client, char* line) {
  struct words words = {0};
  client->heard_ms = clock_ms();
  client->pinged = false;
  char* command = next_word(&line);
  if (command != NULL && command[0] == '@') command = next_word(&line); /* tags of IRCv3 */
  if (command != NULL && command[0] == ':') command = next_word(&line); /* a source */
  if (command == NULL) return;
  while (words.count < MAX_WORDS) {
    line += strspn(line, " ");
    if (*line == ':' || (words.count == MAX_WORDS - 1 && *line != '\0')) {
      words.word[words.count++] = line + (*line == ':');
      break;
    }
    char* word = next_word(&line);
    if (word == NULL) break;
    words.word[words.count++] = word;
  }
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; ++i) {
    if (strcasecmp(commands[i].name, command) != 0) continue;
    if (!client->registered && !commands[i].before) {
      return reply(client, 451, ":You have not registered");
    }
    return commands[i].run(client, &words);
  }
  reply(client, 421, "%s :Unknown command", command);
}
