/* The program: connections come from the kit, lines go to obey(). */
#include <errno.h>
#include <handoff/poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "tls.h"

enum { PING_EVERY_MS = 60 * 1000, GONE_AFTER_MS = 240 * 1000 };
/* Over TLS half a record waits as input, too, and has up to 16 KiB of short lines. */
enum { MAX_INPUT = 16 * 1024, TLS_RECORD = 17 * 1024 };

static struct client* client_of(const handoff_conn_t* c) { return handoff_conn_user(c); }

void client_send(struct client* to, const char* bytes, size_t length) {
  handoff_conn_write(to->conn, bytes, length);
}
void client_changed(struct client* client) { handoff_conn_touch(client->conn); }
void client_close(struct client* client) { handoff_conn_close(client->conn); }

/* ---- connections -------------------------------------------------------- */

static struct client* make_client(handoff_conn_t* c) {
  struct client* client = calloc(1, sizeof *client);
  handoff_conn_set_user(c, client);
  if (client != NULL) client->conn = c;
  return client;
}

static int opened(handoff_conn_t* c) {
  struct client* client = make_client(c);
  if (client == NULL) return -ENOMEM;
  client->heard_ms = clock_ms();
  client_add(client);
  /* A word that begins with a colon would be the last one of a reply: "::1" is written "0::1". */
  char* host = client->host;
  int result = handoff_conn_peer(c, host + 1, sizeof client->host - 1, NULL);
  if (host[1] == ':') {
    host[0] = '0';
  } else {
    memmove(host, host + 1, strlen(host + 1) + 1);
  }
  return result;
}

static size_t input(handoff_conn_t* c, const char* data, size_t length) {
  size_t used = 0, from = handoff_conn_seen(c);
  const char* end;
  while ((end = memchr(data + from, '\n', length - from)) != NULL && !handoff_conn_closing(c)) {
    char line[513] = "";
    size_t size = (size_t)(end - data) - used;
    if (size > 0 && data[used + size - 1] == '\r') --size;
    memcpy(line, data + used, size < sizeof line ? size : sizeof line - 1);
    used = from = (size_t)(end - data) + 1;
    obey(client_of(c), line);
  }
  return used;
}

static void overflow(handoff_conn_t* c) { client_quit(client_of(c), "Input line too long"); }

static int save(handoff_conn_t* c, handoff_saved_t* out) { return client_save(client_of(c), out); }

static int restore(handoff_conn_t* c, const void* state, size_t length) {
  struct client* client = make_client(c);
  return client == NULL ? -ENOMEM : client_restore(client, state, length);
}

static void adopted(handoff_conn_t* c) {
  if (client_adopted(client_of(c)) < 0) client_quit(client_of(c), "No memory");
}

static void closed(handoff_conn_t* c) { client_quit(client_of(c), "Connection closed"); }
static void moved(handoff_conn_t* c) { client_forget(client_of(c)); }
static void destroy(handoff_conn_t* c) { client_free(client_of(c)); }

static const struct handoff_conn_ops ops = {.size = sizeof ops,
                                            .opened = opened,
                                            .input = input,
                                            .save = save,
                                            .restore = restore,
                                            .adopted = adopted,
                                            .overflow = overflow,
                                            .closed = closed,
                                            .moved = moved,
                                            .destroy = destroy};

/* ---- the program -------------------------------------------------------- */

struct arguments {
  const char *listen, *certificate, *key;
};

static void look_for_the_silent(void* user) {
  (void)user;
  uint64_t now = clock_ms();
  struct client *client, *next;
  for (client = LIST_FIRST(&clients); client != NULL; client = next) {
    next = LIST_NEXT(client, all);
    if (now - client->heard_ms > GONE_AFTER_MS) {
      client_quit(client, "Ping timeout");
    } else if (now - client->heard_ms > PING_EVERY_MS && client->registered && !client->pinged) {
      client->pinged = true;
      say(client, NULL, "PING :" SERVER);
    }
  }
}

static void log_line(void* user, int level, const char* message) {
  if (level >= HANDOFF_LOG_WARNING) fprintf(stderr, "%s: %s\n", (const char*)user, message);
}

static int serve(handoff_poll_t* p, handoff_t* h, const struct arguments* given) {
  int result = declare_steps(h);
  if (result == 0) result = handoff_blob(h, "rooms", rooms_save, rooms_load, NULL);
  if (result == 0) result = handoff_poll_listen(p, "public", given->listen, &ops, NULL);
  if (result == 0 && given->certificate != NULL) {
    result = tls_before(p, "public", given->certificate, given->key);
  }
  if (result == 0) result = handoff_poll_start(p); /* all clients are back when it returns */
  if (result < 0) return result;
  struct room *room, *next;
  for (room = LIST_FIRST(&rooms); room != NULL; room = next) {
    next = LIST_NEXT(room, all);
    room_drop_if_empty(room); /* those who sit in it have stayed behind */
  }
  if (handoff_poll_every(p, PING_EVERY_MS / 2, look_for_the_silent, NULL) == 0) return -ENOMEM;
  return handoff_poll_run(p);
}

static int read_arguments(struct arguments* out, int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    const char** to = strcmp(argv[i], "--listen") == 0     ? &out->listen
                      : strcmp(argv[i], "--tls-cert") == 0 ? &out->certificate
                      : strcmp(argv[i], "--tls-key") == 0  ? &out->key
                                                           : NULL;
    if (to == NULL || i + 1 == argc) return 0;
    *to = argv[i + 1];
  }
  return (out->certificate == NULL) == (out->key == NULL);
}

int main(int argc, char** argv) {
  struct arguments given = {.listen = "tcp:127.0.0.1:6667"};
  if (!read_arguments(&given, argc, argv)) {
    fprintf(stderr,
            "usage: %s [--listen ADDRESS] [--tls-cert FILE --tls-key FILE]\n"
            "default: tcp:127.0.0.1:6667, without TLS\n",
            argv[0]);
    return 2;
  }
  struct handoff_options options = {.size = sizeof options,
                                    .name = "irc",
                                    .version = release.version,
                                    .state_version = release.state_version,
                                    .log = log_line,
                                    .user = argv[0]};
  struct handoff_poll_options kit = {
      .size = sizeof kit, .max_input = MAX_INPUT, .log = log_line, .user = argv[0]};
  if (given.certificate != NULL) kit.max_input += TLS_RECORD;
  handoff_t* h = NULL;
  handoff_poll_t* p = NULL;
  int result = handoff_open(&h, &options);
  if (result == 0) result = handoff_poll_open(&p, h, &kit);
  if (result == 0) result = serve(p, h, &given);
  if (result < 0) {
    const char* why = handoff_poll_last_error(p);
    if (why[0] == '\0') why = handoff_last_error(h);
    fprintf(stderr, "%s: %s\n", argv[0], why[0] == '\0' ? handoff_strerror(result) : why);
  }
  handoff_poll_close(p);
  tls_end();
  handoff_close(h);
  return result < 0 && result != HANDOFF_ERR_ABORTED; /* aborted: the other release serves on */
}
