/*
 * Laws that hold for every stream, tried on random ones: what was encoded is
 * decoded, however it is cut into pieces; and damage ends in the same error
 * everywhere, without a byte being read that is not there.
 */
#include "connection.h"

#include "mask.h"
#include "stream.h"

#define MAX_PAYLOAD 70000
#define MAX_STREAM (8 * MAX_PAYLOAD)

/* A stream that is being written, and what its reader must report of it. */
typedef struct writer {
  uint8_t bytes[MAX_STREAM];
  size_t len;
  bool to_server;
  trace_t expected;
  trace_t answers; /* what the other side must report of the pongs */
} writer_t;

static writer_t *writer_new(bool to_server) {
  writer_t *writer = test_alloc(sizeof(*writer));

  writer->len = 0;
  writer->to_server = to_server;
  writer->expected = (trace_t){0};
  writer->answers = (trace_t){0};
  return writer;
}

static void writer_free(writer_t *writer) {
  trace_free(&writer->expected);
  trace_free(&writer->answers);
}

static void write_frame(writer_t *writer, unsigned opcode, bool fin,
                        const uint8_t *payload, size_t len) {
  wsu_frame_t frame = {.opcode = (uint8_t)opcode,
                       .fin = fin,
                       .masked = writer->to_server,
                       .length = len};

  if (frame.masked)
    test_random_fill(frame.mask_key, 4);
  writer->len += wsu_frame_encode_header(writer->bytes + writer->len, &frame);
  wsu_mask_copy(writer->bytes + writer->len, payload, len, frame.mask_key);
  writer->len += len;
}

static void write_control(writer_t *writer) {
  bool is_ping = test_random_below(2) == 0;
  uint8_t payload[WSU_CONTROL_PAYLOAD_MAX];
  size_t len = test_random_below(sizeof(payload) + 1);

  test_random_fill(payload, len);
  write_frame(writer, is_ping ? WSU_OPCODE_PING : WSU_OPCODE_PONG, true,
              payload, len);
  trace_separate(&writer->expected);
  trace_add(&writer->expected, is_ping ? "ping:" : "pong:");
  trace_payload(&writer->expected, payload, len);
  if (is_ping) {
    trace_separate(&writer->answers);
    trace_add(&writer->answers, "pong:");
    trace_payload(&writer->answers, payload, len);
  }
}

/* Fills in text that is valid, of all lengths of characters. */
static void random_text(uint8_t *dest, size_t len) {
  static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac",
                                           "\xf0\x9f\x98\x80"};
  size_t pos = 0;

  while (pos < len) {
    size_t size = 1 + (test_random_below(8) == 0 ? test_random_below(4) : 0);

    if (size > len - pos)
      size = 1;
    memcpy(dest + pos, characters[size - 1], size);
    pos += size;
  }
}

/* Writes a message in random fragments, with control frames between them. */
static void write_message(writer_t *writer, size_t max) {
  bool is_binary = test_random_below(2) == 0;
  size_t len = test_random_size(max);
  uint8_t *payload = malloc(len + 1);
  unsigned opcode = is_binary ? WSU_OPCODE_BINARY : WSU_OPCODE_TEXT;
  size_t fragments = 1 + test_random_size(5);
  size_t pos = 0;

  if (is_binary)
    test_random_fill(payload, len);
  else
    random_text(payload, len);
  while (fragments-- > 0) {
    size_t part = fragments == 0 ? len - pos : test_random_below(len - pos + 1);

    write_frame(writer, opcode, fragments == 0, payload + pos, part);
    opcode = WSU_OPCODE_CONTINUATION;
    pos += part;
    if (fragments > 0 && test_random_below(4) == 0)
      write_control(writer);
  }
  trace_message(&writer->expected, is_binary, payload, len);
  free(payload);
}

static void write_stream(writer_t *writer, size_t max) {
  size_t messages = 1 + test_random_below(4);

  for (size_t i = 0; i < messages; i++) {
    if (test_random_below(4) == 0)
      write_control(writer);
    write_message(writer, max);
  }
  if (test_random_below(4) == 0) {
    write_frame(writer, WSU_OPCODE_CLOSE, true, (const uint8_t *)"\x03\xe8z",
                3);
    trace_separate(&writer->expected);
    trace_add(&writer->expected, "close:1000:7a");
  }
}

/*
 * Feeds a stream to a new connection in random pieces, of any size or mostly
 * small, or whole; each flush against an unreadable page.
 */
static wsu_connection_t *
receive_in_pieces(trace_t *trace, const wsu_connection_options_t *options,
                  const guard_t *guard, const uint8_t *bytes, size_t len,
                  size_t max_piece) {
  wsu_connection_t *connection = test_alloc(sizeof(*connection));
  size_t pos = 0;

  wsu_connection_init(connection, options);
  while (pos < len) {
    size_t size = max_piece == 0 ? len : test_random_size(max_piece);

    size = size < len - pos ? size : len - pos;
    trace_receive(trace, connection, guard_at_end(guard, bytes + pos, size),
                  size);
    pos += size;
  }
  return connection;
}

static const size_t piece_sizes[] = {0, 1, 10, 1000, MAX_STREAM};

static void check_is_decoded(const guard_t *guard, bool to_server, size_t max) {
  const wsu_connection_options_t *options = to_server ? &SERVER : &CLIENT;
  const wsu_connection_options_t *other = to_server ? &CLIENT : &SERVER;
  writer_t *writer = writer_new(to_server);

  write_stream(writer, max);
  for (size_t i = 0; i < 5; i++) {
    trace_t trace = {0};
    trace_t answers = {0};
    wsu_connection_t *connection;
    wsu_connection_t *peer;
    uint8_t *output;
    size_t output_len;

    /* Byte by byte takes long; it is left to the short streams. */
    if (piece_sizes[i] == 1 && writer->len > 2000)
      continue;
    connection = receive_in_pieces(&trace, options, guard, writer->bytes,
                                   writer->len, piece_sizes[i]);
    CHECK_TEXT(trace_text(&trace), trace_text(&writer->expected));
    output = copy_output(&connection->output, &output_len);
    peer = receive_in_pieces(&answers, other, guard, output, output_len, 0);
    free(output);
    CHECK_TEXT(trace_text(&answers), trace_text(&writer->answers));
    wsu_connection_free(connection);
    wsu_connection_free(peer);
    trace_free(&trace);
    trace_free(&answers);
  }
  writer_free(writer);
}

TEST("what was encoded is decoded, in both roles and whatever the pieces") {
  guard_t guard = guard_new(MAX_STREAM);

  for (size_t i = 0; i < 2000; i++) {
    test_about("stream", i);
    check_is_decoded(&guard, i % 2 == 0, i % 10 == 0 ? MAX_PAYLOAD : 1000);
    test_free_all();
  }
  guard_free(&guard);
}

/* Changes, drops or repeats bytes at random places. */
static void damage(writer_t *writer) {
  size_t count = 1 + test_random_below(4);

  while (count-- > 0 && writer->len > 0) {
    size_t at = test_random_below(writer->len);
    size_t rest = writer->len - at;
    uint8_t *bytes = writer->bytes + at;

    switch (test_random_below(4)) {
    case 0:
      bytes[0] = (uint8_t)test_random();
      break;
    case 1:
      bytes[0] ^= (uint8_t)(1u << test_random_below(8));
      break;
    case 2:
      memmove(bytes, bytes + 1, rest - 1);
      writer->len--;
      break;
    default:
      memmove(bytes + 1, bytes, rest);
      writer->len++;
    }
  }
}

static wsu_connection_options_t random_options(void) {
  return (wsu_connection_options_t){
      .is_server = test_random_below(2) == 0,
      .auto_pong = test_random_below(2) == 0,
      .max_pending_pongs = (uint32_t)test_random_size(3),
      .random_key = fixed_key,
      .limits = {.max_payload = test_random_size(2000),
                 .max_fragments = (uint32_t)test_random_size(8),
                 .skips_utf8_validation = test_random_below(4) == 0},
  };
}

static bool has_ended(const wsu_connection_t *connection) {
  return connection->failed || connection->close_received;
}

/* In whatever pieces, the same is reported; and nothing after the end. */
static void check_pieces_agree(const wsu_connection_options_t *options,
                               const guard_t *guard, const writer_t *writer) {
  trace_t whole = {0};
  wsu_connection_t *first =
      receive_in_pieces(&whole, options, guard, writer->bytes, writer->len, 0);

  trace_output(&whole, first);
  for (size_t i = 1; i < 4; i++) {
    trace_t trace = {0};
    wsu_connection_t *connection = receive_in_pieces(
        &trace, options, guard, writer->bytes, writer->len, piece_sizes[i]);

    trace_output(&trace, connection);
    CHECK_TEXT(trace_text(&trace), trace_text(&whole));
    CHECK_EQ(has_ended(connection), has_ended(first));
    if (has_ended(connection)) {
      trace_free(&trace);
      trace_receive(&trace, connection, writer->bytes, writer->len);
      CHECK_TEXT(trace_text(&trace), "");
      CHECK(connection->message.collected.data == NULL);
    }
    wsu_connection_free(connection);
    trace_free(&trace);
  }
  wsu_connection_free(first);
  trace_free(&whole);
}

TEST("a damaged stream is judged alike in all pieces, and only once") {
  guard_t guard = guard_new(MAX_STREAM);

  for (size_t i = 0; i < 4000; i++) {
    wsu_connection_options_t options = random_options();
    writer_t *writer = writer_new(options.is_server);

    test_about("stream", i);
    write_stream(writer, 300);
    damage(writer);
    check_pieces_agree(&options, &guard, writer);
    writer_free(writer);
    test_free_all();
  }
  guard_free(&guard);
}

TEST("random bytes are judged alike in all pieces, and only once") {
  guard_t guard = guard_new(MAX_STREAM);

  for (size_t i = 0; i < 4000; i++) {
    wsu_connection_options_t options = random_options();
    writer_t *writer = writer_new(options.is_server);

    test_about("stream", i);
    writer->len = test_random_size(500);
    test_random_fill(writer->bytes, writer->len);
    /* Most random headers fail at once; let the first one live longer. */
    if (writer->len >= 2 && i % 2 == 0) {
      writer->bytes[0] &= 0x8b;
      writer->bytes[1] =
          (uint8_t)((writer->bytes[1] & 0x7f) | (options.is_server ? 0x80 : 0));
    }
    check_pieces_agree(&options, &guard, writer);
    writer_free(writer);
    test_free_all();
  }
  guard_free(&guard);
}

int main(void) {
  return test_run();
}
