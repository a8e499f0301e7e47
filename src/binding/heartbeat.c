#include "heartbeat.h"

#include <math.h>

#include "../io/heartbeat.h"
#include "call.h"

static void finalize(napi_env napi, void *data, void *hint) {
  (void)napi;
  (void)hint;
  wsu_beats_release(data);
}

napi_value wsu_call_new_beats(napi_env napi, napi_callback_info info) {
  wsu_beats_t *beats = wsu_beats_new();
  napi_value object;

  (void)info;
  if (beats == NULL) {
    wsu_throw_uv_error(napi, UV_ENOMEM);
    return NULL;
  }
  /* Of an external, Node loses a part when a worker ends. */
  if (napi_create_object(napi, &object) != napi_ok ||
      napi_wrap(napi, object, beats, finalize, NULL, NULL) != napi_ok) {
    wsu_beats_release(beats);
    wsu_throw_last_error(napi);
    return NULL;
  }
  return object;
}

napi_value wsu_call_take_beats(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  napi_value array;
  wsu_beats_t *beats;
  void *data;

  if (wsu_get_args(napi, info, argv) == NULL)
    return NULL;
  WSU_TRY(napi, napi_unwrap(napi, argv[0], &data));
  beats = data;
  WSU_TRY(napi, napi_create_array_with_length(napi, 3, &array));
  WSU_TRY(napi,
          napi_set_element(napi, array, 0, wsu_to_number(napi, beats->alive)));
  WSU_TRY(napi,
          napi_set_element(napi, array, 1, wsu_to_number(napi, beats->pinged)));
  WSU_TRY(napi, napi_set_element(napi, array, 2,
                                 wsu_to_number(napi, beats->terminated)));
  beats->pinged = 0;
  beats->terminated = 0;
  return array;
}

napi_value wsu_call_set_heartbeat(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  wsu_liveness_options_t options;
  uint32_t *const times[] = {&options.interval, &options.timeout,
                             &options.idle_timeout, &options.max_lifetime};
  bool is_set = true;
  napi_valuetype type;
  napi_value result;
  void *beats = NULL;

  if (transport != NULL) {
    WSU_TRY(napi, napi_typeof(napi, argv[1], &type));
    if (type == napi_object)
      WSU_TRY(napi, napi_unwrap(napi, argv[1], &beats));
    for (int i = 0; i < 4; i++)
      WSU_TRY(napi, napi_get_value_uint32(napi, argv[2 + i], times[i]));
    is_set = wsu_heartbeat_set(transport, beats, &options);
  }
  WSU_TRY(napi, napi_get_boolean(napi, is_set, &result));
  return result;
}

napi_value wsu_call_latency(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  uint64_t latency = transport == NULL ? 0 : transport->liveness.latency_ns;

  return wsu_to_number(napi, latency == 0 ? NAN : (double)latency / 1e6);
}
