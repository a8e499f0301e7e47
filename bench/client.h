/* One connection of the load generator, without its socket: the frames that it
 * sends, encoded once, and the check of every byte that comes back. The caller
 * moves the bytes; nothing here reads or writes a descriptor.
 */
#ifndef WSU_BENCH_CLIENT_H
#define WSU_BENCH_CLIENT_H

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
  /* Payload bytes of each message. */
  size_t size;
  /* Messages on the way on each connection. */
  uint32_t in_flight;
  /* Set by traffic_init: bytes of a frame's header, of a frame, and of
     in_flight frames. */
  size_t header_len;
  size_t frame_len;
  size_t ring_len;
} traffic_t;

typedef struct {
  channel_t channel;
  uint32_t index;
  /* The in_flight frames of this connection, and then the same once more: what
     is unsent is always one contiguous piece. */
  uint8_t *ring;
  size_t send_offset;
  size_t unsent;
  bool waits_for_writable;
  /* Messages queued and not yet echoed, and the frame whose echo is next. */
  uint32_t outstanding;
  uint32_t next_echo;
  uint64_t echoes;
  /* The frame that is being received. */
  bool in_payload;
  uint8_t header_len;
  uint8_t header[MAX_SERVER_HEADER];
  size_t payload_pos;
} client_t;

/* Prints a message and ends the program with status 1. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format,
                                                          ...);

/* calloc that fails. */
void *allocate(size_t count, size_t size);

/* Computes the lengths from opcode, size and in_flight. */
void traffic_init(traffic_t *traffic);

/* Returns the payload that all messages start from, size bytes, to be freed by
   the caller: JSON in ASCII, or bytes of every value. */
uint8_t *traffic_payload(const traffic_t *traffic);

/* Encodes the frames of a connection: the payload, with an identity of
   connection and message in it. */
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
