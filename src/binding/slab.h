/*
 * The memory of JavaScript that small payloads share, until it is used up and
 * JavaScript hands out the next one.
 */
#ifndef WSU_SLAB_H
#define WSU_SLAB_H

#include "env.h"

/* JavaScript may run now, and may detach the slab: it is asked for again. */
void wsu_slab_forget(wsu_env_t *env);

/* Whether `len` bytes fit in, at env->slab_data + env->slab_used. */
bool wsu_slab_has_room(wsu_env_t *env, size_t len);

/* They are there: what comes next goes behind them. */
void wsu_slab_commit(wsu_env_t *env, size_t len);

/* Takes the next one, unless `slab` is no ArrayBuffer. */
void wsu_slab_keep(wsu_env_t *env, napi_value slab);

#endif
