/*
 * Inflates a message whole and in pieces, which must come to the same, holds it
 * against plain zlib, and compresses the same bytes and inflates them again.
 * All of that is also tried with an allocation that fails (see fuzz_nth). The
 * input:
 *
 *   1 byte   bit 0 context takeover, 1 to 3 window bits less 8, 4 to 6 index
 *            of max_output
 *   1 byte   low 4 bits: how many sizes of pieces follow; high 4: level, and
 *            zlib's default with the encoder of small messages above 9
 *   n bytes  the sizes of the pieces, over and over
 *   rest     the message
 */
#include "deflate.h"

#include <zlib.h>

#include "error.h"
#include "fuzz.h"

/* More is not inflated; a few bytes can stand for a thousand times as many. */
#define OUTPUT_MAX 100000

typedef struct input {
  int window_bits;
  int level;
  bool takes_over;
  size_t max_output;
  const uint8_t *sizes;
  size_t count;
  const uint8_t *bytes;
  size_t len;
} input_t;

static bool read_input(input_t *input, const uint8_t *data, size_t size) {
  static const size_t limits[] = {OUTPUT_MAX, 1, 5, 255, 256, 257, 1000, 65536};

  if (size < 2)
    return false;
  input->takes_over = (data[0] & 1) != 0;
  input->window_bits = 8 + (data[0] >> 1 & 7);
  input->max_output = limits[data[0] >> 4 & 7];
  input->level = data[1] >> 4 > 9 ? -1 : data[1] >> 4;
  input->count = data[1] & 15;
  if (input->count > size - 2)
    input->count = size - 2;
  input->sizes = data + 2;
  input->bytes = data + 2 + input->count;
  input->len = size - 2 - input->count;
  return true;
}

static int inflate_piece(wsu_decompressor_t *decompressor, const uint8_t *bytes,
                         size_t len, bool ends, size_t max_output,
                         wsu_buffer_t *output) {
  uint8_t *copy = fuzz_copy(bytes, len);
  int err = wsu_decompress(decompressor, copy, len, ends, max_output, output);

  free(copy);
  EXPECT(wsu_buffer_length(output) <= max_output + 1);
  EXPECT(output->capacity <= (max_output < 256 ? 256 : max_output) + 1);
  return err;
}

static int inflate_in_pieces(const input_t *input,
                             wsu_decompressor_t *decompressor,
                             wsu_buffer_t *output) {
  size_t pos = 0;

  for (size_t i = 0;; i++) {
    size_t size = input->count == 0 ? 1 : input->sizes[i % input->count];
    bool ends;
    int err;

    if (size > input->len - pos || i > 4 * input->len + 64)
      size = input->len - pos;
    ends = pos + size == input->len;
    err = inflate_piece(decompressor, input->bytes + pos, size, ends,
                        input->max_output, output);
    if (err != 0 || ends)
      return err;
    pos += size;
  }
}

/*
 * Whether a distance has left a window that has to be no larger. zlib looks at
 * that only where it has to look into the window, and not into what it has just
 * written: with other pieces it goes on, into another error or none.
 */
static bool is_too_far(const input_t *input, int err) {
  return input->window_bits < 15 && err == WSU_ERR_DISTANCE_TOO_FAR;
}

static void expect_same(const wsu_buffer_t *actual,
                        const wsu_buffer_t *expected) {
  size_t len = wsu_buffer_length(expected);

  EXPECT(wsu_buffer_length(actual) == len);
  if (len > 0)
    EXPECT(memcmp(wsu_buffer_bytes(actual), wsu_buffer_bytes(expected), len) ==
           0);
}

/*
 * What plain zlib makes of the message, if it has no block with BFINAL set and
 * no end that is too early; otherwise -1.
 */
static int reference(const input_t *input, uint8_t *dest, size_t *len) {
  z_stream stream = {0};
  int bits = input->window_bits < 9 ? 9 : input->window_bits;
  uint8_t *bytes = fuzz_alloc(input->len + 4);
  int result;

  EXPECT(inflateInit2(&stream, -bits) == Z_OK);
  if (input->len > 0)
    memcpy(bytes, input->bytes, input->len);
  memcpy(bytes + input->len, "\x00\x00\xff\xff", 4);
  stream.next_in = bytes;
  stream.avail_in = (uInt)input->len + 4;
  stream.next_out = dest;
  stream.avail_out = OUTPUT_MAX + 1;
  result = inflate(&stream, Z_SYNC_FLUSH);
  *len = OUTPUT_MAX + 1 - stream.avail_out;
  inflateEnd(&stream);
  free(bytes);
  if (result == Z_DATA_ERROR)
    return 1;
  return result == Z_OK && stream.avail_in == 0 && stream.avail_out > 0 ? 0
                                                                        : -1;
}

static void check_reference(const input_t *input, int err,
                            const wsu_buffer_t *output) {
  uint8_t *dest = fuzz_alloc(OUTPUT_MAX + 1);
  size_t len;
  int expected;

  expected = reference(input, dest, &len);
  if (expected == 1)
    EXPECT(err != 0);
  if (is_too_far(input, err))
    expected = -1;
  if (expected == 0 && len <= input->max_output)
    EXPECT(err == 0 && wsu_buffer_length(output) == len &&
           (len == 0 || memcmp(wsu_buffer_bytes(output), dest, len) == 0));
  if (expected == 0 && len > input->max_output)
    EXPECT(err == WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH);
  free(dest);
}

/* A decompressor that has failed is as good as a new one. */
static void check_usable(wsu_decompressor_t *decompressor, bool takes_over) {
  static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
  wsu_buffer_t output = {0};

  for (int i = 0; i < 2; i++)
    EXPECT(wsu_decompress(decompressor, hello, sizeof(hello), true, 0,
                          &output) == 0);
  EXPECT(wsu_buffer_length(&output) == 10 &&
         memcmp(wsu_buffer_bytes(&output), "HelloHello", 10) == 0);
  EXPECT(wsu_decompressor_is_idle(decompressor) == !takes_over);
  wsu_buffer_free(&output);
}

static void check_failing(const input_t *input, int expected) {
  wsu_decompressor_t *decompressor;
  wsu_buffer_t output = {0};
  int err = WSU_ERR_OUT_OF_MEMORY;

  fuzz_fail_alloc(FUZZ_CORE, fuzz_nth(input->bytes, input->len));
  decompressor = wsu_decompressor_new(input->window_bits, input->takes_over);
  if (decompressor != NULL)
    err = inflate_in_pieces(input, decompressor, &output);
  /* A message that is too long is so without its last allocation, too. */
  if (fuzz_stop_failing())
    EXPECT(err == WSU_ERR_OUT_OF_MEMORY || is_too_far(input, err) ||
           is_too_far(input, expected) || (err != 0 && err == expected));
  else
    EXPECT(err == expected || is_too_far(input, err) ||
           is_too_far(input, expected));
  if (decompressor != NULL)
    check_usable(decompressor, input->takes_over);
  wsu_buffer_free(&output);
  wsu_decompressor_free(decompressor);
}

static void check_inflate(const input_t *input) {
  wsu_decompressor_t *whole =
      wsu_decompressor_new(input->window_bits, input->takes_over);
  wsu_decompressor_t *pieces =
      wsu_decompressor_new(input->window_bits, input->takes_over);
  wsu_buffer_t expected = {0};
  wsu_buffer_t actual = {0};
  int err;
  int err_in_pieces;

  EXPECT(whole != NULL && pieces != NULL);
  /* The second message may refer to the first. */
  for (int i = 0; i < 2; i++) {
    wsu_buffer_free(&expected);
    wsu_buffer_free(&actual);
    err = inflate_piece(whole, input->bytes, input->len, true,
                        input->max_output, &expected);
    err_in_pieces = inflate_in_pieces(input, pieces, &actual);
    if (i == 0) {
      check_reference(input, err, &expected);
      check_failing(input, err);
    }
    /* What follows has another context in either. */
    if (is_too_far(input, err) != is_too_far(input, err_in_pieces))
      break;
    EXPECT(err_in_pieces == err);
    if (err == 0)
      expect_same(&actual, &expected);
  }
  check_usable(whole, input->takes_over);
  check_usable(pieces, input->takes_over);
  wsu_buffer_free(&expected);
  wsu_buffer_free(&actual);
  wsu_decompressor_free(whole);
  wsu_decompressor_free(pieces);
}

static wsu_encoder_t *the_encoder(void) {
  static wsu_encoder_t encoder;
  static bool is_ready;

  if (!is_ready)
    wsu_encoder_init(&encoder);
  is_ready = true;
  return &encoder;
}

/*
 * Compresses one piece, again if an allocation has failed. `output` is as it
 * was if it does not get smaller.
 */
static int compress_piece(wsu_compressor_t *compressor, const uint8_t *bytes,
                          size_t len, bool starts, bool ends,
                          wsu_buffer_t *output) {
  uint8_t *copy = fuzz_copy(bytes, len);
  size_t before = wsu_buffer_length(output);
  int result =
      wsu_compress(compressor, the_encoder(), copy, len, starts, ends, output);

  if (fuzz_stop_failing()) {
    EXPECT(result == WSU_ERR_OUT_OF_MEMORY);
    EXPECT(wsu_buffer_length(output) == before);
    result = wsu_compress(compressor, the_encoder(), copy, len, starts, ends,
                          output);
  }
  free(copy);
  if (result == 0)
    return 0;
  EXPECT(result == WSU_COMPRESS_NOT_SMALLER && starts && ends &&
         wsu_buffer_length(output) == before);
  return result;
}

static void compress_in_pieces(const input_t *input,
                               wsu_compressor_t *compressor,
                               wsu_buffer_t *output) {
  size_t first = input->count == 0 ? 1 : input->sizes[0];

  if (first > input->len)
    first = input->len;
  EXPECT(compress_piece(compressor, input->bytes, first, true, false, output) ==
         0);
  EXPECT(compress_piece(compressor, input->bytes + first, input->len - first,
                        false, true, output) == 0);
}

static void check_round_trip(const input_t *input) {
  const wsu_compressor_options_t options = {.level = input->level,
                                            .mem_level =
                                                1 + (input->level + 1) % 9,
                                            .window_bits = input->window_bits,
                                            .takes_over = input->takes_over};
  wsu_compressor_t *compressor = wsu_compressor_new(&options);
  wsu_decompressor_t *decompressor =
      wsu_decompressor_new(input->window_bits, input->takes_over);

  EXPECT(compressor != NULL && decompressor != NULL);
  for (int i = 0; i < 4; i++) {
    wsu_buffer_t compressed = {0};
    wsu_buffer_t output = {0};

    fuzz_fail_alloc(FUZZ_CORE, fuzz_nth(input->bytes, input->len));
    if (i % 2 == 1) {
      compress_in_pieces(input, compressor, &compressed);
    } else if (compress_piece(compressor, input->bytes, input->len, true, true,
                              &compressed) != 0) {
      wsu_buffer_free(&compressed);
      continue;
    }
    EXPECT(wsu_decompress(decompressor, wsu_buffer_bytes(&compressed),
                          wsu_buffer_length(&compressed), true, 0,
                          &output) == 0);
    EXPECT(wsu_buffer_length(&output) == input->len);
    if (input->len > 0)
      EXPECT(memcmp(wsu_buffer_bytes(&output), input->bytes, input->len) == 0);
    wsu_buffer_free(&compressed);
    wsu_buffer_free(&output);
  }
  wsu_compressor_free(compressor);
  wsu_decompressor_free(decompressor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input_t input;

  if (!read_input(&input, data, size))
    return 0;
  check_inflate(&input);
  check_round_trip(&input);
  return 0;
}
