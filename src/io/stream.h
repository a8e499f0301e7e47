/*
 * The stream transport: the owner has a stream of bytes in both directions
 * (TLS, a pair in memory, anything that is no plain descriptor) and moves them
 * here and there. It is told by WSU_NOTICE_OUTPUT when there are bytes to
 * write, by WSU_NOTICE_FINISH when to end the stream, and by on_close when to
 * destroy it.
 */
#ifndef WSU_STREAM_H
#define WSU_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "loop.h"
#include "transport.h"

/* Bytes of input that may wait; then the owner stops reading its stream. */
#define WSU_STREAM_INPUT_MAX (512u * 1024u)

/* Opens a connection. Returns 0 or UV_ENOMEM. */
int wsu_stream_open(wsu_loop_t *loop, const wsu_connection_options_t *options,
                    wsu_transport_t **opened);

/*
 * Takes `len` bytes that the stream has read; they are received in the next
 * turn. Without memory for them the connection is terminated.
 */
void wsu_stream_receive(wsu_transport_t *transport, const uint8_t *bytes,
                        size_t len);

/*
 * Whether more may come; if not, the owner has to stop reading until
 * WSU_NOTICE_ROOM.
 */
bool wsu_stream_has_room(wsu_transport_t *transport);

/*
 * The stream's bytes have ended; with `is_closed` so has the stream itself,
 * and the connection is terminated behind what was received before.
 */
void wsu_stream_end(wsu_transport_t *transport, bool is_closed);

/*
 * Bytes of the output that are to be written next, even if the stream is full;
 * at most WSU_STREAM_WRITE_MAX.
 */
size_t wsu_stream_available(const wsu_transport_t *transport);

/*
 * Copies `len` of them, at most that many, to `dest`: they count as unsent
 * until wsu_stream_written().
 */
void wsu_stream_take(wsu_transport_t *transport, uint8_t *dest, size_t len);

/* No WSU_NOTICE_OUTPUT until wsu_stream_written(): the stream is full. */
void wsu_stream_block(wsu_transport_t *transport);

/* The stream has written `len` of the bytes that were taken. */
void wsu_stream_written(wsu_transport_t *transport, size_t len);

/* Whether this is a stream transport. */
bool wsu_is_stream(const wsu_transport_t *transport);

#endif
