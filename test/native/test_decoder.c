#include "decoder.h"

#include "mask.h"
#include "test.h"
#include "trace.h"

typedef struct setup {
  bool is_server;
  bool allows_rsv1;
} setup_t;

static const setup_t SERVER = {true, false};
static const setup_t CLIENT = {false, false};
static const setup_t SERVER_RSV1 = {true, true};

/* Adds frames as "[opcode fin rsv1 length:payload]", as far as they came. */
static void trace_part(trace_t *trace, const wsu_part_t *part) {
  const wsu_frame_t *frame = part->frame;
  uint8_t *payload = malloc(part->length + 1);

  if (part->starts)
    trace_add(trace, "[%x%s%s %" PRIu64 ":", frame->opcode,
              frame->fin ? " fin" : "", frame->rsv1 ? " rsv1" : "",
              frame->length);
  wsu_mask_copy(payload, part->payload, part->length, part->key);
  trace_hex(trace, payload, part->length);
  free(payload);
  if (part->ends)
    trace_add(trace, "]");
}

/* Feeds one piece, flush against an unreadable page; checks the contract. */
static void feed(trace_t *trace, wsu_decoder_t *decoder, const guard_t *guard,
                 const uint8_t *bytes, size_t len) {
  const uint8_t *buf = guard_at_end(guard, bytes, len);
  bool was_failed = decoder->err != 0;
  wsu_part_t part;
  size_t consumed;
  int result;

  while ((result = wsu_decoder_next(decoder, buf, len, &consumed, &part)) > 0) {
    CHECK_EQ(result, 1);
    CHECK(consumed <= len);
    CHECK(part.payload + part.length == buf + consumed);
    trace_part(trace, &part);
    buf += consumed;
    len -= consumed;
  }
  if (result == 0)
    CHECK_EQ(consumed, len);
  else if (!was_failed)
    trace_error(trace, result, decoder->detail);
}

static void feed_in_pieces(trace_t *trace, setup_t setup, const guard_t *guard,
                           test_bytes_t bytes, size_t first, size_t step) {
  wsu_decoder_t decoder;
  size_t pos = first;

  wsu_decoder_init(&decoder, setup.is_server, setup.allows_rsv1);
  feed(trace, &decoder, guard, bytes.data, first);
  while (pos < bytes.len) {
    size_t len = bytes.len - pos < step ? bytes.len - pos : step;

    feed(trace, &decoder, guard, bytes.data + pos, len);
    pos += len;
  }
}

/* Decodes a stream whole, split at every place, and byte by byte. */
static void check_decodes(setup_t setup, const char *stream,
                          const char *expected) {
  test_bytes_t bytes = hex(stream);
  guard_t guard = guard_new(bytes.len);

  for (size_t split = 0; split <= bytes.len + 1; split++) {
    bool is_bytewise = split == bytes.len + 1;
    trace_t trace = {0};

    test_about(stream, split);
    feed_in_pieces(&trace, setup, &guard, bytes, is_bytewise ? 0 : split,
                   is_bytewise ? 1 : bytes.len);
    CHECK_TEXT(trace_text(&trace), expected);
    trace_free(&trace);
  }
  guard_free(&guard);
}

TEST("the examples of RFC 6455 5.7 are decoded") {
  check_decodes(CLIENT, "81 05 48656c6c6f", "[1 fin 5:48656c6c6f]");
  check_decodes(SERVER, "81 85 37fa213d 7f9f4d5158", "[1 fin 5:48656c6c6f]");
  check_decodes(CLIENT, "01 03 48656c 80 02 6c6f",
                "[1 3:48656c][0 fin 2:6c6f]");
  check_decodes(CLIENT, "89 05 48656c6c6f", "[9 fin 5:48656c6c6f]");
  check_decodes(SERVER, "8a 85 37fa213d 7f9f4d5158", "[a fin 5:48656c6c6f]");
}

TEST("frames without payload are whole with their header") {
  check_decodes(CLIENT, "82 00 01 00 00 00 80 00 89 00 88 00",
                "[2 fin 0:][1 0:][0 0:][0 fin 0:][9 fin 0:][8 fin 0:]");
  check_decodes(SERVER, "82 80 01020304 89 80 05060708",
                "[2 fin 0:][9 fin 0:]");
}

TEST("lengths of 16 and 64 bits are decoded") {
  check_decodes(CLIENT, "82 7e 0003 010203", "[2 fin 3:010203]");
  check_decodes(CLIENT, "82 7f 0000000000000003 010203", "[2 fin 3:010203]");
  check_decodes(SERVER, "82 fe 0003 00000000 010203", "[2 fin 3:010203]");
  check_decodes(SERVER, "82 ff 0000000000000003 00000000 010203",
                "[2 fin 3:010203]");
}

TEST("the key is in phase in every part of a payload") {
  check_decodes(SERVER, "82 8b 01020304 0102030401020304010203",
                "[2 fin 11:0000000000000000000000]");
  check_decodes(SERVER, "02 83 ffffffff fefdfc 80 82 01020304 0102",
                "[2 3:010203][0 fin 2:0000]");
}

TEST("control frames come between fragments") {
  check_decodes(CLIENT, "01 01 61 89 01 70 00 01 62 8a 00 80 01 63",
                "[1 1:61][9 fin 1:70][0 1:62][a fin 0:][0 fin 1:63]");
}

TEST("a frame that is not whole is reported as far as it has come") {
  check_decodes(CLIENT, "82 7e 0100 0102", "[2 fin 256:0102");
  check_decodes(CLIENT, "82 7e 0100", "[2 fin 256:");
  check_decodes(CLIENT, "82 7e 01", "");
  check_decodes(SERVER, "82", "");
}

TEST("every error of a header is found at every split") {
  check_decodes(SERVER, "91 80 00000000", "error:UNEXPECTED_RSV_2_3:0");
  check_decodes(SERVER, "a1 80 00000000", "error:UNEXPECTED_RSV_2_3:0");
  check_decodes(SERVER, "c1 80 00000000", "error:UNEXPECTED_RSV_1:0");
  check_decodes(SERVER, "83 80 00000000", "error:INVALID_OPCODE:3");
  check_decodes(SERVER, "8f 80 00000000", "error:INVALID_OPCODE:15");
  check_decodes(SERVER, "80 80 00000000", "error:INVALID_OPCODE:0");
  check_decodes(SERVER, "01 80 00000000 81 80 00000000",
                "[1 0:] error:INVALID_OPCODE:1");
  check_decodes(SERVER, "01 80 00000000 82 80 00000000",
                "[1 0:] error:INVALID_OPCODE:2");
  check_decodes(SERVER, "81 80 00000000 80 80 00000000",
                "[1 fin 0:] error:INVALID_OPCODE:0");
  check_decodes(SERVER, "09 80 00000000", "error:EXPECTED_FIN:0");
  check_decodes(SERVER, "89 fe 007e 00000000",
                "error:INVALID_CONTROL_PAYLOAD_LENGTH:126");
  check_decodes(SERVER, "89 ff 0000000000000000 00000000",
                "error:INVALID_CONTROL_PAYLOAD_LENGTH:127");
  check_decodes(SERVER, "88 81 00000000 00",
                "error:INVALID_CONTROL_PAYLOAD_LENGTH:1");
  check_decodes(SERVER, "81 05 48656c6c6f", "error:EXPECTED_MASK:0");
  check_decodes(CLIENT, "81 85 37fa213d 7f9f4d5158", "error:UNEXPECTED_MASK:0");
  check_decodes(CLIENT, "82 7f 0020000000000000",
                "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
  check_decodes(SERVER, "82 ff ffffffffffffffff 00000000",
                "error:UNSUPPORTED_PAYLOAD_LENGTH:0");
}

TEST("a payload of 2^53 - 1 bytes may begin") {
  check_decodes(CLIENT, "82 7f 001fffffffffffff 00",
                "[2 fin 9007199254740991:00");
}

TEST("of several errors in a header, the one that ws finds first is reported") {
  check_decodes(SERVER, "f3 05", "error:UNEXPECTED_RSV_2_3:0");
  check_decodes(SERVER, "43 05", "error:UNEXPECTED_RSV_1:0");
  check_decodes(SERVER, "03 05", "error:INVALID_OPCODE:3");
  check_decodes(SERVER, "08 7e", "error:EXPECTED_FIN:0");
  check_decodes(SERVER, "88 7e", "error:INVALID_CONTROL_PAYLOAD_LENGTH:126");
  check_decodes(SERVER, "80 05", "error:INVALID_OPCODE:0");
}

TEST("with RSV1 allowed only the first frame of a message may set it") {
  check_decodes(SERVER_RSV1, "c1 80 00000000", "[1 fin rsv1 0:]");
  check_decodes(SERVER_RSV1, "42 80 00000000 80 80 00000000",
                "[2 rsv1 0:][0 fin 0:]");
  check_decodes(SERVER_RSV1, "42 80 00000000 c0 80 00000000",
                "[2 rsv1 0:] error:UNEXPECTED_RSV_1:0");
  check_decodes(SERVER_RSV1, "c0 80", "error:UNEXPECTED_RSV_1:0");
  check_decodes(SERVER_RSV1, "c9 80", "error:UNEXPECTED_RSV_1:0");
  check_decodes(SERVER_RSV1, "49 80", "error:EXPECTED_FIN:0");
  check_decodes(SERVER_RSV1, "c3 80", "error:INVALID_OPCODE:3");
  check_decodes(SERVER_RSV1, "d1 80", "error:UNEXPECTED_RSV_2_3:0");
}

/* The error that two bytes of a header deserve, rule by rule; 0 if none. */
static int expected_error(setup_t setup, bool in_message, unsigned first,
                          unsigned second) {
  unsigned opcode = first % 16;
  unsigned length = second % 128;
  bool is_control = opcode == 8 || opcode == 9 || opcode == 10;
  bool is_first = opcode == 1 || opcode == 2;
  bool is_next = opcode == 0;
  bool may_have_rsv1 = setup.allows_rsv1 && is_first;

  if (first & 0x10 || first & 0x20)
    return WSU_ERR_UNEXPECTED_RSV_2_3;
  if (first & 0x40 && !setup.allows_rsv1)
    return WSU_ERR_UNEXPECTED_RSV_1;
  if (!is_control && !is_first && !is_next)
    return WSU_ERR_INVALID_OPCODE;
  if (is_control && first < 0x80)
    return WSU_ERR_EXPECTED_FIN;
  if (first & 0x40 && !may_have_rsv1 && !is_first)
    return WSU_ERR_UNEXPECTED_RSV_1;
  if ((is_first && in_message) || (is_next && !in_message))
    return WSU_ERR_INVALID_OPCODE;
  if (is_control && (length >= 126 || (opcode == 8 && length == 1)))
    return WSU_ERR_INVALID_CONTROL_PAYLOAD_LENGTH;
  if (setup.is_server && second < 128)
    return WSU_ERR_EXPECTED_MASK;
  if (!setup.is_server && second >= 128)
    return WSU_ERR_UNEXPECTED_MASK;
  return 0;
}

static unsigned expected_detail(int err, const uint8_t *start) {
  if (err == WSU_ERR_INVALID_OPCODE)
    return start[0] % 16;
  return err == WSU_ERR_INVALID_CONTROL_PAYLOAD_LENGTH ? start[1] % 128 : 0;
}

static void check_start(setup_t setup, bool in_message, const uint8_t *start) {
  static const uint8_t opening[] = {0x01, 0x80, 0, 0, 0, 0};
  static const uint8_t client_opening[] = {0x01, 0x00};
  int expected = expected_error(setup, in_message, start[0], start[1]);
  wsu_decoder_t decoder;
  wsu_part_t part;
  size_t consumed;

  wsu_decoder_init(&decoder, setup.is_server, setup.allows_rsv1);
  if (in_message && setup.is_server)
    wsu_decoder_next(&decoder, opening, 6, &consumed, &part);
  else if (in_message)
    wsu_decoder_next(&decoder, client_opening, 2, &consumed, &part);
  if (expected != 0) {
    CHECK_EQ(wsu_decoder_next(&decoder, start, 2, &consumed, &part), expected);
    CHECK_EQ(decoder.err, expected);
    CHECK_EQ(decoder.detail, expected_detail(expected, start));
  } else {
    CHECK(wsu_decoder_next(&decoder, start, 2, &consumed, &part) >= 0);
    CHECK_EQ(consumed, 2);
    CHECK_EQ(decoder.err, 0);
  }
}

TEST("two bytes are enough to refuse a frame, in every state and role") {
  for (uint32_t i = 0; i < 8u << 16; i++) {
    setup_t setup = {(i >> 16 & 1) != 0, (i >> 17 & 1) != 0};
    uint8_t start[] = {(uint8_t)(i >> 8), (uint8_t)i};

    test_about("first bytes", i);
    check_start(setup, i >> 18 != 0, start);
  }
}

TEST("a frame whose key is not whole is reported without payload") {
  check_decodes(SERVER, "82 81", "[2 fin 1:");
  check_decodes(SERVER, "82 81 010203", "[2 fin 1:");
  check_decodes(SERVER, "82 80 010203", "[2 fin 0:");
  check_decodes(SERVER, "82 fe 0001 01020304", "[2 fin 1:");
  check_decodes(SERVER, "82 80 01020304", "[2 fin 0:]");
}

TEST("a frame is reported as soon as its length is known") {
  static const char *const headers[] = {"82 85", "82 80", "82 fe 0100",
                                        "82 ff 0000000001000000"};

  for (size_t i = 0; i < 4; i++) {
    test_bytes_t header = hex(headers[i]);
    size_t last = header.len - 1;
    wsu_decoder_t decoder;
    wsu_part_t part;
    size_t consumed;

    test_about(headers[i], i);
    wsu_decoder_init(&decoder, true, false);
    CHECK_EQ(wsu_decoder_next(&decoder, header.data, last, &consumed, &part),
             0);
    CHECK_EQ(
        wsu_decoder_next(&decoder, header.data + last, 1, &consumed, &part), 1);
    CHECK_EQ(consumed, 1);
    CHECK(part.starts);
    CHECK(!part.ends);
    CHECK_EQ(part.length, 0);
  }
}

TEST("a frame without payload ends with the last byte of its key") {
  test_bytes_t bytes = hex("82 80 01020304");
  wsu_decoder_t decoder;
  wsu_part_t part;
  size_t consumed;

  wsu_decoder_init(&decoder, true, false);
  CHECK_EQ(wsu_decoder_next(&decoder, bytes.data, 5, &consumed, &part), 1);
  CHECK_EQ(consumed, 5);
  CHECK(part.starts);
  CHECK(!part.ends);
  CHECK_EQ(wsu_decoder_next(&decoder, bytes.data + 5, 1, &consumed, &part), 1);
  CHECK_EQ(consumed, 1);
  CHECK(!part.starts);
  CHECK(part.ends);
  CHECK_EQ(part.length, 0);
}

TEST("the first part of a frame starts it, the last one ends it") {
  test_bytes_t bytes = hex("82 83 01020304 010203");
  wsu_decoder_t decoder;
  wsu_part_t part;
  size_t consumed;

  wsu_decoder_init(&decoder, true, false);
  for (size_t i = 0; i < 3; i++) {
    const uint8_t *buf = i == 0 ? bytes.data : bytes.data + 6 + i;
    size_t len = i == 0 ? 7 : 1;

    test_about("part", i);
    CHECK_EQ(wsu_decoder_next(&decoder, buf, len, &consumed, &part), 1);
    CHECK_EQ(part.length, 1);
    CHECK_EQ(part.starts, i == 0);
    CHECK_EQ(part.ends, i == 2);
    CHECK_EQ(part.key[0], i + 1);
  }
}

TEST("no bytes leave everything as it is") {
  static const char *const streams[] = {"",
                                        "82",
                                        "82 85",
                                        "82 85 01020304",
                                        "82 85 01020304 0102",
                                        "82 81 01020304 01"};

  for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
    test_bytes_t bytes = hex(streams[i]);
    wsu_decoder_t decoder;
    wsu_part_t part;
    size_t consumed;

    test_about(streams[i], i);
    wsu_decoder_init(&decoder, true, false);
    wsu_decoder_next(&decoder, bytes.data, bytes.len, &consumed, &part);
    for (size_t again = 0; again < 3; again++) {
      CHECK_EQ(wsu_decoder_next(&decoder, bytes.data, 0, &consumed, &part), 0);
      CHECK_EQ(consumed, 0);
    }
  }
}

TEST("an error stays, whatever comes after it") {
  static const char *const streams[] = {"91 80",
                                        "c1 80",
                                        "83 80",
                                        "09 80",
                                        "89 fe",
                                        "81 05",
                                        "82 ff 0020000000000000"};

  for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
    test_bytes_t bytes = hex(streams[i]);
    test_bytes_t good = hex("81 85 37fa213d 7f9f4d5158");
    wsu_decoder_t decoder;
    wsu_part_t part;
    size_t consumed;
    uint32_t detail;
    int err;

    test_about(streams[i], i);
    wsu_decoder_init(&decoder, true, false);
    err = wsu_decoder_next(&decoder, bytes.data, bytes.len, &consumed, &part);
    detail = decoder.detail;
    CHECK(err < 0);
    for (size_t len = 0; len <= good.len; len++) {
      CHECK_EQ(wsu_decoder_next(&decoder, good.data, len, &consumed, &part),
               err);
      CHECK_EQ(consumed, 0);
      CHECK_EQ(decoder.detail, detail);
    }
  }
}

int main(void) {
  return test_run();
}
