/*
 * Parts of data frames to whole messages, under limits of bytes and of counts.
 * A message that came as one frame in one piece of input is not stored: it is
 * read straight from the input. Anything else is collected, unmasked, in
 * memory that grows with the bytes that have arrived. A compressed message is
 * handed on as it came, and its text is not validated.
 */
#ifndef WSU_MESSAGE_H
#define WSU_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "decoder.h"
#include "utf8.h"

typedef struct wsu_message_limits {
  uint64_t max_payload;   /* bytes of a message; 0: no limit */
  uint32_t max_fragments; /* frames of a message, empty ones too; 0: no limit */
  uint32_t max_chunks;    /* parts that a frame may come in; 0: no limit */
  bool skips_utf8_validation;
} wsu_message_limits_t;

typedef struct wsu_message {
  wsu_buffer_t collected;
  wsu_buffer_t lengths; /* uint64_t: of each fragment that is not empty */
  wsu_part_t direct;    /* set instead of `collected`: see above */
  uint64_t declared;    /* payload bytes that the frames so far announced */
  uint32_t fragments;   /* frames so far */
  uint32_t chunks;      /* parts of the current frame so far */
  wsu_utf8_t utf8;
  uint8_t opcode;     /* WSU_OPCODE_TEXT or WSU_OPCODE_BINARY */
  bool is_compressed; /* RSV1 of its first frame (RFC 7692, 6) */
  bool is_direct;
  bool keeps_lengths; /* set by the user of the message: fill in `lengths` */
} wsu_message_t;

/*
 * Adds a part of a data frame. Returns 1 when the message is complete and
 * waits for wsu_message_read(), 0 when more parts are needed, or a negative
 * wsu_err_t.
 */
int wsu_message_add(wsu_message_t *message, const wsu_part_t *part,
                    const wsu_message_limits_t *limits);

/* Payload bytes of a complete message. */
size_t wsu_message_length(const wsu_message_t *message);

/*
 * The payload lengths of the fragments of a complete message, without the empty
 * ones, if it keeps them; `*count` receives their number. Valid until
 * wsu_message_read().
 */
const uint64_t *wsu_message_lengths(const wsu_message_t *message,
                                    size_t *count);

/*
 * Writes the complete message to `dest`, which has room for
 * wsu_message_length() bytes, and starts over. The input of the last
 * wsu_message_add() must still be there. Returns 0, or WSU_ERR_INVALID_UTF8:
 * what `dest` holds then is no message.
 */
int wsu_message_read(wsu_message_t *message, uint8_t *dest,
                     const wsu_message_limits_t *limits);

/*
 * The same into `buffer`, whose contents are lost: without a copy if the
 * message was collected. WSU_ERR_OUT_OF_MEMORY is possible as well.
 */
int wsu_message_take(wsu_message_t *message, wsu_buffer_t *buffer,
                     const wsu_message_limits_t *limits);

/* Frees what is collected and starts over. */
void wsu_message_reset(wsu_message_t *message);

#endif
