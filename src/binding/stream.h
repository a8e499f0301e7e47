/*
 * Connections over streams of JavaScript, for JavaScript: it opens one, hands
 * over what the stream reads, and takes what is to be written.
 */
#ifndef WSU_BINDING_STREAM_H
#define WSU_BINDING_STREAM_H

#include <node_api.h>

/* openStream(...options): the handle of a new connection. */
napi_value wsu_call_open_stream(napi_env napi, napi_callback_info info);

/*
 * receive(handle, bytes): how many bytes are to be written now; or -1 less that
 * number if no more may come until ROOM is noticed. 0 for a stale handle.
 */
napi_value wsu_call_receive(napi_env napi, napi_callback_info info);

/* end(handle, isClosed): the stream has ended, or is closed altogether. */
napi_value wsu_call_end(napi_env napi, napi_callback_info info);

/*
 * available(handle, waits): bytes that are to be written to the stream; with
 * `waits` none if it is full.
 */
napi_value wsu_call_available(napi_env napi, napi_callback_info info);

/* take(handle, target): moves as many of them as fit; returns how many. */
napi_value wsu_call_take(napi_env napi, napi_callback_info info);

/* block(handle): the stream is full until all that was taken is written. */
napi_value wsu_call_block(napi_env napi, napi_callback_info info);

/* written(handle, count): bytes that were taken are written. */
napi_value wsu_call_written(napi_env napi, napi_callback_info info);

#endif
