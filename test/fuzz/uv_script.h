/*
 * As much of libuv as src/io uses, for one loop in one process, without a
 * kernel: time passes when the script says so, and the script says what a
 * descriptor is ready for. The order of an iteration is that of libuv.
 */
#ifndef WSU_UV_SCRIPT_H
#define WSU_UV_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* What of the `wanted` events of uv_poll a descriptor is ready for. */
typedef int (*uv_script_ready)(int fd, int wanted);

/* Begins, without handles. */
uv_loop_t *uv_script_init(uv_script_ready ready);

/* ms of the clock, which uv_now() may not know yet. */
uint64_t uv_script_clock(void);

/* Time that passes in a callback. */
void uv_script_stall(uint64_t ms);

/* The `nth` call of uv_poll_init() or uv_poll_start() from now on fails. */
void uv_script_fail_poll(unsigned nth);

/*
 * Runs the loop for `ms` and until there is nothing left to do. A loop that
 * does not come to rest ends the process.
 */
void uv_script_run(uint64_t ms);

/* Handles that are not closed. */
size_t uv_script_handles(void);

#endif
