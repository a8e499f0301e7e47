/* One connection of the load generator, without its socket: the frames that it
 * sends, encoded once, and the check of every byte that comes back. The caller
 * moves the bytes; nothing here reads or writes a descriptor.
 */
#ifndef WSU_BENCH_CLIENT_H
#define WSU_BENCH_CLIENT_H

#include "deflate.h"
#include "transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPCODE_TEXT = 0x1, OPCODE_BINARY = 0x2, OPCODE_CLOSE = 0x8 };

/* The longest header of a server frame (RFC 6455, 5.2). */
enum { MAX_SERVER_HEADER = 10 };

/* What all connections of a run have in common. */
typedef struct {
  uint8_t opcode;
  /* Whether each message is a JSON text of its own. Else all messages are the
     same, but for the identity in each. */
  bool is_json;
  /* NULL: messages are sent as they are. Needs is_json, since each message and
     each echo has to be compressed. */
  const deflate_t *deflate;
  /* Bytes of each message, before they are compressed. */
  size_t size;
  /* Messages on the way on each connection. */
  uint32_t in_flight;
  /* Set by traffic_init: messages that a connection sends before it begins
     again with the first, and bytes that it needs for its ring at most. */
  uint32_t ring_count;
  size_t ring_size;
} traffic_t;

/* What a client keeps to check compressed echoes. */
typedef struct {
  /* The text of each message of the ring. */
  uint8_t *texts;
  /* Without context takeover the same message has the same echo, so that one
     that equals the echo that was inflated before needs no inflating: for each
     message, the length of that payload, 0 for none yet, and the payload. */
  size_t *known_lens;
  uint8_t *known;
  /* The part of a payload that has come, where it did not come as a whole. */
  uint8_t *part;
  void *session;
} compressed_t;

typedef struct {
  channel_t channel;
  uint32_t index;
  /* For the caller: messages that may still be queued. */
  uint32_t quota;
  /* The ring_count frames of this connection, and then the same once more: what
     is unsent is always one contiguous piece. */
  uint8_t *ring;
  /* Where in the ring each frame begins, and the length of all. */
  size_t *offsets;
  size_t send_offset;
  size_t unsent;
  bool waits_for_writable;
  /* Messages queued and not yet echoed, the bytes of their frames, and the
     frames that are queued next and whose echo is next. */
  uint32_t outstanding;
  size_t unechoed;
  uint32_t next_queued;
  uint32_t next_echo;
  uint64_t echoes;
  /* The frame that is being received. */
  bool in_payload;
  uint8_t header_len;
  uint8_t header[MAX_SERVER_HEADER];
  size_t payload_len;
  size_t payload_pos;
  compressed_t compressed;
} client_t;

/* Prints a message and ends the program with status 1. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format,
                                                          ...);

/* calloc that fails. */
void *allocate(size_t count, size_t size);

/* Computes what the other members lead to. */
void traffic_init(traffic_t *traffic);

/* Returns the payload that all messages start from, size bytes, to be freed by
   the caller: text in ASCII, or bytes of every value. */
uint8_t *traffic_payload(const traffic_t *traffic);

/* Encodes the frames of a connection: the payload, or a JSON text, with an
   identity of connection and message in it. */
void client_encode(client_t *client, const traffic_t *traffic,
                   const uint8_t *payload);

/* Adds the next `count` messages to what is unsent. At most in_flight may be
   outstanding. */
void client_queue(client_t *client, const traffic_t *traffic, uint32_t count);

/* The unsent bytes; `unsent` of the client is their number. */
const uint8_t *client_unsent(const client_t *client);

/* Takes note that the transport took `len` of the unsent bytes. */
void client_sent(client_t *client, const traffic_t *traffic, size_t len);

/* Takes bytes from the server, wherever they were split, and returns how many
   echoes they completed. Fails at the first thing that an echo server must not
   send. */
uint32_t client_receive(client_t *client, const traffic_t *traffic,
                        const uint8_t *bytes, size_t len);

#endif
