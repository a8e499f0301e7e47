/*
 * Messages to and from the form that permessage-deflate gives them (RFC 7692,
 * 7.2), on zlib. A compressor or decompressor belongs to one connection while
 * contexts are taken over from message to message; where none are, all
 * connections of a thread share one. Both own the memory that zlib asks for,
 * check every allocation, and are to be made when the first message needs them.
 *
 * A compressor of the default level takes 48 KiB with its first message: see
 * encoder.h, which compresses messages up to WSU_ENCODER_MESSAGE_MAX. Larger
 * ones are zlib's, and so are all with another level or strategy.
 *
 * What stock zlib takes: 4 << window_bits (the window and its chains) + 512 <<
 * mem_level (hash table and output) + 6 KiB to compress, and 7 KiB and, from
 * the first message on, 1 << window_bits to decompress. The zlib inside Node
 * has a hash table of 64 KiB for each mem_level up to 8, and since Node 18 a
 * larger output: 4 << window_bits + 64 KiB + 320 << mem_level + 6 KiB, and 9
 * KiB instead of 7. So 15 and 8 are 278 KiB, 13 and 5 are 112 KiB, 10 and 3 are
 * 77 KiB; inflating with 15 is 41 KiB.
 */
#ifndef WSU_DEFLATE_H
#define WSU_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "encoder.h"

typedef struct wsu_compressor wsu_compressor_t;
typedef struct wsu_decompressor wsu_decompressor_t;

typedef struct wsu_compressor_options {
  int level;       /* 0 to 9, or -1: zlib's default, which is 6 */
  int mem_level;   /* 1 to 9 */
  int strategy;    /* Z_DEFAULT_STRATEGY, 0, to Z_FIXED, 4 */
  int window_bits; /* 8 to 15, at most what was negotiated */
  bool takes_over; /* the window is kept for the next message */
} wsu_compressor_options_t;

/*
 * Returns NULL when memory is short or an option is out of range. A window of 8
 * bits is one of 9 for zlib, which cannot do less; that keeps the promise,
 * since zlib never looks back further than its window less 262 bytes, here 250.
 */
wsu_compressor_t *wsu_compressor_new(const wsu_compressor_options_t *options);

/*
 * May be called between any two calls of wsu_compress(), in a connection with
 * context takeover too: the peer keeps what it has, and a new compressor does
 * not refer to it.
 */
void wsu_compressor_free(wsu_compressor_t *compressor);

/* Bytes of memory that it holds. */
size_t wsu_compressor_memory(const wsu_compressor_t *compressor);

/* What wsu_compress() returns when it has nothing better than the input. */
#define WSU_COMPRESS_NOT_SMALLER 1

/*
 * Appends the compressed form of a message, or of one of its fragments, to
 * `output`. `starts` and `ends` say whether it is the first and the last
 * fragment; a message in one frame is both. Without context takeover each
 * fragment is compressed for itself, so that a shared compressor may be used
 * for another connection in between.
 *
 * `encoder` compresses what is short enough for it; it must not be at work on
 * another thread, and NULL leaves everything to zlib.
 *
 * Returns 0, a negative wsu_err_t, or, for a message in one frame unless zlib
 * takes its context over, WSU_COMPRESS_NOT_SMALLER: it takes no more bytes as
 * it is, and has to be sent so. `output` is unchanged unless the result is 0.
 * After an error the compressor is usable, and refers to nothing that was not
 * sent.
 */
int wsu_compress(wsu_compressor_t *compressor, wsu_encoder_t *encoder,
                 const uint8_t *bytes, size_t len, bool starts, bool ends,
                 wsu_buffer_t *output);

/*
 * `window_bits`: 8 to 15, at least what the peer uses; 8 is made 9, as zlib's
 * manual advises. `takes_over`: messages may refer to those before. Returns
 * NULL when memory is short or `window_bits` is out of range.
 */
wsu_decompressor_t *wsu_decompressor_new(int window_bits, bool takes_over);

/*
 * Must not be called before the connection's end if the context is taken over,
 * nor within a message: the peer may refer to what would be lost. See
 * wsu_decompressor_is_idle().
 */
void wsu_decompressor_free(wsu_decompressor_t *decompressor);

/* Bytes of memory that it holds. */
size_t wsu_decompressor_memory(const wsu_decompressor_t *decompressor);

/* Whether it can be freed, or lent to another connection if it is shared. */
bool wsu_decompressor_is_idle(const wsu_decompressor_t *decompressor);

/*
 * Appends what the next `len` compressed bytes of a message stand for to
 * `output`. The bytes come in pieces of any size, and `ends` with the last,
 * which may be empty. `max_output` limits the message, not the call; 0 is no
 * limit. Memory grows with what has come out: by doubling, to max_output + 1
 * bytes for the message.
 *
 * Blocks go on after one with BFINAL set (RFC 7692, 7.2.3.4), and so does the
 * window. What a message lacks at its end is not missed, as in `ws`; the next
 * one begins at a block of its own all the same. A distance that goes beyond
 * the window is refused if zlib has to look into the window, and not if it
 * finds the bytes in what it has just written: that depends on the pieces.
 *
 * Returns 0, WSU_ERR_UNSUPPORTED_MESSAGE_LENGTH, WSU_ERR_OUT_OF_MEMORY or one
 * of WSU_INFLATE_ERROR_MAP. After an error `output` holds a part of the
 * message, the decompressor awaits a new one, and what messages before it left
 * is lost.
 */
int wsu_decompress(wsu_decompressor_t *decompressor, const uint8_t *bytes,
                   size_t len, bool ends, size_t max_output,
                   wsu_buffer_t *output);

#endif
