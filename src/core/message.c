#include "message.h"

#include <string.h>

#include "mask.h"

static bool is_validated(const wsu_message_t *message,
                         const wsu_message_limits_t *limits) {
  return message->opcode == WSU_OPCODE_TEXT && !message->is_compressed &&
         !limits->skips_utf8_validation;
}

/* Counts a new frame against the limits, before a byte of it is stored. */
static int start_frame(wsu_message_t *message, const wsu_frame_t *frame,
                       const wsu_message_limits_t *limits) {
  if (frame->opcode != WSU_OPCODE_CONTINUATION) {
    message->opcode = frame->opcode;
    message->is_compressed = frame->rsv1;
  }
  /* Both are at most 2^53 - 1 here, so the sum cannot overflow. */
  message->declared += frame->length;
  if (limits->max_payload != 0 && message->declared > limits->max_payload)
    return WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH;
  if (message->declared > SIZE_MAX / 2)
    return WSU_ERR_OUT_OF_MEMORY;
  message->fragments++;
  if (limits->max_fragments != 0 && message->fragments > limits->max_fragments)
    return WSU_ERR_TOO_MANY_FRAGMENTS;
  return 0;
}

static int collect(wsu_message_t *message, const wsu_part_t *part,
                   const wsu_message_limits_t *limits) {
  /* Before the last fragment, more is to come than was announced. */
  size_t expected = part->frame->fin ? (size_t)message->declared : 0;
  uint8_t *dest =
      wsu_buffer_reserve(&message->collected, part->length, expected);
  bool is_ascii;

  if (dest == NULL)
    return WSU_ERR_OUT_OF_MEMORY;
  is_ascii = wsu_mask_copy(dest, part->payload, part->length, part->key);
  wsu_buffer_commit(&message->collected, part->length);
  if (is_validated(message, limits) &&
      !(is_ascii && wsu_utf8_is_complete(&message->utf8)) &&
      !wsu_utf8_feed(&message->utf8, dest, part->length))
    return WSU_ERR_INVALID_UTF8;
  return 0;
}

int wsu_message_add(wsu_message_t *message, const wsu_part_t *part,
                    const wsu_message_limits_t *limits) {
  int err;

  if (part->starts) {
    err = start_frame(message, part->frame, limits);
    if (err)
      return err;
    message->chunks = 0;
    if (part->ends && part->frame->fin &&
        part->frame->opcode != WSU_OPCODE_CONTINUATION) {
      message->direct = *part;
      message->is_direct = true;
      return 1;
    }
  }
  if (part->length > 0) {
    message->chunks++;
    if (limits->max_chunks != 0 && message->chunks > limits->max_chunks)
      return WSU_ERR_TOO_MANY_CHUNKS;
    err = collect(message, part, limits);
    if (err)
      return err;
  }
  if (part->ends && message->keeps_lengths && part->frame->length > 0 &&
      wsu_buffer_append(&message->lengths,
                        (const uint8_t *)&part->frame->length,
                        sizeof(part->frame->length)) < 0)
    return WSU_ERR_OUT_OF_MEMORY;
  if (!part->ends || !part->frame->fin)
    return 0;
  if (is_validated(message, limits) && !wsu_utf8_is_complete(&message->utf8))
    return WSU_ERR_INVALID_UTF8;
  return 1;
}

size_t wsu_message_length(const wsu_message_t *message) {
  return message->is_direct ? message->direct.length
                            : wsu_buffer_length(&message->collected);
}

const uint64_t *wsu_message_lengths(const wsu_message_t *message,
                                    size_t *count) {
  if (message->is_direct) {
    *count = message->direct.length > 0;
    return &message->direct.frame->length;
  }
  *count = wsu_buffer_length(&message->lengths) / sizeof(uint64_t);
  return (const uint64_t *)(const void *)wsu_buffer_bytes(&message->lengths);
}

int wsu_message_read(wsu_message_t *message, uint8_t *dest,
                     const wsu_message_limits_t *limits) {
  int err = 0;

  if (message->is_direct) {
    const wsu_part_t *part = &message->direct;
    bool is_ascii = wsu_mask_copy(dest, part->payload, part->length, part->key);

    if (!is_ascii && is_validated(message, limits) &&
        !wsu_utf8_is_valid(dest, part->length))
      err = WSU_ERR_INVALID_UTF8;
  } else if (wsu_buffer_length(&message->collected) > 0) {
    memcpy(dest, wsu_buffer_bytes(&message->collected),
           wsu_buffer_length(&message->collected));
  }
  wsu_message_reset(message);
  return err;
}

int wsu_message_take(wsu_message_t *message, wsu_buffer_t *buffer,
                     const wsu_message_limits_t *limits) {
  size_t len = wsu_message_length(message);
  uint8_t *dest;
  int err;

  buffer->start = buffer->end = 0;
  if (!message->is_direct) {
    wsu_buffer_free(buffer);
    *buffer = message->collected;
    message->collected = (wsu_buffer_t){0};
    wsu_message_reset(message);
    return 0;
  }
  dest = wsu_buffer_reserve(buffer, len, len);
  if (dest == NULL) {
    wsu_message_reset(message);
    return WSU_ERR_OUT_OF_MEMORY;
  }
  err = wsu_message_read(message, dest, limits);
  wsu_buffer_commit(buffer, len);
  return err;
}

void wsu_message_reset(wsu_message_t *message) {
  if (message->collected.data != NULL)
    wsu_buffer_free(&message->collected);
  if (message->lengths.data != NULL)
    wsu_buffer_free(&message->lengths);
  message->declared = 0;
  message->fragments = 0;
  message->utf8 = (wsu_utf8_t){0};
  message->is_direct = false;
}
