/*
 * What JavaScript can call. Functions that take a handle do nothing for a
 * stale one: the connection has ended already.
 */
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "../core/handshake.h"
#include "cork.h"
#include "env.h"
#include "events.h"

#define MAX_ARGS 9

/* Throws what N-API has to say and returns, unless `call` succeeded. */
#define TRY(napi, call)                                                        \
  do {                                                                         \
    if ((call) != napi_ok) {                                                   \
      throw_last_error(napi);                                                  \
      return NULL;                                                             \
    }                                                                          \
  } while (0)

static void throw_last_error(napi_env napi) {
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

static void throw_uv_error(napi_env napi, int err) {
  (void)napi_throw_error(napi, uv_err_name(err), uv_strerror(err));
}

/* The environment and the arguments of a call; missing ones are undefined. */
static wsu_env_t *get_args(napi_env napi, napi_callback_info info,
                           napi_value argv[MAX_ARGS]) {
  size_t argc = MAX_ARGS;

  if (napi_get_cb_info(napi, info, &argc, argv, NULL, NULL) != napi_ok)
    return NULL;
  return wsu_env_get(napi);
}

/*
 * The arguments of a call and the connection whose handle is the first one;
 * NULL for a stale handle.
 */
static wsu_tcp_t *get_tcp(napi_env napi, napi_callback_info info,
                          napi_value argv[MAX_ARGS], wsu_env_t **result) {
  wsu_env_t *env = get_args(napi, info, argv);
  double handle;
  wsu_tcp_t *tcp;

  *result = env;
  if (env == NULL || napi_get_value_double(napi, argv[0], &handle) != napi_ok)
    return NULL;
  tcp = wsu_slots_find(&env->slots, handle);
  return tcp == NULL || tcp->is_closing ? NULL : tcp;
}

/* The bytes of a Uint8Array; none for anything else. */
static void get_bytes(napi_env napi, napi_value value, uint8_t **bytes,
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
 * A copy of a string's bytes, to be freed by the caller. For a value that is
 * no string, `bytes` is NULL; returns false if memory is short.
 */
static bool copy_text(napi_env napi, napi_value value, wsu_text_t *text) {
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

static napi_value to_number(napi_env napi, double number) {
  napi_value value = NULL;

  return napi_create_double(napi, number, &value) == napi_ok ? value : NULL;
}

/*
 * check(method, upgrade, key, version, contentLength, transferEncoding): 0, or
 * the number of a refusal. Headers are strings or undefined.
 */
static napi_value check(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_text_t texts[6] = {{NULL, 0}};
  bool ok = get_args(napi, info, argv) != NULL;
  wsu_refusal_t refusal;

  for (int i = 0; i < 6 && ok; i++)
    ok = copy_text(napi, argv[i], &texts[i]);
  refusal = wsu_handshake_check(&(wsu_handshake_request_t){
      texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]});
  for (int i = 0; i < 6; i++)
    free((void *)texts[i].bytes);
  if (!ok) {
    throw_last_error(napi);
    return NULL;
  }
  return to_number(napi, refusal);
}

static napi_value protocols_to_array(napi_env napi, wsu_text_t header) {
  napi_value array;
  napi_value value;
  wsu_text_t token;
  size_t pos = 0;
  uint32_t count = 0;
  int result;

  TRY(napi, napi_create_array(napi, &array));
  while ((result = wsu_subprotocol_next(header, &pos, &token)) == 1) {
    TRY(napi, napi_create_string_latin1(napi, token.bytes, token.len, &value));
    TRY(napi, napi_set_element(napi, array, count++, value));
  }
  return result < 0 ? NULL : array;
}

/* protocols(header): an array of tokens, or undefined if that is no list. */
static napi_value protocols(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  napi_value array = NULL;
  wsu_text_t header;

  if (get_args(napi, info, argv) == NULL)
    return NULL;
  if (!copy_text(napi, argv[0], &header)) {
    throw_last_error(napi);
    return NULL;
  }
  if (header.bytes != NULL)
    array = protocols_to_array(napi, header);
  free((void *)header.bytes);
  return array;
}

static napi_value make_response(napi_env napi, wsu_text_t key,
                                wsu_text_t protocol) {
  wsu_text_t none = {NULL, 0};
  napi_value value;
  napi_status status;
  size_t size;
  char *bytes;

  if (key.len != WSU_KEY_SIZE) {
    (void)napi_throw_error(napi, NULL, "The key was not checked");
    return NULL;
  }
  size = wsu_handshake_response(NULL, 0, key.bytes, protocol, none);
  bytes = malloc(size);
  if (bytes == NULL) {
    (void)napi_throw_error(napi, NULL, "Not enough memory for the response");
    return NULL;
  }
  (void)wsu_handshake_response(bytes, size, key.bytes, protocol, none);
  status = napi_create_string_utf8(napi, bytes, size, &value);
  free(bytes);
  TRY(napi, status);
  return value;
}

/* response(key, protocol): the 101 response; the protocol may be undefined. */
static napi_value response(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_text_t key = {NULL, 0};
  wsu_text_t protocol = {NULL, 0};
  napi_value result = NULL;

  if (get_args(napi, info, argv) == NULL)
    return NULL;
  if (copy_text(napi, argv[0], &key) && copy_text(napi, argv[1], &protocol))
    result = make_response(napi, key, protocol);
  else
    throw_last_error(napi);
  free((void *)key.bytes);
  free((void *)protocol.bytes);
  return result;
}

/* Flags of adopt(); lib/native.js gets them by name. */
enum { AUTO_PONG = 1, SKIP_UTF8_VALIDATION = 2 };

static bool get_options(napi_env napi, const napi_value *argv,
                        wsu_connection_options_t *options) {
  double max_payload;
  uint32_t flags;

  if (napi_get_value_double(napi, argv[0], &max_payload) != napi_ok ||
      napi_get_value_uint32(napi, argv[1], &options->limits.max_fragments) !=
          napi_ok ||
      napi_get_value_uint32(napi, argv[2], &options->max_pending_pongs) !=
          napi_ok ||
      napi_get_value_uint32(napi, argv[3], &options->close_timeout) !=
          napi_ok ||
      napi_get_value_uint32(napi, argv[4], &flags) != napi_ok)
    return false;
  options->limits.max_payload = max_payload > 0 ? (uint64_t)max_payload : 0;
  options->limits.skips_utf8_validation = (flags & SKIP_UTF8_VALIDATION) != 0;
  options->auto_pong = (flags & AUTO_PONG) != 0;
  options->is_server = true;
  return true;
}

/*
 * adopt(fd, early, response, maxPayload, maxFragments, maxPendingAutoPongs,
 * closeTimeout, flags): duplicates the descriptor, sends the response and
 * returns the handle of the connection. Throws libuv's error, with nothing
 * changed, if the descriptor cannot be taken.
 */
static napi_value adopt(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env = get_args(napi, info, argv);
  wsu_connection_options_t options = {0};
  wsu_tcp_t *tcp = NULL;
  uint8_t *early;
  uint8_t *head;
  size_t early_len;
  size_t head_len;
  double handle;
  int32_t fd;
  int err;

  if (env == NULL)
    return NULL;
  TRY(napi, napi_get_value_int32(napi, argv[0], &fd));
  get_bytes(napi, argv[1], &early, &early_len);
  get_bytes(napi, argv[2], &head, &head_len);
  if (!get_options(napi, argv + 3, &options)) {
    throw_last_error(napi);
    return NULL;
  }

  /* The cork may speak of a connection whose slot is free by now. */
  wsu_cork_flush(env);
  if (!wsu_slots_reserve(&env->slots) || !wsu_events_reserve(env)) {
    throw_uv_error(napi, UV_ENOMEM);
    return NULL;
  }
  err = wsu_tcp_open(&env->loop, fd, &options, early, early_len, &tcp);
  if (err) {
    throw_uv_error(napi, err);
    return NULL;
  }
  handle = wsu_slots_add(&env->slots, tcp);
  wsu_tcp_send(tcp, &(struct iovec){head, head_len}, 1);
  return to_number(napi, handle);
}

/*
 * sendFrame(handle, header, payload): sends what the cork has for the
 * connection and the frame behind it, without a copy.
 */
static napi_value send_frame(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  struct iovec pieces[2];
  uint8_t *bytes;
  size_t len;

  if (tcp == NULL)
    return NULL;
  get_bytes(napi, argv[1], &bytes, &len);
  pieces[0] = (struct iovec){bytes, len};
  get_bytes(napi, argv[2], &bytes, &len);
  pieces[1] = (struct iovec){bytes, len};
  wsu_cork_send(env, tcp, pieces, 2);
  return NULL;
}

/* flush(): sends what is in the cork at once. */
static napi_value flush(napi_env napi, napi_callback_info info) {
  wsu_env_t *env = wsu_env_get(napi);

  (void)info;
  if (env != NULL)
    wsu_cork_flush(env);
  return NULL;
}

/* schedule(): there is something in the cork, or callbacks wait for a flush. */
static napi_value schedule(napi_env napi, napi_callback_info info) {
  wsu_env_t *env = wsu_env_get(napi);

  (void)info;
  if (env == NULL)
    return NULL;
  env->is_corked = true;
  /* A flush follows a dispatch in a turn anyway. */
  if (!env->is_dispatching || !env->loop.in_turn)
    wsu_loop_request_turn(&env->loop);
  return NULL;
}

/* close(handle, code, reason): behind what was sent before. */
static napi_value close_connection(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  uint32_t code;
  uint8_t *reason;
  size_t len;

  if (tcp == NULL)
    return NULL;
  TRY(napi, napi_get_value_uint32(napi, argv[1], &code));
  get_bytes(napi, argv[2], &reason, &len);
  wsu_cork_send(env, tcp, NULL, 0);
  wsu_tcp_close(tcp, (uint16_t)code, reason, len);
  return NULL;
}

/* limitClosing(handle): the connection ends within closeTimeout from now. */
static napi_value limit_closing(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    wsu_tcp_limit_closing(tcp);
  return NULL;
}

/* terminate(handle): what was sent before goes out first, if it can. */
static napi_value terminate(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp == NULL)
    return NULL;
  wsu_cork_send(env, tcp, NULL, 0);
  wsu_tcp_flush(tcp);
  wsu_tcp_terminate(tcp);
  return NULL;
}

/* pause(handle, isPaused). */
static napi_value pause_connection(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  bool is_paused;

  if (tcp == NULL)
    return NULL;
  TRY(napi, napi_get_value_bool(napi, argv[1], &is_paused));
  wsu_tcp_pause(tcp, is_paused);
  return NULL;
}

/* isAlive(handle): whether a byte came since setAlive(handle, false). */
static napi_value is_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  napi_value result;

  TRY(napi, napi_get_boolean(napi, tcp != NULL && tcp->is_alive, &result));
  return result;
}

/* setAlive(handle, isAlive). */
static napi_value set_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    TRY(napi, napi_get_value_bool(napi, argv[1], &tcp->is_alive));
  return NULL;
}

/* pending(handle): bytes that the kernel has not taken yet; -1: it is gone. */
static napi_value pending(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  return to_number(napi, tcp == NULL ? -1 : (double)wsu_cork_pending(env, tcp));
}

/* sent(handle): bytes that the kernel has taken, with the response; or -1. */
static napi_value sent(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp == NULL)
    return to_number(napi, -1);
  tcp->progress_is_known = false;
  return to_number(napi, (double)tcp->sent);
}

/* reportProgress(handle, wants): whether PROGRESS events come. */
static napi_value report_progress(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    TRY(napi, napi_get_value_bool(napi, argv[1], &tcp->reports_progress));
  return NULL;
}

/*
 * start(dispatch, settle, ring, cork, directory, large): see env.h. Only the
 * first call counts.
 */
static napi_value start(napi_env napi, napi_callback_info info) {
  napi_value argv[MAX_ARGS];
  wsu_env_t *env = get_args(napi, info, argv);

  if (env == NULL || env->dispatch != NULL)
    return NULL;
  TRY(napi, napi_create_reference(napi, argv[0], 1, &env->dispatch));
  TRY(napi, napi_create_reference(napi, argv[1], 1, &env->settle));
  TRY(napi, napi_create_reference(napi, argv[2], 1, &env->ring));
  TRY(napi, napi_create_reference(napi, argv[3], 1, &env->cork));
  TRY(napi, napi_create_reference(napi, argv[4], 1, &env->directory));
  TRY(napi, napi_create_reference(napi, argv[5], 1, &env->large));
  return NULL;
}

static napi_status set_number(napi_env napi, napi_value object,
                              const char *name, double number) {
  napi_value value;
  napi_status status = napi_create_double(napi, number, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

static napi_status set_boolean(napi_env napi, napi_value object,
                               const char *name, bool is_true) {
  napi_value value;
  napi_status status = napi_get_boolean(napi, is_true, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

static napi_status set_text(napi_env napi, napi_value object, const char *name,
                            const char *text) {
  napi_value value;
  napi_status status =
      napi_create_string_utf8(napi, text, NAPI_AUTO_LENGTH, &value);

  return status == napi_ok ? napi_set_named_property(napi, object, name, value)
                           : status;
}

/* errors: the rows of WSU_ERROR_MAP by number. */
static napi_value make_errors(napi_env napi) {
  int count;
  const wsu_error_info_t *row = wsu_error_table(&count);
  napi_value errors;
  napi_value error;
  napi_value key;

  TRY(napi, napi_create_object(napi, &errors));
  for (; count > 0; row++, count--) {
    TRY(napi, napi_create_object(napi, &error));
    TRY(napi, set_number(napi, error, "closeCode", row->close_code));
    TRY(napi, set_boolean(napi, error, "isRangeError", row->is_range_error));
    TRY(napi, set_boolean(napi, error, "hasDetail", row->has_detail));
    TRY(napi, set_text(napi, error, "code", row->code));
    TRY(napi, set_text(napi, error, "message", row->message));
    TRY(napi, napi_create_int32(napi, row->err, &key));
    TRY(napi, napi_set_property(napi, errors, key, error));
  }
  return errors;
}

/* refusals: the rows of WSU_REFUSAL_MAP by name, with their number. */
static napi_value make_refusals(napi_env napi) {
  static const char *const names[] = {
#define XX(name, ...) #name,
      WSU_REFUSAL_MAP(XX)
#undef XX
  };
  napi_value refusals;
  napi_value refusal;

  TRY(napi, napi_create_object(napi, &refusals));
  for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
    const wsu_refusal_info_t *row = wsu_refusal_info((wsu_refusal_t)(i + 1));

    TRY(napi, napi_create_object(napi, &refusal));
    TRY(napi, set_number(napi, refusal, "number", i + 1));
    TRY(napi, set_number(napi, refusal, "status", row->status));
    TRY(napi, set_boolean(napi, refusal, "namesVersions", row->names_versions));
    TRY(napi, set_text(napi, refusal, "message", row->message));
    TRY(napi, napi_set_named_property(napi, refusals, names[i], refusal));
  }
  return refusals;
}

static napi_value make_constants(napi_env napi) {
  napi_value constants;

  TRY(napi, napi_create_object(napi, &constants));
#define XX(name, value) TRY(napi, set_number(napi, constants, #name, value));
  WSU_RING_MAP(XX)
#undef XX
  TRY(napi, set_number(napi, constants, "RING_EVENTS", WSU_RING_EVENTS));
  TRY(napi, set_number(napi, constants, "RING_FIELDS", WSU_RING_FIELDS));
  TRY(napi,
      set_number(napi, constants, "DIRECTORY_ENTRIES", WSU_DIRECTORY_ENTRIES));
  TRY(napi,
      set_number(napi, constants, "DIRECTORY_HEADER", WSU_DIRECTORY_HEADER));
  TRY(napi, set_number(napi, constants, "SLOTS", WSU_SLOTS_MAX));
  TRY(napi, set_number(napi, constants, "AUTO_PONG", AUTO_PONG));
  TRY(napi, set_number(napi, constants, "SKIP_UTF8_VALIDATION",
                       SKIP_UTF8_VALIDATION));
  return constants;
}

static bool add_tables(napi_env napi, napi_value exports) {
  napi_value errors = make_errors(napi);
  napi_value refusals = make_refusals(napi);
  napi_value constants = make_constants(napi);

  return errors != NULL && refusals != NULL && constants != NULL &&
         napi_set_named_property(napi, exports, "errors", errors) == napi_ok &&
         napi_set_named_property(napi, exports, "refusals", refusals) ==
             napi_ok &&
         napi_set_named_property(napi, exports, "constants", constants) ==
             napi_ok;
}

static bool is_supported_libuv(void) {
  return uv_version() >> 16 == 1;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"start", start},
      {"check", check},
      {"protocols", protocols},
      {"response", response},
      {"adopt", adopt},
      {"sendFrame", send_frame},
      {"flush", flush},
      {"schedule", schedule},
      {"close", close_connection},
      {"limitClosing", limit_closing},
      {"terminate", terminate},
      {"pause", pause_connection},
      {"isAlive", is_alive},
      {"setAlive", set_alive},
      {"pending", pending},
      {"sent", sent},
      {"reportProgress", report_progress},
  };

  if (!is_supported_libuv()) {
    (void)napi_throw_error(
        env, NULL, "ws-upgrade needs libuv 1.x, which this runtime lacks");
    return NULL;
  }
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    napi_value function;

    TRY(env, napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH,
                                  functions[i].function, NULL, &function));
    TRY(env,
        napi_set_named_property(env, exports, functions[i].name, function));
  }
  if (!add_tables(env, exports) || wsu_env_create(env) == NULL)
    return NULL;
  return exports;
}
