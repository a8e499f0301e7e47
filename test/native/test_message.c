#include "message.h"

#include "error.h"
#include "frame.h"
#include "mask.h"
#include "test.h"

#define TEXT WSU_OPCODE_TEXT
#define BINARY WSU_OPCODE_BINARY
#define NEXT WSU_OPCODE_CONTINUATION

static const wsu_message_limits_t NO_LIMITS = {.max_payload = 0};

/* A part as the decoder reports it, with the bytes of `payload`, masked. */
static int add_part(wsu_message_t *message, const wsu_frame_t *frame,
                    bool starts, size_t offset, test_bytes_t payload,
                    const wsu_message_limits_t *limits) {
  wsu_part_t part = {
      .payload = payload.data,
      .length = payload.len,
      .frame = frame,
      .starts = starts,
      .ends = offset + payload.len == frame->length,
  };

  memcpy(part.key, frame->mask_key, 4);
  wsu_mask_rotate(part.key, offset);
  wsu_mask_copy(payload.data, payload.data, payload.len, part.key);
  return wsu_message_add(message, &part, limits);
}

static wsu_frame_t frame_of(unsigned opcode, bool fin, uint64_t length) {
  return (wsu_frame_t){.opcode = (uint8_t)opcode,
                       .fin = fin,
                       .masked = true,
                       .mask_key = {0x37, 0xfa, 0x21, 0x3d},
                       .length = length};
}

/* Adds a whole frame in one part. */
static int add_frame(wsu_message_t *message, unsigned opcode, bool fin,
                     const char *payload, const wsu_message_limits_t *limits) {
  test_bytes_t bytes = hex(payload);
  wsu_frame_t frame = frame_of(opcode, fin, bytes.len);

  return add_part(message, &frame, true, 0, bytes, limits);
}

/* Adds the header of a frame and nothing of its payload. */
static int add_header(wsu_message_t *message, unsigned opcode, bool fin,
                      uint64_t length, const wsu_message_limits_t *limits) {
  wsu_frame_t frame = frame_of(opcode, fin, length);

  return add_part(message, &frame, true, 0, hex(""), limits);
}

static void check_reads(wsu_message_t *message, const char *expected,
                        const wsu_message_limits_t *limits) {
  test_bytes_t bytes = hex(expected);
  uint8_t *dest = test_alloc(bytes.len);

  if (CHECK_EQ(wsu_message_length(message), bytes.len)) {
    CHECK_EQ(wsu_message_read(message, dest, limits), 0);
    CHECK_BYTES(dest, bytes.len, bytes);
  }
}

/* Nothing is owned or remembered between two messages. */
static void check_is_fresh(const wsu_message_t *message) {
  CHECK(message->collected.data == NULL);
  CHECK_EQ(message->declared, 0);
  CHECK_EQ(message->fragments, 0);
  CHECK(wsu_utf8_is_complete(&message->utf8));
  CHECK(!message->is_direct);
}

TEST("a message in one piece is read from the input, without being stored") {
  wsu_message_t message = {0};
  test_bytes_t payload = hex("48656c6c6f");
  wsu_frame_t frame = frame_of(TEXT, true, payload.len);

  CHECK_EQ(add_part(&message, &frame, true, 0, payload, &NO_LIMITS), 1);
  CHECK(message.collected.data == NULL);
  CHECK_EQ(message.opcode, TEXT);
  check_reads(&message, "48656c6c6f", &NO_LIMITS);
  check_is_fresh(&message);
}

TEST("a frame in two pieces is collected") {
  for (size_t split = 0; split < 5; split++) {
    wsu_message_t message = {0};
    test_bytes_t payload = hex("48656c6c6f");
    test_bytes_t first = {payload.data, split};
    test_bytes_t rest = {payload.data + split, payload.len - split};
    wsu_frame_t frame = frame_of(TEXT, true, payload.len);

    test_about("split", split);
    CHECK_EQ(add_part(&message, &frame, true, 0, first, &NO_LIMITS), 0);
    memset(first.data, 0xee, first.len);
    CHECK_EQ(add_part(&message, &frame, false, split, rest, &NO_LIMITS), 1);
    memset(rest.data, 0xee, rest.len);
    check_reads(&message, "48656c6c6f", &NO_LIMITS);
    check_is_fresh(&message);
  }
}

TEST("fragments become one message of the type of the first") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, false, "0001", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "02ff", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "03", &NO_LIMITS), 1);
  CHECK_EQ(message.opcode, BINARY);
  check_reads(&message, "000102ff03", &NO_LIMITS);
  check_is_fresh(&message);
}

TEST("messages can be empty, in one frame or in several") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, TEXT, true, "", &NO_LIMITS), 1);
  check_reads(&message, "", &NO_LIMITS);
  CHECK_EQ(add_frame(&message, TEXT, false, "", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "", &NO_LIMITS), 1);
  check_reads(&message, "", &NO_LIMITS);
  check_is_fresh(&message);
}

TEST("a declared length takes no memory before bytes come") {
  wsu_message_t message = {0};
  wsu_frame_t frame = frame_of(BINARY, true, UINT64_C(1) << 40);
  test_bytes_t payload = hex("00*1000");

  CHECK_EQ(add_part(&message, &frame, true, 0, hex(""), &NO_LIMITS), 0);
  CHECK(message.collected.data == NULL);
  CHECK_EQ(add_part(&message, &frame, false, 0, payload, &NO_LIMITS), 0);
  CHECK(message.collected.capacity <= 2 * payload.len);
  wsu_message_reset(&message);
  check_is_fresh(&message);
}

TEST("memory does not grow beyond what was declared") {
  wsu_message_t message = {0};
  wsu_frame_t frame = frame_of(BINARY, true, 70000);

  for (size_t pos = 0; pos < 70000; pos += 1000)
    CHECK_EQ(
        add_part(&message, &frame, pos == 0, pos, hex("61*1000"), &NO_LIMITS),
        pos == 69000);
  CHECK_EQ(message.collected.capacity, 70000);
  check_reads(&message, "61*70000", &NO_LIMITS);
  check_is_fresh(&message);
}

TEST("memory grows seldom, in however small fragments a message comes") {
  wsu_message_t message = {0};
  size_t capacity = 0;
  size_t growths = 0;

  CHECK_EQ(add_frame(&message, BINARY, false, "61", &NO_LIMITS), 0);
  for (size_t i = 0; i < 10000; i++) {
    add_frame(&message, NEXT, false, "61", &NO_LIMITS);
    if (message.collected.capacity != capacity)
      growths++;
    capacity = message.collected.capacity;
  }
  CHECK(growths <= 10);
  wsu_message_reset(&message);
}

TEST("a message of max_payload bytes passes, one byte more does not") {
  const wsu_message_limits_t limits = {.max_payload = 5};
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, true, "0102030405", &limits), 1);
  check_reads(&message, "0102030405", &limits);
  CHECK_EQ(add_header(&message, BINARY, true, 6, &limits),
           WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH);
  wsu_message_reset(&message);
}

TEST("max_payload counts all fragments, and each by its header") {
  const wsu_message_limits_t limits = {.max_payload = 5};
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, false, "0102", &limits), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "030405", &limits), 1);
  check_reads(&message, "0102030405", &limits);
  CHECK_EQ(add_frame(&message, BINARY, false, "0102", &limits), 0);
  CHECK_EQ(add_header(&message, NEXT, true, 4, &limits),
           WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH);
  wsu_message_reset(&message);
}

TEST("lengths near 2^53 do not slip past max_payload") {
  const wsu_message_limits_t limits = {.max_payload = 5};
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, false, "01", &limits), 0);
  CHECK_EQ(
      add_header(&message, NEXT, true, UINT64_C(0x1fffffffffffff), &limits),
      WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH);
  wsu_message_reset(&message);
}

TEST("lengths that no memory could hold are refused, without any limit") {
  const uint64_t longest = UINT64_C(0x1fffffffffffff);
  wsu_message_t message = {0};
  uint64_t declared = 0;
  int result = 0;

  while (result == 0 && declared <= SIZE_MAX / 2) {
    unsigned opcode = declared == 0 ? BINARY : NEXT;

    result = add_header(&message, opcode, false, longest, &NO_LIMITS);
    declared += longest;
  }
  CHECK_EQ(result, WSU_ERR_OUT_OF_MEMORY);
  CHECK(declared > SIZE_MAX / 2);
  CHECK(message.collected.data == NULL);
  wsu_message_reset(&message);
}

TEST("max_fragments frames pass, empty ones count, one more does not") {
  const wsu_message_limits_t limits = {.max_fragments = 3};
  wsu_message_t message = {0};

  for (size_t round = 0; round < 3; round++) {
    CHECK_EQ(add_frame(&message, BINARY, false, "", &limits), 0);
    CHECK_EQ(add_frame(&message, NEXT, false, "01", &limits), 0);
    CHECK_EQ(add_frame(&message, NEXT, true, "", &limits), 1);
    check_reads(&message, "01", &limits);
  }
  CHECK_EQ(add_frame(&message, BINARY, false, "", &limits), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "", &limits), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "", &limits), 0);
  CHECK_EQ(add_header(&message, NEXT, true, 0, &limits),
           WSU_ERR_TOO_MANY_FRAGMENTS);
  wsu_message_reset(&message);
}

TEST("parts of one frame are not fragments") {
  const wsu_message_limits_t limits = {.max_fragments = 1};
  wsu_message_t message = {0};
  wsu_frame_t frame = frame_of(BINARY, true, 100);

  for (size_t pos = 0; pos < 100; pos++)
    CHECK_EQ(add_part(&message, &frame, pos == 0, pos, hex("61"), &limits),
             pos == 99);
  check_reads(&message, "61*100", &limits);
}

TEST("without limits there is no count that ends a message") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, false, "", &NO_LIMITS), 0);
  for (size_t i = 0; i < 20000; i++)
    CHECK_EQ(add_frame(&message, NEXT, false, "", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "61*200000", &NO_LIMITS), 1);
  check_reads(&message, "61*200000", &NO_LIMITS);
}

TEST("text in one piece is validated when it is read") {
  wsu_message_t message = {0};
  uint8_t dest[4];

  CHECK_EQ(add_frame(&message, TEXT, true, "61ff", &NO_LIMITS), 1);
  CHECK_EQ(wsu_message_read(&message, dest, &NO_LIMITS), WSU_ERR_INVALID_UTF8);
  check_is_fresh(&message);
  CHECK_EQ(add_frame(&message, TEXT, true, "61c3", &NO_LIMITS), 1);
  CHECK_EQ(wsu_message_read(&message, dest, &NO_LIMITS), WSU_ERR_INVALID_UTF8);
  CHECK_EQ(add_frame(&message, TEXT, true, "61c3a4", &NO_LIMITS), 1);
  check_reads(&message, "61c3a4", &NO_LIMITS);
}

TEST("a character may be split over parts and over fragments") {
  wsu_message_t message = {0};
  wsu_frame_t frame = frame_of(TEXT, false, 2);

  CHECK_EQ(add_part(&message, &frame, true, 0, hex("f0"), &NO_LIMITS), 0);
  CHECK_EQ(add_part(&message, &frame, false, 1, hex("9f"), &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "98", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "8061", &NO_LIMITS), 1);
  check_reads(&message, "f09f988061", &NO_LIMITS);
  check_is_fresh(&message);
}

TEST("text that ends inside of a character is refused") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, TEXT, false, "61", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "e282", &NO_LIMITS),
           WSU_ERR_INVALID_UTF8);
  wsu_message_reset(&message);
  CHECK_EQ(add_frame(&message, TEXT, false, "e282", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "", &NO_LIMITS),
           WSU_ERR_INVALID_UTF8);
  wsu_message_reset(&message);
}

TEST("ASCII behind an open character is refused, in a fragment of its own") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, TEXT, false, "e282", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, false, "61", &NO_LIMITS),
           WSU_ERR_INVALID_UTF8);
  wsu_message_reset(&message);
}

TEST("invalid text is refused before its frame and message end") {
  wsu_message_t message = {0};
  wsu_frame_t frame = frame_of(TEXT, false, 1000);

  CHECK_EQ(add_part(&message, &frame, true, 0, hex("6162"), &NO_LIMITS), 0);
  CHECK_EQ(add_part(&message, &frame, false, 2, hex("ff"), &NO_LIMITS),
           WSU_ERR_INVALID_UTF8);
  wsu_message_reset(&message);
  check_is_fresh(&message);
}

TEST("binary messages are not validated") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, BINARY, true, "ff", &NO_LIMITS), 1);
  check_reads(&message, "ff", &NO_LIMITS);
  CHECK_EQ(add_frame(&message, BINARY, false, "e2", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "ff", &NO_LIMITS), 1);
  check_reads(&message, "e2ff", &NO_LIMITS);
}

TEST("text is not validated when the options say so") {
  const wsu_message_limits_t limits = {.skips_utf8_validation = true};
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, TEXT, true, "ff", &limits), 1);
  check_reads(&message, "ff", &limits);
  CHECK_EQ(add_frame(&message, TEXT, false, "ff", &limits), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "e2", &limits), 1);
  check_reads(&message, "ffe2", &limits);
}

TEST("a message dropped in the middle leaves nothing to the next") {
  wsu_message_t message = {0};

  CHECK_EQ(add_frame(&message, TEXT, false, "61e2", &NO_LIMITS), 0);
  wsu_message_reset(&message);
  check_is_fresh(&message);
  CHECK_EQ(add_frame(&message, TEXT, true, "62", &NO_LIMITS), 1);
  wsu_message_reset(&message);
  CHECK_EQ(add_frame(&message, TEXT, false, "63", &NO_LIMITS), 0);
  CHECK_EQ(add_frame(&message, NEXT, true, "64", &NO_LIMITS), 1);
  check_reads(&message, "6364", &NO_LIMITS);
}

TEST("nothing is written behind the room that a message needs") {
  guard_t guard = guard_new(200);

  for (size_t len = 0; len <= 200; len++) {
    wsu_message_t message = {0};
    wsu_frame_t frame = frame_of(BINARY, true, len);
    test_bytes_t payload = {test_alloc(len), len};
    uint8_t *dest = guard_at_end(&guard, NULL, len);

    test_about("length", len);
    memset(payload.data, 0x61, len);
    CHECK_EQ(add_part(&message, &frame, true, 0, payload, &NO_LIMITS), 1);
    CHECK_EQ(wsu_message_length(&message), len);
    CHECK_EQ(wsu_message_read(&message, dest, &NO_LIMITS), 0);
    for (size_t i = 0; i < len; i++)
      CHECK_EQ(dest[i], 0x61);
  }
  guard_free(&guard);
}

int main(void) {
  return test_run();
}
