#include "stream.h"

#include "../io/stream.h"
#include "call.h"
#include "cork.h"
#include "events.h"

static wsu_transport_t *get_stream(napi_env napi, napi_callback_info info,
                                   napi_value argv[WSU_ARGS]) {
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return transport != NULL && wsu_is_stream(transport) ? transport : NULL;
}

napi_value wsu_call_open_stream(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);
  wsu_connection_options_t options = {0};
  wsu_transport_t *transport;
  int err;

  if (env == NULL)
    return NULL;
  if (!wsu_get_options(napi, argv, &options)) {
    wsu_throw_last_error(napi);
    return NULL;
  }
  /* The cork may speak of a connection whose slot is free by now. */
  wsu_cork_flush(env);
  if (!wsu_slots_reserve(&env->slots) || !wsu_events_reserve(env))
    err = UV_ENOMEM;
  else
    err = wsu_stream_open(&env->loop, &options, &transport);
  if (err) {
    wsu_throw_uv_error(napi, err);
    return NULL;
  }
  return wsu_to_number(napi, wsu_slots_add(&env->slots, transport));
}

/*
 * Events come while the stream emits its own, as in `ws`, so that what is sent
 * in answer is written before the stream goes on, to its end for example.
 */
static void run_turn(wsu_transport_t *transport) {
  wsu_loop_t *loop = transport->loop;
  wsu_env_t *env = loop->data;

  if (env->is_dispatching || loop->in_turn)
    return;
  env->is_called = true;
  env->caller = transport;
  wsu_loop_run_turn(loop);
  env->is_called = false;
  env->caller = NULL;
}

napi_value wsu_call_receive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);
  const wsu_env_t *env;
  double result;
  uint8_t *bytes;
  size_t len;

  if (transport == NULL)
    return wsu_to_number(napi, 0);
  wsu_get_bytes(napi, argv[1], &bytes, &len);
  wsu_stream_receive(transport, bytes, len);
  run_turn(transport);
  /* The connection may have ended in the turn. */
  transport = get_stream(napi, info, argv);
  if (transport == NULL)
    return wsu_to_number(napi, 0);
  /* JavaScript that was told to stop does not write what it is told to. */
  env = transport->loop->data;
  if (env->has_batch)
    wsu_events_on_notice(transport, WSU_NOTICE_OUTPUT);
  result = transport->is_blocked ? 0 : (double)wsu_stream_available(transport);
  return wsu_to_number(napi,
                       wsu_stream_has_room(transport) ? result : -1 - result);
}

napi_value wsu_call_end(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);
  bool is_closed;

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &is_closed));
  wsu_stream_end(transport, is_closed);
  run_turn(transport);
  transport = get_stream(napi, info, argv);
  if (transport != NULL && !transport->is_blocked &&
      wsu_stream_available(transport) > 0)
    wsu_events_on_notice(transport, WSU_NOTICE_OUTPUT);
  return NULL;
}

napi_value wsu_call_available(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);
  bool waits;

  if (transport == NULL)
    return wsu_to_number(napi, 0);
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &waits));
  return wsu_to_number(napi, waits && transport->is_blocked
                                 ? 0
                                 : (double)wsu_stream_available(transport));
}

napi_value wsu_call_take(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);
  uint8_t *target;
  size_t len = 0;
  size_t available;

  if (transport != NULL) {
    wsu_get_bytes(napi, argv[1], &target, &len);
    available = wsu_stream_available(transport);
    if (len > available)
      len = available;
    wsu_stream_take(transport, target, len);
  }
  return wsu_to_number(napi, (double)len);
}

napi_value wsu_call_block(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);

  if (transport != NULL)
    wsu_stream_block(transport);
  return NULL;
}

napi_value wsu_call_written(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_transport_t *transport = get_stream(napi, info, argv);
  double len;

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_double(napi, argv[1], &len));
  if (len > 0)
    wsu_stream_written(transport, (size_t)len);
  return NULL;
}
