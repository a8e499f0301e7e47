#include "call.h"

#include <stdlib.h>

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
  if (napi_get_value_string_utf8(napi, value, NULL, 0, &len) != napi_ok)
    return false;
  bytes = malloc(len + 1);
  if (bytes == NULL)
    return false;
  if (napi_get_value_string_utf8(napi, value, bytes, len + 1, &len) !=
      napi_ok) {
    free(bytes);
    return false;
  }
  *text = (wsu_text_t){bytes, len};
  return true;
}

napi_value wsu_to_number(napi_env napi, double number) {
  napi_value value = NULL;

  return napi_create_double(napi, number, &value) == napi_ok ? value : NULL;
}
