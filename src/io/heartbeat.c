#include "heartbeat.h"

#include <stdlib.h>

#include "loop.h"
#include "transport.h"

/* ms without a poll that count as a stall. */
#define STALL 100u

/*
 * Stalls stop the clock, for the peers cannot be heard in them, but only for as
 * many ms as it has gone on before: otherwise peers that keep the loop busy
 * would never grow older.
 */
#define STALLED_MAX 10000u

/*
 * What a turn may spend on a sweep, about 2 ms: a look costs 1, and PING_COST
 * if something has to be sent or closed.
 */
#define SWEEP_COST 4096u
#define PING_COST 16u

wsu_beats_t *wsu_beats_new(void) {
  wsu_beats_t *beats = calloc(1, sizeof(*beats));

  if (beats != NULL)
    beats->references = 1;
  return beats;
}

void wsu_beats_release(wsu_beats_t *beats) {
  if (beats != NULL && --beats->references == 0)
    free(beats);
}

void wsu_heartbeat_init(wsu_loop_t *loop, uv_timer_t *timer) {
  wsu_agenda_init(&loop->heartbeat.agenda);
  loop->heartbeat.timer = timer;
  loop->heartbeat.timer_due = WSU_NEVER;
  loop->heartbeat.polled_at = uv_now(loop->uv);
  loop->heartbeat.asked_at = loop->heartbeat.polled_at;
  loop->heartbeat.spare = STALLED_MAX;
  /* What carries the connections keeps the loop going, not their heartbeat. */
  uv_unref((uv_handle_t *)timer);
}

void wsu_heartbeat_free(wsu_loop_t *loop) {
  wsu_agenda_free(&loop->heartbeat.agenda);
  loop->heartbeat.timer = NULL;
}

uint64_t wsu_heartbeat_now(const wsu_loop_t *loop) {
  return uv_now(loop->uv) - loop->heartbeat.missed;
}

static void miss(wsu_heartbeat_t *heartbeat, uint64_t busy) {
  uint64_t missed = busy < heartbeat->spare ? busy : heartbeat->spare;

  heartbeat->missed += missed;
  heartbeat->spare -= missed;
}

static void earn(wsu_heartbeat_t *heartbeat, uint64_t counted) {
  uint64_t room = STALLED_MAX - heartbeat->spare;

  heartbeat->spare += counted < room ? counted : room;
}

void wsu_heartbeat_before_poll(wsu_loop_t *loop) {
  wsu_heartbeat_t *heartbeat = &loop->heartbeat;
  uint64_t busy;
  uint64_t now;

  if (heartbeat->agenda.count == 0)
    return;
  uv_update_time(loop->uv);
  busy = uv_now(loop->uv) - heartbeat->polled_at;
  if (busy >= STALL)
    miss(heartbeat, busy);
  now = wsu_heartbeat_now(loop);
  earn(heartbeat, now > heartbeat->asked_at ? now - heartbeat->asked_at : 0);
  heartbeat->asked_at = now;
}

void wsu_heartbeat_after_poll(wsu_loop_t *loop) {
  loop->heartbeat.polled_at = uv_now(loop->uv);
}

static void on_timer(uv_timer_t *handle) {
  wsu_loop_t *loop = handle->data;

  loop->heartbeat.timer_due = WSU_NEVER;
  loop->heartbeat.is_asked = true;
  wsu_loop_request_turn(loop);
}

static void start_timer(wsu_loop_t *loop, uint64_t due) {
  wsu_heartbeat_t *heartbeat = &loop->heartbeat;
  uint64_t now = wsu_heartbeat_now(loop);

  if (loop->is_closing || heartbeat->is_asked || due >= heartbeat->timer_due)
    return;
  heartbeat->timer_due = due > now ? due : now;
  /* Fails only for a handle that is closing. */
  (void)uv_timer_start(heartbeat->timer, on_timer, heartbeat->timer_due - now,
                       0);
}

static void stop_timer(wsu_loop_t *loop) {
  loop->heartbeat.timer_due = WSU_NEVER;
  if (!loop->is_closing)
    (void)uv_timer_stop(loop->heartbeat.timer);
}

/* Counts the connection as one with a heartbeat, or not. */
static void count(wsu_transport_t *transport, bool has_heartbeat) {
  if (has_heartbeat == transport->has_heartbeat)
    return;
  transport->has_heartbeat = has_heartbeat;
  if (transport->beats == NULL)
    return;
  if (has_heartbeat)
    transport->beats->alive++;
  else
    transport->beats->alive--;
}

static bool schedule(wsu_transport_t *transport, uint64_t now) {
  wsu_loop_t *loop = transport->loop;
  uint64_t due = wsu_liveness_due(&transport->liveness, now);

  if (!wsu_agenda_put(&loop->heartbeat.agenda, &transport->liveness, due))
    return false;
  start_timer(loop, due);
  return true;
}

bool wsu_heartbeat_set(wsu_transport_t *transport, wsu_beats_t *beats,
                       const wsu_liveness_options_t *options) {
  wsu_liveness_set(&transport->liveness, options);
  if (transport->is_closing ||
      !wsu_liveness_has_options(&transport->liveness)) {
    wsu_heartbeat_forget(transport);
    return true;
  }
  if (!schedule(transport, wsu_heartbeat_now(transport->loop)))
    return false;
  if (transport->beats == NULL && beats != NULL) {
    beats->references++;
    transport->beats = beats;
  }
  count(transport, options->interval > 0);
  return true;
}

void wsu_heartbeat_suspend(wsu_transport_t *transport, bool is_suspended) {
  uint64_t now = wsu_heartbeat_now(transport->loop);

  wsu_liveness_suspend(&transport->liveness, is_suspended, now);
  /* It has a place already, so this needs no memory. */
  if (wsu_agenda_has(&transport->liveness))
    (void)schedule(transport, now);
}

void wsu_heartbeat_forget(wsu_transport_t *transport) {
  wsu_agenda_t *agenda = &transport->loop->heartbeat.agenda;

  count(transport, false);
  if (!wsu_agenda_has(&transport->liveness))
    return;
  wsu_agenda_remove(agenda, &transport->liveness);
  if (agenda->count == 0)
    stop_timer(transport->loop);
}

static void send_ping(wsu_transport_t *transport) {
  uint8_t payload[WSU_LIVENESS_PAYLOAD];

  wsu_liveness_ping(&transport->liveness, wsu_heartbeat_now(transport->loop),
                    uv_hrtime(), payload);
  transport->is_alive = false;
  if (wsu_connection_ping(&transport->connection, payload, sizeof(payload)) <
      0) {
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
    return;
  }
  transport->stats->counters[WSU_STAT_PINGS_SENT]++;
  /* Before listeners run, whose time would count as the peer's. */
  wsu_transport_flush(transport);
  if (transport->beats != NULL)
    transport->beats->pinged++;
}

/* Has the owner told, at the end of the sweep, what was done. */
static void keep_witness(wsu_transport_t *transport, wsu_beats_t **first) {
  wsu_beats_t *beats = transport->beats;

  if (beats == NULL || !transport->has_heartbeat)
    return;
  if (beats->witness == NULL) {
    beats->next = *first;
    *first = beats;
  }
  beats->witness = transport;
}

static void tell_owners(wsu_beats_t *first) {
  while (first != NULL) {
    wsu_beats_t *beats = first;
    wsu_transport_t *witness = beats->witness;

    first = beats->next;
    beats->next = NULL;
    beats->witness = NULL;
    witness->loop->owner->on_notice(witness, WSU_NOTICE_SWEPT);
  }
}

/* Looks at what is due. Returns what that costs. */
static unsigned look(wsu_transport_t *transport, wsu_beats_t **first) {
  wsu_loop_t *loop = transport->loop;
  unsigned cost = PING_COST;

  /* The closing handshake has a deadline of its own, and nothing follows it. */
  if (transport->connection.close_by != 0) {
    wsu_heartbeat_forget(transport);
    return 1;
  }
  keep_witness(transport, first);
  switch (wsu_liveness_check(&transport->liveness, loop->heartbeat.asked_at)) {
  case WSU_VERDICT_PING:
    send_ping(transport);
    break;
  case WSU_VERDICT_DEAD:
    if (transport->beats != NULL)
      transport->beats->terminated++;
    wsu_transport_terminate(transport, WSU_CAUSE_HEARTBEAT);
    break;
  case WSU_VERDICT_EXPIRED:
    wsu_heartbeat_forget(transport);
    loop->owner->on_notice(transport, WSU_NOTICE_EXPIRED);
    break;
  default:
    cost = 1;
  }
  /* It has a place already, so this needs no memory. */
  if (wsu_agenda_has(&transport->liveness))
    (void)schedule(transport, wsu_heartbeat_now(loop));
  return cost;
}

void wsu_heartbeat_sweep(wsu_loop_t *loop) {
  wsu_heartbeat_t *heartbeat = &loop->heartbeat;
  wsu_agenda_t *agenda = &heartbeat->agenda;
  wsu_beats_t *first = NULL;
  wsu_liveness_t *liveness;
  unsigned cost = 0;

  if (!heartbeat->is_asked)
    return;
  if (agenda->left == 0)
    wsu_agenda_begin(agenda);
  /* JavaScript may have run since, and pings are sent now. */
  uv_update_time(loop->uv);
  while (cost < SWEEP_COST &&
         (liveness = wsu_agenda_take(agenda, heartbeat->asked_at)) != NULL)
    cost +=
        look(wsu_queue_element(liveness, wsu_transport_t, liveness), &first);
  heartbeat->is_asked = false;
  tell_owners(first);
  if (agenda->count > 0)
    start_timer(loop, agenda->left > 0 ? 0 : agenda->next);
}
