/*
 * What JavaScript calls for the counters of a server, and for those of an
 * environment: see ../io/stats.h.
 */
#ifndef WSU_BINDING_STATS_H
#define WSU_BINDING_STATS_H

#include <node_api.h>

/*
 * joinStats(handle, stats): counts what the connection does from now on in an
 * ArrayBuffer of STATS_SIZE bytes, and the connection as one that was accepted.
 * The buffer must live until JavaScript has handled CLOSED. It has the counters
 * in the order of `counters`, then the terminations in the order of `causes`,
 * then the errors by their number without its sign, from 0: 64 bits each.
 */
napi_value wsu_call_join_stats(napi_env napi, napi_callback_info info);

/*
 * readRing(): of the environment, events that JavaScript got, calls that they
 * took, the most in one call, slabs, and bytes used of the current one.
 */
napi_value wsu_call_read_ring(napi_env napi, napi_callback_info info);

#endif
