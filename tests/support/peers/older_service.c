/* A service that was built with the library of before: it sees the handoff.h of older/, and runs
 * with the libhandoff of this build. Each line of a connection is answered by "<release> <lines>".
 * The section is one number, which each connection counts up, and which is the answer to
 * "all". Usage: older_service RELEASE */
#define _GNU_SOURCE
#include <errno.h>
#include <handoff/handoff.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 64

struct session {
  uint64_t id;
  int fd;
  int lines;
};
static struct session sessions[MOST];
static int count;
static long all; /* connections so far */
static int given, over;
static handoff_t* h;

static struct session* find(uint64_t id) {
  for (int i = 0; i < count; ++i) {
    if (sessions[i].id == id) return &sessions[i];
  }
  return NULL;
}
static void drop(void* user, uint64_t id) {
  struct session* s = find(id);
  (void)user;
  if (s == NULL) return;
  close(s->fd);
  *s = sessions[--count];
}
static int save(void* user, uint64_t id, handoff_saved_t* out) {
  (void)user;
  return handoff_save_state(out, &find(id)->lines, sizeof(int));
}
static int restore(void* user, const struct handoff_adopted* a) {
  struct session* s = find(a->id);
  (void)user;
  if (a->state_length != sizeof(int) || count == MOST) return -EINVAL;
  if (s == NULL) {
    s = &sessions[count++];
    s->id = a->id;
    s->fd = a->fd;
  }
  memcpy(&s->lines, a->state, sizeof(int));
  return 0;
}
static void retired(void* user, uint64_t lost) {
  (void)user;
  (void)lost;
  over = 1;
}
static void stop(void* user, int reason, uint64_t deadline) {
  (void)user;
  (void)reason;
  (void)deadline;
  over = 1;
}

static int begin(void* user, uint32_t version) {
  (void)user;
  (void)version;
  given = 0;
  return 0;
}
static ssize_t read_all(void* user, int phase, void* chunk, size_t capacity) {
  (void)user;
  (void)capacity;
  if (given++ > 0 && phase == HANDOFF_PHASE_SNAPSHOT) return 0;
  if (given % 2 == 0) return 0; /* each phase once */
  memcpy(chunk, &all, sizeof all);
  return sizeof all;
}
static void end(void* user, int moved) {
  (void)user;
  (void)moved;
}
static int write_all(void* user, uint32_t version, const void* chunk, size_t length) {
  (void)user;
  (void)version;
  if (length != sizeof all) return -EINVAL;
  memcpy(&all, chunk, sizeof all);
  return 0;
}
static int finish(void* user) {
  (void)user;
  return 0;
}
static void reset(void* user) {
  (void)user;
  all = 0;
}

static void serve(struct session* s, const char* release) {
  char line[128];
  char answer[64];
  ssize_t n = recv(s->fd, line, sizeof line - 1, MSG_DONTWAIT);
  int length;
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    handoff_session_closed(h, s->id);
    drop(NULL, s->id);
    return;
  }
  ++s->lines;
  handoff_session_touch(h, s->id);
  length = memcmp(line, "all", 3) == 0
               ? snprintf(answer, sizeof answer, "%s %ld\n", release, all)
               : snprintf(answer, sizeof answer, "%s %d\n", release, s->lines);
  (void)send(s->fd, answer, (size_t)length, MSG_NOSIGNAL);
}

static int run(const char* release) {
  int result;
  while (!over) {
    struct pollfd fds[MOST + 2];
    const int had = count;
    fds[0].fd = handoff_fd(h);
    fds[1].fd = handoff_named_fd(h, "public");
    for (int i = 0; i < had; ++i) fds[i + 2].fd = sessions[i].fd;
    for (int i = 0; i < had + 2; ++i) fds[i].events = POLLIN;
    if (poll(fds, (nfds_t)had + 2, -1) < 0) return 1;
    if (fds[0].revents != 0) {
      result = handoff_dispatch(h);
      if (result < 0) return 1;
      continue;
    }
    for (int i = had - 1; i >= 0; --i) {
      if (fds[i + 2].revents != 0) serve(&sessions[i], release);
    }
    if (fds[1].revents != 0 && count < MOST) {
      struct handoff_session_options options = {.size = sizeof options,
                                                .flags = HANDOFF_SESSION_TRACKED};
      struct session* s = &sessions[count];
      s->fd = accept4(fds[1].fd, NULL, NULL, SOCK_CLOEXEC);
      s->lines = 0;
      if (s->fd < 0) continue;
      if (handoff_session_open(h, s->fd, &options, &s->id) < 0) return 1;
      ++count;
      ++all;
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* release = argc > 1 ? argv[1] : "1";
  const uint32_t one = 1;
  const struct handoff_options options = {
      .size = sizeof options, .name = "older", .version = release};
  const struct handoff_callbacks callbacks = {.size = sizeof callbacks,
                                              .save = save,
                                              .restore = restore,
                                              .update = restore,
                                              .drop = drop,
                                              .retired = retired,
                                              .stop = stop};
  const struct handoff_section_ops ops = {.size = sizeof ops,
                                          .begin = begin,
                                          .read = read_all,
                                          .end = end,
                                          .write = write_all,
                                          .finish = finish,
                                          .reset = reset};
  int result = handoff_open(&h, &options);
  if (result == 0) result = handoff_listener(h, "public", "tcp:127.0.0.1:0");
  if (result == 0) result = handoff_section(h, "all", &one, 1, &one, 1, &ops, NULL);
  if (result == 0) result = handoff_set_callbacks(h, &callbacks, NULL);
  if (result == 0) result = handoff_ready(h);
  if (result == 0) result = handoff_wait(h, -1);
  if (result == HANDOFF_ERR_ABORTED) return 0;
  if (result < 0) {
    fprintf(stderr, "older_service: %s: %s\n", handoff_strerror(result), handoff_last_error(h));
    return 1;
  }
  result = run(release);
  handoff_close(h);
  return result;
}
