/* permessage-deflate (RFC 7692) for the load generator, as a client that makes
 * no use of its own history: each message is compressed by itself, which every
 * server has to inflate, with context takeover too. So frames can be encoded
 * once and sent many times.
 */
#ifndef WSU_BENCH_DEFLATE_H
#define WSU_BENCH_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  /* The value of Sec-WebSocket-Extensions that offers it. */
  const char *offer;
  /* Whether the server compresses with what it sent before, so that each of
     its messages has to be inflated, and in order. */
  bool takeover;
  /* Compresses a message as the payload of one frame. Returns its length, or 0
     where it does not get shorter; `out` has room for `len` bytes. */
  size_t (*compress)(const uint8_t *text, size_t len, uint8_t *out);
  /* Whether a payload inflates to the `len` bytes of `text`. `*session` belongs
     to the connection: NULL at first, and kept until the program ends. */
  bool (*inflates_to)(void **session, const uint8_t *payload,
                      size_t payload_len, const uint8_t *text, size_t len);
} deflate_t;

/* In a program that is compiled with WITH_DEFLATE and deflate.c only. */
extern const deflate_t deflate_takeover;
extern const deflate_t deflate_no_takeover;

#endif
