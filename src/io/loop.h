/*
 * What the connections of one event loop share: the turn, the receive buffer
 * and the timer that ends overdue closing handshakes.
 *
 * A turn comes after libuv has polled, and once more before it does: ready
 * connections are received from, the owner hands the events over, and what was
 * written meanwhile is sent. The poll callbacks themselves only note that a
 * connection is ready, so that everything between two calls into the owner
 * happens in one stretch.
 */
#ifndef WSU_LOOP_H
#define WSU_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "connection.h"
#include "heartbeat.h"
#include "queue.h"
#include "stats.h"

/* Bytes that one connection may receive in a turn. */
#define WSU_RECEIVE_SIZE (512u * 1024u)

struct wsu_transport;

/* The owner's functions. None of them may close the loop. */
typedef struct wsu_loop_owner {
  /* Something was received; if it has a payload, it is read in here. */
  void (*on_event)(struct wsu_transport *transport, const wsu_event_t *event);
  /* The peer's bytes have ended. */
  void (*on_end)(struct wsu_transport *transport);
  /* One of WSU_NOTICE_*: see transport.h. Comes in a turn or out of one. */
  void (*on_notice)(struct wsu_transport *transport, int notice);
  /* The output of a stream has to be taken at once, before more comes in. */
  void (*on_full)(struct wsu_transport *transport);
  /* The connection is gone, `transport` is freed when this returns. */
  void (*on_close)(struct wsu_transport *transport);
  /* All that was ready has been received; what is sent now goes out. */
  void (*on_turn)(void *data);
  /* The turn is over: the last notices of it can be looked at. */
  void (*on_turn_end)(void *data);
  /* The loop's own handles are closed: wsu_loop_close() is complete. */
  void (*on_loop_close)(void *data);
} wsu_loop_owner_t;

typedef struct wsu_loop {
  uv_loop_t *uv;
  const wsu_loop_owner_t *owner;
  void *data; /* the owner's */
  uv_prepare_t *prepare;
  uv_check_t *check;
  uv_idle_t *idle; /* keeps the next poll from blocking */
  uv_timer_t *timer;
  uint8_t *buffer;   /* WSU_RECEIVE_SIZE bytes */
  wsu_queue_t ready; /* connections to receive from or to send for */
  wsu_queue_t dirty; /* connections whose output has to be looked at */
  wsu_queue_t timed; /* connections with a deadline */
  wsu_queue_t gone;  /* connections that libuv has let go of during a turn */
  wsu_stats_t stats; /* of connections that belong to no server */
  wsu_heartbeat_t heartbeat;
  uint64_t timer_due;
  unsigned works;   /* on threads: see work.h */
  unsigned closing; /* connections between uv_close and its callback */
  unsigned handles; /* of the four above and one more, those not closed yet */
  bool has_work;    /* the owner wants a turn before the next poll */
  bool in_turn;
  bool has_polled; /* the turn is behind a poll */
  bool is_closing;
} wsu_loop_t;

/*
 * Starts turns on `uv`. The handles keep the loop going only while there is
 * work or a deadline. Returns 0 or a negative libuv error; nothing is left
 * behind then.
 */
int wsu_loop_init(wsu_loop_t *loop, uv_loop_t *uv,
                  const wsu_loop_owner_t *owner, void *data);

/*
 * Closes the handles; on_loop_close follows, after which the loop's memory may
 * go. The connections have to be closed before or at the same time; their
 * on_close may come after on_loop_close only if loop->closing says so.
 */
void wsu_loop_close(wsu_loop_t *loop);

/* Has `transport` ended if wsu_connection_is_overdue() becomes true. */
void wsu_loop_watch_deadline(wsu_loop_t *loop, struct wsu_transport *transport);

/* Not any more; without a deadline the timer does not keep the loop going. */
void wsu_loop_forget_deadline(wsu_loop_t *loop,
                              struct wsu_transport *transport);

/* For a connection: libuv has let go of it, and its memory may go. */
void wsu_loop_bury(wsu_loop_t *loop, struct wsu_transport *transport);

/*
 * The same for a transport that is no handle of libuv: it is buried at the end
 * of the turn, or of the next one.
 */
void wsu_loop_bury_later(wsu_loop_t *loop, struct wsu_transport *transport);

/* Asks for a turn before the loop blocks, or ends. */
void wsu_loop_request_turn(wsu_loop_t *loop);

/* Has the turn that was asked for now, unless this is called within one. */
void wsu_loop_run_turn(wsu_loop_t *loop);

#endif
