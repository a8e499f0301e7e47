/*
 * A growable run of bytes with a read position: the part of a message that
 * has arrived, or the part of the output that the kernel has not taken yet.
 * It owns its memory, grows with the bytes that are put in, never with the
 * bytes that are promised, and gives its memory back when it is emptied.
 */
#ifndef WSU_BUFFER_H
#define WSU_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct wsu_buffer {
  uint8_t *data;
  size_t start; /* the first byte that is not consumed yet */
  size_t end;   /* one past the last byte */
  size_t capacity;
} wsu_buffer_t;

/* Bytes that wait to be consumed. */
static inline size_t wsu_buffer_length(const wsu_buffer_t *buffer) {
  return buffer->end - buffer->start;
}

/* The first byte that waits; NULL if no memory is held. */
static inline const uint8_t *wsu_buffer_bytes(const wsu_buffer_t *buffer) {
  return buffer->data == NULL ? NULL : buffer->data + buffer->start;
}

/*
 * Makes room for `len` more bytes and returns where they go; the caller fills
 * them in and calls wsu_buffer_commit(). Growth doubles, but not beyond
 * `expected` bytes in all (what a frame header announced), unless `len` itself
 * needs more; 0 means that nothing is announced. Returns NULL when memory is
 * short or the size overflows; the buffer is unchanged then.
 */
uint8_t *wsu_buffer_reserve(wsu_buffer_t *buffer, size_t len, size_t expected);

/* Counts `len` bytes that were written after wsu_buffer_reserve(). */
void wsu_buffer_commit(wsu_buffer_t *buffer, size_t len);

/*
 * Appends a copy of `len` bytes; many at once get no spare room at first.
 * Returns 0 or WSU_ERR_OUT_OF_MEMORY.
 */
int wsu_buffer_append(wsu_buffer_t *buffer, const uint8_t *bytes, size_t len);

/* Drops the first `len` bytes, which must be there; frees when none is left. */
void wsu_buffer_consume(wsu_buffer_t *buffer, size_t len);

/* Frees the memory; the buffer is empty and usable afterwards. */
void wsu_buffer_free(wsu_buffer_t *buffer);

#endif
