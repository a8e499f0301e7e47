/*
 * Sending: JavaScript writes frames one behind the other into the cork, and
 * into the directory whose they are. A flush makes one system call for each
 * connection, whatever the order in which frames of several were written.
 *
 * The directory is an Int32Array:
 *   [0]  how many entries there are
 *   [1]  bytes of the cork in use
 *   [2]  the slot whose entry is the last one and may still grow, or -1
 *   [3]  whether send callbacks wait for the next flush
 *   [4 + 2i], [5 + 2i]  slot and bytes of entry i, in the order of the cork
 *
 * A second Int32Array, `unsent`, has for each slot the bytes that wait:
 * JavaScript adds what it puts into the cork, and whenever bytes of a
 * connection have been sent from there, the number is set to what was not
 * taken.
 */
#ifndef WSU_CORK_H
#define WSU_CORK_H

#include "env.h"

#define WSU_DIRECTORY_HEADER 4u

/* Entries of the directory. */
#define WSU_DIRECTORY_ENTRIES 4096u

/*
 * Sends everything in the cork and empties it. If send callbacks wait for
 * that, they are called at the end of the turn.
 */
void wsu_cork_flush(wsu_env_t *env);

/* Sends what the cork has for `transport`, and `pieces` (3 at most) behind it.
 */
void wsu_cork_send(wsu_env_t *env, wsu_transport_t *transport,
                   const struct iovec *pieces, int count);

/* `size` bytes of the cork from `offset` on; NULL if it has not so many. */
uint8_t *wsu_cork_at(wsu_env_t *env, size_t offset, size_t size);

/* Bytes of `transport` that are not with the kernel, or the stream, yet. */
size_t wsu_cork_pending(wsu_env_t *env, wsu_transport_t *transport);

#endif
