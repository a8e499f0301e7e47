/*
 * What one Node environment (the main thread or a worker) shares: the loop,
 * the slot table, the ring of events for JavaScript, the slab that payloads
 * are written to and the cork that JavaScript writes frames to. There are no
 * statics, so environments are strangers to each other.
 *
 * Pointers into JavaScript's memory are asked for again after every call into
 * JavaScript: an ArrayBuffer can be detached by its user.
 */
#ifndef WSU_ENV_H
#define WSU_ENV_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../io/loop.h"
#include "../io/transport.h"
#include "deflate.h"
#include "slots.h"

/* Events that JavaScript takes in one call; lib/native.js has the same. */
#define WSU_RING_EVENTS 4096u
#define WSU_RING_FIELDS 4u

/* Behind the events: the number of the event that comes next. */
#define WSU_RING_CURSOR (WSU_RING_EVENTS * WSU_RING_FIELDS)
#define WSU_RING_LENGTH (WSU_RING_CURSOR + 1)

/* Kinds of events in the ring; lib/native.js gets them by name. */
#define WSU_RING_MAP(XX)                                                       \
  XX(TEXT, 0)         /* a: offset in the slab, b: length */                   \
  XX(BINARY, 1)       /* the same */                                           \
  XX(LARGE_TEXT, 2)   /* a: index in the array of large payloads */            \
  XX(LARGE_BINARY, 3) /* the same; b: 1 if lengths of fragments follow it */   \
  XX(PING, 4)         /* a: offset in the slab, b: length */                   \
  XX(PONG, 5)         /* the same */                                           \
  XX(CLOSE, 6)        /* the same of the reason, b: length + 256 * code */     \
  XX(ERROR, 7)        /* a: wsu_err_t, b: the number in its message */         \
  XX(END, 8)          /* the peer's bytes have ended */                        \
  XX(NOTICE, 9)       /* a: WSU_NOTICE_*, all that came up by now */           \
  XX(CLOSED, 10)      /* the connection is gone and its slot is free */

enum {
#define XX(name, value) WSU_RING_##name = (value),
  WSU_RING_MAP(XX)
#undef XX
};

typedef struct wsu_ring_event {
  int32_t slot;
  int32_t kind;
  int32_t a;
  int32_t b;
} wsu_ring_event_t;

_Static_assert(sizeof(wsu_ring_event_t) == WSU_RING_FIELDS * sizeof(int32_t),
               "JavaScript reads events as an Int32Array");

/* An entry of the cork's directory, as it is prepared for sending. */
typedef struct wsu_cork_entry {
  uint32_t offset;
  uint32_t len;
  uint32_t slot;
  int32_t next; /* of the same connection; -1: none */
} wsu_cork_entry_t;

typedef struct wsu_env {
  napi_env napi;
  napi_async_context async_context;
  napi_async_cleanup_hook_handle cleanup;
  wsu_loop_t loop;
  wsu_slots_t slots;

  napi_ref dispatch;  /* function (count, wantsSlab) => ArrayBuffer? */
  napi_ref settle;    /* function (): send callbacks wait for the flush */
  napi_ref ring;      /* Int32Array of WSU_RING_LENGTH */
  napi_ref cork;      /* Uint8Array of frames to be sent */
  napi_ref directory; /* Int32Array: see cork.h */
  napi_ref unsent;    /* Int32Array: see cork.h */
  napi_ref large;     /* Array of payloads that do not go to the slab */
  napi_ref failures;  /* Array of what was thrown in a call: see is_called */
  napi_ref allocate;  /* function (size) => Buffer */
  napi_ref slab;      /* ArrayBuffer */

  wsu_ring_event_t *events; /* pending events */
  uint32_t event_count;
  uint32_t event_capacity;
  uint32_t batch_count; /* events that JavaScript works on */
  int32_t batch_cursor; /* how far it was when it was called last */
  bool has_batch;
  uint32_t closed_count; /* CLOSED events among them */
  uint32_t notice_count; /* NOTICE events among them */
  uint32_t large_count;  /* elements in `large` */

  uint8_t *slab_data; /* NULL: ask for it again */
  size_t slab_size;
  size_t slab_used;

  uint64_t ring_events; /* what JavaScript got by way of the ring */
  uint64_t ring_calls;  /* in how many calls */
  uint64_t ring_peak;   /* the most in one of them */
  uint64_t slab_count;

  wsu_cork_entry_t *cork_entries;
  uint32_t cork_linked; /* entries of the directory that are prepared */

  wsu_deflate_pool_t deflate;

  bool is_corked;    /* a flush has something to do */
  bool wants_settle; /* send callbacks wait for the end of the turn */
  bool is_dispatching;
  bool is_called; /* a turn runs within a call of JavaScript, on its stack */
  /* The stream whose call that is: its output is written when it returns. */
  const wsu_transport_t *caller;
  bool is_exiting; /* no call may run JavaScript any more */
  bool loop_is_closed;
} wsu_env_t;

/*
 * Makes the state of an environment and stores it as its instance data.
 * Returns NULL, with a JavaScript exception pending, if that fails.
 */
wsu_env_t *wsu_env_create(napi_env napi);

/* The state of the environment that calls; NULL once it is being torn down. */
wsu_env_t *wsu_env_get(napi_env napi);

/* For what has held up the teardown: frees the state if nothing else does. */
void wsu_env_finish(wsu_env_t *env);

/*
 * Calls `function` with `argc` arguments as an event of the loop, so that
 * ticks and microtasks run after it. Returns false if it threw, with the
 * exception pending. A handle scope must be open.
 */
bool wsu_env_call(wsu_env_t *env, napi_ref function, size_t argc,
                  const napi_value *argv, napi_value *result);

/*
 * Gives the pending exception to 'uncaughtException', or keeps it in `failures`
 * for the call of JavaScript that this is within.
 */
void wsu_env_report(wsu_env_t *env);

#endif
