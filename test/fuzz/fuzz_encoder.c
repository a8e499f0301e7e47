/*
 * Encodes messages one after the other and inflates them again. The input: 1
 * byte, whose low 3 bits are window bits, less 8, bit 3 context takeover, and
 * the others how often the rest is repeated, so that a small input can fill a
 * history. That is the message, which is encoded whole, and then in two
 * fragments. Before that there is no memory for it, which must leave no trace.
 */
#include "encoder.h"

#include "deflate.h"
#include "error.h"
#include "fuzz.h"

typedef struct peers {
  wsu_encoder_t *encoder;
  wsu_encoder_window_t window;
  wsu_decompressor_t *decompressor;
} peers_t;

static int encode(const peers_t *peers, const uint8_t *bytes, size_t len,
                  bool ends, bool may_refuse, wsu_buffer_t *output) {
  uint8_t *copy = fuzz_copy(bytes, len);
  int result;

  result = wsu_encode(peers->encoder, &peers->window, copy, len, ends,
                      may_refuse, output);
  free(copy);
  return result;
}

/* An encoder that finds no memory leaves everything as it was. */
static void encode_without_memory(const peers_t *peers, const uint8_t *bytes,
                                  size_t len) {
  wsu_buffer_t output = {0};

  fuzz_fail_alloc(FUZZ_CORE, 1);
  EXPECT(encode(peers, bytes, len, true, false, &output) ==
         WSU_ERR_OUT_OF_MEMORY);
  EXPECT(fuzz_stop_failing() && output.data == NULL);
}

static void check(const peers_t *peers, const uint8_t *bytes, size_t first,
                  size_t len) {
  wsu_buffer_t compressed = {0};
  wsu_buffer_t output = {0};
  bool is_whole = first == 0;

  if (!is_whole)
    EXPECT(encode(peers, bytes, first, false, false, &compressed) == 0);
  if (encode(peers, bytes + first, len - first, true, is_whole, &compressed) ==
      0) {
    for (size_t i = 0; i < wsu_buffer_length(&compressed); i++)
      EXPECT(wsu_decompress(
                 peers->decompressor, wsu_buffer_bytes(&compressed) + i, 1,
                 i + 1 == wsu_buffer_length(&compressed), len, &output) == 0);
    EXPECT(!is_whole || wsu_buffer_length(&compressed) < len);
    EXPECT(wsu_buffer_length(&output) == len &&
           memcmp(wsu_buffer_bytes(&output), bytes, len) == 0);
  } else {
    EXPECT(is_whole);
  }
  wsu_buffer_free(&compressed);
  wsu_buffer_free(&output);
}

/* The copies differ in a byte, which ends what they have in common. */
static uint8_t *repeat(const uint8_t *bytes, size_t len, size_t times) {
  uint8_t *message = fuzz_alloc(len * times);

  for (size_t i = 0; i < times; i++) {
    memcpy(message + i * len, bytes, len);
    message[i * len + i * 7 % len] ^= (uint8_t)i;
  }
  return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peers_t peers;
  size_t times;
  uint8_t *message;
  int window_bits;

  if (size < 2 || size - 1 > WSU_ENCODER_MESSAGE_MAX)
    return 0;
  times = 1 + (data[0] >> 4);
  if (times > WSU_ENCODER_MESSAGE_MAX / (size - 1))
    times = WSU_ENCODER_MESSAGE_MAX / (size - 1);
  window_bits = 8 + (data[0] & 7);
  peers.encoder = malloc(sizeof(*peers.encoder));
  peers.window = (wsu_encoder_window_t){
      .history = calloc(1, sizeof(*peers.window.history)),
      .size = (size_t)1 << window_bits,
      .takes_over = (data[0] & 8) != 0,
  };
  peers.decompressor =
      wsu_decompressor_new(window_bits, peers.window.takes_over);
  EXPECT(peers.encoder != NULL && peers.window.history != NULL &&
         peers.decompressor != NULL);
  wsu_encoder_init(peers.encoder);
  message = repeat(data + 1, size - 1, times);
  size = (size - 1) * times;
  for (int i = 0; i < 3; i++) {
    encode_without_memory(&peers, message, size);
    check(&peers, message, 0, size);
    if (size > 1)
      check(&peers, message, size / 2, size);
  }
  free(message);
  wsu_decompressor_free(peers.decompressor);
  free(peers.window.history);
  free(peers.encoder);
  return 0;
}
