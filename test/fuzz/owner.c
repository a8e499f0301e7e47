#include "owner.h"

#include "error.h"
#include "uv_script.h"

static owner_t *owner_of(const wsu_transport_t *transport) {
  return transport->loop->data;
}

/* NULL: it was not opened in the end, so that nobody knows it. */
static conn_t *find(const wsu_transport_t *transport) {
  owner_t *owner = owner_of(transport);

  for (unsigned i = 0; i < owner->count; i++)
    if (owner->conns[i].transport == transport)
      return &owner->conns[i];
  return NULL;
}

static conn_t *conn_of(const wsu_transport_t *transport) {
  conn_t *conn = find(transport);

  EXPECT(conn != NULL);
  return conn;
}

/*
 * JavaScript runs: `when` is a WISH_*, or 0 for a turn, which comes to all that
 * is left. In an event nobody pauses, since what was read with it comes, too.
 */
static void fulfil(owner_t *owner, uint8_t when) {
  uint8_t except = when == WISH_IN_EVENT ? WISH_PAUSE : 0;

  owner->is_in_call = true;
  for (unsigned i = 0; i < owner->count; i++) {
    conn_t *conn = &owner->conns[i];

    if ((conn->wishes & when) == when &&
        (when != 0 || (conn->wishes & WISH_AT_END) == 0))
      conn_fulfil(conn, except);
  }
  owner->is_in_call = false;
}

static void note_event(conn_t *conn, const wsu_event_t *event) {
  wsu_transport_t *transport = conn->transport;
  wsu_connection_t *connection = &transport->connection;
  uint64_t hash = owner_digest(connection, event, conn->owner->decompressor);

  EXPECT(conn->events_count < EVENTS_MAX && conn->pongs_count < EVENTS_MAX);
  if (hash != 0)
    conn->events[conn->events_count++] = hash;
  switch (event->kind) {
  case WSU_EVENT_MESSAGE:
    if (conn->holds_next != 0)
      wsu_transport_hold(transport, conn->holds_next);
    conn->holds_next = 0;
    break;
  case WSU_EVENT_PING:
    if (conn->owner->options.auto_pong && !connection->close_sent)
      conn->pongs[conn->pongs_count++] =
          owner_hash(0, connection->control, event->length);
    break;
  case WSU_EVENT_CLOSE:
    conn->reply_code = event->close_code;
    break;
  case WSU_EVENT_ERROR:
    conn->reply_code = wsu_error_close_code(event->err);
    break;
  default:
    break;
  }
}

static void on_event(wsu_transport_t *transport, const wsu_event_t *event) {
  owner_t *owner = owner_of(transport);
  conn_t *conn = conn_of(transport);

  EXPECT(!transport->is_closing && transport->holds == 0);
  EXPECT(owner->loop.in_turn && !owner->is_in_call);
  EXPECT(!transport->is_paused || conn->has_told_close);
  note_event(conn, event);
  fulfil(owner, WISH_IN_EVENT);
}

static void on_end(wsu_transport_t *transport) {
  EXPECT(transport->connection.ended);
}

static void on_notice(wsu_transport_t *transport, int notice) {
  conn_t *conn = conn_of(transport);

  switch (notice) {
  case WSU_NOTICE_DRAIN:
    EXPECT(wsu_transport_unsent(transport) == 0);
    break;
  case WSU_NOTICE_OUTPUT:
    EXPECT(conn->is_stream);
    conn->wants_output = true;
    break;
  case WSU_NOTICE_ROOM:
    EXPECT(conn->is_stream && !conn->has_room);
    conn->has_room = true;
    break;
  case WSU_NOTICE_EXPIRED:
    if (conn->reply_code == 0)
      conn->reply_code = 1001;
    break;
  case WSU_NOTICE_FINISH:
    EXPECT(wsu_output_length(&transport->connection.output) == 0);
    break;
  default:
    EXPECT(notice == WSU_NOTICE_SWEPT || notice == WSU_NOTICE_PROGRESS);
  }
  /* The binding looks at notices in a turn. */
  wsu_loop_request_turn(transport->loop);
}

/* JavaScript runs in here, so that a stream may have read something, too. */
static void on_full(wsu_transport_t *transport) {
  static uint8_t bytes[KERNEL_INPUT_MAX];
  conn_t *conn = conn_of(transport);
  size_t len;

  EXPECT(conn->is_stream && conn->owner->loop.in_turn);
  conn_take_output(conn);
  fulfil(conn->owner, WISH_IN_EVENT);
  if (conn_transport(conn) == NULL)
    return;
  len = kernel_receive(conn->socket, bytes, sizeof(bytes));
  if (len > 0)
    wsu_stream_receive(transport, bytes, len);
}

static void on_close(wsu_transport_t *transport) {
  const owner_t *owner = owner_of(transport);
  conn_t *conn = find(transport);

  EXPECT(transport->is_closing && !owner->is_in_call && !owner->loop.in_turn);
  if (conn == NULL)
    return;
  conn->transport = NULL;
}

static void on_turn(void *data) {
  owner_t *owner = data;

  uv_script_stall(owner->stall);
  owner->stall = 0;
  fulfil(owner, 0);
  for (unsigned i = 0; i < owner->count; i++) {
    conn_t *conn = &owner->conns[i];

    if (conn->reply_code > 0)
      conn_close(conn, conn->reply_code);
    conn->reply_code = 0;
  }
}

static void on_turn_end(void *data) {
  owner_t *owner = data;

  for (unsigned i = 0; i < owner->count; i++)
    if (owner->conns[i].wants_output)
      conn_take_output(&owner->conns[i]);
  fulfil(owner, WISH_AT_END);
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

static void open_connection(conn_t *conn, bool has_early) {
  static const uint8_t early[] = {0x89, 0x81, 0, 0, 0, 0, 'e'};
  owner_t *owner = conn->owner;
  const wsu_connection_options_t *options = &owner->options;
  size_t early_len = has_early && !conn->is_stream ? sizeof(early) : 0;
  int err;

  kernel_push(conn->socket, early, early_len);
  conn->socket->received = early_len;
  if (conn->is_stream)
    err = wsu_stream_open(&owner->loop, options, &conn->transport);
  else
    err = wsu_tcp_open(&owner->loop, kernel_descriptor(conn->socket), options,
                       early, early_len, &conn->transport);
  EXPECT((err == 0) == (conn->transport != NULL));
  if (err == 0)
    wsu_transport_join(conn->transport, &owner->stats);
}

bool owner_open(owner_t *owner, const owner_setup_t *setup) {
  uv_loop_t *uv = uv_script_init(kernel_ready);

  memset(owner, 0, offsetof(owner_t, conns));
  uv_script_fail_poll(setup->failing_poll);
  owner->options = setup->options;
  owner->count = setup->count;
  if (wsu_loop_init(&owner->loop, uv, &functions, owner) != 0)
    return false;
  owner->beats = wsu_beats_new();
  if (setup->options.uses_deflate)
    owner->decompressor = wsu_decompressor_new(15, false);
  for (unsigned i = 0; i < owner->count; i++) {
    conn_t *conn = &owner->conns[i];

    memset(conn, 0, offsetof(conn_t, events));
    conn->owner = owner;
    conn->socket = &kernel.sockets[i];
    conn->has_room = true;
    conn->is_stream = setup->is_first_stream == (i % 2 == 0);
  }
  /* Without a decompressor the binding takes no connection that needs it. */
  if (setup->options.uses_deflate && owner->decompressor == NULL)
    return true;
  for (unsigned i = 0; i < owner->count; i++)
    open_connection(&owner->conns[i], setup->has_early);
  return true;
}

/* Whether nothing has happened that ends a connection. */
static bool is_healthy(const conn_t *conn) {
  const wsu_transport_t *transport = conn_transport(conn);

  return transport != NULL && !conn->owner->has_failed &&
         !conn->socket->is_ended && !conn->socket->is_reset &&
         !transport->connection.close_sent &&
         !transport->connection.close_received && !transport->connection.failed;
}

static void check_healthy(const conn_t *conn) {
  const wsu_transport_t *transport = conn->transport;
  const kernel_socket_t *socket = conn->socket;

  EXPECT(socket->received == socket->sent_to_us);
  EXPECT(transport->received == socket->received);
  EXPECT(wsu_transport_unsent(transport) == 0 && !transport->reports_drain);
  EXPECT(transport->sent == socket->sent_to_peer);
  EXPECT(transport->connection.output.frames.data == NULL &&
         transport->connection.output.urgent.data == NULL &&
         transport->input.data == NULL);
  conn_check_events(conn, true);
  conn_check_wire(conn, true);
}

/* The counters are those of all connections, so these have to be healthy. */
static void check_counters(const owner_t *owner) {
  const uint64_t *counters = owner->stats.counters;
  size_t received = 0;
  size_t sent = 0;

  for (unsigned i = 0; i < owner->count; i++) {
    if (!is_healthy(&owner->conns[i]))
      return;
    received += owner->conns[i].socket->received;
    sent += owner->conns[i].socket->sent_to_peer;
  }
  EXPECT(counters[WSU_STAT_WIRE_RECEIVED] == received);
  EXPECT(counters[WSU_STAT_WIRE_SENT] == sent);
}

static void free_connection(conn_t *conn) {
  kernel_socket_t *socket = conn->socket;

  uv_script_fail_poll(0);
  socket->room = socket->piece = SIZE_MAX;
  socket->interruptions = socket->refusals = 0;
  conn->holds_next = 0;
  conn->wishes = 0;
  conn->is_stream_slow = false;
  conn_write(conn, SIZE_MAX);
  conn_pause(conn, false);
  conn_release(conn, WSU_HOLD_WORK | WSU_HOLD_LISTENER | WSU_HOLD_STEP);
}

static void pump_all(owner_t *owner) {
  for (unsigned i = 0; i < owner->count; i++)
    conn_pump(&owner->conns[i]);
  uv_script_run(0);
}

/*
 * Lets the peer be silent, or else begins the closing handshake. Returns the ms
 * in which the connection has to be gone.
 */
static uint64_t end_connection(conn_t *conn, bool waits) {
  const owner_t *owner = conn->owner;
  const wsu_liveness_options_t *options;

  if (conn->transport == NULL)
    return 0;
  options = &conn->transport->liveness.options;
  /* What was heard in a stall counts from the end of as long a time. */
  if (waits && options->interval > 0 && is_healthy(conn))
    return owner->options.close_timeout + 100u + options->interval +
           options->timeout + 2 * wsu_liveness_step(options) +
           owner->loop.heartbeat.missed;
  conn_close(conn, 1000);
  return owner->options.close_timeout + 100u;
}

static uint64_t sum(const uint64_t *counters, size_t count) {
  uint64_t total = 0;

  for (size_t i = 0; i < count; i++)
    total += counters[i];
  return total;
}

static void check_end(const owner_t *owner) {
  const wsu_stats_t *stats = &owner->stats;
  const wsu_heartbeat_t *heartbeat = &owner->loop.heartbeat;

  EXPECT(stats->counters[WSU_STAT_ACCEPTED_TCP] ==
         stats->counters[WSU_STAT_ENDED_TCP]);
  EXPECT(stats->counters[WSU_STAT_ACCEPTED_STREAM] ==
         stats->counters[WSU_STAT_ENDED_STREAM]);
  EXPECT(sum(stats->terminations, WSU_CAUSE_COUNT) <= owner->count);
  /* Whatever keeps the loop busy, time goes on. */
  EXPECT(heartbeat->missed <= 10000u + wsu_heartbeat_now(&owner->loop));
}

void owner_settle(owner_t *owner, bool waits) {
  uint64_t time = 0;

  owner->stall = 0;
  for (unsigned i = 0; i < owner->count; i++)
    free_connection(&owner->conns[i]);
  /* The first bytes of a stream may be those that make room for others. */
  for (int i = 0; i < 4; i++)
    pump_all(owner);
  for (unsigned i = 0; i < owner->count; i++) {
    const conn_t *conn = &owner->conns[i];

    if (is_healthy(conn))
      check_healthy(conn);
    conn_check_events(conn, false);
    conn_check_wire(conn, false);
  }
  check_counters(owner);
  for (unsigned i = 0; i < owner->count; i++) {
    uint64_t needed = end_connection(&owner->conns[i], waits);

    if (needed > time)
      time = needed;
  }
  uv_script_run(time);
  for (unsigned i = 0; i < owner->count; i++) {
    EXPECT(owner->conns[i].transport == NULL);
    conn_check_wire(&owner->conns[i], false);
  }
  check_end(owner);
}

void owner_tear_down(owner_t *owner) {
  for (unsigned i = 0; i < owner->count; i++) {
    wsu_transport_t *transport = owner->conns[i].transport;

    if (transport == NULL)
      continue;
    wsu_transport_leave(transport);
    wsu_transport_terminate(transport, WSU_CAUSE_NONE);
  }
}

void owner_end(owner_t *owner) {
  wsu_loop_close(&owner->loop);
  wsu_loop_close(&owner->loop);
  uv_script_run(0);
  EXPECT(owner->is_loop_closed && uv_script_handles() == 0);
  EXPECT(owner->loop.closing == 0);
  EXPECT(owner->beats == NULL ||
         (owner->beats->references == 1 && owner->beats->alive == 0));
  for (unsigned i = 0; i < owner->count; i++) {
    EXPECT(owner->conns[i].transport == NULL);
    EXPECT(kernel.sockets[i].duplicates == 0);
  }
  wsu_beats_release(owner->beats);
  wsu_decompressor_free(owner->decompressor);
}
