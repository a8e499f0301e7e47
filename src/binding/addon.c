/*
 * What JavaScript can call. Functions that take a handle do nothing for a
 * stale one: the connection has ended already.
 */
#include <node_api.h>
#include <sys/uio.h>

#include "../io/tcp.h"
#include "call.h"
#include "cork.h"
#include "env.h"
#include "events.h"
#include "heartbeat.h"
#include "stats.h"
#include "stream.h"
#include "tables.h"
#include "upgrade.h"

/*
 * adopt(fd, early, response, ...options): duplicates the descriptor, sends the
 * response and returns the handle of the connection. Throws libuv's error, with
 * nothing changed, if the descriptor cannot be taken.
 */
static napi_value adopt(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);
  wsu_connection_options_t options = {0};
  wsu_transport_t *transport = NULL;
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
  wsu_get_bytes(napi, argv[1], &early, &early_len);
  wsu_get_bytes(napi, argv[2], &head, &head_len);
  if (!wsu_get_options(napi, argv + 3, &options)) {
    wsu_throw_last_error(napi);
    return NULL;
  }

  /* The cork may speak of a connection whose slot is free by now. */
  wsu_cork_flush(env);
  if (!wsu_slots_reserve(&env->slots) || !wsu_events_reserve(env)) {
    wsu_throw_uv_error(napi, UV_ENOMEM);
    return NULL;
  }
  err = wsu_tcp_open(&env->loop, fd, &options, early, early_len, &transport);
  if (err) {
    wsu_throw_uv_error(napi, err);
    return NULL;
  }
  handle = wsu_slots_add(&env->slots, transport);
  wsu_transport_send(transport, &(struct iovec){head, head_len}, 1);
  return wsu_to_number(napi, handle);
}

/*
 * sendFrame(handle, header, payload): sends what the cork has for the
 * connection and the frame behind it, without a copy.
 */
static napi_value send_frame(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  struct iovec pieces[2];
  uint8_t *bytes;
  size_t len;

  if (transport == NULL)
    return NULL;
  wsu_get_bytes(napi, argv[1], &bytes, &len);
  pieces[0] = (struct iovec){bytes, len};
  wsu_get_bytes(napi, argv[2], &bytes, &len);
  pieces[1] = (struct iovec){bytes, len};
  wsu_stats_count_frames(transport->stats, pieces[0].iov_base,
                         pieces[0].iov_len);
  wsu_cork_send(env, transport, pieces, 2);
  return NULL;
}

/* sendRaw(handle, bytes): the same with bytes that may be anything. */
static napi_value send_raw(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  uint8_t *bytes;
  size_t len;

  if (transport == NULL)
    return NULL;
  wsu_get_bytes(napi, argv[1], &bytes, &len);
  wsu_cork_send(env, transport, &(struct iovec){bytes, len}, 1);
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
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  uint32_t code;
  uint8_t *reason;
  size_t len;

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[1], &code));
  wsu_get_bytes(napi, argv[2], &reason, &len);
  wsu_cork_send(env, transport, NULL, 0);
  wsu_transport_close(transport, (uint16_t)code, reason, len);
  return NULL;
}

/* limitClosing(handle): the connection ends within closeTimeout from now. */
static napi_value limit_closing(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  if (transport != NULL)
    wsu_transport_limit_closing(transport);
  return NULL;
}

/*
 * terminate(handle, cause): what was sent before goes out first, if it can. The
 * cause is one of `causes` by its place; without one nothing is counted.
 */
static napi_value terminate(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  uint32_t cause;

  if (transport == NULL)
    return NULL;
  if (napi_get_value_uint32(napi, argv[1], &cause) != napi_ok ||
      cause > WSU_CAUSE_NONE)
    cause = WSU_CAUSE_NONE;
  wsu_cork_send(env, transport, NULL, 0);
  wsu_transport_flush(transport);
  wsu_transport_terminate(transport, (wsu_cause_t)cause);
  return NULL;
}

/* pause(handle, isPaused). */
static napi_value pause_connection(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  bool is_paused;

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &is_paused));
  wsu_transport_pause(transport, is_paused);
  return NULL;
}

/*
 * step(handle, awaitsListener, isStepwise): lets the next event come. With
 * isStepwise nothing comes behind that until this is called again, and with
 * awaitsListener a message may be what is held for long.
 */
static napi_value step(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  if (transport == NULL)
    return NULL;
  WSU_TRY(napi,
          napi_get_value_bool(napi, argv[1], &transport->awaits_listener));
  WSU_TRY(napi, napi_get_value_bool(napi, argv[2], &transport->is_stepwise));
  wsu_transport_release_hold(transport, WSU_HOLD_LISTENER | WSU_HOLD_STEP);
  return NULL;
}

/* keepLengths(handle, wants): whether lengths of fragments are reported. */
static napi_value keep_lengths(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  if (transport != NULL)
    WSU_TRY(napi,
            napi_get_value_bool(napi, argv[1],
                                &transport->connection.message.keeps_lengths));
  return NULL;
}

/* isAlive(handle): whether a byte came since setAlive(handle, false). */
static napi_value is_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  napi_value result;

  WSU_TRY(napi, napi_get_boolean(napi, transport != NULL && transport->is_alive,
                                 &result));
  return result;
}

/* setAlive(handle, isAlive). */
static napi_value set_alive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  if (transport != NULL)
    WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &transport->is_alive));
  return NULL;
}

/* pending(handle): bytes that the kernel has not taken yet; -1: it is gone. */
static napi_value pending(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return wsu_to_number(
      napi, transport == NULL ? -1 : (double)wsu_cork_pending(env, transport));
}

/*
 * waiting(handle): bytes that wait for the peer, without those that a stream
 * has. What only waits for the end of the turn does not, if it will be taken.
 */
static napi_value waiting(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  size_t len = 0;

  if (transport != NULL && wsu_transport_unsent(transport) > 0)
    len = wsu_cork_pending(env, transport) - transport->unwritten;
  return wsu_to_number(napi, (double)len);
}

/* sent(handle): bytes that were taken for good, with the response; or -1. */
static napi_value sent(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return wsu_to_number(napi, transport == NULL ? -1 : (double)transport->sent);
}

/*
 * position(handle): how many of the bytes that leave in the order in which they
 * were sent have done so; a stream may count too few until it has written all.
 */
static napi_value position(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  double number = -1;

  if (transport != NULL)
    number = (double)transport->sent -
             (double)transport->connection.output.overtaken;
  return wsu_to_number(napi, number);
}

/* received(handle): bytes that were received by way of the addon; or -1. */
static napi_value received(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return wsu_to_number(napi,
                       transport == NULL ? -1 : (double)transport->received);
}

/*
 * outcome(slot): of the connection that was there, the bytes that it received
 * and sent, and whether its close frame was among them.
 */
static napi_value outcome(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);
  const wsu_slot_t *slot;
  napi_value array;
  napi_value was_close_sent;
  uint32_t index;

  if (env == NULL || napi_get_value_uint32(napi, argv[0], &index) != napi_ok ||
      index >= env->slots.capacity)
    return NULL;
  slot = &env->slots.table[index];
  WSU_TRY(napi, napi_create_array_with_length(napi, 3, &array));
  WSU_TRY(napi, napi_set_element(napi, array, 0,
                                 wsu_to_number(napi, (double)slot->received)));
  WSU_TRY(napi, napi_set_element(napi, array, 1,
                                 wsu_to_number(napi, (double)slot->sent)));
  WSU_TRY(napi, napi_get_boolean(napi, slot->was_close_sent, &was_close_sent));
  WSU_TRY(napi, napi_set_element(napi, array, 2, was_close_sent));
  return array;
}

/* idle(handle): ms since bytes were received or sent last; or -1. */
static napi_value idle(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return wsu_to_number(
      napi, transport == NULL
                ? -1
                : (double)(uv_now(env->loop.uv) - transport->active_at));
}

/* descriptor(handle): the number of the file descriptor; -1: it has none. */
static napi_value descriptor(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  return wsu_to_number(napi, transport == NULL ? -1 : wsu_tcp_fd(transport));
}

/* setNoDelay(handle, isOn): 0 or a negative libuv error. */
static napi_value set_nodelay(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  bool is_on;

  if (transport == NULL)
    return wsu_to_number(napi, UV_EBADF);
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &is_on));
  return wsu_to_number(napi, wsu_tcp_set_nodelay(transport, is_on));
}

/* setKeepAlive(handle, isOn, seconds): 0 or a negative libuv error. */
static napi_value set_keepalive(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  bool is_on;
  uint32_t delay;

  if (transport == NULL)
    return wsu_to_number(napi, UV_EBADF);
  WSU_TRY(napi, napi_get_value_bool(napi, argv[1], &is_on));
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[2], &delay));
  return wsu_to_number(napi, wsu_tcp_set_keepalive(transport, is_on, delay));
}

/* reportProgress(handle, wants): whether PROGRESS is noticed. */
static napi_value report_progress(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);

  if (transport != NULL)
    WSU_TRY(napi,
            napi_get_value_bool(napi, argv[1], &transport->reports_progress));
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
  WSU_TRY(napi, napi_create_reference(napi, argv[6], 1, &env->failures));
  WSU_TRY(napi, napi_create_reference(napi, argv[7], 1, &env->allocate));
  return NULL;
}

/* setUnsent(unsent): see env.h; it takes the place of the last one. */
static napi_value set_unsent(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env = wsu_get_args(napi, info, argv);
  napi_ref unsent;

  if (env == NULL)
    return NULL;
  WSU_TRY(napi, napi_create_reference(napi, argv[0], 1, &unsent));
  if (env->unsent != NULL)
    (void)napi_delete_reference(napi, env->unsent);
  env->unsent = unsent;
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
      {"setUnsent", set_unsent},
      {"check", wsu_call_check},
      {"protocols", wsu_call_protocols},
      {"response", wsu_call_response},
      {"adopt", adopt},
      {"sendFrame", send_frame},
      {"sendRaw", send_raw},
      {"flush", flush},
      {"schedule", schedule},
      {"close", close_connection},
      {"limitClosing", limit_closing},
      {"terminate", terminate},
      {"pause", pause_connection},
      {"step", step},
      {"keepLengths", keep_lengths},
      {"isAlive", is_alive},
      {"setAlive", set_alive},
      {"pending", pending},
      {"waiting", waiting},
      {"sent", sent},
      {"position", position},
      {"received", received},
      {"outcome", outcome},
      {"idle", idle},
      {"descriptor", descriptor},
      {"setNoDelay", set_nodelay},
      {"setKeepAlive", set_keepalive},
      {"reportProgress", report_progress},
      {"newBeats", wsu_call_new_beats},
      {"takeBeats", wsu_call_take_beats},
      {"setHeartbeat", wsu_call_set_heartbeat},
      {"latency", wsu_call_latency},
      {"negotiate", wsu_call_negotiate},
      {"useDeflate", wsu_call_use_deflate},
      {"deflate", wsu_call_deflate},
      {"deflateCollect", wsu_call_deflate_collect},
      {"deflateLater", wsu_call_deflate_later},
      {"joinStats", wsu_call_join_stats},
      {"readRing", wsu_call_read_ring},
      {"openStream", wsu_call_open_stream},
      {"receive", wsu_call_receive},
      {"end", wsu_call_end},
      {"available", wsu_call_available},
      {"take", wsu_call_take},
      {"block", wsu_call_block},
      {"written", wsu_call_written},
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
