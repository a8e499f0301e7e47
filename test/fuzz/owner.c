#include "owner.h"

#include "error.h"
#include "kernel.h"
#include "uv_script.h"

/* Bytes of messages in all, of which one is no longer than this. */
#define MESSAGES_MAX (KERNEL_OUTPUT_MAX / 2)
#define MESSAGE_MAX 70000u

static owner_t *owner_of(const wsu_transport_t *transport) {
  return transport->loop->data;
}

/* The transport, if something may be done with it. */
static wsu_transport_t *open_transport(const owner_t *owner) {
  wsu_transport_t *transport = owner->transport;

  return transport == NULL || transport->is_closing ? NULL : transport;
}

/* Gives the stream all of the output that it takes. */
static void take_output(owner_t *owner) {
  static uint8_t bytes[WSU_STREAM_WRITE_MAX];
  wsu_transport_t *transport;
  size_t len;

  owner->wants_output = false;
  while ((transport = open_transport(owner)) != NULL &&
         !transport->is_blocked &&
         (len = wsu_stream_available(transport)) > 0) {
    wsu_stream_take(transport, bytes, len);
    kernel_take(bytes, len);
    if (owner->is_stream_slow)
      wsu_stream_block(transport);
    else
      wsu_stream_written(transport, len);
  }
}

static void on_event(wsu_transport_t *transport, const wsu_event_t *event) {
  owner_t *owner = owner_of(transport);
  wsu_connection_t *connection = &transport->connection;
  uint64_t hash;

  EXPECT(transport == owner->transport && !transport->is_closing);
  EXPECT(owner->loop.in_turn && !owner->is_in_call);
  EXPECT(transport->holds == 0);
  EXPECT(!transport->is_paused || owner->has_told_close);
  hash = owner_digest(connection, event, owner->decompressor);
  if (hash != 0)
    owner->events[owner->events_count++] = hash;
  switch (event->kind) {
  case WSU_EVENT_MESSAGE:
    if (owner->holds_next != 0)
      wsu_transport_hold(transport, owner->holds_next);
    owner->holds_next = 0;
    break;
  case WSU_EVENT_PING:
    if (owner->options.auto_pong && !connection->close_sent)
      owner->pongs[owner->pongs_count++] =
          owner_hash(0, connection->control, event->length);
    break;
  case WSU_EVENT_CLOSE:
    owner->reply_code = event->close_code;
    break;
  case WSU_EVENT_ERROR:
    owner->reply_code = wsu_error_close_code(event->err);
    break;
  default:
    break;
  }
}

static void on_end(wsu_transport_t *transport) {
  EXPECT(transport->connection.ended);
}

static void on_notice(wsu_transport_t *transport, int notice) {
  owner_t *owner = owner_of(transport);

  EXPECT(transport == owner->transport);
  switch (notice) {
  case WSU_NOTICE_DRAIN:
    EXPECT(wsu_transport_unsent(transport) == 0);
    break;
  case WSU_NOTICE_OUTPUT:
    EXPECT(owner->is_stream);
    owner->wants_output = true;
    break;
  case WSU_NOTICE_ROOM:
    owner->has_room = true;
    break;
  case WSU_NOTICE_EXPIRED:
    if (owner->reply_code == 0)
      owner->reply_code = 1001;
    break;
  case WSU_NOTICE_FINISH:
    EXPECT(wsu_output_length(&transport->connection.output) == 0);
    break;
  default:
    EXPECT(notice == WSU_NOTICE_SWEPT || notice == WSU_NOTICE_PROGRESS);
  }
  /* The binding looks at notices in a turn. */
  wsu_loop_request_turn(&owner->loop);
}

/* JavaScript runs in here, so that a stream may have read something, too. */
static void on_full(wsu_transport_t *transport) {
  owner_t *owner = owner_of(transport);
  size_t len = kernel.sent_to_us - kernel.received;

  EXPECT(owner->is_stream && owner->loop.in_turn);
  take_output(owner);
  if (len > kernel.piece)
    len = kernel.piece;
  if (open_transport(owner) == NULL || len == 0)
    return;
  wsu_stream_receive(transport, kernel.to_us + kernel.received, len);
  kernel.received += len;
}

static void on_close(wsu_transport_t *transport) {
  owner_t *owner = owner_of(transport);

  /* One that was not opened in the end is unknown to the owner. */
  EXPECT(transport == owner->transport || owner->transport == NULL);
  EXPECT(transport->is_closing && !owner->is_closed);
  EXPECT(!owner->is_in_call && !owner->loop.in_turn);
  owner->is_closed = true;
  owner->transport = NULL;
}

static void on_turn(void *data) {
  owner_t *owner = data;
  fuzz_input_t nothing = {0};

  uv_script_stall(owner->stall);
  owner->stall = 0;
  if (owner->sends_in_turn > 0)
    owner_send(owner, &nothing, owner->sends_in_turn);
  owner->sends_in_turn = 0;
  if (owner->reply_code > 0)
    owner_close(owner, owner->reply_code);
  owner->reply_code = 0;
}

static void on_turn_end(void *data) {
  owner_t *owner = data;

  if (owner->wants_output)
    take_output(owner);
}

static void on_loop_close(void *data) {
  owner_t *owner = data;

  EXPECT(!owner->is_loop_closed);
  owner->is_loop_closed = true;
}

static const wsu_loop_owner_t functions = {
    .on_event = on_event,
    .on_end = on_end,
    .on_notice = on_notice,
    .on_full = on_full,
    .on_close = on_close,
    .on_turn = on_turn,
    .on_turn_end = on_turn_end,
    .on_loop_close = on_loop_close,
};

static void close_loop(owner_t *owner) {
  wsu_loop_close(&owner->loop);
  wsu_loop_close(&owner->loop);
  uv_script_run(0);
  EXPECT(owner->is_loop_closed && uv_script_handles() == 0);
  EXPECT(owner->loop.closing == 0 && kernel.duplicates == 0);
  wsu_beats_release(owner->beats);
  wsu_decompressor_free(owner->decompressor);
}

bool owner_open(owner_t *owner, const wsu_connection_options_t *options,
                bool is_stream, bool has_early, unsigned failing_poll) {
  static const uint8_t early[] = {0x89, 0x81, 0, 0, 0, 0, 'e'};
  size_t early_len = has_early && !is_stream ? sizeof(early) : 0;
  uv_loop_t *uv = uv_script_init(kernel_ready);
  int err;

  memset(owner, 0, offsetof(owner_t, events));
  uv_script_fail_poll(failing_poll);
  owner->options = *options;
  owner->is_stream = is_stream;
  owner->has_room = true;
  if (wsu_loop_init(&owner->loop, uv, &functions, owner) != 0)
    return false;
  owner->beats = wsu_beats_new();
  if (options->uses_deflate)
    owner->decompressor = wsu_decompressor_new(15, false);
  kernel_push(early, early_len);
  kernel.received = early_len;
  if (options->uses_deflate && owner->decompressor == NULL)
    err = UV_ENOMEM;
  else if (is_stream)
    err = wsu_stream_open(&owner->loop, options, &owner->transport);
  else
    err = wsu_tcp_open(&owner->loop, KERNEL_FD, options, early, early_len,
                       &owner->transport);
  if (err) {
    EXPECT(owner->transport == NULL);
    close_loop(owner);
    return false;
  }
  wsu_transport_join(owner->transport, &owner->stats);
  return true;
}

static size_t write_frame(owner_t *owner, uint8_t *dest, bool is_ping,
                          size_t len) {
  wsu_frame_t frame = {
      .fin = true,
      .opcode = is_ping ? WSU_OPCODE_PING : WSU_OPCODE_BINARY,
      .length = sizeof(uint32_t) + len,
  };
  uint32_t number = is_ping ? owner->pings++ : owner->messages++;
  size_t size = wsu_frame_encode_header(dest, &frame);

  memcpy(dest + size, &number, sizeof(number));
  memset(dest + size + sizeof(number), 'm', len);
  return size + (size_t)frame.length;
}

void owner_send(owner_t *owner, fuzz_input_t *input, uint8_t bits) {
  static uint8_t bytes[MESSAGE_MAX + WSU_FRAME_HEADER_MAX + 4];
  wsu_transport_t *transport = open_transport(owner);
  size_t len = fuzz_length(input, (bits & 1) == 0 ? MESSAGE_MAX : 121);
  struct iovec pieces[3];
  size_t cut;

  if (transport == NULL || transport->connection.close_sent ||
      transport->is_shut || owner->queued + len > MESSAGES_MAX)
    return;
  owner->queued += len;
  len = write_frame(owner, bytes, (bits & 1) != 0, len);
  owner->is_in_call = true;
  if ((bits & 3) == 2) {
    wsu_buffer_t buffer = {0};

    if (wsu_buffer_append(&buffer, bytes, len) == 0)
      wsu_transport_send_buffer(transport, &buffer);
    else
      owner->messages--;
    EXPECT(buffer.data == NULL);
  } else {
    cut = len / 3;
    pieces[0] = (struct iovec){bytes, cut};
    pieces[1] = (struct iovec){bytes + cut, 1};
    pieces[2] = (struct iovec){bytes + cut + 1, len - cut - 1};
    wsu_transport_send(transport, pieces, 3);
  }
  owner->is_in_call = false;
}

void owner_close(owner_t *owner, uint16_t code) {
  wsu_transport_t *transport = open_transport(owner);

  if (transport == NULL)
    return;
  owner->is_in_call = true;
  wsu_transport_close(transport, code, (const uint8_t *)"why", 3);
  owner->is_in_call = false;
}

void owner_terminate(owner_t *owner) {
  if (owner->transport == NULL)
    return;
  owner->is_in_call = true;
  wsu_transport_terminate(owner->transport, WSU_CAUSE_APPLICATION);
  owner->is_in_call = false;
}

void owner_pause(owner_t *owner, bool is_paused) {
  wsu_transport_t *transport = open_transport(owner);

  if (transport == NULL)
    return;
  owner->is_in_call = true;
  wsu_transport_pause(transport, is_paused);
  owner->is_in_call = false;
}

void owner_release(owner_t *owner, int holds) {
  if (owner->transport == NULL)
    return;
  owner->is_in_call = true;
  for (int hold = WSU_HOLD_WORK; hold <= WSU_HOLD_LISTENER; hold *= 2)
    if (holds & hold)
      wsu_transport_release_hold(owner->transport, hold);
  owner->is_in_call = false;
}

void owner_set_heartbeat(owner_t *owner, fuzz_input_t *input) {
  uint8_t bits = fuzz_byte(input);
  wsu_liveness_options_t options = {
      .interval = bits & 1 ? 1 + fuzz_u16(input) % 1024u : 0,
      .timeout = 1 + fuzz_u16(input) % 1024u,
      .idle_timeout = bits & 2 ? fuzz_u16(input) % 8192u : 0,
      .max_lifetime = bits & 4 ? fuzz_u16(input) % 8192u : 0,
  };

  if (owner->transport == NULL)
    return;
  owner->is_in_call = true;
  if (!wsu_heartbeat_set(owner->transport, owner->beats, &options))
    owner->has_failed |= fuzz_stop_failing();
  owner->is_in_call = false;
}

void owner_touch(owner_t *owner, uint8_t bits) {
  wsu_transport_t *transport = open_transport(owner);

  if (transport == NULL)
    return;
  owner->is_in_call = true;
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
  owner->is_in_call = false;
}

void owner_answer_ping(const owner_t *owner) {
  uint32_t serial;
  uint8_t frame[] = {0x8a, 0x88, 0, 0, 0, 0, 'w', 's', 'u', 0x9d, 0, 0, 0, 0};

  if (owner->transport == NULL)
    return;
  serial = owner->transport->liveness.serial;
  for (int i = 0; i < 4; i++)
    frame[10 + i] = (uint8_t)(serial >> (24 - 8 * i));
  kernel_push(frame, sizeof(frame));
}

static void tell_end(owner_t *owner, bool is_closed, bool *has_told) {
  if (*has_told || open_transport(owner) == NULL)
    return;
  *has_told = true;
  owner->is_in_call = true;
  wsu_stream_end(owner->transport, is_closed);
  owner->is_in_call = false;
  wsu_loop_run_turn(&owner->loop);
}

void owner_pump(owner_t *owner) {
  wsu_transport_t *transport;

  if (!owner->is_stream)
    return;
  while ((transport = open_transport(owner)) != NULL && owner->has_room) {
    size_t len = kernel.sent_to_us - kernel.received;

    if (len > kernel.piece)
      len = kernel.piece;
    if (len == 0)
      break;
    owner->is_in_call = true;
    wsu_stream_receive(transport, kernel.to_us + kernel.received, len);
    owner->is_in_call = false;
    kernel.received += len;
    wsu_loop_run_turn(&owner->loop);
    transport = open_transport(owner);
    if (transport != NULL)
      owner->has_room = wsu_stream_has_room(transport);
  }
  if (kernel.is_ended && kernel.received == kernel.sent_to_us)
    tell_end(owner, false, &owner->has_told_end);
  if (kernel.is_reset)
    tell_end(owner, true, &owner->has_told_close);
}

void owner_write(owner_t *owner, size_t len) {
  wsu_transport_t *transport = open_transport(owner);

  if (!owner->is_stream || transport == NULL)
    return;
  owner->is_in_call = true;
  wsu_stream_written(transport, len);
  owner->is_in_call = false;
}

/* Whether nothing has happened that ends a connection. */
static bool is_healthy(const owner_t *owner) {
  const wsu_transport_t *transport = open_transport(owner);

  return transport != NULL && !owner->has_failed && !kernel.is_ended &&
         !kernel.is_reset && !transport->connection.close_sent &&
         !transport->connection.close_received && !transport->connection.failed;
}

static void check_healthy(const owner_t *owner) {
  const wsu_transport_t *transport = owner->transport;
  const uint64_t *counters = owner->stats.counters;

  EXPECT(kernel.received == kernel.sent_to_us);
  EXPECT(transport->received == kernel.received);
  EXPECT(counters[WSU_STAT_WIRE_RECEIVED] == kernel.received);
  EXPECT(wsu_transport_unsent(transport) == 0 && !transport->reports_drain);
  EXPECT(transport->sent == kernel.sent_to_peer);
  EXPECT(counters[WSU_STAT_WIRE_SENT] == kernel.sent_to_peer);
  EXPECT(transport->connection.output.frames.data == NULL &&
         transport->connection.output.urgent.data == NULL &&
         transport->input.data == NULL);
  owner_check_events(owner, true);
  owner_check_wire(owner, true);
}

/* Lets the peer be silent, or else begins the closing handshake. */
static void end_transport(owner_t *owner, bool waits) {
  const wsu_liveness_options_t *options = &owner->transport->liveness.options;
  uint64_t time = owner->options.close_timeout + 100u;

  /* What was heard in a stall counts from the end of as long a time. */
  if (waits && options->interval > 0 && is_healthy(owner))
    time += options->interval + options->timeout +
            2 * wsu_liveness_step(options) + owner->loop.heartbeat.missed;
  else
    owner_close(owner, 1000);
  uv_script_run(time);
  EXPECT(owner->transport == NULL);
}

void owner_settle(owner_t *owner, bool waits) {
  uv_script_fail_poll(0);
  kernel.room = kernel.piece = SIZE_MAX;
  kernel.interruptions = kernel.refusals = 0;
  owner->stall = 0;
  owner->holds_next = 0;
  owner->is_stream_slow = false;
  owner_write(owner, SIZE_MAX);
  owner_pause(owner, false);
  owner_release(owner, WSU_HOLD_WORK | WSU_HOLD_LISTENER);
  owner_pump(owner);
  uv_script_run(0);
  owner_pump(owner);
  uv_script_run(0);
  if (is_healthy(owner))
    check_healthy(owner);
  owner_check_events(owner, false);
  owner_check_wire(owner, false);
  if (owner->transport != NULL)
    end_transport(owner, waits);
  owner_check_wire(owner, false);
}

static uint64_t sum(const uint64_t *counters, size_t count) {
  uint64_t total = 0;

  for (size_t i = 0; i < count; i++)
    total += counters[i];
  return total;
}

void owner_end(owner_t *owner) {
  const wsu_stats_t *stats = &owner->stats;

  EXPECT(stats->counters[WSU_STAT_ACCEPTED_TCP] ==
         stats->counters[WSU_STAT_ENDED_TCP]);
  EXPECT(stats->counters[WSU_STAT_ACCEPTED_STREAM] ==
         stats->counters[WSU_STAT_ENDED_STREAM]);
  EXPECT(sum(stats->terminations, WSU_CAUSE_COUNT) <= 1);
  EXPECT(owner->beats == NULL || owner->beats->alive == 0);
  EXPECT(owner->beats == NULL || owner->beats->references == 1);
  close_loop(owner);
}
