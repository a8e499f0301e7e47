#include "owner.h"

#include "uv_script.h"

/* Bytes of messages in all, of which one is no longer than this. */
#define MESSAGES_MAX (KERNEL_OUTPUT_MAX / 2)
#define MESSAGE_MAX 70000u

static size_t write_frame(conn_t *conn, uint8_t *dest, bool is_ping,
                          size_t len) {
  wsu_frame_t frame = {
      .fin = true,
      .opcode = is_ping ? WSU_OPCODE_PING : WSU_OPCODE_BINARY,
      .length = sizeof(uint32_t) + len,
  };
  uint32_t number = is_ping ? conn->pings++ : conn->messages++;
  size_t size = wsu_frame_encode_header(dest, &frame);

  memcpy(dest + size, &number, sizeof(number));
  memset(dest + size + sizeof(number), 'm', len);
  return size + (size_t)frame.length;
}

static void send_frame(conn_t *conn, const uint8_t *bytes, size_t len) {
  size_t cut = len / 3;
  struct iovec pieces[3] = {
      {(void *)bytes, cut},
      {(void *)(bytes + cut), 1},
      {(void *)(bytes + cut + 1), len - cut - 1},
  };

  wsu_transport_send(conn->transport, pieces, 3);
}

static void send_buffer(conn_t *conn, const uint8_t *bytes, size_t len) {
  wsu_buffer_t buffer = {0};

  if (wsu_buffer_append(&buffer, bytes, len) == 0)
    wsu_transport_send_buffer(conn->transport, &buffer);
  else
    conn->messages--;
  EXPECT(buffer.data == NULL);
}

void conn_send(conn_t *conn, fuzz_input_t *input, uint8_t bits) {
  static uint8_t bytes[MESSAGE_MAX + WSU_FRAME_HEADER_MAX + 4];
  wsu_transport_t *transport = conn_transport(conn);
  size_t len = fuzz_length(input, (bits & 1) == 0 ? MESSAGE_MAX : 121);

  if (transport == NULL || transport->connection.close_sent ||
      transport->is_shut || conn->queued + len > MESSAGES_MAX)
    return;
  conn->queued += len;
  len = write_frame(conn, bytes, (bits & 1) != 0, len);
  if ((bits & 3) == 2)
    send_buffer(conn, bytes, len);
  else
    send_frame(conn, bytes, len);
}

void conn_close(conn_t *conn, uint16_t code) {
  wsu_transport_t *transport = conn_transport(conn);

  if (transport == NULL)
    return;
  wsu_transport_close(transport, code, (const uint8_t *)"why", 3);
}

void conn_terminate(conn_t *conn) {

  if (conn->transport == NULL)
    return;
  wsu_transport_terminate(conn->transport, WSU_CAUSE_APPLICATION);
}

void conn_pause(conn_t *conn, bool is_paused) {
  wsu_transport_t *transport = conn_transport(conn);

  if (transport == NULL)
    return;
  wsu_transport_pause(transport, is_paused);
}

void conn_release(conn_t *conn, int holds) {

  if (conn->transport == NULL)
    return;
  for (int hold = WSU_HOLD_WORK; hold <= WSU_HOLD_STEP; hold *= 2)
    if (holds & hold)
      wsu_transport_release_hold(conn->transport, hold);
}

void conn_set_heartbeat(conn_t *conn, fuzz_input_t *input) {
  owner_t *owner = conn->owner;
  uint8_t bits = fuzz_byte(input);
  wsu_liveness_options_t options = {
      .interval = bits & 1 ? 1 + fuzz_u16(input) % 1024u : 0,
      .timeout = 1 + fuzz_u16(input) % 1024u,
      .idle_timeout = bits & 2 ? fuzz_u16(input) % 8192u : 0,
      .max_lifetime = bits & 4 ? fuzz_u16(input) % 8192u : 0,
  };

  if (conn->transport == NULL)
    return;
  if (!wsu_heartbeat_set(conn->transport, owner->beats, &options))
    owner->has_failed |= fuzz_stop_failing();
}

void conn_touch(conn_t *conn, uint8_t bits) {
  wsu_transport_t *transport = conn_transport(conn);

  if (transport == NULL)
    return;
  switch (bits & 7) {
  case 0:
    transport->reports_progress = true;
    break;
  case 1:
    wsu_transport_mark_dirty(transport);
    break;
  case 2:
    wsu_transport_limit_closing(transport);
    break;
  case 3:
    wsu_transport_process_later(transport);
    break;
  case 4:
    (void)wsu_tcp_set_nodelay(transport, false);
    break;
  case 5:
    (void)wsu_tcp_set_keepalive(transport, true, bits);
    break;
  default:
    wsu_transport_flush(transport);
  }
}

void conn_fulfil(conn_t *conn, uint8_t except) {
  fuzz_input_t nothing = {0};
  uint8_t wishes = conn->wishes & (uint8_t)~except;

  conn->wishes = 0;
  if (wishes & WISH_PAUSE)
    conn_pause(conn, true);
  if (wishes & WISH_RESUME)
    conn_pause(conn, false);
  if (wishes & WISH_MESSAGE)
    conn_send(conn, &nothing, 0);
  if (wishes & WISH_PING)
    conn_send(conn, &nothing, 1);
  if (wishes & WISH_CLOSE)
    conn_close(conn, 1000);
  if (wishes & WISH_TERMINATE)
    conn_terminate(conn);
}

void conn_answer_ping(const conn_t *conn) {
  uint32_t serial;
  uint8_t frame[] = {0x8a, 0x88, 0, 0, 0, 0, 'w', 's', 'u', 0x9d, 0, 0, 0, 0};

  if (conn->transport == NULL)
    return;
  serial = conn->transport->liveness.serial;
  for (int i = 0; i < 4; i++)
    frame[10 + i] = (uint8_t)(serial >> (24 - 8 * i));
  kernel_push(conn->socket, frame, sizeof(frame));
}

static void tell_end(conn_t *conn, bool is_closed, bool *has_told) {
  owner_t *owner = conn->owner;

  if (*has_told || conn_transport(conn) == NULL)
    return;
  *has_told = true;
  wsu_stream_end(conn->transport, is_closed);
  wsu_loop_run_turn(&owner->loop);
}

void conn_pump(conn_t *conn) {
  static uint8_t bytes[KERNEL_INPUT_MAX];
  owner_t *owner = conn->owner;
  kernel_socket_t *socket = conn->socket;
  wsu_transport_t *transport;
  size_t len;

  if (!conn->is_stream)
    return;
  while ((transport = conn_transport(conn)) != NULL && conn->has_room &&
         (len = kernel_receive(socket, bytes, sizeof(bytes))) > 0) {
    wsu_stream_receive(transport, bytes, len);
    wsu_loop_run_turn(&owner->loop);
    transport = conn_transport(conn);
    if (transport != NULL)
      conn->has_room = wsu_stream_has_room(transport);
  }
  if (socket->is_ended && socket->received == socket->sent_to_us)
    tell_end(conn, false, &conn->has_told_end);
  if (socket->is_reset)
    tell_end(conn, true, &conn->has_told_close);
}

void conn_write(conn_t *conn, size_t len) {
  wsu_transport_t *transport = conn_transport(conn);

  if (!conn->is_stream || transport == NULL)
    return;
  wsu_stream_written(transport, len);
}

void conn_take_output(conn_t *conn) {
  static uint8_t bytes[WSU_STREAM_WRITE_MAX];
  wsu_transport_t *transport;
  size_t len;

  conn->wants_output = false;
  while ((transport = conn_transport(conn)) != NULL && !transport->is_blocked &&
         (len = wsu_stream_available(transport)) > 0) {
    wsu_stream_take(transport, bytes, len);
    kernel_take(conn->socket, bytes, len);
    if (conn->is_stream_slow)
      wsu_stream_block(transport);
    else
      wsu_stream_written(transport, len);
  }
}
