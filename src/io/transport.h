/*
 * One WebSocket connection and what carries its bytes: a descriptor (tcp.h) or
 * a stream of the owner's (stream.h). Receiving and sending happen in the
 * loop's turns; what is the same for both is here.
 *
 * A transport is alive from the call that opened it until the owner's on_close
 * returns, which is never before the call that led to it has returned.
 */
#ifndef WSU_TRANSPORT_H
#define WSU_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "connection.h"
#include "heartbeat.h"
#include "liveness.h"
#include "loop.h"
#include "queue.h"
#include "stats.h"

/* Pieces that wsu_transport_send() takes at most. */
#define WSU_SEND_PIECES 63

/* Bytes of output above which the owner hears when all of it has gone. */
#define WSU_HIGH_WATER_MARK (16u * 1024u)

/*
 * Bytes that are given to a stream at once: pings and pongs cannot overtake
 * what it has.
 */
#define WSU_STREAM_WRITE_MAX (256u * 1024u)

#define WSU_NO_SLOT UINT32_MAX

/* What an owner is told apart from what was received: see on_notice. */
enum {
  WSU_NOTICE_PROGRESS = 1, /* bytes of the output were taken */
  WSU_NOTICE_DRAIN = 2,    /* the output was over the mark and is empty now */
  WSU_NOTICE_OUTPUT = 4,   /* streams: take the output with wsu_stream_take() */
  WSU_NOTICE_FINISH = 8,   /* nothing follows the output: streams end now */
  WSU_NOTICE_ROOM = 16,    /* streams: the input is used up, go on */
  WSU_NOTICE_DEFLATED = 32, /* the owner's: a thread has sent a message */
  WSU_NOTICE_EXPIRED = 64,  /* idle or too old: it has to be closed */
  WSU_NOTICE_SWEPT = 128    /* a sweep has changed `beats` */
};

/* Why nothing behind an event is received: see wsu_transport_hold(). */
enum {
  WSU_HOLD_WORK = 1,     /* a thread inflates the message */
  WSU_HOLD_LISTENER = 2, /* nobody listens to the message yet */
  WSU_HOLD_STEP = 4      /* the event is emitted in a turn to come */
};

typedef struct wsu_transport wsu_transport_t;

/* Kinds of transports, in the order of their counters. */
enum { WSU_KIND_TCP, WSU_KIND_STREAM };

/* What the kinds of transports do differently. */
typedef struct wsu_transport_ops {
  int kind; /* WSU_KIND_* */
  /* Receives, sends and ends what has become possible. */
  void (*process)(wsu_transport_t *transport);
  /*
   * Takes what it can of `total` bytes and sets is_blocked if it can take no
   * more. Returns how many those are, or a negative errno: it is broken.
   */
  ssize_t (*send)(wsu_transport_t *transport, struct iovec *pieces, int count,
                  size_t total);
  /* Waits for what can be used: bytes unless paused, room for the output. */
  void (*wait)(wsu_transport_t *transport);
  /* The output is empty and nothing follows it: ends what can be ended. */
  void (*finish)(wsu_transport_t *transport);
  /* Lets go of what carries the bytes; wsu_loop_bury() has to follow. */
  void (*close)(wsu_transport_t *transport);
  /* Frees the struct and what the kind has added to it. */
  void (*free)(wsu_transport_t *transport);
} wsu_transport_ops_t;

struct wsu_transport {
  wsu_connection_t connection;
  const wsu_transport_ops_t *ops;
  wsu_loop_t *loop;
  wsu_stats_t *stats; /* what is counted here; never NULL */
  wsu_queue_t ready;  /* in loop->ready, or in loop->gone */
  wsu_queue_t dirty;  /* in loop->dirty */
  wsu_queue_t timed;  /* in loop->timed */
  wsu_buffer_t input; /* bytes that wait for a turn */
  wsu_liveness_t liveness;
  wsu_beats_t *beats; /* where its heartbeat is counted; NULL: nowhere */
  uint64_t received;  /* bytes of the peer that were decoded */
  uint64_t sent;      /* bytes that were taken for good */
  size_t unwritten;   /* streams: bytes that were taken, but not yet for good */
  uint64_t active_at; /* ms: when bytes came or went last */
  void *deflate;      /* the owner's; NULL at first */
  uint32_t slot;      /* the owner's; WSU_NO_SLOT at first */
  int32_t corked_first; /* the owner's, three of them; -1, 0 and 0 at first */
  int32_t corked_last;
  uint32_t corked_len;
  uint8_t notices;    /* the owner's: WSU_NOTICE_* that it has not looked at */
  bool has_heartbeat; /* and is counted as alive in `beats` */
  bool is_blocked;    /* nothing more is taken now */
  bool is_paused;
  uint8_t holds;   /* WSU_HOLD_*: what was received is still at work */
  bool is_resumed; /* it is through, and may have left an error to report */
  bool awaits_listener; /* the owner's: its first message is to be held */
  bool is_stepwise;     /* the owner's: it takes one event at a time */
  bool is_shut;         /* our end of the bytes was announced */
  bool is_closing;      /* nothing may be done any more */
  bool is_alive;        /* set by each byte; cleared by the owner or a ping */
  bool reports_progress;
  bool reports_drain;
};

/*
 * Sends `count` pieces (at most WSU_SEND_PIECES) behind what is in the output;
 * what is not taken at once is copied there. A connection that breaks, or has
 * no memory for its output, is terminated.
 */
void wsu_transport_send(wsu_transport_t *transport, const struct iovec *pieces,
                        int count);

/*
 * The same with whole frames in a buffer, which is empty afterwards: without a
 * copy if no output waits.
 */
void wsu_transport_send_buffer(wsu_transport_t *transport,
                               wsu_buffer_t *frames);

/*
 * Starts the closing handshake, or answers the peer's, and sends what can be
 * sent; see wsu_connection_close().
 */
void wsu_transport_close(wsu_transport_t *transport, uint16_t code,
                         const uint8_t *reason, size_t len);

/* Bytes of the output that were not taken for good yet. */
static inline size_t wsu_transport_unsent(const wsu_transport_t *transport) {
  return wsu_output_length(&transport->connection.output) +
         transport->unwritten;
}

/*
 * Drops the connection at once; on_close follows, but not from in here. The
 * cause is counted, unless it is that a connection is lost whose closing
 * handshake is over.
 */
void wsu_transport_terminate(wsu_transport_t *transport, wsu_cause_t cause);

/*
 * Counts for `stats` from now on, and the connection as accepted there. The
 * memory stays the caller's: it has to be there until on_close, or until
 * wsu_transport_leave().
 */
void wsu_transport_join(wsu_transport_t *transport, wsu_stats_t *stats);

/* Counts for nobody from now on. */
void wsu_transport_leave(wsu_transport_t *transport);

/*
 * Has the connection end within its close_timeout, whatever comes first: for a
 * closing handshake that cannot begin yet.
 */
void wsu_transport_limit_closing(wsu_transport_t *transport);

/* Stops or goes on receiving. */
void wsu_transport_pause(wsu_transport_t *transport, bool is_paused);

/*
 * Keeps what comes behind an event until that event is through: from a call
 * within on_event to one of wsu_transport_release_hold() with the same, of
 * WSU_HOLD_*. A connection that awaits a listener when its peer is gone has to
 * be over within its close_timeout.
 */
void wsu_transport_hold(wsu_transport_t *transport, int hold);
void wsu_transport_release_hold(wsu_transport_t *transport, int hold);

/* The peer of a held connection is gone: see above. */
void wsu_transport_limit_hold(wsu_transport_t *transport);

/* Sends the output and ends the connection if it is done. */
void wsu_transport_flush(wsu_transport_t *transport);

/* For the loop: tells the owner and frees the transport. */
void wsu_transport_bury(wsu_transport_t *transport);

/* Has the loop call wsu_transport_flush() in this turn. */
static inline void wsu_transport_mark_dirty(wsu_transport_t *transport) {
  wsu_queue_push(&transport->loop->dirty, &transport->dirty);
  if (!transport->loop->in_turn)
    wsu_loop_request_turn(transport->loop);
}

/* The following are for the kinds of transports. */

void wsu_transport_init(wsu_transport_t *transport, wsu_loop_t *loop,
                        const wsu_transport_ops_t *ops,
                        const wsu_connection_options_t *options);

/* Frees what wsu_transport_init() and later calls have allocated. */
void wsu_transport_release(wsu_transport_t *transport);

/* Takes `len` bytes of the peer through the decoder. */
void wsu_transport_receive(wsu_transport_t *transport, const uint8_t *bytes,
                           size_t len);

/* The peer has given a sign of life. */
static inline void wsu_transport_hear(wsu_transport_t *transport) {
  wsu_liveness_hear(&transport->liveness, wsu_heartbeat_now(transport->loop));
}

/* Whether wsu_transport_receive_input() has something to do. */
static inline bool wsu_transport_has_input(const wsu_transport_t *transport) {
  return transport->is_resumed || wsu_buffer_length(&transport->input) > 0;
}

/* The same with the input, which is empty afterwards. */
void wsu_transport_receive_input(wsu_transport_t *transport);

/* The peer's bytes have ended. */
void wsu_transport_end(wsu_transport_t *transport);

/* `len` bytes of the output are gone for good. */
void wsu_transport_sent(wsu_transport_t *transport, size_t len);

/* Tells the owner if the output was over the mark and is empty now. */
void wsu_transport_report_drain(wsu_transport_t *transport);

/* Has ops->process() called in the next turn, and sees to it that one comes. */
void wsu_transport_process_later(wsu_transport_t *transport);

#endif
