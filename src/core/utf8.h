/*
 * UTF-8 validation (RFC 3629) that can stop after any byte and go on later, so
 * that a text message is judged while its fragments arrive.
 */
#ifndef WSU_UTF8_H
#define WSU_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros is the state before the first byte. */
typedef struct wsu_utf8 {
  uint8_t missing; /* continuation bytes that the open sequence still needs */
  uint8_t low;     /* the range of the next one */
  uint8_t high;
} wsu_utf8_t;

/*
 * Takes the next `len` bytes. Returns false at the first byte that no valid
 * text can have at this place; the state is then of no further use.
 */
bool wsu_utf8_feed(wsu_utf8_t *utf8, const uint8_t *bytes, size_t len);

/* Whether the text may end here, that is outside of any sequence. */
static inline bool wsu_utf8_is_complete(const wsu_utf8_t *utf8) {
  return utf8->missing == 0;
}

/* Whether `len` bytes are valid UTF-8 as a whole. */
bool wsu_utf8_is_valid(const uint8_t *bytes, size_t len);

#endif
