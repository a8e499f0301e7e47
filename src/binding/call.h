/*
 * What the functions that JavaScript calls have in common: their arguments,
 * their errors.
 */
#ifndef WSU_CALL_H
#define WSU_CALL_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/handshake.h"
#include "env.h"

/* Arguments of a call at most. */
#define WSU_ARGS 10

/* Arguments that wsu_get_options() takes. */
#define WSU_OPTION_ARGS 6

/* Throws what N-API has to say and returns, unless `call` succeeded. */
#define WSU_TRY(napi, call)                                                    \
  do {                                                                         \
    if ((call) != napi_ok) {                                                   \
      wsu_throw_last_error(napi);                                              \
      return NULL;                                                             \
    }                                                                          \
  } while (0)

/* Throws what the last Node-API call has to say, unless something is thrown. */
void wsu_throw_last_error(napi_env napi);

/* Throws an error of libuv, with its name as the code. */
void wsu_throw_uv_error(napi_env napi, int err);

/*
 * The environment and the arguments of a call; missing ones are undefined.
 * NULL once the environment is being torn down.
 */
wsu_env_t *wsu_get_args(napi_env napi, napi_callback_info info,
                        napi_value argv[WSU_ARGS]);

/*
 * A copy of a string's bytes, to be freed by the caller. For a value that is
 * no string, `bytes` is NULL. False: it has thrown, ENOMEM if memory is short.
 */
bool wsu_copy_text(napi_env napi, napi_value value, wsu_text_t *text);

/*
 * The arguments of a call and the connection whose handle is the first one;
 * NULL for a stale handle. `*env` is NULL once that is being torn down.
 */
wsu_transport_t *wsu_get_transport(napi_env napi, napi_callback_info info,
                                   napi_value argv[WSU_ARGS], wsu_env_t **env);

/* The bytes of a Uint8Array; none for anything else. */
void wsu_get_bytes(napi_env napi, napi_value value, uint8_t **bytes,
                   size_t *len);

/*
 * Reads the options of a connection from WSU_OPTION_ARGS arguments: maxPayload,
 * maxFragments, maxBufferedChunks, maxPendingAutoPongs, closeTimeout, flags.
 * False if one of them is no number.
 */
bool wsu_get_options(napi_env napi, const napi_value *argv,
                     wsu_connection_options_t *options);

/* A JavaScript number; NULL if that fails. */
napi_value wsu_to_number(napi_env napi, double number);

#endif
