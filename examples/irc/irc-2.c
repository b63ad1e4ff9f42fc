/* Release 2 knows AWAY and server-time. Its state has the time of the sign-on in milliseconds. */
#include <handoff/tlv.h>

#include "state.h"

const struct release release = {
    .version = "2.0", .state_version = 2, .ticks = 1000, .away = true, .server_time = true};

/* Copies the state, with the sign-on changed, and without the fields from `until` on. */
static int convert(const void* state, size_t length, handoff_buffer_t* out, uint64_t times,
                   uint64_t by, uint32_t until) {
  struct handoff_tlv_reader r = handoff_tlv_read(state, length);
  struct handoff_tlv_writer w = handoff_tlv_to_buffer(out);
  struct handoff_tlv_field field;
  int more;
  while ((more = handoff_tlv_next(&r, &field)) > 0) {
    uint64_t number = 0;
    if (field.tag >= until) continue;
    if (field.tag == SIGNON && handoff_tlv_get_number(&field, &number) == 0) {
      handoff_tlv_number(&w, SIGNON, number * times / by);
    } else {
      handoff_tlv_bytes(&w, field.tag, field.data, field.length);
    }
  }
  return more < 0 ? more : handoff_tlv_end(&w);
}

static int up(void* user, const void* state, size_t length, handoff_buffer_t* out) {
  (void)user;
  return convert(state, length, out, 1000, 1, UINT32_MAX);
}
/* Nobody is away in release 1. A client that asked for times gets none until it asks again. */
static int down(void* user, const void* state, size_t length, handoff_buffer_t* out) {
  (void)user;
  return convert(state, length, out, 1, 1000, AWAY);
}

int declare_steps(handoff_t* h) {
  int result = handoff_state_step(h, "session", 1, 2, up, NULL);
  return result < 0 ? result : handoff_state_step(h, "session", 2, 1, down, NULL);
}
