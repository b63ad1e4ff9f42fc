/* handoff.h as it was before sessions could stay, without its comments. Never changed: a program
 * that was built with it has to run with every later library of the same soname. */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#ifdef __cplusplus
extern "C" {
#endif
#if defined(HANDOFF_BUILDING)
#define HANDOFF_API __attribute__((visibility("default")))
#else
#define HANDOFF_API
#endif
#define HANDOFF_VERSION_MAJOR 0
#define HANDOFF_VERSION_MINOR 1
#define HANDOFF_VERSION_PATCH 0
#define HANDOFF_VERSION "0.1.0"
typedef struct handoff_service handoff_t;
typedef struct handoff_saved handoff_saved_t;
typedef struct handoff_buffer handoff_buffer_t;
#define HANDOFF_ERR_ABORTED (-10001)
#define HANDOFF_ERR_PROTOCOL (-10002)
#define HANDOFF_ERR_ORDER (-10003)
#define HANDOFF_ERR_DUPLICATE (-10004)
#define HANDOFF_ERR_UNKNOWN (-10005)
#define HANDOFF_ERR_VERSION (-10006)
#define HANDOFF_ERR_IDENTITY (-10007)
#define HANDOFF_ERR_REJECTED (-10008)
#define HANDOFF_ERR_INTERNAL (-10099)
HANDOFF_API const char* handoff_strerror(int result);
HANDOFF_API const char* handoff_version(void);
HANDOFF_API const char* handoff_last_error(const handoff_t* h);
#define HANDOFF_LOG_DEBUG 0
#define HANDOFF_LOG_INFO 1
#define HANDOFF_LOG_WARNING 2
#define HANDOFF_LOG_ERROR 3
struct handoff_options {
  size_t size;
  const char* name;
  const char* version;
  uint32_t state_version;
  uint32_t lanes;
  void (*log)(void* user, int level, const char* message);
  void* user;
};
HANDOFF_API int handoff_open(handoff_t** out, const struct handoff_options* options);
HANDOFF_API void handoff_close(handoff_t* h);
HANDOFF_API int handoff_lane(handoff_t* h, uint32_t lane, handoff_t** out);
HANDOFF_API int handoff_listener(handoff_t* h, const char* name, const char* address);
HANDOFF_API int handoff_claim(handoff_t* h, const char* name);
HANDOFF_API int handoff_kind(handoff_t* h, const char* kind, uint32_t version);
HANDOFF_API int handoff_stateless(handoff_t* h, const char* kind);
HANDOFF_API int handoff_listener_kind(handoff_t* h, const char* listener);
HANDOFF_API uint32_t handoff_kind_version(const handoff_t* h, const char* kind);
typedef int (*handoff_convert_fn)(void* user, const void* state, size_t length,
                                  handoff_buffer_t* out);
HANDOFF_API int handoff_state_step(handoff_t* h, const char* kind, uint32_t from, uint32_t to,
                                   handoff_convert_fn convert, void* user);
HANDOFF_API int handoff_buffer_append(handoff_buffer_t* b, const void* data, size_t length);
#define HANDOFF_CHUNK_MAX (1024u * 1024u)
#define HANDOFF_PHASE_SNAPSHOT 1
#define HANDOFF_PHASE_CHANGES 2
#define HANDOFF_PHASE_FINAL 3
struct handoff_section_ops {
  size_t size;
  int (*begin)(void* user, uint32_t version);
  ssize_t (*read)(void* user, int phase, void* chunk, size_t capacity);
  void (*end)(void* user, int moved);
  int (*write)(void* user, uint32_t version, const void* chunk, size_t length);
  int (*finish)(void* user);
  void (*reset)(void* user);
};
HANDOFF_API int handoff_section(handoff_t* h, const char* name, const uint32_t* reads,
                                size_t n_reads, const uint32_t* writes, size_t n_writes,
                                const struct handoff_section_ops* ops, void* user);
struct handoff_region_ops {
  size_t size;
  int (*adopt)(void* user, uint32_t version, const void* data, size_t length);
  void (*reset)(void* user);
};
HANDOFF_API int handoff_region(handoff_t* h, const char* name, const uint32_t* reads,
                               size_t n_reads, uint32_t version, size_t max_size,
                               const struct handoff_region_ops* ops, void* user);
struct handoff_adopted {
  size_t size;
  uint64_t id;
  const char* kind;
  int fd;
  const void* state;
  size_t state_length;
  const void* input;
  size_t input_length;
  const void* output;
  size_t output_length;
  uint32_t flags;
  uint64_t input_dropped;
  uint64_t output_dropped;
};
#define HANDOFF_STOP_REQUESTED 1
struct handoff_callbacks {
  size_t size;
  int (*save)(void* user, uint64_t id, handoff_saved_t* out);
  int (*restore)(void* user, const struct handoff_adopted* session);
  int (*update)(void* user, const struct handoff_adopted* session);
  void (*drop)(void* user, uint64_t id);
  int (*freeze)(void* user);
  void (*thaw)(void* user);
  void (*retired)(void* user, uint64_t lost);
  void (*stop)(void* user, int reason, uint64_t deadline_us);
  void (*late)(void* user, uint64_t waiting);
  void (*moved)(void* user, uint64_t id);
  void (*freeze_session)(void* user, uint64_t id);
  void (*thaw_session)(void* user, uint64_t id);
  int (*extend)(void* user, const struct handoff_adopted* session);
};
HANDOFF_API int handoff_set_callbacks(handoff_t* h, const struct handoff_callbacks* callbacks,
                                      void* user);
HANDOFF_API int handoff_ready(handoff_t* h);
HANDOFF_API int handoff_wait(handoff_t* h, int timeout_ms);
HANDOFF_API int handoff_fd(const handoff_t* h);
HANDOFF_API int handoff_dispatch(handoff_t* h);
#define HANDOFF_STATE_DECLARING 0
#define HANDOFF_STATE_HEIR 1
#define HANDOFF_STATE_OWNER 2
#define HANDOFF_STATE_DONOR 3
#define HANDOFF_STATE_RETIRED 4
#define HANDOFF_STATE_FAILED 5
#define HANDOFF_STATE_LATE 6
HANDOFF_API int handoff_state(const handoff_t* h);
HANDOFF_API int handoff_supervised(const handoff_t* h);
HANDOFF_API uint64_t handoff_generation(const handoff_t* h);
HANDOFF_API int handoff_named_fd(const handoff_t* h, const char* name);
HANDOFF_API const char* handoff_named_address(const handoff_t* h, const char* name);
HANDOFF_API int handoff_health(handoff_t* h, int healthy, const char* why);
HANDOFF_API int handoff_errors(handoff_t* h, uint64_t more);
HANDOFF_API int handoff_attach(handoff_t* h, const char* name, int fd);
HANDOFF_API int handoff_detach(handoff_t* h, const char* name);
HANDOFF_API void* handoff_region_data(const handoff_t* h, const char* name);
HANDOFF_API size_t handoff_region_size(const handoff_t* h, const char* name);
HANDOFF_API int handoff_region_grow(handoff_t* h, const char* name, size_t size);
HANDOFF_API uint32_t handoff_region_version(const handoff_t* h, const char* name);
HANDOFF_API int handoff_region_set_version(handoff_t* h, const char* name, uint32_t version);
HANDOFF_API int handoff_region_adopted(const handoff_t* h, const char* name);
#define HANDOFF_SESSION_TRACKED 1u
#define HANDOFF_SESSION_INDEPENDENT 2u
struct handoff_session_options {
  size_t size;
  const char* kind;
  uint32_t flags;
};
HANDOFF_API int handoff_session_open(handoff_t* h, int fd,
                                     const struct handoff_session_options* options, uint64_t* id);
HANDOFF_API int handoff_session_touch(handoff_t* h, uint64_t id);
HANDOFF_API int handoff_session_closed(handoff_t* h, uint64_t id);
HANDOFF_API int handoff_session_hold(handoff_t* h, uint64_t id);
HANDOFF_API int handoff_session_release(handoff_t* h, uint64_t id);
HANDOFF_API int handoff_session_process(handoff_t* h, uint64_t id, pid_t pid);
HANDOFF_API uint64_t handoff_session_count(const handoff_t* h);
HANDOFF_API void handoff_reason(handoff_t* h, const char* why);
HANDOFF_API int handoff_save_state(handoff_saved_t* out, const void* data, size_t length);
HANDOFF_API int handoff_save_input(handoff_saved_t* out, const void* data, size_t length);
HANDOFF_API int handoff_save_output(handoff_saved_t* out, const void* data, size_t length);
HANDOFF_API int handoff_save_input_at(handoff_saved_t* out, uint64_t position, const void* data,
                                      size_t length);
HANDOFF_API int handoff_save_output_at(handoff_saved_t* out, uint64_t position, const void* data,
                                       size_t length);
HANDOFF_API int handoff_save_flags(handoff_saved_t* out, uint32_t flags);
#ifdef __cplusplus
}
#endif
#endif
