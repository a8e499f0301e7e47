#include "slab.h"

/* Payloads in the slab begin at a multiple of this, as in Node's own pool. */
#define SLAB_ALIGNMENT 8u

void wsu_slab_forget(wsu_env_t *env) {
  env->slab_data = NULL;
  env->slab_size = 0;
}

static void find_slab(wsu_env_t *env) {
  napi_handle_scope scope;
  napi_value slab;
  void *data = NULL;
  size_t size = 0;

  if (env->slab == NULL || napi_open_handle_scope(env->napi, &scope) != napi_ok)
    return;
  if (napi_get_reference_value(env->napi, env->slab, &slab) == napi_ok &&
      slab != NULL &&
      napi_get_arraybuffer_info(env->napi, slab, &data, &size) == napi_ok) {
    env->slab_data = data;
    env->slab_size = size;
  }
  (void)napi_close_handle_scope(env->napi, scope);
}

bool wsu_slab_has_room(wsu_env_t *env, size_t len) {
  if (env->slab_data == NULL)
    find_slab(env);
  return env->slab_data != NULL && env->slab_used <= env->slab_size &&
         len <= env->slab_size - env->slab_used;
}

void wsu_slab_keep(wsu_env_t *env, napi_value slab) {
  napi_ref ref;
  bool is_arraybuffer = false;

  if (napi_is_arraybuffer(env->napi, slab, &is_arraybuffer) != napi_ok ||
      !is_arraybuffer ||
      napi_create_reference(env->napi, slab, 1, &ref) != napi_ok)
    return;
  if (env->slab != NULL)
    (void)napi_delete_reference(env->napi, env->slab);
  env->slab = ref;
  env->slab_count++;
  env->slab_used = 0;
  wsu_slab_forget(env);
}

void wsu_slab_commit(wsu_env_t *env, size_t len) {
  env->slab_used += (len + SLAB_ALIGNMENT - 1) & ~(size_t)(SLAB_ALIGNMENT - 1);
}
