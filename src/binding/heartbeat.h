/* The heartbeat of connections for JavaScript: setting it, what it measures. */
#ifndef WSU_BINDING_HEARTBEAT_H
#define WSU_BINDING_HEARTBEAT_H

#include <node_api.h>

/* newBeats(): where the heartbeats of a server's connections are counted. */
napi_value wsu_call_new_beats(napi_env napi, napi_callback_info info);

/*
 * takeBeats(beats): [alive, pinged, terminated]; the latter two since the last
 * call.
 */
napi_value wsu_call_take_beats(napi_env napi, napi_callback_info info);

/*
 * setHeartbeat(handle, beats, interval, timeout, idleTimeout, maxLifetime): in
 * ms, 0 for none. `beats` may be null. Returns false if there is no memory.
 */
napi_value wsu_call_set_heartbeat(napi_env napi, napi_callback_info info);

/* latency(handle): ms from the last ping that was answered to its pong; NaN. */
napi_value wsu_call_latency(napi_env napi, napi_callback_info info);

#endif
