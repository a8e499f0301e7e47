#include "transport.h"

void wsu_transport_init(wsu_transport_t *transport, wsu_loop_t *loop,
                        const wsu_transport_ops_t *ops,
                        const wsu_connection_options_t *options) {
  *transport = (wsu_transport_t){
      .ops = ops,
      .loop = loop,
      .slot = WSU_NO_SLOT,
      .corked_first = -1,
      .is_alive = true,
      .active_at = uv_now(loop->uv),
  };
  wsu_transport_leave(transport);
  wsu_queue_init(&transport->ready);
  wsu_queue_init(&transport->dirty);
  wsu_queue_init(&transport->timed);
  wsu_liveness_init(&transport->liveness, wsu_heartbeat_now(loop));
  wsu_connection_init(&transport->connection, options);
}

void wsu_transport_release(wsu_transport_t *transport) {
  wsu_connection_free(&transport->connection);
  wsu_buffer_free(&transport->input);
  wsu_beats_release(transport->beats);
}

void wsu_transport_bury(wsu_transport_t *transport) {
  transport->loop->closing--;
  transport->stats->counters[WSU_STAT_ENDED_TCP + transport->ops->kind]++;
  transport->loop->owner->on_close(transport);
  transport->ops->free(transport);
}

void wsu_transport_join(wsu_transport_t *transport, wsu_stats_t *stats) {
  transport->stats = stats;
  stats->counters[WSU_STAT_ACCEPTED_TCP + transport->ops->kind]++;
}

void wsu_transport_leave(wsu_transport_t *transport) {
  transport->stats = &transport->loop->stats;
}

void wsu_transport_terminate(wsu_transport_t *transport, wsu_cause_t cause) {
  if (transport->is_closing)
    return;
  if (cause == WSU_CAUSE_CONNECTION_LOST &&
      wsu_connection_is_done(&transport->connection))
    cause = WSU_CAUSE_NONE;
  if (cause != WSU_CAUSE_NONE)
    transport->stats->terminations[cause]++;
  transport->is_closing = true;
  wsu_queue_remove(&transport->ready);
  wsu_queue_remove(&transport->dirty);
  wsu_loop_forget_deadline(transport->loop, transport);
  wsu_heartbeat_forget(transport);
  transport->loop->closing++;
  transport->ops->close(transport);
}

void wsu_transport_process_later(wsu_transport_t *transport) {
  if (transport->is_closing)
    return;
  wsu_queue_push(&transport->loop->ready, &transport->ready);
  wsu_loop_request_turn(transport->loop);
}

/* Only pongs that the peer does not read may count against the limit. */
static void relieve(wsu_transport_t *transport) {
  if (transport->is_closing)
    return;
  wsu_transport_flush(transport);
  if (!transport->is_closing && !transport->is_blocked &&
      wsu_connection_is_pong_limit_near(&transport->connection))
    transport->loop->owner->on_full(transport);
}

/*
 * Puts bytes that are decoded later before those that came since. If they are
 * the last ones of `source` its memory is taken: there may be many steps.
 */
static void keep_input(wsu_transport_t *transport, wsu_buffer_t *source,
                       const uint8_t *bytes, size_t len) {
  wsu_buffer_t later = transport->input;
  wsu_buffer_t input = {0};
  int err = 0;

  if (source != NULL) {
    input = *source;
    *source = (wsu_buffer_t){0};
    wsu_buffer_consume(&input, wsu_buffer_length(&input) - len);
  } else {
    err = wsu_buffer_append(&input, bytes, len);
  }
  if (err == 0)
    err = wsu_buffer_append(&input, wsu_buffer_bytes(&later),
                            wsu_buffer_length(&later));
  wsu_buffer_free(&later);
  transport->input = input;
  if (err)
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
}

/* Hands an event to the owner, unless it is the answer to a heartbeat. */
static void report(wsu_transport_t *transport, const wsu_event_t *event) {
  const wsu_connection_t *connection = &transport->connection;
  wsu_liveness_t *liveness = &transport->liveness;

  if (event->kind == WSU_EVENT_PONG &&
      wsu_liveness_pong(liveness, uv_hrtime(), connection->control,
                        event->length)) {
    transport->stats->counters[WSU_STAT_PONGS_RECEIVED]++;
    return;
  }
  if (event->kind == WSU_EVENT_MESSAGE)
    wsu_liveness_use(liveness, wsu_heartbeat_now(transport->loop));
  transport->loop->owner->on_event(transport, event);
}

/* See wsu_transport_receive(); the bytes are those of `source`, if any. */
static void receive(wsu_transport_t *transport, wsu_buffer_t *source,
                    const uint8_t *bytes, size_t len) {
  wsu_connection_t *connection = &transport->connection;
  wsu_event_t event;

  if (len > 0) {
    transport->is_alive = true;
    transport->received += len;
    transport->stats->counters[WSU_STAT_WIRE_RECEIVED] += len;
    transport->active_at = uv_now(transport->loop->uv);
    wsu_transport_hear(transport);
  }
  do {
    size_t consumed = wsu_connection_receive(connection, bytes, len, &event);

    switch (event.kind) {
    case WSU_EVENT_NONE:
      if (len > 0 && wsu_connection_is_in_message(connection))
        wsu_liveness_use(&transport->liveness,
                         wsu_heartbeat_now(transport->loop));
      return;
    case WSU_EVENT_TERMINATE:
      wsu_transport_terminate(transport, WSU_CAUSE_PONG_LIMIT);
      return;
    default:
      report(transport, &event);
    }
    bytes += consumed;
    len -= consumed;

    if (wsu_connection_is_pong_limit_near(connection))
      relieve(transport);
    if (wsu_output_length(&connection->output) > 0 && !transport->is_closing)
      wsu_transport_mark_dirty(transport);
    if (transport->holds != 0 && !transport->is_closing) {
      transport->received -= len;
      transport->stats->counters[WSU_STAT_WIRE_RECEIVED] -= len;
      keep_input(transport, source, bytes, len);
      return;
    }
  } while (!transport->is_closing);
}

void wsu_transport_receive(wsu_transport_t *transport, const uint8_t *bytes,
                           size_t len) {
  receive(transport, NULL, bytes, len);
}

void wsu_transport_receive_input(wsu_transport_t *transport) {
  /* Moved out first: more may come, and the transport may go, in here. */
  wsu_buffer_t input = transport->input;
  size_t len = wsu_buffer_length(&input);

  transport->input = (wsu_buffer_t){0};
  transport->is_resumed = false;
  /* What is resumed may have no input, and nothing can be added to NULL. */
  receive(transport, &input,
          len > 0 ? wsu_buffer_bytes(&input) : transport->loop->buffer, len);
  wsu_buffer_free(&input);
}

void wsu_transport_end(wsu_transport_t *transport) {
  wsu_connection_end(&transport->connection);
  transport->loop->owner->on_end(transport);
  wsu_transport_limit_closing(transport);
  if (!transport->is_closing)
    wsu_transport_mark_dirty(transport);
}

void wsu_transport_limit_closing(wsu_transport_t *transport) {
  if (transport->is_closing)
    return;
  wsu_connection_limit_closing(&transport->connection,
                               uv_now(transport->loop->uv));
  wsu_loop_watch_deadline(transport->loop, transport);
}

void wsu_transport_sent(wsu_transport_t *transport, size_t len) {
  const wsu_loop_owner_t *owner = transport->loop->owner;

  if (len == 0)
    return;
  transport->sent += len;
  transport->stats->counters[WSU_STAT_WIRE_SENT] += len;
  transport->active_at = uv_now(transport->loop->uv);
  if (transport->reports_progress)
    owner->on_notice(transport, WSU_NOTICE_PROGRESS);
}

void wsu_transport_report_drain(wsu_transport_t *transport) {
  if (!transport->reports_drain || wsu_transport_unsent(transport) > 0)
    return;
  transport->reports_drain = false;
  transport->loop->owner->on_notice(transport, WSU_NOTICE_DRAIN);
}

/*
 * Queues the pieces without their first `taken` bytes. False: there is no
 * memory.
 */
static bool keep(wsu_transport_t *transport, const struct iovec *pieces,
                 int count, size_t taken, bool is_taken_soon) {
  wsu_output_t *output = &transport->connection.output;

  for (; count > 0; pieces++, count--) {
    const uint8_t *bytes = pieces->iov_base;
    size_t n = taken < pieces->iov_len ? taken : pieces->iov_len;

    if (n > 0)
      wsu_output_pass(output, bytes, n);
    taken -= n;
    if (n < pieces->iov_len &&
        wsu_output_queue(output, bytes + n, pieces->iov_len - n,
                         is_taken_soon) < 0)
      return false;
  }
  if (wsu_transport_unsent(transport) > WSU_HIGH_WATER_MARK)
    transport->reports_drain = true;
  return true;
}

void wsu_transport_send(wsu_transport_t *transport, const struct iovec *pieces,
                        int count) {
  wsu_connection_t *connection = &transport->connection;
  struct iovec all[WSU_OUTPUT_SPANS + WSU_SEND_PIECES];
  wsu_span_t spans[WSU_OUTPUT_SPANS];
  size_t output_len = wsu_output_length(&connection->output);
  size_t total = output_len;
  size_t taken = 0;
  int all_count = 0;

  if (transport->is_closing || transport->is_shut)
    return;
  for (int n = wsu_output_spans(&connection->output, spans); all_count < n;
       all_count++)
    all[all_count] =
        (struct iovec){(void *)spans[all_count].bytes, spans[all_count].len};
  for (int i = 0; i < count; i++) {
    all[all_count++] = pieces[i];
    total += pieces[i].iov_len;
  }

  if (!transport->is_blocked && total > 0) {
    ssize_t n = transport->ops->send(transport, all, all_count, total);

    if (n < 0) {
      wsu_transport_terminate(transport, WSU_CAUSE_CONNECTION_LOST);
      return;
    }
    taken = (size_t)n;
    wsu_transport_sent(transport, taken);
    if (output_len > 0)
      wsu_connection_sent(connection, taken < output_len ? taken : output_len);
  }
  if (taken < total &&
      !keep(transport, pieces, count,
            taken > output_len ? taken - output_len : 0,
            !transport->is_blocked && total <= WSU_STREAM_WRITE_MAX)) {
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
    return;
  }
  wsu_transport_report_drain(transport);
  transport->ops->wait(transport);
}

void wsu_transport_send_buffer(wsu_transport_t *transport,
                               wsu_buffer_t *frames) {
  wsu_output_t *output = &transport->connection.output;
  struct iovec piece = {(void *)wsu_buffer_bytes(frames),
                        wsu_buffer_length(frames)};

  if (transport->is_closing || transport->is_shut ||
      wsu_output_length(output) > 0) {
    wsu_transport_send(transport, &piece, 1);
    wsu_buffer_free(frames);
  } else {
    wsu_output_adopt(output, frames);
    wsu_transport_send(transport, NULL, 0);
  }
}

void wsu_transport_flush(wsu_transport_t *transport) {
  wsu_connection_t *connection = &transport->connection;

  if (wsu_output_length(&connection->output) > 0)
    wsu_transport_send(transport, NULL, 0);
  if (!transport->is_closing && wsu_output_length(&connection->output) == 0 &&
      wsu_connection_is_done(connection))
    transport->ops->finish(transport);
}

void wsu_transport_close(wsu_transport_t *transport, uint16_t code,
                         const uint8_t *reason, size_t len) {
  if (transport->is_closing)
    return;
  if (wsu_connection_close(&transport->connection, code, reason, len,
                           uv_now(transport->loop->uv)) < 0) {
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
    return;
  }
  wsu_loop_watch_deadline(transport->loop, transport);
  wsu_transport_flush(transport);
}

/* Time in which nothing is read from the peer does not count against it. */
static void suspend_heartbeat(wsu_transport_t *transport) {
  wsu_heartbeat_suspend(transport,
                        transport->is_paused || transport->holds != 0);
}

void wsu_transport_hold(wsu_transport_t *transport, int hold) {
  transport->holds |= (uint8_t)hold;
  transport->is_resumed = false;
  suspend_heartbeat(transport);
  /* Who receives waits for what is wanted then, behind the event. */
}

void wsu_transport_release_hold(wsu_transport_t *transport, int hold) {
  if ((transport->holds & hold) == 0)
    return;
  transport->holds &= (uint8_t)~hold;
  if (transport->holds != 0)
    return;
  transport->is_resumed = true;
  suspend_heartbeat(transport);
  wsu_transport_process_later(transport);
  if (!transport->is_closing)
    transport->ops->wait(transport);
}

void wsu_transport_limit_hold(wsu_transport_t *transport) {
  if ((transport->holds & WSU_HOLD_LISTENER) != 0)
    wsu_transport_limit_closing(transport);
}

void wsu_transport_pause(wsu_transport_t *transport, bool is_paused) {
  transport->is_paused = is_paused;
  suspend_heartbeat(transport);
  if (!is_paused)
    wsu_transport_process_later(transport);
  transport->ops->wait(transport);
}
