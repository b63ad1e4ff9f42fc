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

/* ---- members of a structure ----------------------------------------------
 *
 *   static const struct handoff_tlv_member members[] = {
 *       HANDOFF_TLV_TEXT(NICK, struct client, nick),
 *       HANDOFF_TLV_NUMBER(LINES, struct client, lines)};
 *
 * One table says what is written and what is read, in the fields of the functions above. */

struct handoff_tlv_member {
  uint32_t tag;
  char is; /* 't', 'n' or 'f': made by the macros */
  size_t offset;
  size_t size;
};

/* A member's, which the compiler refuses if it is larger than a field's number. */
#define HANDOFF_TLV_SIZE(type, member) \
  (sizeof(((type*)0)->member) + 0 * sizeof(char[sizeof(((type*)0)->member) <= 8 ? 1 : -1]))
/* Of an array of char that ends with a NUL; of an integer that is not negative; of a bool. */
#define HANDOFF_TLV_TEXT(tag, type, member) \
  { (tag), 't', offsetof(type, member[0]), sizeof(((type*)0)->member) }
#define HANDOFF_TLV_NUMBER(tag, type, member) \
  { (tag), 'n', offsetof(type, member), HANDOFF_TLV_SIZE(type, member) }
#define HANDOFF_TLV_FLAG(tag, type, member) \
  { (tag), 'f', offsetof(type, member), HANDOFF_TLV_SIZE(type, member) }

/* Where a number of so many bytes is in one of 8. */
static inline char* handoff_tlv_low(uint64_t* number, size_t size) {
  return (char*)number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 8 - size : 0);
}

/* Writes a field for each member. */
static inline void handoff_tlv_members(struct handoff_tlv_writer* w, const void* object,
                                       const struct handoff_tlv_member* members, size_t count) {
  const struct handoff_tlv_member* m;
  for (m = members; m != members + count; ++m) {
    const char* at = (const char*)object + m->offset;
    uint64_t number = 0;
    if (m->is == 't') {
      handoff_tlv_text(w, m->tag, at);
    } else {
      memcpy(handoff_tlv_low(&number, m->size), at, m->size);
      handoff_tlv_number(w, m->tag, number);
    }
  }
}

/* Takes the field into the member of its tag. 1, or 0 where no member has it; -EBADMSG and -ENOSPC
 * as above, -ERANGE for a number that is too large for its member, and *object is not changed. */
static inline int handoff_tlv_get_member(const struct handoff_tlv_field* field, void* object,
                                         const struct handoff_tlv_member* members, size_t count) {
  const struct handoff_tlv_member* m = members;
  uint64_t number = 0;
  char* at;
  int result;
  while (m != members + count && m->tag != field->tag) ++m;
  if (m == members + count) return 0;
  at = (char*)object + m->offset;
  result = m->is == 't' ? handoff_tlv_get_text(field, at, m->size)
                        : handoff_tlv_get_number(field, &number);
  if (result < 0) return result;
  if (m->is == 't') return 1;
  if (m->is == 'f') number = number != 0;
  if (m->size < 8 && number >> (8 * m->size) != 0) return -ERANGE;
  memcpy(at, handoff_tlv_low(&number, m->size), m->size);
  return 1;
}

#ifdef __cplusplus
}
#endif
#endif /* HANDOFF_TLV_H */
