#include "connection.h"

#include <assert.h>
#include <string.h>

#include "mask.h"
#include "utf8.h"

void wsu_connection_init(wsu_connection_t *connection,
                         const wsu_connection_options_t *options) {
  *connection = (wsu_connection_t){.options = *options};
  wsu_decoder_init(&connection->decoder, options->is_server,
                   options->uses_deflate);
}

void wsu_connection_free(wsu_connection_t *connection) {
  wsu_message_reset(&connection->message);
  wsu_output_free(&connection->output);
}

/* Appends one control frame of our own to the output. */
static int queue_control(wsu_connection_t *connection, uint8_t opcode,
                         const uint8_t *payload, size_t len) {
  wsu_frame_t frame = {.fin = true, .opcode = opcode, .length = len};
  uint8_t bytes[WSU_FRAME_HEADER_MAX + WSU_CONTROL_PAYLOAD_MAX];
  size_t size;

  if (!connection->options.is_server) {
    frame.masked = true;
    connection->options.random_key(frame.mask_key);
  }
  size = wsu_frame_encode_header(bytes, &frame);
  wsu_mask_copy(bytes + size, payload, len, frame.mask_key);
  return wsu_output_queue(&connection->output, bytes, size + len, false);
}

static void report_error(wsu_connection_t *connection, int err, uint32_t detail,
                         wsu_event_t *event) {
  connection->failed = true;
  wsu_message_reset(&connection->message);
  event->kind = WSU_EVENT_ERROR;
  event->err = err;
  event->detail = detail;
}

static void report_payload(wsu_connection_t *connection, wsu_event_kind_t kind,
                           size_t offset, wsu_event_t *event) {
  size_t len = connection->control_len - offset;

  memmove(connection->control, connection->control + offset, len);
  connection->control_len = (uint8_t)len;
  connection->reads_control = true;
  event->kind = kind;
  event->length = len;
}

static void on_ping(wsu_connection_t *connection, wsu_event_t *event) {
  const wsu_connection_options_t *options = &connection->options;

  if (options->auto_pong && !connection->close_sent) {
    if (wsu_connection_is_pong_limit_near(connection)) {
      connection->failed = true;
      wsu_message_reset(&connection->message);
      event->kind = WSU_EVENT_TERMINATE;
      return;
    }
    if (queue_control(connection, WSU_OPCODE_PONG, connection->control,
                      connection->control_len)) {
      report_error(connection, WSU_ERR_OUT_OF_MEMORY, 0, event);
      return;
    }
    connection->pending_pongs++;
  }
  report_payload(connection, WSU_EVENT_PING, 0, event);
}

static void on_close(wsu_connection_t *connection, wsu_event_t *event) {
  const uint8_t *payload = connection->control;
  uint16_t code = 1005;

  if (connection->control_len >= 2) {
    code = (uint16_t)(payload[0] << 8 | payload[1]);
    if (!wsu_is_valid_close_code(code)) {
      report_error(connection, WSU_ERR_INVALID_CLOSE_CODE, code, event);
      return;
    }
    if (!connection->options.limits.skips_utf8_validation &&
        !wsu_utf8_is_valid(payload + 2, connection->control_len - 2u)) {
      report_error(connection, WSU_ERR_INVALID_UTF8, 0, event);
      return;
    }
  }
  connection->close_received = true;
  wsu_message_reset(&connection->message);
  event->close_code = code;
  report_payload(connection, WSU_EVENT_CLOSE,
                 connection->control_len >= 2 ? 2 : 0, event);
}

static void add_control_part(wsu_connection_t *connection,
                             const wsu_part_t *part, wsu_event_t *event) {
  if (part->starts)
    connection->control_len = 0;
  wsu_mask_copy(connection->control + connection->control_len, part->payload,
                part->length, part->key);
  connection->control_len = (uint8_t)(connection->control_len + part->length);
  if (!part->ends)
    return;

  switch (part->frame->opcode) {
  case WSU_OPCODE_PING:
    on_ping(connection, event);
    break;
  case WSU_OPCODE_PONG:
    report_payload(connection, WSU_EVENT_PONG, 0, event);
    break;
  default:
    on_close(connection, event);
  }
}

static void add_data_part(wsu_connection_t *connection, const wsu_part_t *part,
                          wsu_event_t *event) {
  int result =
      wsu_message_add(&connection->message, part, &connection->options.limits);

  if (result < 0) {
    report_error(connection, result, 0, event);
  } else if (result == 1) {
    connection->reads_control = false;
    event->kind = WSU_EVENT_MESSAGE;
    event->is_binary = connection->message.opcode == WSU_OPCODE_BINARY;
    event->is_compressed = connection->message.is_compressed;
    event->length = wsu_message_length(&connection->message);
  }
}

size_t wsu_connection_receive(wsu_connection_t *connection, const uint8_t *buf,
                              size_t len, wsu_event_t *event) {
  size_t pos = 0;

  assert(buf != NULL);
  event->kind = WSU_EVENT_NONE;
  if (connection->failed || connection->close_received)
    return len;

  do {
    size_t consumed;
    wsu_part_t part;
    int result = wsu_decoder_next(&connection->decoder, buf + pos, len - pos,
                                  &consumed, &part);

    pos += consumed;
    if (result == 0)
      return len;
    if (result < 0)
      report_error(connection, result, connection->decoder.detail, event);
    else if (part.frame->opcode >= WSU_OPCODE_CLOSE)
      add_control_part(connection, &part, event);
    else
      add_data_part(connection, &part, event);
  } while (event->kind == WSU_EVENT_NONE);
  return pos;
}

int wsu_connection_read(wsu_connection_t *connection, uint8_t *dest) {
  int err;

  if (connection->reads_control) {
    memcpy(dest, connection->control, connection->control_len);
    return 0;
  }
  err =
      wsu_message_read(&connection->message, dest, &connection->options.limits);
  if (err)
    wsu_connection_fail(connection, err);
  return err;
}

int wsu_connection_take(wsu_connection_t *connection, wsu_buffer_t *buffer) {
  int err = wsu_message_take(&connection->message, buffer,
                             &connection->options.limits);

  if (err)
    wsu_connection_fail(connection, err);
  return err;
}

int wsu_connection_inflate(wsu_connection_t *connection,
                           wsu_decompressor_t *decompressor, bool is_binary,
                           const uint8_t *bytes, size_t len,
                           wsu_buffer_t *output) {
  const wsu_message_limits_t *limits = &connection->options.limits;
  size_t max = limits->max_payload < SIZE_MAX / 2 ? (size_t)limits->max_payload
                                                  : SIZE_MAX / 2;
  size_t before = wsu_buffer_length(output);
  int err = wsu_decompress(decompressor, bytes, len, true, max, output);

  if (err == 0 && !is_binary && !limits->skips_utf8_validation &&
      wsu_buffer_length(output) > before &&
      !wsu_utf8_is_valid(wsu_buffer_bytes(output) + before,
                         wsu_buffer_length(output) - before))
    err = WSU_ERR_INVALID_UTF8;
  if (err)
    wsu_connection_fail(connection, err);
  return err;
}

void wsu_connection_fail(wsu_connection_t *connection, int err) {
  connection->decoder.err = err;
  connection->decoder.detail = 0;
}

int wsu_connection_close(wsu_connection_t *connection, uint16_t code,
                         const uint8_t *reason, size_t len, uint64_t now) {
  uint8_t payload[WSU_CONTROL_PAYLOAD_MAX];
  size_t size = 0;
  int err;

  if (connection->close_sent)
    return 0;
  if (code != 1005) {
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len > sizeof(payload) - 2)
      len = sizeof(payload) - 2;
    if (len > 0)
      memcpy(payload + 2, reason, len);
    size = len + 2;
  }
  err = queue_control(connection, WSU_OPCODE_CLOSE, payload, size);
  if (err)
    return err;
  connection->close_sent = true;
  wsu_connection_limit_closing(connection, now);
  return 0;
}

void wsu_connection_limit_closing(wsu_connection_t *connection, uint64_t now) {
  if (connection->close_by == 0)
    connection->close_by = now + connection->options.close_timeout;
}

void wsu_connection_end(wsu_connection_t *connection) {
  connection->ended = true;
  wsu_message_reset(&connection->message);
}

int wsu_connection_ping(wsu_connection_t *connection, const uint8_t *payload,
                        size_t len) {
  return queue_control(connection, WSU_OPCODE_PING, payload, len);
}

bool wsu_connection_is_in_message(const wsu_connection_t *connection) {
  const wsu_decoder_t *decoder = &connection->decoder;

  return decoder->frame.opcode < WSU_OPCODE_CLOSE &&
         (decoder->message_opcode != 0 || decoder->remaining > 0);
}

bool wsu_connection_is_pong_limit_near(const wsu_connection_t *connection) {
  uint32_t limit = connection->options.max_pending_pongs;

  return limit != 0 && connection->pending_pongs >= limit;
}

void wsu_connection_sent(wsu_connection_t *connection, size_t len) {
  wsu_output_t *output = &connection->output;
  bool had_urgent = wsu_buffer_length(&output->urgent) > 0;

  wsu_output_sent(output, len);
  if (wsu_output_length(output) == 0 ||
      (had_urgent && wsu_buffer_length(&output->urgent) == 0))
    connection->pending_pongs = 0;
}

bool wsu_connection_is_done(const wsu_connection_t *connection) {
  return connection->ended ||
         (connection->close_sent &&
          (connection->close_received || connection->failed));
}

bool wsu_connection_is_overdue(const wsu_connection_t *connection,
                               uint64_t now) {
  return connection->close_by != 0 && now >= connection->close_by;
}
