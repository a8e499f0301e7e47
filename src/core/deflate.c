#include "deflate.h"

#include <stdlib.h>
#include <string.h>

/* Input is const to zlib. */
#define ZLIB_CONST
#include <zlib.h>

#include "error.h"

#define WINDOW_BITS_MIN 8
#define WINDOW_BITS_MAX 15

/* What zlib cannot do with less (see zlib.h, deflateInit2). */
#define ZLIB_WINDOW_BITS_MIN 9

/* Bytes that are given to zlib at once, which counts in unsigned int. */
#define INPUT_MAX ((size_t)1 << 30)

/* Room for output that is asked for at once. */
#define ROOM_MIN 256
#define ROOM_MAX 65536

/* What ends a sync flush and is not sent at the end of a message. */
static const uint8_t TAIL[] = {0x00, 0x00, 0xff, 0xff};

/* `opaque` of zlib points to this. */
typedef struct memory {
  size_t bytes;    /* in all */
  uint8_t *shared; /* one block for several; NULL: each has its own */
  size_t used;     /* bytes of the shared one */
  size_t size;
} memory_t;

struct wsu_compressor {
  z_stream stream;
  memory_t memory;
  wsu_compressor_options_t options;
  wsu_history_t *history; /* NULL until it is needed */
  bool has_stream;
  bool is_used; /* the stream, since its last reset */
};

struct wsu_decompressor {
  z_stream stream;
  memory_t memory;
  size_t produced; /* bytes of the current message so far */
  bool takes_over;
  bool has_history; /* messages may refer to one before */
  bool in_message;
};

/* Blocks are aligned as those of malloc() are. */
#define ALIGNMENT ((size_t)16)

/* All of the core allocates with realloc(). */
static voidpf allocate(voidpf opaque, uInt items, uInt size) {
  memory_t *memory = opaque;
  size_t max = SIZE_MAX - memory->bytes - ALIGNMENT;
  void *bytes;
  size_t len;

  if (items == 0 || size == 0 || items > max / size)
    return Z_NULL;
  len = ((size_t)items * size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
  if (len <= memory->size - memory->used) {
    bytes = memory->shared + memory->used;
    memory->used += len;
    return bytes;
  }
  bytes = realloc(NULL, len);
  if (bytes != NULL)
    memory->bytes += len;
  return bytes;
}

/*
 * Only deflateEnd() and inflateEnd() free; `bytes` is gone with them, or with
 * the block that it shares.
 */
static void release(voidpf opaque, voidpf bytes) {
  const memory_t *memory = opaque;
  uintptr_t start = (uintptr_t)memory->shared;

  if ((uintptr_t)bytes < start || (uintptr_t)bytes >= start + memory->size)
    free(bytes);
}

/* Sees to it that there are `size` bytes for what is asked for next. */
static bool share_block(memory_t *memory, size_t size) {
  if (memory->shared == NULL) {
    memory->shared = realloc(NULL, size);
    if (memory->shared == NULL)
      return false;
    memory->size = size;
    memory->bytes += size;
  }
  memory->used = 0;
  return true;
}

static void free_shared_block(memory_t *memory) {
  free(memory->shared);
  memory->shared = NULL;
  memory->used = 0;
  memory->size = 0;
}

static void init_stream(z_stream *stream, memory_t *memory, size_t size) {
  *stream = (z_stream){
      .zalloc = allocate,
      .zfree = release,
      .opaque = memory,
  };
  *memory = (memory_t){.bytes = size};
}

static bool is_window_bits(int window_bits) {
  return window_bits >= WINDOW_BITS_MIN && window_bits <= WINDOW_BITS_MAX;
}

/* Negative: without zlib's header and checksum. */
static int raw_window_bits(int window_bits) {
  return window_bits < ZLIB_WINDOW_BITS_MIN ? -ZLIB_WINDOW_BITS_MIN
                                            : -window_bits;
}

/* Gives the stream as much as it can count of the input, which is not empty. */
static void give_input(z_stream *stream, const uint8_t **bytes, size_t *len) {
  size_t size = *len < INPUT_MAX ? *len : INPUT_MAX;

  stream->next_in = *bytes;
  stream->avail_in = (uInt)size;
  *bytes += size;
  *len -= size;
}

static bool is_between(int number, int min, int max) {
  return number >= min && number <= max;
}

static bool are_valid(const wsu_compressor_options_t *options) {
  return is_window_bits(options->window_bits) &&
         is_between(options->level, Z_DEFAULT_COMPRESSION,
                    Z_BEST_COMPRESSION) &&
         is_between(options->mem_level, 1, MAX_MEM_LEVEL) &&
         is_between(options->strategy, Z_DEFAULT_STRATEGY, Z_FIXED);
}

wsu_compressor_t *wsu_compressor_new(const wsu_compressor_options_t *options) {
  wsu_compressor_t *compressor;

  if (!are_valid(options))
    return NULL;
  compressor = realloc(NULL, sizeof(*compressor));
  if (compressor == NULL)
    return NULL;
  *compressor = (wsu_compressor_t){.options = *options};
  init_stream(&compressor->stream, &compressor->memory, sizeof(*compressor));
  return compressor;
}

static void end_stream(wsu_compressor_t *compressor) {
  if (compressor->has_stream)
    deflateEnd(&compressor->stream);
  compressor->has_stream = false;
  free_shared_block(&compressor->memory);
  compressor->memory.bytes = sizeof(*compressor);
}

void wsu_compressor_free(wsu_compressor_t *compressor) {
  if (compressor == NULL)
    return;
  end_stream(compressor);
  free(compressor->history);
  free(compressor);
}

size_t wsu_compressor_memory(const wsu_compressor_t *compressor) {
  return compressor->memory.bytes +
         (compressor->history == NULL ? 0 : sizeof(*compressor->history));
}

/*
 * Lets zlib write to the end of `output`, at most `*limit` bytes more, which is
 * counted down. Returns zlib's result, or Z_MEM_ERROR.
 */
static int deflate_some(z_stream *stream, int flush, size_t *limit,
                        wsu_buffer_t *output) {
  size_t room = stream->avail_in;
  uint8_t *dest;
  int result;

  if (room < ROOM_MIN)
    room = ROOM_MIN;
  if (room > ROOM_MAX)
    room = ROOM_MAX;
  if (room > *limit)
    room = *limit;
  dest = wsu_buffer_reserve(output, room, 0);
  if (dest == NULL)
    return Z_MEM_ERROR;
  stream->next_out = dest;
  stream->avail_out = (uInt)room;
  result = deflate(stream, flush);
  room -= stream->avail_out;
  wsu_buffer_commit(output, room);
  *limit -= room;
  return result;
}

/*
 * Appends blocks for all of the input, and the tail. Returns 0,
 * WSU_COMPRESS_NOT_SMALLER when `limit` bytes are not enough, or an error.
 */
static int deflate_all(z_stream *stream, const uint8_t *bytes, size_t len,
                       size_t limit, wsu_buffer_t *output) {
  do {
    int flush;

    give_input(stream, &bytes, &len);
    flush = len > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH;
    do {
      int result;

      if (limit == 0)
        return WSU_COMPRESS_NOT_SMALLER;
      result = deflate_some(stream, flush, &limit, output);
      /* Z_BUF_ERROR: there is nothing more to flush. No other can be. */
      if (result != Z_OK && result != Z_BUF_ERROR)
        return WSU_ERR_OUT_OF_MEMORY;
    } while (stream->avail_out == 0);
  } while (len > 0);
  return 0;
}

/* Whether small messages are for the encoder: levels are zlib's alone. */
static bool is_default(const wsu_compressor_options_t *options) {
  return options->level == Z_DEFAULT_COMPRESSION &&
         options->strategy == Z_DEFAULT_STRATEGY;
}

/* Whether messages refer to a history, whoever compresses them. */
static bool has_context(const wsu_compressor_t *compressor) {
  return compressor->options.takes_over && is_default(&compressor->options);
}

static bool make_history(wsu_compressor_t *compressor) {
  if (compressor->history == NULL) {
    compressor->history = realloc(NULL, sizeof(*compressor->history));
    if (compressor->history != NULL)
      memset(compressor->history, 0, sizeof(*compressor->history));
  }
  return compressor->history != NULL;
}

/*
 * Bytes that deflateInit2() asks for, in five blocks: two windows and the
 * chains through them, the heads of these, what is not written yet, and the
 * state. It is less in plain zlib than in Chromium's, which Node.js has.
 */
static size_t stream_size(int window_bits, int mem_level) {
  size_t windows = (size_t)4 << window_bits;
  size_t heads = (size_t)2 << (mem_level + 7 > 15 ? mem_level + 7 : 15);
  size_t pending = (size_t)5 << (mem_level + 6);

  return windows + heads + pending + 8192;
}

/*
 * Some versions of Chromium's zlib, that of Node.js 18 for one, write to a
 * block that they did not get. So there is one for all, before.
 */
static bool make_stream(wsu_compressor_t *compressor) {
  const wsu_compressor_options_t *options = &compressor->options;
  int window_bits = raw_window_bits(options->window_bits);

  if (compressor->has_stream)
    return true;
  if (!share_block(&compressor->memory,
                   stream_size(-window_bits, options->mem_level)))
    return false;
  compressor->has_stream =
      deflateInit2(&compressor->stream, options->level, Z_DEFLATED, window_bits,
                   options->mem_level, options->strategy) == Z_OK;
  compressor->is_used = false;
  return compressor->has_stream;
}

/* Compresses with zlib; see wsu_compress(). */
static int compress_with_zlib(wsu_compressor_t *compressor,
                              const uint8_t *bytes, size_t len, bool may_refuse,
                              wsu_buffer_t *output) {
  size_t before = wsu_buffer_length(output);
  /* One byte more than is too much shows that zlib was done. */
  size_t limit = may_refuse ? len + sizeof(TAIL) : SIZE_MAX;
  int result;

  if (!make_stream(compressor))
    return WSU_ERR_OUT_OF_MEMORY;
  if (compressor->is_used && !compressor->options.takes_over)
    deflateReset(&compressor->stream);
  compressor->is_used = true;
  result = deflate_all(&compressor->stream, bytes, len, limit, output);
  if (result != 0) {
    /* The window has bytes that the peer is not going to see. */
    deflateReset(&compressor->stream);
    compressor->is_used = false;
    output->end = output->start + before;
  }
  return result;
}

/*
 * The same for a message that may refer to others which the encoder has
 * compressed, and they to it. The stream goes with it, since it is larger than
 * what it leaves.
 */
static int compress_in_context(wsu_compressor_t *compressor,
                               const uint8_t *bytes, size_t len,
                               wsu_buffer_t *output) {
  wsu_history_t *history = compressor->history;
  int result;

  if (!make_stream(compressor))
    return WSU_ERR_OUT_OF_MEMORY;
  /* No fresh raw stream refuses one; without it nothing is referred to. */
  (void)deflateSetDictionary(&compressor->stream, history->bytes,
                             (uInt)history->len);
  result = compress_with_zlib(compressor, bytes, len, false, output);
  end_stream(compressor);
  if (result == 0)
    wsu_history_learn(history, bytes, len);
  return result;
}

static int compress_part(wsu_compressor_t *compressor, wsu_encoder_t *encoder,
                         const uint8_t *bytes, size_t len, bool ends,
                         bool may_refuse, wsu_buffer_t *output) {
  const wsu_compressor_options_t *options = &compressor->options;
  bool encodes =
      encoder != NULL && is_default(options) && len <= WSU_ENCODER_MESSAGE_MAX;
  int result;

  if ((encodes || has_context(compressor)) && !make_history(compressor))
    return WSU_ERR_OUT_OF_MEMORY;
  if (encodes) {
    const wsu_encoder_window_t window = {
        .history = compressor->history,
        .size = (size_t)1 << options->window_bits,
        .takes_over = options->takes_over,
    };

    return wsu_encode(encoder, &window, bytes, len, ends, may_refuse, output);
  }
  result = has_context(compressor)
               ? compress_in_context(compressor, bytes, len, output)
               : compress_with_zlib(compressor, bytes, len,
                                    may_refuse && !options->takes_over, output);
  if (result == 0 && ends)
    output->end -= sizeof(TAIL);
  return result;
}

int wsu_compress(wsu_compressor_t *compressor, wsu_encoder_t *encoder,
                 const uint8_t *bytes, size_t len, bool starts, bool ends,
                 wsu_buffer_t *output) {
  static const uint8_t empty[] = {0x00};
  bool may_refuse = starts && ends;

  if (len > 0)
    return compress_part(compressor, encoder, bytes, len, ends, may_refuse,
                         output);
  if (may_refuse && !compressor->options.takes_over)
    return WSU_COMPRESS_NOT_SMALLER;
  /* The start of an empty stored block (RFC 7692, 7.2.3.6). */
  return ends ? wsu_buffer_append(output, empty, sizeof(empty)) : 0;
}

wsu_decompressor_t *wsu_decompressor_new(int window_bits, bool takes_over) {
  wsu_decompressor_t *decompressor;

  if (!is_window_bits(window_bits))
    return NULL;
  decompressor = realloc(NULL, sizeof(*decompressor));
  if (decompressor == NULL)
    return NULL;
  init_stream(&decompressor->stream, &decompressor->memory,
              sizeof(*decompressor));
  decompressor->produced = 0;
  decompressor->takes_over = takes_over;
  decompressor->has_history = false;
  decompressor->in_message = false;
  if (inflateInit2(&decompressor->stream, raw_window_bits(window_bits)) !=
      Z_OK) {
    free(decompressor);
    return NULL;
  }
  return decompressor;
}

void wsu_decompressor_free(wsu_decompressor_t *decompressor) {
  if (decompressor == NULL)
    return;
  inflateEnd(&decompressor->stream);
  free(decompressor);
}

size_t wsu_decompressor_memory(const wsu_decompressor_t *decompressor) {
  return decompressor->memory.bytes;
}

bool wsu_decompressor_is_idle(const wsu_decompressor_t *decompressor) {
  return !decompressor->in_message && !decompressor->has_history;
}

/* The error that zlib's text stands for. */
static int data_error(const char *text) {
  static const struct {
    int err;
    const char *text;
  } table[] = {
#define XX(name, number, close_code, is_range, has_detail, code, message)      \
  {number, message},
      WSU_INFLATE_ERROR_MAP(XX)
#undef XX
  };

  for (size_t i = 0; text != NULL && i < sizeof(table) / sizeof(table[0]); i++)
    if (strcmp(text, table[i].text) == 0)
      return table[i].err;
  return WSU_ERR_INVALID_DEFLATE;
}

/*
 * Lets zlib write to the end of `output`, at most one byte more than the
 * `allowed` ones. Returns zlib's result, or Z_MEM_ERROR.
 */
static int inflate_some(wsu_decompressor_t *decompressor, size_t allowed,
                        wsu_buffer_t *output) {
  z_stream *stream = &decompressor->stream;
  size_t max = allowed < SIZE_MAX ? allowed + 1 : allowed;
  size_t length = wsu_buffer_length(output);
  /* What text usually expands to. */
  size_t room = (size_t)stream->avail_in * 4;
  uint8_t *dest;
  int result;

  if (room < ROOM_MIN)
    room = ROOM_MIN;
  if (room > ROOM_MAX)
    room = ROOM_MAX;
  if (room > max)
    room = max;
  dest = wsu_buffer_reserve(output, room,
                            max < SIZE_MAX - length ? length + max : 0);
  if (dest == NULL)
    return Z_MEM_ERROR;
  /* All that is there, if it is more. */
  room = output->capacity - output->end;
  if (room > max)
    room = max;
  if (room > INPUT_MAX)
    room = INPUT_MAX;
  stream->next_out = dest;
  stream->avail_out = (uInt)room;
  result = inflate(stream, Z_SYNC_FLUSH);
  room -= stream->avail_out;
  wsu_buffer_commit(output, room);
  decompressor->produced += room;
  return result;
}

static int inflate_all(wsu_decompressor_t *decompressor, const uint8_t *bytes,
                       size_t len, size_t limit, wsu_buffer_t *output) {
  z_stream *stream = &decompressor->stream;

  stream->avail_in = 0;
  do {
    give_input(stream, &bytes, &len);
    do {
      int result =
          inflate_some(decompressor, limit - decompressor->produced, output);

      if (decompressor->produced > limit)
        return WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH;
      if (result == Z_STREAM_END)
        result = inflateResetKeep(stream);
      else if (result == Z_BUF_ERROR)
        result = Z_OK; /* Nothing was left to write. */
      if (result == Z_DATA_ERROR)
        return data_error(stream->msg);
      /* Z_MEM_ERROR, since a raw stream knows no dictionaries. */
      if (result != Z_OK)
        return WSU_ERR_OUT_OF_MEMORY;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
  } while (len > 0);
  return 0;
}

/* Every message begins at a block, wherever the one before has ended. */
static void start_message(wsu_decompressor_t *decompressor) {
  decompressor->in_message = true;
  decompressor->produced = 0;
  if (decompressor->has_history)
    inflateResetKeep(&decompressor->stream);
  else
    inflateReset(&decompressor->stream);
}

int wsu_decompress(wsu_decompressor_t *decompressor, const uint8_t *bytes,
                   size_t len, bool ends, size_t max_output,
                   wsu_buffer_t *output) {
  size_t limit = max_output == 0 ? SIZE_MAX : max_output;
  int err = 0;

  if (!decompressor->in_message)
    start_message(decompressor);
  if (len > 0)
    err = inflate_all(decompressor, bytes, len, limit, output);
  if (err == 0 && ends)
    err = inflate_all(decompressor, TAIL, sizeof(TAIL), limit, output);
  if (err != 0 || ends)
    decompressor->in_message = false;
  if (ends)
    decompressor->has_history = decompressor->takes_over;
  if (err != 0)
    decompressor->has_history = false;
  return err;
}
