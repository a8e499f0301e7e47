/*
 * What JavaScript can call. Functions that take a handle do nothing for a
 * stale one: the connection has ended already.
 */
#include <node_api.h>
#include <sys/uio.h>

#include "call.h"
#include "cork.h"
#include "env.h"
#include "events.h"
#include "tables.h"
#include "upgrade.h"

/*
 * The arguments of a call and the connection whose handle is the first one;
 * NULL for a stale handle.
 */
static wsu_tcp_t *get_tcp(napi_env napi, napi_callback_info info,
                          napi_value argv[WSU_ARGS], wsu_env_t **result) {
  wsu_env_t *env = wsu_get_args(napi, info, argv);
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
  options->limits.skips_utf8_validation =
      (flags & WSU_SKIP_UTF8_VALIDATION) != 0;
  options->auto_pong = (flags & WSU_AUTO_PONG) != 0;
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
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);
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
  WSU_TRY(napi, napi_get_value_int32(napi, argv[0], &fd));
  get_bytes(napi, argv[1], &early, &early_len);
  get_bytes(napi, argv[2], &head, &head_len);
  if (!get_options(napi, argv + 3, &options)) {
    wsu_throw_last_error(napi);
    return NULL;
  }

  /* The cork may speak of a connection whose slot is free by now. */
  wsu_cork_flush(env);
  if (!wsu_slots_reserve(&env->slots) || !wsu_events_reserve(env)) {
    wsu_throw_uv_error(napi, UV_ENOMEM);
    return NULL;
  }
  err = wsu_tcp_open(&env->loop, fd, &options, early, early_len, &tcp);
  if (err) {
    wsu_throw_uv_error(napi, err);
    return NULL;
  }
  handle = wsu_slots_add(&env->slots, tcp);
  wsu_tcp_send(tcp, &(struct iovec){head, head_len}, 1);
  return wsu_to_number(napi, handle);
}

/*
 * sendFrame(handle, header, payload): sends what the cork has for the
 * connection and the frame behind it, without a copy.
 */
static napi_value send_frame(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
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
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  uint32_t code;
  uint8_t *reason;
  size_t len;

  if (tcp == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[1], &code));
  get_bytes(napi, argv[2], &reason, &len);
  wsu_cork_send(env, tcp, NULL, 0);
  wsu_tcp_close(tcp, (uint16_t)code, reason, len);
  return NULL;
}

/* limitClosing(handle): the connection ends within closeTimeout from now. */
static napi_value limit_closing(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    wsu_tcp_limit_closing(tcp);
  return NULL;
}

/* terminate(handle): what was sent before goes out first, if it can. */
static napi_value terminate(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
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
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  bool is_paused;

  if (tcp == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &is_paused));
  wsu_tcp_pause(tcp, is_paused);
  return NULL;
}

/* isAlive(handle): whether a byte came since setAlive(handle, false). */
static napi_value is_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);
  napi_value result;

  WSU_TRY(napi, napi_get_boolean(napi, tcp != NULL && tcp->is_alive, &result));
  return result;
}

/* setAlive(handle, isAlive). */
static napi_value set_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &tcp->is_alive));
  return NULL;
}

/* pending(handle): bytes that the kernel has not taken yet; -1: it is gone. */
static napi_value pending(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  return wsu_to_number(napi,
                       tcp == NULL ? -1 : (double)wsu_cork_pending(env, tcp));
}

/* sent(handle): bytes that the kernel has taken, with the response; or -1. */
static napi_value sent(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp == NULL)
    return wsu_to_number(napi, -1);
  tcp->progress_is_known = false;
  return wsu_to_number(napi, (double)tcp->sent);
}

/* reportProgress(handle, wants): whether PROGRESS events come. */
static napi_value report_progress(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_tcp_t *tcp = get_tcp(napi, info, argv, &env);

  if (tcp != NULL)
    WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &tcp->reports_progress));
  return NULL;
}

/*
 * start(dispatch, settle, ring, cork, directory, large): see env.h. Only the
 * first call counts.
 */
static napi_value start(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);

  if (env == NULL || env->dispatch != NULL)
    return NULL;
  WSU_TRY(napi, napi_create_reference(napi, argv[0], 1, &env->dispatch));
  WSU_TRY(napi, napi_create_reference(napi, argv[1], 1, &env->settle));
  WSU_TRY(napi, napi_create_reference(napi, argv[2], 1, &env->ring));
  WSU_TRY(napi, napi_create_reference(napi, argv[3], 1, &env->cork));
  WSU_TRY(napi, napi_create_reference(napi, argv[4], 1, &env->directory));
  WSU_TRY(napi, napi_create_reference(napi, argv[5], 1, &env->large));
  return NULL;
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
      {"check", wsu_call_check},
      {"protocols", wsu_call_protocols},
      {"response", wsu_call_response},
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

    WSU_TRY(env, napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH,
                                      functions[i].function, NULL, &function));
    WSU_TRY(env,
            napi_set_named_property(env, exports, functions[i].name, function));
  }
  if (!wsu_tables_add(env, exports) || wsu_env_create(env) == NULL)
    return NULL;
  return exports;
}
