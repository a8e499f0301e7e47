/*
 * Whether a peer is still there, and for how long it may stay: when a silent
 * one gets a ping, when one that does not answer is given up, when one without
 * messages is idle, and when a connection is too old. It knows no clock: `now`
 * is in milliseconds of any clock that does not run backwards for long,
 * round-trip times are in nanoseconds of another one. It sends nothing,
 * allocates nothing and calls nobody back: see agenda.h for when to look.
 *
 * Any byte of the peer is a sign of life. Time in which nothing is read from
 * the peer does not count against it.
 */
#ifndef WSU_LIVENESS_H
#define WSU_LIVENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a ping's payload, by which its pong is known. */
#define WSU_LIVENESS_PAYLOAD 8u

/* Stands for no time at all. */
#define WSU_NEVER UINT64_MAX

typedef struct wsu_liveness_options {
  uint32_t interval;     /* ms of silence until a ping; 0: no pings */
  uint32_t timeout;      /* ms of silence behind the ping until the end; not 0
                            with an interval */
  uint32_t idle_timeout; /* ms without a message until the end; 0: any */
  uint32_t max_lifetime; /* ms until the end whatever happens; 0: any */
} wsu_liveness_options_t;

typedef enum wsu_verdict {
  WSU_VERDICT_FINE,
  WSU_VERDICT_PING,    /* send the payload of wsu_liveness_ping() */
  WSU_VERDICT_DEAD,    /* the last ping was not answered: terminate */
  WSU_VERDICT_EXPIRED, /* idle or too old: close with 1001 */
} wsu_verdict_t;

typedef struct wsu_liveness {
  wsu_liveness_options_t options;
  uint64_t opened_at;
  uint64_t heard_at;
  uint64_t message_at;
  uint64_t pinged_at;
  uint64_t suspended_at;
  uint64_t sent_ns;    /* when the last ping was sent; 0: it was answered */
  uint64_t latency_ns; /* of the last answer; 0: there was none */
  uint32_t serial;     /* of the last ping */
  uint32_t place;      /* the agenda's: see agenda.h */
  bool is_pinged;      /* and nothing was heard since */
  bool is_suspended;
} wsu_liveness_t;

_Static_assert(sizeof(wsu_liveness_t) <= 88, "connections grew too large");

/* Without any options, which end nothing. */
void wsu_liveness_init(wsu_liveness_t *liveness, uint64_t now);

/*
 * Sets the options. Silence before counts, a ping on its way does not: the peer
 * gets another one.
 */
void wsu_liveness_set(wsu_liveness_t *liveness,
                      const wsu_liveness_options_t *options);

/* Whether anything but WSU_VERDICT_FINE can ever come. */
bool wsu_liveness_has_options(const wsu_liveness_t *liveness);

/*
 * ms by which a peer may live longer than `interval` and `timeout`, if
 * wsu_liveness_check() is called when wsu_liveness_due() says: an eighth of the
 * shortest of the times at most, but from 16 to 1,024.
 */
uint32_t wsu_liveness_step(const wsu_liveness_options_t *options);

/* A sign of life: bytes have come, or the peer takes what waited for it. */
static inline void wsu_liveness_hear(wsu_liveness_t *liveness, uint64_t now) {
  liveness->heard_at = now;
  liveness->is_pinged = false;
}

/* A message is complete, or another piece of one has come. */
static inline void wsu_liveness_use(wsu_liveness_t *liveness, uint64_t now) {
  liveness->message_at = now;
}

/* Whether the peer is not read from at the moment. */
void wsu_liveness_suspend(wsu_liveness_t *liveness, bool is_suspended,
                          uint64_t now);

/* What is to be done now; it changes nothing. */
wsu_verdict_t wsu_liveness_check(const wsu_liveness_t *liveness, uint64_t now);

/*
 * When to look next, if nothing is to be done now; WSU_NEVER: not before
 * wsu_liveness_set() or wsu_liveness_suspend(). Looks are put together at
 * common times, multiples of half a step.
 */
uint64_t wsu_liveness_due(const wsu_liveness_t *liveness, uint64_t now);

/* Writes the payload of a ping that is sent now, by either clock. */
void wsu_liveness_ping(wsu_liveness_t *liveness, uint64_t now, uint64_t now_ns,
                       uint8_t payload[WSU_LIVENESS_PAYLOAD]);

/*
 * Whether a pong of `len` bytes answers one of these pings; if that is the last
 * one, its round-trip time is known now.
 */
bool wsu_liveness_pong(wsu_liveness_t *liveness, uint64_t now_ns,
                       const uint8_t *payload, size_t len);

#endif
