/*
 * Messages of up to 16 KiB to deflate (RFC 1951), for what is sent in real
 * time: with JSON two to seven times as fast as zlib's default level, and 1 to
 * 8 % larger. Each one becomes a block of its own, with the smallest of the
 * three forms that a block can have.
 *
 * The encoder is what it needs while it works, nothing of it outlives a call:
 * all connections of a thread share one. It never allocates.
 */
#ifndef WSU_ENCODER_H
#define WSU_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "history.h"

#define WSU_ENCODER_MESSAGE_MAX WSU_HISTORY_ADD_MAX

#define WSU_ENCODER_LITERALS 286 /* and lengths: RFC 1951, 3.2.5 */
#define WSU_ENCODER_DISTANCES 30

/* Both codes of a block, as they are written, and their lengths in bits. */
typedef struct wsu_encoder_codes {
  uint16_t literal[WSU_ENCODER_LITERALS];
  uint16_t distance[WSU_ENCODER_DISTANCES];
  uint8_t literal_len[WSU_ENCODER_LITERALS];
  uint8_t distance_len[WSU_ENCODER_DISTANCES];
} wsu_encoder_codes_t;

typedef struct wsu_encoder {
  size_t count;
  uint32_t tokens[WSU_ENCODER_MESSAGE_MAX]; /* literals and references */
  uint32_t literals[WSU_ENCODER_LITERALS];  /* how often they come */
  uint32_t distances[WSU_ENCODER_DISTANCES];
  wsu_encoder_codes_t fixed; /* RFC 1951, 3.2.6 */
  wsu_encoder_codes_t dynamic;
} wsu_encoder_t;

void wsu_encoder_init(wsu_encoder_t *encoder);

/* What a message may refer to. */
typedef struct wsu_encoder_window {
  wsu_history_t *history;
  size_t size;     /* bytes: how far back a reference may go */
  bool takes_over; /* to messages before, too, and later ones to this one */
} wsu_encoder_window_t;

/*
 * Appends the compressed form (RFC 7692, 7.2.1) of 1 to WSU_ENCODER_MESSAGE_MAX
 * bytes to `output`: a whole message, or a part of one that ends with it, or
 * not. Returns 0, WSU_ERR_OUT_OF_MEMORY, or, if `may_refuse`,
 * WSU_COMPRESS_NOT_SMALLER: see wsu_compress(). Then `output` is unchanged, and
 * the history does not have the bytes.
 */
int wsu_encode(wsu_encoder_t *encoder, const wsu_encoder_window_t *window,
               const uint8_t *bytes, size_t len, bool ends, bool may_refuse,
               wsu_buffer_t *output);

#endif
