/*
 * Checks of what a connection reports for a stream of bytes, which must not
 * depend on how the stream is cut into pieces.
 */
#ifndef WSU_STREAM_H
#define WSU_STREAM_H

#include "connection.h"

#include "test.h"
#include "trace.h"

static inline void fixed_key(uint8_t key[4]) {
  memcpy(key, "\x37\xfa\x21\x3d", 4);
}

static const wsu_connection_options_t SERVER = {
    .is_server = true,
    .auto_pong = true,
    .close_timeout = 30000,
};
static const wsu_connection_options_t CLIENT = {
    .auto_pong = true,
    .close_timeout = 30000,
    .random_key = fixed_key,
};

/* Long streams are split near their ends only. */
#define SPLITS_AT_EACH_END 40

/*
 * Feeds `bytes` as two pieces and, from `step` bytes on, in smaller ones. Each
 * piece lies flush against an unreadable page and where the one before it was,
 * so that bytes which are still needed must have been kept.
 */
static inline void check_pieces(const wsu_connection_options_t *options,
                                const guard_t *guard, test_bytes_t bytes,
                                size_t first, size_t step,
                                const char *expected) {
  wsu_connection_t connection;
  trace_t trace = {0};
  size_t pos = 0;

  wsu_connection_init(&connection, options);
  do {
    size_t len = pos == 0 && first > 0 ? first : step;

    len = bytes.len - pos < len ? bytes.len - pos : len;
    trace_receive(&trace, &connection,
                  guard_at_end(guard, bytes.data + pos, len), len);
    pos += len;
  } while (pos < bytes.len);
  CHECK_TEXT(trace_text(&trace), expected);
  trace_free(&trace);
  wsu_connection_free(&connection);
}

/* Feeds a stream whole, split at every place, and byte by byte. */
static inline void check_stream(const wsu_connection_options_t *options,
                                const char *stream, const char *expected) {
  test_bytes_t bytes = hex(stream);
  guard_t guard = guard_new(bytes.len);

  for (size_t split = 0; split <= bytes.len; split++) {
    test_about(stream, split);
    if (split <= SPLITS_AT_EACH_END || bytes.len - split <= SPLITS_AT_EACH_END)
      check_pieces(options, &guard, bytes, split, bytes.len, expected);
  }
  test_about(stream, 1);
  check_pieces(options, &guard, bytes, 0, 1, expected);
  guard_free(&guard);
}

#endif
