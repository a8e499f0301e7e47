#include "frame.h"

#include <string.h>

size_t wsu_frame_header_size(uint8_t second) {
  size_t size = 2;

  if ((second & 0x7f) == 126)
    size += 2;
  else if ((second & 0x7f) == 127)
    size += 8;
  if (second & 0x80)
    size += 4;
  return size;
}

size_t wsu_frame_decode_start(const uint8_t *buf, size_t len,
                              wsu_frame_t *frame) {
  size_t size;

  if (len < 2)
    return 0;
  size = wsu_frame_header_size(buf[1] & 0x7f);
  if (len < size)
    return 0;

  frame->fin = (buf[0] & 0x80) != 0;
  frame->rsv1 = (buf[0] & 0x40) != 0;
  frame->rsv2 = (buf[0] & 0x20) != 0;
  frame->rsv3 = (buf[0] & 0x10) != 0;
  frame->opcode = buf[0] & 0x0f;
  frame->masked = (buf[1] & 0x80) != 0;
  frame->length = buf[1] & 0x7f;
  if (size > 2) {
    frame->length = 0;
    for (size_t i = 2; i < size; i++)
      frame->length = frame->length << 8 | buf[i];
  }
  memset(frame->mask_key, 0, 4);
  return size;
}

size_t wsu_frame_decode_header(const uint8_t *buf, size_t len,
                               wsu_frame_t *frame) {
  wsu_frame_t decoded;
  size_t size = wsu_frame_decode_start(buf, len, &decoded);

  if (size == 0)
    return 0;
  if (decoded.masked) {
    if (len - size < 4)
      return 0;
    memcpy(decoded.mask_key, buf + size, 4);
    size += 4;
  }
  *frame = decoded;
  return size;
}

size_t wsu_frame_encode_header(uint8_t *buf, const wsu_frame_t *frame) {
  uint8_t mask_bit = frame->masked ? 0x80 : 0;
  size_t size = 2;

  buf[0] = (uint8_t)((frame->fin ? 0x80 : 0) | (frame->rsv1 ? 0x40 : 0) |
                     (frame->rsv2 ? 0x20 : 0) | (frame->rsv3 ? 0x10 : 0) |
                     (frame->opcode & 0x0f));
  if (frame->length < 126) {
    buf[1] = (uint8_t)(mask_bit | frame->length);
  } else if (frame->length <= 0xffff) {
    buf[1] = mask_bit | 126;
    buf[2] = (uint8_t)(frame->length >> 8);
    buf[3] = (uint8_t)frame->length;
    size = 4;
  } else {
    buf[1] = mask_bit | 127;
    for (int i = 0; i < 8; i++)
      buf[2 + i] = (uint8_t)(frame->length >> (56 - 8 * i));
    size = 10;
  }
  if (frame->masked) {
    memcpy(buf + size, frame->mask_key, 4);
    size += 4;
  }
  return size;
}

bool wsu_is_valid_close_code(unsigned code) {
  if (code >= 3000)
    return code <= 4999;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
         code != 1006;
}
