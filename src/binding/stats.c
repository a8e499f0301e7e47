#include "stats.h"

#include "../io/stats.h"
#include "call.h"

napi_value wsu_call_join_stats(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  void *stats;
  size_t size;

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_arraybuffer_info(napi, argv[1], &stats, &size));
  if (size == sizeof(wsu_stats_t))
    wsu_transport_join(transport, stats);
  return NULL;
}

napi_value wsu_call_read_ring(napi_env napi, napi_callback_info info) {
  wsu_env_t *env = wsu_env_get(napi);
  napi_value array;
  napi_value value;

  (void)info;
  if (env == NULL)
    return NULL;
  const uint64_t numbers[] = {env->ring_events, env->ring_calls, env->ring_peak,
                              env->slab_count, env->slab_used};
  WSU_TRY(napi, napi_create_array(napi, &array));
  for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    WSU_TRY(napi, napi_create_double(napi, (double)numbers[i], &value));
    WSU_TRY(napi, napi_set_element(napi, array, i, value));
  }
  return array;
}
