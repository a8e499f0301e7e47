/* Work for libuv's thread pool, on behalf of a loop that may be closing. */
#ifndef WSU_WORK_H
#define WSU_WORK_H

#include <uv.h>

#include "loop.h"

/* To be embedded in what the work is about; owned by the caller. */
typedef struct wsu_work {
  wsu_loop_t *loop;
  void (*run)(struct wsu_work *work);  /* on a thread: touches nothing else */
  void (*done)(struct wsu_work *work); /* on the loop; the work may go in it */
  uv_work_t *request;
} wsu_work_t;

/*
 * Has `run`, then `done` called, which both are set already. Returns 0 or a
 * negative libuv error, and nothing is called then. As long as there is work,
 * loop->works says so, and the loop's memory must not go.
 */
int wsu_work_start(wsu_work_t *work, wsu_loop_t *loop);

#endif
