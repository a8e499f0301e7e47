/*
 * The descriptor transport: a stream socket that somebody else has accepted.
 * It owns a duplicate of the descriptor and drives it with uv_poll.
 */
#ifndef WSU_TCP_H
#define WSU_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "loop.h"
#include "transport.h"

/*
 * Takes over the connection behind `fd` by way of a duplicate; `fd` itself
 * stays the caller's. `early` are `early_len` bytes that were read from it
 * already; they are received in the next turn. Returns 0 and `*opened`, or
 * a negative libuv error, with nothing changed.
 */
int wsu_tcp_open(wsu_loop_t *loop, int fd,
                 const wsu_connection_options_t *options, const uint8_t *early,
                 size_t early_len, wsu_transport_t **opened);

/* The descriptor; -1 for a closed one or another kind of transport. */
int wsu_tcp_fd(const wsu_transport_t *transport);

/*
 * Whether the kernel sends small pieces at once. Returns 0 or a negative libuv
 * error, UV_EBADF for another kind of transport.
 */
int wsu_tcp_set_nodelay(wsu_transport_t *transport, bool is_on);

/*
 * Whether the kernel probes a silent connection, and after how many seconds; 0
 * leaves that as it is. Returns as wsu_tcp_set_nodelay() does.
 */
int wsu_tcp_set_keepalive(wsu_transport_t *transport, bool is_on,
                          unsigned delay);

#endif
