/* The TCP proxy of proxy.cc in C, on poll.h. Hands over to it, and takes over from it. */
#include <handoff/poll.h>
#include <stdio.h>

static int opened(handoff_conn_t* c) {
  return handoff_conn_connect_upstream(c, "tcp:127.0.0.1:8080");
}

static void refused(handoff_conn_t* upstream, int error) {
  handoff_conn_t* c = handoff_conn_client(upstream);
  (void)error;
  handoff_conn_printf(c, "the upstream is away\n");
  handoff_conn_close(c);
}

static const struct handoff_conn_ops upstream = {.size = sizeof upstream, .refused = refused};
static const struct handoff_conn_ops relay = {
    .size = sizeof relay, .opened = opened, .upstream = &upstream};

int main(int argc, char** argv) {
  (void)argc;
  struct handoff_options options = {.size = sizeof options, .name = "relay", .version = "1.0"};
  handoff_t* h = NULL;
  handoff_poll_t* p = NULL;
  int result = handoff_open(&h, &options);
  if (result == 0) result = handoff_poll_open(&p, h, NULL);
  if (result == 0) result = handoff_poll_listen(p, "public", "tcp:127.0.0.1:7005", &relay, NULL);
  if (result == 0) result = handoff_poll_run(p);
  if (result < 0) fprintf(stderr, "%s: %s\n", argv[0], handoff_poll_last_error(p));
  handoff_poll_close(p);
  handoff_close(h);
  return result < 0 && result != HANDOFF_ERR_ABORTED;
}
