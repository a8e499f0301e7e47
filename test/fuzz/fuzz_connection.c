/*
 * Feeds a stream to a connection whole and in chunks: both must report the same
 * and answer the same, and the answers must be frames that the other role
 * understands. When an allocation fails (see fuzz_nth), that is the last thing
 * which is reported. The input:
 *
 *   1 byte   bit 0 server role, 1 auto_pong, 2 skips_utf8_validation,
 *            3 and 4 index of max_payload, 5 and 6 index of max_fragments,
 *            7 permessage-deflate
 *   1 byte   low 4 bits: how many chunk sizes follow; high 4: max_pending_pongs
 *   n bytes  the sizes of the chunks, over and over
 *   rest     the stream
 */
#include "connection.h"

#include "../native/trace.h"
#include "fuzz.h"

static void fixed_key(uint8_t key[4]) {
  memcpy(key, "\x37\xfa\x21\x3d", 4);
}

static wsu_connection_options_t options_of(uint8_t bits, uint8_t pongs) {
  static const uint64_t payloads[] = {0, 1, 125, 70000};
  static const uint32_t fragments[] = {0, 1, 2, 100};

  return (wsu_connection_options_t){
      .is_server = (bits & 1) != 0,
      .auto_pong = (bits & 2) != 0,
      .uses_deflate = (bits & 0x80) != 0,
      .limits = {.skips_utf8_validation = (bits & 4) != 0,
                 .max_payload = payloads[bits >> 3 & 3],
                 .max_fragments = fragments[bits >> 5 & 3]},
      .max_pending_pongs = pongs,
      .random_key = fixed_key,
  };
}

/* Feeds a copy of its own size, so that a sanitizer sees what is read. */
static void receive(trace_t *trace, wsu_connection_t *connection,
                    const uint8_t *bytes, size_t len) {
  uint8_t *copy = fuzz_copy(bytes, len);

  trace_receive(trace, connection, copy, len);
  free(copy);
}

static void receive_in_chunks(trace_t *trace, wsu_connection_t *connection,
                              const uint8_t *sizes, size_t count,
                              const uint8_t *bytes, size_t len) {
  for (size_t i = 0; len > 0; i++) {
    /* A size of 0 is one chunk of no bytes, unless there are no others. */
    size_t size = count == 0 ? 1 : sizes[i % count];

    if (size > len || i > 4 * len + 64)
      size = len;
    receive(trace, connection, bytes, size);
    bytes += size;
    len -= size;
  }
}

static void expect_same(const trace_t *actual, const trace_t *expected) {
  if (strcmp(trace_text(actual), trace_text(expected)) == 0)
    return;
  fprintf(stderr, "whole:     %s\nin chunks: %s\n", trace_text(expected),
          trace_text(actual));
  abort();
}

/* Nothing may be reported after the end, and memory is given back. */
static void expect_silence(wsu_connection_t *connection, const uint8_t *bytes,
                           size_t len) {
  trace_t trace = {0};

  if (!connection->failed && !connection->close_received)
    return;
  receive(&trace, connection, bytes, len);
  if (trace.len > 0 || connection->message.collected.data != NULL)
    abort();
}

/* What we answer and say in the end must be frames without an error. */
static void expect_good_output(wsu_connection_t *connection) {
  wsu_connection_options_t options = {.is_server =
                                          !connection->options.is_server};
  wsu_connection_t peer;
  trace_t trace = {0};
  uint8_t *output;
  size_t len;

  if (wsu_connection_close(connection, 1001, (const uint8_t *)"bye", 3, 1) != 0)
    abort();
  wsu_connection_init(&peer, &options);
  output = copy_output(&connection->output, &len);
  receive(&trace, &peer, output, len);
  free(output);
  if (!peer.close_received || peer.failed ||
      strstr(trace_text(&trace), "close:1001:627965") == NULL)
    abort();
  trace_free(&trace);
  wsu_connection_free(&peer);

  while (wsu_output_length(&connection->output) > 0)
    wsu_connection_sent(connection,
                        (wsu_output_length(&connection->output) + 1) / 2);
  if (connection->pending_pongs != 0)
    abort();
}

/* `expected` is reported until an allocation fails; `actual` ends with that. */
static void expect_last_words(const trace_t *actual, const char *expected) {
  static const char words[] = "error:OUT_OF_MEMORY:0";
  const char *text = trace_text(actual);
  size_t len = strlen(text);

  EXPECT(len >= sizeof(words) - 1);
  len -= sizeof(words) - 1;
  EXPECT(strcmp(text + len, words) == 0);
  /* The space before them ends what was reported before. */
  len -= len > 0;
  EXPECT(strlen(expected) >= len && strncmp(text, expected, len) == 0);
  EXPECT(len == 0 || expected[len] == ' ' || expected[len] == '\0');
}

static void check_failing(const wsu_connection_options_t *options,
                          const uint8_t *sizes, size_t count,
                          const uint8_t *bytes, size_t len,
                          const char *expected) {
  wsu_connection_t connection;
  trace_t trace = {0};

  wsu_connection_init(&connection, options);
  fuzz_fail_alloc(FUZZ_CORE, fuzz_nth(bytes, len));
  receive_in_chunks(&trace, &connection, sizes, count, bytes, len);
  if (fuzz_stop_failing()) {
    expect_last_words(&trace, expected);
    EXPECT(connection.failed && connection.message.collected.data == NULL);
  } else {
    EXPECT(strcmp(trace_text(&trace), expected) == 0);
  }
  expect_silence(&connection, bytes, len);
  expect_good_output(&connection);
  trace_free(&trace);
  wsu_connection_free(&connection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  wsu_connection_options_t options;
  wsu_connection_t whole;
  wsu_connection_t chunked;
  trace_t expected = {0};
  trace_t actual = {0};
  const uint8_t *sizes;
  size_t count;

  if (size < 2)
    return 0;
  options = options_of(data[0], data[1] >> 4);
  count = data[1] & 15;
  if (count > size - 2)
    count = size - 2;
  sizes = data + 2;
  data += 2 + count;
  size -= 2 + count;

  wsu_connection_init(&whole, &options);
  receive(&expected, &whole, data, size);
  check_failing(&options, sizes, count, data, size, trace_text(&expected));
  trace_output(&expected, &whole);

  wsu_connection_init(&chunked, &options);
  receive_in_chunks(&actual, &chunked, sizes, count, data, size);
  trace_output(&actual, &chunked);

  expect_same(&actual, &expected);
  expect_silence(&whole, data, size);
  expect_silence(&chunked, data, size);
  expect_good_output(&chunked);
  trace_free(&expected);
  trace_free(&actual);
  wsu_connection_free(&whole);
  wsu_connection_free(&chunked);
  return 0;
}
