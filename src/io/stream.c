#include "stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct wsu_stream {
  wsu_transport_t transport;
  bool has_ended;
  bool has_closed;
  bool wants_room;
} wsu_stream_t;

static wsu_stream_t *stream_of(wsu_transport_t *transport) {
  return wsu_queue_element(transport, wsu_stream_t, transport);
}

static void notify(wsu_transport_t *transport, int notice) {
  transport->loop->owner->on_notice(transport, notice);
}

static void process(wsu_transport_t *transport) {
  wsu_stream_t *stream = stream_of(transport);
  bool is_ignored = transport->is_paused && !stream->has_closed;

  if (!is_ignored && transport->holds == 0 &&
      wsu_transport_has_input(transport))
    wsu_transport_receive_input(transport);
  if (stream->has_ended || stream->has_closed)
    wsu_transport_limit_hold(transport);
  if (transport->is_closing || transport->holds != 0 ||
      wsu_buffer_length(&transport->input) > 0)
    return;
  if (stream->wants_room) {
    stream->wants_room = false;
    notify(transport, WSU_NOTICE_ROOM);
  }
  if (stream->has_ended && !transport->connection.ended)
    wsu_transport_end(transport);
  /* Without an end before it the connection is lost. */
  if (stream->has_closed)
    wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
}

/* Takes nothing: all bytes go by way of the output. */
static ssize_t send_none(wsu_transport_t *transport, struct iovec *pieces,
                         int count, size_t total) {
  (void)transport;
  (void)pieces;
  (void)count;
  (void)total;
  return 0;
}

static void wait(wsu_transport_t *transport) {
  if (!transport->is_closing && !transport->is_blocked &&
      wsu_output_length(&transport->connection.output) > 0)
    notify(transport, WSU_NOTICE_OUTPUT);
}

static void finish(wsu_transport_t *transport) {
  if (transport->is_shut)
    return;
  transport->is_shut = true;
  notify(transport, WSU_NOTICE_FINISH);
}

static void close_stream(wsu_transport_t *transport) {
  wsu_loop_bury_later(transport->loop, transport);
}

static void free_stream(wsu_transport_t *transport) {
  wsu_transport_release(transport);
  free(stream_of(transport));
}

static const wsu_transport_ops_t ops = {
    .kind = WSU_KIND_STREAM,
    .process = process,
    .send = send_none,
    .wait = wait,
    .finish = finish,
    .close = close_stream,
    .free = free_stream,
};

bool wsu_is_stream(const wsu_transport_t *transport) {
  return transport->ops == &ops;
}

int wsu_stream_open(wsu_loop_t *loop, const wsu_connection_options_t *options,
                    wsu_transport_t **opened) {
  wsu_stream_t *stream = calloc(1, sizeof(*stream));

  if (stream == NULL)
    return UV_ENOMEM;
  wsu_transport_init(&stream->transport, loop, &ops, options);
  *opened = &stream->transport;
  return 0;
}

void wsu_stream_receive(wsu_transport_t *transport, const uint8_t *bytes,
                        size_t len) {
  if (wsu_buffer_append(&transport->input, bytes, len) < 0)
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
  wsu_transport_process_later(transport);
}

bool wsu_stream_has_room(wsu_transport_t *transport) {
  wsu_stream_t *stream = stream_of(transport);

  stream->wants_room =
      wsu_buffer_length(&transport->input) >= WSU_STREAM_INPUT_MAX;
  return !stream->wants_room;
}

void wsu_stream_end(wsu_transport_t *transport, bool is_closed) {
  wsu_stream_t *stream = stream_of(transport);

  stream->has_ended |= !is_closed;
  stream->has_closed |= is_closed;
  wsu_transport_process_later(transport);
}

size_t wsu_stream_available(const wsu_transport_t *transport) {
  size_t len = wsu_output_length(&transport->connection.output);

  return len < WSU_STREAM_WRITE_MAX ? len : WSU_STREAM_WRITE_MAX;
}

void wsu_stream_take(wsu_transport_t *transport, uint8_t *dest, size_t len) {
  const wsu_output_t *output = &transport->connection.output;
  wsu_span_t spans[WSU_OUTPUT_SPANS];
  int count = wsu_output_spans(output, spans);
  size_t left = len;

  assert(len <= wsu_output_length(output));
  if (len == 0)
    return;
  for (int i = 0; i < count && left > 0; i++) {
    size_t n = spans[i].len < left ? spans[i].len : left;

    memcpy(dest, spans[i].bytes, n);
    dest += n;
    left -= n;
  }
  transport->unwritten += len;
  wsu_connection_sent(&transport->connection, len);
  /* What the connection ends with may be all that was left. */
  wsu_transport_mark_dirty(transport);
}

void wsu_stream_block(wsu_transport_t *transport) {
  /* The stream may have told that it has written all of it by now. */
  transport->is_blocked = transport->unwritten > 0;
}

void wsu_stream_written(wsu_transport_t *transport, size_t len) {
  if (len > transport->unwritten)
    len = transport->unwritten;
  transport->unwritten -= len;
  /* A peer that takes what was sent long ago is alive, if it is slow. */
  if (transport->is_blocked)
    wsu_transport_hear(transport);
  wsu_transport_sent(transport, len);
  if (transport->unwritten > 0)
    return;
  transport->is_blocked = false;
  wsu_transport_report_drain(transport);
  wsu_transport_flush(transport);
}
