#include "connection.h"

#include "stream.h"

static const wsu_connection_options_t NO_VALIDATION = {
    .is_server = true,
    .limits = {.skips_utf8_validation = true},
};

TEST("a server is told of every message, in order") {
  check_stream(&SERVER, "81 85 37fa213d 7f9f4d5158", "text:48656c6c6f");
  check_stream(&SERVER, "82 84 01020304 01020304", "binary:00000000");
  check_stream(&SERVER, "81 80 01020304 82 80 01020304", "text: binary:");
  check_stream(&SERVER, "81 81 00000000 61 82 81 00000000 62 81 81 00000000 63",
               "text:61 binary:62 text:63");
}

TEST("a client is told of every message, in order") {
  check_stream(&CLIENT, "81 05 48656c6c6f", "text:48656c6c6f");
  check_stream(&CLIENT, "82 04 00000000 81 00 82 00",
               "binary:00000000 text: binary:");
}

TEST("payloads of every form of length arrive") {
  check_stream(&SERVER, "82 fd 00000000 61*125", "binary:61*125");
  check_stream(&SERVER, "82 fe 007e 00000000 61*126", "binary:61*126");
  check_stream(&SERVER, "82 fe 007f 01010101 61*127", "binary:60*127");
  check_stream(&SERVER, "82 fe ffff 00000000 61*65535", "binary:61*65535");
  check_stream(&SERVER, "82 ff 0000000000010000 00000000 61*65536",
               "binary:61*65536");
  check_stream(&CLIENT, "81 7f 0000000000010000 61*65536", "text:61*65536");
}

TEST("lengths in a longer form than needed are accepted, as by ws") {
  check_stream(&SERVER, "82 fe 0001 00000000 61", "binary:61");
  check_stream(&SERVER, "82 ff 0000000000000001 00000000 61", "binary:61");
}

TEST("fragments are one message") {
  check_stream(&CLIENT, "01 03 48656c 80 02 6c6f", "text:48656c6c6f");
  check_stream(&SERVER,
               "01 83 00000000 48656c 00 80 00000000 80 82 00000000 6c6f",
               "text:48656c6c6f");
  check_stream(&CLIENT, "02 00 00 00 80 00", "binary:");
  check_stream(&CLIENT, "01 01 61 80 01 62 02 01 63 80 01 64 81 01 65",
               "text:6162 binary:6364 text:65");
}

TEST("control frames between fragments are reported before the message") {
  check_stream(&CLIENT, "01 01 61 89 01 70 00 01 62 8a 01 71 80 01 63",
               "ping:70 pong:71 text:616263");
  check_stream(&SERVER,
               "01 82 00000000 e282 89 82 00000000 ffff 80 81 00000000 ac",
               "ping:ffff text:e282ac");
}

TEST("control frames carry up to 125 bytes") {
  check_stream(&SERVER, "89 80 01020304", "ping:");
  check_stream(&SERVER, "89 fd 00000000 70*125", "ping:70*125");
  check_stream(&SERVER, "8a fd 00000000 71*125", "pong:71*125");
  check_stream(&CLIENT, "8a 00 89 7d 70*125", "pong: ping:70*125");
}

TEST("a close frame has a code and a reason, a code, or nothing") {
  check_stream(&SERVER, "88 80 00000000", "close:1005:");
  check_stream(&SERVER, "88 82 00000000 03e8", "close:1000:");
  check_stream(&SERVER, "88 85 01010101 02e9 63787f", "close:1000:62797e");
  check_stream(&SERVER, "88 fd 00000000 1387 72*123", "close:4999:72*123");
  check_stream(&CLIENT, "88 07 03e9 e282ac c3a4", "close:1001:e282acc3a4");
}

TEST("characters may be split over fragments and pieces") {
  check_stream(&CLIENT, "01 01 f0 00 01 9f 00 01 98 80 01 80", "text:f09f9880");
  check_stream(&CLIENT, "81 09 61c3a4e282ac626364", "text:61c3a4e282ac626364");
}

TEST("RSV1 is refused on every kind of frame") {
  check_stream(&SERVER, "c1 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&SERVER, "c2 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&SERVER, "c8 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&SERVER, "c9 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&CLIENT, "01 01 61 c0 01 62", "error:UNEXPECTED_RSV_1:0");
  check_stream(&CLIENT, "48 54 54 50", "error:UNEXPECTED_RSV_1:0");
}

TEST("RSV2 and RSV3 are refused") {
  check_stream(&SERVER, "a1 80 00000000", "error:UNEXPECTED_RSV_2_3:0");
  check_stream(&SERVER, "91 80 00000000", "error:UNEXPECTED_RSV_2_3:0");
  check_stream(&CLIENT, "b9 00", "error:UNEXPECTED_RSV_2_3:0");
}

TEST("a control frame in fragments is refused") {
  check_stream(&SERVER, "08 80 00000000", "error:EXPECTED_FIN:0");
  check_stream(&SERVER, "09 80 00000000", "error:EXPECTED_FIN:0");
  check_stream(&CLIENT, "0a 00", "error:EXPECTED_FIN:0");
}

TEST("a server refuses frames without a mask, a client those with one") {
  check_stream(&SERVER, "81 05 48656c6c6f", "error:EXPECTED_MASK:0");
  check_stream(&SERVER, "81 81 00000000 61 89 00",
               "text:61 error:EXPECTED_MASK:0");
  check_stream(&CLIENT, "81 85 37fa213d 7f9f4d5158", "error:UNEXPECTED_MASK:0");
  check_stream(&CLIENT, "88 80 37fa213d", "error:UNEXPECTED_MASK:0");
}

TEST("reserved opcodes are refused") {
  static const char *const streams[][2] = {
      {"83 80", "error:INVALID_OPCODE:3"},
      {"84 80", "error:INVALID_OPCODE:4"},
      {"85 80", "error:INVALID_OPCODE:5"},
      {"86 80", "error:INVALID_OPCODE:6"},
      {"87 80", "error:INVALID_OPCODE:7"},
      {"8b 80", "error:INVALID_OPCODE:11"},
      {"8c 80", "error:INVALID_OPCODE:12"},
      {"8d 80", "error:INVALID_OPCODE:13"},
      {"8e 80", "error:INVALID_OPCODE:14"},
      {"8f 80", "error:INVALID_OPCODE:15"},
  };

  for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
    check_stream(&SERVER, streams[i][0], streams[i][1]);
}

TEST("a continuation without a message is refused") {
  check_stream(&SERVER, "80 80 00000000", "error:INVALID_OPCODE:0");
  check_stream(&SERVER, "00 80 00000000", "error:INVALID_OPCODE:0");
  check_stream(&CLIENT, "81 01 61 80 01 62", "text:61 error:INVALID_OPCODE:0");
  check_stream(&CLIENT, "01 01 61 80 01 62 80 01 63",
               "text:6162 error:INVALID_OPCODE:0");
}

TEST("a new message inside of another is refused") {
  check_stream(&CLIENT, "01 01 61 81 01 62", "error:INVALID_OPCODE:1");
  check_stream(&CLIENT, "02 01 61 89 00 02 01 62",
               "ping: error:INVALID_OPCODE:2");
}

TEST("a control frame of more than 125 bytes is refused") {
  check_stream(&SERVER, "89 fe 007e 00000000 61*126",
               "error:INVALID_CONTROL_PAYLOAD_LENGTH:126");
  check_stream(&SERVER, "8a ff 0000000000000001 00000000 61",
               "error:INVALID_CONTROL_PAYLOAD_LENGTH:127");
  check_stream(&CLIENT, "88 7e 007e 03e8 61*124",
               "error:INVALID_CONTROL_PAYLOAD_LENGTH:126");
}

TEST("a close frame of one byte is refused") {
  check_stream(&SERVER, "88 81 00000000 03",
               "error:INVALID_CONTROL_PAYLOAD_LENGTH:1");
}

TEST("close codes that must not be sent are refused") {
  check_stream(&SERVER, "88 82 00000000 0000", "error:INVALID_CLOSE_CODE:0");
  check_stream(&SERVER, "88 82 00000000 03e7", "error:INVALID_CLOSE_CODE:999");
  check_stream(&SERVER, "88 82 00000000 03ec", "error:INVALID_CLOSE_CODE:1004");
  check_stream(&SERVER, "88 82 00000000 03ed", "error:INVALID_CLOSE_CODE:1005");
  check_stream(&SERVER, "88 82 00000000 03ee", "error:INVALID_CLOSE_CODE:1006");
  check_stream(&SERVER, "88 82 00000000 03f7", "error:INVALID_CLOSE_CODE:1015");
  check_stream(&SERVER, "88 82 00000000 0bb7", "error:INVALID_CLOSE_CODE:2999");
  check_stream(&CLIENT, "88 03 1388 61", "error:INVALID_CLOSE_CODE:5000");
  check_stream(&CLIENT, "88 03 ffff ff", "error:INVALID_CLOSE_CODE:65535");
}

TEST("text that is not UTF-8 is refused") {
  check_stream(&SERVER, "81 81 00000000 ff", "error:INVALID_UTF8:0");
  check_stream(&SERVER, "81 84 01010101 cfb1 80a0", "error:INVALID_UTF8:0");
  check_stream(&SERVER, "81 81 00000000 61 81 82 00000000 c3 28",
               "text:61 error:INVALID_UTF8:0");
  check_stream(&CLIENT, "81 03 eda080", "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "81 02 e282", "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "01 02 e282 80 00", "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "01 02 c3a4 80 04 e282acc3 81 02 c3a4",
               "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "01 02 e282 80 01 61", "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "01 01 61 89 00 00 01 ff 89 00 80 00",
               "ping: error:INVALID_UTF8:0");
}

TEST("a close reason that is not UTF-8 is refused") {
  check_stream(&SERVER, "88 83 00000000 03e8 ff", "error:INVALID_UTF8:0");
  check_stream(&CLIENT, "88 04 03e8 e282", "error:INVALID_UTF8:0");
}

TEST("text and reasons are not validated when the options say so") {
  check_stream(&NO_VALIDATION, "81 81 00000000 ff", "text:ff");
  check_stream(&NO_VALIDATION, "01 81 00000000 ff 80 81 00000000 e2",
               "text:ffe2");
  check_stream(&NO_VALIDATION, "88 83 00000000 03e8 ff", "close:1000:ff");
}

TEST("a length over 2^53 - 1 is refused") {
  check_stream(&SERVER, "82 ff 0020000000000000 00000000",
               "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
  check_stream(&SERVER, "82 ff 8000000000000000 00000000",
               "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
  check_stream(&CLIENT, "01 01 61 80 7f ffffffffffffffff",
               "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
}

TEST("what comes after an error or a close frame is ignored") {
  check_stream(&SERVER, "c1 80 00000000 81 81 00000000 61 88 80 00000000",
               "error:UNEXPECTED_RSV_1:0");
  check_stream(&SERVER, "81 81 00000000 ff 81 81 00000000 61",
               "error:INVALID_UTF8:0");
  check_stream(&SERVER, "88 80 00000000 81 81 00000000 61 ffff", "close:1005:");
  check_stream(&CLIENT, "01 01 61 88 02 03e8 80 01 62", "close:1000:");
}

TEST("a stream that ends in the middle of a frame reports what was whole") {
  check_stream(&SERVER, "81 81 00000000 61 81 85 00000000 6162", "text:61");
  check_stream(&CLIENT, "01 01 61", "");
  check_stream(&CLIENT, "89 03 7071", "");
}

/* Feeds bytes one by one; the last of them must be what brings the error. */
static void check_refused_at_end(const wsu_connection_options_t *options,
                                 const char *stream, const char *expected) {
  test_bytes_t bytes = hex(stream);
  wsu_connection_t connection;
  trace_t trace = {0};

  test_about(stream, bytes.len);
  wsu_connection_init(&connection, options);
  for (size_t i = 0; i < bytes.len; i++) {
    CHECK_TEXT(trace_text(&trace), "");
    trace_receive(&trace, &connection, bytes.data + i, 1);
  }
  CHECK_TEXT(trace_text(&trace), expected);
  trace_free(&trace);
  wsu_connection_free(&connection);
}

TEST("an error is reported with the first byte that shows it") {
  const wsu_connection_options_t limited = {
      .is_server = true, .limits = {.max_payload = 1000, .max_fragments = 2}};

  check_refused_at_end(&SERVER, "c1 85", "error:UNEXPECTED_RSV_1:0");
  check_refused_at_end(&SERVER, "81 05", "error:EXPECTED_MASK:0");
  check_refused_at_end(&SERVER, "89 fe",
                       "error:INVALID_CONTROL_PAYLOAD_LENGTH:126");
  check_refused_at_end(&SERVER, "88 81",
                       "error:INVALID_CONTROL_PAYLOAD_LENGTH:1");
  check_refused_at_end(&SERVER, "82 ff 0020000000000000",
                       "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
  check_refused_at_end(&limited, "82 fe 03e9",
                       "error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_refused_at_end(&limited, "02 81 00000000 61 80 fe 03e8",
                       "error:UNSUPPORTED_MESSAGE_LENGTH:0");
  check_refused_at_end(&limited, "02 80 00000000 00 80 00000000 80 fe 0100",
                       "error:TOO_MANY_FRAGMENTS:0");
  check_refused_at_end(&limited, "02 80 00000000 00 80 00000000 80 80",
                       "error:TOO_MANY_FRAGMENTS:0");
  check_refused_at_end(&CLIENT, "81 7e 0100 6162ff", "error:INVALID_UTF8:0");
  check_refused_at_end(&CLIENT, "01 01 e2 00 02 28", "error:INVALID_UTF8:0");
}

static const wsu_connection_options_t DEFLATE = {
    .is_server = true,
    .uses_deflate = true,
    .limits = {.max_payload = 1000},
};

TEST("compressed messages are handed on as they came") {
  check_stream(&DEFLATE, "c1 87 00000000 f248cdc9c90700 82 81 00000000 61",
               "compressed:text:f248cdc9c90700 binary:61");
  check_stream(&DEFLATE, "c2 80 00000000 c1 81 01010101 01",
               "compressed:binary: compressed:text:00");
  check_stream(&DEFLATE, "c1 82 00000000 ffff 81 81 00000000 ff",
               "compressed:text:ffff error:INVALID_UTF8:0");
}

TEST("fragments of a compressed message are put together") {
  check_stream(&DEFLATE,
               "41 83 00000000 f248cd 89 80 00000000 00 80 00000000 "
               "80 84 00000000 c9c90700 81 81 00000000 61",
               "ping: compressed:text:f248cdc9c90700 text:61");
}

TEST("RSV1 may be set on the first frame of a message alone") {
  check_stream(&DEFLATE, "41 81 00000000 f2 c0 80 00000000",
               "error:UNEXPECTED_RSV_1:0");
  check_stream(&DEFLATE, "01 81 00000000 61 c0 80 00000000",
               "error:UNEXPECTED_RSV_1:0");
  check_stream(&DEFLATE, "c8 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&DEFLATE, "c9 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&DEFLATE, "ca 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_stream(&DEFLATE, "a1 80 00000000", "error:UNEXPECTED_RSV_2_3:0");
}

TEST("the limit holds for compressed bytes too") {
  check_stream(&DEFLATE, "c2 fe 03e8 00000000 61*1000",
               "compressed:binary:61*1000");
  check_stream(&DEFLATE, "c2 fe 03e9 00000000",
               "error:UNSUPPORTED_MESSAGE_LENGTH:0");
}

/* Inflates a message; an error must come with the next bytes as well. */
static int inflate_message(const wsu_connection_options_t *options,
                           bool is_binary, const char *message,
                           wsu_buffer_t *output) {
  test_bytes_t bytes = hex(message);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);
  wsu_connection_t connection;
  wsu_event_t event;
  int err;

  wsu_connection_init(&connection, options);
  err = wsu_connection_inflate(&connection, decompressor, is_binary, bytes.data,
                               bytes.len, output);
  wsu_connection_receive(&connection, (const uint8_t *)"", 0, &event);
  CHECK_EQ(event.kind, err == 0 ? WSU_EVENT_NONE : WSU_EVENT_ERROR);
  if (err != 0)
    CHECK_EQ(event.err, err);
  wsu_decompressor_free(decompressor);
  wsu_connection_free(&connection);
  return err;
}

static void check_inflates(const wsu_connection_options_t *options,
                           bool is_binary, const char *message, int err,
                           const char *expected) {
  wsu_buffer_t output = {0};

  test_about(message, is_binary);
  wsu_buffer_append(&output, hex("ff").data, 1);
  CHECK_EQ(inflate_message(options, is_binary, message, &output), err);
  if (err == 0)
    CHECK_BYTES(wsu_buffer_bytes(&output), wsu_buffer_length(&output),
                join(hex("ff"), hex(expected)));
  wsu_buffer_free(&output);
}

TEST("a compressed message is inflated behind what the buffer has") {
  check_inflates(&DEFLATE, false, "f248cdc9c90700", 0, "48656c6c6f");
  check_inflates(&DEFLATE, true, "f248cdc9c90700", 0, "48656c6c6f");
  check_inflates(&DEFLATE, false, "00", 0, "");
}

TEST("text is validated once it is inflated") {
  check_inflates(&DEFLATE, false, "000100feffff00", WSU_ERR_INVALID_UTF8, "");
  check_inflates(&DEFLATE, true, "000100feffff00", 0, "ff");
  check_inflates(&NO_VALIDATION, false, "000100feffff00", 0, "ff");
}

TEST("an inflated message is no longer than is allowed") {
  wsu_connection_options_t options = DEFLATE;

  options.limits.max_payload = 5;
  check_inflates(&options, true, "f248cdc9c90700", 0, "48656c6c6f");
  options.limits.max_payload = 4;
  check_inflates(&options, true, "f248cdc9c90700",
                 WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH, "");
  options.limits.max_payload = 0;
  check_inflates(&options, true, "f248cdc9c90700", 0, "48656c6c6f");
}

TEST("a message that cannot be inflated is an error of the connection") {
  check_inflates(&DEFLATE, true, "06", WSU_ERR_INVALID_BLOCK_TYPE, "");
}

int main(void) {
  return test_run();
}
