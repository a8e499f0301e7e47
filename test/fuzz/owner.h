/*
 * The owner of one connection in fuzz_transport.c, as src/binding is one of
 * many: it notes what it is told, answers closing handshakes, moves the bytes
 * of a stream, and knows what has to come out in the end.
 */
#ifndef WSU_FUZZ_OWNER_H
#define WSU_FUZZ_OWNER_H

#include "fuzz.h"
#include "loop.h"
#include "stream.h"
#include "tcp.h"

/* As many as KERNEL_INPUT_MAX bytes of masked frames can be. */
#define EVENTS_MAX 22000u

typedef struct owner {
  wsu_transport_t *transport; /* NULL: it is gone */
  wsu_connection_options_t options;
  wsu_loop_t loop;
  wsu_stats_t stats;
  wsu_beats_t *beats;
  wsu_decompressor_t *decompressor;
  size_t events_count;
  size_t pongs_count;
  uint32_t messages;   /* that were sent, with their number in each */
  uint32_t pings;      /* the same */
  size_t queued;       /* bytes that were sent in all */
  uint32_t stall;      /* ms that the next turn takes */
  uint16_t reply_code; /* of the close frame that is due; 0: none is */
  uint8_t sends_in_turn;
  uint8_t holds_next; /* WSU_HOLD_* for the next message */
  bool is_stream;
  bool is_stream_slow; /* it tells later that it has written */
  bool has_room;
  bool has_told_end;
  bool has_told_close;
  bool wants_output;
  bool is_in_call; /* of a function of the transport */
  bool has_failed; /* an allocation or so */
  bool is_closed;
  bool is_loop_closed;
  uint64_t events[EVENTS_MAX]; /* a hash of each */
  uint64_t pongs[EVENTS_MAX];  /* that have to be sent */
} owner_t;

/*
 * Opens loop and connection, of which the `failing_poll` call of uv_poll fails
 * (0: none). False: opening failed, and nothing is left.
 */
bool owner_open(owner_t *owner, const wsu_connection_options_t *options,
                bool is_stream, bool has_early, unsigned failing_poll);

/* What the application does. */
void owner_send(owner_t *owner, fuzz_input_t *input, uint8_t bits);
void owner_close(owner_t *owner, uint16_t code);
void owner_terminate(owner_t *owner);
void owner_pause(owner_t *owner, bool is_paused);
void owner_release(owner_t *owner, int holds);
void owner_set_heartbeat(owner_t *owner, fuzz_input_t *input);
void owner_touch(owner_t *owner, uint8_t bits);

/* The peer sends the pong of the last heartbeat. */
void owner_answer_ping(const owner_t *owner);

/* What a stream does: reads what there is, and has written some bytes. */
void owner_pump(owner_t *owner);
void owner_write(owner_t *owner, size_t len);

/*
 * Undoes all that hinders the connection and expects it to be through with
 * everything; then ends it, with a peer that has become silent if `waits`.
 */
void owner_settle(owner_t *owner, bool waits);

/* Closes the loop, and expects that nothing is left. */
void owner_end(owner_t *owner);

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
void owner_check_events(const owner_t *owner, bool is_through);

/* Expects whole frames in their order, all of them if it `is_through`. */
void owner_check_wire(const owner_t *owner, bool is_through);

#endif
