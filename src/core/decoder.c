#include "decoder.h"

#include <string.h>

#include "mask.h"

#define MAX_SAFE_INTEGER UINT64_C(0x1fffffffffffff)

enum { IN_HEADER, IN_KEY, IN_PAYLOAD };

void wsu_decoder_init(wsu_decoder_t *decoder, bool is_server,
                      bool allows_rsv1) {
  *decoder = (wsu_decoder_t){
      .expects_mask = is_server,
      .allows_rsv1 = allows_rsv1,
  };
}

static int fail(wsu_decoder_t *decoder, int err, uint32_t detail) {
  decoder->err = err;
  decoder->detail = detail;
  return err;
}

/*
 * Judges the first two bytes of a header, in the order in which `ws` does, so
 * that a bad frame is refused before the rest of its header has come.
 */
static int check_start(wsu_decoder_t *decoder, uint8_t first, uint8_t second) {
  bool fin = (first & 0x80) != 0;
  bool rsv1 = (first & 0x40) != 0;
  bool masked = (second & 0x80) != 0;
  uint8_t opcode = first & 0x0f;
  uint8_t length = second & 0x7f;

  if (first & 0x30)
    return fail(decoder, WSU_ERR_UNEXPECTED_RSV_2_3, 0);
  if (rsv1 && !decoder->allows_rsv1)
    return fail(decoder, WSU_ERR_UNEXPECTED_RSV_1, 0);

  switch (opcode) {
  case WSU_OPCODE_CONTINUATION:
    if (rsv1)
      return fail(decoder, WSU_ERR_UNEXPECTED_RSV_1, 0);
    if (decoder->message_opcode == 0)
      return fail(decoder, WSU_ERR_INVALID_OPCODE, opcode);
    break;
  case WSU_OPCODE_TEXT:
  case WSU_OPCODE_BINARY:
    if (decoder->message_opcode != 0)
      return fail(decoder, WSU_ERR_INVALID_OPCODE, opcode);
    break;
  case WSU_OPCODE_CLOSE:
  case WSU_OPCODE_PING:
  case WSU_OPCODE_PONG:
    if (!fin)
      return fail(decoder, WSU_ERR_EXPECTED_FIN, 0);
    if (rsv1)
      return fail(decoder, WSU_ERR_UNEXPECTED_RSV_1, 0);
    if (length > WSU_CONTROL_PAYLOAD_MAX ||
        (opcode == WSU_OPCODE_CLOSE && length == 1))
      return fail(decoder, WSU_ERR_INVALID_CONTROL_PAYLOAD_LENGTH, length);
    break;
  default:
    return fail(decoder, WSU_ERR_INVALID_OPCODE, opcode);
  }

  if (masked && !decoder->expects_mask)
    return fail(decoder, WSU_ERR_UNEXPECTED_MASK, 0);
  if (!masked && decoder->expects_mask)
    return fail(decoder, WSU_ERR_EXPECTED_MASK, 0);
  return 0;
}

static int start_frame(wsu_decoder_t *decoder) {
  const wsu_frame_t *frame = &decoder->frame;

  if (frame->length > MAX_SAFE_INTEGER)
    return fail(decoder, WSU_ERR_UNSUPPORTED_PAYLOAD_LENGTH, 0);
  if (frame->opcode < WSU_OPCODE_CLOSE) {
    if (frame->fin)
      decoder->message_opcode = 0;
    else if (frame->opcode != WSU_OPCODE_CONTINUATION)
      decoder->message_opcode = frame->opcode;
  }
  decoder->remaining = frame->length;
  decoder->state = frame->masked ? IN_KEY : IN_PAYLOAD;
  return 0;
}

/*
 * Collects a header that did not come in one piece. Returns 1 when it is
 * whole up to the key, 0 when more is needed, or an error.
 */
static int collect_header(wsu_decoder_t *decoder, const uint8_t *buf,
                          size_t len, size_t *consumed) {
  while (*consumed < len) {
    decoder->header[decoder->header_len++] = buf[(*consumed)++];
    if (decoder->header_len == 2) {
      int err = check_start(decoder, decoder->header[0], decoder->header[1]);

      if (err)
        return err;
    }
    if (wsu_frame_decode_start(decoder->header, decoder->header_len,
                               &decoder->frame) > 0) {
      decoder->header_len = 0;
      return 1;
    }
  }
  return 0;
}

static int take_header(wsu_decoder_t *decoder, const uint8_t *buf, size_t len,
                       size_t *consumed) {
  int result;

  if (decoder->header_len == 0 && len >= 2) {
    result = check_start(decoder, buf[0], buf[1]);
    if (result)
      return result;
    *consumed = wsu_frame_decode_start(buf, len, &decoder->frame);
    if (*consumed > 0)
      return start_frame(decoder) ? decoder->err : 1;
  }
  result = collect_header(decoder, buf, len, consumed);
  if (result == 1 && start_frame(decoder))
    return decoder->err;
  return result;
}

/* Takes what there is of the masking key. */
static void take_key(wsu_decoder_t *decoder, const uint8_t *buf, size_t len,
                     size_t *consumed) {
  if (decoder->header_len == 0 && len - *consumed >= 4) {
    memcpy(decoder->frame.mask_key, buf + *consumed, 4);
    *consumed += 4;
    decoder->state = IN_PAYLOAD;
    return;
  }
  while (*consumed < len && decoder->header_len < 4)
    decoder->frame.mask_key[decoder->header_len++] = buf[(*consumed)++];
  if (decoder->header_len == 4) {
    decoder->header_len = 0;
    decoder->state = IN_PAYLOAD;
  }
}

/* Takes payload bytes, none if the key is not whole yet. */
static void take_payload(wsu_decoder_t *decoder, const uint8_t *buf, size_t len,
                         size_t *consumed, wsu_part_t *part) {
  uint64_t taken = decoder->frame.length - decoder->remaining;
  size_t available = len - *consumed;

  if (available > decoder->remaining)
    available = (size_t)decoder->remaining;
  part->payload = buf + *consumed;
  part->length = available;
  memcpy(part->key, decoder->frame.mask_key, 4);
  if (taken & 3)
    wsu_mask_rotate(part->key, taken);
  *consumed += available;
  decoder->remaining -= available;
  part->ends = decoder->state == IN_PAYLOAD && decoder->remaining == 0;
  if (part->ends)
    decoder->state = IN_HEADER;
}

int wsu_decoder_next(wsu_decoder_t *decoder, const uint8_t *buf, size_t len,
                     size_t *consumed, wsu_part_t *part) {
  *consumed = 0;
  if (decoder->err)
    return decoder->err;

  part->starts = decoder->state == IN_HEADER;
  if (part->starts) {
    int result = take_header(decoder, buf, len, consumed);

    if (result != 1)
      return result;
  }
  if (decoder->state == IN_KEY)
    take_key(decoder, buf, len, consumed);
  /* An empty frame is over with its key, without any more input. */
  if (!part->starts && *consumed == len &&
      (decoder->state == IN_KEY || decoder->remaining > 0))
    return 0;

  part->frame = &decoder->frame;
  take_payload(decoder, buf, len, consumed, part);
  return 1;
}
