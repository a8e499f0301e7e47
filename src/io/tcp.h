/*
 * The descriptor transport: one WebSocket connection over a stream socket that
 * somebody else has accepted. It owns a duplicate of the descriptor and drives
 * it with uv_poll; receiving and sending happen in the loop's turns.
 *
 * A wsu_tcp_t is alive from wsu_tcp_open() until the owner's on_close returns,
 * which is never before the call that led to it has returned.
 */
#ifndef WSU_TCP_H
#define WSU_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#include "connection.h"
#include "loop.h"
#include "queue.h"

/* Pieces that wsu_tcp_send() takes at most. */
#define WSU_SEND_PIECES 63

#define WSU_NO_SLOT UINT32_MAX

typedef struct wsu_tcp {
  wsu_connection_t connection;
  wsu_loop_t *loop;
  uv_poll_t *poll;
  wsu_queue_t ready;    /* in loop->ready, or in loop->gone */
  wsu_queue_t dirty;    /* in loop->dirty */
  wsu_queue_t timed;    /* in loop->timed */
  wsu_buffer_t early;   /* bytes that came before the descriptor was ours */
  uint64_t sent;        /* bytes that the kernel has taken */
  uint32_t slot;        /* the owner's; WSU_NO_SLOT at first */
  int32_t corked_first; /* the owner's, three of them; -1, 0 and 0 at first */
  int32_t corked_last;
  uint32_t corked_len;
  int fd;
  uint8_t poll_events; /* what uv_poll waits for */
  bool is_readable;
  bool is_writable;
  bool is_blocked; /* the kernel took no more; wait for UV_WRITABLE */
  bool is_paused;
  bool is_shut;    /* our FIN is sent */
  bool is_closing; /* uv_close was called; nothing else may be */
  bool is_alive;   /* set whenever a byte arrives; the owner clears it */
  bool reports_progress;
  bool progress_is_known; /* the owner's: it was told and has not looked yet */
} wsu_tcp_t;

/*
 * Takes over the connection behind `fd` by way of a duplicate; `fd` itself
 * stays the caller's. `early` are `early_len` bytes that were read from it
 * already; they are received in the next turn. Returns 0 and `*opened`, or
 * a negative libuv error, with nothing changed.
 */
int wsu_tcp_open(wsu_loop_t *loop, int fd,
                 const wsu_connection_options_t *options, const uint8_t *early,
                 size_t early_len, wsu_tcp_t **opened);

/*
 * Sends `count` pieces (at most WSU_SEND_PIECES) behind what is in the output;
 * what the kernel does not take is copied there. A connection that breaks, or
 * has no memory for its output, is terminated.
 */
void wsu_tcp_send(wsu_tcp_t *tcp, const struct iovec *pieces, int count);

/*
 * Starts the closing handshake, or answers the peer's, and sends what can be
 * sent; see wsu_connection_close().
 */
void wsu_tcp_close(wsu_tcp_t *tcp, uint16_t code, const uint8_t *reason,
                   size_t len);

/* Drops the connection at once; on_close follows when libuv lets go of it. */
void wsu_tcp_terminate(wsu_tcp_t *tcp);

/*
 * Has the connection end within its close_timeout, whatever comes first: for a
 * closing handshake that cannot begin yet.
 */
void wsu_tcp_limit_closing(wsu_tcp_t *tcp);

/* Stops or goes on receiving. */
void wsu_tcp_pause(wsu_tcp_t *tcp, bool is_paused);

/*
 * For the loop: receives, sends and ends what the last poll has made possible.
 */
void wsu_tcp_process(wsu_tcp_t *tcp);

/* For the loop: tells the owner and frees the connection. */
void wsu_tcp_bury(wsu_tcp_t *tcp);

/* For the loop: sends the output and ends the connection if it is done. */
void wsu_tcp_flush(wsu_tcp_t *tcp);

/* Has the loop call wsu_tcp_flush() in this turn. */
static inline void wsu_tcp_mark_dirty(wsu_tcp_t *tcp) {
  wsu_queue_push(&tcp->loop->dirty, &tcp->dirty);
  if (!tcp->loop->in_turn)
    wsu_loop_request_turn(tcp->loop);
}

#endif
