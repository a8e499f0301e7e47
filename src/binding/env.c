#include "env.h"

#include <stdlib.h>

#include "cork.h"
#include "events.h"

void wsu_env_finish(wsu_env_t *env) {
  napi_async_cleanup_hook_handle cleanup = env->cleanup;

  if (!env->loop_is_closed || env->loop.closing > 0 || env->loop.works > 0)
    return;
  wsu_deflate_pool_free(&env->deflate);
  wsu_slots_free(&env->slots);
  free(env->events);
  free(env->cork_entries);
  free(env);
  /* Node goes on with its own teardown from here. */
  if (cleanup != NULL)
    (void)napi_remove_async_cleanup_hook(cleanup);
}

static void on_close(wsu_transport_t *transport) {
  wsu_env_t *env = transport->loop->data;

  wsu_deflate_release(env, transport);
  if (!env->is_exiting) {
    wsu_events_on_close(transport);
    return;
  }
  if (transport->slot != WSU_NO_SLOT)
    wsu_slots_remove(&env->slots, transport);
  wsu_env_finish(env);
}

static void on_loop_close(void *data) {
  wsu_env_t *env = data;

  env->loop_is_closed = true;
  wsu_env_finish(env);
}

static void settle(wsu_env_t *env) {
  napi_handle_scope scope;

  if (napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return;
  env->wants_settle = false;
  if (!wsu_env_call(env, env->settle, 0, NULL, NULL)) {
    wsu_env_report(env);
    /* What a callback that threw has left is for the next turn. */
    env->wants_settle = true;
    wsu_loop_request_turn(&env->loop);
  }
  (void)napi_close_handle_scope(env->napi, scope);
}

static void on_turn(void *data) {
  wsu_env_t *env = data;

  if (env->is_exiting)
    return;
  wsu_events_dispatch(env);
  if (!env->is_exiting && env->is_corked)
    wsu_cork_flush(env);
}

static void on_turn_end(void *data) {
  wsu_env_t *env = data;

  if (env->is_exiting)
    return;
  wsu_events_dispatch(env);
  if (!env->is_exiting && env->wants_settle)
    settle(env);
}

static const wsu_loop_owner_t owner = {
    .on_event = wsu_events_on_event,
    .on_end = wsu_events_on_end,
    .on_notice = wsu_events_on_notice,
    .on_full = wsu_events_on_full,
    .on_close = on_close,
    .on_turn = on_turn,
    .on_turn_end = on_turn_end,
    .on_loop_close = on_loop_close,
};

/* Node does not free what is referenced when an environment ends. */
static void delete_references(wsu_env_t *env) {
  napi_ref *references[] = {
      &env->dispatch, &env->settle, &env->ring, &env->cork,     &env->directory,
      &env->large,    &env->unsent, &env->slab, &env->failures, &env->allocate};

  for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
    if (*references[i] != NULL)
      (void)napi_delete_reference(env->napi, *references[i]);
    *references[i] = NULL;
  }
}

/*
 * The environment is being torn down: nothing runs JavaScript any more, all
 * descriptors are closed, and the memory goes when libuv has let go of it.
 */
static void on_cleanup(napi_async_cleanup_hook_handle handle, void *arg) {
  wsu_env_t *env = arg;

  (void)handle;
  env->is_exiting = true;
  (void)napi_async_destroy(env->napi, env->async_context);
  delete_references(env);
  for (uint32_t i = 0; i < env->slots.capacity; i++) {
    wsu_transport_t *transport = wsu_slots_at(&env->slots, i);

    if (transport == NULL)
      continue;
    /* The counters are JavaScript's, which ends before the connection does. */
    wsu_transport_leave(transport);
    wsu_transport_terminate(transport, WSU_CAUSE_NONE);
  }
  wsu_loop_close(&env->loop);
}

static napi_status create_async_context(wsu_env_t *env) {
  napi_value name;
  napi_status status =
      napi_create_string_utf8(env->napi, "WSUPGRADE", NAPI_AUTO_LENGTH, &name);

  if (status != napi_ok)
    return status;
  return napi_async_init(env->napi, NULL, name, &env->async_context);
}

wsu_env_t *wsu_env_create(napi_env napi) {
  wsu_env_t *env = calloc(1, sizeof(*env));
  uv_loop_t *uv;

  if (env == NULL)
    goto fail;
  env->napi = napi;
  wsu_slots_init(&env->slots);
  wsu_deflate_pool_init(&env->deflate);
  env->cork_entries =
      malloc(WSU_DIRECTORY_ENTRIES * sizeof(*env->cork_entries));
  if (env->cork_entries == NULL || !wsu_events_reserve(env) ||
      napi_get_uv_event_loop(napi, &uv) != napi_ok ||
      create_async_context(env) != napi_ok ||
      wsu_loop_init(&env->loop, uv, &owner, env) != 0)
    goto fail;
  if (napi_add_async_cleanup_hook(napi, on_cleanup, env, &env->cleanup) !=
          napi_ok ||
      napi_set_instance_data(napi, env, NULL, NULL) != napi_ok) {
    /* Closing the loop leads to wsu_env_finish(), which frees the rest. */
    env->is_exiting = true;
    wsu_loop_close(&env->loop);
    (void)napi_throw_error(napi, NULL, "ws-upgrade could not be started");
    return NULL;
  }
  return env;

fail:
  if (env != NULL) {
    if (env->async_context != NULL)
      (void)napi_async_destroy(napi, env->async_context);
    free(env->cork_entries);
    free(env->events);
    free(env);
  }
  (void)napi_throw_error(napi, NULL, "Not enough memory for ws-upgrade");
  return NULL;
}

wsu_env_t *wsu_env_get(napi_env napi) {
  void *data = NULL;
  wsu_env_t *env;

  if (napi_get_instance_data(napi, &data) != napi_ok || data == NULL)
    return NULL;
  env = data;
  return env->is_exiting ? NULL : env;
}

/* Gives what was thrown to 'uncaughtException'. */
static void report_exception(wsu_env_t *env) {
  napi_value exception;
  bool is_pending = false;

  if (napi_is_exception_pending(env->napi, &is_pending) != napi_ok ||
      !is_pending ||
      napi_get_and_clear_last_exception(env->napi, &exception) != napi_ok ||
      napi_fatal_exception(env->napi, exception) != napi_ok)
    /* A worker that is being terminated can run no JavaScript any more. */
    env->is_exiting = true;
}

/*
 * Keeps what was thrown for the call of JavaScript that this is within. There
 * is nothing to keep where V8 was told to stop: either no JavaScript runs, or
 * what was thrown is null.
 */
static void keep_exception(wsu_env_t *env) {
  napi_value exception;
  napi_value failures;
  napi_valuetype type;
  uint32_t count;

  if (napi_get_and_clear_last_exception(env->napi, &exception) == napi_ok &&
      napi_typeof(env->napi, exception, &type) == napi_ok &&
      type != napi_null &&
      napi_get_reference_value(env->napi, env->failures, &failures) ==
          napi_ok &&
      napi_get_array_length(env->napi, failures, &count) == napi_ok &&
      napi_set_element(env->napi, failures, count, exception) != napi_ok)
    (void)napi_get_and_clear_last_exception(env->napi, &exception);
}

bool wsu_env_call(wsu_env_t *env, napi_ref function, size_t argc,
                  const napi_value *argv, napi_value *result) {
  napi_value global;
  napi_value callee;
  napi_status status;

  if (napi_get_global(env->napi, &global) != napi_ok ||
      napi_get_reference_value(env->napi, function, &callee) != napi_ok) {
    env->is_exiting = true;
    return false;
  }
  /* Ticks and microtasks run behind the call that this is within. */
  status =
      env->is_called
          ? napi_call_function(env->napi, global, callee, argc, argv, result)
          : napi_make_callback(env->napi, env->async_context, global, callee,
                               argc, argv, result);
  return status == napi_ok;
}

void wsu_env_report(wsu_env_t *env) {
  if (env->is_called)
    keep_exception(env);
  else
    report_exception(env);
}
