#include "deflate.h"

#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW_BITS = 15, MEM_LEVEL = 8 };

/* What ends each message and is not sent (RFC 7692, 7.2.1). */
static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};

static size_t compress_message(const uint8_t *text, size_t len, uint8_t *out) {
  static z_stream *stream;
  static uint8_t *buf;
  static size_t buf_size;
  if (stream == NULL) {
    stream = allocate(1, sizeof *stream);
    if (deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS,
                     MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
      fail("deflateInit2: out of memory");
    }
  }
  /* A flush comes on top of what deflateBound() says. */
  size_t needed = deflateBound(stream, (uLong)len) + 16;
  if (buf == NULL || needed > buf_size) {
    free(buf);
    buf = allocate(needed, 1);
    buf_size = needed;
  }
  deflateReset(stream);
  stream->next_in = (Bytef *)text;
  stream->avail_in = (uInt)len;
  stream->next_out = buf;
  stream->avail_out = (uInt)buf_size;
  if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in != 0) {
    fail("deflate: %s", stream->msg != NULL ? stream->msg : "no progress");
  }
  size_t payload_len = stream->total_out - sizeof tail;
  if (payload_len >= len) {
    return 0;
  }
  memcpy(out, buf, payload_len);
  return payload_len;
}

static z_stream *open_inflate(void) {
  z_stream *stream = allocate(1, sizeof *stream);
  if (inflateInit2(stream, -WINDOW_BITS) != Z_OK) {
    fail("inflateInit2: out of memory");
  }
  return stream;
}

/* Whether a payload, and then the tail, inflate to a text and nothing more. */
static bool inflate_equals(z_stream *stream, const uint8_t *payload,
                           size_t payload_len, const uint8_t *text,
                           size_t len) {
  static uint8_t *buf;
  static size_t buf_size;
  if (buf == NULL || len + 1 > buf_size) {
    free(buf);
    buf_size = len + 1;
    buf = allocate(buf_size, 1);
  }
  const uint8_t *parts[] = {payload, tail};
  const size_t lens[] = {payload_len, sizeof tail};
  stream->next_out = buf;
  stream->avail_out = (uInt)buf_size;
  for (size_t i = 0; i < 2; i++) {
    stream->next_in = (Bytef *)parts[i];
    stream->avail_in = (uInt)lens[i];
    while (stream->avail_in > 0) {
      int result = inflate(stream, Z_SYNC_FLUSH);
      if (result == Z_STREAM_END) {
        /* A final block may stand in front of the tail (RFC 7692, 7.2.3.4). */
        inflateReset(stream);
      } else if (result != Z_OK) {
        return false;
      }
    }
  }
  return buf_size - stream->avail_out == len && memcmp(buf, text, len) == 0;
}

static bool inflates_with_history(void **session, const uint8_t *payload,
                                  size_t payload_len, const uint8_t *text,
                                  size_t len) {
  if (*session == NULL) {
    *session = open_inflate();
  }
  return inflate_equals(*session, payload, payload_len, text, len);
}

static bool inflates_alone(void **session, const uint8_t *payload,
                           size_t payload_len, const uint8_t *text,
                           size_t len) {
  static z_stream *stream;
  (void)session;
  if (stream == NULL) {
    stream = open_inflate();
  }
  inflateReset(stream);
  return inflate_equals(stream, payload, payload_len, text, len);
}

const deflate_t deflate_takeover = {
    .offer = "permessage-deflate",
    .takeover = true,
    .compress = compress_message,
    .inflates_to = inflates_with_history,
};

const deflate_t deflate_no_takeover = {
    .offer = "permessage-deflate; client_no_context_takeover; "
             "server_no_context_takeover",
    .takeover = false,
    .compress = compress_message,
    .inflates_to = inflates_alone,
};
