#include "encoder.h"

#include "deflate.h"
#include "error.h"
#include "test.h"

void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *failing_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

static bool fails;

void *failing_realloc(void *memory, size_t size) {
  return fails ? NULL : real_realloc(memory, size);
}

static wsu_history_t *new_history(void) {
  wsu_history_t *history = test_alloc(sizeof(*history));

  memset(history, 0, sizeof(*history));
  return history;
}

/* Encodes a whole message that refers to no other one. */
static int encode(wsu_encoder_t *encoder, const uint8_t *bytes, size_t len,
                  int window_bits, wsu_buffer_t *output) {
  static wsu_history_t history;
  const wsu_encoder_window_t window = {&history, (size_t)1 << window_bits,
                                       false};

  return wsu_encode(encoder, &window, bytes, len, true, true, output);
}

static wsu_encoder_t *new_encoder(void) {
  wsu_encoder_t *encoder = test_alloc(sizeof(*encoder));

  wsu_encoder_init(encoder);
  return encoder;
}

/* Inflates byte by byte, so that zlib has its window alone to look back. */
static void check_inflates(const wsu_buffer_t *compressed, int window_bits,
                           const uint8_t *bytes, size_t len) {
  wsu_decompressor_t *decompressor = wsu_decompressor_new(window_bits, false);
  wsu_buffer_t output = {0};
  size_t count = wsu_buffer_length(compressed);
  int err = 0;

  for (size_t i = 0; i < count && err == 0; i++)
    err = wsu_decompress(decompressor, wsu_buffer_bytes(compressed) + i, 1,
                         i + 1 == count, 0, &output);
  CHECK_EQ(err, 0);
  CHECK_BYTES(wsu_buffer_bytes(&output), wsu_buffer_length(&output),
              ((test_bytes_t){(uint8_t *)bytes, len}));
  wsu_buffer_free(&output);
  wsu_decompressor_free(decompressor);
}

/*
 * Fills in bytes of an alphabet of `letters`, with repetitions, some of them
 * long; the first letters are much more frequent if `skew` is set.
 */
static void fill(uint8_t *bytes, size_t len, unsigned letters, bool skew) {
  size_t pos = 0;

  while (pos < len) {
    size_t run = 1 + test_random_size(300);

    if (pos > 0 && test_random_below(3) == 0) {
      size_t distance = 1 + test_random_below(pos);

      for (; run > 0 && pos < len; run--, pos++)
        bytes[pos] = bytes[pos - distance];
      continue;
    }
    for (run = run % 20 + 1; run > 0 && pos < len; run--) {
      size_t letter = test_random_below(letters);

      if (skew)
        letter = test_random_below(letter + 1) * test_random_below(2);
      bytes[pos++] = (uint8_t)(letter * 7);
    }
  }
}

TEST("what was encoded is inflated, with any sizes, letters and windows") {
  wsu_encoder_t *encoder = new_encoder();
  guard_t guard = guard_new(WSU_ENCODER_MESSAGE_MAX);
  uint8_t *bytes = test_alloc(WSU_ENCODER_MESSAGE_MAX);
  size_t encoded = 0;

  for (size_t i = 0; i < 4000; i++) {
    size_t len = 1 + test_random_size(WSU_ENCODER_MESSAGE_MAX - 1);
    int window_bits = 8 + (int)test_random_below(8);
    wsu_buffer_t output = {0};
    int result;

    test_about("length", len);
    fill(bytes, len, 1 + (unsigned)test_random_below(256),
         test_random_below(2) == 0);
    result = encode(encoder, guard_at_end(&guard, bytes, len), len, window_bits,
                    &output);
    if (result == 0) {
      encoded++;
      CHECK(wsu_buffer_length(&output) < len);
      check_inflates(&output, window_bits, bytes, len);
    } else {
      CHECK_EQ(result, WSU_COMPRESS_NOT_SMALLER);
      CHECK_EQ(wsu_buffer_length(&output), 0);
    }
    wsu_buffer_free(&output);
  }
  CHECK(encoded > 1000);
  guard_free(&guard);
}

TEST("the deepest codes that a message can have are inflated") {
  wsu_encoder_t *encoder = new_encoder();
  uint8_t *bytes = test_alloc(WSU_ENCODER_MESSAGE_MAX);
  wsu_buffer_t output = {0};
  uint32_t state = 1;
  size_t len = 0;
  size_t a = 1;
  size_t b = 1;

  /* Frequencies of Fibonacci make the deepest tree; mixed to have no match. */
  for (uint8_t letter = 0; letter < 16; letter++) {
    for (size_t i = 0; i < b && len < WSU_ENCODER_MESSAGE_MAX; i++)
      bytes[len++] = letter;
    b += a;
    a = b - a;
  }
  for (size_t i = len - 1; i > 0; i--) {
    size_t k;
    uint8_t byte = bytes[i];

    state = state * 1664525u + 1013904223u;
    k = (state >> 8) % (i + 1);
    bytes[i] = bytes[k];
    bytes[k] = byte;
  }
  CHECK_EQ(encode(encoder, bytes, len, 15, &output), 0);
  check_inflates(&output, 15, bytes, len);
  wsu_buffer_free(&output);
}

TEST("runs of every length are inflated") {
  wsu_encoder_t *encoder = new_encoder();
  uint8_t *bytes = test_alloc(WSU_ENCODER_MESSAGE_MAX);

  memset(bytes, 'a', WSU_ENCODER_MESSAGE_MAX);
  for (size_t len = 8; len <= WSU_ENCODER_MESSAGE_MAX; len += len / 300 + 1) {
    wsu_buffer_t output = {0};

    test_about("length", len);
    CHECK_EQ(encode(encoder, bytes, len, 8, &output), 0);
    check_inflates(&output, 8, bytes, len);
    wsu_buffer_free(&output);
  }
}

TEST("messages and fragments that refer to those before are inflated") {
  wsu_encoder_t *encoder = new_encoder();
  uint8_t *bytes = test_alloc(WSU_ENCODER_MESSAGE_MAX);

  for (int window_bits = 8; window_bits <= 15; window_bits++) {
    const wsu_encoder_window_t window = {new_history(),
                                         (size_t)1 << window_bits, true};
    wsu_decompressor_t *decompressor = wsu_decompressor_new(window_bits, true);
    size_t sent = 0;
    size_t received = 0;

    for (size_t i = 0; i < 200; i++) {
      size_t len = 1 + test_random_size(i % 2 == 0 ? 1000 : 16383);
      size_t first = test_random_below(2) == 0 ? len : len / 2;
      wsu_buffer_t output = {0};
      wsu_buffer_t inflated = {0};
      int err = 0;

      test_about("length", len);
      /* Now and then the same again, and now and then noise. */
      if (test_random_below(4) > 0)
        fill(bytes, WSU_ENCODER_MESSAGE_MAX,
             1 + (unsigned)test_random_below(256), false);
      if (first > 0 && first < len)
        CHECK_EQ(
            wsu_encode(encoder, &window, bytes, first, false, false, &output),
            0);
      else
        first = 0;
      CHECK_EQ(wsu_encode(encoder, &window, bytes + first, len - first, true,
                          false, &output),
               0);
      sent += wsu_buffer_length(&output);
      CHECK(wsu_buffer_length(&output) <= len + 20);
      for (size_t k = 0; k < wsu_buffer_length(&output) && err == 0; k++)
        err = wsu_decompress(decompressor, wsu_buffer_bytes(&output) + k, 1,
                             k + 1 == wsu_buffer_length(&output), 0, &inflated);
      CHECK_EQ(err, 0);
      CHECK_BYTES(wsu_buffer_bytes(&inflated), wsu_buffer_length(&inflated),
                  ((test_bytes_t){bytes, len}));
      received += len;
      wsu_buffer_free(&output);
      wsu_buffer_free(&inflated);
    }
    CHECK(sent < received);
    wsu_decompressor_free(decompressor);
  }
}

TEST("what is refused or fails leaves nothing in the history") {
  wsu_encoder_t *encoder = new_encoder();
  const wsu_encoder_window_t window = {new_history(), 1 << 15, true};
  wsu_decompressor_t *decompressor = wsu_decompressor_new(15, true);
  test_bytes_t noise = hex("000102030405060708090a0b0c0d0e0f");
  wsu_buffer_t output = {0};
  wsu_buffer_t inflated = {0};

  for (int i = 0; i < 3; i++) {
    CHECK_EQ(wsu_encode(encoder, &window, noise.data, noise.len, true, true,
                        &output),
             WSU_COMPRESS_NOT_SMALLER);
    fails = true;
    CHECK_EQ(wsu_encode(encoder, &window, noise.data, noise.len, true, false,
                        &output),
             WSU_ERR_OUT_OF_MEMORY);
    fails = false;
    CHECK_EQ(window.history->len, 0);
    CHECK_EQ(wsu_buffer_length(&output), 0);
  }
  CHECK_EQ(
      wsu_encode(encoder, &window, noise.data, noise.len, true, false, &output),
      0);
  CHECK_EQ(wsu_decompress(decompressor, output.data, wsu_buffer_length(&output),
                          true, 0, &inflated),
           0);
  CHECK_BYTES(wsu_buffer_bytes(&inflated), wsu_buffer_length(&inflated), noise);
  wsu_buffer_free(&output);
  wsu_buffer_free(&inflated);
  wsu_decompressor_free(decompressor);
}

TEST("what another has compressed can be referred to") {
  wsu_encoder_t *encoder = new_encoder();
  uint8_t *bytes = test_alloc(40000);

  for (size_t len = 1; len < 40000; len = len * 2 + 1) {
    const wsu_encoder_window_t window = {new_history(), 1 << 15, true};
    size_t count = len < 1000 ? len : 1000;
    wsu_buffer_t output = {0};

    test_about("length", len);
    for (size_t i = 0; i < len; i++)
      bytes[i] = (uint8_t)test_random_below(256);
    wsu_history_learn(window.history, bytes, len);
    CHECK_EQ(wsu_encode(encoder, &window, bytes + len - count, count, true,
                        false, &output),
             0);
    if (count > 100)
      CHECK(wsu_buffer_length(&output) < count / 4);
    wsu_buffer_free(&output);
  }
}

TEST("the block comes behind what the buffer has, or not at all") {
  wsu_encoder_t *encoder = new_encoder();
  test_bytes_t message = hex("61*300");
  test_bytes_t noise = hex("000102030405060708");
  wsu_buffer_t output = {0};

  fails = true;
  CHECK_EQ(encode(encoder, message.data, message.len, 15, &output),
           WSU_ERR_OUT_OF_MEMORY);
  fails = false;
  CHECK_EQ(encode(encoder, noise.data, noise.len, 15, &output),
           WSU_COMPRESS_NOT_SMALLER);
  CHECK_EQ(wsu_buffer_length(&output), 0);
  wsu_buffer_append(&output, noise.data, 2);
  CHECK_EQ(encode(encoder, message.data, message.len, 15, &output), 0);
  CHECK_BYTES(wsu_buffer_bytes(&output), 2, hex("0001"));
  wsu_buffer_consume(&output, 2);
  check_inflates(&output, 15, message.data, message.len);
  wsu_buffer_free(&output);
}

int main(void) {
  return test_run();
}
