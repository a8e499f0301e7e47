/*
 * The owner of a loop with a few connections in fuzz_transport.c, as
 * src/binding is one: it notes what it is told, answers closing handshakes,
 * moves the bytes of streams, does what the script wants where JavaScript would
 * run, and knows what has to come out in the end.
 */
#ifndef WSU_FUZZ_OWNER_H
#define WSU_FUZZ_OWNER_H

#include "fuzz.h"
#include "kernel.h"
#include "loop.h"
#include "stream.h"
#include "tcp.h"

/* More than the operations of one input can send. */
#define EVENTS_MAX 22000u

struct owner;

/* What the owner knows of one connection. */
typedef struct conn {
  struct owner *owner;
  kernel_socket_t *socket;
  wsu_transport_t *transport; /* NULL: it is gone */
  size_t events_count;
  size_t pongs_count;
  uint32_t messages;   /* that were sent, with their number in each */
  uint32_t pings;      /* the same */
  size_t queued;       /* bytes that were sent in all */
  uint16_t reply_code; /* of the close frame that is due; 0: none is */
  uint8_t wishes;      /* WISH_* */
  uint8_t holds_next;  /* WSU_HOLD_* for the next message */
  bool is_stream;
  bool is_stream_slow; /* it tells later that it has written */
  bool has_room;
  bool has_told_end;
  bool has_told_close;
  bool wants_output;
  uint64_t events[EVENTS_MAX]; /* a hash of each */
  uint64_t pongs[EVENTS_MAX];  /* that have to be sent */
} conn_t;

/* What is to be done with a connection once JavaScript runs. */
enum {
  WISH_MESSAGE = 1,
  WISH_PING = 2,
  WISH_TERMINATE = 4,
  WISH_CLOSE = 8,
  WISH_PAUSE = 16,
  WISH_RESUME = 32,
  WISH_IN_EVENT = 64, /* in the next event of any connection */
  WISH_AT_END = 128   /* at the end of a turn */
};

typedef struct owner {
  wsu_connection_options_t options;
  wsu_loop_t loop;
  wsu_stats_t stats;
  wsu_beats_t *beats;
  wsu_decompressor_t *decompressor;
  unsigned count;  /* of connections */
  uint32_t stall;  /* ms that the next turn takes */
  bool is_in_call; /* the application calls: no callback may come */
  bool has_failed; /* an allocation or so */
  bool is_loop_closed;
  conn_t conns[KERNEL_SOCKETS];
} owner_t;

/* How a loop begins. */
typedef struct owner_setup {
  wsu_connection_options_t options; /* of all connections */
  unsigned count;
  bool is_first_stream;  /* every other one is what the first is not */
  bool has_early;        /* bytes that came with the handshake */
  unsigned failing_poll; /* the number of the call of uv_poll; 0: none */
} owner_setup_t;

/*
 * Opens loop and connections. A connection that can't be opened is missing.
 * False: not even the loop was opened, and nothing is left.
 */
bool owner_open(owner_t *owner, const owner_setup_t *setup);

/*
 * Undoes all that hinders the connections and expects them to be through with
 * everything; then ends them, those with a heartbeat by way of a peer that has
 * become silent if `waits`.
 */
void owner_settle(owner_t *owner, bool waits);

/* Ends everything in the middle of it, as when a worker is terminated. */
void owner_tear_down(owner_t *owner);

/* Closes the loop, and expects that nothing is left. */
void owner_end(owner_t *owner);

/* The transport, if something may be done with it. */
static inline wsu_transport_t *conn_transport(const conn_t *conn) {
  wsu_transport_t *transport = conn->transport;

  return transport == NULL || transport->is_closing ? NULL : transport;
}

/* What the application does. */
void conn_send(conn_t *conn, fuzz_input_t *input, uint8_t bits);
void conn_close(conn_t *conn, uint16_t code);
void conn_terminate(conn_t *conn);
void conn_pause(conn_t *conn, bool is_paused);
void conn_release(conn_t *conn, int holds);
void conn_set_heartbeat(conn_t *conn, fuzz_input_t *input);
void conn_touch(conn_t *conn, uint8_t bits);

/* Does where JavaScript runs what was wished for, `except` some of it. */
void conn_fulfil(conn_t *conn, uint8_t except);

/* The peer sends the pong of the last heartbeat. */
void conn_answer_ping(const conn_t *conn);

/* What a stream does: reads what there is, and has written some bytes. */
void conn_pump(conn_t *conn);
void conn_write(conn_t *conn, size_t len);
void conn_take_output(conn_t *conn);

/* What owner.c notes and wire.c checks: a hash of bytes that go on. */
uint64_t owner_hash(uint64_t hash, const void *bytes, size_t len);

/* Whether a pong of the peer may be the answer to a heartbeat. */
bool owner_is_heartbeat(const uint8_t *payload, size_t len);

/* Reads the event's payload; a hash of all of it, or 0: there is no event. */
uint64_t owner_digest(wsu_connection_t *connection, const wsu_event_t *event,
                      wsu_decompressor_t *decompressor);

/*
 * Expects the events to be those of a connection that gets all bytes at once,
 * all of them if the connection `is_through`.
 */
void conn_check_events(const conn_t *conn, bool is_through);

/* Expects whole frames in their order, all of them if it `is_through`. */
void conn_check_wire(const conn_t *conn, bool is_through);

#endif
