#include "history.h"

#include <assert.h>
#include <string.h>

static uint32_t load4(const uint8_t *bytes) {
  uint32_t value;

  memcpy(&value, bytes, sizeof(value));
  return value;
}

/* Knuth's multiplicative hash. */
static uint16_t *hints_for(wsu_history_t *history, uint32_t value) {
  return history->hints[value * 2654435761u >> (32 - WSU_HISTORY_HASH_BITS)];
}

static void put_hint(uint16_t *hints, size_t pos) {
  for (size_t i = WSU_HISTORY_HINTS - 1; i > 0; i--)
    hints[i] = hints[i - 1];
  hints[0] = (uint16_t)pos;
}

/* Moves the window, of which more is there, down to the beginning. */
static void drop_oldest(wsu_history_t *history) {
  size_t dropped = history->len - WSU_HISTORY_WINDOW;

  assert(history->len > WSU_HISTORY_WINDOW);
  memmove(history->bytes, history->bytes + dropped, WSU_HISTORY_WINDOW);
  history->len = WSU_HISTORY_WINDOW;
  for (size_t i = 0; i < 1u << WSU_HISTORY_HASH_BITS; i++) {
    for (size_t k = 0; k < WSU_HISTORY_HINTS; k++) {
      size_t hint = history->hints[i][k];

      history->hints[i][k] = (uint16_t)(hint > dropped ? hint - dropped : 0);
    }
  }
}

size_t wsu_history_add(wsu_history_t *history, const uint8_t *bytes,
                       size_t len) {
  size_t start;

  assert(len <= WSU_HISTORY_ADD_MAX);
  if (len > sizeof(history->bytes) - history->len)
    drop_oldest(history);
  start = history->len;
  memcpy(history->bytes + start, bytes, len);
  history->len += len;
  return start;
}

void wsu_history_learn(wsu_history_t *history, const uint8_t *bytes,
                       size_t len) {
  size_t start;

  if (len > WSU_HISTORY_WINDOW) {
    bytes += len - WSU_HISTORY_WINDOW;
    len = WSU_HISTORY_WINDOW;
    history->len = 0;
  }
  start = wsu_history_add(history, bytes, len);
  for (size_t pos = start; pos + WSU_MATCH_MIN <= history->len; pos++)
    wsu_history_note(history, pos);
}

void wsu_history_note(wsu_history_t *history, size_t pos) {
  put_hint(hints_for(history, load4(history->bytes + pos)), pos);
}

/* How many bytes are the same at `a` and at `b`, at most `max`. */
static size_t match_length(const uint8_t *a, const uint8_t *b, size_t max) {
  size_t len = WSU_MATCH_MIN;

  while (len + 4 <= max && load4(a + len) == load4(b + len))
    len += 4;
  while (len < max && a[len] == b[len])
    len++;
  return len;
}

wsu_match_t wsu_history_find(wsu_history_t *history, size_t pos,
                             size_t lowest) {
  const uint8_t *bytes = history->bytes;
  uint32_t value = load4(bytes + pos);
  uint16_t *hints = hints_for(history, value);
  size_t max = history->len - pos;
  wsu_match_t match = {0, 0};

  if (max > WSU_MATCH_MAX)
    max = WSU_MATCH_MAX;
  for (size_t i = 0; i < WSU_HISTORY_HINTS; i++) {
    size_t start = hints[i];
    size_t length;

    if (start < lowest || start >= pos || load4(bytes + start) != value)
      continue;
    length = match_length(bytes + start, bytes + pos, max);
    if (length > match.length)
      match = (wsu_match_t){length, start};
  }
  put_hint(hints, pos);
  return match;
}
