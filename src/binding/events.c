#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "slab.h"

static wsu_env_t *env_of(const wsu_transport_t *transport) {
  return transport->loop->data;
}

static bool set_capacity(wsu_env_t *env, uint32_t capacity) {
  wsu_ring_event_t *events = realloc(env->events, capacity * sizeof(*events));

  if (events == NULL)
    return false;
  env->events = events;
  env->event_capacity = capacity;
  return true;
}

bool wsu_events_reserve(wsu_env_t *env) {
  /* A full ring and, beyond it, NOTICE and CLOSED of every connection. */
  uint32_t needed = WSU_RING_EVENTS + 2 * env->slots.capacity;

  return needed <= env->event_capacity || set_capacity(env, needed);
}

/* Keeps what is behind an event until JavaScript has emitted it. */
static void hold_behind(wsu_transport_t *transport, bool is_message) {
  if (is_message && transport->awaits_listener)
    wsu_transport_hold(transport, WSU_HOLD_LISTENER);
  else if (transport->is_stepwise)
    wsu_transport_hold(transport, WSU_HOLD_STEP);
}

static void push(wsu_env_t *env, const wsu_transport_t *transport, int32_t kind,
                 int32_t a, int32_t b) {
  /* Only where JavaScript could not go on with a full ring. */
  if (env->event_count == env->event_capacity &&
      !set_capacity(env, 2 * env->event_capacity))
    return;
  env->events[env->event_count++] =
      (wsu_ring_event_t){(int32_t)transport->slot, kind, a, b};
}

/* The same for a message of `len` bytes. */
static void push_message(wsu_env_t *env, wsu_transport_t *transport,
                         int32_t kind, int32_t a, int32_t b, size_t len) {
  uint64_t *counters = transport->stats->counters;

  counters[WSU_STAT_MESSAGES_RECEIVED]++;
  counters[WSU_STAT_PAYLOAD_RECEIVED] += len;
  push(env, transport, kind, a, b);
  hold_behind(transport, true);
}

/* The same for a message that was inflated. */
static void push_inflated(wsu_env_t *env, wsu_transport_t *transport,
                          int32_t kind, int32_t a, int32_t b, size_t len) {
  transport->stats->counters[WSU_STAT_INFLATED_TO] += len;
  push_message(env, transport, kind, a, b, len);
}

/* Drops what an N-API call has thrown: the caller has another way out. */
static void clear_exception(napi_env napi) {
  napi_value exception;
  bool is_pending = false;

  if (napi_is_exception_pending(napi, &is_pending) == napi_ok && is_pending)
    (void)napi_get_and_clear_last_exception(napi, &exception);
}

/* Writes to the events what connections have noticed up to now. */
static void fill_notices(wsu_env_t *env, wsu_ring_event_t *events,
                         uint32_t count) {
  for (uint32_t i = 0; i < count && env->notice_count > 0; i++) {
    wsu_transport_t *transport;

    if (events[i].kind != WSU_RING_NOTICE)
      continue;
    env->notice_count--;
    transport = wsu_slots_at(&env->slots, (uint32_t)events[i].slot);
    if (transport == NULL)
      continue;
    events[i].a = transport->notices;
    transport->notices = 0;
  }
}

/* JavaScript's ring; NULL if it has gone. */
static int32_t *find_ring(wsu_env_t *env) {
  napi_value ring;
  void *data = NULL;
  size_t length = 0;

  if (napi_get_reference_value(env->napi, env->ring, &ring) != napi_ok ||
      napi_get_typedarray_info(env->napi, ring, NULL, &length, &data, NULL,
                               NULL) != napi_ok ||
      length < WSU_RING_LENGTH)
    return NULL;
  return data;
}

/* Whether JavaScript has taken an event since the last time this was asked. */
static bool has_advanced(wsu_env_t *env) {
  const int32_t *ring = find_ring(env);
  int32_t before = env->batch_cursor;

  if (ring != NULL)
    env->batch_cursor = ring[WSU_RING_CURSOR];
  return env->batch_cursor != before;
}

/* Copies the first events to the ring. False: it has gone. */
static bool begin_batch(wsu_env_t *env) {
  uint32_t count =
      env->event_count < WSU_RING_EVENTS ? env->event_count : WSU_RING_EVENTS;
  int32_t *ring = find_ring(env);

  env->ring_events += count;
  env->ring_calls++;
  if (env->ring_peak < count)
    env->ring_peak = count;
  fill_notices(env, env->events, count);
  env->batch_count = count;
  env->batch_cursor = 0;
  env->has_batch = true;
  if (ring == NULL)
    return false;
  memcpy(ring, env->events, count * sizeof(*env->events));
  ring[WSU_RING_CURSOR] = 0;
  return true;
}

/*
 * Calls JavaScript's dispatch until all events of the batch are through: each
 * call goes on behind the event whose listener threw. False: there is something
 * left for a stack that has more room, or on which V8 was not told to stop.
 */
static bool run_batch(wsu_env_t *env, bool wants_slab) {
  napi_value argv[2];
  napi_value result = NULL;

  if (napi_create_uint32(env->napi, env->batch_count, &argv[0]) != napi_ok ||
      napi_get_boolean(env->napi, wants_slab, &argv[1]) != napi_ok)
    return true;
  while (!wsu_env_call(env, env->dispatch, 2, argv, &result)) {
    if (env->is_called && !has_advanced(env)) {
      clear_exception(env->napi);
      return false;
    }
    wsu_env_report(env);
    if (env->is_exiting)
      return true;
  }
  if (result != NULL)
    wsu_slab_keep(env, result);
  return true;
}

static void recycle_slots(wsu_env_t *env, const wsu_ring_event_t *events,
                          uint32_t count) {
  for (uint32_t i = 0; i < count && env->closed_count > 0; i++) {
    if (events[i].kind == WSU_RING_CLOSED) {
      wsu_slots_recycle(&env->slots, (uint32_t)events[i].slot);
      env->closed_count--;
    }
  }
}

static void end_batch(wsu_env_t *env) {
  uint32_t count = env->batch_count;

  recycle_slots(env, env->events, count);
  env->event_count -= count;
  memmove(env->events, env->events + count,
          env->event_count * sizeof(*env->events));
  env->has_batch = false;
}

/* Hands over a batch, or the rest of one. False: there is a rest again. */
static bool hand_over(wsu_env_t *env, bool wants_slab) {
  napi_handle_scope scope;
  bool is_through;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return false;
  is_through =
      (!env->has_batch && !begin_batch(env)) || run_batch(env, wants_slab);
  (void)napi_close_handle_scope(env->napi, scope);
  if (is_through)
    end_batch(env);
  wsu_slab_forget(env);
  return is_through;
}

/*
 * With `wants_slab` JavaScript is called even without events. Events that come
 * up while JavaScript runs are behind those that it works on.
 */
static void dispatch(wsu_env_t *env, bool wants_slab) {
  if (env->is_dispatching || env->is_exiting)
    return;
  env->is_dispatching = true;
  do {
    if (!hand_over(env, wants_slab)) {
      wsu_loop_request_turn(&env->loop);
      break;
    }
  } while (env->event_count > 0 && !env->is_exiting);
  if (!env->has_batch)
    env->large_count = 0;
  env->is_dispatching = false;
}

void wsu_events_dispatch(wsu_env_t *env) {
  if (env->event_count > 0)
    dispatch(env, false);
  /* Other callbacks of the loop may run JavaScript before the next turn. */
  wsu_slab_forget(env);
}

/*
 * Makes a place for `len` bytes. JavaScript may run in here, so that the
 * connection may be closing afterwards. Returns NULL if there is no memory;
 * `*offset` is where the bytes are in the slab.
 */
static uint8_t *reserve_in_slab(wsu_env_t *env, size_t len, int32_t *offset) {
  if (!wsu_slab_has_room(env, len)) {
    dispatch(env, true);
    if (!wsu_slab_has_room(env, len))
      return NULL;
  }
  *offset = (int32_t)env->slab_used;
  return env->slab_data + env->slab_used;
}

/* Reads a payload to the slab. Returns its offset; -1 if there is none. */
static int32_t read_to_slab(wsu_env_t *env, wsu_transport_t *transport,
                            const wsu_event_t *event) {
  int32_t offset;
  uint8_t *dest = reserve_in_slab(env, event->length, &offset);

  if (transport->is_closing)
    return -1;
  if (dest == NULL) {
    /* Behind a close frame no error is reported, and no answer would come. */
    if (event->kind == WSU_EVENT_CLOSE)
      wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
    else
      wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
    return -1;
  }
  if (wsu_connection_read(&transport->connection, dest) != 0)
    return -1;
  wsu_slab_commit(env, event->length);
  return offset;
}

static void on_small_message(wsu_env_t *env, wsu_transport_t *transport,
                             const wsu_event_t *event) {
  int32_t offset = read_to_slab(env, transport, event);

  if (offset >= 0)
    push_message(env, transport,
                 event->is_binary ? WSU_RING_BINARY : WSU_RING_TEXT, offset,
                 (int32_t)event->length, event->length);
}

static void on_control_frame(wsu_env_t *env, wsu_transport_t *transport,
                             const wsu_event_t *event, int32_t kind) {
  int32_t offset = read_to_slab(env, transport, event);
  int32_t code = kind == WSU_RING_CLOSE ? event->close_code : 0;

  if (offset < 0)
    return;
  push(env, transport, kind, offset, (int32_t)event->length + code * 256);
  /* Only the end of the connection can be behind a close frame. */
  if (kind != WSU_RING_CLOSE)
    hold_behind(transport, false);
}

static void count_ping(wsu_transport_t *transport) {
  const wsu_connection_t *connection = &transport->connection;
  uint64_t *counters = transport->stats->counters;

  counters[WSU_STAT_PINGS_RECEIVED]++;
  if (connection->options.auto_pong && !connection->close_sent)
    counters[WSU_STAT_PONGS_SENT]++;
}

/* Whether the application wants to know of what fragments a message is made. */
static bool has_lengths(const wsu_transport_t *transport,
                        const wsu_event_t *event) {
  return event->is_binary && transport->connection.message.keeps_lengths;
}

/*
 * A Buffer of JavaScript, whose code finds out that there is no memory: before
 * version 24, Node.js ends the process if Node-API does.
 */
static napi_status make_buffer(wsu_env_t *env, size_t len, void **data,
                               napi_value *buffer) {
  napi_value global;
  napi_value allocate;
  napi_value size;
  napi_status status = napi_get_global(env->napi, &global);

  if (status == napi_ok)
    status = napi_get_reference_value(env->napi, env->allocate, &allocate);
  if (status == napi_ok)
    status = napi_create_double(env->napi, (double)len, &size);
  if (status == napi_ok)
    status = napi_call_function(env->napi, global, allocate, 1, &size, buffer);
  if (status == napi_ok)
    status = napi_get_buffer_info(env->napi, *buffer, data, NULL);
  return status;
}

/* Appends to the array of large payloads. */
static napi_status append_large(wsu_env_t *env, napi_value value) {
  napi_value large;
  napi_status status = napi_get_reference_value(env->napi, env->large, &large);

  if (status == napi_ok)
    status = napi_set_element(env->napi, large, env->large_count, value);
  if (status == napi_ok)
    env->large_count++;
  return status;
}

static napi_status make_lengths(wsu_env_t *env, wsu_transport_t *transport,
                                napi_value *array) {
  size_t count;
  const uint64_t *lengths =
      wsu_message_lengths(&transport->connection.message, &count);
  napi_status status = napi_create_array_with_length(env->napi, count, array);

  for (uint32_t i = 0; i < count && status == napi_ok; i++) {
    napi_value length;

    status = napi_create_double(env->napi, (double)lengths[i], &length);
    if (status == napi_ok)
      status = napi_set_element(env->napi, *array, i, length);
  }
  return status;
}

/*
 * Reads a payload to a Buffer of its own, in the array of large payloads; the
 * lengths of its fragments follow it there, if they are wanted.
 */
static bool read_to_buffer(wsu_env_t *env, wsu_transport_t *transport,
                           const wsu_event_t *event) {
  napi_env napi = env->napi;
  bool wants_lengths = has_lengths(transport, event);
  napi_value buffer;
  napi_value lengths;
  void *data;

  if (make_buffer(env, event->length, &data, &buffer) != napi_ok ||
      (wants_lengths && make_lengths(env, transport, &lengths) != napi_ok)) {
    clear_exception(napi);
    wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
    return false;
  }
  if (wsu_connection_read(&transport->connection, data) != 0)
    return false;
  if (append_large(env, buffer) != napi_ok ||
      (wants_lengths && append_large(env, lengths) != napi_ok)) {
    clear_exception(napi);
    wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
    return false;
  }
  return true;
}

static void on_large_message(wsu_env_t *env, wsu_transport_t *transport,
                             const wsu_event_t *event) {
  int32_t index = (int32_t)env->large_count;
  napi_handle_scope scope;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return;
  if (read_to_buffer(env, transport, event))
    push_message(env, transport,
                 event->is_binary ? WSU_RING_LARGE_BINARY : WSU_RING_LARGE_TEXT,
                 index, has_lengths(transport, event), event->length);
  (void)napi_close_handle_scope(env->napi, scope);
}

/* Makes room for one more event. False if the connection is gone by that. */
static bool make_room(wsu_env_t *env, const wsu_transport_t *transport) {
  if (env->event_count >= WSU_RING_EVENTS)
    dispatch(env, false);
  return !transport->is_closing;
}

/* Hands over a Buffer; `status` says whether there is one. */
static void push_large(wsu_env_t *env, wsu_transport_t *transport,
                       bool is_binary, napi_status status, napi_value buffer) {
  int32_t index = (int32_t)env->large_count;
  size_t len;

  if (status == napi_ok)
    status = napi_get_buffer_info(env->napi, buffer, NULL, &len);
  if (status == napi_ok)
    status = append_large(env, buffer);
  if (status == napi_ok) {
    push_inflated(env, transport,
                  is_binary ? WSU_RING_LARGE_BINARY : WSU_RING_LARGE_TEXT,
                  index, 0, len);
    return;
  }
  clear_exception(env->napi);
  wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
}

static void deliver_large(wsu_env_t *env, wsu_transport_t *transport,
                          bool is_binary, const uint8_t *bytes, size_t len) {
  napi_handle_scope scope;
  napi_value buffer = NULL;
  napi_status status;
  void *data;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return;
  status = make_buffer(env, len, &data, &buffer);
  if (status == napi_ok)
    memcpy(data, bytes, len);
  push_large(env, transport, is_binary, status, buffer);
  (void)napi_close_handle_scope(env->napi, scope);
}

void wsu_events_deliver_buffer(wsu_env_t *env, wsu_transport_t *transport,
                               bool is_binary, napi_ref buffer) {
  napi_handle_scope scope;
  napi_value value = NULL;
  napi_status status;

  if (!make_room(env, transport) ||
      napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return;
  status = napi_get_reference_value(env->napi, buffer, &value);
  push_large(env, transport, is_binary, status, value);
  (void)napi_close_handle_scope(env->napi, scope);
}

napi_ref wsu_events_make_buffer(wsu_env_t *env, size_t len, void **data) {
  napi_handle_scope scope;
  napi_value buffer;
  napi_ref ref = NULL;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return NULL;
  if (make_buffer(env, len, data, &buffer) != napi_ok ||
      napi_create_reference(env->napi, buffer, 1, &ref) != napi_ok) {
    clear_exception(env->napi);
    ref = NULL;
  }
  (void)napi_close_handle_scope(env->napi, scope);
  return ref;
}

void wsu_events_deliver(wsu_env_t *env, wsu_transport_t *transport,
                        bool is_binary, const uint8_t *bytes, size_t len) {
  int32_t offset;
  uint8_t *dest;

  if (!make_room(env, transport))
    return;
  if (len > WSU_SLAB_PAYLOAD_MAX) {
    deliver_large(env, transport, is_binary, bytes, len);
    return;
  }
  dest = reserve_in_slab(env, len, &offset);
  if (transport->is_closing)
    return;
  if (dest == NULL) {
    wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
    return;
  }
  if (len > 0)
    memcpy(dest, bytes, len);
  wsu_slab_commit(env, len);
  push_inflated(env, transport, is_binary ? WSU_RING_BINARY : WSU_RING_TEXT,
                offset, (int32_t)len, len);
}

void wsu_events_on_event(wsu_transport_t *transport, const wsu_event_t *event) {
  wsu_env_t *env = env_of(transport);

  if (!make_room(env, transport))
    return;
  switch (event->kind) {
  case WSU_EVENT_MESSAGE:
    if (event->is_compressed)
      wsu_deflate_on_message(env, transport, event);
    else if (event->length > WSU_SLAB_PAYLOAD_MAX ||
             has_lengths(transport, event))
      on_large_message(env, transport, event);
    else
      on_small_message(env, transport, event);
    break;
  case WSU_EVENT_PING:
    count_ping(transport);
    on_control_frame(env, transport, event, WSU_RING_PING);
    break;
  case WSU_EVENT_PONG:
    transport->stats->counters[WSU_STAT_PONGS_RECEIVED]++;
    on_control_frame(env, transport, event, WSU_RING_PONG);
    break;
  case WSU_EVENT_CLOSE:
    on_control_frame(env, transport, event, WSU_RING_CLOSE);
    break;
  default:
    transport->stats->errors[-event->err]++;
    push(env, transport, WSU_RING_ERROR, event->err, (int32_t)event->detail);
  }
}

void wsu_events_on_end(wsu_transport_t *transport) {
  wsu_env_t *env = env_of(transport);

  if (!make_room(env, transport))
    return;
  push(env, transport, WSU_RING_END, 0, 0);
}

void wsu_events_on_notice(wsu_transport_t *transport, int notice) {
  wsu_env_t *env = env_of(transport);

  if (notice == WSU_NOTICE_OUTPUT && transport == env->caller)
    return;
  if (transport->notices == 0) {
    push(env, transport, WSU_RING_NOTICE, 0, 0);
    env->notice_count++;
    wsu_loop_request_turn(&env->loop);
  }
  transport->notices |= (uint8_t)notice;
}

void wsu_events_on_full(wsu_transport_t *transport) {
  wsu_env_t *env = env_of(transport);

  env->caller = NULL;
  wsu_events_on_notice(transport, WSU_NOTICE_OUTPUT);
  dispatch(env, false);
}

void wsu_events_on_close(wsu_transport_t *transport) {
  wsu_env_t *env = env_of(transport);

  if (transport->slot != WSU_NO_SLOT) {
    wsu_slots_remove(&env->slots, transport);
    push(env, transport, WSU_RING_CLOSED, 0, 0);
    env->closed_count++;
  }
  /*
   * Without any other handle the loop ends after this phase, so that there is
   * no later turn to wait for.
   */
  if (env->loop.closing == 0)
    wsu_events_dispatch(env);
}
