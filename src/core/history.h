/*
 * What an encoder may refer back to: the last bytes that were compressed for
 * one peer (LZ77's window, RFC 1951, 2), and hints where in them to look for
 * more of the same. A hint may be wrong, since bytes move and are dropped: it
 * is only ever a place to compare.
 */
#ifndef WSU_HISTORY_H
#define WSU_HISTORY_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that are kept. zlib keeps up to 32 KiB, which gained 1 % at most. */
#define WSU_HISTORY_WINDOW 16384u

/* Bytes that can be added at once and found again. */
#define WSU_HISTORY_ADD_MAX 16384u

#define WSU_HISTORY_HASH_BITS 12

/* Hints for bytes of the same hash, the newest first. */
#define WSU_HISTORY_HINTS 2

/* A match's bytes: RFC 1951, 3.2.5, which would allow 3 as well. */
#define WSU_MATCH_MIN 4u
#define WSU_MATCH_MAX 258u

/* All zero bytes are one without any bytes in it. */
typedef struct wsu_history {
  size_t len; /* bytes in `bytes` */
  uint16_t hints[1 << WSU_HISTORY_HASH_BITS][WSU_HISTORY_HINTS];
  uint8_t bytes[WSU_HISTORY_WINDOW + WSU_HISTORY_ADD_MAX];
} wsu_history_t;

_Static_assert(WSU_HISTORY_WINDOW + WSU_HISTORY_ADD_MAX - 1 <= UINT16_MAX,
               "hints are of 16 bits");

typedef struct wsu_match {
  size_t length; /* 0: there is none */
  size_t start;
} wsu_match_t;

/*
 * Adds up to WSU_HISTORY_ADD_MAX bytes; older ones may have to go. Returns
 * where they begin.
 */
size_t wsu_history_add(wsu_history_t *history, const uint8_t *bytes,
                       size_t len);

/* Adds any number of bytes that were compressed elsewhere. */
void wsu_history_learn(wsu_history_t *history, const uint8_t *bytes,
                       size_t len);

/* Notes that four bytes, at least, begin at `pos`. */
void wsu_history_note(wsu_history_t *history, size_t pos);

/*
 * Looks in the bytes from `lowest` on for what begins at `pos`, and notes
 * `pos`. At least WSU_MATCH_MIN bytes have to be there.
 */
wsu_match_t wsu_history_find(wsu_history_t *history, size_t pos, size_t lowest);

#endif
