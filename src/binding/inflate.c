#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../core/utf8.h"
#include "../io/work.h"
#include "deflate.h"
#include "env.h"
#include "events.h"
#include "slab.h"

/* Compressed bytes that are inflated between two looks at what came out. */
#define PIECE_SIZE 2048u

/*
 * What is inflated on the loop for a connection before the loop has gone on:
 * bytes that come out, and bytes that go in, of which blocks without content
 * take the most time, 3 ms. The rest is for a thread.
 */
#define LOOP_OUTPUT_MAX (256u * 1024u)
#define LOOP_INPUT_MAX (64u * 1024u)

/* The same for all connections, of which many may send at the same time. */
#define LOOP_OUTPUT_SUM_MAX (4u * 1024u * 1024u)
#define LOOP_INPUT_SUM_MAX (1024u * 1024u)

/*
 * Messages that threads inflate at a time: as many as libuv has threads by
 * default. Each may take twice max_payload until JavaScript has it, and those
 * that wait what has come in.
 */
#define INFLATIONS_MAX 4u

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

/*
 * `deflate` is NULL if its connection is gone. A message that was given up
 * leaves a decompressor that is of no use to another connection.
 */
static void give_decompressor(wsu_env_t *env, wsu_deflate_t *deflate,
                              wsu_decompressor_t *decompressor,
                              bool is_shared) {
  if (is_shared && env->deflate.decompressor == NULL &&
      wsu_decompressor_is_idle(decompressor))
    env->deflate.decompressor = decompressor;
  else if (!is_shared && deflate != NULL)
    deflate->decompressor = decompressor;
  else
    wsu_decompressor_free(decompressor);
}

/*
 * A message that is inflated on a thread. What comes out has no known size, so
 * it is copied to JavaScript's memory afterwards, on a thread as well: the loop
 * would be busy with that, and with new pages, for longer than with anything
 * else.
 */
typedef struct inflation {
  wsu_work_t work;
  wsu_queue_t waiting; /* in the pool's list, until it is started */
  wsu_env_t *env;
  double handle;
  wsu_decompressor_t *decompressor;
  wsu_buffer_t input;
  wsu_buffer_t output;
  size_t max_output;
  napi_ref buffer; /* what the output is copied to; nobody else has it */
  void *dest;
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
  wsu_buffer_free(&job->input);
}

static void run_copy(wsu_work_t *work) {
  inflation_t *job = wsu_queue_element(work, inflation_t, work);

  memcpy(job->dest, wsu_buffer_bytes(&job->output),
         wsu_buffer_length(&job->output));
  wsu_buffer_free(&job->output);
}

static void deliver(wsu_env_t *env, wsu_transport_t *transport, int err,
                    bool is_binary, const wsu_buffer_t *output) {
  if (err)
    wsu_connection_fail(&transport->connection, err);
  else
    wsu_events_deliver(env, transport, is_binary, wsu_buffer_bytes(output),
                       wsu_buffer_length(output));
}

/* The connection of a job; NULL if it is gone. */
static wsu_transport_t *connection_of(const inflation_t *job) {
  wsu_transport_t *transport = NULL;

  if (!job->env->is_exiting)
    transport = wsu_slots_find(&job->env->slots, job->handle);
  return transport != NULL && transport->is_closing ? NULL : transport;
}

/* The job is over, and what came behind its message may be received. */
static void end(inflation_t *job, wsu_transport_t *transport) {
  if (transport != NULL)
    wsu_transport_release_hold(transport, WSU_HOLD_WORK);
  wsu_buffer_free(&job->input);
  wsu_buffer_free(&job->output);
  free(job);
}

/* Returns the decompressor of a job that needs it no more. */
static void give_back(const inflation_t *job, wsu_transport_t *transport) {
  give_decompressor(job->env,
                    transport == NULL ? NULL : wsu_deflate_of(transport),
                    job->decompressor, job->is_shared);
}

/* Starts those whose turn it is, or ends them if there is no memory for it. */
static void start_waiting(wsu_env_t *env) {
  wsu_deflate_pool_t *pool = &env->deflate;

  while (pool->inflating < INFLATIONS_MAX &&
         !wsu_queue_is_empty(&pool->inflations)) {
    inflation_t *job =
        wsu_queue_element(pool->inflations.next, inflation_t, waiting);
    wsu_transport_t *transport = connection_of(job);

    wsu_queue_remove(&job->waiting);
    assert(pool->inflations.next != &job->waiting);
    if (transport != NULL && wsu_work_start(&job->work, &env->loop) == 0) {
      pool->inflating++;
      continue;
    }
    give_back(job, transport);
    if (transport != NULL)
      deliver(env, transport, WSU_ERR_OUT_OF_MEMORY, job->is_binary, NULL);
    end(job, transport);
  }
}

static void finish(inflation_t *job, wsu_transport_t *transport) {
  wsu_env_t *env = job->env;

  end(job, transport);
  env->deflate.inflating--;
  start_waiting(env);
  if (env->is_exiting)
    wsu_env_finish(env);
  else
    wsu_slab_forget(env);
}

static void on_copied(wsu_work_t *work) {
  inflation_t *job = wsu_queue_element(work, inflation_t, work);
  wsu_transport_t *transport = connection_of(job);

  if (transport != NULL)
    wsu_events_deliver_buffer(job->env, transport, job->is_binary, job->buffer);
  (void)napi_delete_reference(job->env->napi, job->buffer);
  finish(job, transport);
}

/* Has a thread copy the output to a Buffer. False: the caller has to do it. */
static bool start_copy(inflation_t *job) {
  job->buffer = wsu_events_make_buffer(
      job->env, wsu_buffer_length(&job->output), &job->dest);
  if (job->buffer == NULL)
    return false;
  job->work.run = run_copy;
  job->work.done = on_copied;
  if (wsu_work_start(&job->work, &job->env->loop) == 0)
    return true;
  (void)napi_delete_reference(job->env->napi, job->buffer);
  return false;
}

static void on_inflated(wsu_work_t *work) {
  inflation_t *job = wsu_queue_element(work, inflation_t, work);
  wsu_transport_t *transport = connection_of(job);

  give_back(job, transport);
  if (transport != NULL && job->err == 0 &&
      wsu_buffer_length(&job->output) > LOOP_OUTPUT_MAX && start_copy(job))
    return;
  if (transport != NULL)
    deliver(job->env, transport, job->err, job->is_binary, &job->output);
  finish(job, transport);
}

/*
 * Leaves the rest of a message to a thread, as soon as it is its turn: what is
 * left in pool->compressed, behind what is in pool->inflated. False: there is
 * no memory.
 */
static bool start_inflation(wsu_env_t *env, wsu_transport_t *transport,
                            wsu_decompressor_t *decompressor, bool is_binary,
                            size_t max_output) {
  wsu_deflate_pool_t *pool = &env->deflate;
  inflation_t *job = calloc(1, sizeof(*job));

  if (job == NULL)
    return false;
  job->work.run = run_inflation;
  job->work.done = on_inflated;
  job->env = env;
  job->handle = wsu_slots_handle(&env->slots, transport);
  job->decompressor = decompressor;
  job->input = pool->compressed;
  job->output = pool->inflated;
  job->max_output = max_output;
  job->is_binary = is_binary;
  job->is_validated =
      !is_binary && !transport->connection.options.limits.skips_utf8_validation;
  job->is_shared = wsu_deflate_of(transport)->agreed.client_no_context_takeover;
  pool->compressed = (wsu_buffer_t){0};
  pool->inflated = (wsu_buffer_t){0};
  wsu_transport_hold(transport, WSU_HOLD_WORK);
  wsu_queue_init(&job->waiting);
  wsu_queue_push(&pool->inflations, &job->waiting);
  start_waiting(env);
  return true;
}

static bool is_under(wsu_inflated_t *inflated, uint64_t now, size_t from_max,
                     size_t to_max) {
  if (inflated->at != now)
    *inflated = (wsu_inflated_t){.at = now};
  return inflated->from < from_max && inflated->to < to_max;
}

/* Whether the loop has time for more of a connection. */
static bool has_time(wsu_env_t *env, wsu_deflate_t *deflate) {
  uint64_t now = uv_now(env->loop.uv);

  return is_under(&deflate->inflated_now, now, LOOP_INPUT_MAX,
                  LOOP_OUTPUT_MAX) &&
         is_under(&env->deflate.inflated_now, now, LOOP_INPUT_SUM_MAX,
                  LOOP_OUTPUT_SUM_MAX);
}

static void count(wsu_inflated_t *inflated, size_t from, size_t to) {
  inflated->from += from;
  inflated->to += to;
}

/*
 * Inflates pool->compressed, as far as the loop should. Returns 0 or an error;
 * `*ends` is whether that was all.
 */
static int inflate_some(wsu_env_t *env, wsu_deflate_t *deflate,
                        wsu_decompressor_t *decompressor, size_t max_output,
                        bool *ends) {
  wsu_buffer_t *input = &env->deflate.compressed;
  wsu_buffer_t *output = &env->deflate.inflated;

  *ends = false;
  while (!*ends && has_time(env, deflate)) {
    size_t len = wsu_buffer_length(input);
    size_t n = len < PIECE_SIZE ? len : PIECE_SIZE;
    size_t before = wsu_buffer_length(output);
    size_t made;
    int err;

    *ends = n == len;
    err = wsu_decompress(decompressor, wsu_buffer_bytes(input), n, *ends,
                         max_output, output);
    if (err)
      return err;
    input->start += n;
    made = wsu_buffer_length(output) - before;
    count(&deflate->inflated_now, n, made);
    count(&env->deflate.inflated_now, n, made);
  }
  return 0;
}

static int inflate_message(wsu_env_t *env, wsu_transport_t *transport,
                           bool is_binary) {
  const wsu_message_limits_t *limits = &transport->connection.options.limits;
  wsu_deflate_pool_t *pool = &env->deflate;
  wsu_deflate_t *deflate = wsu_deflate_of(transport);
  size_t max_output = limits->max_payload < SIZE_MAX / 2
                          ? (size_t)limits->max_payload
                          : SIZE_MAX / 2;
  wsu_decompressor_t *decompressor = take_decompressor(env, deflate);
  bool ends;
  int err;

  if (decompressor == NULL)
    return WSU_ERR_OUT_OF_MEMORY;
  err = inflate_some(env, deflate, decompressor, max_output, &ends);
  if (err == 0 && !ends) {
    if (start_inflation(env, transport, decompressor, is_binary, max_output))
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
  int err;

  if (wsu_connection_take(&transport->connection, &pool->compressed) == 0) {
    transport->stats->counters[WSU_STAT_INFLATED_FROM] += event->length;
    err = inflate_message(env, transport, event->is_binary);
    if (err)
      wsu_connection_fail(&transport->connection, err);
  }
  wsu_deflate_reuse(&pool->compressed);
  wsu_deflate_reuse(&pool->inflated);
}
