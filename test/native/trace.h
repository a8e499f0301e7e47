/*
 * What a connection reports, as one line of text, so that two ways of feeding
 * it can be compared and expectations can be read:
 *
 *   text:48656c6c6f ping: close:1000:627965 error:INVALID_OPCODE:3
 *
 * A compressed message, which is not inflated, is compressed:text:f248cd.
 * A payload of one repeated byte is written as 61*126, other long ones by
 * their first bytes, length and hash. Used by the tests and the fuzz targets.
 */
#ifndef WSU_TRACE_H
#define WSU_TRACE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "error.h"

/* All zeros is an empty trace. */
typedef struct trace {
  char *text;
  size_t len;
  size_t capacity;
} trace_t;

static inline const char *trace_text(const trace_t *trace) {
  return trace->text == NULL ? "" : trace->text;
}

static inline void trace_free(trace_t *trace) {
  free(trace->text);
  *trace = (trace_t){0};
}

/* Grows by malloc(): realloc() may be made to fail by a test of the core. */
static inline void trace_grow(trace_t *trace, size_t len) {
  size_t capacity = (trace->len + len + 1) * 2;
  char *text;

  if (trace->len + len < trace->capacity)
    return;
  text = malloc(capacity);
  if (text == NULL)
    abort();
  if (trace->len > 0)
    memcpy(text, trace->text, trace->len);
  free(trace->text);
  trace->text = text;
  trace->capacity = capacity;
}

__attribute__((format(printf, 2, 3))) static inline void
trace_add(trace_t *trace, const char *format, ...) {
  char text[128];
  va_list args;
  int len;

  va_start(args, format);
  len = vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  if (len < 0 || (size_t)len >= sizeof(text))
    abort();
  trace_grow(trace, (size_t)len);
  memcpy(trace->text + trace->len, text, (size_t)len + 1);
  trace->len += (size_t)len;
}

static inline void trace_hex(trace_t *trace, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++)
    trace_add(trace, "%02x", bytes[i]);
}

static inline void trace_payload(trace_t *trace, const uint8_t *bytes,
                                 size_t len) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
  bool is_repeated = len > 4;

  for (size_t i = 0; i < len; i++) {
    hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    if (bytes[i] != bytes[0])
      is_repeated = false;
  }
  if (is_repeated) {
    trace_add(trace, "%02x*%zu", bytes[0], len);
  } else if (len <= 64) {
    trace_hex(trace, bytes, len);
  } else {
    trace_hex(trace, bytes, 8);
    trace_add(trace, "...(%zu, %016" PRIx64 ")", len, hash);
  }
}

static inline void trace_separate(trace_t *trace) {
  if (trace->len > 0)
    trace_add(trace, " ");
}

static inline void trace_error(trace_t *trace, int err, uint32_t detail) {
  const char *name = "unknown";

#define XX(error, number, ...)                                                 \
  if (err == (number))                                                         \
    name = #error;
  WSU_ERROR_MAP(XX)
#undef XX
  trace_separate(trace);
  trace_add(trace, "error:%s:%" PRIu32, name, detail);
}

static inline void trace_message(trace_t *trace, bool is_binary,
                                 const uint8_t *payload, size_t len) {
  trace_separate(trace);
  trace_add(trace, is_binary ? "binary:" : "text:");
  trace_payload(trace, payload, len);
}

/*
 * Reads the payload of `event` and adds both, or nothing for a message that
 * turns out to be invalid.
 */
static inline void trace_event(trace_t *trace, wsu_connection_t *connection,
                               const wsu_event_t *event) {
  uint8_t *payload;

  if (event->kind == WSU_EVENT_ERROR) {
    trace_error(trace, event->err, event->detail);
    return;
  }
  if (event->kind == WSU_EVENT_TERMINATE) {
    trace_separate(trace);
    trace_add(trace, "terminate");
    return;
  }
  payload = malloc(event->length + (event->length == 0));
  if (payload == NULL)
    abort();
  if (wsu_connection_read(connection, payload) == 0) {
    if (event->kind == WSU_EVENT_MESSAGE && event->is_compressed) {
      trace_separate(trace);
      trace_add(trace,
                event->is_binary ? "compressed:binary:" : "compressed:text:");
      trace_payload(trace, payload, event->length);
    } else if (event->kind == WSU_EVENT_MESSAGE) {
      trace_message(trace, event->is_binary, payload, event->length);
    } else {
      trace_separate(trace);
      if (event->kind == WSU_EVENT_PING)
        trace_add(trace, "ping:");
      else if (event->kind == WSU_EVENT_PONG)
        trace_add(trace, "pong:");
      else
        trace_add(trace, "close:%d:", event->close_code);
      trace_payload(trace, payload, event->length);
    }
  }
  free(payload);
}

/* Feeds bytes to `connection` until they are consumed; adds what it reports. */
static inline void trace_receive(trace_t *trace, wsu_connection_t *connection,
                                 const uint8_t *buf, size_t len) {
  wsu_event_t event;

  do {
    size_t consumed = wsu_connection_receive(connection, buf, len, &event);

    if (consumed > len || (event.kind == WSU_EVENT_NONE && consumed < len))
      abort();
    buf += consumed;
    len -= consumed;
    if (event.kind != WSU_EVENT_NONE)
      trace_event(trace, connection, &event);
  } while (event.kind != WSU_EVENT_NONE);
}

/* The bytes that wait to be sent, in their order, to be freed by the caller. */
static inline uint8_t *copy_output(const wsu_output_t *output, size_t *len) {
  wsu_span_t spans[WSU_OUTPUT_SPANS];
  int count = wsu_output_spans(output, spans);
  uint8_t *bytes = malloc(wsu_output_length(output) + 1);

  if (bytes == NULL)
    abort();
  *len = 0;
  for (int i = 0; i < count; i++) {
    memcpy(bytes + *len, spans[i].bytes, spans[i].len);
    *len += spans[i].len;
  }
  return bytes;
}

/* Adds the bytes that wait to be sent. */
static inline void trace_output(trace_t *trace,
                                const wsu_connection_t *connection) {
  size_t len;
  uint8_t *bytes = copy_output(&connection->output, &len);

  trace_separate(trace);
  trace_add(trace, "output:");
  trace_payload(trace, bytes, len);
  free(bytes);
}

#endif
