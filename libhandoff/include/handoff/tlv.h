/* tlv.h: states as fields with tags, written and read in C. Header-only.
 *
 *   static int save(handoff_conn_t* c, handoff_saved_t* out) {
 *     struct handoff_tlv_writer w = handoff_tlv_to_saved(out);
 *     handoff_tlv_text(&w, NICK, client->nick);
 *     handoff_tlv_number(&w, LINES, client->lines);
 *     return handoff_tlv_end(&w);
 *   }
 *
 *   struct handoff_tlv_reader r = handoff_tlv_read(state, length);
 *   struct handoff_tlv_field field;
 *   int more;
 *   while ((more = handoff_tlv_next(&r, &field)) > 0) {
 *     if (field.tag == NICK) more = handoff_tlv_get_text(&field, nick, sizeof nick);
 *     if (more < 0) break;
 *   }
 *   return more;  // 0, or what was wrong
 *
 * A field is its tag and its length, 4 bytes each, least byte first, and so many bytes. Fields come
 * in the order in which they were written, and a tag may come again: a list. A reader skips tags
 * that it does not know, so a release may add a field without a new state version where "not there"
 * is a good value. A release that skips a field does not keep it.
 *
 * Nothing here allocates. A reader checks every length against the bytes that there are, since
 * another process wrote them. Any thread; a writer or reader belongs to one at a time.
 */
#ifndef HANDOFF_TLV_H
#define HANDOFF_TLV_H

#include <errno.h>
#include <handoff/handoff.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing ------------------------------------------------------------ */

struct handoff_tlv_writer {
  int (*put)(void* to, const void* data, size_t length); /* 0, or a negative number */
  void* to;
  int error; /* of the first put() that failed; nothing is put after it */
};

/* Memory of the caller's: a section's chunk, say. */
struct handoff_tlv_memory {
  void* data;
  size_t capacity;
  size_t size; /* written so far */
};

static inline int handoff_tlv_put_saved(void* to, const void* data, size_t length) {
  return handoff_save_state((handoff_saved_t*)to, data, length);
}
static inline int handoff_tlv_put_buffer(void* to, const void* data, size_t length) {
  return handoff_buffer_append((handoff_buffer_t*)to, data, length);
}
static inline int handoff_tlv_put_memory(void* to, const void* data, size_t length) {
  struct handoff_tlv_memory* memory = (struct handoff_tlv_memory*)to;
  if (length > memory->capacity - memory->size) return -ENOSPC;
  if (length > 0) memcpy((char*)memory->data + memory->size, data, length);
  memory->size += length;
  return 0;
}

/* Writers to what save() gets, to what a state's step gets, and to memory. All borrow. */
static inline struct handoff_tlv_writer handoff_tlv_to_saved(handoff_saved_t* out) {
  struct handoff_tlv_writer w = {handoff_tlv_put_saved, out, 0};
  return w;
}
static inline struct handoff_tlv_writer handoff_tlv_to_buffer(handoff_buffer_t* out) {
  struct handoff_tlv_writer w = {handoff_tlv_put_buffer, out, 0};
  return w;
}
static inline struct handoff_tlv_writer handoff_tlv_to_memory(struct handoff_tlv_memory* out) {
  struct handoff_tlv_writer w = {handoff_tlv_put_memory, out, 0};
  return w;
}

static inline void handoff_tlv_put(struct handoff_tlv_writer* w, const void* data, size_t length) {
  if (w->error == 0) w->error = w->put(w->to, data, length);
}

/* Each writes a field. Errors are kept for handoff_tlv_end(). */
static inline void handoff_tlv_bytes(struct handoff_tlv_writer* w, uint32_t tag, const void* data,
                                     size_t length) {
  unsigned char head[8];
  int i;
  if (length > UINT32_MAX) {
    if (w->error == 0) w->error = -EFBIG;
    return;
  }
  for (i = 0; i < 4; ++i) {
    head[i] = (unsigned char)(tag >> (8 * i));
    head[4 + i] = (unsigned char)(length >> (8 * i));
  }
  handoff_tlv_put(w, head, sizeof head);
  handoff_tlv_put(w, data, length);
}
/* Without its NUL. */
static inline void handoff_tlv_text(struct handoff_tlv_writer* w, uint32_t tag, const char* text) {
  handoff_tlv_bytes(w, tag, text, strlen(text));
}
static inline void handoff_tlv_number(struct handoff_tlv_writer* w, uint32_t tag, uint64_t value) {
  unsigned char bytes[8];
  int i;
  for (i = 0; i < 8; ++i) bytes[i] = (unsigned char)(value >> (8 * i));
  handoff_tlv_bytes(w, tag, bytes, sizeof bytes);
}
/* 0, or the first error: what save() returns. A state without fields is a state, too. */
static inline int handoff_tlv_end(struct handoff_tlv_writer* w) {
  handoff_tlv_put(w, "", 0);
  return w->error;
}

/* ---- reading ------------------------------------------------------------ */

struct handoff_tlv_reader {
  const unsigned char* at;
  size_t left;
};

struct handoff_tlv_field {
  uint32_t tag;
  size_t length;
  const void* data; /* in what is read; borrowed */
};

static inline struct handoff_tlv_reader handoff_tlv_read(const void* data, size_t length) {
  struct handoff_tlv_reader r = {(const unsigned char*)data, length};
  return r;
}

/* 1 with the next field, 0 at the end, -EBADMSG where the bytes end in the middle of a field. */
static inline int handoff_tlv_next(struct handoff_tlv_reader* r, struct handoff_tlv_field* field) {
  uint32_t tag = 0;
  uint32_t length = 0;
  int i;
  if (r->left == 0) return 0;
  if (r->left < 8) return -EBADMSG;
  for (i = 0; i < 4; ++i) {
    tag |= (uint32_t)r->at[i] << (8 * i);
    length |= (uint32_t)r->at[4 + i] << (8 * i);
  }
  if (length > r->left - 8) return -EBADMSG;
  field->tag = tag;
  field->length = length;
  field->data = r->at + 8;
  r->at += 8 + (size_t)length;
  r->left -= 8 + (size_t)length;
  return 1;
}

/* 0, or -EBADMSG for a field that is no number. */
static inline int handoff_tlv_get_number(const struct handoff_tlv_field* field, uint64_t* value) {
  const unsigned char* bytes = (const unsigned char*)field->data;
  uint64_t number = 0;
  int i;
  if (field->length != 8) return -EBADMSG;
  for (i = 0; i < 8; ++i) number |= (uint64_t)bytes[i] << (8 * i);
  *value = number;
  return 0;
}

/* Copies the field with a NUL behind it. -ENOSPC if it is longer than size - 1, -EBADMSG if there
 * is a NUL in it; *text is not changed then. */
static inline int handoff_tlv_get_text(const struct handoff_tlv_field* field, char* text,
                                       size_t size) {
  if (field->length >= size) return -ENOSPC;
  if (field->length > 0 && memchr(field->data, 0, field->length) != NULL) return -EBADMSG;
  if (field->length > 0) memcpy(text, field->data, field->length);
  text[field->length] = '\0';
  return 0;
}

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_TLV_H */
