#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "tables.h"

void wsu_throw_last_error(napi_env napi) {
  const napi_extended_error_info *info = NULL;
  bool is_pending = false;

  (void)napi_get_last_error_info(napi, &info);
  if (napi_is_exception_pending(napi, &is_pending) == napi_ok && is_pending)
    return;
  (void)napi_throw_error(napi, NULL,
                         info != NULL && info->error_message != NULL
                             ? info->error_message
                             : "ws-upgrade: a Node-API call failed");
}

void wsu_throw_uv_error(napi_env napi, int err) {
  (void)napi_throw_error(napi, uv_err_name(err), uv_strerror(err));
}

wsu_env_t *wsu_get_args(napi_env napi, napi_callback_info info,
                        napi_value argv[WSU_ARGS]) {
  size_t argc = WSU_ARGS;

  if (napi_get_cb_info(napi, info, &argc, argv, NULL, NULL) != napi_ok)
    return NULL;
  return wsu_env_get(napi);
}

bool wsu_copy_text(napi_env napi, napi_value value, wsu_text_t *text) {
  napi_valuetype type;
  char *bytes;
  size_t len;

  *text = (wsu_text_t){NULL, 0};
  if (napi_typeof(napi, value, &type) != napi_ok || type != napi_string)
    return true;
  if (napi_get_value_string_utf8(napi, value, NULL, 0, &len) != napi_ok) {
    wsu_throw_last_error(napi);
    return false;
  }
  bytes = malloc(len + 1);
  if (bytes == NULL) {
    wsu_throw_uv_error(napi, UV_ENOMEM);
    return false;
  }
  if (napi_get_value_string_utf8(napi, value, bytes, len + 1, &len) !=
      napi_ok) {
    wsu_throw_last_error(napi);
    free(bytes);
    return false;
  }
  *text = (wsu_text_t){bytes, len};
  return true;
}

wsu_transport_t *wsu_get_transport(napi_env napi, napi_callback_info info,
                                   napi_value argv[WSU_ARGS], wsu_env_t **env) {
  double handle;
  wsu_transport_t *transport;

  *env = wsu_get_args(napi, info, argv);
  if (*env == NULL || napi_get_value_double(napi, argv[0], &handle) != napi_ok)
    return NULL;
  transport = wsu_slots_find(&(*env)->slots, handle);
  return transport == NULL || transport->is_closing ? NULL : transport;
}

void wsu_get_bytes(napi_env napi, napi_value value, uint8_t **bytes,
                   size_t *len) {
  bool is_typedarray = false;
  napi_typedarray_type type;
  void *data = NULL;

  *bytes = NULL;
  *len = 0;
  if (napi_is_typedarray(napi, value, &is_typedarray) != napi_ok ||
      !is_typedarray ||
      napi_get_typedarray_info(napi, value, &type, len, &data, NULL, NULL) !=
          napi_ok ||
      type != napi_uint8_array || data == NULL)
    *len = 0;
  else
    *bytes = data;
}

/*
 * For masking keys (RFC 6455, 10.3). The system always has random bytes once it
 * has started; without them a fixed key keeps the protocol.
 */
static void random_key(uint8_t key[4]) {
  if (uv_random(NULL, NULL, key, 4, 0, NULL) != 0)
    memset(key, 0x5a, 4);
}

bool wsu_get_options(napi_env napi, const napi_value *argv,
                     wsu_connection_options_t *options) {
  double max_payload;
  uint32_t flags;
  uint32_t *counts[] = {
      &options->limits.max_fragments,
      &options->limits.max_chunks,
      &options->max_pending_pongs,
      &options->close_timeout,
      &flags,
  };

  if (napi_get_value_double(napi, argv[0], &max_payload) != napi_ok)
    return false;
  for (int i = 0; i < WSU_OPTION_ARGS - 1; i++) {
    if (napi_get_value_uint32(napi, argv[1 + i], counts[i]) != napi_ok)
      return false;
  }
  options->limits.max_payload = max_payload > 0 ? (uint64_t)max_payload : 0;
  options->limits.skips_utf8_validation =
      (flags & WSU_SKIP_UTF8_VALIDATION) != 0;
  options->auto_pong = (flags & WSU_AUTO_PONG) != 0;
  options->is_server = (flags & WSU_IS_CLIENT) == 0;
  options->random_key = random_key;
  return true;
}

napi_value wsu_to_number(napi_env napi, double number) {
  napi_value value = NULL;

  return napi_create_double(napi, number, &value) == napi_ok ? value : NULL;
}
