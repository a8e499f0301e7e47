/*
 * Protocol errors: one table gives every error its number, the close code
 * that answers it, the JavaScript class, the code and the text that users of
 * `ws` know. Functions of the core return these numbers, which are negative,
 * so that a result below zero is always an error.
 */
#ifndef WSU_ERROR_H
#define WSU_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define WSU_FRAME_ "Invalid WebSocket frame: "

/*
 * What zlib finds wrong with compressed data: rows of the table below,
 * with zlib's text, which `ws` passes on. The last one stands for texts that no
 * known zlib has.
 */
#define WSU_INFLATE_ERROR_MAP(XX)                                              \
  XX(INVALID_BLOCK_TYPE, -20, 1007, false, false, "Z_DATA_ERROR",              \
     "invalid block type")                                                     \
  XX(INVALID_STORED_LENGTHS, -21, 1007, false, false, "Z_DATA_ERROR",          \
     "invalid stored block lengths")                                           \
  XX(TOO_MANY_SYMBOLS, -22, 1007, false, false, "Z_DATA_ERROR",                \
     "too many length or distance symbols")                                    \
  XX(INVALID_CODE_LENGTHS, -23, 1007, false, false, "Z_DATA_ERROR",            \
     "invalid code lengths set")                                               \
  XX(INVALID_LENGTH_REPEAT, -24, 1007, false, false, "Z_DATA_ERROR",           \
     "invalid bit length repeat")                                              \
  XX(MISSING_END_OF_BLOCK, -25, 1007, false, false, "Z_DATA_ERROR",            \
     "invalid code -- missing end-of-block")                                   \
  XX(INVALID_LITERAL_SET, -26, 1007, false, false, "Z_DATA_ERROR",             \
     "invalid literal/lengths set")                                            \
  XX(INVALID_DISTANCE_SET, -27, 1007, false, false, "Z_DATA_ERROR",            \
     "invalid distances set")                                                  \
  XX(INVALID_LITERAL_CODE, -28, 1007, false, false, "Z_DATA_ERROR",            \
     "invalid literal/length code")                                            \
  XX(INVALID_DISTANCE_CODE, -29, 1007, false, false, "Z_DATA_ERROR",           \
     "invalid distance code")                                                  \
  XX(DISTANCE_TOO_FAR, -30, 1007, false, false, "Z_DATA_ERROR",                \
     "invalid distance too far back")                                          \
  XX(INVALID_DEFLATE, -31, 1007, false, false, "Z_DATA_ERROR", "Zlib error")

/*
 * name, number, close code (RFC 6455, 7.4.1), is it a RangeError, does the
 * message end with a number that the failing frame supplies, code, message.
 */
#define WSU_ERROR_MAP(XX)                                                      \
  XX(EXPECTED_FIN, -1, 1002, true, false, "WS_ERR_EXPECTED_FIN",               \
     WSU_FRAME_ "FIN must be set")                                             \
  XX(EXPECTED_MASK, -2, 1002, true, false, "WS_ERR_EXPECTED_MASK",             \
     WSU_FRAME_ "MASK must be set")                                            \
  XX(UNEXPECTED_MASK, -3, 1002, true, false, "WS_ERR_UNEXPECTED_MASK",         \
     WSU_FRAME_ "MASK must be clear")                                          \
  XX(INVALID_CLOSE_CODE, -4, 1002, true, true, "WS_ERR_INVALID_CLOSE_CODE",    \
     WSU_FRAME_ "invalid status code ")                                        \
  XX(INVALID_CONTROL_PAYLOAD_LENGTH, -5, 1002, true, true,                     \
     "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",                                  \
     WSU_FRAME_ "invalid payload length ")                                     \
  XX(INVALID_OPCODE, -6, 1002, true, true, "WS_ERR_INVALID_OPCODE",            \
     WSU_FRAME_ "invalid opcode ")                                             \
  XX(UNEXPECTED_RSV_1, -7, 1002, true, false, "WS_ERR_UNEXPECTED_RSV_1",       \
     WSU_FRAME_ "RSV1 must be clear")                                          \
  XX(UNEXPECTED_RSV_2_3, -8, 1002, true, false, "WS_ERR_UNEXPECTED_RSV_2_3",   \
     WSU_FRAME_ "RSV2 and RSV3 must be clear")                                 \
  XX(INVALID_UTF8, -9, 1007, false, false, "WS_ERR_INVALID_UTF8",              \
     WSU_FRAME_ "invalid UTF-8 sequence")                                      \
  XX(TOO_MANY_FRAGMENTS, -10, 1008, true, false,                               \
     "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many message fragments")           \
  XX(UNSUPPORTED_PAYLOAD_LENGTH, -11, 1009, true, false,                       \
     "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",                                 \
     "Unsupported WebSocket frame: payload length > 2^53 - 1")                 \
  XX(UNSUPPORTED_MESSAGE_LENGTH, -12, 1009, true, false,                       \
     "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "Max payload size exceeded")         \
  XX(OUT_OF_MEMORY, -13, 1011, false, false, "WSU_ERR_OUT_OF_MEMORY",          \
     "Not enough memory for the message")                                      \
  XX(TOO_MANY_CHUNKS, -14, 1008, true, false,                                  \
     "WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many buffered chunks")             \
  WSU_INFLATE_ERROR_MAP(XX)

typedef enum wsu_err {
#define XX(name, number, ...) WSU_ERR_##name = number,
  WSU_ERROR_MAP(XX)
#undef XX
} wsu_err_t;

typedef struct wsu_error_info {
  int err;             /* wsu_err_t */
  uint16_t close_code; /* what the close frame that answers it carries */
  bool is_range_error; /* RangeError in JavaScript, otherwise Error */
  bool has_detail;     /* the frame's number follows the message */
  const char *code;    /* the `code` property of the JavaScript error */
  const char *message;
} wsu_error_info_t;

/* The rows of the table, in its order; `*count` receives their number. */
const wsu_error_info_t *wsu_error_table(int *count);

/* The close code (RFC 6455, 7.4.1) that answers `err`. */
uint16_t wsu_error_close_code(int err);

#endif
