#include <stdlib.h>

#include "../core/utf8.h"
#include "../io/work.h"
#include "deflate.h"
#include "env.h"
#include "events.h"

/* Compressed bytes that are inflated between two looks at what came out. */
#define PIECE_SIZE 2048u

/* Bytes of a message that come out on the loop; the rest does on a thread. */
#define LOOP_OUTPUT_MAX (256u * 1024u)

/* What inflates the messages of a connection; NULL: there is no memory. */
static wsu_decompressor_t *take_decompressor(wsu_env_t *env,
                                             wsu_deflate_t *deflate) {
  bool is_shared = deflate->agreed.client_no_context_takeover;
  wsu_decompressor_t **place =
      is_shared ? &env->deflate.decompressor : &deflate->decompressor;
  wsu_decompressor_t *decompressor = *place;

  *place = NULL;
  if (decompressor != NULL)
    return decompressor;
  /* One of 15 bits inflates what any other would. */
  return is_shared ? wsu_decompressor_new(15, false)
                   : wsu_decompressor_new(
                         deflate->agreed.client_max_window_bits, true);
}

/* `deflate` is NULL if its connection is gone. */
static void give_decompressor(wsu_env_t *env, wsu_deflate_t *deflate,
                              wsu_decompressor_t *decompressor,
                              bool is_shared) {
  if (is_shared && env->deflate.decompressor == NULL)
    env->deflate.decompressor = decompressor;
  else if (!is_shared && deflate != NULL)
    deflate->decompressor = decompressor;
  else
    wsu_decompressor_free(decompressor);
}

/* A message that is inflated on a thread. */
typedef struct inflation {
  wsu_work_t work;
  wsu_env_t *env;
  double handle;
  wsu_decompressor_t *decompressor;
  wsu_buffer_t input;
  wsu_buffer_t output;
  size_t max_output;
  int err;
  bool is_binary;
  bool is_validated;
  bool is_shared; /* the decompressor */
} inflation_t;

static bool is_valid(const wsu_buffer_t *text) {
  return wsu_buffer_length(text) == 0 ||
         wsu_utf8_is_valid(wsu_buffer_bytes(text), wsu_buffer_length(text));
}

static void run_inflation(wsu_work_t *work) {
  inflation_t *job = wsu_queue_element(work, inflation_t, work);

  job->err = wsu_decompress(job->decompressor, wsu_buffer_bytes(&job->input),
                            wsu_buffer_length(&job->input), true,
                            job->max_output, &job->output);
  if (job->err == 0 && job->is_validated && !is_valid(&job->output))
    job->err = WSU_ERR_INVALID_UTF8;
}

static void deliver(wsu_env_t *env, wsu_transport_t *transport, int err,
                    bool is_binary, const wsu_buffer_t *output) {
  if (err)
    wsu_connection_fail(&transport->connection, err);
  else
    wsu_events_deliver(env, transport, is_binary, wsu_buffer_bytes(output),
                       wsu_buffer_length(output));
}

static void on_inflated(wsu_work_t *work) {
  inflation_t *job = wsu_queue_element(work, inflation_t, work);
  wsu_env_t *env = job->env;
  wsu_transport_t *transport = NULL;

  if (!env->is_exiting)
    transport = wsu_slots_find(&env->slots, job->handle);
  if (transport != NULL && transport->is_closing)
    transport = NULL;
  give_decompressor(env, transport == NULL ? NULL : wsu_deflate_of(transport),
                    job->decompressor, job->is_shared);
  if (transport != NULL) {
    deliver(env, transport, job->err, job->is_binary, &job->output);
    wsu_transport_hold(transport, false);
  }
  wsu_buffer_free(&job->input);
  wsu_buffer_free(&job->output);
  free(job);
  if (env->is_exiting)
    wsu_env_finish(env);
  else
    wsu_events_forget_slab(env);
}

/*
 * Leaves the rest of a message to a thread: `len` bytes that are not inflated
 * yet, behind what is in pool->inflated. False: there is no memory.
 */
static bool start_inflation(wsu_env_t *env, wsu_transport_t *transport,
                            wsu_decompressor_t *decompressor, bool is_binary,
                            const uint8_t *bytes, size_t len,
                            size_t max_output) {
  inflation_t *job = calloc(1, sizeof(*job));

  if (job == NULL)
    return false;
  if (wsu_buffer_append(&job->input, bytes, len) < 0) {
    free(job);
    return false;
  }
  job->work.run = run_inflation;
  job->work.done = on_inflated;
  job->env = env;
  job->handle = wsu_slots_handle(&env->slots, transport);
  job->decompressor = decompressor;
  job->output = env->deflate.inflated;
  job->max_output = max_output;
  job->is_binary = is_binary;
  job->is_validated =
      !is_binary && !transport->connection.options.limits.skips_utf8_validation;
  job->is_shared = wsu_deflate_of(transport)->agreed.client_no_context_takeover;
  if (wsu_work_start(&job->work, &env->loop) != 0) {
    wsu_buffer_free(&job->input);
    free(job);
    return false;
  }
  env->deflate.inflated = (wsu_buffer_t){0};
  wsu_transport_hold(transport, true);
  return true;
}

/* Inflates `bytes`, as far as the loop should. Returns bytes or an error. */
static int inflate_some(wsu_deflate_pool_t *pool,
                        wsu_decompressor_t *decompressor, const uint8_t *bytes,
                        size_t len, size_t max_output, size_t *consumed) {
  *consumed = 0;
  do {
    size_t n = len - *consumed < PIECE_SIZE ? len - *consumed : PIECE_SIZE;
    int err = wsu_decompress(decompressor, bytes + *consumed, n,
                             *consumed + n == len, max_output, &pool->inflated);

    if (err)
      return err;
    *consumed += n;
  } while (*consumed < len &&
           wsu_buffer_length(&pool->inflated) < LOOP_OUTPUT_MAX);
  return 0;
}

static int inflate_message(wsu_env_t *env, wsu_transport_t *transport,
                           bool is_binary, const uint8_t *bytes, size_t len) {
  const wsu_message_limits_t *limits = &transport->connection.options.limits;
  wsu_deflate_pool_t *pool = &env->deflate;
  wsu_deflate_t *deflate = wsu_deflate_of(transport);
  size_t max_output = limits->max_payload < SIZE_MAX / 2
                          ? (size_t)limits->max_payload
                          : SIZE_MAX / 2;
  wsu_decompressor_t *decompressor = take_decompressor(env, deflate);
  size_t consumed;
  int err;

  if (decompressor == NULL)
    return WSU_ERR_OUT_OF_MEMORY;
  err = inflate_some(pool, decompressor, bytes, len, max_output, &consumed);
  if (err == 0 && consumed < len) {
    if (start_inflation(env, transport, decompressor, is_binary,
                        bytes + consumed, len - consumed, max_output))
      return 0;
    err = WSU_ERR_OUT_OF_MEMORY;
  }
  give_decompressor(env, deflate, decompressor,
                    deflate->agreed.client_no_context_takeover);
  if (err == 0 && !is_binary && !limits->skips_utf8_validation &&
      !is_valid(&pool->inflated))
    err = WSU_ERR_INVALID_UTF8;
  deliver(env, transport, err, is_binary, &pool->inflated);
  return 0;
}

void wsu_deflate_on_message(wsu_env_t *env, wsu_transport_t *transport,
                            const wsu_event_t *event) {
  wsu_deflate_pool_t *pool = &env->deflate;
  uint8_t *dest = wsu_buffer_reserve(&pool->compressed, event->length + 1,
                                     event->length + 1);
  int err;

  if (dest == NULL) {
    wsu_connection_fail(&transport->connection, WSU_ERR_OUT_OF_MEMORY);
    return;
  }
  if (wsu_connection_read(&transport->connection, dest) == 0) {
    err =
        inflate_message(env, transport, event->is_binary, dest, event->length);
    if (err)
      wsu_connection_fail(&transport->connection, err);
  }
  wsu_deflate_reuse(&pool->compressed);
  wsu_deflate_reuse(&pool->inflated);
}
