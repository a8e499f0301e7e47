#include "encoder.h"

#include <assert.h>
#include <string.h>

#include "deflate.h"
#include "error.h"
#include "huffman.h"

#define END_OF_BLOCK 256
#define CODE_LENGTHS 19 /* symbols of the code of code lengths */
#define CODE_LENGTH_BITS_MAX 7

/* A shorter message is not worth the search for better codes. */
#define DYNAMIC_MIN 160

/* Kinds of blocks (RFC 1951, 3.2.3). */
enum { STORED, FIXED, DYNAMIC };

/* Bits in front of a block. */
#define HEADER_BITS 3

/* Bytes of the lengths of a stored block. */
#define STORED_LENGTHS 4

/* A reference as a token: its distance above the bits of its length. */
#define LENGTH_BITS 9

/* What is written at once, beyond the end of the block too. */
#define SLACK 8

/* The rest of an empty stored block, which is not sent at a message's end. */
static const uint8_t TAIL[] = {0x00, 0x00, 0xff, 0xff};

/* The description of dynamic codes (RFC 1951, 3.2.7). */
typedef struct description {
  uint8_t symbol[WSU_ENCODER_LITERALS + WSU_ENCODER_DISTANCES];
  uint8_t extra[WSU_ENCODER_LITERALS + WSU_ENCODER_DISTANCES];
  size_t count;
  uint32_t literals;
  uint32_t distances;
  uint32_t code_lengths;
  uint16_t code[CODE_LENGTHS];
  uint8_t code_len[CODE_LENGTHS];
} description_t;

typedef struct writer {
  uint64_t bits;
  unsigned count;
  uint8_t *dest;
} writer_t;

/* A symbol and the bits behind its code. */
typedef struct symbol {
  uint32_t code;
  uint32_t extra_bits;
  uint32_t extra;
} symbol_t;

static const uint8_t code_length_order[CODE_LENGTHS] = {
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

/* The number of the highest bit that is set; `number` is not 0. */
static uint32_t highest_bit(uint32_t number) {
#if defined(__GNUC__)
  return 31u - (uint32_t)__builtin_clz(number);
#else
  uint32_t bit = 0;

  while (number >>= 1)
    bit++;
  return bit;
#endif
}

/* RFC 1951, 3.2.5. */
static symbol_t length_symbol(uint32_t length) {
  uint32_t number = length - 3;
  uint32_t bits;

  if (length == WSU_MATCH_MAX)
    return (symbol_t){285, 0, 0};
  if (number < 8)
    return (symbol_t){257 + number, 0, 0};
  bits = highest_bit(number) - 2;
  return (symbol_t){261 + bits * 4 + (number >> bits & 3), bits,
                    number & ((1u << bits) - 1)};
}

static symbol_t distance_symbol(uint32_t distance) {
  uint32_t number = distance - 1;
  uint32_t bits;

  if (number < 4)
    return (symbol_t){number, 0, 0};
  bits = highest_bit(number) - 1;
  return (symbol_t){2 + bits * 2 + (number >> bits & 1), bits,
                    number & ((1u << bits) - 1)};
}

void wsu_encoder_init(wsu_encoder_t *encoder) {
  wsu_encoder_codes_t *fixed = &encoder->fixed;
  /* The code has two symbols more, which are never used. */
  uint16_t codes[WSU_HUFFMAN_SYMBOLS];
  uint8_t lengths[WSU_HUFFMAN_SYMBOLS];

  memset(encoder, 0, sizeof(*encoder));
  memset(lengths, 8, sizeof(lengths));
  memset(lengths + 144, 9, 112);
  memset(lengths + 256, 7, 24);
  wsu_huffman_assign(codes, lengths, WSU_HUFFMAN_SYMBOLS);
  memcpy(fixed->literal, codes, sizeof(fixed->literal));
  memcpy(fixed->literal_len, lengths, sizeof(fixed->literal_len));
  memset(fixed->distance_len, 5, sizeof(fixed->distance_len));
  wsu_huffman_assign(fixed->distance, fixed->distance_len,
                     WSU_ENCODER_DISTANCES);
}

static void add_literal(wsu_encoder_t *encoder, uint8_t byte) {
  encoder->tokens[encoder->count++] = byte;
  encoder->literals[byte]++;
}

static void add_reference(wsu_encoder_t *encoder, size_t distance,
                          size_t length) {
  encoder->tokens[encoder->count++] =
      (uint32_t)(distance << LENGTH_BITS | length);
  encoder->literals[length_symbol((uint32_t)length).code]++;
  encoder->distances[distance_symbol((uint32_t)distance).code]++;
}

/*
 * Turns the bytes from `start` on into tokens, with the longer match of those
 * that the history knows, and never looking for a better one further on.
 */
static void make_tokens(wsu_encoder_t *encoder,
                        const wsu_encoder_window_t *window, size_t start) {
  wsu_history_t *history = window->history;
  size_t lowest = window->takes_over ? 0 : start;
  size_t pos = start;

  encoder->count = 0;
  memset(encoder->literals, 0, sizeof(encoder->literals));
  memset(encoder->distances, 0, sizeof(encoder->distances));
  while (pos + WSU_MATCH_MIN <= history->len) {
    wsu_match_t match;
    size_t end;

    if (pos > window->size && pos - window->size > lowest)
      lowest = pos - window->size;
    match = wsu_history_find(history, pos, lowest);
    if (match.length == 0) {
      add_literal(encoder, history->bytes[pos++]);
      continue;
    }
    add_reference(encoder, pos - match.start, match.length);
    end = pos + match.length;
    while (++pos < end)
      if (pos + WSU_MATCH_MIN <= history->len)
        wsu_history_note(history, pos);
  }
  while (pos < history->len)
    add_literal(encoder, history->bytes[pos++]);
  encoder->literals[END_OF_BLOCK]++;
}

static uint32_t extra_bits_of(uint32_t code_length_symbol) {
  static const uint8_t bits[] = {2, 3, 7};

  return code_length_symbol < 16 ? 0 : bits[code_length_symbol - 16];
}

static void describe_run(description_t *description, uint32_t *counts,
                         uint8_t len, size_t run) {
  size_t first = len == 0 ? 0 : 1; /* lengths that are not repetitions */

  while (run > 0) {
    size_t taken = 1;
    uint8_t symbol = len;

    if (first == 0 && run >= 3) {
      size_t max = len == 0 ? 138 : 6;

      taken = run < max ? run : max;
      symbol = len != 0 ? 16 : taken < 11 ? 17 : 18;
    } else if (first > 0) {
      first--;
    }
    description->symbol[description->count] = symbol;
    description->extra[description->count++] =
        (uint8_t)(symbol < 16 ? 0 : taken - (symbol == 18 ? 11 : 3));
    counts[symbol]++;
    run -= taken;
  }
}

/* Returns the bits that the description takes. */
static size_t describe_codes(description_t *description,
                             const wsu_encoder_codes_t *codes) {
  uint8_t lengths[WSU_ENCODER_LITERALS + WSU_ENCODER_DISTANCES];
  uint32_t counts[CODE_LENGTHS] = {0};
  size_t total;
  size_t bits;

  description->count = 0;
  description->literals = WSU_ENCODER_LITERALS;
  while (codes->literal_len[description->literals - 1] == 0)
    description->literals--;
  description->distances = WSU_ENCODER_DISTANCES;
  while (codes->distance_len[description->distances - 1] == 0)
    description->distances--;
  total = description->literals + description->distances;
  memcpy(lengths, codes->literal_len, description->literals);
  memcpy(lengths + description->literals, codes->distance_len,
         description->distances);

  for (size_t i = 0, run; i < total; i += run) {
    for (run = 1; i + run < total && lengths[i + run] == lengths[i];)
      run++;
    describe_run(description, counts, lengths[i], run);
  }
  wsu_huffman_choose(description->code_len, counts, CODE_LENGTHS,
                     CODE_LENGTH_BITS_MAX);
  wsu_huffman_assign(description->code, description->code_len, CODE_LENGTHS);
  description->code_lengths = CODE_LENGTHS;
  while (
      description->code_len[code_length_order[description->code_lengths - 1]] ==
      0)
    description->code_lengths--;

  bits = 14 + 3 * (size_t)description->code_lengths;
  for (uint32_t i = 0; i < CODE_LENGTHS; i++)
    bits += counts[i] * (description->code_len[i] + extra_bits_of(i));
  return bits;
}

/* The bits of all tokens' codes, without the extra ones. */
static size_t measure(const wsu_encoder_t *encoder,
                      const wsu_encoder_codes_t *codes) {
  size_t bits = 0;

  for (size_t i = 0; i < WSU_ENCODER_LITERALS; i++)
    bits += (size_t)encoder->literals[i] * codes->literal_len[i];
  for (size_t i = 0; i < WSU_ENCODER_DISTANCES; i++)
    bits += (size_t)encoder->distances[i] * codes->distance_len[i];
  return bits;
}

/* Extra bits are the same with all codes (RFC 1951, 3.2.5). */
static size_t measure_extra(const wsu_encoder_t *encoder) {
  size_t bits = 0;

  for (uint32_t i = 265; i < 285; i++)
    bits += (size_t)encoder->literals[i] * ((i - 261) / 4);
  for (uint32_t i = 4; i < WSU_ENCODER_DISTANCES; i++)
    bits += (size_t)encoder->distances[i] * ((i - 2) / 2);
  return bits;
}

/* Returns the bits of the block with them, without the extra ones. */
static size_t choose_codes(wsu_encoder_t *encoder, description_t *description) {
  wsu_encoder_codes_t *codes = &encoder->dynamic;

  wsu_huffman_choose(codes->literal_len, encoder->literals,
                     WSU_ENCODER_LITERALS, WSU_HUFFMAN_BITS_MAX);
  wsu_huffman_choose(codes->distance_len, encoder->distances,
                     WSU_ENCODER_DISTANCES, WSU_HUFFMAN_BITS_MAX);
  return describe_codes(description, codes) + measure(encoder, codes);
}

static void put(writer_t *writer, uint32_t value, uint32_t bits) {
  writer->bits |= (uint64_t)value << writer->count;
  writer->count += bits;
}

/* Writes whole bytes; up to 48 bits may be put between two calls. */
static void flush(writer_t *writer) {
  for (size_t i = 0; i < SLACK; i++)
    writer->dest[i] = (uint8_t)(writer->bits >> (8 * i));
  writer->dest += writer->count / 8;
  writer->bits >>= writer->count & ~7u;
  writer->count &= 7;
}

static void write_description(writer_t *writer,
                              const description_t *description) {
  put(writer, description->literals - 257, 5);
  put(writer, description->distances - 1, 5);
  put(writer, description->code_lengths - 4, 4);
  for (size_t i = 0; i < description->code_lengths; i++) {
    flush(writer);
    put(writer, description->code_len[code_length_order[i]], 3);
  }
  for (size_t i = 0; i < description->count; i++) {
    uint8_t symbol = description->symbol[i];

    flush(writer);
    put(writer, description->code[symbol], description->code_len[symbol]);
    put(writer, description->extra[i], extra_bits_of(symbol));
  }
  flush(writer);
}

static void write_tokens(writer_t *writer, const wsu_encoder_t *encoder,
                         const wsu_encoder_codes_t *codes) {
  for (size_t i = 0; i < encoder->count; i++) {
    uint32_t distance = encoder->tokens[i] >> LENGTH_BITS;
    uint32_t value = encoder->tokens[i] & ((1u << LENGTH_BITS) - 1);

    if (distance == 0) {
      put(writer, codes->literal[value], codes->literal_len[value]);
    } else {
      symbol_t length = length_symbol(value);
      symbol_t back = distance_symbol(distance);

      put(writer, codes->literal[length.code], codes->literal_len[length.code]);
      put(writer, length.extra, length.extra_bits);
      put(writer, codes->distance[back.code], codes->distance_len[back.code]);
      put(writer, back.extra, back.extra_bits);
    }
    flush(writer);
  }
  put(writer, codes->literal[END_OF_BLOCK], codes->literal_len[END_OF_BLOCK]);
}

static void write_dynamic(writer_t *writer, wsu_encoder_t *encoder,
                          const description_t *description) {
  wsu_encoder_codes_t *codes = &encoder->dynamic;

  wsu_huffman_assign(codes->literal, codes->literal_len, WSU_ENCODER_LITERALS);
  wsu_huffman_assign(codes->distance, codes->distance_len,
                     WSU_ENCODER_DISTANCES);
  write_description(writer, description);
  write_tokens(writer, encoder, codes);
}

static void write_stored(writer_t *writer, const uint8_t *bytes, size_t len) {
  put(writer, 0, 8 - HEADER_BITS);
  put(writer, (uint32_t)len, 16);
  put(writer, (uint32_t)len ^ 0xffff, 16);
  flush(writer);
  memcpy(writer->dest, bytes, len);
  writer->dest += len;
}

int wsu_encode(wsu_encoder_t *encoder, const wsu_encoder_window_t *window,
               const uint8_t *bytes, size_t len, bool ends, bool may_refuse,
               wsu_buffer_t *output) {
  size_t start = wsu_history_add(window->history, bytes, len);
  size_t stored_bits = 8 - HEADER_BITS + (STORED_LENGTHS + len) * 8;
  description_t description;
  writer_t writer = {0};
  uint32_t kind = FIXED;
  size_t bits;
  size_t size;

  assert(len > 0 && len <= WSU_ENCODER_MESSAGE_MAX);
  make_tokens(encoder, window, start);
  bits = measure(encoder, &encoder->fixed);
  if (len >= DYNAMIC_MIN) {
    size_t dynamic_bits = choose_codes(encoder, &description);

    if (dynamic_bits < bits) {
      bits = dynamic_bits;
      kind = DYNAMIC;
    }
  }
  bits += measure_extra(encoder);
  if (bits > stored_bits) {
    bits = stored_bits;
    kind = STORED;
  }
  /* The header of this block and, up to a whole byte, of an empty one. */
  size = (HEADER_BITS + bits + HEADER_BITS + 7) / 8;

  if (may_refuse && size >= len) {
    window->history->len = start;
    return WSU_COMPRESS_NOT_SMALLER;
  }
  writer.dest = wsu_buffer_reserve(output, size + sizeof(TAIL) + SLACK, 0);
  if (writer.dest == NULL) {
    window->history->len = start;
    return WSU_ERR_OUT_OF_MEMORY;
  }
  put(&writer, kind << 1, HEADER_BITS);
  if (kind == STORED)
    write_stored(&writer, window->history->bytes + start, len);
  else if (kind == DYNAMIC)
    write_dynamic(&writer, encoder, &description);
  else
    write_tokens(&writer, encoder, &encoder->fixed);
  put(&writer, 0, HEADER_BITS);
  flush(&writer);
  wsu_buffer_commit(output, size);
  return ends ? 0 : wsu_buffer_append(output, TAIL, sizeof(TAIL));
}
