#include "deflate.h"

#include <stdlib.h>
#include <string.h>

#include "../io/work.h"
#include "call.h"
#include "cork.h"
#include "env.h"
#include "events.h"

/* Bytes that buffers keep for the next message. */
#define KEPT_CAPACITY (64u * 1024u)

/* Bytes by which zlib may make `len` bytes longer: more than deflateBound(). */
#define FRAME_GROWTH_MAX(len) ((len) / 4 + 128)

void wsu_deflate_pool_init(wsu_deflate_pool_t *pool) {
  *pool = (wsu_deflate_pool_t){0};
  wsu_queue_init(&pool->used);
  wsu_queue_init(&pool->inflations);
  wsu_encoder_init(&pool->encoder);
}

void wsu_deflate_pool_free(wsu_deflate_pool_t *pool) {
  wsu_decompressor_free(pool->decompressor);
  for (unsigned i = 0; i < WSU_COMPRESSORS_SHARED; i++)
    wsu_compressor_free(pool->shared[i].compressor);
  wsu_buffer_free(&pool->compressed);
  wsu_buffer_free(&pool->inflated);
  wsu_buffer_free(&pool->deflated);
}

void wsu_deflate_reuse(wsu_buffer_t *buffer) {
  if (buffer->capacity > KEPT_CAPACITY) {
    wsu_buffer_free(buffer);
    return;
  }
  buffer->start = 0;
  buffer->end = 0;
}

static void free_compressor(wsu_env_t *env, wsu_deflate_t *deflate) {
  if (deflate->compressor == NULL)
    return;
  wsu_queue_remove(&deflate->used);
  env->deflate.dedicated--;
  wsu_compressor_free(deflate->compressor);
  deflate->compressor = NULL;
}

void wsu_deflate_release(wsu_env_t *env, wsu_transport_t *transport) {
  wsu_deflate_t *deflate = wsu_deflate_of(transport);

  if (deflate == NULL)
    return;
  free_compressor(env, deflate);
  wsu_decompressor_free(deflate->decompressor);
  wsu_buffer_free(&deflate->collected);
  free(deflate);
  transport->deflate = NULL;
}

static bool is_same(const wsu_compressor_options_t *a,
                    const wsu_compressor_options_t *b) {
  return a->level == b->level && a->mem_level == b->mem_level &&
         a->strategy == b->strategy && a->window_bits == b->window_bits;
}

/* A compressor that takes nothing over; it stays the pool's. */
static wsu_compressor_t *shared_compressor(wsu_deflate_pool_t *pool,
                                           const wsu_deflate_t *deflate) {
  wsu_compressor_options_t options = deflate->options;
  unsigned i;

  options.takes_over = false;
  for (i = 0; i < WSU_COMPRESSORS_SHARED; i++) {
    if (pool->shared[i].compressor != NULL &&
        is_same(&pool->shared[i].options, &options))
      return pool->shared[i].compressor;
  }
  i = pool->next_shared;
  pool->next_shared = (i + 1) % WSU_COMPRESSORS_SHARED;
  wsu_compressor_free(pool->shared[i].compressor);
  pool->shared[i].options = options;
  pool->shared[i].compressor = wsu_compressor_new(&options);
  return pool->shared[i].compressor;
}

/* Whether there is room for one more dedicated compressor. */
static bool make_room(wsu_env_t *env, uint64_t now) {
  wsu_deflate_pool_t *pool = &env->deflate;
  wsu_deflate_t *oldest;

  if (pool->dedicated < WSU_COMPRESSORS_MAX)
    return true;
  if (wsu_queue_is_empty(&pool->used))
    return false;
  oldest = wsu_queue_element(pool->used.next, wsu_deflate_t, used);
  if (now - oldest->used_at < WSU_COMPRESSOR_QUIET)
    return false;
  free_compressor(env, oldest);
  return true;
}

/* The compressor of a connection, made if it has none and may have one. */
static wsu_compressor_t *dedicated_compressor(wsu_env_t *env,
                                              wsu_deflate_t *deflate) {
  wsu_deflate_pool_t *pool = &env->deflate;
  uint64_t now = uv_now(env->loop.uv);

  if (deflate->compressor == NULL) {
    if (!make_room(env, now))
      return NULL;
    deflate->compressor = wsu_compressor_new(&deflate->options);
    if (deflate->compressor == NULL)
      return NULL;
    pool->dedicated++;
  }
  deflate->used_at = now;
  wsu_queue_remove(&deflate->used);
  wsu_queue_push(&pool->used, &deflate->used);
  return deflate->compressor;
}

static wsu_compressor_t *find_compressor(wsu_env_t *env,
                                         wsu_deflate_t *deflate) {
  wsu_compressor_t *compressor = NULL;

  if (!deflate->agreed.server_no_context_takeover)
    compressor = dedicated_compressor(env, deflate);
  return compressor != NULL ? compressor
                            : shared_compressor(&env->deflate, deflate);
}

/* Counts a message, or a fragment of one, that is smaller by compression. */
static void count_deflated(const wsu_transport_t *transport, size_t before,
                           size_t after) {
  uint64_t *counters = transport->stats->counters;

  counters[WSU_STAT_DEFLATED_FROM] += before;
  counters[WSU_STAT_DEFLATED_TO] += after;
  /* The payload of the frame is counted when it is sent. */
  counters[WSU_STAT_PAYLOAD_SENT] += before;
  counters[WSU_STAT_PAYLOAD_SENT] -= after;
}

/* The header of a frame whose payload has `len` bytes. */
static size_t encode_header(uint8_t *dest, uint32_t first, bool is_compressed,
                            bool starts, size_t len) {
  wsu_frame_t frame = {
      .fin = (first & 0x80) != 0,
      .rsv1 = is_compressed && starts,
      .opcode = first & 0x0f,
      .length = len,
  };

  return wsu_frame_encode_header(dest, &frame);
}

/* Compresses to pool->deflated; a message that does not get smaller is plain.
 */
static int compress(wsu_env_t *env, wsu_compressor_t *compressor,
                    const uint8_t *bytes, size_t len, uint32_t first,
                    bool starts) {
  return wsu_compress(compressor, &env->deflate.encoder, bytes, len, starts,
                      (first & 0x80) != 0, &env->deflate.deflated);
}

napi_value wsu_call_deflate(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  wsu_compressor_t *compressor;
  wsu_buffer_t *deflated;
  uint8_t header[WSU_FRAME_HEADER_MAX];
  const uint8_t *payload;
  uint8_t *frame;
  size_t size;
  size_t len;
  uint32_t start;
  uint32_t first;
  bool starts;
  int err;

  if (transport == NULL || wsu_deflate_of(transport) == NULL)
    return wsu_to_number(napi, -1);
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[1], &start));
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[2], &first));
  len = first;
  WSU_TRY(napi, napi_get_value_uint32(napi, argv[3], &first));
  WSU_TRY(napi, napi_get_value_bool(napi, argv[4], &starts));
  frame = wsu_cork_at(env, start,
                      len + WSU_FRAME_HEADER_MAX + FRAME_GROWTH_MAX(len));
  compressor = find_compressor(env, wsu_deflate_of(transport));
  if (frame == NULL || compressor == NULL)
    return wsu_to_number(napi, -1);

  deflated = &env->deflate.deflated;
  payload = frame + WSU_FRAME_HEADER_MAX;
  err = compress(env, compressor, payload, len, first, starts);
  if (err < 0 || wsu_buffer_length(deflated) > len + FRAME_GROWTH_MAX(len)) {
    wsu_deflate_reuse(deflated);
    return wsu_to_number(napi, -1);
  }
  if (err == 0) {
    payload = wsu_buffer_bytes(deflated);
    count_deflated(transport, len, wsu_buffer_length(deflated));
    len = wsu_buffer_length(deflated);
  }
  size = encode_header(header, first, err == 0, starts, len);
  if (len > 0)
    memmove(frame + size, payload, len);
  memcpy(frame, header, size);
  wsu_deflate_reuse(deflated);
  return wsu_to_number(napi, (double)(start + size + len));
}

/*
 * A message that is compressed on a thread. Both buffers begin with room for a
 * frame header, so that either of them can become the frame.
 */
typedef struct deflation {
  wsu_work_t work;
  wsu_env_t *env;
  double handle;
  wsu_compressor_t *compressor;
  wsu_buffer_t input;
  wsu_buffer_t output;
  size_t size; /* of the message in bytes */
  uint32_t first;
  int err;
  bool starts;
  bool is_dedicated;
} deflation_t;

/* Leaves room for a header at the front of an empty buffer. */
static bool reserve_header(wsu_buffer_t *buffer) {
  static const uint8_t nothing[WSU_FRAME_HEADER_MAX] = {0};

  return wsu_buffer_append(buffer, nothing, sizeof(nothing)) == 0;
}

/* Puts the header of a frame before its payload. */
static void make_frame(wsu_buffer_t *buffer, uint32_t first, bool is_compressed,
                       bool starts) {
  uint8_t header[WSU_FRAME_HEADER_MAX];
  size_t len = wsu_buffer_length(buffer) - WSU_FRAME_HEADER_MAX;
  size_t size = encode_header(header, first, is_compressed, starts, len);

  buffer->start += WSU_FRAME_HEADER_MAX - size;
  memcpy(buffer->data + buffer->start, header, size);
}

static void run_deflation(wsu_work_t *work) {
  deflation_t *job = wsu_queue_element(work, deflation_t, work);
  const uint8_t *payload = wsu_buffer_bytes(&job->input) + WSU_FRAME_HEADER_MAX;

  job->err = WSU_ERR_OUT_OF_MEMORY;
  if (reserve_header(&job->output))
    job->err =
        wsu_compress(job->compressor, NULL, payload, job->size, job->starts,
                     (job->first & 0x80) != 0, &job->output);
  if (job->err == 0)
    wsu_buffer_free(&job->input);
  else
    wsu_buffer_free(&job->output);
}

/* Gives a dedicated compressor back; any other one was made for the job. */
static void give_compressor(wsu_env_t *env, wsu_deflate_t *deflate,
                            deflation_t *job) {
  if (job->is_dedicated && deflate != NULL && deflate->compressor == NULL) {
    deflate->compressor = job->compressor;
    deflate->used_at = uv_now(env->loop.uv);
    wsu_queue_push(&env->deflate.used, &deflate->used);
    return;
  }
  if (job->is_dedicated)
    env->deflate.dedicated--;
  wsu_compressor_free(job->compressor);
}

static void send_deflated(deflation_t *job, wsu_transport_t *transport) {
  wsu_buffer_t *frame = job->err == 0 ? &job->output : &job->input;

  if (job->err == 0)
    count_deflated(transport, job->size,
                   wsu_buffer_length(frame) - WSU_FRAME_HEADER_MAX);
  make_frame(frame, job->first, job->err == 0, job->starts);
  wsu_stats_count_frames(transport->stats, wsu_buffer_bytes(frame),
                         wsu_buffer_length(frame));
  wsu_cork_send(job->env, transport, NULL, 0);
  wsu_transport_send_buffer(transport, frame);
  if (!transport->is_closing)
    wsu_events_on_notice(transport, WSU_NOTICE_DEFLATED);
}

static void on_deflated(wsu_work_t *work) {
  deflation_t *job = wsu_queue_element(work, deflation_t, work);
  wsu_env_t *env = job->env;
  wsu_transport_t *transport = NULL;

  if (!env->is_exiting)
    transport = wsu_slots_find(&env->slots, job->handle);
  if (transport != NULL && transport->is_closing)
    transport = NULL;
  give_compressor(env, transport == NULL ? NULL : wsu_deflate_of(transport),
                  job);
  if (transport != NULL && job->err < 0)
    wsu_transport_terminate(transport, WSU_CAUSE_OUT_OF_MEMORY);
  else if (transport != NULL)
    send_deflated(job, transport);
  wsu_buffer_free(&job->input);
  wsu_buffer_free(&job->output);
  free(job);
  if (env->is_exiting)
    wsu_env_finish(env);
}

/* A compressor that a thread may have. */
static wsu_compressor_t *lend_compressor(wsu_env_t *env, wsu_deflate_t *deflate,
                                         bool *is_dedicated) {
  wsu_compressor_options_t options = deflate->options;
  wsu_compressor_t *compressor = NULL;

  if (!deflate->agreed.server_no_context_takeover)
    compressor = dedicated_compressor(env, deflate);
  *is_dedicated = compressor != NULL;
  if (compressor != NULL) {
    wsu_queue_remove(&deflate->used);
    deflate->compressor = NULL;
    return compressor;
  }
  options.takes_over = false;
  return wsu_compressor_new(&options);
}

/* Has a thread compress what was collected. */
static bool start_deflation(wsu_env_t *env, wsu_transport_t *transport,
                            uint32_t first, bool starts) {
  wsu_deflate_t *deflate = wsu_deflate_of(transport);
  deflation_t *job;

  /* There is at least one byte, and room for the header before it. */
  if (wsu_buffer_length(&deflate->collected) <= WSU_FRAME_HEADER_MAX)
    return false;
  job = calloc(1, sizeof(*job));
  if (job == NULL)
    return false;
  job->compressor = lend_compressor(env, deflate, &job->is_dedicated);
  if (job->compressor == NULL) {
    free(job);
    return false;
  }
  job->work.run = run_deflation;
  job->work.done = on_deflated;
  job->env = env;
  job->handle = wsu_slots_handle(&env->slots, transport);
  job->input = deflate->collected;
  job->size = wsu_buffer_length(&job->input) - WSU_FRAME_HEADER_MAX;
  job->first = first;
  job->starts = starts;
  if (wsu_work_start(&job->work, &env->loop) == 0) {
    deflate->collected = (wsu_buffer_t){0};
    return true;
  }
  give_compressor(env, deflate, job);
  free(job);
  return false;
}

/* Takes a copy of a part of a message; `total` is the size of all of it. */
static bool collect(wsu_deflate_t *deflate, const uint8_t *bytes, size_t len,
                    size_t total) {
  wsu_buffer_t *buffer = &deflate->collected;
  uint8_t *dest;

  if (wsu_buffer_length(buffer) == 0 && !reserve_header(buffer))
    return false;
  dest = wsu_buffer_reserve(buffer, len, total + WSU_FRAME_HEADER_MAX);
  if (dest == NULL)
    return false;
  memcpy(dest, bytes, len);
  wsu_buffer_commit(buffer, len);
  return true;
}

napi_value wsu_call_deflate_collect(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  napi_value result;
  int64_t numbers[3];
  uint8_t *bytes;
  size_t len;
  bool is_collected = false;

  if (transport != NULL && wsu_deflate_of(transport) != NULL) {
    wsu_get_bytes(napi, argv[1], &bytes, &len);
    for (int i = 0; i < 3; i++)
      WSU_TRY(napi, napi_get_value_int64(napi, argv[2 + i], &numbers[i]));
    /* There are fewer if they were transferred meanwhile. */
    is_collected = bytes != NULL && (size_t)numbers[0] <= len &&
                   (size_t)numbers[1] <= len - (size_t)numbers[0] &&
                   collect(wsu_deflate_of(transport), bytes + numbers[0],
                           (size_t)numbers[1], (size_t)numbers[2]);
  }
  WSU_TRY(napi, napi_get_boolean(napi, is_collected, &result));
  return result;
}

napi_value wsu_call_deflate_later(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  napi_value result;
  uint32_t first;
  bool starts;
  bool has_begun = false;

  if (transport != NULL && wsu_deflate_of(transport) != NULL) {
    WSU_TRY(napi, napi_get_value_uint32(napi, argv[1], &first));
    WSU_TRY(napi, napi_get_value_bool(napi, argv[2], &starts));
    has_begun = start_deflation(env, transport, first, starts);
  }
  WSU_TRY(napi, napi_get_boolean(napi, has_begun, &result));
  return result;
}

/* The opening handshake. */

static napi_value to_array(napi_env napi, const char *answer, size_t len,
                           const wsu_deflate_parameters_t *agreed) {
  const double numbers[] = {
      agreed->server_no_context_takeover,
      agreed->client_no_context_takeover,
      agreed->server_max_window_bits,
      agreed->client_max_window_bits,
  };
  napi_value array;
  napi_value value;

  WSU_TRY(napi, napi_create_array_with_length(napi, 5, &array));
  WSU_TRY(napi, napi_create_string_latin1(napi, answer, len, &value));
  WSU_TRY(napi, napi_set_element(napi, array, 0, value));
  for (uint32_t i = 0; i < 4; i++) {
    WSU_TRY(napi, napi_create_double(napi, numbers[i], &value));
    WSU_TRY(napi, napi_set_element(napi, array, i + 1, value));
  }
  return array;
}

napi_value wsu_call_negotiate(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  char answer[WSU_DEFLATE_ANSWER_MAX];
  wsu_deflate_options_t options;
  wsu_deflate_parameters_t agreed;
  uint32_t numbers[4];
  wsu_text_t header;
  napi_value null;
  int len;

  if (wsu_get_args(napi, info, argv) == NULL)
    return NULL;
  for (int i = 0; i < 4; i++)
    WSU_TRY(napi, napi_get_value_uint32(napi, argv[1 + i], &numbers[i]));
  options = (wsu_deflate_options_t){
      .server_no_context_takeover = (wsu_takeover_t)numbers[0],
      .client_no_context_takeover = (wsu_takeover_t)numbers[1],
      .server_max_window_bits = (uint8_t)numbers[2],
      .client_max_window_bits = (uint8_t)numbers[3],
  };
  WSU_TRY(napi, napi_get_null(napi, &null));
  if (!wsu_copy_text(napi, argv[0], &header))
    return NULL;
  if (header.bytes == NULL)
    return null;
  len = wsu_deflate_negotiate(header, &options, &agreed, answer);
  free((void *)header.bytes);
  if (len == 0)
    return null;
  return len < 0 ? NULL : to_array(napi, answer, (size_t)len, &agreed);
}

napi_value wsu_call_use_deflate(napi_env napi, napi_callback_info info) {
  napi_value argv[WSU_ARGS];
  wsu_env_t *env;
  wsu_transport_t *transport = wsu_get_transport(napi, info, argv, &env);
  wsu_deflate_t *deflate = NULL;
  int32_t numbers[7];
  napi_value result;

  if (transport != NULL && transport->deflate == NULL)
    deflate = calloc(1, sizeof(*deflate));
  if (deflate != NULL) {
    for (int i = 0; i < 7; i++) {
      if (napi_get_value_int32(napi, argv[1 + i], &numbers[i]) != napi_ok)
        numbers[i] = 0;
    }
    deflate->agreed = (wsu_deflate_parameters_t){
        .server_no_context_takeover = numbers[0] != 0,
        .client_no_context_takeover = numbers[1] != 0,
        .server_max_window_bits = (uint8_t)numbers[2],
        .client_max_window_bits = (uint8_t)numbers[3],
    };
    deflate->options = (wsu_compressor_options_t){
        .level = numbers[4],
        .mem_level = numbers[5],
        .strategy = numbers[6],
        .window_bits = numbers[2],
        .takes_over = numbers[0] == 0,
    };
    wsu_queue_init(&deflate->used);
    transport->deflate = deflate;
    transport->connection.options.uses_deflate = true;
    transport->connection.decoder.allows_rsv1 = true;
  }
  WSU_TRY(napi, napi_get_boolean(napi, deflate != NULL, &result));
  return result;
}
