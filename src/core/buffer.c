#include "buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define MIN_CAPACITY 256u

/* From this size on, spare room would be dearer than moving once. */
#define EXACT_SIZE 65536u

static void move_to_front(wsu_buffer_t *buffer) {
  size_t length = wsu_buffer_length(buffer);

  if (buffer->data == NULL || buffer->start == 0)
    return;
  memmove(buffer->data, buffer->data + buffer->start, length);
  buffer->start = 0;
  buffer->end = length;
}

uint8_t *wsu_buffer_reserve(wsu_buffer_t *buffer, size_t len, size_t expected) {
  size_t length = wsu_buffer_length(buffer);
  size_t needed = length + len;
  size_t capacity;
  uint8_t *data;

  if (needed < len)
    return NULL;
  if (buffer->data != NULL && len <= buffer->capacity - buffer->end)
    return buffer->data + buffer->end;

  /* Moving is cheap only while it is at most as much as was consumed. */
  if (buffer->data != NULL && buffer->start >= length &&
      needed <= buffer->capacity) {
    move_to_front(buffer);
    return buffer->data + buffer->end;
  }

  capacity = needed > SIZE_MAX / 2 ? needed : needed * 2;
  if (capacity < MIN_CAPACITY)
    capacity = MIN_CAPACITY;
  if (expected != 0 && capacity > expected)
    capacity = expected;
  if (capacity < needed)
    capacity = needed;

  move_to_front(buffer);
  /* A NULL result means failure only for a size above zero. */
  data = realloc(buffer->data, capacity == 0 ? 1 : capacity);
  if (data == NULL)
    return NULL;
  buffer->data = data;
  buffer->capacity = capacity;
  return data + buffer->end;
}

void wsu_buffer_commit(wsu_buffer_t *buffer, size_t len) {
  assert(len <= buffer->capacity - buffer->end);
  buffer->end += len;
}

int wsu_buffer_append(wsu_buffer_t *buffer, const uint8_t *bytes, size_t len) {
  size_t expected = 0;
  uint8_t *dest;

  if (len == 0)
    return 0;
  if (len >= EXACT_SIZE && wsu_buffer_length(buffer) == 0)
    expected = len;
  dest = wsu_buffer_reserve(buffer, len, expected);
  if (dest == NULL)
    return WSU_ERR_OUT_OF_MEMORY;
  memcpy(dest, bytes, len);
  wsu_buffer_commit(buffer, len);
  return 0;
}

void wsu_buffer_consume(wsu_buffer_t *buffer, size_t len) {
  assert(len <= wsu_buffer_length(buffer));
  buffer->start += len;
  if (buffer->start == buffer->end)
    wsu_buffer_free(buffer);
}

void wsu_buffer_free(wsu_buffer_t *buffer) {
  free(buffer->data);
  *buffer = (wsu_buffer_t){0};
}
