#include "uv_script.h"

#include <errno.h>

#include "fuzz.h"

#define HANDLES_MAX 24u

/*
 * Iterations in a row without any time that passes: more than any input has
 * bytes, which may come one by one.
 */
#define ITERATIONS_MAX 300000u

typedef struct record {
  uv_handle_t *handle; /* NULL: this one is free */
  uv_close_cb on_close;
  void (*call)(void); /* the callback of any kind */
  uint64_t due;       /* of a timer */
  int fd;
  int events;
  bool is_active;
  bool is_closing;
} record_t;

static struct {
  uv_loop_t loop;
  uv_script_ready ready;
  record_t records[HANDLES_MAX];
  uint64_t clock;
  uint64_t now;
  unsigned poll_calls; /* until the one that fails; 0: none does */
} script;

uv_loop_t *uv_script_init(uv_script_ready ready) {
  memset(&script, 0, sizeof(script));
  script.ready = ready;
  script.clock = script.now = 1000;
  return &script.loop;
}

uint64_t uv_script_clock(void) {
  return script.clock;
}

void uv_script_stall(uint64_t ms) {
  script.clock += ms;
}

void uv_script_fail_poll(unsigned nth) {
  script.poll_calls = nth;
}

size_t uv_script_handles(void) {
  size_t count = 0;

  for (size_t i = 0; i < HANDLES_MAX; i++)
    count += script.records[i].handle != NULL;
  return count;
}

static record_t *find(const void *handle) {
  for (size_t i = 0; i < HANDLES_MAX; i++)
    if (script.records[i].handle == handle)
      return &script.records[i];
  fuzz_fail(__FILE__, __LINE__, "the handle is open");
}

static int add(void *handle, uv_handle_type type) {
  record_t *record = find(NULL);

  record->handle = handle;
  record->handle->type = type;
  record->handle->loop = &script.loop;
  return 0;
}

/* uv_start functions of libuv refuse handles that are closing. */
static int start(void *handle, void (*call)(void)) {
  record_t *record = find(handle);

  if (record->is_closing)
    return UV_EINVAL;
  record->call = call;
  record->is_active = true;
  return 0;
}

static int stop(const void *handle) {
  find(handle)->is_active = false;
  return 0;
}

size_t uv_handle_size(uv_handle_type type) {
  switch (type) {
  case UV_PREPARE:
    return sizeof(uv_prepare_t);
  case UV_CHECK:
    return sizeof(uv_check_t);
  case UV_IDLE:
    return sizeof(uv_idle_t);
  case UV_TIMER:
    return sizeof(uv_timer_t);
  default:
    return sizeof(uv_poll_t);
  }
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *handle) {
  (void)loop;
  return add(handle, UV_PREPARE);
}

int uv_prepare_start(uv_prepare_t *handle, uv_prepare_cb callback) {
  return start(handle, (void (*)(void))callback);
}

int uv_check_init(uv_loop_t *loop, uv_check_t *handle) {
  (void)loop;
  return add(handle, UV_CHECK);
}

int uv_check_start(uv_check_t *handle, uv_check_cb callback) {
  return start(handle, (void (*)(void))callback);
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *handle) {
  (void)loop;
  return add(handle, UV_IDLE);
}

int uv_idle_start(uv_idle_t *handle, uv_idle_cb callback) {
  return start(handle, (void (*)(void))callback);
}

int uv_idle_stop(uv_idle_t *handle) {
  return stop(handle);
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle) {
  (void)loop;
  return add(handle, UV_TIMER);
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb callback, uint64_t timeout,
                   uint64_t repeat) {
  EXPECT(repeat == 0);
  find(handle)->due = script.now + timeout;
  return start(handle, (void (*)(void))callback);
}

int uv_timer_stop(uv_timer_t *handle) {
  return stop(handle);
}

static bool fails(void) {
  return script.poll_calls > 0 && --script.poll_calls == 0;
}

int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd) {
  (void)loop;
  if (fails())
    return UV_EPERM;
  (void)add(handle, UV_POLL);
  find(handle)->fd = fd;
  return 0;
}

int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb callback) {
  EXPECT(events != 0);
  if (fails())
    return UV_ENOMEM;
  find(handle)->events = events;
  return start(handle, (void (*)(void))callback);
}

int uv_poll_stop(uv_poll_t *handle) {
  return stop(handle);
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close) {
  record_t *record = find(handle);

  EXPECT(!record->is_closing);
  record->is_active = false;
  record->is_closing = true;
  record->on_close = on_close;
}

void uv_unref(uv_handle_t *handle) {
  (void)find(handle);
}

void uv_update_time(uv_loop_t *loop) {
  (void)loop;
  script.now = script.clock;
}

uint64_t uv_now(const uv_loop_t *loop) {
  (void)loop;
  return script.now;
}

uint64_t uv_hrtime(void) {
  return script.clock * 1000000;
}

int uv_translate_sys_error(int err) {
  return err <= 0 ? err : -err;
}

static void run_timers(void) {
  for (size_t i = 0; i < HANDLES_MAX; i++) {
    record_t *record = &script.records[i];

    if (record->handle == NULL || record->handle->type != UV_TIMER ||
        !record->is_active || record->due > script.now)
      continue;
    record->is_active = false;
    ((uv_timer_cb)record->call)((uv_timer_t *)(void *)record->handle);
  }
}

static void run_all(uv_handle_type type) {
  for (size_t i = 0; i < HANDLES_MAX; i++) {
    record_t *record = &script.records[i];

    if (record->handle != NULL && record->handle->type == type &&
        record->is_active)
      ((uv_prepare_cb)record->call)((uv_prepare_t *)(void *)record->handle);
  }
}

static int ready_events(const record_t *record) {
  if (record->handle == NULL || record->handle->type != UV_POLL ||
      !record->is_active)
    return 0;
  return script.ready(record->fd, record->events);
}

/* What UV_DISCONNECT is delivered with: libuv stops for an error. */
static void run_polls(void) {
  for (size_t i = 0; i < HANDLES_MAX; i++) {
    record_t *record = &script.records[i];
    int events = ready_events(record);

    if (events == 0)
      continue;
    if (events < 0)
      record->is_active = false;
    ((uv_poll_cb)record->call)((uv_poll_t *)(void *)record->handle,
                               events < 0 ? events : 0,
                               events < 0 ? 0 : events);
  }
}

static void run_closing(void) {
  for (size_t i = 0; i < HANDLES_MAX; i++) {
    record_t record = script.records[i];

    if (record.handle == NULL || !record.is_closing)
      continue;
    script.records[i] = (record_t){0};
    record.on_close(record.handle);
  }
}

/* Whether the loop must not block. */
static bool is_busy(void) {
  for (size_t i = 0; i < HANDLES_MAX; i++) {
    const record_t *record = &script.records[i];

    if (record->handle == NULL)
      continue;
    if (record->is_closing || ready_events(record) != 0 ||
        (record->is_active && record->handle->type == UV_IDLE))
      return true;
  }
  return false;
}

static uint64_t next_timer(void) {
  uint64_t next = UINT64_MAX;

  for (size_t i = 0; i < HANDLES_MAX; i++) {
    const record_t *record = &script.records[i];

    if (record->handle != NULL && record->is_active &&
        record->handle->type == UV_TIMER && record->due < next)
      next = record->due;
  }
  return next;
}

/* Blocks until a timer is due, or `end`. Returns whether time has passed. */
static bool wait_until(uint64_t end) {
  uint64_t next = next_timer();

  if (next > end)
    next = end;
  if (is_busy() || next <= script.clock)
    return false;
  script.clock = next;
  return true;
}

void uv_script_run(uint64_t ms) {
  uint64_t end = script.clock + ms;
  unsigned iterations = 0;

  do {
    uv_update_time(&script.loop);
    run_timers();
    run_all(UV_PREPARE);
    if (wait_until(end))
      iterations = 0;
    uv_update_time(&script.loop);
    run_polls();
    run_all(UV_CHECK);
    run_closing();
    EXPECT(++iterations < ITERATIONS_MAX);
  } while (is_busy() || script.clock < end || next_timer() <= script.clock);
}
