/*
 * The heartbeat of all connections of a loop, with one timer for all of them:
 * silent peers get a ping, those that stay silent are terminated, and the owner
 * is told to close what is idle or too old. When, is decided by liveness.h;
 * what is due, by agenda.h.
 *
 * A sweep comes behind receiving in its turn, and judges by the time before the
 * poll: what a peer sent until then was read, however long JavaScript has held
 * the loop up since. Longer stalls do not count at all, since one poll does not
 * come to everything. A sweep looks at a bounded number of connections and goes
 * on in the next turn.
 */
#ifndef WSU_HEARTBEAT_H
#define WSU_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agenda.h"

struct wsu_loop;
struct wsu_transport;

/*
 * What the heartbeat has done for the connections of one owner, in memory that
 * they share and the last of them frees.
 */
typedef struct wsu_beats {
  uint32_t alive;      /* connections with a heartbeat */
  uint32_t pinged;     /* since the owner has set this to 0 */
  uint32_t terminated; /* the same */
  uint32_t references;
  /* Within a sweep: one of the connections that were looked at, and the next
   * owner of some. */
  struct wsu_transport *witness;
  struct wsu_beats *next;
} wsu_beats_t;

typedef struct wsu_heartbeat {
  wsu_agenda_t agenda;
  uv_timer_t *timer;
  uint64_t timer_due; /* WSU_NEVER: it does not run */
  uint64_t missed;    /* ms of stalls, which the clock has left out */
  uint64_t spare;     /* ms that it may leave out for now */
  uint64_t polled_at; /* ms of the loop: when its last poll was over */
  uint64_t asked_at;  /* the clock before the last poll */
  bool is_asked;      /* by the timer, for a sweep */
} wsu_heartbeat_t;

/* All zero, with one reference; NULL if there is no memory. */
wsu_beats_t *wsu_beats_new(void);

/* Frees them behind the last reference. */
void wsu_beats_release(wsu_beats_t *beats);

/* For the loop: `timer` is a handle that it has initialised, and closes. */
void wsu_heartbeat_init(struct wsu_loop *loop, uv_timer_t *timer);

/* Frees what it owns; the timer is closed. */
void wsu_heartbeat_free(struct wsu_loop *loop);

/* For the loop: all is done before the next poll, or a poll is over. */
void wsu_heartbeat_before_poll(struct wsu_loop *loop);
void wsu_heartbeat_after_poll(struct wsu_loop *loop);

/* Whether wsu_heartbeat_sweep() has something to do. */
static inline bool wsu_heartbeat_is_asked(const wsu_heartbeat_t *heartbeat) {
  return heartbeat->is_asked;
}

/*
 * Looks at what is due, if the timer has asked for that: behind a poll, when
 * what it has found was received.
 */
void wsu_heartbeat_sweep(struct wsu_loop *loop);

/* The clock of the heartbeat: that of the loop without the time it stood. */
uint64_t wsu_heartbeat_now(const struct wsu_loop *loop);

/*
 * Sets the heartbeat of a connection and counts it in `beats`, which may be
 * NULL and stays the same for a connection. False: there is no memory.
 */
bool wsu_heartbeat_set(struct wsu_transport *transport, wsu_beats_t *beats,
                       const wsu_liveness_options_t *options);

/* Whether the connection is read from has changed. */
void wsu_heartbeat_suspend(struct wsu_transport *transport, bool is_suspended);

/* Has the connection looked at no more. */
void wsu_heartbeat_forget(struct wsu_transport *transport);

#endif
