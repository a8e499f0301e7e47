#include "loop.h"

#include <stdlib.h>

#include "transport.h"

/* ms between two looks at the deadlines, however many there are. */
#define TIMER_STEP 20u

static void process(wsu_transport_t *transport) {
  transport->ops->process(transport);
}

static void process_ready(wsu_loop_t *loop) {
  wsu_queue_t batch;

  /* What becomes ready meanwhile waits for the next turn. */
  wsu_queue_move(&loop->ready, &batch);
  while (!wsu_queue_is_empty(&batch)) {
    wsu_queue_t *node = batch.next;

    wsu_queue_remove(node);
    process(wsu_queue_element(node, wsu_transport_t, ready));
  }
}

static void flush_dirty(wsu_loop_t *loop) {
  while (!wsu_queue_is_empty(&loop->dirty)) {
    wsu_queue_t *node = loop->dirty.next;

    wsu_queue_remove(node);
    wsu_transport_flush(wsu_queue_element(node, wsu_transport_t, dirty));
  }
}

static void bury_gone(wsu_loop_t *loop) {
  wsu_queue_t batch;

  /* The owner may free the loop with the last connection. */
  wsu_queue_move(&loop->gone, &batch);
  while (!wsu_queue_is_empty(&batch)) {
    wsu_queue_t *node = batch.next;

    wsu_queue_remove(node);
    wsu_transport_bury(wsu_queue_element(node, wsu_transport_t, ready));
  }
}

void wsu_loop_bury(wsu_loop_t *loop, struct wsu_transport *transport) {
  wsu_queue_push(&loop->gone, &transport->ready);
  /* An owner that runs the loop inside of a turn may be working on it. */
  if (!loop->in_turn)
    bury_gone(loop);
}

void wsu_loop_bury_later(wsu_loop_t *loop, struct wsu_transport *transport) {
  wsu_queue_push(&loop->gone, &transport->ready);
  wsu_loop_request_turn(loop);
}

static void on_idle(uv_idle_t *handle) {
  (void)handle;
}

void wsu_loop_request_turn(wsu_loop_t *loop) {
  loop->has_work = true;
  /* Keeps a loop going in which nothing else is left to do. */
  if (!loop->in_turn && !loop->is_closing)
    (void)uv_idle_start(loop->idle, on_idle);
}

static bool needs_turn(const wsu_loop_t *loop) {
  return !loop->is_closing &&
         (loop->has_work || !wsu_queue_is_empty(&loop->ready) ||
          wsu_heartbeat_is_asked(&loop->heartbeat));
}

static void run_turn(wsu_loop_t *loop) {
  if (!needs_turn(loop))
    return;
  loop->in_turn = true;
  loop->has_work = false;
  process_ready(loop);
  if (loop->has_polled)
    wsu_heartbeat_sweep(loop);
  loop->owner->on_turn(loop->data);
  flush_dirty(loop);
  loop->owner->on_turn_end(loop->data);
  loop->in_turn = false;
  bury_gone(loop);
}

/*
 * A turn, and what it has asked for has its own turn before the loop blocks:
 * idle handles keep it from that.
 */
void wsu_loop_run_turn(wsu_loop_t *loop) {
  /* An owner that runs the loop inside of a turn gets no second one. */
  if (loop->in_turn || loop->is_closing)
    return;
  (void)uv_idle_stop(loop->idle);
  run_turn(loop);
  if (needs_turn(loop))
    (void)uv_idle_start(loop->idle, on_idle);
}

static void on_prepare(uv_prepare_t *handle) {
  wsu_loop_run_turn(handle->data);
  wsu_heartbeat_before_poll(handle->data);
}

static void on_check(uv_check_t *handle) {
  wsu_loop_t *loop = handle->data;

  wsu_heartbeat_after_poll(loop);
  loop->has_polled = true;
  wsu_loop_run_turn(loop);
  loop->has_polled = false;
}

static void on_timer(uv_timer_t *handle);

static void start_timer(wsu_loop_t *loop, uint64_t due) {
  uint64_t now = uv_now(loop->uv);

  if (loop->timer_due != 0 && loop->timer_due <= due)
    return;
  loop->timer_due = due;
  /* Fails only for a closing handle, and then no deadline matters. */
  (void)uv_timer_start(loop->timer, on_timer, due > now ? due - now : 0, 0);
}

static void on_timer(uv_timer_t *handle) {
  wsu_loop_t *loop = handle->data;
  uint64_t now = uv_now(loop->uv);
  uint64_t next = UINT64_MAX;
  wsu_queue_t batch;

  loop->timer_due = 0;
  wsu_queue_move(&loop->timed, &batch);
  while (!wsu_queue_is_empty(&batch)) {
    wsu_queue_t *node = batch.next;
    wsu_transport_t *transport =
        wsu_queue_element(node, wsu_transport_t, timed);

    wsu_queue_remove(node);
    if (wsu_connection_is_overdue(&transport->connection, now)) {
      wsu_transport_terminate(transport, WSU_CAUSE_CLOSE_TIMEOUT);
      continue;
    }
    wsu_queue_push(&loop->timed, node);
    if (transport->connection.close_by < next)
      next = transport->connection.close_by;
  }
  if (next != UINT64_MAX)
    start_timer(loop, next < now + TIMER_STEP ? now + TIMER_STEP : next);
}

void wsu_loop_forget_deadline(wsu_loop_t *loop,
                              struct wsu_transport *transport) {
  wsu_queue_remove(&transport->timed);
  if (loop->timer_due == 0 || !wsu_queue_is_empty(&loop->timed))
    return;
  loop->timer_due = 0;
  if (!loop->is_closing)
    (void)uv_timer_stop(loop->timer);
}

void wsu_loop_watch_deadline(wsu_loop_t *loop,
                             struct wsu_transport *transport) {
  wsu_queue_push(&loop->timed, &transport->timed);
  start_timer(loop, transport->connection.close_by);
}

static void on_handle_close(uv_handle_t *handle) {
  wsu_loop_t *loop = handle->data;

  free(handle);
  if (--loop->handles > 0)
    return;
  free(loop->buffer);
  loop->buffer = NULL;
  wsu_heartbeat_free(loop);
  loop->owner->on_loop_close(loop->data);
}

int wsu_loop_init(wsu_loop_t *loop, uv_loop_t *uv,
                  const wsu_loop_owner_t *owner, void *data) {
  uv_timer_t *heartbeat;

  *loop = (wsu_loop_t){.uv = uv, .owner = owner, .data = data};
  wsu_queue_init(&loop->ready);
  wsu_queue_init(&loop->dirty);
  wsu_queue_init(&loop->timed);
  wsu_queue_init(&loop->gone);

  /* The sizes are those of the libuv that runs, not of its header. */
  loop->prepare = malloc(uv_handle_size(UV_PREPARE));
  loop->check = malloc(uv_handle_size(UV_CHECK));
  loop->idle = malloc(uv_handle_size(UV_IDLE));
  loop->timer = malloc(uv_handle_size(UV_TIMER));
  heartbeat = malloc(uv_handle_size(UV_TIMER));
  loop->buffer = malloc(WSU_RECEIVE_SIZE);
  if (loop->prepare == NULL || loop->check == NULL || loop->idle == NULL ||
      loop->timer == NULL || heartbeat == NULL || loop->buffer == NULL) {
    free(loop->prepare);
    free(loop->check);
    free(loop->idle);
    free(loop->timer);
    free(heartbeat);
    free(loop->buffer);
    return UV_ENOMEM;
  }

  /* These fail only for a missing callback. */
  (void)uv_prepare_init(uv, loop->prepare);
  (void)uv_check_init(uv, loop->check);
  (void)uv_idle_init(uv, loop->idle);
  (void)uv_timer_init(uv, loop->timer);
  (void)uv_timer_init(uv, heartbeat);
  loop->prepare->data = loop;
  loop->check->data = loop;
  loop->idle->data = loop;
  loop->timer->data = loop;
  heartbeat->data = loop;
  loop->handles = 5;
  wsu_heartbeat_init(loop, heartbeat);
  (void)uv_prepare_start(loop->prepare, on_prepare);
  (void)uv_check_start(loop->check, on_check);
  uv_unref((uv_handle_t *)loop->prepare);
  uv_unref((uv_handle_t *)loop->check);
  return 0;
}

void wsu_loop_close(wsu_loop_t *loop) {
  if (loop->is_closing)
    return;
  loop->is_closing = true;
  if (!loop->in_turn)
    bury_gone(loop);
  uv_close((uv_handle_t *)loop->prepare, on_handle_close);
  uv_close((uv_handle_t *)loop->check, on_handle_close);
  uv_close((uv_handle_t *)loop->idle, on_handle_close);
  uv_close((uv_handle_t *)loop->timer, on_handle_close);
  uv_close((uv_handle_t *)loop->heartbeat.timer, on_handle_close);
}
