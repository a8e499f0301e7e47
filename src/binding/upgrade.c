#include "upgrade.h"

#include <stdlib.h>

#include "../core/handshake.h"
#include "call.h"

napi_value wsu_call_check(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_text_t texts[6] = {{NULL, 0}};
  bool ok = wsu_get_args(napi, info, argv) != NULL;
  wsu_refusal_t refusal;

  for (int i = 0; i < 6 && ok; i++)
    ok = wsu_copy_text(napi, argv[i], &texts[i]);
  refusal = wsu_handshake_check(&(wsu_handshake_request_t){
      texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]});
  for (int i = 0; i < 6; i++)
    free((void *)texts[i].bytes);
  if (!ok) {
    wsu_throw_last_error(napi);
    return NULL;
  }
  return wsu_to_number(napi, refusal);
}

static napi_value protocols_to_array(napi_env napi, wsu_text_t header) {
  napi_value array;
  napi_value value;
  wsu_text_t token;
  size_t pos = 0;
  uint32_t count = 0;
  int result;

  WSU_TRY(napi, napi_create_array(napi, &array));
  while ((result = wsu_subprotocol_next(header, &pos, &token)) == 1) {
    WSU_TRY(napi,
            napi_create_string_latin1(napi, token.bytes, token.len, &value));
    WSU_TRY(napi, napi_set_element(napi, array, count++, value));
  }
  return result < 0 ? NULL : array;
}

napi_value wsu_call_protocols(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  napi_value array = NULL;
  wsu_text_t header;

  if (wsu_get_args(napi, info, argv) == NULL ||
      !wsu_copy_text(napi, argv[0], &header))
    return NULL;
  if (header.bytes != NULL)
    array = protocols_to_array(napi, header);
  free((void *)header.bytes);
  return array;
}

static napi_value make_response(napi_env napi, wsu_text_t key,
                                wsu_text_t protocol, wsu_text_t lines) {
  napi_value value;
  napi_status status;
  size_t size;
  char *bytes;

  if (key.len != WSU_KEY_SIZE) {
    (void)napi_throw_error(napi, NULL, "The key was not checked");
    return NULL;
  }
  size = wsu_handshake_response(NULL, 0, key.bytes, protocol, lines);
  bytes = malloc(size);
  if (bytes == NULL) {
    wsu_throw_uv_error(napi, UV_ENOMEM);
    return NULL;
  }
  (void)wsu_handshake_response(bytes, size, key.bytes, protocol, lines);
  status = napi_create_string_utf8(napi, bytes, size, &value);
  free(bytes);
  WSU_TRY(napi, status);
  return value;
}

napi_value wsu_call_response(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_text_t key = {NULL, 0};
  wsu_text_t protocol = {NULL, 0};
  wsu_text_t lines = {NULL, 0};
  napi_value result = NULL;

  if (wsu_get_args(napi, info, argv) == NULL)
    return NULL;
  if (wsu_copy_text(napi, argv[0], &key) &&
      wsu_copy_text(napi, argv[1], &protocol) &&
      wsu_copy_text(napi, argv[2], &lines))
    result = make_response(napi, key, protocol, lines);
  free((void *)key.bytes);
  free((void *)protocol.bytes);
  free((void *)lines.bytes);
  return result;
}
