#include "frame.h"

#include "test.h"

/* Every length at which the form of a header changes, and its neighbours. */
static const uint64_t lengths[] = {0,
                                   1,
                                   125,
                                   126,
                                   127,
                                   128,
                                   65535,
                                   65536,
                                   UINT64_C(0x1fffffffffffff),
                                   UINT64_C(0x20000000000000),
                                   UINT64_C(0x7fffffffffffffff),
                                   UINT64_C(0x8000000000000000),
                                   UINT64_MAX};

#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static size_t expected_size(uint64_t length, bool masked) {
  size_t size = length < 126 ? 2 : length < 65536 ? 4 : 10;

  return masked ? size + 4 : size;
}

static wsu_frame_t frame_of(unsigned flags, unsigned opcode, bool masked,
                            uint64_t length) {
  wsu_frame_t frame = {
      .length = length,
      .opcode = (uint8_t)opcode,
      .fin = (flags & 8) != 0,
      .rsv1 = (flags & 4) != 0,
      .rsv2 = (flags & 2) != 0,
      .rsv3 = (flags & 1) != 0,
      .masked = masked,
  };

  if (masked)
    memcpy(frame.mask_key, "\x37\xfa\x21\x3d", 4);
  return frame;
}

static void check_same_frame(const wsu_frame_t *actual,
                             const wsu_frame_t *expected) {
  CHECK_EQ(actual->length, expected->length);
  CHECK_EQ(actual->opcode, expected->opcode);
  CHECK_EQ(actual->fin, expected->fin);
  CHECK_EQ(actual->rsv1, expected->rsv1);
  CHECK_EQ(actual->rsv2, expected->rsv2);
  CHECK_EQ(actual->rsv3, expected->rsv3);
  CHECK_EQ(actual->masked, expected->masked);
  CHECK(memcmp(actual->mask_key, expected->mask_key, 4) == 0);
}

/* Decodes the header flush against the page behind it, and without its key. */
static void check_decodes(const guard_t *guard, const uint8_t *header,
                          size_t size, const wsu_frame_t *expected) {
  size_t start = wsu_frame_header_size(header[1] & 0x7f);
  wsu_frame_t without_key = *expected;
  wsu_frame_t frame;

  memset(&frame, 0x55, sizeof(frame));
  CHECK_EQ(
      wsu_frame_decode_header(guard_at_end(guard, header, size), size, &frame),
      size);
  check_same_frame(&frame, expected);

  memset(&frame, 0x55, sizeof(frame));
  memset(without_key.mask_key, 0, 4);
  CHECK_EQ(
      wsu_frame_decode_start(guard_at_end(guard, header, start), start, &frame),
      start);
  check_same_frame(&frame, &without_key);
}

static void check_prefixes_are_incomplete(const guard_t *guard,
                                          const uint8_t *header, size_t size) {
  static const wsu_frame_t untouched = {
      .length = 0x55, .opcode = 0x55, .mask_key = {0x55, 0x55, 0x55, 0x55}};

  for (size_t len = 0; len < size; len++) {
    const uint8_t *prefix = guard_at_end(guard, header, len);
    wsu_frame_t frame = untouched;

    CHECK_EQ(wsu_frame_decode_header(prefix, len, &frame), 0);
    check_same_frame(&frame, &untouched);
    if (len < wsu_frame_header_size(header[1] & 0x7f)) {
      CHECK_EQ(wsu_frame_decode_start(prefix, len, &frame), 0);
      check_same_frame(&frame, &untouched);
    }
  }
}

TEST("headers have the bytes that RFC 6455 5.2 and 5.7 give") {
  static const struct {
    const char *header;
    unsigned flags;
    unsigned opcode;
    bool masked;
    uint64_t length;
  } vectors[] = {
      {"81 05", 8, WSU_OPCODE_TEXT, false, 5},
      {"81 85 37fa213d", 8, WSU_OPCODE_TEXT, true, 5},
      {"01 03", 0, WSU_OPCODE_TEXT, false, 3},
      {"80 02", 8, WSU_OPCODE_CONTINUATION, false, 2},
      {"89 05", 8, WSU_OPCODE_PING, false, 5},
      {"8a 85 37fa213d", 8, WSU_OPCODE_PONG, true, 5},
      {"88 00", 8, WSU_OPCODE_CLOSE, false, 0},
      {"c1 07", 12, WSU_OPCODE_TEXT, false, 7},
      {"a2 00", 10, WSU_OPCODE_BINARY, false, 0},
      {"92 00", 9, WSU_OPCODE_BINARY, false, 0},
      {"82 7d", 8, WSU_OPCODE_BINARY, false, 125},
      {"82 7e 007e", 8, WSU_OPCODE_BINARY, false, 126},
      {"82 7e 007f", 8, WSU_OPCODE_BINARY, false, 127},
      {"82 7e 0100", 8, WSU_OPCODE_BINARY, false, 256},
      {"82 7e ffff", 8, WSU_OPCODE_BINARY, false, 65535},
      {"82 fe ffff 37fa213d", 8, WSU_OPCODE_BINARY, true, 65535},
      {"82 7f 0000000000010000", 8, WSU_OPCODE_BINARY, false, 65536},
      {"82 ff 0000000000010000 37fa213d", 8, WSU_OPCODE_BINARY, true, 65536},
      {"82 7f 001fffffffffffff", 8, WSU_OPCODE_BINARY, false,
       UINT64_C(0x1fffffffffffff)},
      {"82 ff 0020000000000000 37fa213d", 8, WSU_OPCODE_BINARY, true,
       UINT64_C(0x20000000000000)},
      {"82 7f 0123456789abcdef", 8, WSU_OPCODE_BINARY, false,
       UINT64_C(0x0123456789abcdef)},
      {"82 7f ffffffffffffffff", 8, WSU_OPCODE_BINARY, false, UINT64_MAX},
  };
  guard_t guard = guard_new(WSU_FRAME_HEADER_MAX);

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    uint8_t *buf = guard_at_end(&guard, NULL, WSU_FRAME_HEADER_MAX);
    test_bytes_t expected = hex(vectors[i].header);
    wsu_frame_t frame = frame_of(vectors[i].flags, vectors[i].opcode,
                                 vectors[i].masked, vectors[i].length);
    size_t size = wsu_frame_encode_header(buf, &frame);

    test_about(vectors[i].header, i);
    CHECK_BYTES(buf, size, expected);
    check_decodes(&guard, expected.data, expected.len, &frame);
  }
  guard_free(&guard);
}

TEST("every header survives encoding and decoding, in its shortest form") {
  guard_t guard = guard_new(WSU_FRAME_HEADER_MAX);

  for (size_t i = 0; i < LENGTHS * 16 * 16 * 2; i++) {
    uint64_t length = lengths[i / (16 * 16 * 2)];
    wsu_frame_t frame = frame_of(i / 32 % 16, i / 2 % 16, i % 2 == 1, length);
    uint8_t header[WSU_FRAME_HEADER_MAX];
    size_t size = wsu_frame_encode_header(header, &frame);

    test_about("header", i);
    CHECK_EQ(size, expected_size(length, frame.masked));
    CHECK_EQ(wsu_frame_header_size(header[1]), size);
    check_decodes(&guard, header, size, &frame);
    check_prefixes_are_incomplete(&guard, header, size);
  }
  guard_free(&guard);
}

TEST("the second byte decides the size of a header") {
  for (unsigned second = 0; second < 256; second++) {
    unsigned length = second & 0x7f;
    size_t size = 2;

    if (length == 126)
      size = 4;
    if (length == 127)
      size = 10;
    if (second >= 128)
      size += 4;
    CHECK_EQ(wsu_frame_header_size((uint8_t)second), size);
  }
}

TEST("all first bytes are decoded without judgement") {
  for (unsigned first = 0; first < 256; first++) {
    uint8_t header[] = {(uint8_t)first, 0x00};
    wsu_frame_t expected = frame_of(first >> 4, first & 15, false, 0);
    wsu_frame_t frame;

    CHECK_EQ(wsu_frame_decode_header(header, 2, &frame), 2);
    check_same_frame(&frame, &expected);
  }
}

TEST("lengths in a longer form than needed are decoded") {
  static const struct {
    const char *header;
    uint64_t length;
  } vectors[] = {
      {"82 7e 0000", 0},
      {"82 7e 007d", 125},
      {"82 7f 0000000000000000", 0},
      {"82 7f 000000000000007e", 126},
      {"82 7f 000000000000ffff", 65535},
  };

  for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
    test_bytes_t header = hex(vectors[i].header);
    wsu_frame_t frame;

    CHECK_EQ(wsu_frame_decode_header(header.data, header.len, &frame),
             header.len);
    CHECK_EQ(frame.length, vectors[i].length);
  }
}

TEST("bytes behind the header are left alone") {
  test_bytes_t header = hex("82 fe 007e 37fa213d 00*126");
  wsu_frame_t frame;

  CHECK_EQ(wsu_frame_decode_header(header.data, header.len, &frame), 8);
  CHECK_EQ(frame.length, 126);
}

TEST("the start of a header ends before the key") {
  test_bytes_t header = hex("82 fe 007e 37fa213d");
  wsu_frame_t frame;

  CHECK_EQ(wsu_frame_decode_start(header.data, header.len, &frame), 4);
  CHECK_EQ(frame.length, 126);
  CHECK(frame.masked);
  CHECK_BYTES(frame.mask_key, 4, hex("00000000"));
}

TEST("a frame without a mask has a key of zeros") {
  test_bytes_t header = hex("82 03 ffffff");
  wsu_frame_t frame;

  memset(&frame, 0xff, sizeof(frame));
  CHECK_EQ(wsu_frame_decode_header(header.data, header.len, &frame), 2);
  CHECK_BYTES(frame.mask_key, 4, hex("00000000"));
}

TEST("close codes are 1000 to 1014 but 1004 to 1006, and 3000 to 4999") {
  static const unsigned ranges[][2] = {
      {1000, 1003}, {1007, 1014}, {3000, 4999}};

  for (unsigned code = 0; code <= 70000; code++) {
    bool is_valid = false;

    for (size_t i = 0; i < 3; i++)
      if (code >= ranges[i][0] && code <= ranges[i][1])
        is_valid = true;
    test_about("code", code);
    CHECK_EQ(wsu_is_valid_close_code(code), is_valid);
  }
}

int main(void) {
  return test_run();
}
