/*
 * Encodes messages in fragments, decodes them in chunks and puts them together:
 * what comes out is what went in, or the error that a model expects, which
 * judges the bytes so far as a whole. An allocation fails if the input says so.
 * The input:
 *
 *   6 bytes  bits: 0 server role, 1 keeps_lengths, 2 skips_utf8_validation, 3
 *            read instead of take, 4 shares the buffer; max_payload, in units
 *            of 16; max_fragments; max_chunks; the allocation that fails; the
 *            size of chunks, 0: each has a byte of its own
 *   then     for each fragment: 1 byte (bits: 0 ends its message, 1 binary, 2
 *            compressed, 3 payload from the input instead of a pattern) and a
 *            length: see fuzz_length()
 */
#include "message.h"

#include "error.h"
#include "fuzz.h"
#include "mask.h"

#define PAYLOAD_MAX 2048u
#define FRAGMENTS_MAX 64u

typedef struct model {
  wsu_message_limits_t limits;
  uint8_t bytes[FRAGMENTS_MAX * PAYLOAD_MAX]; /* of the message so far */
  size_t len;
  uint64_t declared;
  uint64_t lengths[FRAGMENTS_MAX];
  size_t count; /* of lengths */
  uint32_t fragments;
  uint32_t chunks;
  bool is_text;
  bool is_direct;
} model_t;

/* How many bytes the character at `bytes` has; 0: it cannot be one. */
static size_t sequence_length(const uint8_t *bytes, size_t left) {
  /* RFC 3629, 4. */
  static const struct {
    uint8_t first[2];
    uint8_t second[2];
    size_t len;
  } rows[] = {
      {{0x00, 0x7f}, {0x80, 0xbf}, 1}, {{0xc2, 0xdf}, {0x80, 0xbf}, 2},
      {{0xe0, 0xe0}, {0xa0, 0xbf}, 3}, {{0xe1, 0xec}, {0x80, 0xbf}, 3},
      {{0xed, 0xed}, {0x80, 0x9f}, 3}, {{0xee, 0xef}, {0x80, 0xbf}, 3},
      {{0xf0, 0xf0}, {0x90, 0xbf}, 4}, {{0xf1, 0xf3}, {0x80, 0xbf}, 4},
      {{0xf4, 0xf4}, {0x80, 0x8f}, 4},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    if (bytes[0] < rows[i].first[0] || bytes[0] > rows[i].first[1])
      continue;
    for (size_t j = 1; j < rows[i].len && j < left; j++) {
      uint8_t low = j == 1 ? rows[i].second[0] : 0x80;
      uint8_t high = j == 1 ? rows[i].second[1] : 0xbf;

      if (bytes[j] < low || bytes[j] > high)
        return 0;
    }
    return rows[i].len;
  }
  return 0;
}

/* Whether the text is valid, or, unless it `ends`, may become so. */
static bool is_text(const uint8_t *bytes, size_t len, bool ends) {
  size_t pos = 0;

  while (pos < len) {
    size_t n = sequence_length(bytes + pos, len - pos);

    if (n == 0)
      return false;
    if (n > len - pos)
      return !ends;
    pos += n;
  }
  return true;
}

static int start_frame(model_t *model, const wsu_frame_t *frame) {
  if (frame->opcode != WSU_OPCODE_CONTINUATION) {
    model->len = model->count = 0;
    model->declared = 0;
    model->fragments = 0;
    model->is_text = frame->opcode == WSU_OPCODE_TEXT && !frame->rsv1 &&
                     !model->limits.skips_utf8_validation;
  }
  model->chunks = 0;
  model->declared += frame->length;
  model->fragments++;
  if (model->limits.max_payload != 0 &&
      model->declared > model->limits.max_payload)
    return WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH;
  if (model->limits.max_fragments != 0 &&
      model->fragments > model->limits.max_fragments)
    return WSU_ERR_TOO_MANY_FRAGMENTS;
  if (frame->length > 0)
    model->lengths[model->count++] = frame->length;
  return 0;
}

/* What wsu_message_add() has to return. */
static int expect_part(model_t *model, const wsu_part_t *part) {
  bool is_last = part->ends && part->frame->fin;

  if (part->starts) {
    int err = start_frame(model, part->frame);

    if (err)
      return err;
  }
  for (size_t i = 0; i < part->length; i++)
    model->bytes[model->len++] = part->payload[i] ^ part->key[i % 4];
  /* A message in one piece is judged when it is read. */
  model->is_direct =
      part->starts && is_last && part->frame->opcode != WSU_OPCODE_CONTINUATION;
  if (model->is_direct)
    return 1;
  if (part->length > 0 && model->limits.max_chunks != 0 &&
      ++model->chunks > model->limits.max_chunks)
    return WSU_ERR_TOO_MANY_CHUNKS;
  if (model->is_text && !is_text(model->bytes, model->len, is_last))
    return WSU_ERR_INVALID_UTF8;
  return is_last;
}

static void check_lengths(const wsu_message_t *message, const model_t *model) {
  size_t count;
  const uint64_t *lengths = wsu_message_lengths(message, &count);

  EXPECT(count == model->count);
  for (size_t i = 0; i < count; i++)
    EXPECT(lengths[i] == model->lengths[i]);
}

/* Reads or takes the message. Returns whether decoding goes on. */
static bool check_message(wsu_message_t *message, const model_t *model,
                          bool reads, wsu_buffer_t *buffer) {
  int expected = 0;
  int err;

  EXPECT(wsu_message_length(message) == model->len);
  if (message->keeps_lengths)
    check_lengths(message, model);
  if (model->is_text && !is_text(model->bytes, model->len, true))
    expected = WSU_ERR_INVALID_UTF8;
  if (reads) {
    uint8_t *dest = fuzz_alloc(model->len);

    err = wsu_message_read(message, dest, &model->limits);
    EXPECT(err == expected);
    EXPECT(err != 0 || memcmp(dest, model->bytes, model->len) == 0);
    free(dest);
  } else {
    err = wsu_message_take(message, buffer, &model->limits);
    if (fuzz_stop_failing())
      expected = WSU_ERR_OUT_OF_MEMORY;
    EXPECT(err == expected);
    EXPECT(err != 0 || wsu_buffer_length(buffer) == model->len);
    EXPECT(err != 0 || model->len == 0 ||
           memcmp(wsu_buffer_bytes(buffer), model->bytes, model->len) == 0);
  }
  EXPECT(message->collected.data == NULL && message->lengths.data == NULL);
  return err == 0;
}

/* Encodes fragments as the input says, to `stream`. Returns their length. */
static size_t encode_messages(fuzz_input_t *input, bool masks,
                              uint8_t *stream) {
  bool in_message = false;
  size_t len = 0;

  for (size_t i = 0; i < FRAGMENTS_MAX && input->len > 0; i++) {
    uint8_t bits = fuzz_byte(input);
    wsu_frame_t frame = {
        .fin = (bits & 1) != 0,
        .opcode = in_message ? WSU_OPCODE_CONTINUATION
                  : bits & 2 ? WSU_OPCODE_BINARY
                             : WSU_OPCODE_TEXT,
        .rsv1 = !in_message && (bits & 4) != 0,
        .masked = masks,
        .length = fuzz_length(input, PAYLOAD_MAX),
    };

    for (size_t j = 0; masks && j < 4; j++)
      frame.mask_key[j] = (uint8_t)(bits * 31u + i * 7u + j * 101u);
    len += wsu_frame_encode_header(stream + len, &frame);
    for (size_t j = 0; j < frame.length; j++, len++) {
      static const char pattern[] = "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9z";
      uint8_t byte = (uint8_t)pattern[j % (sizeof(pattern) - 1)];

      stream[len] =
          (bits & 8 ? fuzz_byte(input) : byte) ^ frame.mask_key[j % 4];
    }
    in_message = !frame.fin;
  }
  return len;
}

typedef struct reader {
  wsu_decoder_t decoder;
  wsu_message_t message;
  wsu_buffer_t buffer;
  model_t model;
  bool reads;
  bool shares; /* the buffer for one message after the other */
} reader_t;

/* Adds a part. Returns whether decoding goes on. */
static bool add(reader_t *reader, const wsu_part_t *part) {
  wsu_message_t *message = &reader->message;
  int expected = expect_part(&reader->model, part);
  int result = wsu_message_add(message, part, &reader->model.limits);
  size_t len = reader->model.len;

  if (fuzz_stop_failing()) {
    EXPECT(result == WSU_ERR_OUT_OF_MEMORY);
    return false;
  }
  EXPECT(result == expected);
  /* Memory comes with the bytes that are there, not with those declared. */
  EXPECT(message->collected.capacity <= (len < 128 ? 256 : 2 * len));
  if (result == 1) {
    bool goes_on =
        check_message(message, &reader->model, reader->reads, &reader->buffer);

    if (!reader->shares)
      wsu_buffer_free(&reader->buffer);
    return goes_on;
  }
  return result == 0;
}

/* Returns whether decoding goes on. */
static bool feed(reader_t *reader, const uint8_t *bytes, size_t len) {
  uint8_t *copy = fuzz_copy(bytes, len);
  bool goes_on = true;
  size_t pos = 0;
  wsu_part_t part;
  size_t consumed;

  while (goes_on && wsu_decoder_next(&reader->decoder, copy + pos, len - pos,
                                     &consumed, &part) == 1) {
    pos += consumed;
    goes_on = add(reader, &part);
  }
  EXPECT(reader->decoder.err == 0);
  free(copy);
  return goes_on;
}

static void read_options(reader_t *reader, fuzz_input_t *input, uint8_t bits) {
  reader->message.keeps_lengths = (bits & 2) != 0;
  reader->reads = (bits & 8) != 0;
  reader->shares = (bits & 16) != 0;
  reader->model.limits = (wsu_message_limits_t){
      .skips_utf8_validation = (bits & 4) != 0,
      .max_payload = 16u * fuzz_byte(input),
      .max_fragments = fuzz_byte(input),
      .max_chunks = fuzz_byte(input),
  };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t stream[FRAGMENTS_MAX * (PAYLOAD_MAX + WSU_FRAME_HEADER_MAX)];
  static reader_t reader;
  fuzz_input_t input = {data, size};
  uint8_t bits = fuzz_byte(&input);
  size_t nth;
  size_t chunk;
  size_t len;
  size_t pos = 0;
  bool goes_on = true;

  reader = (reader_t){0};
  read_options(&reader, &input, bits);
  nth = fuzz_byte(&input);
  chunk = fuzz_byte(&input);
  len = encode_messages(&input, (bits & 1) != 0, stream);
  wsu_decoder_init(&reader.decoder, (bits & 1) != 0, true);

  fuzz_fail_alloc(FUZZ_CORE, nth);
  for (size_t i = 0; goes_on && pos < len; i++) {
    size_t n = chunk > 0 ? chunk : 1u + data[i % size];

    if (n > len - pos)
      n = len - pos;
    goes_on = feed(&reader, stream + pos, n);
    pos += n;
  }
  (void)fuzz_stop_failing();
  wsu_message_reset(&reader.message);
  EXPECT(reader.message.collected.data == NULL &&
         reader.message.lengths.data == NULL);
  wsu_buffer_free(&reader.buffer);
  return 0;
}
