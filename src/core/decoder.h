/*
 * A resumable stream of bytes to frames. Every check of RFC 6455 that needs no
 * more than the header and the frames before it lives here. The caller owns
 * the bytes; parts of payloads point into them, still masked; nothing is
 * allocated. Errors are sticky.
 */
#ifndef WSU_DECODER_H
#define WSU_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "frame.h"

typedef struct wsu_decoder {
  wsu_frame_t frame;      /* the current frame, once its header is whole */
  uint64_t remaining;     /* payload bytes of it that have not come yet */
  uint32_t detail;        /* the number that belongs to `err` */
  int err;                /* 0 or the wsu_err_t that ended decoding */
  uint8_t message_opcode; /* of the message whose fragments come; 0: none */
  uint8_t state;          /* what comes next: see decoder.c */
  uint8_t header_len;     /* bytes of an incomplete header or key */
  uint8_t header[WSU_FRAME_HEADER_MAX - 4];
  bool expects_mask; /* server role (RFC 6455, 5.1) */
  bool allows_rsv1;  /* permessage-deflate is in use (RFC 7692, 6) */
} wsu_decoder_t;

/* A run of payload bytes of one frame. */
typedef struct wsu_part {
  const uint8_t *payload; /* in the caller's input, masked with `key` */
  size_t length;          /* may be 0 in the first part of a frame */
  uint8_t key[4];         /* turned so that payload[0] meets key[0] */
  const wsu_frame_t *frame;
  bool starts; /* the first part of its frame */
  bool ends;   /* the last part of its frame */
} wsu_part_t;

/* `is_server`: the peer's frames must be masked; otherwise they must not. */
void wsu_decoder_init(wsu_decoder_t *decoder, bool is_server, bool allows_rsv1);

/*
 * Takes bytes from `buf` until there is a part to report. `*consumed` receives
 * how many of the `len` bytes were taken; call again with the rest.
 *
 * Returns 1 when `part` was filled in. The first part of a frame is reported
 * as soon as its length is known, with a length of 0 if no payload has come
 * yet, so that a declared length can be refused early. Returns 0 when all of
 * the input is taken and more is needed, or a negative wsu_err_t, again and
 * again, with `decoder->detail` set.
 */
int wsu_decoder_next(wsu_decoder_t *decoder, const uint8_t *buf, size_t len,
                     size_t *consumed, wsu_part_t *part);

#endif
