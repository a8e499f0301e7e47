/*
 * Linked with -Wl,--wrap=realloc: the core, zlib's memory included, allocates
 * with realloc() alone, so that each allocation can be seen and made to fail.
 */
#include "deflate.h"

#include <zlib.h>

#include "error.h"
#include "test.h"

void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *failing_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

static size_t calls;
static size_t fails_at; /* the number of the call that fails; 0: none */
static size_t largest;  /* bytes that were asked for at once */

void *failing_realloc(void *memory, size_t size) {
  calls++;
  if (size > largest)
    largest = size;
  return calls == fails_at ? NULL : real_realloc(memory, size);
}

static void fail_at(size_t number) {
  calls = 0;
  fails_at = number;
}

static wsu_compressor_options_t options_of(int window_bits, bool takes_over) {
  return (wsu_compressor_options_t){.level = -1,
                                    .mem_level = 8,
                                    .window_bits = window_bits,
                                    .takes_over = takes_over};
}

static wsu_compressor_t *new_compressor(int window_bits, bool takes_over) {
  const wsu_compressor_options_t options = options_of(window_bits, takes_over);

  return wsu_compressor_new(&options);
}

/* For now zlib, for now the encoder of small messages. */
static wsu_encoder_t *some_encoder(void) {
  static wsu_encoder_t encoder;
  static bool is_ready;

  if (!is_ready)
    wsu_encoder_init(&encoder);
  is_ready = true;
  return test_random_below(2) == 0 ? NULL : &encoder;
}

/* Compresses a message in one frame with zlib. */
static int compress_message(wsu_compressor_t *compressor, test_bytes_t message,
                            wsu_buffer_t *output) {
  return wsu_compress(compressor, NULL, message.data, message.len, true, true,
                      output);
}

static void check_output(wsu_buffer_t *output, test_bytes_t expected) {
  CHECK_BYTES(wsu_buffer_bytes(output), wsu_buffer_length(output), expected);
  wsu_buffer_free(output);
}

/* Inflates a whole message, which must become `expected`. */
static void check_inflates(wsu_decompressor_t *decompressor,
                           test_bytes_t message, test_bytes_t expected) {
  wsu_buffer_t output = {0};

  CHECK_EQ(
      wsu_decompress(decompressor, message.data, message.len, true, 0, &output),
      0);
  check_output(&output, expected);
}

static test_bytes_t text(const char *literal) {
  test_bytes_t bytes = {test_alloc(strlen(literal)), strlen(literal)};

  memcpy(bytes.data, literal, bytes.len);
  return bytes;
}

/* Text as JSON has it: names that come again and values that do not. */
static test_bytes_t json(size_t len) {
  static const char *const names[] = {
      "\"id\":", "\"name\":", "\"price\":", "\"status\":\"active\",", "},{"};
  test_bytes_t bytes = {test_alloc(len), len};
  size_t pos = 0;

  while (pos < len) {
    char item[48];
    int size =
        snprintf(item, sizeof(item), "%s%u,", names[test_random_below(5)],
                 (unsigned)test_random_below(100000));
    size_t fits = (size_t)size < len - pos ? (size_t)size : len - pos;

    memcpy(bytes.data + pos, item, fits);
    pos += fits;
  }
  return bytes;
}

static test_bytes_t noise(size_t len) {
  test_bytes_t bytes = {test_alloc(len), len};

  test_random_fill(bytes.data, len);
  return bytes;
}

/* Plain zlib's raw sync flush of a message, without its tail. */
static test_bytes_t deflate_plainly(test_bytes_t message, int level,
                                    int window_bits, int mem_level) {
  z_stream stream = {0};
  test_bytes_t bytes;

  if (deflateInit2(&stream, level, Z_DEFLATED, -window_bits, mem_level,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    abort();
  bytes.len = deflateBound(&stream, message.len) + 64;
  bytes.data = test_alloc(bytes.len);
  stream.next_in = message.data;
  stream.avail_in = (uInt)message.len;
  stream.next_out = bytes.data;
  stream.avail_out = (uInt)bytes.len;
  if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_out == 0)
    abort();
  bytes.len -= stream.avail_out + 4;
  deflateEnd(&stream);
  return bytes;
}

#define HELLO "f2 48 cd c9 c9 07 00"

static const struct {
  const char *section; /* of RFC 7692 */
  const char *message;
  const char *output;
} vectors[] = {
    {"7.2.3.1", HELLO, "48656c6c6f"},
    {"7.2.3.3", "00 05 00 fa ff 48 65 6c 6c 6f 00", "48656c6c6f"},
    {"7.2.3.4", "f3 48 cd c9 c9 07 00 00", "48656c6c6f"},
    {"7.2.3.5", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "48656c6c6f"},
    {"7.2.3.6", "00", ""},
    {"7.2.3.6, fixed codes", "02 00", ""},
    {"two blocks with BFINAL set",
     "f3 48 cd c9 c9 07 00 f3 48 cd c9 c9 07 00 00", "48656c6c6f48656c6c6f"},
    {"a tail that was not removed", HELLO "00 00 ff ff", "48656c6c6f"},
    {"BFINAL set and nothing behind", "f3 48 cd c9 c9 07 00", "48656c6c6f"},
    {"nothing at all", "", ""},
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

TEST("messages are inflated as RFC 7692 7.2.3 has them") {
  guard_t guard = guard_new(64);

  for (size_t i = 0; i < VECTORS; i++) {
    test_bytes_t message = hex(vectors[i].message);
    wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);

    test_about(vectors[i].section, i);
    message.data = guard_at_end(&guard, message.data, message.len);
    check_inflates(decompressor, message, hex(vectors[i].output));
    CHECK(wsu_decompressor_is_idle(decompressor));
    wsu_decompressor_free(decompressor);
  }
  guard_free(&guard);
}

TEST("messages are inflated in two pieces, wherever they are split") {
  guard_t guard = guard_new(64);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);

  for (size_t i = 0; i < VECTORS; i++) {
    test_bytes_t message = hex(vectors[i].message);

    for (size_t split = 0; split <= message.len; split++) {
      wsu_buffer_t output = {0};
      uint8_t *first = guard_at_end(&guard, message.data, split);

      test_about(vectors[i].section, split);
      CHECK_EQ(wsu_decompress(decompressor, first, split, false, 0, &output),
               0);
      CHECK(!wsu_decompressor_is_idle(decompressor));
      memset(first, 0xee, split);
      CHECK_EQ(wsu_decompress(decompressor,
                              guard_at_end(&guard, message.data + split,
                                           message.len - split),
                              message.len - split, true, 0, &output),
               0);
      CHECK(wsu_decompressor_is_idle(decompressor));
      check_output(&output, hex(vectors[i].output));
    }
  }
  wsu_decompressor_free(decompressor);
  guard_free(&guard);
}

TEST("messages are inflated byte by byte, with empty pieces between") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);

  for (size_t i = 0; i < VECTORS; i++) {
    test_bytes_t message = hex(vectors[i].message);
    wsu_buffer_t output = {0};

    test_about(vectors[i].section, i);
    for (size_t pos = 0; pos < message.len; pos++) {
      wsu_decompress(decompressor, message.data + pos, 1, false, 0, &output);
      wsu_decompress(decompressor, NULL, 0, false, 0, &output);
    }
    CHECK_EQ(wsu_decompress(decompressor, NULL, 0, true, 0, &output), 0);
    check_output(&output, hex(vectors[i].output));
  }
  wsu_decompressor_free(decompressor);
}

TEST("a message may refer to the one before if the context is taken over") {
  test_bytes_t message = hex(HELLO);
  test_bytes_t reference = hex("f2 00 11 00 00"); /* RFC 7692, 7.2.3.2 */
  wsu_decompressor_t *keeps = wsu_decompressor_new(15, true);
  wsu_decompressor_t *forgets = wsu_decompressor_new(15, false);
  wsu_buffer_t output = {0};

  check_inflates(keeps, message, text("Hello"));
  CHECK(!wsu_decompressor_is_idle(keeps));
  check_inflates(keeps, reference, text("Hello"));
  check_inflates(forgets, message, text("Hello"));
  CHECK_EQ(
      wsu_decompress(forgets, reference.data, reference.len, true, 0, &output),
      WSU_ERR_DISTANCE_TOO_FAR);
  wsu_buffer_free(&output);
  wsu_decompressor_free(keeps);
  wsu_decompressor_free(forgets);
}

TEST("an error loses what messages before it left") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);
  test_bytes_t reference = hex("f2 00 11 00 00");
  wsu_buffer_t output = {0};

  check_inflates(decompressor, hex(HELLO), text("Hello"));
  CHECK_EQ(wsu_decompress(decompressor, hex("06").data, 1, false, 0, &output),
           WSU_ERR_INVALID_BLOCK_TYPE);
  CHECK_EQ(wsu_decompress(decompressor, reference.data, reference.len, true, 0,
                          &output),
           WSU_ERR_DISTANCE_TOO_FAR);
  wsu_buffer_free(&output);
  wsu_decompressor_free(decompressor);
}

TEST("the window outlives a block with BFINAL set and a missing end") {
  static const char *const first[] = {"f3 48 cd c9 c9 07 00 00",
                                      "f3 48 cd c9 c9 07 00",
                                      "f2 48 cd c9 c9 07", HELLO "00 00 ff ff"};

  for (size_t i = 0; i < 4; i++) {
    wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);

    test_about(first[i], i);
    check_inflates(decompressor, hex(first[i]), text("Hello"));
    check_inflates(decompressor, hex("f2 00 11 00 00"), text("Hello"));
    wsu_decompressor_free(decompressor);
  }
}

TEST("every text of zlib has its error") {
  static const struct {
    const char *message;
    int err;
  } faults[] = {
      {"06", WSU_ERR_INVALID_BLOCK_TYPE},
      {"00 12 34 12 34", WSU_ERR_INVALID_STORED_LENGTHS},
      {"fc 00 00", WSU_ERR_TOO_MANY_SYMBOLS},
      {"04 00 fe ff", WSU_ERR_INVALID_CODE_LENGTHS},
      {"04 00 24 49 00", WSU_ERR_INVALID_LENGTH_REPEAT},
      {"04 00 24 e9 ff ff", WSU_ERR_INVALID_LENGTH_REPEAT},
      {"04 00 24 e9 ff 6d", WSU_ERR_MISSING_END_OF_BLOCK},
      {"04 80 49 92 24 49 92 24 71 ff ff 93 11 00",
       WSU_ERR_INVALID_LITERAL_SET},
      {"04 80 49 92 24 49 92 24 0f b4 ff ff c3 84",
       WSU_ERR_INVALID_DISTANCE_SET},
      {"04 c0 81 08 00 00 00 00 20 7f eb 0b 00 00",
       WSU_ERR_INVALID_LITERAL_CODE},
      {"02 7e ff ff", WSU_ERR_INVALID_DISTANCE_CODE},
      {"0c c0 81 00 00 00 00 00 90 ff 6b 04 00", WSU_ERR_DISTANCE_TOO_FAR},
  };
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);

  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    test_bytes_t message = hex(faults[i].message);

    for (size_t split = 0; split <= message.len; split++) {
      wsu_buffer_t output = {0};
      int err =
          wsu_decompress(decompressor, message.data, split, false, 0, &output);

      test_about(faults[i].message, split);
      if (err == 0)
        err = wsu_decompress(decompressor, message.data + split,
                             message.len - split, true, 0, &output);
      CHECK_EQ(err, faults[i].err);
      CHECK(wsu_decompressor_is_idle(decompressor));
      wsu_buffer_free(&output);
    }
    check_inflates(decompressor, hex(HELLO), text("Hello"));
  }
  wsu_decompressor_free(decompressor);
}

TEST("a message is compressed as RFC 7692 7.2.3.1 and 7.2.3.2 have it") {
  wsu_compressor_t *compressor = new_compressor(15, true);
  wsu_buffer_t output = {0};

  CHECK_EQ(compress_message(compressor, text("Hello"), &output), 0);
  check_output(&output, hex(HELLO));
  CHECK_EQ(compress_message(compressor, text("Hello"), &output), 0);
  check_output(&output, hex("f2 00 11 00 00"));
  wsu_compressor_free(compressor);
}

TEST("an empty message is the byte 00 wherever the context is taken over") {
  wsu_compressor_t *compressor = new_compressor(15, true);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);
  test_bytes_t message = json(100);

  for (size_t i = 0; i < 3; i++) {
    wsu_buffer_t output = {0};

    CHECK_EQ(compress_message(compressor, hex(""), &output), 0);
    check_output(&output, hex("00"));
    check_inflates(decompressor, hex("00"), hex(""));
    CHECK_EQ(compress_message(compressor, message, &output), 0);
    check_inflates(decompressor,
                   (test_bytes_t){output.data, wsu_buffer_length(&output)},
                   message);
    wsu_buffer_free(&output);
  }
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

TEST("the compressed form comes behind what the buffer has") {
  wsu_compressor_t *compressor = new_compressor(15, true);
  wsu_buffer_t output = {0};

  wsu_buffer_append(&output, hex("c1 07").data, 2);
  CHECK_EQ(compress_message(compressor, text("Hello"), &output), 0);
  check_output(&output, hex("c1 07" HELLO));
  wsu_compressor_free(compressor);
}

TEST("without context takeover every message is compressed for itself") {
  wsu_compressor_t *compressor = new_compressor(12, false);

  for (size_t i = 0; i < 50; i++) {
    test_bytes_t message = json(100 + test_random_size(40000));
    guard_t guard = guard_new(message.len);
    wsu_buffer_t output = {0};
    test_bytes_t copy = {guard_at_end(&guard, message.data, message.len),
                         message.len};

    test_about("message", message.len);
    CHECK_EQ(compress_message(compressor, copy, &output), 0);
    check_output(&output, deflate_plainly(message, -1, 12, 8));
    guard_free(&guard);
  }
  wsu_compressor_free(compressor);
}

TEST("what does not get smaller is left out, without a trace") {
  wsu_compressor_t *compressor = new_compressor(15, false);
  test_bytes_t message = json(1000);

  for (size_t len = 0; len < 70000; len = len * 3 / 2 + 1) {
    wsu_buffer_t output = {0};

    test_about("length", len);
    wsu_buffer_append(&output, message.data, 7);
    CHECK_EQ(compress_message(compressor, noise(len), &output),
             WSU_COMPRESS_NOT_SMALLER);
    check_output(&output, (test_bytes_t){message.data, 7});
    CHECK_EQ(compress_message(compressor, message, &output), 0);
    check_output(&output, deflate_plainly(message, -1, 15, 8));
  }
  wsu_compressor_free(compressor);
}

TEST("a result of one byte less is smaller, and one of the same size is not") {
  wsu_compressor_t *compressor = new_compressor(15, false);
  size_t saved = 0;
  size_t refused = 0;

  for (size_t i = 0; i < 3000; i++) {
    size_t copied = test_random_below(8);
    size_t len = 3 + copied + test_random_below(20);
    test_bytes_t message = noise(len);
    wsu_buffer_t output = {0};
    size_t plain;
    int result;

    for (size_t pos = 0; pos < len; pos++)
      message.data[pos] &= 0x7f;
    memmove(message.data + len - copied, message.data, copied);
    plain = deflate_plainly(message, -1, 15, 8).len;
    result = compress_message(compressor, message, &output);
    CHECK_EQ(result, plain < len ? 0 : WSU_COMPRESS_NOT_SMALLER);
    saved += plain + 1 == len;
    refused += plain == len;
    wsu_buffer_free(&output);
  }
  CHECK(saved > 0);
  CHECK(refused > 0);
  wsu_compressor_free(compressor);
}

TEST("with context takeover a message is compressed even if it grows") {
  wsu_compressor_t *compressor = new_compressor(15, true);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);
  test_bytes_t message = noise(5000);

  for (size_t i = 0; i < 2; i++) {
    wsu_buffer_t output = {0};

    CHECK_EQ(compress_message(compressor, message, &output), 0);
    CHECK((wsu_buffer_length(&output) < message.len) == (i == 1));
    check_inflates(decompressor,
                   (test_bytes_t){output.data, wsu_buffer_length(&output)},
                   message);
    wsu_buffer_free(&output);
  }
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

TEST("a message in fragments is inflated as one") {
  for (int takes_over = 0; takes_over < 2; takes_over++) {
    wsu_compressor_t *compressor = new_compressor(15, takes_over);
    wsu_decompressor_t *decompressor = wsu_decompressor_new(15, takes_over);

    for (size_t i = 0; i < 100; i++) {
      test_bytes_t message = json(test_random_size(20000));
      size_t first = test_random_below(message.len + 1);
      size_t second = first + test_random_below(message.len - first + 1);
      wsu_buffer_t output = {0};

      test_about(takes_over ? "takeover" : "no takeover", message.len);
      CHECK_EQ(wsu_compress(compressor, some_encoder(), message.data, first,
                            true, false, &output),
               0);
      CHECK_EQ(wsu_compress(compressor, some_encoder(), message.data + first,
                            second - first, false, false, &output),
               0);
      CHECK_EQ(wsu_compress(compressor, some_encoder(), message.data + second,
                            message.len - second, false, true, &output),
               0);
      check_inflates(decompressor,
                     (test_bytes_t){output.data, wsu_buffer_length(&output)},
                     message);
      wsu_buffer_free(&output);
    }
    wsu_compressor_free(compressor);
    wsu_decompressor_free(decompressor);
  }
}

TEST("a shared compressor serves others between two fragments") {
  wsu_compressor_t *compressor = new_compressor(15, false);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);
  test_bytes_t message = json(3000);
  wsu_buffer_t output = {0};
  wsu_buffer_t other = {0};

  wsu_compress(compressor, some_encoder(), message.data, 1000, true, false,
               &output);
  CHECK_EQ(compress_message(compressor, json(5000), &other), 0);
  wsu_compress(compressor, some_encoder(), message.data + 1000, 2000, false,
               true, &output);
  check_inflates(decompressor,
                 (test_bytes_t){output.data, wsu_buffer_length(&output)},
                 message);
  wsu_buffer_free(&output);
  wsu_buffer_free(&other);
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

TEST("a compressor can be freed between two messages that take over") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);

  for (size_t i = 0; i < 4; i++) {
    wsu_compressor_t *compressor = new_compressor(15, true);

    for (size_t j = 0; j < 3; j++) {
      test_bytes_t message = json(test_random_size(50000));
      wsu_buffer_t output = {0};

      CHECK_EQ(compress_message(compressor, message, &output), 0);
      check_inflates(decompressor,
                     (test_bytes_t){output.data, wsu_buffer_length(&output)},
                     message);
      wsu_buffer_free(&output);
    }
    wsu_compressor_free(compressor);
  }
  wsu_decompressor_free(decompressor);
}

/*
 * Inflates with no more memory of the past than 1 << window_bits bytes: an
 * output of one byte at a time lets zlib look back into its window alone.
 */
static bool fits_window(z_stream *stream, const wsu_buffer_t *compressed,
                        test_bytes_t expected) {
  static uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};
  size_t pos = 0;

  for (int part = 0; part < 2; part++) {
    stream->next_in = part == 0 ? compressed->data + compressed->start : tail;
    stream->avail_in =
        part == 0 ? (uInt)wsu_buffer_length(compressed) : sizeof(tail);
    do {
      uint8_t byte;
      int result;

      stream->next_out = &byte;
      stream->avail_out = 1;
      result = inflate(stream, Z_SYNC_FLUSH);
      if (result != Z_OK && result != Z_BUF_ERROR)
        return false;
      if (stream->avail_out == 0 &&
          (pos == expected.len || byte != expected.data[pos++]))
        return false;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
  }
  return pos == expected.len;
}

/* Bytes that come again at distances around a window's size. */
static test_bytes_t echoes(size_t window) {
  test_bytes_t bytes = noise(window * 4);
  size_t spread = window < 540 ? window : 540;

  for (size_t pos = window * 2; pos + 16 < bytes.len; pos += 24) {
    size_t distance = window - spread / 2 + test_random_below(spread);

    memcpy(bytes.data + pos, bytes.data + pos - distance, 12);
  }
  return bytes;
}

TEST("no compressor looks back further than the window that was agreed on") {
  for (int window_bits = 8; window_bits <= 15; window_bits++) {
    for (int level = -1; level <= 9; level += 5) {
      wsu_compressor_options_t options = options_of(window_bits, true);
      z_stream stream = {0};
      wsu_compressor_t *compressor;

      options.level = level;
      compressor = wsu_compressor_new(&options);
      if (inflateInit2(&stream, -window_bits) != Z_OK)
        abort();
      for (size_t i = 0; i < 4; i++) {
        test_bytes_t message = i % 2 == 0 ? echoes((size_t)1 << window_bits)
                                          : json(1 + test_random_size(5000));
        wsu_buffer_t output = {0};

        test_about("window bits", (size_t)window_bits);
        CHECK_EQ(wsu_compress(compressor, some_encoder(), message.data,
                              message.len, true, false, &output),
                 0);
        output.end -= 4;
        CHECK(fits_window(&stream, &output, message));
        wsu_buffer_free(&output);
      }
      inflateEnd(&stream);
      wsu_compressor_free(compressor);
    }
  }
}

TEST("a window of 8 bits that the peer's zlib made one of 9 is inflated") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(8, true);
  wsu_compressor_t *compressor = new_compressor(9, true);

  for (size_t i = 0; i < 20; i++) {
    test_bytes_t message = echoes(256 + test_random_below(256));
    wsu_buffer_t output = {0};

    CHECK_EQ(compress_message(compressor, message, &output), 0);
    check_inflates(decompressor,
                   (test_bytes_t){output.data, wsu_buffer_length(&output)},
                   message);
    wsu_buffer_free(&output);
  }
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

static wsu_compressor_options_t random_options(bool takes_over) {
  bool is_default = test_random_below(2) == 0;

  return (wsu_compressor_options_t){
      .level = is_default ? -1 : (int)test_random_below(10),
      .mem_level = 1 + (int)test_random_below(9),
      .strategy = is_default ? 0 : (int)test_random_below(5),
      .window_bits = 8 + (int)test_random_below(8),
      .takes_over = takes_over,
  };
}

/* Inflates in random pieces, which must become `expected`. */
static void check_inflates_in_pieces(wsu_decompressor_t *decompressor,
                                     const wsu_buffer_t *message,
                                     test_bytes_t expected) {
  size_t len = wsu_buffer_length(message);
  wsu_buffer_t output = {0};
  size_t pos = 0;
  int err;

  do {
    size_t size = test_random_size(len - pos);

    err = wsu_decompress(decompressor, message->data + pos, size,
                         pos + size == len, expected.len, &output);
    pos += size;
  } while (err == 0 && pos < len);
  CHECK_EQ(err, 0);
  check_output(&output, expected);
}

TEST("what was compressed is inflated, with any options and sizes") {
  for (size_t i = 0; i < 150; i++) {
    bool takes_over = i % 2 == 0;
    wsu_compressor_options_t options = random_options(takes_over);
    wsu_compressor_t *compressor = wsu_compressor_new(&options);
    wsu_decompressor_t *decompressor =
        wsu_decompressor_new(options.window_bits, takes_over);

    for (size_t j = 0; j < 5; j++) {
      size_t len = 1 + test_random_size(j == 0 ? 300000 : 5000);
      test_bytes_t message = test_random_below(4) == 0 ? noise(len) : json(len);
      wsu_buffer_t output = {0};
      int result = wsu_compress(compressor, some_encoder(), message.data,
                                message.len, true, true, &output);

      test_about("length", len);
      CHECK(result == 0 || result == WSU_COMPRESS_NOT_SMALLER);
      if (result == 0)
        check_inflates_in_pieces(decompressor, &output, message);
      wsu_buffer_free(&output);
    }
    wsu_compressor_free(compressor);
    wsu_decompressor_free(decompressor);
  }
}

TEST("options that are out of range make nothing") {
  static const wsu_compressor_options_t wrong[] = {
      {.level = 10, .mem_level = 8, .window_bits = 15},
      {.level = -2, .mem_level = 8, .window_bits = 15},
      {.level = 6, .mem_level = 0, .window_bits = 15},
      {.level = 6, .mem_level = 10, .window_bits = 15},
      {.level = 6, .mem_level = 8, .window_bits = 7},
      {.level = 6, .mem_level = 8, .window_bits = 16},
      {.level = 6, .mem_level = 8, .window_bits = -15},
      {.level = 6, .mem_level = 8, .window_bits = 15, .strategy = 5},
  };

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
    CHECK(wsu_compressor_new(&wrong[i]) == NULL);
  CHECK(wsu_decompressor_new(7, false) == NULL);
  CHECK(wsu_decompressor_new(16, false) == NULL);
  CHECK(wsu_decompressor_new(-15, false) == NULL);
  wsu_compressor_free(NULL);
  wsu_decompressor_free(NULL);
}

TEST("a message may come out as long as is allowed and no longer") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);

  for (size_t len = 1; len < 200000; len = len * 7 / 4 + 1) {
    test_bytes_t message = deflate_plainly(json(len), -1, 15, 8);

    for (size_t limit = len - 1; limit <= len + 1; limit++) {
      wsu_buffer_t output = {0};
      size_t split = test_random_below(message.len + 1);
      int err;

      if (limit == 0)
        continue;
      test_about("length", len);
      err = wsu_decompress(decompressor, message.data, split, false, limit,
                           &output);
      if (err == 0)
        err = wsu_decompress(decompressor, message.data + split,
                             message.len - split, true, limit, &output);
      CHECK_EQ(err, limit < len ? WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH : 0);
      CHECK(output.capacity <= (limit < 256 ? 256 : limit) + 1);
      wsu_buffer_free(&output);
    }
  }
  wsu_decompressor_free(decompressor);
}

/* About 1 MiB that stands for 1 GiB of zeros: blocks without references. */
static test_bytes_t bomb(void) {
  test_bytes_t zeros = hex("00*1048576");
  test_bytes_t block = deflate_plainly(zeros, 9, 15, 8);
  size_t size = block.len + 4;
  test_bytes_t bytes = {test_alloc(1024 * size), 1024 * size};

  for (size_t i = 0; i < 1024; i++) {
    memcpy(bytes.data + i * size, block.data, block.len);
    memcpy(bytes.data + i * size + block.len, "\x00\x00\xff\xff", 4);
  }
  bytes.len -= 4;
  return bytes;
}

TEST("a bomb is stopped at the limit, again and again, with bounded memory") {
  const size_t limit = 3000000;
  test_bytes_t message = bomb();
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);
  size_t memory = 0;

  for (size_t i = 0; i < 20; i++) {
    wsu_buffer_t output = {0};

    test_about("bomb", i);
    largest = 0;
    CHECK_EQ(wsu_decompress(decompressor, message.data, message.len, true,
                            limit, &output),
             WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH);
    CHECK(largest <= limit + 1);
    CHECK(output.capacity <= limit + 1);
    wsu_buffer_free(&output);
    if (i == 0)
      memory = wsu_decompressor_memory(decompressor);
    CHECK_EQ(wsu_decompressor_memory(decompressor), memory);
  }
  CHECK(memory <= 32768 + 12288);
  check_inflates(decompressor, hex(HELLO), text("Hello"));
  wsu_decompressor_free(decompressor);
}

TEST("output takes memory as it comes, not as it is allowed") {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, false);
  wsu_buffer_t output = {0};
  test_bytes_t message = deflate_plainly(hex("61*1000"), -1, 15, 8);

  largest = 0;
  CHECK_EQ(wsu_decompress(decompressor, message.data, message.len, true,
                          (size_t)1 << 30, &output),
           0);
  CHECK_EQ(wsu_buffer_length(&output), 1000);
  CHECK(output.capacity <= 4096);
  wsu_buffer_free(&output);
  wsu_decompressor_free(decompressor);
}

TEST("memory is what the header says") {
  wsu_compressor_options_t options = options_of(15, true);
  wsu_compressor_t *quick = wsu_compressor_new(&options);
  wsu_decompressor_t *decompressor = wsu_decompressor_new(12, true);
  size_t before = wsu_decompressor_memory(decompressor);
  size_t stock = (4 << 15) + (512 << 8) + 6144;
  wsu_buffer_t output = {0};
  wsu_compressor_t *compressor;

  options.level = 6;
  compressor = wsu_compressor_new(&options);
  CHECK_EQ(compress_message(compressor, text("Hello"), &output), 0);
  CHECK_EQ(compress_message(quick, text("Hello"), &output), 0);
  wsu_buffer_free(&output);
  CHECK(wsu_compressor_memory(quick) >= 48 * 1024);
  CHECK(wsu_compressor_memory(quick) <= 49 * 1024);
  CHECK(wsu_compressor_memory(compressor) >= stock - 512);
  CHECK(wsu_compressor_memory(compressor) <= stock + 32768);
  CHECK(before <= 10240);
  check_inflates(decompressor, hex(HELLO), text("Hello"));
  CHECK(wsu_decompressor_memory(decompressor) >= before + 4096);
  CHECK(wsu_decompressor_memory(decompressor) <= before + 4096 + 64);
  wsu_compressor_free(quick);
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

TEST("zlib gets all memory of a compressor at once, or none") {
  for (int window_bits = 8; window_bits <= 15; window_bits++) {
    for (int mem_level = 1; mem_level <= 9; mem_level++) {
      wsu_compressor_options_t options = options_of(window_bits, false);
      wsu_compressor_t *compressor;
      wsu_buffer_t output = {0};

      options.level = 1;
      options.mem_level = mem_level;
      compressor = wsu_compressor_new(&options);
      test_about("windowBits", (size_t)window_bits);
      CHECK(wsu_buffer_reserve(&output, 1024, 0) != NULL);
      fail_at(2);
      CHECK_EQ(compress_message(compressor, hex("61*100"), &output), 0);
      CHECK_EQ(calls, 1);
      fail_at(0);
      wsu_buffer_free(&output);
      wsu_compressor_free(compressor);
    }
  }
}

TEST("every allocation of a compressor may fail") {
  test_bytes_t message = noise(400000);
  test_bytes_t expected = deflate_plainly(message, -1, 15, 8);
  bool has_failed = true;

  for (size_t n = 1; has_failed; n++) {
    wsu_buffer_t output = {0};
    wsu_compressor_t *compressor;

    test_about("allocation", n);
    fail_at(n);
    compressor = new_compressor(15, true);
    if (compressor == NULL)
      continue;
    has_failed = compress_message(compressor, message, &output) != 0;
    CHECK_EQ(has_failed, calls >= n);
    fail_at(0);
    if (has_failed) {
      CHECK_EQ(wsu_buffer_length(&output), 0);
      CHECK_EQ(compress_message(compressor, message, &output), 0);
    }
    check_output(&output, expected);
    wsu_compressor_free(compressor);
  }
}

TEST("every allocation of a decompressor may fail") {
  test_bytes_t message = deflate_plainly(hex("61*500000"), -1, 15, 8);
  test_bytes_t expected = hex("61*500000");
  bool has_failed = true;

  for (size_t n = 1; has_failed; n++) {
    wsu_buffer_t output = {0};
    wsu_decompressor_t *decompressor;
    int err;

    test_about("allocation", n);
    fail_at(n);
    decompressor = wsu_decompressor_new(15, true);
    if (decompressor == NULL)
      continue;
    err = wsu_decompress(decompressor, message.data, message.len, true, 0,
                         &output);
    has_failed = calls >= n;
    fail_at(0);
    CHECK_EQ(err, has_failed ? WSU_ERR_OUT_OF_MEMORY : 0);
    wsu_buffer_free(&output);
    check_inflates(decompressor, message, expected);
    wsu_decompressor_free(decompressor);
  }
}

int main(void) {
  return test_run();
}
