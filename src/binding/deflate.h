/*
 * permessage-deflate for connections (RFC 7692): which compressor and which
 * decompressor serves whom, on the loop or on a thread.
 *
 * Where no context is taken over, the connections of an environment share.
 * Dedicated decompressors live as long as their connections. Dedicated
 * compressors are limited in number: a connection that finds none left, since
 * all others are in use, compresses with a shared one, which the peer cannot
 * tell from a context that was never referred to.
 */
#ifndef WSU_BINDING_DEFLATE_H
#define WSU_BINDING_DEFLATE_H

#include <node_api.h>
#include <stdbool.h>

#include "../core/buffer.h"
#include "../core/connection.h"
#include "../core/deflate.h"
#include "../core/extension.h"
#include "../io/queue.h"
#include "../io/transport.h"

struct wsu_env;

/* Dedicated compressors of an environment: 24 MiB with the default level. */
#define WSU_COMPRESSORS_MAX 512u

/* ms without use after which another connection may have a compressor. */
#define WSU_COMPRESSOR_QUIET 1000u

/* Shared compressors of different options that are kept. */
#define WSU_COMPRESSORS_SHARED 4u

/* What was inflated on the loop before it has gone on. */
typedef struct wsu_inflated {
  uint64_t at; /* ms: of the loop */
  size_t from; /* compressed bytes */
  size_t to;   /* what they stand for */
} wsu_inflated_t;

/* What an environment has for all of its connections. */
typedef struct wsu_deflate_pool {
  wsu_decompressor_t *decompressor; /* the shared one; NULL: none, or lent */
  struct {
    wsu_compressor_options_t options;
    wsu_compressor_t *compressor;
  } shared[WSU_COMPRESSORS_SHARED];
  unsigned next_shared;  /* the one that has to go for another */
  wsu_encoder_t encoder; /* of all compressors, on the loop */
  wsu_queue_t used;      /* dedicated compressors, the least recent one first */
  unsigned dedicated;    /* how many those are */
  wsu_queue_t inflations; /* messages that wait for a thread, in their order */
  unsigned inflating;     /* those that have one, or are not handed over yet */
  wsu_inflated_t inflated_now;
  wsu_buffer_t compressed; /* of the message that is being read */
  wsu_buffer_t inflated;
  wsu_buffer_t deflated;
} wsu_deflate_pool_t;

/* What a connection has. */
typedef struct wsu_deflate {
  wsu_deflate_parameters_t agreed;
  wsu_compressor_options_t options;
  wsu_compressor_t *compressor;     /* dedicated; NULL: none, or at work */
  wsu_decompressor_t *decompressor; /* the same */
  wsu_queue_t used;                 /* in the pool's list, with a compressor */
  uint64_t used_at;                 /* ms */
  wsu_buffer_t collected;           /* of a message that a thread compresses */
  wsu_inflated_t inflated_now;
} wsu_deflate_t;

/* NULL if the connection has no compression. */
static inline wsu_deflate_t *wsu_deflate_of(const wsu_transport_t *transport) {
  return transport->deflate;
}

/* Empties a buffer for the next message, with its memory unless it is large. */
void wsu_deflate_reuse(wsu_buffer_t *buffer);

void wsu_deflate_pool_init(wsu_deflate_pool_t *pool);
void wsu_deflate_pool_free(wsu_deflate_pool_t *pool);

/* The connection is gone: frees what it has for compression. */
void wsu_deflate_release(struct wsu_env *env, wsu_transport_t *transport);

/*
 * A compressed message is complete: reads and inflates it, and hands it over
 * with wsu_events_deliver(), now or when a thread is done. Until then the
 * connection receives nothing.
 */
void wsu_deflate_on_message(struct wsu_env *env, wsu_transport_t *transport,
                            const wsu_event_t *event);

/*
 * negotiate(header, serverNoContextTakeover, clientNoContextTakeover,
 * serverMaxWindowBits, clientMaxWindowBits): the first two are of
 * wsu_takeover_t and the others as in wsu_deflate_options_t. Undefined if the
 * handshake has to be refused, null if permessage-deflate is not offered, or an
 * array: the value of the answer's header, and what was agreed on of the four.
 */
napi_value wsu_call_negotiate(napi_env napi, napi_callback_info info);

/*
 * useDeflate(handle, serverNoContextTakeover, clientNoContextTakeover,
 * serverMaxWindowBits, clientMaxWindowBits, level, memLevel, strategy), before
 * anything is received. Returns whether there is memory for it.
 */
napi_value wsu_call_use_deflate(napi_env napi, napi_callback_info info);

/*
 * deflate(handle, start, length, first, starts): compresses what stands in the
 * cork, behind WSU_FRAME_HEADER_MAX bytes at `start`, to one frame at `start`.
 * `first` is the first byte of its header, without RSV1, and `starts` whether a
 * message begins. Returns the offset behind the frame, or -1 if that failed.
 */
napi_value wsu_call_deflate(napi_env napi, napi_callback_info info);

/*
 * deflateCollect(handle, bytes, start, length, total): takes a copy of the next
 * part of a message of `total` bytes. It comes in parts since a large copy
 * holds the loop up. Returns whether the part is there, and memory.
 */
napi_value wsu_call_deflate_collect(napi_env napi, napi_callback_info info);

/*
 * deflateLater(handle, first, starts): compresses on a thread what was
 * collected, at least a byte, to one frame; it is sent from there, and DEFLATED
 * is noticed then. Returns whether that has begun.
 */
napi_value wsu_call_deflate_later(napi_env napi, napi_callback_info info);

#endif
