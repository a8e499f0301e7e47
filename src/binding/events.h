/*
 * Events of connections to JavaScript: payloads go to the slab, everything
 * else to the ring, and one call hands the ring over.
 */
#ifndef WSU_EVENTS_H
#define WSU_EVENTS_H

#include "env.h"

/* Payloads over this many bytes get memory of their own. */
#define WSU_SLAB_PAYLOAD_MAX (16u * 1024u)

/* The owner's functions of a loop: see wsu_loop_owner_t. */
void wsu_events_on_event(wsu_transport_t *transport, const wsu_event_t *event);
void wsu_events_on_end(wsu_transport_t *transport);
void wsu_events_on_notice(wsu_transport_t *transport, int notice);
void wsu_events_on_full(wsu_transport_t *transport);
void wsu_events_on_close(wsu_transport_t *transport);

/*
 * Hands over a message that is somewhere else, an inflated one. JavaScript may
 * run in here.
 */
void wsu_events_deliver(wsu_env_t *env, wsu_transport_t *transport,
                        bool is_binary, const uint8_t *bytes, size_t len);

/*
 * Makes a Buffer of `len` bytes for wsu_events_deliver_buffer(); `*data` is
 * where they go. NULL: there is no memory.
 */
napi_ref wsu_events_make_buffer(wsu_env_t *env, size_t len, void **data);

/* Hands over a message that is in a Buffer. JavaScript may run in here. */
void wsu_events_deliver_buffer(wsu_env_t *env, wsu_transport_t *transport,
                               bool is_binary, napi_ref buffer);

/* Makes room for the events of one more connection. False: no memory. */
bool wsu_events_reserve(wsu_env_t *env);

/* Hands the pending events to JavaScript, if there are any. */
void wsu_events_dispatch(wsu_env_t *env);

#endif
