/* tally in C, on poll.h. Hands over to tally-1 and tally-2, and takes over from them. */
#include <handoff/poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tally {
  long long total;
};

static int opened(handoff_conn_t* c) {
  handoff_conn_set_user(c, calloc(1, sizeof(struct tally)));
  return handoff_conn_user(c) == NULL ? -1 : 0;
}

static long long number(const char* line, size_t length) {
  char text[24] = "";
  memcpy(text, line, length < sizeof text ? length : sizeof text - 1);
  return strtoll(text, NULL, 10);
}

static size_t input(handoff_conn_t* c, const char* data, size_t length) {
  struct tally* tally = handoff_conn_user(c);
  size_t used = 0, from = handoff_conn_seen(c);
  const char* end;
  while ((end = memchr(data + from, '\n', length - from)) != NULL) {
    tally->total += number(data + used, (size_t)(end - data) - used);
    handoff_conn_printf(c, "%lld\n", tally->total);
    used = from = (size_t)(end - data) + 1;
  }
  return used;
}

static int save(handoff_conn_t* c, handoff_saved_t* out) {
  const struct tally* tally = handoff_conn_user(c);
  char text[24];
  int length = snprintf(text, sizeof text, "%lld", tally->total);
  return handoff_save_state(out, text, (size_t)length);
}

static int restore(handoff_conn_t* c, const void* state, size_t length) {
  char text[24] = "";
  if (length >= sizeof text) return -1;
  memcpy(text, state, length);
  if (opened(c) < 0) return -1;
  ((struct tally*)handoff_conn_user(c))->total = strtoll(text, NULL, 10);
  return 0;
}

static void destroy(handoff_conn_t* c) { free(handoff_conn_user(c)); }

static const struct handoff_conn_ops ops = {.size = sizeof ops,
                                            .opened = opened,
                                            .input = input,
                                            .save = save,
                                            .restore = restore,
                                            .destroy = destroy};

static void say(void* user, int level, const char* message) {
  if (level >= HANDOFF_LOG_WARNING) fprintf(stderr, "%s: %s\n", (char*)user, message);
}

int main(int argc, char** argv) {
  (void)argc;
  struct handoff_options options = {
      .size = sizeof options, .name = "tally", .version = "1.0", .log = say, .user = argv[0]};
  handoff_t* h = NULL;
  handoff_poll_t* p = NULL;
  int result = handoff_open(&h, &options);
  if (result == 0) result = handoff_poll_open(&p, h, NULL);
  if (result == 0) result = handoff_poll_listen(p, "public", "tcp:127.0.0.1:7002", &ops, NULL);
  if (result == 0) result = handoff_poll_run(p); /* returns when retired or stopped */
  if (result < 0) fprintf(stderr, "%s: %s\n", argv[0], handoff_poll_last_error(p));
  handoff_poll_close(p);
  handoff_close(h);
  return result < 0 && result != HANDOFF_ERR_ABORTED; /* aborted: the other release serves on */
}
