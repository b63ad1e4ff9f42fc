/* handoff.h without anything behind it: listeners are bound, sessions get ids, and that is all. A
 * service that is linked with this file in place of libhandoff is the same server without it. */
#include <arpa/inet.h>
#include <errno.h>
#include <handoff/handoff.h>
#include <handoff/vault.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct handoff_service {
  char name[64]; /* of its one listener */
  char address[64];
  int listener;
  int event;
  uint64_t sessions;
  uint64_t next_id;
};

const char* handoff_strerror(int result) { return result < 0 ? strerror(-result) : "no error"; }
const char* handoff_version(void) { return HANDOFF_VERSION; }
const char* handoff_last_error(const handoff_t* h) {
  (void)h;
  return "";
}

int handoff_open(handoff_t** out, const struct handoff_options* options) {
  struct rlimit limit;
  (void)options;
  *out = calloc(1, sizeof **out);
  if (*out == NULL) return -ENOMEM;
  (*out)->listener = -1;
  (*out)->event = eventfd(0, EFD_CLOEXEC);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  return 0;
}
void handoff_close(handoff_t* h) {
  if (h == NULL) return;
  if (h->listener >= 0) close(h->listener);
  close(h->event);
  free(h);
}

/* The benches need tcp:127.0.0.1:PORT alone. */
int handoff_listener(handoff_t* h, const char* name, const char* address) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  const char* const port = strrchr(address, ':');
  const int yes = 1;
  socklen_t length = sizeof at;
  if (port == NULL) return -EINVAL;
  at.sin_port = htons((uint16_t)atoi(port + 1));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (h->listener < 0) return -errno;
  if (setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
      bind(h->listener, (const struct sockaddr*)&at, sizeof at) < 0 ||
      listen(h->listener, 4096) < 0 ||
      getsockname(h->listener, (struct sockaddr*)&at, &length) < 0) {
    return -errno;
  }
  snprintf(h->name, sizeof h->name, "%s", name);
  snprintf(h->address, sizeof h->address, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
  return 0;
}
int handoff_named_fd(const handoff_t* h, const char* name) {
  return strcmp(h->name, name) == 0 ? h->listener : HANDOFF_ERR_UNKNOWN;
}
const char* handoff_named_address(const handoff_t* h, const char* name) {
  return strcmp(h->name, name) == 0 ? h->address : NULL;
}

int handoff_session_open(handoff_t* h, int fd, const struct handoff_session_options* options,
                         uint64_t* id) {
  (void)fd;
  (void)options;
  ++h->sessions;
  *id = ++h->next_id;
  return 0;
}
int handoff_session_closed(handoff_t* h, uint64_t id) {
  (void)id;
  --h->sessions;
  return 0;
}
int handoff_session_touch(handoff_t* h, uint64_t id) {
  (void)h;
  (void)id;
  return 0;
}
uint64_t handoff_session_count(const handoff_t* h) { return h->sessions; }

int handoff_fd(const handoff_t* h) { return h->event; }
int handoff_state(const handoff_t* h) {
  (void)h;
  return HANDOFF_STATE_OWNER;
}

/* All other functions do nothing and return success. */
#define NOTHING(function, ...) \
  int function(__VA_ARGS__) { return 0; }
#pragma GCC diagnostic ignored "-Wunused-parameter"
NOTHING(handoff_claim, handoff_t* h, const char* name)
NOTHING(handoff_give_back, handoff_t* h, const char* name, uint32_t flags)
NOTHING(handoff_kind, handoff_t* h, const char* kind, uint32_t version)
NOTHING(handoff_stateless, handoff_t* h, const char* kind)
NOTHING(handoff_listener_kind, handoff_t* h, const char* listener)
NOTHING(handoff_state_step, handoff_t* h, const char* kind, uint32_t from, uint32_t to,
        handoff_convert_fn convert, void* user)
NOTHING(handoff_section, handoff_t* h, const char* name, const uint32_t* reads, size_t n_reads,
        const uint32_t* writes, size_t n_writes, const struct handoff_section_ops* ops, void* user)
NOTHING(handoff_no_snapshots, handoff_t* h, const char* kind)
NOTHING(handoff_session_put, handoff_t* h, uint64_t id, const struct handoff_put* put)
NOTHING(handoff_frozen, handoff_t* h, int result, const char* why)
NOTHING(handoff_restored, handoff_t* h, uint64_t id, int result, const char* why)
NOTHING(handoff_blob, handoff_t* h, const char* name, handoff_blob_save_fn save,
        handoff_blob_load_fn load, void* user)
NOTHING(handoff_set_callbacks, handoff_t* h, const struct handoff_callbacks* callbacks, void* user)
NOTHING(handoff_ready, handoff_t* h)
NOTHING(handoff_wait, handoff_t* h, int timeout_ms)
NOTHING(handoff_dispatch, handoff_t* h)
NOTHING(handoff_lane, handoff_t* h, uint32_t lane, handoff_t** out)
NOTHING(handoff_supervised, const handoff_t* h)
NOTHING(handoff_session_hold, handoff_t* h, uint64_t id)
NOTHING(handoff_session_hold_until, handoff_t* h, uint64_t id, uint64_t deadline_us)
NOTHING(handoff_session_release, handoff_t* h, uint64_t id)
NOTHING(handoff_session_leaves, handoff_t* h, uint64_t id)
NOTHING(handoff_session_stays, handoff_t* h, uint64_t id, const char* why)
NOTHING(handoff_session_fd, handoff_t* h, uint64_t id, const char* name, int fd)
NOTHING(handoff_connect, const char* address)
NOTHING(handoff_take_fd, handoff_t* h, uint64_t id, const char* name)
NOTHING(handoff_save_state, handoff_saved_t* out, const void* data, size_t length)
NOTHING(handoff_save_input, handoff_saved_t* out, const void* data, size_t length)
NOTHING(handoff_save_output, handoff_saved_t* out, const void* data, size_t length)
NOTHING(handoff_save_input_at, handoff_saved_t* out, uint64_t position, const void* data,
        size_t length)
NOTHING(handoff_save_output_at, handoff_saved_t* out, uint64_t position, const void* data,
        size_t length)
NOTHING(handoff_save_flags, handoff_saved_t* out, uint32_t flags)
NOTHING(handoff_save_layer, handoff_saved_t* out, const void* data, size_t length)
NOTHING(handoff_health, handoff_t* h, int healthy, const char* why)
NOTHING(handoff_leave, handoff_t* h, const char* why)
NOTHING(handoff_errors, handoff_t* h, uint64_t more)
uint32_t handoff_kind_version(const handoff_t* h, const char* kind) { return 1; }
int handoff_has_supervisor(void) { return 0; }
uint64_t handoff_freeze_deadline(const handoff_t* h) { return 0; }
int handoff_offered(const handoff_t* h, size_t index, const char** name, const char** address) {
  return 0;
}
int handoff_take_earlier(handoff_t* h, const char* name) { return -ENOENT; }
uint64_t handoff_generation(const handoff_t* h) {
  (void)h;
  return 0;
}
void handoff_reason(handoff_t* h, const char* why) {}
NOTHING(handoff_vault, const handoff_t* h)
NOTHING(handoff_vault_accepting, handoff_t* h, const char* kind, int off)
NOTHING(handoff_vault_current, handoff_t* h, uint64_t id)
NOTHING(handoff_vault_put, handoff_t* h, uint64_t id)
NOTHING(handoff_vault_commit, handoff_t* h)
ssize_t handoff_vault_recv(handoff_t* h, uint64_t id, uint64_t position, void* buffer, size_t size,
                           const void** data) {
  return -ENOENT;
}
