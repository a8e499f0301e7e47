/*
 * The header of a WebSocket frame (RFC 6455, 5.2) to bytes and back. No state,
 * no allocation and no judgement: which header is allowed when is decided by
 * the decoder.
 */
#ifndef WSU_FRAME_H
#define WSU_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 6455, 11.8. */
enum {
  WSU_OPCODE_CONTINUATION = 0x0,
  WSU_OPCODE_TEXT = 0x1,
  WSU_OPCODE_BINARY = 0x2,
  WSU_OPCODE_CLOSE = 0x8,
  WSU_OPCODE_PING = 0x9,
  WSU_OPCODE_PONG = 0xa
};

/* The longest header: 2 bytes, 8 of extended length, 4 of masking key. */
#define WSU_FRAME_HEADER_MAX 14

/* The longest payload of a control frame (RFC 6455, 5.5). */
#define WSU_CONTROL_PAYLOAD_MAX 125

typedef struct wsu_frame {
  uint64_t length; /* payload bytes, as declared */
  uint8_t mask_key[4];
  uint8_t opcode; /* 4 bits */
  bool fin;
  bool rsv1;
  bool rsv2;
  bool rsv3;
  bool masked;
} wsu_frame_t;

/*
 * Size in bytes (2 to 14) of the header whose second byte is `second`: the
 * mask bit and the 7 bits of length decide it.
 */
size_t wsu_frame_header_size(uint8_t second);

/*
 * Reads the header at the start of `buf`, which holds `len` bytes, up to the
 * masking key. Returns the size of that (2, 4 or 10), or 0 when more bytes are
 * needed; `frame` is then untouched. The key is left zero.
 */
size_t wsu_frame_decode_start(const uint8_t *buf, size_t len,
                              wsu_frame_t *frame);

/* The same with the masking key, if there is one: 2 to 14 bytes. */
size_t wsu_frame_decode_header(const uint8_t *buf, size_t len,
                               wsu_frame_t *frame);

/*
 * Writes the header of `frame` in its shortest form (RFC 6455, 5.2 asks for
 * it) to `buf`, which must have room for WSU_FRAME_HEADER_MAX bytes. Returns
 * its size.
 */
size_t wsu_frame_encode_header(uint8_t *buf, const wsu_frame_t *frame);

/*
 * Whether a peer may put `code` into a close frame (RFC 6455, 7.4): 1000 to
 * 1014 without 1004, 1005 and 1006, and 3000 to 4999.
 */
bool wsu_is_valid_close_code(unsigned code);

#endif
